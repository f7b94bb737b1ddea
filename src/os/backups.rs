//! A directory whose directories are backups.
//!
//! Guaranteed: nothing outside it is touched, whatever name comes, and nothing that is there already. It has to be there: a
//! disk that is not mounted gets no backups by mistake.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::directory::Directory;
use crate::env::{Backups, Storage};

/// Where backups go.
#[derive(Debug)]
pub struct BackupRoot(PathBuf);

impl BackupRoot {
    /// Backups are directories in `root`.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self(root)
    }
}

impl Backups for BackupRoot {
    fn create(&self, name: &str) -> io::Result<Arc<dyn Storage>> {
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if name.is_empty() || name.starts_with('.') || !plain {
            let text = format!("{name:?} is no name for a backup");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let path = self.0.join(name);
        let directory = Directory::open(&path)?;
        if let Some(file) = directory.list()?.first() {
            let text = format!("{} is not empty: there is {file} in it", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        Ok(Arc::new(directory))
    }
}
