//! Open files and read-only maps.
//!
//! Short results are passed on, as the door says. A sync is never repeated here: after its first error Linux may
//! already have dropped the pages and marked them clean, so a second one succeeds and proves nothing.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::Arc;

use super::maps::Known;
use super::sys::{MOST, c_string, count, cvt, retry, saying};
use crate::env::{File, Map};

/// An open file, the directory that it is in, and the path for its error messages.
#[derive(Debug)]
pub(super) struct DiskFile {
    fd: OwnedFd,
    directory: Arc<OwnedFd>,
    path: PathBuf,
    writable: bool,
}

impl DiskFile {
    pub(super) fn new(fd: OwnedFd, directory: &Arc<OwnedFd>, path: PathBuf, writable: bool) -> Self {
        Self { fd, directory: Arc::clone(directory), path, writable }
    }

    pub(super) fn descriptor(&self) -> &OwnedFd {
        &self.fd
    }

    fn about<'a>(&'a self, verb: &'a str) -> impl FnOnce(io::Error) -> io::Error + 'a {
        move |error| saying(format_args!("cannot {verb} {}", self.path.display()))(error)
    }

    /// Refuses in words what the kernel would refuse with EBADF.
    fn changes(&self) -> io::Result<()> {
        if self.writable {
            return Ok(());
        }
        let text = format!("{} is open for reading only", self.path.display());
        Err(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, text))
    }
}

impl File for DiskFile {
    fn size(&self) -> io::Result<u64> {
        size(&self.fd).map_err(self.about("measure"))
    }

    fn has_name(&self, name: &str) -> io::Result<bool> {
        let leads_here = || {
            let (named, own) = (status_of(&self.directory, name)?, status(&self.fd)?);
            Ok::<_, io::Error>((named.st_dev, named.st_ino) == (own.st_dev, own.st_ino))
        };
        match leads_here() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            looked => looked.map_err(self.about("look at")),
        }
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let len = buf.len().min(MOST);
        let read = |at| {
            let buf = buf.as_mut_ptr().cast();
            // SAFETY: `buf` is writable for `len` bytes, and the kernel keeps no pointer to it.
            retry(|| count(unsafe { libc::pread(self.fd.as_raw_fd(), buf, len, at) }))
        };
        position(offset).and_then(read).map_err(self.about("read"))
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.changes()?;
        let len = buf.len().min(MOST);
        let write = |at| {
            let buf = buf.as_ptr().cast();
            // SAFETY: `buf` is readable for `len` bytes.
            retry(|| count(unsafe { libc::pwrite(self.fd.as_raw_fd(), buf, len, at) }))
        };
        match position(offset).and_then(write) {
            Ok(0) if len > 0 => Err(io::Error::from(io::ErrorKind::WriteZero)),
            result => result,
        }
        .map_err(self.about("write"))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.changes()?;
        // SAFETY: no memory is passed.
        let cut = |len| retry(|| cvt(unsafe { libc::ftruncate(self.fd.as_raw_fd(), len) }));
        position(len).and_then(cut).map_err(self.about("resize"))?;
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        sync_data(&self.fd).map_err(self.about("sync"))
    }
}

/// An offset or length as the kernel counts them.
fn position(bytes: u64) -> io::Result<libc::off_t> {
    libc::off_t::try_from(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

/// What the kernel knows of a file.
pub(super) fn status(fd: &OwnedFd) -> io::Result<libc::stat> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `stat` is writable for a whole stat.
    cvt(unsafe { libc::fstat(fd.as_raw_fd(), stat.as_mut_ptr()) })?;
    // SAFETY: fstat has succeeded and has filled it.
    Ok(unsafe { stat.assume_init() })
}

/// What the kernel knows of what is called `name` in `directory`, be it a link.
pub(super) fn status_of(directory: &OwnedFd, name: &str) -> io::Result<libc::stat> {
    let name = c_string(name.as_bytes())?;
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    let (at, to, flags) = (directory.as_raw_fd(), stat.as_mut_ptr(), libc::AT_SYMLINK_NOFOLLOW);
    // SAFETY: `stat` is writable for a whole stat, and the name is a C string that outlives the call.
    cvt(unsafe { libc::fstatat(at, name.as_ptr(), to, flags) })?;
    // SAFETY: fstatat has succeeded and has filled it.
    Ok(unsafe { stat.assume_init() })
}

fn size(fd: &OwnedFd) -> io::Result<u64> {
    u64::try_from(status(fd)?.st_size).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
}

/// What was opened, if it is a file and no directory, pipe, socket, device or link.
pub(super) fn regular(opened: io::Result<OwnedFd>) -> io::Result<OwnedFd> {
    let kind = match opened {
        Err(error) if error.raw_os_error() == Some(libc::EISDIR) => io::ErrorKind::IsADirectory,
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENXIO | libc::ELOOP)) => {
            io::ErrorKind::InvalidInput
        }
        opened => {
            let fd = opened?;
            match status(&fd)?.st_mode & libc::S_IFMT {
                libc::S_IFREG => return Ok(fd),
                libc::S_IFDIR => io::ErrorKind::IsADirectory,
                _ => io::ErrorKind::InvalidInput,
            }
        }
    };
    Err(io::Error::new(kind, "it is no regular file"))
}

