//! SIGTERM, SIGINT and SIGHUP, turned into bytes on the self-pipe; SIGBUS, turned into a sentence and an end; SIGPIPE and
//! SIGXFSZ, ignored: the write that meets a peer that is gone, or a file that may not grow (`ulimit -f`), has an error.
//!
//! A handler may interrupt any thread anywhere, a lock or the allocator included, so it does the three things that
//! are safe there: count, write, and leave `errno` as it was. Everything else happens in the loop.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
// Not base::sync's: those are scheduling points, and reach for thread-locals that a handler must not touch.
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use super::sys::{cvt, errno_location};

/// Signals that were caught and not taken yet.
static CAUGHT: AtomicU32 = AtomicU32::new(0);
/// Where the handler writes; -1 before the first installation.
static BELL: AtomicI32 = AtomicI32::new(-1);

/// Catches SIGTERM, SIGINT and SIGHUP from now on: each is counted and rings `bell`. But a SIGHUP that was ignored stays so:
/// whoever starts a server with nohup(1) wants it to outlive the terminal.
///
/// The handler gets a copy of the descriptor that is never closed: it may run at any time until the process ends,
/// and must not find some other file behind the number.
pub(super) fn install(bell: &OwnedFd) -> io::Result<()> {
    // SAFETY: no memory is passed.
    let copy: RawFd = cvt(unsafe { libc::fcntl(bell.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 0) })?;
    BELL.store(copy, Ordering::Release);
    let handler: extern "C" fn(libc::c_int) = on_signal;
    set(libc::SIGPIPE, libc::SIG_IGN)?;
    set(libc::SIGXFSZ, libc::SIG_IGN)?;
    let lost: extern "C" fn(libc::c_int) = on_lost_page;
    set(libc::SIGBUS, lost as *const () as libc::sighandler_t)?;
    let handler = handler as *const () as libc::sighandler_t;
    if !is_ignored(libc::SIGHUP)? {
        set(libc::SIGHUP, handler)?;
    }
    set(libc::SIGTERM, handler)?;
    set(libc::SIGINT, handler)
}

fn is_ignored(signal: libc::c_int) -> io::Result<bool> {
    // SAFETY: as in [`set`].
    let mut now: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: `now` is writable, and nothing is changed.
    cvt(unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut now) })?;
    Ok(now.sa_sigaction == libc::SIG_IGN)
}

/// How many signals were caught since the last call.
pub(super) fn take() -> u32 {
    CAUGHT.swap(0, Ordering::AcqRel)
}

extern "C" fn on_signal(_signal: libc::c_int) {
    let errno = errno_location();
    // SAFETY: this thread's own errno.
    let before = unsafe { errno.read() };
    CAUGHT.fetch_add(1, Ordering::AcqRel);
    let byte = 0_u8;
    // SAFETY: one readable byte. A full pipe is as good: it is read soon, and the count is looked at then.
    unsafe { libc::write(BELL.load(Ordering::Acquire), (&raw const byte).cast(), 1) };
    // SAFETY: as above.
    unsafe { errno.write(before) };
}

/// What is said when a page of a map is not to be had: its file was cut, or the disk fails.
const LOST_PAGE: &[u8] = b"engram: a mapped snapshot cannot be read any more (SIGBUS): its file was cut, or its disk fails. The \
    server ends at once; what was acknowledged is in log and snapshot as far as they are sound: engram check DIR\n";

/// There is no going on: whoever asked for the bytes of that page stands in the middle of an answer. What was acknowledged is
/// on the disk already, so an end without ceremony takes nothing.
extern "C" fn on_lost_page(_signal: libc::c_int) {
    // SAFETY: readable for its length. Whether anybody hears it makes no difference.
    unsafe { libc::write(2, LOST_PAGE.as_ptr().cast(), LOST_PAGE.len()) };
    // SAFETY: ends the process without running anything of it.
    unsafe { libc::_exit(1) };
}

/// Calls that a signal interrupts go on by themselves (SA_RESTART), but for the poller's wait, which never does.
fn set(signal: libc::c_int, handler: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: all zeros is a valid sigaction: the default handler, no flags, an empty mask on these systems.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the mask is writable.
    cvt(unsafe { libc::sigemptyset(&raw mut action.sa_mask) })?;
    // SAFETY: the action is readable; the handler does only what is safe in one.
    cvt(unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) })?;
    Ok(())
}
