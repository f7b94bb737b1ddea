//! The snapshot file: a container of checksummed sections, streamed to a temporary and published by a rename.
//!
//! Guaranteed: a file under a published name is whole, or [`open_newest`] says what is wrong with it; nothing is read
//! from it that has not been verified; a crash at any point leaves the snapshot before or the new one, and at most a
//! temporary beside it. Not guaranteed: what a section means. Kinds, and the bytes under them, are the caller's.
#![doc = include_str!("FORMAT.md")]

mod format;
mod mapped;
mod open;
mod write;

#[cfg(test)]
mod tests;

use std::io;

pub use mapped::MappedBytes;
pub use open::{Section, SectionReport, Snapshot, SnapshotError, SnapshotReport, inspect, open_newest};
pub use write::{Published, SnapshotWriter};

use crate::env::Storage;
use crate::wal::Lsn;

/// Removes every temporary and every snapshot older than `keep`, then syncs the directory. Returns how many files were
/// removed. To be called when `keep` is published and no other is being written.
///
/// # Errors
/// The first error of the disk; what is left is removed by the next call.
pub fn remove_stale(storage: &dyn Storage, keep: Lsn) -> io::Result<usize> {
    let mut removed = 0;
    for name in storage.list()? {
        let stale = match format::parse_name(&name) {
            Some((lsn, format::Stage::Published)) => lsn < keep,
            Some((_, format::Stage::Temporary)) => true,
            None => false,
        };
        if stale {
            storage.remove(&name)?;
            removed += 1;
        }
    }
    if removed > 0 {
        storage.sync_dir()?;
    }
    Ok(removed)
}
