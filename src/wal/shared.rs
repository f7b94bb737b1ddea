//! What the loop and the log thread share: the buffer that gathers, how far each is, and the numbers for INFO.

use std::sync::Arc;
use std::time::Duration;

use super::guard::Latch;
use super::{Lsn, Tier};
use crate::base::histogram::Histogram;
use crate::base::sync::{AtomicU32, AtomicU64, Condvar, Mutex};

/// A buffer that grew past this is given back once it has been written.
const KEPT_BUFFER: usize = 16 << 20;
/// Gathered bytes that end the log thread's wait for more.
pub(super) const LINGER_BYTES: usize = 256 << 10;

/// What the log thread has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Batches written.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Syncs of a segment with records in it.
    pub syncs: u64,
    /// How long the last of these took.
    pub last_sync: Duration,
    /// How long the longest took.
    pub longest_sync: Duration,
    /// How long they took, in microseconds begun.
    pub sync_micros: Histogram,
    /// How many records the batches held.
    pub batch_records: Histogram,
    /// Segments begun.
    pub segments_begun: u64,
    /// Covered segments removed.
    pub segments_removed: u64,
    /// Why the last removal failed, if it did. The next [`Wal::drop_covered`] tries again.
    pub removal_error: Option<String>,
}

/// What the loop and the log thread share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) gather: Mutex<Gather>,
    pub(super) work: Condvar,
    pub(super) latch: Arc<Latch>,
    /// Set while a batch waits for room on the disk.
    pub(super) no_room: Latch,
    /// Set while a file is not there that a start would need.
    pub(super) gone: Latch,
    pub(super) appended: AtomicU64,
    pub(super) synced: AtomicU64,
    /// The last record that was appended when the log thread was told of it last.
    pub(super) kicked: AtomicU64,
    /// Bytes appended and not written yet.
    pub(super) backlog: AtomicU64,
    /// Bytes of all segments.
    pub(super) bytes: AtomicU64,
    pub(super) stats: Mutex<Stats>,
    pub(super) tier: AtomicU32,
}

/// What waits for the log thread.
#[derive(Debug, Default)]
pub(super) struct Gather {
    pub(super) buffer: Vec<u8>,
    /// Remove segments up to here.
    pub(super) covered: Option<Lsn>,
    /// The tier has changed.
    pub(super) changed: bool,
    pub(super) stop: bool,
    /// What the log thread waits for.
    pub(super) waiting: Waiting,
}

/// What the log thread waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Waiting {
    /// Nothing: it is at work and will look again by itself.
    #[default]
    No,
    /// Anything to do.
    ForWork,
    /// More of the batch that has begun to gather.
    ForMore,
}

impl Shared {
    pub(super) fn tier(&self) -> Tier {
        match self.tier.load() {
            0 => Tier::Always,
            1 => Tier::EverySecond,
            _ => Tier::No,
        }
    }

    pub(super) fn set_tier(&self, tier: Tier) {
        self.tier.store(match tier {
            Tier::Always => 0,
            Tier::EverySecond => 1,
            Tier::No => 2,
        });
    }

    /// Gives a written buffer back for the next turn.
    pub(super) fn recycle(buffer: &mut Vec<u8>) {
        buffer.clear();
        if buffer.capacity() > KEPT_BUFFER {
            *buffer = Vec::new();
        }
    }
}
