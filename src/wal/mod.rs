//! The write-ahead log: records, segments, group commit on a thread of its own, and recovery.
//!
//! Guaranteed: records come back in order, whole, and as a prefix without holes; what [`Wal::durable`] has reached
//! survives (under [`Tier::Always`] a power loss, under the others what [`Tier`] says); after the first error of the
//! disk nothing is acknowledged any more. Not guaranteed: what a payload means; that is the engine's.
//!
//! The payload's way: [`Wal::append`] copies it into memory; the log thread takes all that has gathered, writes it,
//! syncs it and wakes the loop. What arrived during one sync shares the next.
#![doc = include_str!("FORMAT.md")]

mod error;
mod format;
mod guard;
mod inspect;
mod leftovers;
mod log;
mod missing;
mod reading;
mod recover;
mod room;
mod scan;
mod shared;
mod thread;
mod truncate;

#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

pub use error::{HALF_COPIED, RecoveryError};
pub use guard::Poisoned;
pub(crate) use guard::write_all;
pub use inspect::{Inspection, Item, SegmentReport, inspect, inspect_segment, list};
pub(crate) use leftovers::remove_leftover;
pub use log::Wal;
#[cfg(test)]
pub(crate) use recover::recover;
pub use recover::{Case, Cut, Recovered, repair, survey};
pub use shared::Stats;
pub use truncate::{Kept, Refusal, Truncated, truncate_after};

/// A log sequence number: counts records from 1. `Lsn(0)` is before all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl Lsn {
    /// The number of the record behind this one; of the last that there can be, itself: a file's name may say anything.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl std::fmt::Display for Lsn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// When a record counts as durable, and so what a crash can take from what was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// When it has been synced: nothing.
    Always,
    /// At once; synced about once a second: a power loss takes the last second or so, a killed process the last
    /// milliseconds.
    EverySecond,
    /// At once; synced when a segment is closed, when nothing has been written for a second, and at shutdown: a power loss
    /// takes what the system had not written back by itself, a killed process the last milliseconds.
    No,
}

/// How the log is kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// When a record counts as durable.
    pub tier: Tier,
    /// Size in bytes from which a segment takes no further batch (`limits::SEGMENT_BYTES`).
    pub segment_bytes: u64,
    /// Zeros that are written ahead of the log's end under [`Tier::Always`], in bytes, so that most syncs find only bytes
    /// overwritten that have their place on the medium already (`limits::LOG_ROOM`). Nothing where this is zero; and
    /// segments are removed then and not used again.
    pub room: u64,
    /// How long the log thread looks for more records before it sleeps, under [`Tier::Always`].
    pub spin: Duration,
    /// Bytes that may wait for the log thread before the loop lets those who write wait (`limits::LOG_BACKLOG`): half of it is
    /// when the loop has to hear that there is room again.
    pub backlog: usize,
    /// Up to where the snapshots with these names, of all in the directory, make the log superfluous: what a start would take.
    pub covers: fn(&[String]) -> Lsn,
    /// Entropy for the segments' salts: unknown to clients.
    pub seed: u64,
}
