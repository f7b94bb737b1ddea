//! Why a log cannot be recovered, in words for the one who has to act.

use std::io;

use super::Lsn;

/// The file that stands in a directory while it is being filled by a backup.
pub const HALF_COPIED: &str = "backup.begun";

/// Why the log cannot be recovered. Nothing has been changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecoveryError {
    /// The disk failed.
    Io {
        /// The file; empty for the directory.
        file: String,
        /// What was tried.
        operation: &'static str,
        /// What the system said.
        error: String,
    },
    /// Bytes that had been durable are not what was written.
    Corrupt {
        /// The segment.
        file: String,
        /// Where its valid bytes end.
        offset: u64,
        /// The record that should be there.
        lsn: Lsn,
        /// What is wrong, and how it is known that it had been durable.
        what: String,
        /// The last record that a repair can keep.
        keep: Lsn,
    },
    /// A segment's header belongs to another name.
    Misnamed {
        /// The file.
        file: String,
        /// The first LSN its header says.
        says: Lsn,
    },
    /// Records that must be there are not.
    Missing {
        /// The first one.
        from: Lsn,
        /// The last one.
        to: Lsn,
        /// The segment behind the gap.
        file: String,
        /// The last record that a repair can keep.
        keep: Lsn,
    },
    /// A segment begins with a record that the one before it holds already.
    Overlap {
        /// The later segment.
        file: String,
        /// Its first LSN.
        first: Lsn,
        /// The LSN that was expected there.
        expected: Lsn,
    },
    /// A segment of a version that this binary does not know.
    Version {
        /// The file.
        file: String,
        /// Its version.
        version: u32,
    },
    /// A repair was begun and has not ended.
    HalfRepaired {
        /// The file that says so.
        file: String,
        /// The last record that it keeps.
        after: Lsn,
    },
    /// A copy of another directory was begun here and has not ended.
    HalfCopied,
    /// The engine could not apply a valid record.
    Refused {
        /// The file.
        file: String,
        /// Where the record begins.
        offset: u64,
        /// The record.
        lsn: Lsn,
        /// What the engine said.
        why: String,
        /// The last record that a repair can keep.
        keep: Lsn,
    },
}

impl std::fmt::Display for RecoveryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io { file, operation, error } if file.is_empty() => {
                write!(f, "cannot {operation}: {error}")
            }
            Self::Io { file, operation, error } => write!(f, "cannot {operation} {file}: {error}"),
            Self::Corrupt { file, offset, lsn, what, keep } => write!(
                f,
                "the log is corrupt: {file}, offset {offset}, record {lsn}: {what}. Acknowledged writes would be lost, \
                 so nothing was changed. Restore the directory from a copy; or look at it: engram check DIR, engram \
                 dump DIR; or {}",
                giving_up(*lsn, *keep)
            ),
            Self::Misnamed { file, says } => write!(
                f,
                "{file} is not the segment its name says: its header begins with record {says}. Give it back its name"
            ),
            Self::Missing { from, to, file, keep } => write!(
                f,
                "records {from} to {to} are missing: the log goes on with {file} only. Put back the missing segment, \
                 or the snapshot that covers these records; or look at it: engram check DIR, engram dump DIR --from \
                 {}; or {}",
                to.next(),
                giving_up(*from, *keep)
            ),
            Self::Overlap { file, first, expected } => write!(
                f,
                "{file} begins with record {first}, where {expected} was expected: segments of different logs are in \
                 one directory. Move the foreign ones away"
            ),
            Self::Version { file, version } => write!(
                f,
                "{file} has format version {version}, which this binary does not know. Start the version of engram \
                 that wrote it"
            ),
            Self::HalfRepaired { file, after } => {
                write!(
                    f,
                    "a repair has not ended ({file}). End it: engram repair DIR --truncate-after {after}"
                )
            }
            Self::HalfCopied => {
                write!(
                    f,
                    "a backup into this directory has not ended ({HALF_COPIED}). Make it anew, somewhere else"
                )
            }
            Self::Refused { file, offset, lsn, why, keep } => {
                let up = giving_up(*lsn, *keep);
                write!(
                    f,
                    "record {lsn} ({file}, offset {offset}) is intact but cannot be applied: {why}. Start the version \
                     of engram that wrote it; or look at it: engram dump DIR --from {lsn} --to {lsn}; or {up}"
                )
            }
        }
    }
}

impl std::error::Error for RecoveryError {}

impl RecoveryError {
    /// The same, where a snapshot holds the records up to `covered`: no repair takes those away.
    pub(crate) fn above(mut self, covered: Lsn) -> Self {
        if let Self::Corrupt { keep, .. } | Self::Missing { keep, .. } | Self::Refused { keep, .. } =
            &mut self
        {
            *keep = covered.max(*keep);
        }
        self
    }
}

/// What takes `lsn` and all after it away, but for what a snapshot holds.
fn giving_up(lsn: Lsn, keep: Lsn) -> String {
    let first = lsn.max(keep.next());
    format!("give up record {first} and all after it: engram repair DIR --truncate-after {keep}")
}

pub(super) fn io_error(file: &str, operation: &'static str, error: &io::Error) -> RecoveryError {
    RecoveryError::Io { file: file.to_owned(), operation, error: error.to_string() }
}
