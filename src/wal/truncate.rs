//! Cutting a log behind a record, for an operator who gives up the rest: `engram repair`.
//!
//! Guaranteed: every byte that is cut is kept in the directory under another name, durably, before it is cut; a crash
//! leaves the log as it was, or as it is to be, or one that every start refuses until the same repair has been run again
//! ([`RecoveryError::HalfRepaired`]); running it again does what is left to do and nothing else. An error of the disk says
//! which of these it is: where nothing was cut yet (a disk that is full tells so before), what the repair had made is removed.
//!
//! The steps, each durable before the next: a file that says that a repair has begun; a copy of the bytes behind the record
//! in the segment that holds it, and one of the segment that ends with the record; from here on no room is needed: the
//! segments behind that one renamed, the segment replaced by its copy, the first file removed. The names are in `FORMAT.md`.

use std::io;

use super::Lsn;
use super::error::{RecoveryError, io_error};
use super::format::{HeaderFault, SegmentHeader};
use super::guard::write_all;
use super::reading::read;
use super::recover::{TEMPORARY, among, follows};
use super::scan::Walk;
use crate::env::Storage;

/// Bytes that were cut and where they are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The segment that held them.
    pub segment: String,
    /// Where they began in it; 0 for all of it.
    pub offset: u64,
    /// How many they are.
    pub bytes: u64,
    /// The file that holds them.
    pub file: String,
}

/// What [`truncate_after`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truncated {
    /// What this run cut, in the order of the log; nothing where the log ended there already.
    pub kept: Vec<Kept>,
    /// It ended a repair that an earlier run had begun.
    pub resumed: bool,
}

/// Why a log was not cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The disk, or a file that this binary does not know.
    Log(RecoveryError),
    /// The snapshot holds records behind the one to be kept: cutting the log takes nothing of them away.
    Covered {
        /// The snapshot's LSN.
        snapshot: Lsn,
    },
    /// The record to be kept cannot be read.
    Unreadable {
        /// The last that can.
        last: Lsn,
    },
    /// The disk failed before anything was cut: the directory is as it was.
    Untouched(RecoveryError),
    /// The disk failed on the way: no start goes past what there is now, until the same repair has ended.
    Half {
        /// What failed.
        error: RecoveryError,
        /// The last record that the repair keeps.
        after: Lsn,
    },
    /// Another repair has begun and not ended.
    Other {
        /// The last record that it keeps.
        after: Lsn,
    },
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Log(e) => e.fmt(f),
            Self::Covered { snapshot } => write!(
                f,
                "the snapshot holds the records up to {snapshot}; cutting the log before that takes none of them away. \
                 The least that can be kept: --truncate-after {snapshot}. To go back further, move the snapshot away first"
            ),
            Self::Unreadable { last } => write!(
                f,
                "the log can be read up to record {last} only. The most that can be kept: --truncate-after {last}"
            ),
            Self::Untouched(error) => write!(
                f,
                "{error}. Nothing was cut, and the directory is as it was before. Mend that and run the repair again"
            ),
            Self::Half { error, after } => write!(
                f,
                "{error}. The repair has begun and not ended: what it has cut is kept in files called repair-..., and no \
                 server starts here until it has ended. Mend that and end it: --truncate-after {after}"
            ),
            Self::Other { after } => {
                write!(f, "an earlier repair has not ended. End it first: --truncate-after {after}")
            }
        }
    }
}

impl std::error::Error for Refusal {}

impl From<RecoveryError> for Refusal {
    fn from(error: RecoveryError) -> Self {
        Self::Log(error)
    }
}

/// The record that a repair keeps last, if this is the name of the file that says it has begun.
pub(super) fn parse_begun(name: &str) -> Option<Lsn> {
    let (lsn, run) = name.strip_prefix("repair-")?.strip_suffix(".begun")?.split_once('.')?;
    let (lsn, run) = (Lsn(lsn.parse().ok()?), run.parse().ok()?);
    (Run { after: lsn, number: run }.begun() == name).then_some(lsn)
}

/// Which repair: its names.
#[derive(Clone, Copy, Debug)]
struct Run {
    after: Lsn,
    number: u64,
}

impl Run {
    fn prefix(self) -> String {
        format!("repair-{:020}.{}", self.after.0, self.number)
    }

    fn begun(self) -> String {
        format!("{}.begun", self.prefix())
    }

    fn whole(self, segment: &str) -> String {
        format!("{}-{segment}", self.prefix())
    }

    fn part(self, segment: &str, offset: usize) -> String {
        format!("{}-{segment}.from-{offset}", self.prefix())
    }

