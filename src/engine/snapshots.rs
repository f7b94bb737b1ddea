//! When snapshots and backups begin and what follows when they are done.

use std::sync::Arc;

use super::backup::{Place, Target};
use super::desk::{Desk, FINISHING};
use super::names::is_taken;
use super::saving::{Progress, called};
use super::{Durability, Engine, Saved};
use crate::base::limits::{
    MAX_BACKUPS, SNAPSHOT_AGAIN, SNAPSHOT_AGAIN_DOUBLED, SNAPSHOT_MISSED_AGAIN, SNAPSHOT_WEIGHED,
};
use crate::base::mark::{Mark, reached};
use crate::base::time::Mono;
use crate::env::Clock;
use crate::wal::Lsn;

/// When snapshots are made unasked, and how they are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotPlan {
    /// Bytes of log since the last one after which another is made, or half of the last one's size if that is more, so
    /// that a large directory is not written over and over; 0 for never.
    pub log_bytes: u64,
    /// Bytes a second that are written at most; 0 for as many as the disk takes.
    pub rate: u64,
    /// Bytes that one may make the server keep, what its cursor hands over aside: above half of them it keeps to no rate, and
    /// above all of them it is given up unless somebody has asked for it; 0 for no bound.
    pub memory: u64,
}

/// A snapshot, or the backup of this name, that has been asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    number: u64,
    /// By somebody, and not because the log has grown.
    asked: bool,
    backup: Option<String>,
}

impl Durability {
    fn want(&mut self, backup: Option<String>, asked: bool) -> u64 {
        self.snapshots += 1;
        self.wanted.push_back(Wanted { number: self.snapshots, asked, backup });
        self.snapshots
    }

    /// True when there is to be another snapshot unasked, and the last that failed is some time ago: enough was logged since
    /// the last one, or a file is gone for which one makes up.
    fn is_due(&self, clock: &dyn Clock) -> bool {
        let enough = self.plan.log_bytes.max(self.saved_bytes / 2);
        let grown = self.plan.log_bytes > 0 && self.logged >= enough;
        let due = !self.finishing && (grown || self.wal.lacks_file());
        due && self.retry.at.is_none_or(|at| at <= clock.now())
    }

    /// Looks whether a file has gone since this was asked last: writes are refused until there is a snapshot, so none has to
    /// wait for one that has failed before. True while one is gone.
    fn look_for_files(&mut self) -> bool {
        let lacks = self.wal.lacks_file();
        if lacks && !self.retry.lacked {
            self.retry = Retry::default();
        }
        self.retry.lacked = lacks;
        lacks
    }

    /// A snapshot that waits goes before backups.
    fn put_first(&mut self) {
        let at = self.wanted.iter().position(|wanted| wanted.backup.is_none());
        if let Some(wanted) = at.and_then(|at| self.wanted.remove(at)) {
            self.wanted.push_front(wanted);
        }
    }

    /// A snapshot, which is no backup, is done or has failed.
    fn note_ended(&mut self, saved: &Saved, now: Mono) -> u64 {
        let before = std::mem::take(&mut self.before);
        self.last_saved = Some(saved.clone());
        let lacks = self.wal.lacks_file();
        let Ok(bytes) = saved.result else {
            let first = if lacks { SNAPSHOT_MISSED_AGAIN } else { SNAPSHOT_AGAIN };
            self.retry.at = Some(now.after(first * (1 << self.retry.failures.min(SNAPSHOT_AGAIN_DOUBLED))));
            self.retry.failures += 1;
            self.logged += before.logged;
            return before.dirty;
        };
        self.saved_bytes = bytes;
        // The log has to look before it is known that nothing is missing any more.
        self.retry.at = lacks.then(|| now.after(SNAPSHOT_MISSED_AGAIN));
        self.retry.failures = 0;
        self.wal.drop_covered(saved.lsn);
        0
    }
}

/// When another snapshot is made unasked after some that have failed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Retry {
    at: Option<Mono>,
    /// How many have, one after the other.
    failures: u32,
    /// A file was gone when that was looked at last.
    lacked: bool,
}

/// What was counted when a snapshot was begun.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    logged: u64,
    dirty: u64,
}

