//! The door behind which backups go: a directory for each, on a disk of its own that never fails but loses what a power
//! loss takes.

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
    made: Vec<(String, Arc<SimStorage>)>,
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

    /// Takes the backups when the life has ended, `orderly` or in a crash: each with its name.
    #[must_use]
    pub fn take(&self, orderly: bool) -> Vec<(String, Disk)> {
        let made = std::mem::take(&mut self.state.lock().made);
        made.into_iter().map(|(name, storage)| (name, storage.take(orderly))).collect()
    }
}

impl Backups for SimBackups {
    fn create(&self, name: &str) -> io::Result<Arc<dyn Storage>> {
        if !self.scheduler.door("backup") {
            return Err(io::Error::other("the machine has stopped"));
        }
        self.scheduler.note("backup", name, [0; 3]);
        let mut state = self.state.lock();
        if state.made.iter().any(|(made, _)| made == name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let rng = Rng::stream(state.rng.next_u64(), name);
        let faults = Arc::new(Shared::new(Faults::new(&[])));
        let lies = self.sabotage;
        let lies = Sabotage { skip_sync: lies.skip_sync || lies.unsynced_backups, ..lies };
        let storage = Disk::default().attach(&self.scheduler, &faults, self.latency, lies, rng);
        let storage = storage.aside();
        state.made.push((name.to_owned(), Arc::clone(&storage)));
        Ok(storage)
    }
}
