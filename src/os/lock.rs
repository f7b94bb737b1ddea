//! One server a directory: a lock on the file `LOCK` inside it, which also says whose it is.
//!
//! The lock is the kernel's (`flock`) and ends with the process however that ends; the file itself means nothing and
//! stays. It guards against a second engram, not against other programs. `flock` and not `fcntl`: a POSIX record lock
//! belongs to the process and is lost as soon as any descriptor of the file is closed.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use super::file::{DiskFile, regular};
use super::sys::{c_string, cvt, owned, retry, saying};
use crate::env::File;

/// The lock file's name.
pub(super) const LOCK: &str = "LOCK";

/// A held lock.
#[derive(Debug)]
pub(super) struct Lock(DiskFile);

impl Drop for Lock {
    fn drop(&mut self) {
        // SAFETY: no memory is passed. Closing alone would not do while a child stands between fork and exec with a
        // copy of the descriptor; an explicit unlock holds for every copy.
        unsafe { libc::flock(self.0.descriptor().as_raw_fd(), libc::LOCK_UN) };
    }
}

/// Takes the lock for the one process that may write, and writes its id into the file: over the last one's, in
/// fixed width, so that a full disk does not keep a server from starting.
pub(super) fn exclusive(directory: &OwnedFd, path: &Path) -> io::Result<Lock> {
    let named = || saying(format!("cannot lock the directory {}", path.display()));
    let file = open(directory, path, libc::O_RDWR | libc::O_CREAT)?;
    if !flock(&file, libc::LOCK_EX).map_err(named())? {
        return Err(busy(&file, path));
    }
    let lock = Lock(file);
    lock.0.write_at(format!("{:10}\n", std::process::id()).as_bytes(), 0)?;
    Ok(lock)
}

/// Takes the lock for reading. None where there is no lock file, since making one would be writing.
pub(super) fn shared(directory: &OwnedFd, path: &Path) -> io::Result<Option<Lock>> {
    let named = || saying(format!("cannot lock the directory {}", path.display()));
    let file = match open(directory, path, libc::O_RDONLY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result?,
    };
    if flock(&file, libc::LOCK_SH).map_err(named())? { Ok(Some(Lock(file))) } else { Err(busy(&file, path)) }
}

fn open(directory: &OwnedFd, path: &Path, flags: i32) -> io::Result<DiskFile> {
    let (name, path) = (c_string(LOCK.as_bytes())?, path.join(LOCK));
    let flags = flags | libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let mode: libc::c_uint = 0o600;
    // SAFETY: the name is a C string that outlives the call.
    let fd = retry(|| owned(unsafe { libc::openat(directory.as_raw_fd(), name.as_ptr(), flags, mode) }));
    let fd = regular(fd).map_err(saying(format_args!("cannot open the lock file {}", path.display())))?;
    Ok(DiskFile::new(fd, path, true))
}

/// True when the lock was taken, false when somebody else's stands in the way.
fn flock(file: &DiskFile, kind: i32) -> io::Result<bool> {
    let fd = file.descriptor().as_raw_fd();
    // SAFETY: no memory is passed.
    match retry(|| cvt(unsafe { libc::flock(fd, kind | libc::LOCK_NB) })) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// Who is in the way. A reader leaves no id, and the one in the file is then of a server long gone: a lock that can
/// still be shared is held by readers only.
fn busy(file: &DiskFile, path: &Path) -> io::Error {
    let path = path.display();
    let text = if matches!(flock(file, libc::LOCK_SH), Ok(true)) {
        format!("the directory {path} is being read by another engram; try again when it is done")
    } else {
        match holder(file) {
            Some(pid) => format!("the directory {path} is in use by another engram (pid {pid})"),
            None => format!("the directory {path} is in use by another engram"),
        }
    };
    io::Error::new(io::ErrorKind::ResourceBusy, text)
}

/// The id in the file. None in the moment between a server's lock and its writing.
fn holder(file: &DiskFile) -> Option<u32> {
    let mut text = [0; 16];
    let len = file.read_at(&mut text, 0).ok()?;
    std::str::from_utf8(text.get(..len)?).ok()?.trim().parse().ok()
}
