//! `engram backup`: a directory that nobody serves, copied into another one.
//!
//! Guaranteed: what is copied is sound, so that a start would serve it, and nothing but what a start needs: the newest snapshot
//! and the log behind it. A copy that was interrupted is refused by every start: the log goes from its end to its front,
//! the snapshot last, and each file gets its name when its bytes are durable.

use super::check::check;
use super::store::IndexOptions;
use crate::env::{File, Storage};
use crate::snapshot;
use crate::wal::{self, Lsn, write_all};

/// Bytes copied at a time.
const PIECE: usize = 1 << 20;
/// What a file is called until it is whole.
const TEMPORARY: &str = ".tmp";

/// Copies the directory behind `from` into the empty one behind `to`; returns what was done, in lines.
///
/// # Errors
/// Why not, in words for the operator: the directory is damaged, there is something where the copy goes, a disk failed.
pub fn backup(from: &dyn Storage, to: &dyn Storage, options: IndexOptions) -> Result<Vec<String>, String> {
    if let Some(name) = to.list().map_err(|e| e.to_string())?.first() {
        return Err(format!("the directory for the backup is not empty: there is {name} in it"));
    }
    let found = check(from, options);
    if !found.healthy {
        return Err(format!("it is damaged, and a backup of it would be: {}", found.lines.join("; ")));
    }
    let newest = snapshot::open_newest(from).map_err(|e| e.to_string())?;
    let after = newest.as_ref().map_or(Lsn(0), |newest| newest.lsn);
    let log = wal::inspect(from, after, &mut |_, _| Ok(())).map_err(|e| e.to_string())?;
    let behind = log.segments.iter().skip(1).map(|next| Some(next.first)).chain([None]);
    let needed =
        log.segments.iter().zip(behind).filter(|(_, behind)| behind.is_none_or(|lsn| lsn > after.next()));
    let mut names: Vec<_> = needed.map(|(segment, _)| segment.name.clone()).collect();
    names.reverse();
    names.extend(newest.map(|newest| newest.file));
    let mut lines = Vec::new();
    for name in names {
        let bytes = copy(from, to, &name).map_err(|e| format!("copying {name}: {e}"))?;
        lines.push(format!("{name}: {bytes} bytes"));
    }
    to.sync_dir().map_err(|e| e.to_string())?;
    lines.push("a start there goes on as one here would".to_owned());
    Ok(lines)
}

/// Copies one file, and syncs it, before it gets its name.
fn copy(from: &dyn Storage, to: &dyn Storage, name: &str) -> std::io::Result<u64> {
    let temporary = format!("{name}{TEMPORARY}");
    let (source, copy) = (from.open(name)?, to.create_new(&temporary)?);
    let (mut piece, mut at) = (vec![0; PIECE], 0);
    loop {
        let n = read(&*source, &mut piece, at)?;
        if n == 0 {
            break;
        }
        write_all(&*copy, piece.get(..n).unwrap_or_default(), at)?;
        at += n as u64;
    }
    copy.sync()?;
    to.rename(&temporary, name)?;
    to.sync_dir()?;
    Ok(at)
}

/// Some bytes, over interruptions.
fn read(file: &dyn File, piece: &mut [u8], at: u64) -> std::io::Result<usize> {
    loop {
        match file.read_at(piece, at) {
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
