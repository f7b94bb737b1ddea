//! Readiness on macOS: kqueue.
//!
//! Without EV_CLEAR a kqueue is level-triggered, which is what is wanted here (see the epoll side for why). Reading
//! and writing are two filters, so one descriptor may be said twice in one wait. Closing a descriptor takes its
//! filters out; here, unlike with epoll, a copy does not keep them.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use super::poller::{Ready, Token};
use super::sys::{cvt, owned, tame};
use crate::base::limits::EVENTS_PER_WAIT;
use crate::env::Interest;

/// One kqueue.
#[derive(Debug)]
pub(super) struct Poller {
    fd: OwnedFd,
    buffer: Vec<Slot>,
}

/// One event of the kernel's. The pointer inside is a token and never followed.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
struct Slot(libc::kevent);

// SAFETY: the only pointer in an event is our token, a number that is never followed.
unsafe impl Send for Slot {}

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no arguments.
        let fd = owned(unsafe { libc::kqueue() })?;
        tame(&fd)?;
        Ok(Self { fd, buffer: vec![change(0, 0, 0, Token(0)); EVENTS_PER_WAIT] })
    }

    /// Changes what `fd` is watched for. Only filters that change are named: deleting one that is not there is an
    /// error, and the first error leaves the changes behind it undone.
    pub(super) fn subscribe(&self, fd: RawFd, token: Token, was: Interest, now: Interest) -> io::Result<()> {
        let filters = [(libc::EVFILT_READ, was.read, now.read), (libc::EVFILT_WRITE, was.write, now.write)];
        for (filter, was, now) in filters {
            if was == now {
                continue;
            }
            let Slot(change) = change(fd, filter, if now { libc::EV_ADD } else { libc::EV_DELETE }, token);
            let (queue, change) = (self.fd.as_raw_fd(), &raw const change);
            // SAFETY: one change that outlives the call, and no room for events, so none are written.
            cvt(unsafe { libc::kevent(queue, change, 1, std::ptr::null_mut(), 0, std::ptr::null()) })?;
        }
        Ok(())
    }

    /// Appends what is ready, waiting at most `limit` for the first of it, or for ever. An interrupting signal ends
    /// the wait with nothing.
    pub(super) fn poll(&mut self, limit: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let limit = limit.map(|limit| libc::timespec {
            tv_sec: libc::time_t::try_from(limit.as_secs().min(LONGEST)).unwrap_or(0),
            tv_nsec: libc::c_long::from(limit.subsec_nanos().cast_signed()),
        });
        let timeout = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        let room = i32::try_from(self.buffer.len()).unwrap_or(i32::MAX);
        let (queue, buffer) = (self.fd.as_raw_fd(), self.buffer.as_mut_ptr().cast());
        // SAFETY: `buffer` is writable for `room` events of this layout; the timeout outlives the call.
        let seen = match cvt(unsafe { libc::kevent(queue, std::ptr::null(), 0, buffer, room, timeout) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            result => result?,
        };
        ready.extend(self.buffer.iter().take(usize::try_from(seen).unwrap_or(0)).map(|Slot(event)| {
            let end = event.flags & libc::EV_EOF != 0;
            // The end of what can be read comes in order after the bytes, so it is only readable, unless it carries
            // an error; the end of what can be written is the end of the connection.
            let over = end && (event.filter == libc::EVFILT_WRITE || event.fflags != 0);
            Ready {
                token: Token(event.udata.addr() as u64),
                readable: over || event.filter == libc::EVFILT_READ,
                writable: over || event.filter == libc::EVFILT_WRITE,
            }
        }));
        Ok(())
    }
}

/// The kernel refuses times that overflow when added to now; a day is as good as for ever, since waits may be early.
const LONGEST: u64 = 24 * 60 * 60;

fn change(fd: RawFd, filter: i16, flags: u16, token: Token) -> Slot {
    Slot(libc::kevent {
        ident: usize::try_from(fd).unwrap_or(0),
        filter,
        flags,
        fflags: 0,
        data: 0,
        udata: std::ptr::without_provenance_mut(token.0 as usize),
    })
}
