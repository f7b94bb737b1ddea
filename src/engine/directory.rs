//! The data directory as the engine uses it: once a sync of the directory has failed, none is tried again.
//!
//! The log's thread and the snapshot's both sync the directory, and each sync covers the names that the other has
//! changed. When one fails, the system may have dropped the names of both and tells only one of them. So they take
//! turns, and the first error is the answer to every later sync, until a restart.

use std::io;
use std::sync::Arc;

use crate::base::sync::Mutex;
use crate::env::{File, Map, Storage};

/// A directory whose first failed sync is its last.
pub(super) struct Directory {
    storage: Arc<dyn Storage>,
    /// The first error. Held while the directory is synced.
    failed: Mutex<Option<String>>,
}

impl Directory {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, failed: Mutex::new("directory sync", None) }
    }
}

impl Storage for Directory {
    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.storage.open(name)
    }

    fn create_new(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.storage.create_new(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.storage.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.storage.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.storage.list()
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut failed = self.failed.lock();
        if let Some(first) = &*failed {
            return Err(io::Error::other(format!("an earlier sync of the directory failed: {first}")));
        }
        self.storage.sync_dir().inspect_err(|error| *failed = Some(error.to_string()))
    }

    fn map(&self, name: &str) -> io::Result<Box<dyn Map>> {
        self.storage.map(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::tests::disk::{MemDisk, Mishap};

    #[test]
    fn a_failed_sync_of_the_directory_is_not_tried_again() {
        let disk = MemDisk::default();
        let directory = Directory::new(disk.arc());
        directory.sync_dir().unwrap();
        disk.mishap(disk.calls(), Mishap::Fail);
        let first = directory.sync_dir().unwrap_err().to_string();
        let second = directory.sync_dir().unwrap_err().to_string();
        assert!(second.contains(&first), "{second}");
        let syncs = disk.journal().into_iter().filter(|call| call == "sync_dir").count();
        assert_eq!(syncs, 2, "the third did not reach the disk");
    }
}