impl Engine {
    /// Asks for a snapshot that holds at least what the keyspace holds now. Returns the number that
    /// [`Saved::number`] will reach when it is done, or why there can be none.
    pub fn request_snapshot(&mut self) -> Result<u64, String> {
        let is_running = self.store.saving.is_running();
        let durability = self.savable()?;
        if is_running {
            reached(Mark::SnapshotAwaited);
        }
        if let Some(waits) = durability.wanted.iter_mut().find(|wanted| wanted.backup.is_none()) {
            waits.asked = true;
            return Ok(waits.number);
        }
        Ok(durability.want(None, true))
    }

    /// Asks for a backup: a snapshot in a directory of this name, of its own, on which a server can start. It holds at least
    /// what the keyspace holds now; the data directory stays as it is. Returns its number, or why there can be none.
    pub fn request_backup(&mut self, name: &str) -> Result<u64, String> {
        let durability = self.savable()?;
        if is_taken(name) {
            return Err(format!(
                "ERR {name} is no name for a backup: files of a data directory have such names"
            ));
        }
        if durability.backups.is_none() {
            return Err(
                "ERR there is nowhere for backups: the server was started without --backup-dir".to_owned()
            );
        }
        if durability.wanted.len() >= MAX_BACKUPS {
            return Err("ERR as many backups wait already as may".to_owned());
        }
        Ok(durability.want(Some(name.to_owned()), true))
    }

    fn savable(&mut self) -> Result<&mut Durability, String> {
        if let Some(why) = self.poisoned() {
            return Err(why.to_owned());
        }
        self.durability
            .as_mut()
            .ok_or_else(|| "ERR there is nowhere to save to: the server was started without --dir".to_owned())
    }

    /// True while a snapshot is being written.
    #[must_use]
    pub fn is_saving(&self) -> bool {
        self.store.saving.is_running()
    }

    /// How far the snapshot has come that is being written.
    #[must_use]
    pub fn saving(&self) -> Option<Progress> {
        self.store.saving.progress()
    }

    /// Changes when snapshots are made, and how they are written, one that is being written included.
    pub fn plan_snapshots(&mut self, plan: SnapshotPlan) {
        if let Some(durability) = &mut self.durability {
            durability.plan = plan;
            self.store.saving.set_rate(plan.rate);
        }
    }

    /// The last snapshot of this run.
    #[must_use]
    pub fn last_saved(&self) -> Option<&Saved> {
        self.durability.as_ref()?.last_saved.as_ref()
    }

    /// A snapshot that is done, in order, each once.
    pub fn take_saved(&mut self) -> Option<Saved> {
        self.durability.as_mut()?.finished.pop_front()
    }

    /// Gives up the snapshots and backups that are being written or wait for that, but for those with the numbers `kept`, and
    /// begins none unasked any more: the server finishes. Returns what they are called. Whoever waits for one is told, of one
    /// that is being written as soon as its thread has left it ([`Engine::take_saved`]).
    pub fn give_up_saving(&mut self, kept: &[u64]) -> Vec<String> {
        let Some(durability) = &mut self.durability else { return Vec::new() };
        durability.finishing = true;
        let mut given_up = Vec::from_iter(self.store.saving.give_up(kept));
        let lsn = durability.wal.appended();
        for wanted in std::mem::take(&mut durability.wanted) {
            if kept.contains(&wanted.number) {
                durability.wanted.push_back(wanted);
                continue;
            }
            let Wanted { number, backup, .. } = wanted;
            given_up.push(format!("{} that has not begun", called(backup.as_deref())));
            durability.finished.push_back(Saved { number, lsn, backup, result: Err(FINISHING.to_owned()) });
        }
        given_up
    }

