//! How far the files of a directory reach: an own reading of the log's format, beside the engine's.
//!
//! It says what a server can know from the bytes alone: up to which record all of it is there, or that something is
//! missing that must be there. That is the border between a torn tail, which is cut, and corruption, which is refused.
//! It does not look into payloads, and of snapshots it reads the names only.

use std::collections::BTreeMap;

use engram::base::crc32c::{crc32c, extend};

use super::Kind;

const SEGMENT_HEADER: usize = 32;
pub(super) const RECORD_HEADER: usize = 28;

/// Every file by its name.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// How far a directory reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Something that must be there is not, and the bytes show it.
    Refused(String),
    /// Everything is there up to this record, and nothing shows that there was more.
    UpTo(u64),
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    payload_crc: u32,
    len: usize,
    lsn: u64,
    durable: u64,
}

/// The number in a file's name.
pub(super) fn number(name: &str) -> u64 {
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).map_or(0, |b| u64::from_le_bytes(b.try_into().unwrap_or_default()))
}

fn half(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |b| u32::from_le_bytes(b.try_into().unwrap_or_default()))
}

/// The salt and the first record of a segment, if its header is whole.
fn segment_header(bytes: &[u8]) -> Option<(u64, u64)> {
    let header = bytes.get(..SEGMENT_HEADER)?;
    let sum = extend(crc32c(&header[..12]), &header[16..]);
    let right = &header[..8] == b"engramwl" && half(header, 8) == 1 && half(header, 12) == sum;
    right.then(|| (word(header, 24), word(header, 16)))
}

/// The record header at `at`, if its checksum is right and its fields make sense.
fn record_header(bytes: &[u8], at: usize, salt: u64) -> Option<Header> {
    let header = bytes.get(at..at + RECORD_HEADER)?;
    let found = Header {
        payload_crc: half(header, 4),
        len: half(header, 8) as usize,
        lsn: word(header, 12),
        durable: word(header, 20),
    };
    let sane = found.lsn > 0 && found.durable <= found.lsn && found.len <= 1 << 30;
    let empty_mark = found.durable < found.lsn || found.len == 0;
    let sum = || extend(crc32c(&salt.to_le_bytes()), &header[4..]);
    (sane && empty_mark && half(header, 0) == sum()).then_some(found)
}

/// The records of one segment from its first on: hands each with its header's bytes to `each`. Returns where the valid
/// ones end and the number that comes next.
fn walk(bytes: &[u8], (salt, first): (u64, u64), each: &mut dyn FnMut(u64, &[u8])) -> (usize, u64) {
    let (mut at, mut next) = (SEGMENT_HEADER, first);
    while let Some(header) = record_header(bytes, at, salt) {
        let mark = header.durable == header.lsn;
        let end = at + RECORD_HEADER + header.len;
        let whole =
            bytes.get(at + RECORD_HEADER..end).is_some_and(|payload| crc32c(payload) == header.payload_crc);
        if !whole || header.lsn + u64::from(mark) != next {
            break;
        }
        if !mark {
            each(header.lsn, &bytes[at..at + RECORD_HEADER]);
            next += 1;
        }
        at = end;
    }
    (at, next)
}

/// What the log's files hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Bytes up to the last record of each segment.
    pub written: u64,
    /// Bytes of all segments, with whatever stands behind their last records.
    pub bytes: u64,
    /// The last record; that of the newest snapshot where that is ahead.
    pub last: u64,
    /// Payload bytes of the records that no snapshot covers.
    pub unsaved: u64,
    /// Bytes of the newest snapshot, and its last record; zero where there is none.
    pub snapshot: (u64, u64),
}

/// What the segments and the newest snapshot among `files` hold: names and bytes.
pub(super) fn held(files: &[(&str, &[u8])]) -> Held {
    let of = |kind| files.iter().filter(move |(name, _)| Kind::of(name) == kind);
    let newest = of(Kind::Snapshot).map(|(name, bytes)| (number(name), bytes.len() as u64)).max();
    let (covered, size) = newest.unwrap_or_default();
    let mut held = Held { last: covered, snapshot: (size, covered), ..Held::default() };
    for (_, bytes) in of(Kind::Log) {
        held.bytes += bytes.len() as u64;
        let Some(head) = segment_header(bytes) else { continue };
        let (end, next) = walk(bytes, head, &mut |lsn, header| {
            held.unsaved += if lsn > covered { u64::from(half(header, 8)) } else { 0 };
        });
        held.written += end as u64;
        held.last = held.last.max(next - 1);
    }
    held
}

/// The records in `bytes`, which the log writes behind record `last`: how many payload bytes each has. None where something
/// else is written: a header, a mark, zeros, the rest of what was written in part.
pub(super) fn payloads(bytes: &[u8], mut last: Option<u64>) -> Vec<(u64, u64)> {
    let (mut at, mut found) = (0, Vec::new());
    if bytes.starts_with(b"engramwl") {
        return found;
    }
    while let Some(header) = bytes.get(at..at + RECORD_HEADER) {
        let (len, lsn, durable) = (half(header, 8), word(header, 12), word(header, 20));
        let follows = last.map_or(lsn > 0, |last| lsn == last + 1);
        if !follows || durable >= lsn {
            break;
        }
        found.push((lsn, u64::from(len)));
        last = Some(lsn);
        at += RECORD_HEADER + len as usize;
    }
    found
}

