//! `engram backup`: a directory that nobody serves, copied into another one. And where a snapshot goes that is a backup.
//!
//! Guaranteed: what is copied is sound, so that a start would serve it, and nothing but what a start needs: the newest snapshot
//! and the log behind it. A backup that was interrupted, this one or that of a running server, is refused by every start:
//! a file that says so stands there until all is durable. And it is made under another name, so that nothing bears its own
//! that is not whole, be it an empty directory; and what has failed goes, as far as the disk lets it.

use std::io;
use std::sync::Arc;

use super::check::check;
use super::names::{Family, family, is_unfinished, unfinished};
use super::store::StoreOptions;
use crate::base::mark::{Mark, reached};
use crate::env::{Backups, File, Storage};
use crate::snapshot;
use crate::wal::{self, HALF_COPIED, Lsn, SegmentReport, write_all};

/// Bytes copied at a time.
const PIECE: usize = 1 << 20;

/// Copies the directory behind `from` into one that is not there yet, called `name`; returns what was done, in lines. Where
/// it fails, nothing bears that name.
///
/// # Errors
/// Why not, in words for the operator: the directory is damaged, there is something where the copy goes, a disk failed.
pub fn backup(
    from: &dyn Storage,
    backups: Arc<dyn Backups>,
    name: &str,
    options: StoreOptions,
) -> Result<Vec<String>, String> {
    if is_unfinished(name) {
        return Err(format!("{name} is no name for a backup: one that is not finished is called so"));
    }
    let place = Place { backups, name: name.to_owned() };
    place.look().map_err(|e| e.to_string())?;
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
    let needed: Vec<&SegmentReport> = needed.map(|(segment, _)| segment).collect();
    let names = needed.iter().map(|segment| segment.name.clone()).chain(newest.map(|newest| newest.file));
    let to = place.open().map_err(|e| e.to_string())?;
    let copied = names.map(|name| match copy(from, &*to, &name) {
        Ok(bytes) => Ok(format!("{name}: {bytes} bytes")),
        Err(e) => Err(format!("copying {name}: {e}")),
    });
    let copied: Result<Vec<String>, String> = copied.collect();
    let copied = copied.and_then(|lines| verify(&*to, after, &needed).map(|()| lines));
    let done = copied.and_then(|lines| place.close(&*to).map(|()| lines).map_err(|e| e.to_string()));
    let mut lines = done.inspect_err(|_| place.abandon(&*to))?;
    lines.push("a start there goes on as one here would".to_owned());
    Ok(lines)
}

/// Where a snapshot goes.
pub(crate) enum Target {
    /// The data directory.
    Here(Arc<dyn Storage>),
    /// A directory of its own.
    Backup(Place),
}

impl Target {
    /// The backup's name, if it is one.
    pub(crate) fn backup(&self) -> Option<String> {
        match self {
            Self::Here(_) => None,
            Self::Backup(place) => Some(place.name.clone()),
        }
    }

    /// The directory to write into.
    pub(super) fn open(&self) -> io::Result<Arc<dyn Storage>> {
        match self {
            Self::Here(storage) => Ok(Arc::clone(storage)),
            Self::Backup(place) => place.open(),
        }
    }

    /// The snapshot has been published there.
    pub(super) fn close(&self, storage: &dyn Storage) -> io::Result<()> {
        match self {
            Self::Here(_) => Ok(()),
            Self::Backup(place) => place.close(storage),
        }
    }

    /// Nothing has come of it.
    pub(super) fn abandon(&self, storage: &dyn Storage) {
        if let Self::Backup(place) = self {
            place.abandon(storage);
        }
    }
}

/// Where a backup goes: among these, under this name, once it is whole.
pub(crate) struct Place {
    pub(super) backups: Arc<dyn Backups>,
    pub(super) name: String,
}

impl Place {
    /// An error where the name is taken.
    fn look(&self) -> io::Result<()> {
        if !self.backups.exists(&self.name)? {
            return Ok(());
        }
        let text = format!("there is something called {} already", self.name);
        Err(io::Error::new(io::ErrorKind::AlreadyExists, text))
    }

    /// The directory to write into. It has another name until [`Place::close`]; what an earlier one that has not
    /// ended has left there goes.
    fn open(&self) -> io::Result<Arc<dyn Storage>> {
        self.look()?;
        let made = unfinished(&self.name);
        let storage = self.backups.create(&made)?;
        let names = storage.list()?;
        // Only what says of itself that it is a backup that has not ended is one. What is whole may be somebody's, and all that
        // there is.
        let begun = names.iter().any(|name| name == HALF_COPIED);
        if let Some(foreign) = names.iter().find(|name| !begun || !is_of_backup(name)) {
            let text = format!(
                "{made} is not empty: there is {foreign} in it, and nothing says that it is what a backup has left"
            );
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        if !names.is_empty() {
            reached(Mark::BackupLeft);
        }
        let ready = begin(&*storage).and_then(|()| empty(&*storage));
        ready.inspect_err(|_| self.abandon(&*storage)).map(|()| storage)
    }

    /// All of it is there: it gets its name.
    fn close(&self, storage: &dyn Storage) -> io::Result<()> {
        end(storage)?;
        let made = unfinished(&self.name);
        self.backups.rename(&made, &self.name)?;
        self.backups.sync().inspect_err(|_| drop(self.backups.rename(&self.name, &made)))
    }

    /// Nothing has come of it: what it has made goes. Where something stays, it is under the name of what is not
    /// finished, and the next backup of this name removes it.
    fn abandon(&self, storage: &dyn Storage) {
        let made = unfinished(&self.name);
        let remove = || {
            // What bears its own name is whole, whether that is durable or not.
            if !self.backups.exists(&made)? {
                return Err(io::ErrorKind::NotFound.into());
            }
            let names = storage.list()?;
            if !names.is_empty() && !names.iter().any(|name| name == HALF_COPIED) {
                // It has ended, and has not got its name. No start may take for a whole one what is left on the way from here.
                begin(storage)?;
            }
            empty(storage)?;
            storage.sync_dir()?;
            match storage.remove(HALF_COPIED) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            self.backups.remove(&made)?;
            self.backups.sync()
        };
        reached(if remove().is_ok() { Mark::BackupRemoved } else { Mark::BackupStays });
    }
}

/// Whether a backup has a file of this name at some time.
fn is_of_backup(name: &str) -> bool {
    matches!(family(name), Family::Data | Family::Unfinished | Family::Copying)
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

/// Whether a copy is what was found sound before: each file was read once more for it, and a disk may answer otherwise.
fn verify(copy: &dyn Storage, after: Lsn, segments: &[&SegmentReport]) -> Result<(), String> {
    let newest = snapshot::open_newest(copy).map_err(|e| format!("the copy is not sound: {e}"))?;
    let mut is_same = newest.map_or(Lsn(0), |newest| newest.lsn) == after;
    for segment in segments {
        let found = wal::inspect_segment(copy, segment.first, segment.name.clone());
        is_same &= found.map_err(|e| e.to_string())? == **segment;
    }
    if is_same {
        Ok(())
    } else {
        Err("the copy is not what was read before: the disk does not say the same twice".to_owned())
    }
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