    /// One turn's part. True while there is more to do at once.
    pub(super) fn tick_snapshot(&mut self) -> bool {
        let failed = self.poisoned().map(str::to_owned);
        let Some(durability) = &mut self.durability else { return false };
        if let Some(saved) = self.store.saving.finished() {
            if saved.result.is_err() {
                reached(Mark::SnapshotFailed);
            }
            if saved.backup.is_none() {
                self.stats.dirty += durability.note_ended(&saved, self.clock.now());
            }
            durability.finished.push_back(saved);
        }
        let lacks = durability.look_for_files();
        let waits = durability.wanted.iter().any(|wanted| wanted.backup.is_none());
        let idle = failed.is_none() && !self.store.saving.is_running() && !waits;
        if idle && durability.is_due(&*self.clock) {
            reached(Mark::SnapshotUnasked);
            durability.want(None, false);
        }
        if lacks {
            durability.put_first();
            self.store.saving.hurry();
        }
        if !self.store.saving.is_running()
            && let Some(wanted) = durability.wanted.pop_front()
        {
            self.begin_snapshot(wanted, failed);
        }
        self.bound_snapshot();
        self.store.saving.step(&mut self.store.keyspace)
    }

    /// Looks now and then whether a running snapshot makes the server keep too much.
    fn bound_snapshot(&mut self) {
        let saving = self.store.saving.is_running();
        let Some(durability) = self.durability.as_mut().filter(|_| saving) else { return };
        let (now, bound) = (self.clock.now(), usize::try_from(durability.plan.memory).unwrap_or(usize::MAX));
        if durability.weighed <= now {
            durability.weighed = now.after(SNAPSHOT_WEIGHED);
            self.store.saving.look();
            if bound > 0 {
                let kept = self.snapshot_keeps();
                self.store.saving.bound(kept, bound);
            }
        }
    }

    /// Bytes that are there only because a snapshot is being written: what changed or went since it was begun, as it was,
    /// and what lies between the cursor and the disk.
    #[must_use]
    pub fn snapshot_memory(&self) -> usize {
        self.store.saving.memory()
    }

    /// About how many bytes a running snapshot makes the server keep, more and more the longer it takes: of
    /// [`Engine::snapshot_memory`] all but what the cursor has handed over, dead rows that cannot be swept before it has
    /// written their indexes, and codes that were replaced.
    #[must_use]
    pub fn snapshot_keeps(&self) -> usize {
        let codes = if self.is_saving() { self.store.replaced() } else { 0 };
        self.store.saving.kept() + self.store.saving.dead() + codes
    }

    /// Begins what was asked for, unless the log has `failed`.
    fn begin_snapshot(&mut self, Wanted { number, asked, backup }: Wanted, failed: Option<String>) {
        let Some(durability) = &mut self.durability else { return };
        let lsn = durability.wal.appended();
        let target = match (&durability.backups, &backup) {
            (Some(backups), Some(name)) => {
                Target::Backup(Place { backups: Arc::clone(backups), name: name.clone() })
            }
            _ => Target::Here(Arc::clone(&durability.storage)),
        };
        if backup.is_none() {
            let (logged, dirty) =
                (std::mem::take(&mut durability.logged), std::mem::take(&mut self.stats.dirty));
            durability.before = Before { logged, dirty };
        }
        let begun = match failed {
            // Memory may hold what the log refused: that is no state to keep.
            Some(why) => {
                reached(Mark::SnapshotForbidden);
                Err(why)
            }
            None => {
                if durability.retry.failures > 0 {
                    reached(Mark::SnapshotAfterFailure);
                }
                let (waker, clock) = (Arc::clone(&durability.waker), Arc::clone(&self.clock));
                let desk = Desk::new(waker, clock, durability.plan.rate);
                let begun = self.store.saving.begin(target, desk, lsn, (number, asked));
                begun.map_err(|e| format!("the snapshot's thread did not start: {e}"))
            }
        };
        if let Err(why) = begun {
            let saved = Saved { number, lsn, backup, result: Err(why) };
            if saved.backup.is_none() {
                self.stats.dirty += durability.note_ended(&saved, self.clock.now());
            }
            durability.finished.push_back(saved);
        }
    }

    /// Finishes: gives up a running snapshot, writes and syncs what was logged, whatever hinders the snapshot's thread, and
    /// lets the threads go.
    pub fn close(mut self) -> Result<Lsn, String> {
        self.store.saving.cancel();
        let Some(durability) = self.durability else { return Ok(Lsn(0)) };
        let last = durability.wal.appended();
        let shut = durability.wal.shutdown();
        self.store.saving.end();
        shut.map_err(|e| e.to_string())?;
        Ok(last)
    }
}
