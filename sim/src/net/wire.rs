//! The clients' end of the network. Its calls happen at once and reach no scheduling point.

use std::sync::Arc;

use super::Inner;
use super::link::{End, Link, LinkId, Received};

/// A way to the server, for clients that are part of the simulated world.
#[derive(Clone)]
pub struct Wire {
    inner: Arc<Inner>,
}

/// The server's end of a connection. Times are virtual nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether the server has accepted it.
    pub accepted: bool,
    /// Connections that the server had when it did.
    pub others: usize,
    /// When the server last moved a byte of it; before the first, when it accepted it.
    pub moved: u64,
    /// When the server closed it.
    pub closed: Option<u64>,
    /// Bytes that the server has read.
    pub taken: u64,
    /// Bytes that have arrived and that it has not read.
    pub waiting: usize,
}

/// What the server has had to do with clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Connections that it has accepted.
    pub accepted: u64,
    /// Those of them that were more than it may have.
    pub crowded: u64,
    /// Bytes that it has read.
    pub read: u64,
    /// Bytes that it has written.
    pub written: u64,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Joins the listener's backlog. `notify` is called later, whenever there is something to [`Wire::receive`].
    #[must_use]
    pub fn connect(&self, notify: impl Fn(LinkId) + Send + Sync + 'static) -> LinkId {
        let mut state = self.inner.state.lock();
        let id = LinkId(state.links.len());
        let peer = format!("10.0.0.1:{}", 40_000 + id.0);
        let mut link = Link::new(peer, Arc::new(notify));
        let full = state.backlog.len() >= self.inner.settings.backlog;
        if full {
            link.reset();
        } else {
            state.backlog.push_back(id);
        }
        state.links.push(link);
        drop(state);
        if full {
            self.inner.tell(id);
        } else {
            self.inner.stir();
        }
        id
    }

    /// Lets bytes arrive at the server; they are lost when it has closed the connection.
    pub fn send(&self, id: LinkId, bytes: &[u8]) {
        let mut state = self.inner.state.lock();
        let link = &mut state.links[id.0];
        if link.inbound_end.is_none() && link.outbound_end.is_none() {
            link.inbound.extend(bytes);
            drop(state);
            self.inner.stir();
        }
    }

    /// Says that nothing more will be sent; replies still arrive.
    pub fn finish(&self, id: LinkId) {
        let mut state = self.inner.state.lock();
        state.links[id.0].inbound_end.get_or_insert(End::Finished);
        drop(state);
        self.inner.stir();
    }

    /// Tears the connection down. What was on its way to the client is lost, and it hears no more.
    pub fn reset(&self, id: LinkId) {
        let mut state = self.inner.state.lock();
        let link = &mut state.links[id.0];
        link.tear();
        link.notify = None;
        drop(state);
        self.inner.scheduler.note("reset", "by client", [id.0 as u64, 0, 0]);
        self.inner.stir();
    }

    /// Closes both directions: the server reads what was sent and then the end, and is torn away from when it writes,
    /// or at once if something it wrote was not received. The client hears no more.
    pub fn hang_up(&self, id: LinkId) {
        let mut state = self.inner.state.lock();
        let link = &mut state.links[id.0];
        if link.outbound.is_empty() {
            link.inbound_end.get_or_insert(End::Finished);
            link.deaf = true;
        } else {
            link.tear();
        }
        link.notify = None;
        drop(state);
        self.inner.scheduler.note("hang-up", "by client", [id.0 as u64, 0, 0]);
        self.inner.stir();
    }

    /// Takes at most `most` of the bytes that have arrived.
    #[must_use]
    pub fn receive(&self, id: LinkId, most: usize) -> Received {
        let mut state = self.inner.state.lock();
        let link = &mut state.links[id.0];
        let len = link.outbound.len().min(most);
        let bytes = link.outbound.drain(..len).collect();
        let end = if link.outbound.is_empty() { link.outbound_end } else { None };
        drop(state);
        self.inner.stir();
        Received { bytes, end }
    }

    /// True until the server has closed the connection, or was told that it has none.
    #[must_use]
    pub fn held_by_server(&self, id: LinkId) -> bool {
        let state = self.inner.state.lock();
        state.backlog.contains(&id) || state.conns.values().any(|&held| held == id)
    }

    /// What the server's end of a connection looks like.
    #[must_use]
    pub fn look(&self, id: LinkId) -> Look {
        let state = self.inner.state.lock();
        let link = &state.links[id.0];
        Look {
            accepted: link.conn.is_some(),
            others: link.others,
            moved: link.moved,
            closed: link.closed,
            taken: link.taken,
            waiting: link.inbound.len(),
        }
    }

    /// What the server has had to do with clients so far. It may have `most` at a time.
    #[must_use]
    pub fn totals(&self, most: usize) -> Totals {
        let state = self.inner.state.lock();
        let crowded = state.links.iter().filter(|link| link.conn.is_some() && link.others >= most).count();
        Totals { accepted: state.made, crowded: crowded as u64, read: state.read, written: state.written }
    }

    /// Connections that the server has accepted and not closed.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.inner.state.lock().conns.len()
    }

    /// A client is about to order the server to finish, or, for false, has heard that it does not.
    pub fn ordered_to_finish(&self, yes: bool) {
        let now = self.inner.scheduler.now();
        let mut state = self.inner.state.lock();
        match yes {
            true => drop(state.shut_down.get_or_insert(now)),
            false if state.signalled => {}
            false => state.shut_down = None,
        }
    }

    /// Whether a signal has asked the server to finish.
    #[must_use]
    pub fn was_signalled(&self) -> bool {
        self.inner.state.lock().signalled
    }

    /// Asks the server to finish, as a signal would.
    pub fn shutdown(&self) {
        let now = self.inner.scheduler.now();
        let mut state = self.inner.state.lock();
        (state.shutdown, state.signalled) = (true, true);
        state.shut_down.get_or_insert(now);
        drop(state);
        self.inner.scheduler.note("shutdown", "", [0; 3]);
        self.inner.stir();
    }

    /// Whether the server was asked to finish.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.shut_down_at().is_some()
    }

    /// When the server was asked to finish.
    #[must_use]
    pub fn shut_down_at(&self) -> Option<u64> {
        self.inner.state.lock().shut_down
    }

    /// Cuts the ties between clients and network, so that both can be dropped.
    pub fn clear(&self) {
        for link in &mut self.inner.state.lock().links {
            link.notify = None;
        }
    }
}
