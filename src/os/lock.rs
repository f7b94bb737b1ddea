//! One server a directory: a lock on the directory itself and one on the file `LOCK` inside it, which also says whose it is.
//!
//! The locks are the kernel's (`flock`) and end with the process however that ends; the file itself means nothing and
//! stays. Who removes it, or puts another in its place, opens nothing: the directory's own lock stands. Where a file system
//! locks files only, the file's has to do. They guard against a second engram, not against other programs. `flock` and not
//! `fcntl`: a POSIX record lock belongs to the process and is lost as soon as any descriptor of the file is closed.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use super::file::{DiskFile, regular};
use super::sys::{c_string, cvt, owned, retry, saying};
use crate::env::File;

/// The lock file's name.
pub(super) const LOCK: &str = "LOCK";

/// A held lock: the directory's, and the file's where there is one.
#[derive(Debug)]
pub(super) struct Lock {
    directory: Arc<OwnedFd>,
    file: Option<DiskFile>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        for fd in self.file.as_ref().map(DiskFile::descriptor).into_iter().chain([&*self.directory]) {
            // SAFETY: no memory is passed. Closing alone would not do while a child stands between fork and exec with a
            // copy of the descriptor; an explicit unlock holds for every copy.
            unsafe { libc::flock(fd.as_raw_fd(), libc::LOCK_UN) };
        }
    }
}

/// Takes the lock for the one process that may write, and writes its id into the file: over the last one's, in
/// fixed width, so that a full disk does not keep a server from starting.
pub(super) fn exclusive(directory: &Arc<OwnedFd>, path: &Path) -> io::Result<Lock> {
    let mut lock = of_directory(directory, path, libc::LOCK_EX)?;
    let file = open(directory, path, libc::O_RDWR | libc::O_CREAT)?;
    take(file.descriptor(), libc::LOCK_EX, directory, path)?;
    let file = lock.file.insert(file);
    file.write_at(format!("{:10}\n", std::process::id()).as_bytes(), 0)?;
    Ok(lock)
}

/// Takes the lock for reading: the directory's alone where there is no lock file, since making one would be writing.
pub(super) fn shared(directory: &Arc<OwnedFd>, path: &Path) -> io::Result<Lock> {
    let mut lock = of_directory(directory, path, libc::LOCK_SH)?;
    let file = match open(directory, path, libc::O_RDONLY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(lock),
        result => result?,
    };
    take(file.descriptor(), libc::LOCK_SH, directory, path)?;
    lock.file = Some(file);
    Ok(lock)
}

/// The directory's own lock.
fn of_directory(directory: &Arc<OwnedFd>, path: &Path, kind: i32) -> io::Result<Lock> {
    take(directory, kind, directory, path)?;
    Ok(Lock { directory: Arc::clone(directory), file: None })
}

/// Locks `fd`, the directory or its lock file. An error names who is in the way.
fn take(fd: &OwnedFd, kind: i32, directory: &Arc<OwnedFd>, path: &Path) -> io::Result<()> {
    match flock(fd, kind) {
        Ok(true) => Ok(()),
        Ok(false) => Err(busy(fd, directory, path)),
        Err(error) if std::ptr::eq(fd, &**directory) && knows_no_such_lock(&error) => Ok(()),
        Err(error) => Err(saying(format!("cannot lock the directory {}", path.display()))(error)),
    }
}

/// A file system that locks no directories: some of those that others mount.
fn knows_no_such_lock(error: &io::Error) -> bool {
    let unknown = [libc::EOPNOTSUPP, libc::ENOTSUP, libc::EINVAL, libc::EBADF];
    error.raw_os_error().is_some_and(|error| unknown.contains(&error))
}

fn open(directory: &Arc<OwnedFd>, path: &Path, flags: i32) -> io::Result<DiskFile> {
    let (name, path) = (c_string(LOCK.as_bytes())?, path.join(LOCK));
    let flags = flags | libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let mode: libc::c_uint = 0o600;
    // SAFETY: the name is a C string that outlives the call.
    let fd = retry(|| owned(unsafe { libc::openat(directory.as_raw_fd(), name.as_ptr(), flags, mode) }));
    let fd = regular(fd).map_err(saying(format_args!("cannot open the lock file {}", path.display())))?;
    Ok(DiskFile::new(fd, directory, path, true))
}

/// True when the lock was taken, false when somebody else's stands in the way.
fn flock(fd: &OwnedFd, kind: i32) -> io::Result<bool> {
    // SAFETY: no memory is passed.
    match retry(|| cvt(unsafe { libc::flock(fd.as_raw_fd(), kind | libc::LOCK_NB) })) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// Who is in the way. A reader leaves no id, and the one in the file is then of a server long gone: a lock that can
/// still be shared is held by readers only.
fn busy(held: &OwnedFd, directory: &Arc<OwnedFd>, path: &Path) -> io::Error {
    let holder = || open(directory, path, libc::O_RDONLY).ok().and_then(|file| holder(&file));
    let text = if matches!(flock(held, libc::LOCK_SH), Ok(true)) {
        format!("the directory {} is being read by another engram; try again when it is done", path.display())
    } else {
        let path = path.display();
        match holder() {
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
