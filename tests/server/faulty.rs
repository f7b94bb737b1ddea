//! A directory whose log can be held up, or broken.

use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use engram::env::{File, Map, Storage};

/// What the log's files do when they are synced.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// It works.
    Well,
    /// It waits.
    Held,
    /// It fails.
    Broken,
}

/// The test's hand on the disk.
pub(crate) struct Dial {
    sync: Mutex<Sync>,
    turned: Condvar,
    /// How long it takes to open a file of the log.
    opening: Mutex<Duration>,
}

impl Dial {
    /// A disk that works, and its dial.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { sync: Mutex::new(Sync::Well), turned: Condvar::new(), opening: Mutex::default() })
    }

    /// From now on syncs of the log do this.
    pub(crate) fn turn(&self, to: Sync) {
        *self.sync.lock().unwrap() = to;
        self.turned.notify_all();
    }

    /// From now on it takes so long to open a file of the log.
    pub(crate) fn slow_down(&self, opening: Duration) {
        *self.opening.lock().unwrap() = opening;
    }

    /// `storage` under this dial.
    pub(crate) fn wrap(self: &Arc<Self>, storage: Arc<dyn Storage>) -> Arc<dyn Storage> {
        Arc::new(Faulty { storage, dial: Arc::clone(self) })
    }

    fn pass(&self) -> io::Result<()> {
        let mut sync = self.sync.lock().unwrap();
        while *sync == Sync::Held {
            sync = self.turned.wait(sync).unwrap();
        }
        if *sync == Sync::Broken { Err(io::Error::other("the disk is broken")) } else { Ok(()) }
    }
}

struct Faulty {
    storage: Arc<dyn Storage>,
    dial: Arc<Dial>,
}

struct FaultyFile {
    file: Box<dyn File>,
    dial: Option<Arc<Dial>>,
}

impl Faulty {
    fn adopt(&self, name: &str, file: Box<dyn File>) -> Box<dyn File> {
        let dial = name.ends_with(".log").then(|| Arc::clone(&self.dial));
        Box::new(FaultyFile { file, dial })
    }
}

impl Storage for Faulty {
    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        if name.ends_with(".log") {
            let opening = *self.dial.opening.lock().unwrap();
            std::thread::sleep(opening);
        }
        Ok(self.adopt(name, self.storage.open(name)?))
    }

    fn create_new(&self, name: &str) -> io::Result<Box<dyn File>> {
        Ok(self.adopt(name, self.storage.create_new(name)?))
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
        self.storage.sync_dir()
    }

    fn map(&self, name: &str) -> io::Result<Box<dyn Map>> {
        self.storage.map(name)
    }
}

impl File for FaultyFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn has_name(&self, name: &str) -> io::Result<bool> {
        self.file.has_name(name)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(buf, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.dial.as_ref().map_or(Ok(()), |dial| dial.pass())?;
        self.file.sync()
    }
}
