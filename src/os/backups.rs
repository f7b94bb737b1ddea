//! A directory whose directories are backups.
//!
//! Guaranteed: nothing outside it is touched, whatever name comes: a link in it is followed nowhere. And it is never the
//! data directory itself, by whatever path: a backup's name could be that of a file of the log there. It may lie below
//! the data directory, and be behind a link. It has to be there when a backup is made: a disk that is not mounted gets no
//! backups by mistake.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::directory::{Directory, Identity, create_at, names, open_at, open_directory};
use super::file::sync;
use super::lock::LOCK;
use super::sys::{c_string, cvt, saying};
use crate::base::sync::Mutex;
use crate::env::{Backups, Storage};

/// Where backups go.
#[derive(Debug)]
pub struct BackupRoot {
    root: PathBuf,
    /// What it must not be.
    data: Option<Identity>,
    /// Names come from who runs this, and not from clients.
    trusted: bool,
    /// The directory that was created last, and by which name: one backup is made at a time.
    made: Mutex<Option<(String, Identity)>>,
}

/// How a backup's name ends that is not finished.
const UNFINISHED: &str = ".tmp";

impl BackupRoot {
    /// Backups are directories in `root`, which is not `data`.
    ///
    /// # Errors
    /// If it is. That it is not there yet is none: every call says so, and looks at all of this again.
    pub fn new(root: PathBuf, data: Option<&Directory>) -> io::Result<Self> {
        let made = Mutex::new("backup", None);
        let root = Self { root, data: data.map(Directory::identity).transpose()?, trusted: false, made };
        match root.look() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(root),
            looked => looked.map(|()| root),
        }
    }

    /// Where the backup goes that is to be at `path`: the directory above, which has to be there, and its name in it, which may be
    /// any that a file may have.
    ///
    /// # Errors
    /// If the path ends with no name, or the directory above is `data`.
    pub fn above(path: &Path, data: &Directory) -> io::Result<(Self, String)> {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            let text = format!("{} names no directory", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let root = Self { trusted: true, ..Self::new(above.to_owned(), Some(data))? };
        Ok((root, name.to_owned()))
    }

    /// Removes directories of backups that were not finished and that nobody makes: those that are empty, as a crash right
    /// behind their making leaves them. Returns what they were called. One that holds anything is left to the next backup of
    /// its name, and so is one that cannot be removed.
    ///
    /// # Errors
    /// If the directory for backups cannot be read.
    pub fn sweep(&self) -> io::Result<Vec<String>> {
        let root = self.open()?;
        let mut found = names(&root).map_err(saying(format_args!("cannot list {}", self.root.display())))?;
        found.sort_unstable();
        found.retain(|name| {
            let plain = self.checked(name).ok().filter(|_| name.ends_with(UNFINISHED));
            let there = plain.and_then(|name| open_at(&root, &name).ok());
            let is_empty = there
                .is_some_and(|there| names(&there).is_ok_and(|names| names.iter().all(|name| name == LOCK)));
            // Whoever makes a backup there holds its lock, which this takes.
            is_empty && self.create(name).is_ok_and(|_held| self.remove(name).is_ok())
        });
        Ok(found)
    }

    /// Whether a backup can be made there now.
    ///
    /// # Errors
    /// Why not.
    pub fn look(&self) -> io::Result<()> {
        self.open().map(drop)
    }

    fn open(&self) -> io::Result<OwnedFd> {
        let path = self.root.display();
        let root = open_directory(&self.root)
            .map_err(saying(format_args!("cannot open the directory for backups, {path}")))?;
        if self.data == Some(Identity::behind(&root)?) {
            let text = format!(
                "the directory for backups, {path}, is the data directory itself: it has to be another one"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(root)
    }

    /// `name` for the kernel, if it may be one of a directory in here.
    fn checked(&self, name: &str) -> io::Result<CString> {
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        let wrong = if self.trusted {
            name == "." || name == ".." || name.contains('/')
        } else {
            name.starts_with('.') || !plain
        };
        if name.is_empty() || wrong {
            let text = format!("{name:?} is no name for a backup");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        c_string(name.as_bytes())
    }

    fn is_another(&self, name: &str) -> io::Error {
        let text = format!("{} is another directory now; try again", self.root.join(name).display());
        io::Error::new(io::ErrorKind::ResourceBusy, text)
    }

    /// An error where somebody has put something else in the place of the directory that was created last.
    fn still_leads(&self, root: &OwnedFd, name: &str) -> io::Result<()> {
        match &*self.made.lock() {
            Some((made, own)) if made == name && found(root, name)?.is_some_and(|there| there != *own) => {
                Err(self.is_another(name))
            }
            _ => Ok(()),
        }
    }

    /// Says what was tried with what is called `name`.
    fn about(&self, verb: &str, name: &str) -> impl FnOnce(io::Error) -> io::Error + use<> {
        saying(format!("cannot {verb} {}", self.root.join(name).display()))
    }
}

/// What `name` leads to, links not followed.
fn found(root: &OwnedFd, name: &str) -> io::Result<Option<Identity>> {
    match Identity::of_name(root, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        looked => looked.map(Some),
    }
}

impl Backups for BackupRoot {
    fn exists(&self, name: &str) -> io::Result<bool> {
        self.checked(name)?;
        Ok(found(&self.open()?, name).map_err(self.about("look at", name))?.is_some())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn Storage>> {
        let c_name = self.checked(name)?;
        let root = self.open()?;
        let created = create_at(&root, &c_name).map_err(self.about("create the directory", name))?;
        let fd = open_at(&root, &c_name).map_err(self.about("open the directory", name))?;
        let own = Identity::behind(&fd)?;
        if self.data == Some(own) {
            let text = format!(
                "{} is the directory of which this would be a backup",
                self.root.join(name).display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let directory = Directory::of(fd, &self.root.join(name), created)?;
        // Whoever had it until now may have given it another name before it let go of the lock.
        if found(&root, name)? != Some(own) {
            return Err(self.is_another(name));
        }
        *self.made.lock() = Some((name.to_owned(), own));
        Ok(Arc::new(directory))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (c_from, c_to, root) = (self.checked(from)?, self.checked(to)?, self.open()?);
        self.still_leads(&root, from)?;
        let fd = root.as_raw_fd();
        // SAFETY: both names are C strings that outlive the call.
        let renamed = cvt(unsafe { libc::renameat(fd, c_from.as_ptr(), fd, c_to.as_ptr()) });
        renamed.map_err(self.about(&format!("give the name {to} to"), from))?;
        match &mut *self.made.lock() {
            Some((made, _)) if made == from => to.clone_into(made),
            _ => {}
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let (c_name, c_lock, root) = (self.checked(name)?, c_string(LOCK.as_bytes())?, self.open()?);
        self.still_leads(&root, name)?;
        let remove = || {
            let directory = open_at(&root, &c_name)?;
            if names(&directory)?.iter().any(|name| name != LOCK) {
                return Err(io::Error::from(io::ErrorKind::DirectoryNotEmpty));
            }
            // SAFETY: the name is a C string that outlives the call.
            match cvt(unsafe { libc::unlinkat(directory.as_raw_fd(), c_lock.as_ptr(), 0) }) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            // SAFETY: as above.
            cvt(unsafe { libc::unlinkat(root.as_raw_fd(), c_name.as_ptr(), libc::AT_REMOVEDIR) })
        };
        remove().map_err(self.about("remove the directory", name))?;
        self.made.lock().take_if(|(made, _)| made == name);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        sync(&self.open()?).map_err(saying(format_args!("cannot sync {}", self.root.display())))
    }
}