/// Something at or behind `at`, where record `lost` should be, that could only be written once that had been synced; or
/// a whole header in its place that belongs elsewhere, which no crash puts there.
fn contradicted(bytes: &[u8], at: usize, salt: u64, lost: u64) -> bool {
    let room = (bytes.len().saturating_sub(at) / RECORD_HEADER) as u64;
    (at..bytes.len()).any(|place| {
        let claims = word(bytes, place + 20) >= lost || word(bytes, place + 12) == lost;
        claims
            && record_header(bytes, place, salt).is_some_and(|found| {
                let own = found.lsn == lost && found.durable < lost;
                found.lsn <= lost + room && (!own || place > at)
            })
    }) || record_header(bytes, at, salt).is_some_and(|found| found.lsn != lost)
}

/// How far `files` reach. Of snapshots, the newest one is taken at its word unless it is not `intact`.
pub(super) fn reach(files: &Files, intact: &dyn Fn(&str) -> bool) -> Reach {
    let of = |kind| files.keys().filter(move |name| Kind::of(name) == kind);
    let snapshot = of(Kind::Snapshot).max_by_key(|name| number(name));
    if let Some(name) = snapshot.filter(|name| !intact(name)) {
        return Reach::Refused(format!("{name} is not what was written"));
    }
    let after = snapshot.map_or(0, |name| number(name));
    let mut segments: Vec<&String> = of(Kind::Log).collect();
    segments.sort_by_key(|name| number(name));
    let (mut last, mut expected) = (after, None);
    for (i, name) in segments.iter().enumerate() {
        let (first, bytes) = (number(name), &files[*name]);
        let successor = segments.get(i + 1).map(|name| number(name));
        if successor.is_some_and(|successor| successor <= after + 1) {
            continue;
        }
        if expected.map_or(first > after + 1, |expected| first != expected) {
            return Reach::Refused(format!("{name} does not follow what is before it"));
        }
        let Some((salt, says)) = segment_header(bytes) else {
            if successor.is_none() && bytes.len() <= SEGMENT_HEADER {
                break;
            }
            return Reach::Refused(format!("{name} has no header"));
        };
        if says != first {
            return Reach::Refused(format!("{name} is another segment"));
        }
        let (end, next) = walk(bytes, (salt, first), &mut |_, _| {});
        // What stands behind the last record of a segment does not matter where the next one goes on with the next record.
        let torn = end < bytes.len() && successor != Some(next);
        if torn && (successor.is_some() || contradicted(bytes, end, salt, next)) {
            return Reach::Refused(format!("{name} lacks record {next} at {end}"));
        }
        last = last.max(next - 1);
        expected = Some(next);
    }
    Reach::UpTo(last)
}

/// When each record became safe, or was said to be.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    /// By number: the record's header, which tells it from another of that number, and the time.
    records: BTreeMap<u64, (Vec<u8>, u64)>,
    /// Records count from when they were written, which is not before the one before them was safe.
    early: bool,
}

impl Ledger {
    /// All of `segment` has been synced, says the disk at `now`. A record that was there keeps its time.
    pub(super) fn note(&mut self, segment: &[u8], now: u64) {
        let Some(header) = segment_header(segment) else { return };
        walk(segment, header, &mut |lsn, bytes| {
            if self.records.get(&lsn).is_none_or(|(known, _)| known != bytes) {
                self.records.split_off(&lsn);
                self.records.insert(lsn, (bytes.to_vec(), now));
            }
        });
    }

    pub(super) fn new(early: bool) -> Self {
        Self { early, ..Self::default() }
    }

