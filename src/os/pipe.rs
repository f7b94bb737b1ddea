//! The self-pipe: how other threads and signal handlers end a wait.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::sys::{count, cvt, owned, retry};
use crate::env::Waker;

/// Both ends, non-blocking and closed on exec. Returns the reading and the writing one.
pub(super) fn pipe() -> io::Result<(OwnedFd, Bell)> {
    let mut ends: [RawFd; 2] = [-1; 2];
    // SAFETY: `ends` is writable for two descriptors.
    #[cfg(target_os = "linux")]
    cvt(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_NONBLOCK | libc::O_CLOEXEC) })?;
    // SAFETY: as above.
    #[cfg(not(target_os = "linux"))]
    cvt(unsafe { libc::pipe(ends.as_mut_ptr()) })?;
    let (reader, writer) = (owned(ends[0])?, owned(ends[1])?);
    #[cfg(not(target_os = "linux"))]
    for end in [&reader, &writer] {
        super::sys::tame(end)?;
    }
    Ok((reader, Bell(writer)))
}

/// Takes every byte out, so that a level-triggered wait falls silent.
pub(super) fn drain(reader: &OwnedFd) -> io::Result<()> {
    let mut bytes = [0_u8; 1024];
    loop {
        let into = bytes.as_mut_ptr().cast();
        // SAFETY: `bytes` is writable for its length.
        match retry(|| count(unsafe { libc::read(reader.as_raw_fd(), into, bytes.len()) })) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            // Less than asked for: it was empty at that moment, and a byte written since rings again.
            Ok(taken) if taken < bytes.len() => return Ok(()),
            result => drop(result?),
        }
    }
}

/// The writing end.
#[derive(Debug)]
pub(super) struct Bell(OwnedFd);

impl Bell {
    pub(super) fn descriptor(&self) -> &OwnedFd {
        &self.0
    }
}

impl Waker for Bell {
    fn wake(&self) {
        // A full pipe (EAGAIN) is a wake-up that is on its way already; a pipe without a reader (EPIPE, the signal is
        // ignored) is a loop that has ended. There is no other error, so none is looked at.
        let byte = [0_u8];
        // SAFETY: one readable byte.
        let _ = retry(|| count(unsafe { libc::write(self.0.as_raw_fd(), byte.as_ptr().cast(), 1) }));
    }
}
