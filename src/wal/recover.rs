//! Recovery: what the directory's segments hold, as a named case table, and the repair of what a crash left.
//!
//! | what is found | case or error | what is done |
//! |---|---|---|
//! | no segment | [`Case::Empty`] | the log begins behind the snapshot |
//! | valid to the last byte (a last segment may hold its header only) | [`Case::Clean`] | appended to |
//! | last segment: invalid record, nothing behind it claims that it had been synced | [`Case::TornTail`] | cut there |
//! | last segment: zeros behind the last record | [`Case::Room`] | cut there |
//! | another segment: whatever stands behind its last record, where the next segment goes on with the next | none | nothing |
//! | last segment: at most 32 bytes, no valid header | [`Case::TornSwitch`] | removed |
//! | valid, but every record is covered by the snapshot, which is ahead | [`Case::Behind`] | a new segment behind the snapshot |
//! | segments whose records the snapshot covers, at the front | any of these | not read; [`super::Wal::drop_covered`] removes them |
//! | invalid record or header, anywhere else | [`RecoveryError::Corrupt`] | refused |
//! | valid header of another segment than the name says | [`RecoveryError::Misnamed`] | refused |
//! | records missing in front of the log, or between segments | [`RecoveryError::Missing`] | refused |
//! | two segments with the same LSN | [`RecoveryError::Overlap`] | refused |
//! | a version that this binary does not know | [`RecoveryError::Version`] | refused |
//! | a repair, or a backup into the directory, that has not ended | [`RecoveryError::HalfRepaired`], [`RecoveryError::HalfCopied`] | refused |
//! | a payload that the engine refuses | [`RecoveryError::Refused`] | refused |
//!
//! Nothing is changed before every record has been applied. The repair is idempotent: a crash inside it, or a second
//! recovery, leads to the same bytes. What was kept is synced, file and directory, before anything can be appended
//! behind it or read from it: a killed process leaves bytes in the system's cache that a power loss could still take. A
//! last segment that does not say of itself that all of it was synced is replaced by a copy: its pages may be marked
//! clean and yet be nowhere else. It is read once more for that, before anything is cut: a disk that reads differently
//! the second time takes nothing away, and leaves no wrong byte in the copy.
//!
//! Memory: one segment at a time, whole: `segment_bytes` plus the last batch that went into it.

use std::io;

use super::Lsn;
use super::error::{HALF_COPIED, RecoveryError, io_error};
use super::format::{HeaderFault, RECORD_HEADER, SEGMENT_HEADER, SegmentHeader, parse_segment_name};
use super::guard::{lacks_room, write_all};
use super::leftovers::remove_leftover;
use super::reading::{open, read};
use super::scan::{Fault, Walk};
use super::truncate::parse_begun;
use crate::base::crc32c::crc32c;
use crate::base::mark::{Mark, reached};
use crate::env::Storage;

/// What a copy of a segment is called until it has taken the segment's place, and one that may be used again.
pub(super) const TEMPORARY: &str = ".tmp";

/// Which row of the case table applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// There is no log.
    Empty,
    /// Valid to the last byte.
    Clean,
    /// The last segment ends in a record that was never acknowledged as durable.
    TornTail,
    /// Behind the last record of the last segment are zeros: room for the next.
    Room,
    /// The last segment had been created, but its header had not been synced.
    TornSwitch,
    /// The log ends before the snapshot does: its last records were not durable yet when the snapshot was.
    Behind,
}

/// What was cut off, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The segment.
    pub file: String,
    /// Its length from now on; a segment cut to nothing is removed.
    pub offset: u64,
    /// How many bytes it loses.
    pub bytes: u64,
    /// CRC-32C of the whole segment, as it was read when this was decided.
    pub(super) sum: u32,
}

/// A segment that takes no more records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) name: String,
    pub(super) last: Lsn,
    pub(super) bytes: u64,
}

/// The segment that takes the next record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) name: String,
    pub(super) header: SegmentHeader,
    pub(super) bytes: u64,
    /// Its last record; one below the header's first if there is none.
    pub(super) last: Lsn,
    /// True where something in it says that all of it had been synced.
    pub(super) settled: bool,
    /// Its last bytes: where it is settled, the mark that says so and that no other vouches for.
    pub(super) mark: Vec<u8>,
    /// CRC-32C of the whole file, as it was read when its records were applied.
    pub(super) sum: u32,
}

