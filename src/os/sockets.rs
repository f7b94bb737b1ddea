//! The listeners, the clients and the self-pipe of one server.
//!
//! Exactly these three kinds of descriptor are ever polled. A client is called by its [`ConnId`] everywhere, in the
//! poller too: numbers of descriptors are reused at once, names never, so that an event for a client that is gone
//! finds no entry and is dropped. Nothing here buffers, retries (but EINTR) or closes by itself.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use super::clock::SystemClock;
use super::listener::{self, Listener};
use super::pipe::{self, Bell};
use super::poller::{Poller, Ready, Token};
use super::signals;
use super::sys::{MOST, count, retry};
use crate::base::hash::FixedMap;
use crate::base::time::Mono;
use crate::env::{Accepted, Clock, ConnId, Event, Interest, Net, Waker};

/// The self-pipe's token. Connections count up from one and never get here.
const PIPE: Token = Token(u64::MAX);
/// The token of every listener: which one is ready does not matter, accept asks them in turn.
const LISTENER: Token = Token(u64::MAX - 1);
/// What the listeners and the self-pipe are watched for.
const READ: Interest = Interest { read: true, write: false };

#[cfg(target_os = "linux")]
const SEND_FLAGS: i32 = libc::MSG_NOSIGNAL;
/// macOS has a socket option instead, which is set on accepting.
#[cfg(not(target_os = "linux"))]
const SEND_FLAGS: i32 = 0;

/// The real network, through one poller.
#[derive(Debug)]
pub struct Sockets {
    listeners: Vec<Listener>,
    accepting: bool,
    /// The listener that is asked first next time.
    first: usize,
    clients: FixedMap<ConnId, Client>,
    last_conn: u64,
    keepalive: u32,
    pipe: OwnedFd,
    bell: Arc<Bell>,
    signalled: bool,
    poller: Poller,
    ready: Vec<Ready>,
}

#[derive(Debug)]
struct Client {
    fd: OwnedFd,
    interest: Interest,
}

impl Sockets {
    /// Listens on every host of `hosts` (addresses or names; `*` and `::*` for all; a minus in front for one that may
    /// be missing) at `port`, or for 0 at a free one. Silent clients are probed after `keepalive` seconds; 0: never.
    ///
    /// # Errors
    /// The kernel's, with the host and port that it is about.
    pub fn listen(hosts: &[String], port: u16, keepalive: u32) -> io::Result<Self> {
        let listeners = listener::listen(hosts, port)?;
        let (pipe, bell) = pipe::pipe()?;
        let poller = Poller::new()?;
        poller.subscribe(pipe.as_raw_fd(), PIPE, Interest::default(), READ)?;
        let mut sockets = Self {
            listeners,
            accepting: false,
            first: 0,
            clients: FixedMap::default(),
            last_conn: 0,
            keepalive,
            pipe,
            bell: Arc::new(bell),
            signalled: false,
            poller,
            ready: Vec::new(),
        };
        sockets.accepting(true)?;
        Ok(sockets)
    }

    /// From now on SIGTERM, SIGINT and SIGHUP (unless it was ignored), as often as they come, are [`Event::Shutdown`] here, and
    /// SIGPIPE and SIGXFSZ are ignored.
    /// One value of a process can have them: the last one that asked.
    ///
    /// # Errors
    /// The kernel's, out of descriptors above all.
    pub fn catch_signals(&mut self) -> io::Result<()> {
        signals::install(self.bell.descriptor())?;
        self.signalled = true;
        Ok(())
    }

    /// The number behind a name, for tests of what happens when it is reused.
    #[cfg(test)]
    pub(super) fn descriptor(&self, conn: ConnId) -> Option<std::os::fd::RawFd> {
        self.clients.get(&conn).map(|client| client.fd.as_raw_fd())
    }

