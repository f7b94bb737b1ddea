//! SIGTERM, SIGINT and SIGHUP, turned into bytes on the self-pipe; SIGBUS, turned into a sentence and an end; SIGPIPE and
//! SIGXFSZ, ignored: the write that meets a peer that is gone, or a file that may not grow (`ulimit -f`), has an error.
//!
//! A handler may interrupt any thread anywhere, a lock or the allocator included, so it does what is safe there: count,
//! look into a table of atomics, write, and leave `errno` as it was. Everything else happens in the loop.

use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
// Not base::sync's: those are scheduling points, and reach for thread-locals that a handler must not touch.
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

use super::maps::{self, LONGEST_PATH};
use super::sys::{cvt, errno_location};

/// Signals that were caught and not taken yet.
static CAUGHT: AtomicU32 = AtomicU32::new(0);
/// Where the handler writes; -1 before the first installation.
static BELL: AtomicI32 = AtomicI32::new(-1);

/// Whether the words at an end by SIGBUS are a server's.
static SERVES: AtomicBool = AtomicBool::new(false);
/// The log file, for those words as well; -1 where there is none.
static LOG: AtomicI32 = AtomicI32::new(-1);

/// What each command needs, serving or not: a page of a map that cannot be read ends the process with a sentence and exit
/// code 1, and a write that meets a closed pipe or a bound has an error.
///
/// # Errors
/// The kernel's.
pub fn brace() -> io::Result<()> {
    set(libc::SIGPIPE, libc::SIG_IGN)?;
    set(libc::SIGXFSZ, libc::SIG_IGN)?;
    let lost: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_lost_page;
    set_with(libc::SIGBUS, lost as *const () as libc::sighandler_t, libc::SA_SIGINFO)
}

/// The words at an end by SIGBUS are also written to `file`; like [`install`] it keeps a copy for good.
pub(super) fn tell_also(file: &OwnedFd) -> io::Result<()> {
    // SAFETY: no memory is passed.
    let copy: RawFd = cvt(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 0) })?;
    LOG.store(copy, Ordering::Release);
    Ok(())
}

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
    brace()?;
    SERVES.store(true, Ordering::Release);
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

/// There is no going on: whoever asked for the bytes of that page stands in the middle of an answer. What was acknowledged is
/// on the disk already, so an end without ceremony takes nothing.
extern "C" fn on_lost_page(_signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel gives a valid description to a handler that asked for one.
    let info = unsafe { &*info };
    // SAFETY: that of a SIGBUS has an address.
    let address = unsafe { info.si_addr() };
    let mut text = [0_u8; LONGEST_PATH + 512];
    let mut rest = &mut text[..];
    // Formats into the array: no allocation, no lock. What does not fit is left out.
    let _ = described(&mut rest, maps::find(address.addr()), SERVES.load(Ordering::Acquire));
    let left = rest.len();
    let len = text.len() - left;
    end_soon();
    // Standard error last: it may be a pipe that nobody reads.
    for to in [LOG.load(Ordering::Acquire), libc::STDERR_FILENO] {
        // SAFETY: readable for its length. Whether anybody hears it makes no difference; where there is no log file, the
        // descriptor is none.
        unsafe { libc::write(to, text.as_ptr().cast(), len) };
    }
    // SAFETY: ends the process without running anything of it.
    unsafe { libc::_exit(1) };
}

/// Has the process end in a second, wherever its threads stand by then. Safe in a handler; what fails is left out.
fn end_soon() {
    let late: extern "C" fn(libc::c_int) = on_late;
    drop(set(libc::SIGALRM, late as *const () as libc::sighandler_t));
    // SAFETY: all zeros is memory for a set of signals, which the next call makes one.
    let mut alarm: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is writable.
    unsafe { libc::sigemptyset(&raw mut alarm) };
    // SAFETY: the set is writable.
    unsafe { libc::sigaddset(&raw mut alarm, libc::SIGALRM) };
    // SAFETY: the set is readable. Whoever started the process may have blocked the signal.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const alarm, std::ptr::null_mut()) };
    // SAFETY: no memory is passed.
    unsafe { libc::alarm(1) };
}

extern "C" fn on_late(_signal: libc::c_int) {
    // SAFETY: ends the process without running anything of it.
    unsafe { libc::_exit(1) };
}

/// What is said when a page of a map is not to be had.
fn described(to: &mut impl Write, place: Option<(&'static [u8], usize)>, serves: bool) -> io::Result<()> {
    to.write_all(b"engram: ")?;
    match place {
        Some((path, offset)) => {
            to.write_all(path)?;
            write!(to, " cannot be read any more (SIGBUS) near offset {offset}")?;
        }
        None => to.write_all(b"memory cannot be read any more (SIGBUS)")?,
    }
    to.write_all(b": the file was cut, or its disk fails. ")?;
    to.write_all(if serves { SERVER } else { TOOL })
}

const SERVER: &[u8] =
    b"The server ends at once; what was acknowledged is in log and snapshot as far as they are sound: \
    engram check DIR\n";
/// The tools map nothing but snapshots, and all of them before they change anything.
const TOOL: &[u8] = b"Nothing was changed. A start would meet the same\n";

/// Calls that a signal interrupts go on by themselves (SA_RESTART), but for the poller's wait, which never does.
fn set(signal: libc::c_int, handler: libc::sighandler_t) -> io::Result<()> {
    set_with(signal, handler, 0)
}

fn set_with(signal: libc::c_int, handler: libc::sighandler_t, flags: libc::c_int) -> io::Result<()> {
    // SAFETY: all zeros is a valid sigaction: the default handler, no flags, an empty mask on these systems.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_RESTART | flags;
    // SAFETY: the mask is writable.
    cvt(unsafe { libc::sigemptyset(&raw mut action.sa_mask) })?;
    // SAFETY: the action is readable; the handler does only what is safe in one.
    cvt(unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_name_file_and_offset_and_who_says_them() {
        let say = |place, serves| {
            let mut text = Vec::new();
            described(&mut text, place, serves).unwrap();
            String::from_utf8(text).unwrap()
        };
        let server = say(Some((b"/data/s.snap", 4_096)), true);
        assert!(
            server.starts_with("engram: /data/s.snap cannot be read any more (SIGBUS) near offset 4096: "),
            "{server}"
        );
        assert!(server.ends_with("engram check DIR\n") && server.contains("The server ends"), "{server}");
        let tool = say(None, false);
        assert!(tool.starts_with("engram: memory cannot") && tool.contains("Nothing was changed"), "{tool}");
    }
}