    /// When `lsn` became safe; none if it never did. Where records are promised early, not after that.
    pub(super) fn since(&self, lsn: u64) -> Option<u64> {
        let safe = self.records.get(&lsn).map(|(_, now)| *now);
        let before = || self.records.range(..lsn).next_back().map_or(0, |(_, (_, now))| *now);
        safe.or_else(|| self.early.then(before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: u64 = 0x1122_3344_5566_7788;

    fn segment(first: u64) -> Vec<u8> {
        let mut out = b"engramwl".to_vec();
        out.extend(1_u32.to_le_bytes());
        out.extend([0; 4]);
        out.extend(first.to_le_bytes());
        out.extend(SALT.to_le_bytes());
        let sum = extend(crc32c(&out[..12]), &out[16..]);
        out[12..16].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// A record of `len` bytes, or a mark where `durable` is its own number.
    fn record(out: &mut Vec<u8>, lsn: u64, durable: u64, len: usize) {
        let payload = vec![7; len];
        let mut header = crc32c(&payload).to_le_bytes().to_vec();
        header.extend((len as u32).to_le_bytes());
        header.extend(lsn.to_le_bytes());
        header.extend(durable.to_le_bytes());
        let sum = extend(crc32c(&SALT.to_le_bytes()), &header);
        out.extend(sum.to_le_bytes());
        out.extend(header);
        out.extend(payload);
    }

    fn one(bytes: Vec<u8>) -> Files {
        Files::from([("wal-00000000000000000001.log".to_owned(), bytes)])
    }

    fn up_to(files: &Files) -> Option<u64> {
        match reach(files, &|_| true) {
            Reach::UpTo(lsn) => Some(lsn),
            Reach::Refused(_) => None,
        }
    }

    #[test]
    fn a_torn_tail_is_told_from_rot_by_what_claims_to_have_come_after_it() {
        let mut bytes = segment(1);
        record(&mut bytes, 1, 0, 10);
        record(&mut bytes, 2, 1, 10);
        let second = SEGMENT_HEADER + 38;
        assert_eq!(up_to(&one(bytes.clone())), Some(2));
        let rotten = |place: usize, bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            bytes[place] ^= 4;
            one(bytes)
        };
        assert_eq!(
            up_to(&rotten(second + 5, &bytes)),
            Some(1),
            "nothing says that the last record was synced"
        );
        assert_eq!(
            up_to(&rotten(SEGMENT_HEADER + 5, &bytes)),
            None,
            "the second record says so of the first"
        );
        assert_eq!(up_to(&rotten(3, &bytes)), None, "a header that records stand behind");
        record(&mut bytes, 2, 2, 0);
        assert_eq!(up_to(&one(bytes.clone())), Some(2));
        assert_eq!(up_to(&rotten(second + 5, &bytes)), None, "the mark says so");
        let mark = second + 38;
        assert_eq!(up_to(&rotten(mark + 5, &bytes)), Some(2), "a mark promises nothing about itself");
    }

    #[test]
    fn segments_must_follow_each_other_and_the_snapshot() {
        let name = |first: u64| format!("wal-{first:020}.log");
        let mut first = segment(1);
        record(&mut first, 1, 0, 3);
        let mut second = segment(2);
        record(&mut second, 2, 1, 3);
        let mut files = Files::from([(name(1), first.clone()), (name(2), second.clone())]);
        assert_eq!(up_to(&files), Some(2));
        files.insert(name(1), [first.clone(), vec![0; 100]].concat());
        assert_eq!(up_to(&files), Some(2), "room that was not cut off, and nothing is missing");
        files.insert(name(1), first.clone());
        files.insert(name(2), Vec::new());
        assert_eq!(up_to(&files), Some(1), "a switch that never came to be");
        files.insert(name(3), segment(3));
        assert_eq!(up_to(&files), None);
        files = Files::from([(name(2), second)]);
        assert_eq!(up_to(&files), None);
        files.insert("snapshot-00000000000000000001.snap".to_owned(), Vec::new());
        assert_eq!(up_to(&files), Some(2));
        assert_eq!(
            reach(&files, &|_| false),
            Reach::Refused("snapshot-00000000000000000001.snap is not what was written".to_owned())
        );
    }

    #[test]
    fn what_the_log_holds_is_counted_and_what_no_snapshot_covers() {
        let (mut first, mut second) = (segment(1), segment(3));
        (1..3).for_each(|lsn| record(&mut first, lsn, lsn - 1, 10));
        (3..5).for_each(|lsn| record(&mut second, lsn, lsn - 1, 20));
        let (whole, written) = ((first.len() + second.len()) as u64, second.len());
        second.extend([0; 50]);
        let [one, three, snapshot] = [
            "wal-00000000000000000001.log",
            "wal-00000000000000000003.log",
            "snapshot-00000000000000000003.snap",
        ];
        let files = [(one, &*first), (three, &*second), (snapshot, &[0; 7][..])];
        let wanted = Held { written: whole, bytes: whole + 50, last: 4, unsaved: 20, snapshot: (7, 3) };
        assert_eq!(held(&files), wanted);
        assert_eq!(held(&files[..2]), Held { unsaved: 60, snapshot: (0, 0), ..wanted });
        let batch = &second[SEGMENT_HEADER..written];
        assert_eq!(payloads(batch, Some(2)), [(3, 20), (4, 20)]);
        assert_eq!(payloads(batch, None), [(3, 20), (4, 20)]);
        for nothing in [payloads(batch, Some(3)), payloads(&second, None), payloads(&[0; 99], None)] {
            assert!(nothing.is_empty(), "{nothing:?}");
        }
    }

    #[test]
    fn the_ledger_knows_when_a_record_was_first_safe() {
        let mut ledger = Ledger::default();
        let mut bytes = segment(1);
        record(&mut bytes, 1, 0, 3);
        ledger.note(&bytes, 10);
        let short = bytes.len();
        record(&mut bytes, 2, 1, 3);
        ledger.note(&bytes, 20);
        ledger.note(&bytes, 30);
        assert_eq!((ledger.since(1), ledger.since(2), ledger.since(3)), (Some(10), Some(20), None));
        bytes.truncate(short);
        record(&mut bytes, 2, 1, 4);
        ledger.note(&bytes, 40);
        assert_eq!((ledger.since(1), ledger.since(2)), (Some(10), Some(40)), "another record of that number");
    }
}
