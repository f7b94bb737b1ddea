//! `engram backup`: a directory that nobody serves, copied into another one. And where a snapshot goes that is a backup.
//!
//! Guaranteed: what is copied is sound, so that a start would serve it, and nothing but what a start needs: the newest snapshot
//! and the log behind it. A backup that was interrupted, this one or that of a running server, is refused by every start:
//! a file that says so stands there until all is durable.

use std::sync::Arc;

use super::check::check;
use super::store::StoreOptions;
use crate::env::{Backups, File, Storage};
use crate::snapshot;
use crate::wal::{self, HALF_COPIED, Lsn, write_all};

/// Bytes copied at a time.
const PIECE: usize = 1 << 20;

/// Copies the directory behind `from` into the empty one behind `to`; returns what was done, in lines.
///
/// # Errors
/// Why not, in words for the operator: the directory is damaged, there is something where the copy goes, a disk failed.
pub fn backup(from: &dyn Storage, to: &dyn Storage, options: StoreOptions) -> Result<Vec<String>, String> {
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
    let names = needed.map(|(segment, _)| segment.name.clone()).chain(newest.map(|newest| newest.file));
    let mut lines = Vec::new();
    begin(to).map_err(|e| e.to_string())?;
    for name in names {
        let bytes = copy(from, to, &name).map_err(|e| format!("copying {name}: {e}"))?;
        lines.push(format!("{name}: {bytes} bytes"));
    }
    end(to).map_err(|e| e.to_string())?;
    lines.push("a start there goes on as one here would".to_owned());
    Ok(lines)
}

/// Where a snapshot goes.
pub(crate) enum Target {
    /// The data directory.
    Here(Arc<dyn Storage>),
    /// A directory of its own.
    Backup(Arc<dyn Backups>, String),
}

impl Target {
    /// The backup's name, if it is one.
    pub(crate) fn backup(&self) -> Option<String> {
        match self {
            Self::Here(_) => None,
            Self::Backup(_, name) => Some(name.clone()),
        }
    }

    /// The directory to write into.
    pub(super) fn open(&self) -> std::io::Result<Arc<dyn Storage>> {
        match self {
            Self::Here(storage) => Ok(Arc::clone(storage)),
            Self::Backup(backups, name) => {
                let storage = backups.create(name)?;
                begin(&*storage).map(|()| storage)
            }
        }
    }

    /// The snapshot has been published there.
    pub(super) fn close(&self, storage: &dyn Storage) -> std::io::Result<()> {
        match self {
            Self::Here(_) => Ok(()),
            Self::Backup(..) => end(storage),
        }
    }
}

/// From here on no start goes past what is in the directory, until [`end`].
fn begin(to: &dyn Storage) -> std::io::Result<()> {
    let file = to.create_new(HALF_COPIED)?;
    write_all(&*file, b"a backup into this directory has not ended\n", 0)?;
    file.sync()?;
    to.sync_dir()
}

/// All that was copied is durable, and so is that.
fn end(to: &dyn Storage) -> std::io::Result<()> {
    to.sync_dir()?;
    to.remove(HALF_COPIED)?;
    to.sync_dir()
}

/// Copies one file and syncs it.
fn copy(from: &dyn Storage, to: &dyn Storage, name: &str) -> std::io::Result<u64> {
    let (source, copy) = (from.open(name)?, to.create_new(name)?);
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
