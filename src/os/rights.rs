//! What who runs this may do in a directory, without doing it.
//!
//! Not foreseen: what only the attempt shows, as a file system that refuses for reasons of its own.

use std::ffi::CStr;
use std::io;
use std::os::fd::AsRawFd;

use super::directory::Directory;
use super::file::{status, status_of};
use super::lock::LOCK;
use super::sys::{c_string, cvt, saying};

impl Directory {
    /// Whether who runs this may make files here and write to the lock file, as a server has to.
    ///
    /// # Errors
    /// What is not permitted, or a file system that is read-only.
    pub fn may_serve(&self) -> io::Result<()> {
        let path = self.path.display();
        self.may(c".", libc::W_OK | libc::X_OK)
            .map_err(saying(format_args!("cannot write to the directory {path}")))?;
        match self.may(&c_string(LOCK.as_bytes())?, libc::R_OK | libc::W_OK) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            looked => looked.map_err(saying(format_args!(
                "cannot open the lock file {}",
                self.path.join(LOCK).display()
            ))),
        }
    }

    /// Whether who runs this may open the file `name`, which is there, for writing, as a start does with each of the log's.
    ///
    /// # Errors
    /// What is not permitted.
    pub fn may_write(&self, name: &str) -> io::Result<()> {
        let may = || {
            self.may(&c_string(name.as_bytes())?, libc::R_OK | libc::W_OK)?;
            if self.only_grows(name)? { Err(io::Error::from_raw_os_error(libc::EPERM)) } else { Ok(()) }
        };
        may().map_err(saying(format_args!("cannot write to {}", self.path.join(name).display())))
    }

    /// Whether who runs this may remove the file `name`, or put another in its place; true for one that is not there.
    ///
    /// # Errors
    /// What is not permitted.
    pub fn may_replace(&self, name: &str) -> io::Result<()> {
        let may = || {
            let file = match status_of(&self.fd, name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                looked => looked?,
            };
            // A file that nobody may change cannot be removed either. What it lets whom write does not matter.
            match self.may(&c_string(name.as_bytes())?, libc::W_OK) {
                Err(error) if error.raw_os_error() == Some(libc::EPERM) => return Err(error),
                _ => {}
            }
            let directory = status(&self.fd)?;
            // SAFETY: it takes nothing and cannot fail.
            let own = unsafe { libc::geteuid() };
            let foreign = own != 0 && own != file.st_uid && own != directory.st_uid;
            let keeps = foreign && directory.st_mode & libc::S_ISVTX != 0;
            if keeps || self.only_grows(name)? {
                Err(io::Error::from_raw_os_error(libc::EPERM))
            } else {
                Ok(())
            }
        };
        may().map_err(saying(format_args!("cannot remove or replace {}", self.path.join(name).display())))
    }

    fn may(&self, name: &CStr, mode: libc::c_int) -> io::Result<()> {
        // SAFETY: the name is a C string that outlives the call.
        let looked = unsafe { libc::faccessat(self.fd.as_raw_fd(), name.as_ptr(), mode, libc::AT_EACCESS) };
        cvt(looked).map(drop)
    }

    /// Whether the file may be appended to and nothing else, whoever asks (`chattr +a`).
    #[cfg(target_os = "linux")]
    fn only_grows(&self, name: &str) -> io::Result<bool> {
        let (c_name, mut found) =
            (c_string(name.as_bytes())?, std::mem::MaybeUninit::<libc::statx>::uninit());
        let (fd, flags) = (self.fd.as_raw_fd(), libc::AT_SYMLINK_NOFOLLOW);
        // SAFETY: `found` is writable for a whole statx, and the name is a C string that outlives the call.
        cvt(unsafe { libc::statx(fd, c_name.as_ptr(), flags, 0, found.as_mut_ptr()) })?;
        // SAFETY: statx has succeeded and has filled it.
        let found = unsafe { found.assume_init() };
        Ok(found.stx_attributes & libc::STATX_ATTR_APPEND as u64 != 0)
    }

    #[cfg(not(target_os = "linux"))]
    fn only_grows(&self, _: &str) -> io::Result<bool> {
        Ok(false)
    }
}