/// What recovery found, and where the log goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The last LSN of log and snapshot together.
    pub last: Lsn,
    /// Records applied.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Segments present.
    pub segments: usize,
    /// Which row of the case table applied.
    pub case: Case,
    /// What was cut off.
    pub cut: Option<Cut>,
    pub(super) closed: Vec<Closed>,
    pub(super) tail: Option<Tail>,
    /// The last segment where the snapshot covers it, which is closed then. Until the next segment is durable it is the
    /// one that a start must be able to read.
    pub(super) behind: Option<Tail>,
    /// The segments before a last one without a header: the snapshot covers them, and nobody has read them. Were they to
    /// stay, the next start would have to read the last of them, and might refuse what is not needed.
    pub(super) outlived: Vec<String>,
}

impl Recovered {
    /// The last segment that has a header.
    fn last_segment(&self) -> Option<&Tail> {
        self.tail.as_ref().or(self.behind.as_ref())
    }

    /// What a start calls the copy that it makes of the last segment, if it makes one. The name has to be free.
    #[must_use]
    pub fn copy(&self) -> Option<String> {
        self.last_segment().filter(|tail| !tail.settled).map(|tail| format!("{}{TEMPORARY}", tail.name))
    }

    /// True where the next record begins a segment behind the snapshot, and perhaps nothing but the snapshot leads up to
    /// it. Its name has to be durable, then, before anything is cut from the log, anybody sees what it holds and that
    /// segment is begun.
    #[must_use]
    pub fn rests_on_snapshot(&self) -> bool {
        self.tail.is_none() && self.last > Lsn(0)
    }
}

/// What takes the records; an error ends recovery.
pub(super) type Apply<'a> = dyn FnMut(Lsn, &[u8]) -> Result<(), String> + 'a;

/// [`survey`] and [`repair`], where no snapshot is to be looked after between them.
#[cfg(test)]
pub(crate) fn recover(
    storage: &dyn Storage,
    after: Lsn,
    apply: &mut Apply<'_>,
) -> Result<Recovered, RecoveryError> {
    let found = survey(storage, after, apply)?;
    repair(storage, &found)?;
    Ok(found)
}

/// The segments of the directory, in the order of their LSNs.
pub(super) fn segments(storage: &dyn Storage) -> Result<Vec<(Lsn, String)>, RecoveryError> {
    let names = storage.list().map_err(|e| io_error("", "list the directory", &e))?;
    if let Some((file, after)) = names.iter().find_map(|name| Some((name.clone(), parse_begun(name)?))) {
        return Err(RecoveryError::HalfRepaired { file, after });
    }
    if names.iter().any(|name| name == HALF_COPIED) {
        return Err(RecoveryError::HalfCopied);
    }
    Ok(among(names))
}

/// The segments among these names, in the order of their LSNs.
pub(super) fn among(names: Vec<String>) -> Vec<(Lsn, String)> {
    let mut found: Vec<_> =
        names.into_iter().filter_map(|name| Some((parse_segment_name(&name)?, name))).collect();
    found.sort();
    found
}

/// Reads the log, gives every record behind `after` (the snapshot's LSN) to `apply`, in order, and decides the case; changes
/// nothing. Its answer is what the log looks like after [`repair`].
///
/// # Errors
/// The log cannot be read, or no crash explains what is there.
pub fn survey(storage: &dyn Storage, after: Lsn, apply: &mut Apply<'_>) -> Result<Recovered, RecoveryError> {
    visit_all(storage, after, apply).map_err(|error| error.above(after))
}

