//! `engram repair`: a log cut behind a record, because somebody decided so.
//!
//! What is cut is kept beside the log ([`wal::truncate_after`]). What a snapshot holds cannot be cut: the log behind it can.

use crate::env::Storage;
use crate::snapshot;
use crate::wal::{self, Lsn};

/// Cuts the log behind record `after`; returns what was done, in lines.
///
/// # Errors
/// Why not, in words for the operator.
pub fn repair(storage: &dyn Storage, after: Lsn) -> Result<Vec<String>, String> {
    let snapshot = snapshot::open_newest(storage).map_err(|e| e.to_string())?;
    let covered = snapshot.map_or(Lsn(0), |snapshot| snapshot.lsn);
    let done = wal::truncate_after(storage, covered, after).map_err(|e| e.to_string())?;
    let mut lines = Vec::new();
    if done.resumed {
        lines.push("ended a repair that had begun before".to_owned());
    }
    for kept in &done.kept {
        let what =
            if kept.offset > 0 { format!("from offset {} on", kept.offset) } else { "whole".to_owned() };
        lines.push(format!("{} was cut {what}: {} bytes, kept in {}", kept.segment, kept.bytes, kept.file));
    }
    lines.push(match (done.kept.is_empty(), done.resumed) {
        (true, false) => format!("nothing to do: the log ends with record {after}"),
        _ => format!("the log ends with record {after} now"),
    });
    Ok(lines)
}
