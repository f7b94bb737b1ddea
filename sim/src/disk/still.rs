//! A directory outside of every life: what an operator's tools work on while no server runs. Nothing fails, nothing is lost,
//! and no time passes.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use engram::env::{File, Map, Storage};

use super::content::{Content, put};
use super::image::Image;
use super::map::StillMap;
use super::{Disk, refusals};
use crate::shared::Shared;

type Bytes = Arc<Shared<Vec<u8>>>;

/// The directory.
#[derive(Debug, Default)]
pub struct Still {
    files: Shared<BTreeMap<String, Bytes>>,
    /// No file is cut or removed, whatever it says.
    idle: bool,
}

struct StillFile {
    bytes: Bytes,
    idle: bool,
}

impl Still {
    /// A copy of what a process sees on `disk`.
    #[must_use]
    pub fn of(disk: &Disk) -> Self {
        let share = |(name, bytes)| (name, Arc::new(Shared::new(bytes)));
        Self { files: Shared::new(disk.contents().into_iter().map(share).collect()), idle: false }
    }

    /// The same with a lie: nothing is ever cut or removed there.
    #[must_use]
    pub fn idle(self, idle: bool) -> Self {
        Self { idle, ..self }
    }

    /// The same with a lie: its last file is not to be seen.
    #[must_use]
    pub fn without_last(self) -> Self {
        drop(self.files.lock().pop_last());
        self
    }

    fn handle(&self, bytes: Bytes) -> Box<dyn File> {
        Box::new(StillFile { bytes, idle: self.idle })
    }

    /// A disk on which all of that is safe. Somebody has given up a part of what was promised: it may be gone, as a suffix.
    #[must_use]
    pub fn given_up(&self) -> Disk {
        let mut image = Image::default();
        for (name, bytes) in &*self.files.lock() {
            let bytes = bytes.lock().clone();
            let file = image.add(Content { seen: bytes.clone(), durable: bytes, ..Content::default() });
            image.names.insert(name.clone(), file);
            image.durable_names.insert(name.clone(), file);
        }
        image.blame.since = Some(0);
        Disk { image }
    }

    fn find(&self, name: &str) -> io::Result<Bytes> {
        refusals::plain(name)?;
        self.files.lock().get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Storage for Still {
    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        Ok(self.handle(self.find(name)?))
    }

    fn create_new(&self, name: &str) -> io::Result<Box<dyn File>> {
        if self.find(name).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let bytes = Arc::new(Shared::new(Vec::new()));
        self.files.lock().insert(name.to_owned(), Arc::clone(&bytes));
        Ok(self.handle(bytes))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let bytes = self.find(from)?;
        let mut files = self.files.lock();
        files.remove(from);
        files.insert(to.to_owned(), bytes);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.find(name)?;
        if !self.idle {
            self.files.lock().remove(name);
        }
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.files.lock().keys().cloned().collect())
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }

    fn map(&self, name: &str) -> io::Result<Box<dyn Map>> {
        let bytes = self.find(name)?;
        let map = StillMap::new(&bytes.lock());
        Ok(Box::new(map))
    }
}

impl File for StillFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().len() as u64)
    }

    fn has_name(&self, _name: &str) -> io::Result<bool> {
        Ok(true)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.bytes.lock();
        let behind = bytes.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
        let len = buf.len().min(behind.len());
        buf[..len].copy_from_slice(&behind[..len]);
        Ok(len)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        put(&mut self.bytes.lock(), offset, buf);
        Ok(buf.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if !self.idle {
            self.bytes.lock().resize(len as usize, 0);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
