//! A directory whose directories are backups.
//!
//! Guaranteed: nothing outside it is touched, whatever name comes, and nothing that is there already; and it is never the
//! data directory itself, by whatever path: a backup's name could be that of a file of the log there. It may lie below
//! the data directory. It has to be there when a backup is made: a disk that is not mounted gets no backups by mistake.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::directory::{Directory, Identity};
use super::sys::saying;
use crate::env::{Backups, Storage};

/// Where backups go.
#[derive(Debug)]
pub struct BackupRoot {
    root: PathBuf,
    /// What it must not be.
    data: Option<Identity>,
}

impl BackupRoot {
    /// Backups are directories in `root`, which is not `data`.
    ///
    /// # Errors
    /// If it is. That it is not there yet is none: [`Backups::create`] says so, and looks at all of this again.
    pub fn new(root: PathBuf, data: Option<&Directory>) -> io::Result<Self> {
        let root = Self { root, data: data.map(Directory::identity).transpose()? };
        match root.look() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(root),
            looked => looked.map(|()| root),
        }
    }

    /// Whether a backup can be made there now.
    ///
    /// # Errors
    /// Why not.
    pub fn look(&self) -> io::Result<()> {
        let path = self.root.display();
        let found = Identity::of(&self.root)
            .map_err(saying(format_args!("cannot open the directory for backups, {path}")))?;
        if self.data == Some(found) {
            let text = format!(
                "the directory for backups, {path}, is the data directory itself: it has to be another one"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(())
    }
}

impl Backups for BackupRoot {
    fn create(&self, name: &str) -> io::Result<Arc<dyn Storage>> {
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if name.is_empty() || name.starts_with('.') || !plain {
            let text = format!("{name:?} is no name for a backup");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        self.look()?;
        let path = self.root.join(name);
        let directory = Directory::open(&path)?;
        if let Some(file) = directory.list()?.first() {
            let text = format!("{} is not empty: there is {file} in it", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        Ok(Arc::new(directory))
    }
}
