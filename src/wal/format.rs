//! The bytes of segment headers and records, both ways. See `FORMAT.md`.
//!
//! Decoding never panics, whatever the bytes; what it returns has passed its checksum.

use super::Lsn;
use crate::base::bytes::Reader;
use crate::base::crc32c::{crc32c, extend};
use crate::base::limits::MAX_RECORD;

/// Length of a segment's header.
pub(super) const SEGMENT_HEADER: usize = 32;
/// Length of a record's header.
pub(super) const RECORD_HEADER: usize = 28;
/// The version this binary writes, and the only one it reads.
pub(super) const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"engramwl";

/// The name of the segment that begins with `first`.
pub(super) fn segment_name(first: Lsn) -> String {
    format!("wal-{:020}.log", first.0)
}

/// The first LSN that a segment's name says; none where it is no segment's name.
pub(super) fn parse_segment_name(name: &str) -> Option<Lsn> {
    let digits = name.strip_prefix("wal-")?.strip_suffix(".log")?;
    let first = Lsn(digits.parse().ok()?);
    (first.0 > 0 && segment_name(first) == name).then_some(first)
}

/// What a segment's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) first: Lsn,
    pub(super) salt: u64,
}

/// Why a segment's header cannot be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// Too short, or the magic or the checksum is wrong.
    Damaged,
    /// Intact, but of a version that this binary does not know.
    Version(u32),
}

impl SegmentHeader {
    pub(super) fn encode(self) -> [u8; SEGMENT_HEADER] {
        self.encode_as(VERSION)
    }

    pub(super) fn encode_as(self, version: u32) -> [u8; SEGMENT_HEADER] {
        let mut out = [0; SEGMENT_HEADER];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&version.to_le_bytes());
        out[16..24].copy_from_slice(&self.first.0.to_le_bytes());
        out[24..].copy_from_slice(&self.salt.to_le_bytes());
        let crc = extend(crc32c(&out[..12]), &out[16..]);
        out[12..16].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeaderFault> {
        let header = bytes.first_chunk::<SEGMENT_HEADER>().ok_or(HeaderFault::Damaged)?;
        let mut fields = Reader::new(header);
        let mut word = || fields.u64().unwrap_or_default();
        let (magic, version_and_crc, first, salt) = (word(), word(), word(), word());
        let crc = extend(crc32c(&header[..12]), &header[16..]);
        if magic.to_le_bytes() != MAGIC || (version_and_crc >> 32) as u32 != crc {
            return Err(HeaderFault::Damaged);
        }
        match version_and_crc as u32 {
            VERSION => Ok(Self { first: Lsn(first), salt }),
            other => Err(HeaderFault::Version(other)),
        }
    }

    /// What the checksums of this segment's record headers begin with.
    pub(super) fn seal(self) -> Seal {
        Seal(crc32c(&self.salt.to_le_bytes()))
    }
}

/// The checksum state after a segment's salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seal(u32);

/// What a record's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) payload_crc: u32,
    pub(super) len: u32,
    pub(super) lsn: Lsn,
    pub(super) durable: Lsn,
}

impl RecordHeader {
    /// The mark that says: `last` and all before it have been synced.
    pub(super) fn mark(last: Lsn) -> Self {
        Self { payload_crc: crc32c(&[]), len: 0, lsn: last, durable: last }
    }

    pub(super) fn is_mark(self) -> bool {
        self.durable == self.lsn
    }