    /// The one that has begun, or a fresh one whose names nobody bears.
    fn find(names: &[String], after: Lsn) -> Result<(Self, bool), Refusal> {
        match names.iter().find_map(|name| parse_begun(name)) {
            Some(other) if other != after => return Err(Refusal::Other { after: other }),
            _ => {}
        }
        let mut run = Self { after, number: 1 };
        loop {
            if names.contains(&run.begun()) {
                return Ok((run, true));
            }
            let prefix = format!("{}-", run.prefix());
            if !names.iter().any(|name| name.starts_with(&prefix)) {
                return Ok((run, false));
            }
            run.number += 1;
        }
    }
}

/// The segment that is cut, and what it holds.
struct Last {
    name: String,
    bytes: Vec<u8>,
    /// Where it ends from now on.
    end: usize,
    /// Nothing but room is behind that: a start cuts it.
    room: bool,
}

impl Last {
    /// What the copy is called until it takes the segment's place.
    fn temporary(&self) -> String {
        format!("{}{TEMPORARY}", self.name)
    }

    /// What is behind its end.
    fn cut(&self) -> &[u8] {
        self.bytes.get(self.end..).unwrap_or_default()
    }

    fn kept(&self, run: Run) -> Kept {
        let (offset, bytes) = (self.end as u64, self.cut().len() as u64);
        Kept { segment: self.name.clone(), offset, bytes, file: run.part(&self.name, self.end) }
    }
}

/// What there is to do.
struct Cutting {
    last: Option<Last>,
    /// Segments that are cut whole.
    whole: Vec<String>,
}

impl Cutting {
    /// The segment of which a part is cut that is worth keeping.
    fn part(&self) -> Option<&Last> {
        self.last.as_ref().filter(|last| last.end < last.bytes.len() && !last.room)
    }
}

/// Cuts the log behind record `after`, which it keeps. `covered` is the snapshot's LSN: segments that it covers are left
/// alone, damaged or not, unless nothing is left behind them: a start would read the last of them.
///
/// # Errors
/// If that is not possible, or the disk fails. Nothing has been changed unless it is [`Refusal::Half`].
pub fn truncate_after(storage: &dyn Storage, covered: Lsn, after: Lsn) -> Result<Truncated, Refusal> {
    if after < covered {
        return Err(Refusal::Covered { snapshot: covered });
    }
    let names = storage.list().map_err(|e| io_error("", "list the directory", &e))?;
    let (run, resumed) = Run::find(&names, after)?;
    let cutting = plan(storage, names, covered, after)?;
    if !resumed && cutting.part().is_none() && cutting.whole.is_empty() {
        return Ok(Truncated { kept: Vec::new(), resumed });
    }
    if let Err(error) = prepare(storage, run, resumed, &cutting) {
        // An earlier run may have cut something; this one has not.
        let undone = !resumed && undo(storage, run, cutting.last.as_ref()).is_ok();
        return Err(if undone { Refusal::Untouched(error) } else { Refusal::Half { error, after } });
    }
    let kept = carry_out(storage, run, &cutting).map_err(|error| Refusal::Half { error, after })?;
    Ok(Truncated { kept, resumed })
}

/// Makes everything that needs room, and writes what a killed process left in the system's cache. The log is as it was when
/// this returns, whatever it returns.
fn prepare(storage: &dyn Storage, run: Run, resumed: bool, cutting: &Cutting) -> Result<(), RecoveryError> {
    if !resumed {
        let text = format!("engram repair --truncate-after {}\n", run.after);
        create(storage, &run.begun(), text.as_bytes())?;
        sync_dir(storage)?;
    }
    for segment in &cutting.whole {
        let open = storage.open(segment).map_err(|e| io_error(segment, "open", &e))?;
        open.sync().map_err(|e| io_error(segment, "sync", &e))?;
    }
    if let Some(last) = cutting.part() {
        create(storage, &run.part(&last.name, last.end), last.cut())?;
    }
    if let Some(last) = &cutting.last {
        create(storage, &last.temporary(), last.bytes.get(..last.end).unwrap_or_default())?;
    }
    sync_dir(storage)
}

