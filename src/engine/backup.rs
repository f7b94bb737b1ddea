//! `engram backup`: a directory that nobody serves, copied into another one. And where a snapshot goes that is a backup.
//!
//! Guaranteed: what is copied is sound, so that a start would serve it, and nothing but what a start needs: the newest snapshot
//! and the log behind it. A backup that was interrupted, this one or that of a running server, is refused by every start:
//! a file that says so stands there until all is durable. That of a running server is made under another name besides, so
//! that nothing bears its own that is not whole, be it an empty directory; and what has failed goes, as far as the disk lets it.

use std::io;
use std::sync::Arc;

use super::check::check;
use super::names::{Family, family};
use super::store::StoreOptions;
use crate::base::mark::{Mark, reached};
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

    /// The directory to write into. Of a backup it has another name until [`Target::close`]; what an earlier one has left there
    /// goes.
    pub(super) fn open(&self) -> io::Result<Arc<dyn Storage>> {
        let (backups, name) = match self {
            Self::Here(storage) => return Ok(Arc::clone(storage)),
            Self::Backup(backups, name) => (backups, name),
        };
        if backups.exists(name)? {
            let text = format!("there is something called {name} already");
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        let storage = backups.create(&unfinished(name))?;
        let names = storage.list()?;
        if let Some(foreign) = names.iter().find(|name| !is_of_backup(name)) {
            let text = format!("{} is not empty: there is {foreign} in it", unfinished(name));
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        if !names.is_empty() {
            reached(Mark::BackupLeft);
        }
        let begun = begin(&*storage).and_then(|()| empty(&*storage));
        begun.inspect_err(|_| self.abandon(&*storage)).map(|()| storage)
    }

    /// The snapshot has been published there.
    pub(super) fn close(&self, storage: &dyn Storage) -> io::Result<()> {
        let Self::Backup(backups, name) = self else { return Ok(()) };
        end(storage)?;
        let made = unfinished(name);
        backups.rename(&made, name)?;
        backups.sync().inspect_err(|_| drop(backups.rename(name, &made)))
    }

    /// Nothing has come of it: what a backup has made goes. Where something stays, it is under the name of what is not
    /// finished, and the next backup of this name removes it.
    pub(super) fn abandon(&self, storage: &dyn Storage) {
        let Self::Backup(backups, name) = self else { return };
        let remove = || {
            // What bears its own name is whole, whether that is durable or not.
            if !backups.exists(&unfinished(name))? {
                return Err(io::ErrorKind::NotFound.into());
            }
            empty(storage)?;
            storage.sync_dir()?;
            match storage.remove(HALF_COPIED) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            backups.remove(&unfinished(name))?;
            backups.sync()
        };
        reached(if remove().is_ok() { Mark::BackupRemoved } else { Mark::BackupStays });
    }
}

/// What a backup is called while it is being made: no backup is ever called so ([`super::names::is_taken`]).
fn unfinished(name: &str) -> String {
    format!("{name}.tmp")
}

/// Whether a backup of a running server has a file of this name at some time.
fn is_of_backup(name: &str) -> bool {
    let snapshot = matches!(family(name), Family::Data | Family::Unfinished) && name.starts_with("snapshot-");
    snapshot || name == HALF_COPIED
}

/// Removes the files of a backup but the one that says that it has not ended.
fn empty(storage: &dyn Storage) -> io::Result<()> {
    let names = storage.list()?;
    names
        .iter()
        .filter(|name| *name != HALF_COPIED && is_of_backup(name))
        .try_for_each(|name| storage.remove(name))
}

/// From here on no start goes past what is in the directory, until [`end`].
fn begin(to: &dyn Storage) -> io::Result<()> {
    let file = match to.create_new(HALF_COPIED) {
        // An earlier one has not ended.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => to.open(HALF_COPIED)?,
        created => created?,
    };
    write_all(&*file, b"a backup into this directory has not ended\n", 0)?;
    file.sync()?;
    to.sync_dir()
}

/// All that was copied is durable, and so is that.
fn end(to: &dyn Storage) -> io::Result<()> {
    to.sync_dir()?;
    to.remove(HALF_COPIED)?;
    to.sync_dir()
}

/// Copies one file and syncs it.
fn copy(from: &dyn Storage, to: &dyn Storage, name: &str) -> io::Result<u64> {
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
fn read(file: &dyn File, piece: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        match file.read_at(piece, at) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
