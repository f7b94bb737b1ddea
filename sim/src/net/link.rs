//! One connection, both directions of it.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::Arc;

use engram::env::{ConnId, Interest};

/// A client's name for a connection, never used again in a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(pub usize);

/// How a direction came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its sender is done.
    Finished,
    /// Its sender closed it with input unread.
    Unread,
    /// It was torn down; what was on its way may be lost.
    Reset,
}

/// What a client received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Bytes, in the order in which the server wrote them.
    pub bytes: Vec<u8>,
    /// Set when nothing more will come.
    pub end: Option<End>,
}

pub(super) type Notify = Arc<dyn Fn(LinkId) + Send + Sync>;

pub(super) struct Link {
    pub(super) peer: String,
    /// Called when there is something to receive; none once the client has turned away.
    pub(super) notify: Option<Notify>,
    /// A call of `notify` is on the agenda.
    pub(super) told: bool,
    pub(super) conn: Option<ConnId>,
    pub(super) interest: Interest,
    /// Arrived at the server and not read yet.
    pub(super) inbound: VecDeque<u8>,
    pub(super) inbound_end: Option<End>,
    /// The client has torn it down; what had arrived can still be read.
    pub(super) torn: bool,
    /// The client has closed it: what the server still writes, it answers by tearing it down.
    pub(super) deaf: bool,
    /// What the server has not been told of it: an error is told once.
    pub(super) error: Option<ErrorKind>,
    /// Written by the server and not received yet.
    pub(super) outbound: VecDeque<u8>,
    pub(super) outbound_end: Option<End>,
    /// Connections that the server had when it accepted this one.
    pub(super) others: usize,
    /// When the server last read or wrote a byte of it, or accepted it.
    pub(super) moved: u64,
    /// When the server closed it.
    pub(super) closed: Option<u64>,
    /// Bytes that the server has read.
    pub(super) taken: u64,
    /// A fault has hit the server's end: that it drops the connection is no fault of its own.
    pub(super) spoilt: bool,
}

impl Link {
    pub(super) fn new(peer: String, notify: Notify) -> Self {
        Self {
            peer,
            notify: Some(notify),
            told: false,
            conn: None,
            interest: Interest::default(),
            inbound: VecDeque::new(),
            inbound_end: None,
            torn: false,
            deaf: false,
            error: None,
            outbound: VecDeque::new(),
            outbound_end: None,
            others: 0,
            moved: 0,
            closed: None,
            taken: 0,
            spoilt: false,
        }
    }

    /// Both directions are torn down, from whichever side.
    pub(super) fn reset(&mut self) {
        self.inbound.clear();
        self.outbound.clear();
        self.inbound_end = Some(End::Reset);
        self.outbound_end = Some(End::Reset);
    }

    /// The client tears both directions down, as Linux has it: the next call that finds nothing to read meets the
    /// error, once. To a server that has been told that no more will come, the end of it is an end still.
    pub(super) fn tear(&mut self) {
        let heard = self.inbound_end.is_some();
        self.error = Some(if heard { ErrorKind::BrokenPipe } else { ErrorKind::ConnectionReset });
        self.torn = true;
        self.outbound.clear();
        self.outbound_end = Some(End::Reset);
    }

    /// The error that a read meets now.
    pub(super) fn read_error(&mut self) -> Option<ErrorKind> {
        let silent = self.torn && self.inbound.is_empty() && self.inbound_end.is_none();
        if silent { self.error.take() } else { None }
    }

    /// The error that a write meets now.
    pub(super) fn write_error(&mut self) -> Option<ErrorKind> {
        self.torn.then(|| self.error.take().unwrap_or(ErrorKind::BrokenPipe))
    }

    /// The peer is gone: a write cannot succeed any more.
    pub(super) fn broken(&self) -> bool {
        self.inbound_end == Some(End::Reset)
    }

    /// What a level-triggered poll says of it: readable, writable.
    pub(super) fn readiness(&self, capacity: usize) -> (bool, bool) {
        let Interest { read, write } = self.interest;
        let broken = (self.torn || self.broken()) && (read || write);
        let readable = read && (!self.inbound.is_empty() || self.inbound_end.is_some());
        let writable = write && self.outbound.len() < capacity;
        (readable || broken, writable || broken)
    }
}
