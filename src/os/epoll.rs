//! Readiness on Linux: epoll.
//!
//! Level-triggered: what is still so is said again, so a reader that stops half way loses nothing. An edge that is
//! missed once would be missed for good, and finding out would mean reading every socket dry.
//!
//! Not promised: silence after the descriptor is closed. The kernel forgets it only when the last copy of it is
//! closed, so a child between fork and exec can keep an event alive; the tokens are what tells those apart.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use super::poller::{Ready, Token};
use super::sys::{cvt, owned};
use crate::base::limits::EVENTS_PER_WAIT;
use crate::env::Interest;

/// One epoll instance.
#[derive(Debug)]
pub(super) struct Poller {
    fd: OwnedFd,
    buffer: Vec<libc::epoll_event>,
}

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no memory is passed.
        let fd = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        Ok(Self { fd, buffer: vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS_PER_WAIT] })
    }

    /// Changes what `fd` is watched for. Nothing means that it is taken out altogether: EPOLLHUP and EPOLLERR cannot
    /// be masked, and a socket whose peer is gone would otherwise end every wait at once.
    pub(super) fn subscribe(&self, fd: RawFd, token: Token, was: Interest, now: Interest) -> io::Result<()> {
        let none = Interest::default();
        let operation = match (was == none, now == none) {
            _ if was == now => return Ok(()),
            (true, _) => libc::EPOLL_CTL_ADD,
            (_, true) => libc::EPOLL_CTL_DEL,
            _ => libc::EPOLL_CTL_MOD,
        };
        let mut events = 0;
        if now.read {
            events |= libc::EPOLLIN;
        }
        if now.write {
            events |= libc::EPOLLOUT;
        }
        let mut event = libc::epoll_event { events: events.cast_unsigned(), u64: token.0 };
        // SAFETY: `event` outlives the call, which copies it.
        cvt(unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), operation, fd, &raw mut event) })?;
        Ok(())
    }

    /// Appends what is ready, waiting at most `limit` for the first of it, or for ever. An interrupting signal ends
    /// the wait with nothing.
    pub(super) fn poll(&mut self, limit: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let room = i32::try_from(self.buffer.len()).unwrap_or(i32::MAX);
        let (fd, buffer, timeout) = (self.fd.as_raw_fd(), self.buffer.as_mut_ptr(), millis(limit));
        // SAFETY: `buffer` is writable for `room` events.
        let seen = match cvt(unsafe { libc::epoll_wait(fd, buffer, room, timeout) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            result => result?,
        };
        let seen = usize::try_from(seen).unwrap_or(0);
        ready.extend(self.buffer.iter().take(seen).map(|event| {
            // Copied out: the kernel's structure is packed on x86-64, and its fields cannot be borrowed.
            let (events, token) = (event.events.cast_signed(), event.u64);
            let over = events & (libc::EPOLLHUP | libc::EPOLLERR) != 0;
            Ready {
                token: Token(token),
                readable: over || events & libc::EPOLLIN != 0,
                writable: over || events & libc::EPOLLOUT != 0,
            }
        }));
        Ok(())
    }
}

/// The wait in epoll's milliseconds, rounded up: rounded down, the last part of a millisecond would be spun away.
fn millis(limit: Option<Duration>) -> i32 {
    limit.map_or(-1, |limit| i32::try_from(limit.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_rounded_up_and_never_wraps() {
        assert_eq!(millis(None), -1);
        assert_eq!(millis(Some(Duration::ZERO)), 0);
        assert_eq!(millis(Some(Duration::from_nanos(1))), 1);
        assert_eq!(millis(Some(Duration::from_millis(7))), 7);
        assert_eq!(millis(Some(Duration::MAX)), i32::MAX);
    }
}
