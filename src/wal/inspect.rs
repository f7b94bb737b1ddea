//! Looking at a log without touching it: what is in each segment, what is wrong, and what a start would do.

use super::Lsn;
use super::error::RecoveryError;
use super::format::{HeaderFault, SegmentHeader};
use super::reading::read;
use super::recover::{Apply, Recovered, Segment, follows, segments, survey};
use super::scan::Walk;
use crate::env::Storage;

/// What one segment holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentReport {
    /// The file.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The LSN its name says.
    pub first: Lsn,
    /// The last valid record; one below `first` if there is none.
    pub last: Lsn,
    /// How many valid records it holds.
    pub records: u64,
    /// Where and why its valid bytes end before the file does. A torn tail is one, too: the verdict tells.
    pub fault: Option<String>,
}

/// What a log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Each segment, in order, those included that the snapshot covers.
    pub segments: Vec<SegmentReport>,
    /// What a start would do, or why it would refuse.
    pub verdict: Result<Recovered, RecoveryError>,
}

/// Verifies every segment and gives every record behind `after` to `see`, as a start would; changes nothing. Fails only
/// if the directory or a file cannot be read.
pub fn inspect(storage: &dyn Storage, after: Lsn, see: &mut Apply<'_>) -> Result<Inspection, RecoveryError> {
    let all = segments(storage)?.into_iter();
    let reports: Result<_, _> = all.map(|(first, name)| inspect_segment(storage, first, name)).collect();
    Ok(Inspection { segments: reports?, verdict: survey(storage, after, see) })
}

/// What the segment in this file holds, by whose name record `first` is its first.
///
/// # Errors
/// Where it cannot be read.
pub fn inspect_segment(
    storage: &dyn Storage,
    first: Lsn,
    name: String,
) -> Result<SegmentReport, RecoveryError> {
    let mut bytes = Vec::new();
    read(storage, &name, &mut bytes)?;
    Ok(report(name, first, &bytes))
}

/// One thing that a log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A segment begins.
    Segment {
        /// The file.
        file: &'a str,
        /// Its length.
        bytes: u64,
        /// Its first record.
        first: Lsn,
    },
    /// A record of the segment that began last.
    Record {
        /// Where it begins in its file.
        offset: u64,
        /// Its number.
        lsn: Lsn,
        /// What had been synced when it was written, by its own word.
        durable: Lsn,
        /// What it carries.
        payload: &'a [u8],
    },
    /// The log ends in bytes that were never acknowledged, or in room for the next records: a start cuts them.
    Torn {
        /// They are room.
        room: bool,
        /// The file.
        file: &'a str,
        /// Where they begin.
        offset: u64,
        /// How many they are.
        bytes: u64,
        /// The record that should be there.
        lsn: Lsn,
    },
}

/// Gives every record `from..=to` to `see`, in order, with the segments that hold them; changes nothing. Segments that
/// end before `from` or begin behind `to` are not read.
///
/// # Errors
/// At the first damage that no crash explains, after all that stands before it; or if a file cannot be read.
pub fn list(
    storage: &dyn Storage,
    from: Lsn,
    to: Lsn,
    see: &mut dyn FnMut(Item<'_>),
) -> Result<(), RecoveryError> {
    let segments = segments(storage)?;
    let (mut bytes, mut expected) = (Vec::new(), None);
    for (i, (first, name)) in segments.iter().enumerate() {
        let successor = segments.get(i + 1).map(|(lsn, _)| *lsn);
        if successor.is_some_and(|behind| behind <= from) {
            continue;
        }
        if *first > to {
            break;
        }
        follows(name, *first, expected, Lsn(first.0 - 1))?;
        read(storage, name, &mut bytes)?;
        let segment = Segment { name, first: *first, bytes: &bytes, successor };
        expected = Some(show(&segment, from, to, see)?);
    }
    Ok(())
}

/// Shows one segment's records; returns the LSN that follows.
fn show(
    segment: &Segment<'_>,
    from: Lsn,
    to: Lsn,
    see: &mut dyn FnMut(Item<'_>),
) -> Result<Lsn, RecoveryError> {
    let (file, bytes, first) = (segment.name, segment.bytes.len() as u64, segment.first);
    see(Item::Segment { file, bytes, first });
    let torn = |offset: u64, lsn, room| Item::Torn { room, file, offset, bytes: bytes - offset, lsn };
    let Some(header) = segment.header()? else {
        see(torn(0, first, false));
        return Ok(first);
    };
    let mut walk = Walk::new(segment.bytes, header.seal(), first);
    for record in walk.by_ref().take_while(|record| record.lsn <= to).filter(|record| record.lsn >= from) {
        let (offset, durable) = (record.offset as u64, record.durable);
        see(Item::Record { offset, lsn: record.lsn, durable, payload: record.payload });
    }
    if walk.next_lsn().0 <= to.0.saturating_add(1) && segment.is_torn(&walk)? {
        see(torn(walk.end() as u64, walk.next_lsn(), segment.is_room(walk.end())));
    }
    Ok(walk.next_lsn())
}

fn report(name: String, first: Lsn, bytes: &[u8]) -> SegmentReport {
    let mut report = SegmentReport {
        name,
        bytes: bytes.len() as u64,
        first,
        last: Lsn(first.0 - 1),
        records: 0,
        fault: None,
    };
    match SegmentHeader::decode(bytes) {
        Err(HeaderFault::Damaged) => report.fault = Some("offset 0: the header is damaged".to_owned()),
        Err(HeaderFault::Version(v)) => report.fault = Some(format!("offset 8: unknown format version {v}")),
        Ok(header) if header.first != first => {
            report.fault = Some(format!("offset 16: the header says that record {} is first", header.first));
        }
        Ok(header) => {
            let mut walk = Walk::new(bytes, header.seal(), first);
            report.records = walk.by_ref().count() as u64;
            report.last = Lsn(walk.next_lsn().0 - 1);
            let segment = Segment { name: &report.name, first, bytes, successor: None };
            let fault = |fault| match bytes.len() - walk.end() {
                room if segment.is_room(walk.end()) => {
                    format!("{room} bytes of zeros behind them, room for more")
                }
                _ => format!("offset {}, record {}: {fault}", walk.end(), walk.next_lsn()),
            };
            report.fault = walk.fault().map(fault);
        }
    }
    report
}
