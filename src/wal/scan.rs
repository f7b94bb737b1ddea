//! Walking the records of one segment, and looking for claims behind a record that is invalid.
//!
//! A pure function of bytes: no file is touched here. The work is linear in the segment's length whatever the bytes
//! say, since a place that is tried costs one header's checksum and never a payload's.

use super::Lsn;
use super::format::{RECORD_HEADER, RecordHeader, SEGMENT_HEADER, Seal};
use crate::base::crc32c::crc32c;
use crate::base::mark::{Mark, reached};

/// A valid record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) lsn: Lsn,
    /// Where it begins in its file.
    pub(super) offset: usize,
    /// What it says had been synced before it was written.
    pub(super) durable: Lsn,
    pub(super) payload: &'a [u8],
}

/// Why the walk ended before the segment did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The file ends inside the record.
    Short,
    /// The header's checksum is wrong.
    Header,
    /// The payload's checksum is wrong.
    Payload,
    /// The header is valid, but it is another record's.
    Order(Lsn),
}

impl Fault {
    /// The mark for a last record that ends so.
    pub(super) fn mark(self) -> Mark {
        match self {
            Self::Short => Mark::TailShort,
            Self::Payload => Mark::TailPayload,
            Self::Header | Self::Order(_) => Mark::TailHeader,
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Short => f.write_str("the file ends inside it"),
            Self::Header => f.write_str("its header's checksum is wrong"),
            Self::Payload => f.write_str("its payload's checksum is wrong"),
            Self::Order(found) => write!(f, "record {found} stands in its place"),
        }
    }
}

/// Walks the records behind a segment's header.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    seal: Seal,
    next: Lsn,
    claimed: Lsn,
    fault: Option<Fault>,
}

impl<'a> Walk<'a> {
    /// Over a whole segment file whose header has been decoded.
    pub(super) fn new(bytes: &'a [u8], seal: Seal, first: Lsn) -> Self {
        assert!(bytes.len() >= SEGMENT_HEADER, "a segment with a valid header is at least as long");
        Self { bytes, at: SEGMENT_HEADER, seal, next: first, claimed: Lsn(0), fault: None }
    }

    /// Where the valid records end so far.
    pub(super) fn end(&self) -> usize {
        self.at
    }

    /// The LSN of the record that comes next.
    pub(super) fn next_lsn(&self) -> Lsn {
        self.next
    }

    /// The highest LSN that a record or mark so far says had been synced before it was written.
    pub(super) fn claimed(&self) -> Lsn {
        self.claimed
    }

    /// What is wrong at [`Walk::end`], once the iterator has ended; nothing if that is the end of the file.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Something behind the fault that was written only after the record there had been synced.
    pub(super) fn claim(&self) -> Option<Claim> {
        self.fault.and_then(|_| find_claim(self.bytes, self.at, self.seal, self.next))
    }

    fn step(&mut self) -> Result<Option<Record<'a>>, Fault> {
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(None);
            }
            if rest.len() < RECORD_HEADER {
                return Err(Fault::Short);
            }
            let header = RecordHeader::decode(rest, self.seal).ok_or(Fault::Header)?;
            if header.is_mark() && header.lsn.next() == self.next {
                reached(Mark::LogMarkPassed);
                self.claimed = self.claimed.max(header.durable);
                self.at += RECORD_HEADER;
                continue;
            }
            if header.is_mark() || header.lsn != self.next {
                return Err(Fault::Order(header.lsn));
            }
            let end = RECORD_HEADER + header.len as usize;
            let payload = rest.get(RECORD_HEADER..end).ok_or(Fault::Short)?;
            if crc32c(payload) != header.payload_crc {
                return Err(Fault::Payload);
            }
            let record = Record { lsn: self.next, offset: self.at, durable: header.durable, payload };
            self.claimed = self.claimed.max(header.durable);
            self.at += end;
            self.next = self.next.next();
            return Ok(Some(record));
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        if self.fault.is_some() {
            return None;
        }
        self.step().unwrap_or_else(|fault| {
            self.fault = Some(fault);
            None
        })
    }
}

/// A valid header behind an invalid record, which says that the record had been synced before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) offset: usize,
    pub(super) lsn: Lsn,
    pub(super) durable: Lsn,
}

/// Tries every byte from `from` on. A header claims that what is invalid had been synced if its `durable` says so, or
/// if it is the very record that was expected: then a mark stood in front of it, and marks are synced before anything
/// follows them. Only what could have been written here is believed: each record between the lost one and the found
/// one took at least a header's room.
fn find_claim(bytes: &[u8], from: usize, seal: Seal, lost: Lsn) -> Option<Claim> {
    let region = bytes.get(from..).unwrap_or_default();
    let room = (region.len() / RECORD_HEADER) as u64;
    let highest = Lsn(lost.0.saturating_add(room));
    region.windows(RECORD_HEADER).enumerate().find_map(|(at, window)| {
        let seen = RecordHeader::peek(window)?;
        let claims = seen.durable >= lost || (seen.lsn == lost && at > 0);
        let plausible = claims && seen.durable <= seen.lsn && seen.lsn <= highest;
        let header = plausible.then(|| RecordHeader::decode(window, seal)).flatten()?;
        Some(Claim { offset: from + at, lsn: header.lsn, durable: header.durable })
    })
}