/// Removes what [`prepare`] has made, as far as it is there, and last of all the file that keeps servers from starting.
fn undo(storage: &dyn Storage, run: Run, last: Option<&Last>) -> io::Result<()> {
    let made = last.into_iter().flat_map(|last| [last.temporary(), run.part(&last.name, last.end)]);
    for name in made.chain([run.begun()]) {
        match storage.remove(&name) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    // Should the power go first, the next run ends what it finds.
    drop(storage.sync_dir());
    Ok(())
}

/// Cuts.
fn carry_out(storage: &dyn Storage, run: Run, cutting: &Cutting) -> Result<Vec<Kept>, RecoveryError> {
    let mut kept: Vec<Kept> = cutting.part().into_iter().map(|last| last.kept(run)).collect();
    for segment in &cutting.whole {
        kept.push(keep_whole(storage, run, segment)?);
    }
    sync_dir(storage)?;
    if let Some(last) = &cutting.last {
        replace(storage, last)?;
    }
    storage.remove(&run.begun()).map_err(|e| io_error(&run.begun(), "remove", &e))?;
    sync_dir(storage)?;
    Ok(kept)
}

/// Reads the log up to `after` and says what is behind it. Changes nothing.
fn plan(storage: &dyn Storage, names: Vec<String>, covered: Lsn, after: Lsn) -> Result<Cutting, Refusal> {
    let segments = among(names);
    let mut cutting = Cutting { last: None, whole: Vec::new() };
    let (mut readable, mut expected, mut ended) = (covered, None, false);
    let mut skipped = Vec::new();
    for (i, (first, name)) in segments.iter().enumerate() {
        let successor = segments.get(i + 1).map(|(lsn, _)| *lsn);
        if successor.is_some_and(|behind| behind <= covered.next()) {
            skipped.push(name.clone());
            continue;
        }
        let mut bytes = Vec::new();
        read(storage, name, &mut bytes)?;
        let header = match SegmentHeader::decode(&bytes) {
            Err(HeaderFault::Version(version)) => {
                return Err(RecoveryError::Version { file: name.clone(), version }.into());
            }
            header => header.ok().filter(|header| header.first == *first),
        };
        if *first > after {
            cutting.whole.push(name.clone());
            continue;
        }
        let Some(header) = header.filter(|_| !ended && follows(name, *first, expected, covered).is_ok())
        else {
            // It holds nothing of the log up to there, or what a snapshot holds as well.
            ended = true;
            cutting.whole.push(name.clone());
            continue;
        };
        let mut walk = Walk::new(&bytes, header.seal(), *first);
        let beyond = walk.by_ref().find(|record| record.lsn > after).map(|record| record.offset);
        let end = beyond.unwrap_or(walk.end());
        readable = readable.max(Lsn(walk.next_lsn().0 - 1).min(after));
        // What stands behind its last record where the next segment goes on with the next is no record.
        ended = walk.fault().is_some() && successor != Some(walk.next_lsn());
        expected = Some(walk.next_lsn());
        // Zeros to the very end, that is: behind a few of them there may be a record that shows that one is missing.
        let rest = bytes.get(end..).unwrap_or_default();
        let room =
            beyond.is_none() && successor.is_none() && !rest.is_empty() && rest.iter().all(|byte| *byte == 0);
        cutting.last = Some(Last { name: name.clone(), bytes, end, room });
    }
    if cutting.last.is_none() {
        cutting.whole.splice(0..0, skipped);
    }
    if readable < after { Err(Refusal::Unreadable { last: readable }) } else { Ok(cutting) }
}

/// Gives a segment another name.
fn keep_whole(storage: &dyn Storage, run: Run, segment: &str) -> Result<Kept, RecoveryError> {
    let open = storage.open(segment).map_err(|e| io_error(segment, "open", &e))?;
    let bytes = open.size().map_err(|e| io_error(segment, "measure", &e))?;
    let file = run.whole(segment);
    storage.rename(segment, &file).map_err(|e| io_error(segment, "rename", &e))?;
    Ok(Kept { segment: segment.to_owned(), offset: 0, bytes, file })
}

/// Puts the copy that ends where it has to in the segment's place. Even where it ends there already: an earlier run may have
/// met an error after which nothing is known about the file.
fn replace(storage: &dyn Storage, last: &Last) -> Result<(), RecoveryError> {
    storage.rename(&last.temporary(), &last.name).map_err(|e| io_error(&last.name, "replace", &e))?;
    sync_dir(storage)
}

/// A synced file of these bytes, in the place of what an earlier run may have left there.
fn create(storage: &dyn Storage, name: &str, bytes: &[u8]) -> Result<(), RecoveryError> {
    match storage.remove(name) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io_error(name, "remove", &e)),
        _ => {}
    }
    let file = storage.create_new(name).map_err(|e| io_error(name, "create", &e))?;
    write_all(&*file, bytes, 0).map_err(|e| io_error(name, "write", &e))?;
    file.sync().map_err(|e| io_error(name, "sync", &e))
}

fn sync_dir(storage: &dyn Storage) -> Result<(), RecoveryError> {
    storage.sync_dir().map_err(|e| io_error("", "sync the directory", &e))
}