fn visit_all(storage: &dyn Storage, after: Lsn, apply: &mut Apply<'_>) -> Result<Recovered, RecoveryError> {
    let segments = segments(storage)?;
    let mut log = Recovered {
        last: after,
        records: 0,
        bytes: 0,
        segments: segments.len(),
        case: if segments.is_empty() { Case::Empty } else { Case::Clean },
        cut: None,
        closed: Vec::new(),
        tail: None,
        behind: None,
        outlived: Vec::new(),
    };
    let mut bytes = Vec::new();
    let mut expected = None;
    for (i, (first, name)) in segments.iter().enumerate() {
        let successor = segments.get(i + 1).map(|(lsn, _)| *lsn);
        if let Some(behind) = successor.filter(|lsn| *lsn <= after.next()) {
            reached(Mark::CoveredSegmentSkipped);
            let size = open(storage, name)?.size().map_err(|e| io_error(name, "measure", &e))?;
            log.closed.push(Closed { name: name.clone(), last: Lsn(behind.0 - 1), bytes: size });
            continue;
        }
        follows(name, *first, expected, after)?;
        read(storage, name, &mut bytes)?;
        log.bytes += bytes.len() as u64;
        let segment = Segment { name, first: *first, bytes: &bytes, successor };
        expected = Some(segment.visit(after, &mut log, apply)?);
    }
    if let Some(tail) = log.tail.take_if(|tail| tail.last < after) {
        reached(Mark::LogBehindSnapshot);
        if log.case == Case::Clean {
            log.case = Case::Behind;
        }
        log.closed.push(Closed { name: tail.name.clone(), last: tail.last, bytes: tail.bytes });
        log.behind = Some(tail);
    } else if log.tail.is_none() {
        log.outlived = log.closed.drain(..).map(|closed| closed.name).collect();
    }
    Ok(log)
}

/// Checks that a segment begins where the one before it, or the snapshot, ends.
pub(super) fn follows(
    name: &str,
    first: Lsn,
    expected: Option<Lsn>,
    after: Lsn,
) -> Result<(), RecoveryError> {
    let file = name.to_owned();
    match expected {
        None if first > after.next() => {
            reached(Mark::FrontMissing);
            Err(RecoveryError::Missing { from: after.next(), to: Lsn(first.0 - 1), file, keep: after })
        }
        Some(expected) if first > expected => {
            reached(Mark::GapRefused);
            let keep = Lsn(expected.0 - 1);
            Err(RecoveryError::Missing { from: expected, to: Lsn(first.0 - 1), file, keep })
        }
        Some(expected) if first < expected => {
            reached(Mark::OverlapRefused);
            Err(RecoveryError::Overlap { file, first, expected })
        }
        _ => Ok(()),
    }
}

/// One segment under survey.
pub(super) struct Segment<'a> {
    pub(super) name: &'a str,
    pub(super) first: Lsn,
    pub(super) bytes: &'a [u8],
    /// First LSN of the segment behind it.
    pub(super) successor: Option<Lsn>,
}

