//! A directory that loses power whenever the process dies: for crash tests, in a build of its own (`--features lossy`).
//!
//! Guaranteed: until a sync returns, what was written since the last one is in this process's memory, and so are names since the last
//! [`Storage::sync_dir`]; so `kill -9` takes what a power loss would. When it returns, the real files hold it, and a killed
//! process leaves those to the system, which is why nothing is really synced. As a system does, it writes parts early and out
//! of order: single sectors, lengths and names, decided by a seed. Reads and maps show the process all of its own doing.
//!
//! Not covered: sectors that are torn themselves, media that rot. The simulator's disk has those.

mod aim;
mod around;
mod inode;
mod medium;
#[cfg(test)]
mod tests;

use std::fmt::{Debug, Formatter};
use std::io;
use std::str::FromStr;
use std::sync::Arc;

use self::medium::Medium;
use crate::base::sync::Mutex;
use crate::env::{File, Map, Storage};

pub(super) use around::Around;

/// What a medium may claim to have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// A file's sync does nothing and succeeds.
    Sync,
    /// A sync of the directory does nothing and succeeds.
    SyncDir,
}

/// How a medium behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Decides what is written early.
    pub seed: u64,
    /// What it lies about.
    pub lie: Option<Lie>,
}

impl FromStr for Settings {
    type Err = String;

    /// `lossy[:SEED[:LIE]]`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let known = (parts.next() == Some("lossy")).then_some(());
        let seed = known.and_then(|()| parts.next().map_or(Some(0), |seed| seed.parse().ok()));
        let lie = match parts.next() {
            None => Some(None),
            Some("skip-sync") => Some(Some(Lie::Sync)),
            Some("skip-sync-dir") => Some(Some(Lie::SyncDir)),
            Some(_) => None,
        };
        match (seed, lie, parts.next()) {
            (Some(seed), Some(lie), None) => Ok(Self { seed, lie }),
            _ => Err(format!(
                "{text} is no storage: files, or lossy[:SEED[:LIE]] with skip-sync or skip-sync-dir"
            )),
        }
    }
}

/// A lossy directory over a real one. Clones are the same.
#[derive(Clone)]
pub struct Lossy(Arc<Mutex<Medium>>);

impl Lossy {
    /// What `real` holds is what survived so far.
    ///
    /// # Errors
    /// If the real directory cannot be listed, or what an earlier life left hidden in it cannot be removed.
    pub fn new(real: Arc<dyn Storage>, settings: Settings) -> io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new("lossy medium", Medium::new(real, settings)?))))
    }

    /// The power is about to go: the medium may have got any part of what was not synced.
    ///
    /// # Errors
    /// If the real directory refuses it.
    pub fn tear(&self) -> io::Result<()> {
        self.0.lock().tear()
    }

    fn file(&self, number: u64) -> io::Result<Box<dyn File>> {
        let open = Arc::clone(&self.0.lock().inode(number)?.open);
        Ok(Box::new(LossyFile { medium: self.clone(), number, _open: open }))
    }
}

impl Debug for Lossy {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lossy")
    }
}

impl Storage for Lossy {
    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        let number = self.0.lock().find(name)?;
        self.file(number)
    }

    fn create_new(&self, name: &str) -> io::Result<Box<dyn File>> {
        let number = self.0.lock().create(name)?;
        self.file(number)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.lock().rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.lock().remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().list())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.0.lock().sync_dir()
    }

    fn map(&self, name: &str) -> io::Result<Box<dyn Map>> {
        self.0.lock().map(name)
    }
}

/// An open file of it.
struct LossyFile {
    medium: Lossy,
    number: u64,
    _open: Arc<()>,
}

impl File for LossyFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.medium.0.lock().inode(self.number)?.len)
    }

    fn has_name(&self, name: &str) -> io::Result<bool> {
        Ok(self.medium.0.lock().leads(name, self.number))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.medium.0.lock().inode(self.number)?.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let mut medium = self.medium.0.lock();
        let written = medium.inode(self.number)?.write_at(buf, offset)?;
        medium.written(self.number)?;
        Ok(written)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut medium = self.medium.0.lock();
        medium.inode(self.number)?.set_len(len);
        medium.written(self.number)
    }

    fn sync(&self) -> io::Result<()> {
        self.medium.0.lock().sync(self.number)
    }
}
