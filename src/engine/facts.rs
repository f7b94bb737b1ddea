//! What INFO tells of the engine, and what CONFIG changes in it.

use super::{Engine, Stats};
use crate::base::mark::{Mark, reached};
use crate::wal::{self, Lsn, Tier};

/// How the log stands.
#[derive(Clone, Debug)]
pub struct LogFacts {
    /// The last record.
    pub appended: Lsn,
    /// Replies with barriers up to here may leave.
    pub durable: Lsn,
    /// The last record that survives a power loss.
    pub synced: Lsn,
    /// Bytes that wait to be written.
    pub backlog: usize,
    /// Size on disk, in bytes.
    pub bytes: u64,
    /// What the log thread has done.
    pub stats: wal::Stats,
}

impl Engine {
    /// How the log stands; none without a directory.
    #[must_use]
    pub fn log_facts(&self) -> Option<LogFacts> {
        let wal = &self.durability.as_ref()?.wal;
        Some(LogFacts {
            appended: wal.appended(),
            durable: wal.durable(),
            synced: wal.synced(),
            backlog: wal.backlog(),
            bytes: wal.bytes(),
            stats: wal.stats(),
        })
    }

    /// Changes when a write is acknowledged. Nothing to do without a directory, and nothing is done once the log has failed:
    /// what it has refused must not come to be shown because a weaker tier would have shown it.
    pub fn set_tier(&mut self, tier: Tier) {
        if let Some(durability) = self.durability.as_mut().filter(|d| !d.wal.has_failed()) {
            durability.wal.set_tier(tier);
            // Names are forgotten as soon as their records count as durable, which under the tier before came early.
            if durability.wal.durable() < durability.wal.appended() {
                reached(Mark::TierTightened);
                durability.unsynced.note_everything(durability.wal.appended());
            }
        }
    }

    /// The file that is gone from the directory and that a start would need.
    #[must_use]
    pub fn missing_file(&self) -> Option<String> {
        self.durability.as_ref()?.wal.missing()
    }

    /// Keys of all kinds, those included whose time has come but which nobody has asked for since.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.store.keyspace.len()
    }

    /// Keys that have a time.
    #[must_use]
    pub fn expiring(&self) -> usize {
        self.store.keyspace.expiring()
    }

    /// Counts hits, misses and expired keys from zero again.
    pub fn reset_stats(&mut self) {
        let dirty = self.stats.dirty;
        self.stats = Stats { dirty, ..Stats::default() };
    }

    /// Rows that no graph links yet, of all indexes.
    #[must_use]
    pub fn unlinked(&self) -> usize {
        self.store.unlinked()
    }

    /// Changes so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }
}