    fn client(&self, conn: ConnId) -> io::Result<&Client> {
        self.clients.get(&conn).ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))
    }

    /// What the kernel said, in the door's words.
    fn translate(&mut self, ready: &[Ready], events: &mut Vec<Event>) -> io::Result<()> {
        let mut acceptable = false;
        for &Ready { token, readable, writable } in ready {
            match token {
                PIPE => {
                    pipe::drain(&self.pipe)?;
                    events.push(Event::Woken);
                    // The pipe may have been full when a signal came, so its count tells, not a byte of its own.
                    let signals = if self.signalled { signals::take() } else { 0 };
                    events.extend((0..signals).map(|_| Event::Shutdown));
                }
                LISTENER => acceptable = self.accepting,
                Token(id) if self.clients.contains_key(&ConnId(id)) => {
                    events.push(Event::Ready { conn: ConnId(id), readable, writable });
                }
                Token(_) => {}
            }
        }
        if acceptable {
            events.push(Event::Acceptable);
        }
        Ok(())
    }
}

impl Net for Sockets {
    /// Asks the listeners in turn, so that a busy one does not starve the others.
    fn accept(&mut self) -> io::Result<Accepted> {
        for step in 0..self.listeners.len() {
            let index = (self.first + step) % self.listeners.len();
            let accepted = match listener::accept(&self.listeners[index].fd, self.keepalive) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                result => result,
            };
            self.first = index + 1;
            let (fd, peer) = accepted?;
            self.last_conn += 1;
            let conn = ConnId(self.last_conn);
            self.clients.insert(conn, Client { fd, interest: Interest::default() });
            return Ok(Accepted { conn, peer: peer.to_string() });
        }
        Err(io::Error::from(io::ErrorKind::WouldBlock))
    }

    fn accepting(&mut self, on: bool) -> io::Result<()> {
        if self.accepting == on {
            return Ok(());
        }
        let (was, now) = if on { (Interest::default(), READ) } else { (READ, Interest::default()) };
        for listener in &self.listeners {
            self.poller.subscribe(listener.fd.as_raw_fd(), LISTENER, was, now)?;
        }
        self.accepting = on;
        Ok(())
    }

    fn read(&mut self, conn: ConnId, buf: &mut [u8]) -> io::Result<usize> {
        let fd = self.client(conn)?.fd.as_raw_fd();
        let len = buf.len().min(MOST);
        // SAFETY: `buf` is writable for `len` bytes, and the kernel keeps no pointer to it.
        retry(|| count(unsafe { libc::recv(fd, buf.as_mut_ptr().cast(), len, 0) }))
    }

    fn write(&mut self, conn: ConnId, buf: &[u8]) -> io::Result<usize> {
        let fd = self.client(conn)?.fd.as_raw_fd();
        let len = buf.len().min(MOST);
        // SAFETY: `buf` is readable for `len` bytes.
        retry(|| count(unsafe { libc::send(fd, buf.as_ptr().cast(), len, SEND_FLAGS) }))
    }

    fn interest(&mut self, conn: ConnId, interest: Interest) -> io::Result<()> {
        let client = self.clients.get_mut(&conn).ok_or(io::ErrorKind::NotConnected)?;
        self.poller.subscribe(client.fd.as_raw_fd(), Token(conn.0), client.interest, interest)?;
        client.interest = interest;
        Ok(())
    }

    /// Closing is unsubscribing: no copy of the descriptor is ever made, so the kernel takes it out of the poller. In
    /// the moment when a child stands between fork and exec there is one; its events find no entry here.
    fn close(&mut self, conn: ConnId) {
        self.clients.remove(&conn);
    }

    fn wait(&mut self, until: Option<Mono>, events: &mut Vec<Event>) -> io::Result<()> {
        let limit: Option<Duration> = until.map(|until| until.since(SystemClock.now()));
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        let result = self.poller.poll(limit, &mut ready).and_then(|()| self.translate(&ready, events));
        self.ready = ready;
        result
    }

    fn waker(&self) -> Arc<dyn Waker> {
        self.bell.clone()
    }

    /// The first listener's address.
    fn local(&self) -> String {
        self.listeners.first().map_or_else(String::new, |listener| listener.local.to_string())
    }
}
