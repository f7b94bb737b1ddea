//! The listener, the clients and the self-pipe behind one readiness interface.

use std::io;
use std::sync::Arc;

use crate::base::time::Mono;

/// A connection's name. Never used again in the life of a server, whatever the descriptor's number does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// What a connection should be woken for. Neither: its socket stays silent, a hang-up included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Wake when there are bytes to read, or the peer is done.
    pub read: bool,
    /// Wake when there is room to write.
    pub write: bool,
}

/// A new client.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Its name from now on. It starts with no interest.
    pub conn: ConnId,
    /// Where it calls from, as `address:port`.
    pub peer: String,
}

/// What [`Net::wait`] saw. Level-triggered: what is still so is said again by the next wait. Any of them may be
/// spurious.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A client waits to be accepted.
    Acceptable,
    /// A connection is ready for what it showed interest in; errors and hang-ups count as both.
    Ready {
        /// Which one.
        conn: ConnId,
        /// A read will not block.
        readable: bool,
        /// A write will not block.
        writable: bool,
    },
    /// A [`Waker`] was used; many uses may give one event.
    Woken,
    /// The operator asked the server to finish (SIGTERM, SIGINT, SIGHUP).
    Shutdown,
}

/// One listener and its clients. Owned by the loop; every call is non-blocking but [`Net::wait`].
pub trait Net: Send {
    /// Takes one waiting client; `WouldBlock` when there is none.
    fn accept(&mut self) -> io::Result<Accepted>;
    /// Switches [`Event::Acceptable`] on (as it is at first) or off; clients queue in the backlog meanwhile.
    fn accepting(&mut self, on: bool) -> io::Result<()>;
    /// Reads at most `buf.len()` bytes; zero means that the peer has finished sending.
    fn read(&mut self, conn: ConnId, buf: &mut [u8]) -> io::Result<usize>;
    /// Writes at most `buf.len()` bytes; may be short; `WouldBlock` when there is no room.
    fn write(&mut self, conn: ConnId, buf: &[u8]) -> io::Result<usize>;
    /// Sets what the connection is woken for.
    fn interest(&mut self, conn: ConnId, interest: Interest) -> io::Result<()>;
    /// Closes the connection; its name means nothing from now on. Unknown names are ignored.
    fn close(&mut self, conn: ConnId);
    /// Waits until something happened or the time has come, and appends what happened to `events`. Without a time
    /// it waits for ever; a time that has passed makes it only look.
    fn wait(&mut self, until: Option<Mono>, events: &mut Vec<Event>) -> io::Result<()>;
    /// A handle with which any thread ends the current or the next [`Net::wait`].
    fn waker(&self) -> Arc<dyn Waker>;
    /// Where clients find the listener, as `address:port`.
    fn local(&self) -> String;
}

/// Ends a wait from another thread.
pub trait Waker: Send + Sync {
    /// One byte on the self-pipe. Never blocks; a full pipe means that a wake-up is on its way already.
    fn wake(&self);
}