/// Makes a file's bytes survive a power loss. `fdatasync` also writes what is needed to read them back, which the
/// length is; what it saves over `fsync` is the journal entry for a new modification time.
#[cfg(target_os = "linux")]
fn sync_data(fd: &OwnedFd) -> io::Result<()> {
    // SAFETY: no memory is passed.
    cvt(unsafe { libc::fdatasync(fd.as_raw_fd()) })?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
use sync as sync_data;

/// Makes a file or directory, attributes and all, survive a power loss.
#[cfg(target_os = "linux")]
pub(super) fn sync(fd: &OwnedFd) -> io::Result<()> {
    // SAFETY: no memory is passed.
    cvt(unsafe { libc::fsync(fd.as_raw_fd()) })?;
    Ok(())
}

/// Makes a file or directory survive a power loss. On macOS `fsync` stops at the drive's cache; `F_FULLFSYNC` goes
/// through it. File systems that do not know it (network shares, some foreign ones) get the `fsync` they have; any
/// other error is the answer.
#[cfg(not(target_os = "linux"))]
pub(super) fn sync(fd: &OwnedFd) -> io::Result<()> {
    // SAFETY: no memory is passed.
    match cvt(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_FULLFSYNC) }) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTSUP | libc::ENOTTY | libc::EINVAL)) => {
            // SAFETY: no memory is passed.
            cvt(unsafe { libc::fsync(fd.as_raw_fd()) })?;
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// A whole file in memory, read-only. It stays whole when the file's name is removed or given to another file.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<Line>,
    len: usize,
    /// None for no bytes.
    known: Option<Known>,
}

/// What a map's address is aligned to at least; a real one stands on a page.
#[repr(align(64))]
#[derive(Debug)]
struct Line;

// SAFETY: the bytes are never written through this map, and the address is valid on every thread until the drop.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps all of `fd`, which may be closed afterwards. Shared, not private: both see the same pages, and shared
    /// says plainly that nothing is copied. `path` is what is told of it where a page cannot be read.
    pub(super) fn new(fd: &OwnedFd, path: &Path) -> io::Result<Self> {
        let len = usize::try_from(size(fd)?).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        if len == 0 {
            // mmap refuses a length of zero.
            return Ok(Self { start: NonNull::dangling(), len, known: None });
        }
        let (null, fd) = (std::ptr::null_mut(), fd.as_raw_fd());
        // SAFETY: the kernel chooses the address, so no mapping of ours is replaced.
        let start = unsafe { libc::mmap(null, len, libc::PROT_READ, libc::MAP_SHARED, fd, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start: NonNull<Line> = NonNull::new(start.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        assert!(start.is_aligned(), "a map that does not stand on a page");
        let known = Some(Known::new(start.addr().get(), len, path.as_os_str().as_bytes()));
        Ok(Self { start, len, known })
    }
}

// SAFETY: the mapping stands at one address until the drop, and is read-only; that nobody writes to or truncates the
// file under it is the callers' side of the trait's contract.
unsafe impl Map for Mapping {
    fn bytes(&self) -> &[u8] {
        // SAFETY: `len` mapped bytes at `start`, or none at a dangling aligned address; see the impl's contract.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.known = None;
        if self.len > 0 {
            // SAFETY: exactly what mmap gave; `bytes` borrows from self, so no slice is left.
            unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
        }
    }
}
