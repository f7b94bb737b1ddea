//! A data directory on the real file system.
//!
//! Every name is resolved against one descriptor of the directory, so renaming a parent while the server runs moves
//! nothing away from under it. Names are plain; links are not followed. EINTR is handled here; every other error
//! reaches the caller with the name it is about. One process at a time writes: see [`super::lock`].

use std::ffi::{CStr, CString};
use std::fmt::Display;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::{DiskFile, Mapping, regular, status, status_of, sync};
use super::lock::{self, LOCK, Lock};
use super::sys::{c_string, cvt, errno_location, owned, retry, saying};
use crate::env::{File, Map, Storage};

/// A locked data directory. The lock is let go when the value is dropped.
#[derive(Debug)]
pub struct Directory {
    pub(super) path: PathBuf,
    pub(super) fd: Arc<OwnedFd>,
    writable: bool,
    _lock: Lock,
}

impl Directory {
    /// Opens `path` for one server, creating the directory (but not its parents) where there is none.
    ///
    /// # Errors
    /// `ResourceBusy` while another process holds the directory, with its process id where that is known.
    pub fn open(path: &Path) -> io::Result<Self> {
        let created =
            create(path).map_err(saying(format_args!("cannot create the directory {}", path.display())))?;
        Self::lock(path, created)
    }

    /// Opens a directory that is there, as [`Directory::open`] does.
    ///
    /// # Errors
    /// `NotFound` where there is none; `ResourceBusy` while another process holds it.
    pub fn open_existing(path: &Path) -> io::Result<Self> {
        Self::lock(path, false)
    }

    fn lock(path: &Path, created: bool) -> io::Result<Self> {
        let fd = open_directory(path)
            .map_err(saying(format_args!("cannot open the directory {}", path.display())))?;
        Self::of(fd, path, created)
    }

    /// Locks the directory behind `fd`, which is at `path` and was just `created`, or not.
    pub(super) fn of(fd: OwnedFd, path: &Path, created: bool) -> io::Result<Self> {
        let fd = Arc::new(fd);
        let parent = sync_parent(&fd);
        if created {
            parent.map_err(saying(format_args!("cannot sync the directory above {}", path.display())))?;
        }
        // Otherwise it was only tried, for an earlier life that was killed before it could: whoever else made the
        // directory answers for it, and above a mount point there may be nothing that can be synced.
        let lock = lock::exclusive(&fd, path)?;
        let directory = Self { path: path.to_owned(), fd, writable: true, _lock: lock };
        directory.may_serve()?;
        Ok(directory)
    }

    /// Opens an existing directory for looking only: whatever would change it is refused. No server can open it
    /// meanwhile; other readers can. Where there is no lock file none is made.
    ///
    /// # Errors
    /// `ResourceBusy` while a server holds the directory, with its process id where that is known.
    pub fn open_read_only(path: &Path) -> io::Result<Self> {
        let fd = open_directory(path)
            .map_err(saying(format_args!("cannot open the directory {}", path.display())))?;
        let fd = Arc::new(fd);
        let lock = lock::shared(&fd, path)?;
        Ok(Self { path: path.to_owned(), fd, writable: false, _lock: lock })
    }

    /// Which directory it is.
    pub(super) fn identity(&self) -> io::Result<Identity> {
        Identity::behind(&self.fd)
    }

    /// Opens a regular file. Somebody may have put anything under its name: a pipe must not keep a start waiting for
    /// whoever writes to it, hence O_NONBLOCK, which means nothing to files.
    fn open_file(&self, name: &str, flags: i32) -> io::Result<OwnedFd> {
        let c_name = checked(name)?;
        let flags = flags | libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK;
        // SAFETY: the name is a C string that outlives the call.
        let fd = retry(|| owned(unsafe { libc::openat(self.fd.as_raw_fd(), c_name.as_ptr(), flags, MODE) }));
        regular(fd)
    }

    fn changes(&self) -> io::Result<()> {
        if self.writable {
            return Ok(());
        }
        let text = format!("the directory {} is open for reading only", self.path.display());
        Err(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, text))
    }

    fn about<'a>(
        &'a self,
        verb: &'a str,
        what: impl Display + 'a,
    ) -> impl FnOnce(io::Error) -> io::Error + 'a {
        move |error| saying(format_args!("cannot {verb} {what} in {}", self.path.display()))(error)
    }

    fn file(&self, fd: OwnedFd, name: &str) -> Box<dyn File> {
        Box::new(DiskFile::new(fd, &self.fd, self.path.join(name), self.writable))
    }
}

/// A directory, whatever path leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Of the directory behind `fd`.
    pub(super) fn behind(fd: &OwnedFd) -> io::Result<Self> {
        let stat = status(fd)?;
        Ok(Self { device: stat.st_dev as u64, inode: stat.st_ino as u64 })
    }

    /// Of what `name` in `directory` is, be it a link.
    pub(super) fn of_name(directory: &OwnedFd, name: &str) -> io::Result<Self> {
        let stat = status_of(directory, name)?;
        Ok(Self { device: stat.st_dev as u64, inode: stat.st_ino as u64 })
    }
}

/// Files are their owner's: what they hold may be private, and a directory made by hand may be open to all.
const MODE: libc::c_uint = 0o600;