    pub(super) fn encode(self, seal: Seal) -> [u8; RECORD_HEADER] {
        let mut out = [0; RECORD_HEADER];
        out[4..8].copy_from_slice(&self.payload_crc.to_le_bytes());
        out[8..12].copy_from_slice(&self.len.to_le_bytes());
        out[12..20].copy_from_slice(&self.lsn.0.to_le_bytes());
        out[20..].copy_from_slice(&self.durable.0.to_le_bytes());
        let crc = extend(seal.0, &out[4..]);
        out[..4].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The fields at the front of `bytes`, checksum unseen; none where they are too short. For the filter of a search.
    pub(super) fn peek(bytes: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(bytes.get(4..RECORD_HEADER)?);
        let payload_crc = fields.u32().ok()?;
        let len = fields.u32().ok()?;
        let lsn = Lsn(fields.u64().ok()?);
        let durable = Lsn(fields.u64().ok()?);
        Some(Self { payload_crc, len, lsn, durable })
    }

    /// The header at the front of `bytes`, if it is whole, its checksum is right and its fields make sense.
    pub(super) fn decode(bytes: &[u8], seal: Seal) -> Option<Self> {
        let header = bytes.first_chunk::<RECORD_HEADER>()?;
        let found = Self::peek(header)?;
        let sensible = found.lsn.0 > 0
            && found.durable <= found.lsn
            && found.len as usize <= MAX_RECORD
            && !(found.is_mark() && found.len > 0);
        let (crc, covered) = header.split_first_chunk::<4>()?;
        (sensible && extend(seal.0, covered) == u32::from_le_bytes(*crc)).then_some(found)
    }
}

/// Appends a record to `batch` that [`seal_batch`] completes later.
pub(super) fn push_record(batch: &mut Vec<u8>, lsn: Lsn, payload: &[u8]) {
    assert!(payload.len() <= MAX_RECORD, "a record of {} bytes is longer than the log takes", payload.len());
    let mut header = [0; RECORD_HEADER];
    header[8..12].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    header[12..20].copy_from_slice(&lsn.0.to_le_bytes());
    batch.extend_from_slice(&header);
    batch.extend_from_slice(payload);
}

/// Completes the records of `batch` for the segment that `seal` belongs to: checksums, and `durable` in each.
/// Returns how many there are.
pub(super) fn seal_batch(batch: &mut [u8], seal: Seal, durable: Lsn) -> u64 {
    let mut rest = batch;
    let mut records = 0;
    while let Some(blank) = RecordHeader::peek(rest) {
        let (record, behind) = rest.split_at_mut(RECORD_HEADER + blank.len as usize);
        let (header, payload) = record.split_at_mut(RECORD_HEADER);
        assert!(durable < blank.lsn, "record {} claims that {durable} was synced before it", blank.lsn);
        let full = RecordHeader { payload_crc: crc32c(payload), durable, ..blank };
        header.copy_from_slice(&full.encode(seal));
        records += 1;
        rest = behind;
    }
    assert!(rest.is_empty(), "a batch ends with a whole record");
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: SegmentHeader = SegmentHeader { first: Lsn(7), salt: 0x0123_4567_89ab_cdef };

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn segment_header_has_these_bytes() {
        let bytes = HEADER.encode();
        assert_eq!(hex(&bytes), "656e6772616d776c01000000016e7b120700000000000000efcdab8967452301");
        assert_eq!(SegmentHeader::decode(&bytes), Ok(HEADER));
    }

    #[test]
    fn record_has_these_bytes() {
        let mut batch = Vec::new();
        push_record(&mut batch, Lsn(7), b"SET k v");
        push_record(&mut batch, Lsn(8), b"");
        assert_eq!(seal_batch(&mut batch, HEADER.seal(), Lsn(6)), 2);
        batch.extend_from_slice(&RecordHeader::mark(Lsn(8)).encode(HEADER.seal()));
        let (first, rest) = batch.split_at(35);
        let (second, mark) = rest.split_at(28);
        assert_eq!(hex(first), "71a431fcb691e9e50700000007000000000000000600000000000000534554206b2076");
        assert_eq!(hex(second), "46395283000000000000000008000000000000000600000000000000");
        assert_eq!(hex(mark), "bf450c72000000000000000008000000000000000800000000000000");
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_seen() {
        let segment = HEADER.encode();
        let record =
            RecordHeader { payload_crc: 1, len: 2, lsn: Lsn(9), durable: Lsn(8) }.encode(HEADER.seal());
        for bit in 0..SEGMENT_HEADER * 8 {
            let mut flipped = segment;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&flipped), Err(HeaderFault::Damaged), "bit {bit}");
        }
        for bit in 0..RECORD_HEADER * 8 {
            let mut flipped = record;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(RecordHeader::decode(&flipped, HEADER.seal()), None, "bit {bit}");
        }
    }

    #[test]
    fn a_record_of_another_segment_is_not_believed() {
        let record = RecordHeader { payload_crc: 0, len: 0, lsn: Lsn(9), durable: Lsn(8) };
        let other = SegmentHeader { salt: 1, ..HEADER };
        assert_eq!(RecordHeader::decode(&record.encode(other.seal()), HEADER.seal()), None);
        assert_eq!(RecordHeader::decode(&record.encode(HEADER.seal()), HEADER.seal()), Some(record));
    }

    #[test]
    fn an_unknown_version_is_told_from_damage() {
        assert_eq!(SegmentHeader::decode(&HEADER.encode_as(2)), Err(HeaderFault::Version(2)));
        assert_eq!(SegmentHeader::decode(&HEADER.encode()[..31]), Err(HeaderFault::Damaged));
    }

    #[test]
    fn only_canonical_names_are_segments() {
        assert_eq!(segment_name(Lsn(42)), "wal-00000000000000000042.log");
        assert_eq!(parse_segment_name("wal-00000000000000000042.log"), Some(Lsn(42)));
        assert_eq!(parse_segment_name(&segment_name(Lsn(u64::MAX))), Some(Lsn(u64::MAX)));
        for name in
            ["wal-42.log", "wal-00000000000000000000.log", "wal-0000000000000000004x.log", "wal-.log", "x"]
        {
            assert_eq!(parse_segment_name(name), None, "{name}");
        }
        assert_eq!(parse_segment_name("wal-+0000000000000000042.log"), None);
    }
}