impl Segment<'_> {
    /// Applies its records and enters it into `log`; returns the LSN that follows.
    fn visit(&self, after: Lsn, log: &mut Recovered, apply: &mut Apply<'_>) -> Result<Lsn, RecoveryError> {
        let Some(header) = self.header()? else {
            log.case = Case::TornSwitch;
            log.cut = Some(self.cut(0));
            return Ok(self.first);
        };
        let mut walk = Walk::new(self.bytes, header.seal(), self.first);
        for record in walk.by_ref().filter(|record| record.lsn > after) {
            apply(record.lsn, record.payload).map_err(|why| {
                let (file, offset) = (self.name.to_owned(), record.offset as u64);
                RecoveryError::Refused { file, offset, lsn: record.lsn, why, keep: Lsn(record.lsn.0 - 1) }
            })?;
            log.records += 1;
        }
        if self.is_torn(&walk)? {
            log.case = if self.is_room(walk.end()) { Case::Room } else { Case::TornTail };
            log.cut = Some(self.cut(walk.end()));
        }
        let last = Lsn(walk.next_lsn().0 - 1);
        log.last = log.last.max(last);
        let (name, bytes) = (self.name.to_owned(), walk.end() as u64);
        // A header by itself says nothing: the first segment's, too, may have been shown by the system's cache only.
        let end = walk.end();
        let whole = walk.fault().is_none() || self.is_room(end);
        let settled = last >= self.first && walk.claimed() >= last && whole;
        let mark = self.bytes[end.saturating_sub(RECORD_HEADER)..end].to_vec();
        let sum = crc32c(self.bytes);
        if let Some(before) = log.tail.replace(Tail { name, header, bytes, last, settled, mark, sum }) {
            reached(Mark::SecondSegmentReplayed);
            log.closed.push(Closed { name: before.name, last: before.last, bytes: before.bytes });
        }
        Ok(walk.next_lsn())
    }

    /// True where the walk ended before the segment did and a crash explains it; an error where none does.
    pub(super) fn is_torn(&self, walk: &Walk<'_>) -> Result<bool, RecoveryError> {
        // Where the next segment goes on with the next record nothing is missing: what is damaged is a mark, or room.
        let whole = self.successor == Some(walk.next_lsn());
        match walk.fault().filter(|_| !whole) {
            Some(fault) => self.excuse(fault, walk).map(|()| true),
            None => Ok(false),
        }
    }

    /// The header; none where a crash in a segment switch explains that there is none.
    pub(super) fn header(&self) -> Result<Option<SegmentHeader>, RecoveryError> {
        match SegmentHeader::decode(self.bytes) {
            Ok(header) if header.first != self.first => {
                reached(Mark::MisnamedRefused);
                Err(RecoveryError::Misnamed { file: self.name.to_owned(), says: header.first })
            }
            Ok(header) => Ok(Some(header)),
            Err(HeaderFault::Version(version)) => {
                reached(Mark::VersionRefused);
                Err(RecoveryError::Version { file: self.name.to_owned(), version })
            }
            Err(HeaderFault::Damaged) if self.successor.is_none() && self.bytes.len() <= SEGMENT_HEADER => {
                Ok(None)
            }
            Err(HeaderFault::Damaged) => {
                reached(Mark::HeaderRefused);
                let known = "records are written only behind a header that has been synced";
                Err(self.corrupt(0, self.first, format!("the segment's header is damaged; {known}")))
            }
        }
    }

    /// Fails unless a crash explains the fault at which the walk ended.
    fn excuse(&self, fault: Fault, walk: &Walk<'_>) -> Result<(), RecoveryError> {
        let lsn = walk.next_lsn();
        let known = if let Some(successor) = self.successor {
            reached(Mark::MiddleRefused);
            format!(
                "the segment that begins with record {successor} was begun only after this one had been synced"
            )
        } else if let Some(claim) = walk.claim() {
            reached(Mark::ClaimRefused);
            format!(
                "record {} at offset {} was written only after it had been synced",
                claim.lsn, claim.offset
            )
        } else if let Fault::Order(_) = fault {
            reached(Mark::OrderRefused);
            "no crash puts one record in another's place".to_owned()
        } else {
            reached(fault.mark());
            return Ok(());
        };
        Err(self.corrupt(walk.end(), lsn, format!("{fault}; {known}")))
    }

    /// Whether what stands at `offset`, behind the last record, are zeros that were written ahead.
    pub(super) fn is_room(&self, offset: usize) -> bool {
        self.bytes[offset..].iter().take(RECORD_HEADER).all(|byte| *byte == 0)
    }

    fn corrupt(&self, offset: usize, lsn: Lsn, what: String) -> RecoveryError {
        let (file, keep) = (self.name.to_owned(), Lsn(lsn.0 - 1));
        RecoveryError::Corrupt { file, offset: offset as u64, lsn, what, keep }
    }

    fn cut(&self, offset: usize) -> Cut {
        let (file, bytes) = (self.name.to_owned(), (self.bytes.len() - offset) as u64);
        Cut { file, offset: offset as u64, bytes, sum: crc32c(self.bytes) }
    }
}