impl Storage for Directory {
    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        let flags = if self.writable { libc::O_RDWR } else { libc::O_RDONLY };
        let fd = self.open_file(name, flags).map_err(self.about("open", name))?;
        Ok(self.file(fd, name))
    }

    fn create_new(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.changes()?;
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
        let fd = self.open_file(name, flags).map_err(self.about("create", name))?;
        Ok(self.file(fd, name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.changes()?;
        let rename = || {
            let (from, to) = (checked(from)?, checked(to)?);
            let fd = self.fd.as_raw_fd();
            // SAFETY: both names are C strings that outlive the call.
            cvt(unsafe { libc::renameat(fd, from.as_ptr(), fd, to.as_ptr()) })
        };
        rename().map_err(|error| self.about("rename", format_args!("{from} to {to}"))(error))?;
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.changes()?;
        let remove = || {
            let c_name = checked(name)?;
            // SAFETY: the name is a C string that outlives the call.
            cvt(unsafe { libc::unlinkat(self.fd.as_raw_fd(), c_name.as_ptr(), 0) })
        };
        remove().map_err(self.about("remove", name))?;
        Ok(())
    }

    /// Names that are not UTF-8 are nobody's here and left out, and so is the lock file.
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names =
            names(&self.fd).map_err(saying(format_args!("cannot list {}", self.path.display())))?;
        names.retain(|name| name != LOCK);
        names.sort_unstable();
        Ok(names)
    }

    fn sync_dir(&self) -> io::Result<()> {
        sync(&self.fd).map_err(saying(format_args!("cannot sync the directory {}", self.path.display())))
    }

    fn map(&self, name: &str) -> io::Result<Box<dyn Map>> {
        let fd = self.open_file(name, libc::O_RDONLY);
        let map = fd.and_then(|fd| Mapping::new(&fd, &self.path.join(name)));
        Ok(Box::new(map.map_err(self.about("map", name))?))
    }
}

/// Makes the directory where there is none; true when it did.
fn create(path: &Path) -> io::Result<bool> {
    let c_path = c_string(path.as_os_str().as_bytes())?;
    // SAFETY: the path is a C string that outlives the call.
    made(cvt(unsafe { libc::mkdir(c_path.as_ptr(), 0o700) }))
}

/// The same for the directory `name` in `directory`.
pub(super) fn create_at(directory: &OwnedFd, name: &CStr) -> io::Result<bool> {
    // SAFETY: the name is a C string that outlives the call.
    made(cvt(unsafe { libc::mkdirat(directory.as_raw_fd(), name.as_ptr(), 0o700) }))
}

fn made(result: io::Result<libc::c_int>) -> io::Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes the directory's own name survive a power loss.
fn sync_parent(directory: &OwnedFd) -> io::Result<()> {
    sync(&open_at(directory, c"..")?)
}

/// Opens the directory `name` as seen from `directory`. A link is none.
pub(super) fn open_at(directory: &OwnedFd, name: &CStr) -> io::Result<OwnedFd> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: the name is a C string that outlives the call.
    retry(|| owned(unsafe { libc::openat(directory.as_raw_fd(), name.as_ptr(), flags) }))
}

/// Opens the directory at `path`, which may be a link to it.
pub(super) fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let c_path = c_string(path.as_os_str().as_bytes())?;
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: the path is a C string that outlives the call.
    retry(|| owned(unsafe { libc::open(c_path.as_ptr(), flags) }))
}

/// `name` for the kernel, if it is a plain one. The lock's name is taken, in any case of letters: file systems of
/// macOS do not tell them apart.
fn checked(name: &str) -> io::Result<CString> {
    if name.is_empty() || name == "." || name == ".." || name.contains('/') || name.eq_ignore_ascii_case(LOCK)
    {
        let text = format!("{name:?} is no name for a data file");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    c_string(name.as_bytes())
}

/// Every name in the directory but its own two, in no order.
pub(super) fn names(directory: &OwnedFd) -> io::Result<Vec<String>> {
    Stream::open(directory)?.names()
}

/// A directory being read.
struct Stream(*mut libc::DIR);

impl Stream {
    /// Opens the directory again: a duplicate would share its position with every other listing.
    fn open(directory: &OwnedFd) -> io::Result<Self> {
        let fd = open_at(directory, c".")?.into_raw_fd();
        // SAFETY: the descriptor is ours, and the stream owns it if there is one.
        let stream = unsafe { libc::fdopendir(fd) };
        if stream.is_null() {
            let error = io::Error::last_os_error();
            // SAFETY: there is no stream, so the descriptor is still ours alone.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
            return Err(error);
        }
        Ok(Self(stream))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        while let Some(name) = self.next()? {
            names.extend(name.filter(|name| name != "." && name != ".."));
        }
        Ok(names)
    }

    /// The next name; inside, none where it is not UTF-8.
    fn next(&self) -> io::Result<Option<Option<String>>> {
        let errno = errno_location();
        // SAFETY: this thread's own errno. The end and an error both come as null; only errno tells them apart.
        unsafe { errno.write(0) };
        // SAFETY: the stream is open, and only this thread reads it.
        let entry = unsafe { libc::readdir(self.0) };
        if entry.is_null() {
            let error = io::Error::last_os_error();
            return if error.raw_os_error() == Some(0) { Ok(None) } else { Err(error) };
        }
        // SAFETY: the entry is valid until the next readdir on this stream. Only the field's address is taken: an
        // entry may be shorter than its type, so no reference to the whole is made.
        let name = unsafe { &raw const (*entry).d_name };
        // SAFETY: the kernel ends every name with a NUL, and the entry still stands.
        let name = unsafe { CStr::from_ptr(name.cast()) };
        Ok(Some(name.to_str().ok().map(str::to_owned)))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: the stream is open and never used again.
        unsafe { libc::closedir(self.0) };
    }
}
