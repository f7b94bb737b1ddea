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

pub use open::{
    Section, SectionReport, Snapshot, SnapshotError, SnapshotReport, inspect, newest, newest_among,
    open_newest, open_newest_unless,
};
pub use write::{Published, SnapshotWriter};

use crate::base::mark::{Mark, reached};
use crate::env::Storage;
use crate::wal::{Lsn, remove_leftover};

/// Removes every temporary and every snapshot older than `keep`, and syncs the directory before and after: `keep` may
/// owe its name to a life that was killed before it had made it durable, and of names that are pending a power loss
/// keeps any. Returns why some stay: they could not be removed, and are only space. To be called while no snapshot is
/// being written.
///
/// # Errors
/// The first error of the disk; what is left is removed by the next call.
pub fn remove_stale(storage: &dyn Storage, keep: Lsn) -> io::Result<Vec<String>> {
    let mut names = storage.list()?;
    // A rename that the system took back has left both names.
    let twice = names.contains(&format::name(keep, format::Stage::Published));
    names.retain(|name| match format::parse_name(name) {
        Some((_, format::Stage::Temporary)) => {
            reached(Mark::TemporaryRemoved);
            true
        }
        Some((lsn, _)) if lsn < keep => {
            reached(Mark::OlderSnapshotRemoved);
            true
        }
        Some((lsn, format::Stage::Moving)) => lsn == keep && twice,
        _ => false,
    });
    if names.is_empty() {
        return Ok(Vec::new());
    }
    storage.sync_dir()?;
    let mut stays = Vec::new();
    for name in &names {
        remove_leftover(storage, name, &mut stays)?;
    }
    storage.sync_dir()?;
    Ok(stays)
}
