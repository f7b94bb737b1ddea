//! The simulated disk: one directory that outlives the lives of a server.
//!
//! It keeps two images (see [`image`]): what the process sees and what would survive. [`Disk::power_loss`] turns one
//! into the other; a mere kill keeps the page cache, pending changes included. Faults come from a plan by call index.
//! What the medium does by itself is [`decay`], what a server cannot be blamed for then is [`blame`], and what becomes
//! of a file that is mapped, [`map`]; which errors the server was told, and what they excuse, [`told`].

mod backups;
mod begun;
mod blame;
mod choice;
mod content;
mod decay;
mod doors;
mod failure;
mod image;
mod kind;
mod loss;
mod map;
mod reading;
mod refusals;
mod robbed;
mod still;
#[cfg(test)]
mod tests;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::Arc;

use engram::base::rng::Rng;

use self::image::{Damage, Image};
use self::reading::Ledger;
use crate::faults::Faults;
use crate::scheduler::Scheduler;
use crate::shared::Shared;

pub use backups::{LeftBackup, SimBackups};
pub use blame::Blame;
pub use choice::{Choice, Fate, PendingChange};
pub use decay::{At, Decay, Place};
pub use doors::SimStorage;
pub use kind::{KINDS, Kind};
pub use loss::{Decide, Loss};
pub use reading::Held;
pub use still::Still;
pub use told::{Listened, Told};

/// Lies that a disk may tell, to see whether the rig notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sabotage {
    /// A sync of a file does nothing and succeeds.
    pub skip_sync: bool,
    /// A sync of the directory does nothing and succeeds.
    pub skip_sync_dir: bool,
    /// A change of a file's length does nothing and succeeds.
    pub ignore_set_len: bool,
    /// The removal of a file does nothing and succeeds.
    pub ignore_remove: bool,
    /// There is never room for the copy of a log segment that recovery makes; with [`Sabotage::ignore_set_len`] a torn
    /// tail stays where it is.
    pub no_copies: bool,
    /// A sync returns at once and does its work only after its usual time: what was to wait for it has not waited.
    pub late_sync: bool,
    /// A segment that is not what was promised is shown cut where the damage begins, and none behind it: as a server
    /// finds it that takes rot for a torn tail.
    pub cut_at_rot: bool,
    /// A sync of a file of a backup does nothing and succeeds.
    pub unsynced_backups: bool,
    /// Who looks at the directory while no server runs does not see its last file.
    pub hidden_file: bool,
    /// What is repaired while no server runs stays as it was.
    pub idle_repair: bool,
}

impl FromStr for Sabotage {
    type Err = String;

    fn from_str(names: &str) -> Result<Self, String> {
        let mut lies = Self::default();
        for name in names.split(',') {
            let lie = match name {
                "skip-sync" => &mut lies.skip_sync,
                "skip-sync-dir" => &mut lies.skip_sync_dir,
                "ignore-set-len" => &mut lies.ignore_set_len,
                "ignore-remove" => &mut lies.ignore_remove,
                "no-copies" => &mut lies.no_copies,
                "late-sync" => &mut lies.late_sync,
                "cut-at-rot" => &mut lies.cut_at_rot,
                "unsynced-backups" => &mut lies.unsynced_backups,
                "hidden-file" => &mut lies.hidden_file,
                "idle-repair" => &mut lies.idle_repair,
                _ => return Err(format!("no lie `{name}`")),
            };
            *lie = true;
        }
        Ok(lies)
    }
}

/// How long the disk takes, in virtual nanoseconds; each is drawn up to twice the mean given here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// For a write or a read; zero for none.
    pub transfer: u64,
    /// For a sync.
    pub sync: u64,
}

/// The directory. Clones are independent copies.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    image: Image,
}

impl Disk {
    /// Puts the disk behind the storage door for one life. [`SimStorage::take`] gives it back.
    #[must_use]
    pub fn attach(
        self,
        scheduler: &Scheduler,
        faults: &Arc<Shared<Faults>>,
        latency: Latency,
        sabotage: Sabotage,
        rng: Rng,
    ) -> Arc<SimStorage> {
        Arc::new(SimStorage::new(self.image, scheduler.clone(), Arc::clone(faults), latency, sabotage, rng))
    }

    /// The process is gone, the machine is not: the page cache survives.
    pub fn kill(&mut self) {
        self.image.collect();
    }

    /// The power is gone: what was not synced survives as `loss` and `decide` have it.
    pub fn power_loss(&mut self, loss: Loss, decide: Decide) {
        self.image.lose(loss, decide);
    }

    /// Keeps in mind what was removed, and when each record of the log became safe; where the server may promise something
    /// `early`, records are taken back that never were. Needed where the medium lies or decays.
    pub fn watch(&mut self, early: bool) {
        self.image.removed.get_or_insert_default();
        self.image.ledger.get_or_insert_with(|| Ledger::new(early));
    }

    /// Something happens to the medium while nobody uses it. False if there was nothing to hit.
    pub fn decay(&mut self, decay: Decay) -> bool {
        decay.happen(&mut self.image).is_some()
    }

    /// The operator puts everything right, from a backup that is as new as the last promise.
    pub fn restore(&mut self) {
        self.image.restore();
    }

    /// Whether all that a process reads is what it was promised: nothing has decayed, no sync has lied.
    #[must_use]
    pub fn is_as_promised(&self) -> bool {
        self.image.damage() == Damage::default()
    }

    /// Every file as a process would see it.
    #[must_use]
    pub fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        self.image.contents()
    }

    /// The names of all files but those that have come from outside since the last life began.
    #[must_use]
    pub fn own_names(&self) -> BTreeSet<String> {
        let own = self.image.names.keys().filter(|name| !self.image.is_stranger(name));
        own.cloned().collect()
    }

    /// How many changes, of bytes and of names, a power loss could take.
    #[must_use]
    pub fn pending(&self) -> usize {
        let files: usize = self.image.files.values().map(|content| content.pending.len()).sum();
        files + self.image.pending_names.len()
    }
}
