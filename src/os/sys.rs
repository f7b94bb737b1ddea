//! What every system call here shares: results instead of -1, and EINTR.
//!
//! Nothing here hides an error other than EINTR, and EINTR only where the caller asked for it.

use std::ffi::CString;
use std::fmt::Display;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// The most bytes given to one read or write. Linux stops at 2 GiB less a page by itself; macOS refuses more than
/// `INT_MAX` with EINVAL. Both are cut here, so that a large buffer is a short result and not an error.
pub(super) const MOST: usize = 1 << 30;

/// A system call's result: the value, or `errno` where it is -1.
pub(super) fn cvt<T: PartialEq + From<i8>>(ret: T) -> io::Result<T> {
    if ret == T::from(-1) { Err(io::Error::last_os_error()) } else { Ok(ret) }
}

/// A byte count from a system call.
pub(super) fn count(ret: isize) -> io::Result<usize> {
    Ok(cvt(ret)?.cast_unsigned())
}

/// Repeats `call` for as long as a signal interrupts it. For calls that may be repeated: never for close (the
/// descriptor is gone whatever it says), rename and remove (the first may have happened) or fsync.
pub(super) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// A fresh descriptor from a system call, owned from here on.
pub(super) fn owned(ret: RawFd) -> io::Result<OwnedFd> {
    let fd = cvt(ret)?;
    // SAFETY: the call has just made this descriptor for us, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The same error with what was attempted in front; its kind stays.
pub(super) fn saying(what: impl Display) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// A string for the kernel. A NUL inside is an error.
pub(super) fn c_string(text: &[u8]) -> io::Result<CString> {
    CString::new(text).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a name holds a NUL byte"))
}

/// Sets an integer socket option.
pub(super) fn set_option(fd: &OwnedFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    let len = size_of::<i32>() as libc::socklen_t;
    let value = (&raw const value).cast();
    // SAFETY: `value` points at a live integer of the length given, and the kernel only reads it.
    cvt(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value, len) })?;
    Ok(())
}

/// Makes a descriptor non-blocking and closed on exec, for systems whose calls cannot do so at once.
#[cfg(not(target_os = "linux"))]
pub(super) fn tame(fd: &OwnedFd) -> io::Result<()> {
    // SAFETY: no memory is passed.
    cvt(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) })?;
    // SAFETY: no memory is passed.
    let flags = cvt(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    // SAFETY: no memory is passed.
    cvt(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) })?;
    Ok(())
}

/// Where this thread's `errno` lives.
pub(super) fn errno_location() -> *mut libc::c_int {
    #[cfg(target_os = "linux")]
    // SAFETY: no arguments; the address is this thread's own and always valid.
    let location = unsafe { libc::__errno_location() };
    #[cfg(not(target_os = "linux"))]
    // SAFETY: as above.
    let location = unsafe { libc::__error() };
    location
}
