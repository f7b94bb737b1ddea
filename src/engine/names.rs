//! What the files of a data directory are, by their names: what a check says of them, and what no backup may be called.
//!
//! The formats' own modules decide which files are read (`wal`, `snapshot`); here are the families, wider than what is read.

use crate::wal::HALF_COPIED;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Of the log or a snapshot, while it is being written.
    Unfinished,
    /// Of the log, or a snapshot.
    Data,
    /// Left by a repair, or of one that has begun.
    Repair,
    /// Stands there while a backup is made.
    Copying,
    /// Nothing of engram's.
    Foreign,
}

/// What the file called `name` is.
pub(super) fn family(name: &str) -> Family {
    match name {
        _ if name.starts_with("wal-") || name.starts_with("snapshot-") => {
            if name.ends_with(UNFINISHED) {
                Family::Unfinished
            } else {
                Family::Data
            }
        }
        _ if name.starts_with("repair-") => Family::Repair,
        HALF_COPIED => Family::Copying,
        _ => Family::Foreign,
    }
}

/// Whether a file of a data directory may have this name, or one that differs in the case of letters only: some file systems
/// do not tell them apart.
pub(super) fn is_taken(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    family(&name) != Family::Foreign || is_unfinished(&name) || name == "lock"
}

/// What a backup is called while it is being made.
pub(super) fn unfinished(backup: &str) -> String {
    format!("{backup}{UNFINISHED}")
}

/// Whether a backup that is being made is called so; none that is whole ever is.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(UNFINISHED)
}

/// What the name of anything that is not finished ends with.
const UNFINISHED: &str = ".tmp";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_taken_and_plain_ones_are_not() {
        for name in [
            "wal-00000000000000000001.log",
            "wal-1",
            "WAL-00000000000000000001.log",
            "wal-00000000000000000001.log.tmp",
            "snapshot-00000000000000000007.snap",
            "snapshot-00000000000000000007.moving.snap",
            "repair-00000000000000000007.1.begun",
            "backup.begun",
            "Lock",
            "monday.tmp",
        ] {
            assert!(is_taken(name), "{name}");
        }
        for name in ["monday", "wal", "2026-11-23", "snapshots", "tmp", "backup", "locks"] {
            assert!(!is_taken(name), "{name}");
        }
    }
}