/// Brings the directory into the state that `found` describes, and makes it durable, so that everything that was applied
/// is. What is cut may be covered by the snapshot alone: see [`Recovered::rests_on_snapshot`] first. Returns why leftovers
/// stay that could not be removed.
///
/// # Errors
/// The disk failed, or does not read the same twice. The next start finds the same records.
pub fn repair(storage: &dyn Storage, found: &Recovered) -> Result<Vec<String>, RecoveryError> {
    if found.case == Case::Empty {
        reached(Mark::LogEmpty);
        // A life before may have put aside every segment that it had, or have lost the only one while it was copied.
        return remove_copies(storage);
    }
    let unsettled = found.last_segment().filter(|tail| !tail.settled);
    let unsettled = unsettled.map(|tail| valid_again(storage, tail)).transpose()?;
    if let Some(cut) =
        found.cut.as_ref().filter(|cut| unsettled.as_ref().is_none_or(|(name, _)| *name != cut.file))
    {
        read_again(storage, &cut.file, cut.sum)?;
    }
    match &found.cut {
        Some(cut) if found.case == Case::TornSwitch => {
            reached(Mark::TornSwitchRemoved);
            for name in &found.outlived {
                storage.remove(name).map_err(|e| io_error(name, "remove", &e))?;
            }
            storage.remove(&cut.file).map_err(|e| io_error(&cut.file, "remove", &e))?;
        }
        Some(cut) => {
            reached(Mark::TornTailCut);
            let file = open(storage, &cut.file)?;
            file.set_len(cut.offset).map_err(|e| io_error(&cut.file, "cut", &e))?;
        }
        None => {}
    }
    let stays = remove_copies(storage)?;
    if let Some((name, bytes)) = unsettled {
        replace_by_copy(storage, name, &bytes)?;
    }
    if let Some(tail) = found.last_segment().filter(|tail| tail.settled) {
        // The mark vouches for what is before it and for itself not at all: its own sync may have failed, and left it
        // marked clean in the cache and nowhere else. Written once more, the sync below covers it.
        let at = tail.bytes - tail.mark.len() as u64;
        write_all(&*open(storage, &tail.name)?, &tail.mark, at)
            .map_err(|e| io_error(&tail.name, "write the mark of", &e))?;
    }
    let last = found.last_segment().map(|tail| &tail.name);
    if let Some(name) = last {
        open(storage, name)?.sync().map_err(|e| io_error(name, "sync", &e))?;
    }
    storage.sync_dir().map_err(|e| io_error("", "sync the directory", &e))?;
    Ok(stays)
}

/// The name of the segment and its valid bytes, read once more.
fn valid_again<'a>(storage: &dyn Storage, tail: &'a Tail) -> Result<(&'a str, Vec<u8>), RecoveryError> {
    let mut bytes = read_again(storage, &tail.name, tail.sum)?;
    bytes.truncate(usize::try_from(tail.bytes).unwrap_or(usize::MAX));
    Ok((&tail.name, bytes))
}

/// Reads once more a segment that is to be cut or copied. An error if any byte is not what it was: two reads that differ
/// are the disk's fault, wherever either of them ended.
fn read_again(storage: &dyn Storage, name: &str, sum: u32) -> Result<Vec<u8>, RecoveryError> {
    let mut bytes = Vec::new();
    read(storage, name, &mut bytes)?;
    if crc32c(&bytes) == sum {
        Ok(bytes)
    } else {
        Err(io_error(name, "read", &io::Error::other("it does not read the same twice")))
    }
}

/// Puts a fresh copy in the place of a segment whose last records may be nowhere but in the system's cache. A sync that
/// failed in an earlier life may have left their pages there, marked clean: syncing the file again would write nothing,
/// and a power loss would take what this life has shown. The old file stays until the copy is durable. Where there is no
/// room, the segment stays as it is: better a start than none.
fn replace_by_copy(storage: &dyn Storage, name: &str, bytes: &[u8]) -> Result<(), RecoveryError> {
    let temporary = format!("{name}{TEMPORARY}");
    let copied = write_copy(storage, &temporary, bytes);
    match copied.and_then(|()| storage.rename(&temporary, name)) {
        Err(e) if lacks_room(&e) => {
            reached(Mark::NoRoomForCopy);
            // Left behind, it is only space: the next start removes it.
            drop(storage.remove(&temporary));
            Ok(())
        }
        Ok(()) => {
            reached(Mark::UnsettledSegmentCopied);
            Ok(())
        }
        Err(e) => Err(io_error(name, "copy", &e)),
    }
}

/// Removes the copies that an earlier recovery did not finish, and what an earlier life has put aside for later.
/// Returns why some stay.
fn remove_copies(storage: &dyn Storage) -> Result<Vec<String>, RecoveryError> {
    let mut stays = Vec::new();
    for name in storage.list().map_err(|e| io_error("", "list", &e))? {
        if name.strip_suffix(TEMPORARY).is_some_and(|segment| parse_segment_name(segment).is_some()) {
            reached(Mark::UnfinishedCopyRemoved);
            remove_leftover(storage, &name, &mut stays).map_err(|e| io_error(&name, "remove", &e))?;
        }
    }
    Ok(stays)
}

fn write_copy(storage: &dyn Storage, name: &str, bytes: &[u8]) -> io::Result<()> {
    let file = storage.create_new(name)?;
    write_all(&*file, bytes, 0)?;
    file.sync()
}
