//! The door behind which backups go: a directory for each, on a disk of its own that never fails but loses what a power
//! loss takes, names of directories included.

use std::io;
use std::sync::Arc;

use engram::base::rng::Rng;
use engram::env::{Backups, Storage};

use super::{Disk, Latency, Sabotage, SimStorage};
use crate::faults::Faults;
use crate::scheduler::Scheduler;
use crate::shared::Shared;

/// Backups that were begun in one life.
pub struct SimBackups {
    scheduler: Scheduler,
    latency: Latency,
    sabotage: Sabotage,
    state: Shared<State>,
}

struct State {
    rng: Rng,
    made: Vec<Made>,
}

struct Made {
    storage: Arc<SimStorage>,
    names: Vec<Option<String>>,
}

/// A directory that a life has left among its backups.
#[derive(Clone, Debug)]
pub struct LeftBackup {
    /// What it may be called after a power loss, or none where it may be gone: the last is what it was called in the end.
    pub names: Vec<Option<String>>,
    /// What is in it.
    pub disk: Disk,
}

impl Made {
    fn name(&self) -> Option<&str> {
        self.names.last().and_then(Option::as_deref)
    }

    /// Its name, as it stands, survives.
    fn settle(&mut self) {
        self.names.drain(..self.names.len() - 1);
    }
}

impl State {
    fn find(&mut self, name: &str) -> io::Result<&mut Made> {
        let found = self.made.iter_mut().find(|made| made.name() == Some(name));
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl std::fmt::Debug for SimBackups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimBackups")
    }
}

impl SimBackups {
    /// An empty directory for backups.
    #[must_use]
    pub fn new(scheduler: &Scheduler, latency: Latency, sabotage: Sabotage, rng: Rng) -> Arc<Self> {
        let state = Shared::new(State { rng, made: Vec::new() });
        Arc::new(Self { scheduler: scheduler.clone(), latency, sabotage, state })
    }

    /// Takes what was made when the life has ended, `orderly` or in a crash.
    #[must_use]
    pub fn take(&self, orderly: bool) -> Vec<LeftBackup> {
        let made = std::mem::take(&mut self.state.lock().made);
        made.into_iter()
            .map(|Made { storage, names }| LeftBackup { names, disk: storage.take(orderly) })
            .collect()
    }

    /// Every call begins here: a scheduling point, and the crash.
    fn enter(&self, call: &'static str, names: &[&str]) -> io::Result<()> {
        if !self.scheduler.door("backup") {
            return Err(io::Error::other("the machine has stopped"));
        }
        self.scheduler.note("backup", &format!("{call} {}", names.join(" ")), [0; 3]);
        let plain = |name: &&str| {
            let known = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            !name.is_empty() && !name.starts_with('.') && name.bytes().all(known)
        };
        if names.iter().all(plain) { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }
}

impl Backups for SimBackups {
    fn exists(&self, name: &str) -> io::Result<bool> {
        self.enter("exists", &[name])?;
        Ok(self.state.lock().find(name).is_ok())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn Storage>> {
        self.enter("create", &[name])?;
        let mut state = self.state.lock();
        // The directory above is synced, and all names with it.
        state.made.iter_mut().for_each(Made::settle);
        if let Ok(made) = state.find(name) {
            if Arc::strong_count(&made.storage) > 1 {
                return Err(io::ErrorKind::ResourceBusy.into());
            }
            return Ok(Arc::clone(&made.storage) as Arc<dyn Storage>);
        }
        let rng = Rng::stream(state.rng.next_u64(), name);
        let faults = Arc::new(Shared::new(Faults::new(&[])));
        let lies = self.sabotage;
        let lies = Sabotage { skip_sync: lies.skip_sync || lies.unsynced_backups, ..lies };
        let storage = Disk::default().attach(&self.scheduler, &faults, self.latency, lies, rng);
        let storage = storage.aside();
        let names = vec![Some(name.to_owned())];
        state.made.push(Made { storage: Arc::clone(&storage), names });
        Ok(storage)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.enter("rename", &[from, to])?;
        let mut state = self.state.lock();
        state.find(from)?;
        if from != to && state.find(to).is_ok() {
            // There is a lock in it at least.
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        state.find(from)?.names.push(Some(to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.enter("remove", &[name])?;
        let storage = Arc::clone(&self.state.lock().find(name)?.storage);
        if !storage.list()?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.state.lock().find(name)?.names.push(None);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.enter("sync", &[])?;
        if !self.sabotage.skip_sync_dir {
            self.state.lock().made.iter_mut().for_each(Made::settle);
        }
        Ok(())
    }
}
