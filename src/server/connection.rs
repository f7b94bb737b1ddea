//! One client: its bytes in, its replies out, and what it has told the server about itself.

use super::input::Input;
use super::options::Shares;
use super::replies::{Replies, Waiting};
use crate::base::time::{Mono, Wall};
use crate::engine::Watches;
use crate::engine::command::Command;
use crate::env::{ConnId, Interest};
use crate::resp::{OwnedArgs, Protocol, Reply};
use crate::wal::Lsn;

/// What MULTI has begun.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    pub(super) commands: Vec<(&'static Command, OwnedArgs)>,
    /// A command was refused while queueing: EXEC will refuse all.
    pub(super) aborted: bool,
    pub(super) bytes: usize,
}

/// Which replies the client wants (CLIENT REPLY).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ReplyMode {
    /// All of them.
    #[default]
    On,
    /// None, until switched on again.
    Off,
    /// Not the next one.
    SkipNext,
}

/// Who the client is.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) protocol: Protocol,
    pub(super) authenticated: bool,
    pub(super) name: Vec<u8>,
    pub(super) lib_name: Vec<u8>,
    pub(super) lib_version: Vec<u8>,
    pub(super) reply_mode: ReplyMode,
    pub(super) no_evict: bool,
    pub(super) no_touch: bool,
    pub(super) transaction: Option<Transaction>,
    pub(super) watches: Watches,
    /// The last command's name, for CLIENT LIST.
    pub(super) last_command: &'static str,
    /// And its subcommand's; empty for none.
    pub(super) last_subcommand: &'static str,
    /// The commands that run are a transaction's: each must answer once.
    pub(super) in_exec: bool,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnId,
    pub(super) peer: String,
    pub(super) since: Wall,
    pub(super) last_active: Mono,
    pub(super) session: Session,
    pub(super) input: Input,
    pub(super) replies: Replies,
    /// Jobs of this client that are not done.
    pub(super) jobs: usize,
    /// Changes of a form that it has asked for and that are not over, of those jobs: what it asks for behind one waits.
    pub(super) changes: usize,
    /// What the net was last told.
    pub(super) interest: Interest,
    /// A complete command lies parsed and waits for room (jobs, log).
    pub(super) parked: bool,
    /// It stands in the server's list of connections that wait for room.
    pub(super) waits_for_room: bool,
    /// Its input may hold whole commands that nobody has looked at.
    pub(super) unserved: bool,
    /// It sends nothing more; what it sent is still served and answered.
    pub(super) input_ended: bool,
    /// It gets what is in its output and is closed; nothing more is read.
    pub(super) closing: bool,
    /// Its memory as the server has counted it.
    pub(super) accounted: usize,
    /// It stands in the server's list of connections to serve.
    pub(super) listed: bool,
    /// It stands in the server's list of connections that wait for the log.
    pub(super) waits_for_log: bool,
}

impl Session {
    pub(super) fn new(authenticated: bool) -> Self {
        Self {
            protocol: Protocol::Resp2,
            authenticated,
            name: Vec::new(),
            lib_name: Vec::new(),
            lib_version: Vec::new(),
            reply_mode: ReplyMode::On,
            no_evict: false,
            no_touch: false,
            transaction: None,
            watches: Watches::default(),
            last_command: "NULL",
            last_subcommand: "",
            in_exec: false,
        }
    }
}

impl Connection {
    pub(super) fn new(id: ConnId, peer: String, since: Wall, now: Mono, authenticated: bool) -> Self {
        Self {
            id,
            peer,
            since,
            last_active: now,
            session: Session::new(authenticated),
            input: Input::default(),
            replies: Replies::default(),
            jobs: 0,
            changes: 0,
            interest: Interest::default(),
            parked: false,
            waits_for_room: false,
            unserved: false,
            input_ended: false,
            closing: false,
            accounted: 0,
            listed: false,
            waits_for_log: false,
        }
    }

    /// Nothing more is read or executed; what waits to be sent is, and then the connection is closed.
    pub(super) fn end_input(&mut self) {
        self.closing = true;
        self.parked = false;
        self.unserved = false;
        self.input = Input::default();
    }

    /// Queues a reply that waits for nothing but those before it.
    pub(super) fn reply(&mut self, bytes: Vec<u8>) {
        if !self.wants_reply() {
            return;
        }
        if self.replies.is_clear() {
            self.replies.output().extend_from_slice(&bytes);
        } else {
            self.replies.push(Waiting::complete(bytes, Lsn(0)));
        }
    }

    /// Queues a reply that waits for those before it and for record `barrier`.
    pub(super) fn reply_behind(&mut self, bytes: Vec<u8>, barrier: Lsn) {
        if self.wants_reply() {
            self.replies.push(Waiting::complete(bytes, barrier));
        }
    }

    /// Queues an error.
    pub(super) fn refuse(&mut self, text: &str) {
        let mut bytes = Vec::new();
        Reply::new(&mut bytes, self.session.protocol).error(text);
        self.reply(bytes);
    }

    /// True if this reply is wanted (CLIENT REPLY); uses up a skip.
    pub(super) fn wants_reply(&mut self) -> bool {
        match self.session.reply_mode {
            ReplyMode::On => true,
            ReplyMode::Off => false,
            ReplyMode::SkipNext => {
                self.session.reply_mode = ReplyMode::On;
                false
            }
        }
    }

    /// True while its commands have to wait: for its own replies to be taken, its own jobs to be done, or its own change of a
    /// form to be over.
    pub(super) fn is_full(&self, shares: &Shares) -> bool {
        self.changes > 0
            || self.replies.bytes() > shares.output_pause
            || self.jobs >= shares.jobs_per_client
            || self.replies.waiting() >= shares.waiting_replies
    }

    /// What the net should wake it for.
    pub(super) fn wanted_interest(&self, shares: &Shares) -> Interest {
        let read = !(self.closing || self.input_ended || self.parked || self.is_full(shares));
        Interest { read, write: !self.replies.unsent().is_empty() }
    }

    /// True when there is nothing left to do for it but to close it.
    pub(super) fn is_finished(&self) -> bool {
        if self.closing {
            return self.replies.unsent().is_empty() && self.replies.is_clear();
        }
        let served = !(self.parked || self.unserved || self.listed);
        self.input_ended && served && self.replies.is_empty() && self.jobs == 0
    }

    /// Bytes of memory that this connection occupies.
    pub(super) fn memory(&self) -> usize {
        let queued = self.session.transaction.as_ref().map_or(0, |t| t.bytes) + self.session.watches.bytes();
        size_of::<Self>() + self.input.memory() + self.replies.memory() + queued
    }
}
