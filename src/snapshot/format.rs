//! The bytes of a snapshot's header, table and footer, both ways. See `FORMAT.md`.
//!
//! Decoding never panics, whatever the bytes; what it returns has passed its checksum.

use crate::base::bytes::{DecodeError, Put, Reader};
use crate::base::crc32c::{crc32c, extend};
use crate::wal::Lsn;

/// Length of the header.
pub(super) const HEADER: usize = 64;
/// Length of the footer.
pub(super) const FOOTER: usize = 32;
/// Payloads and the table begin at multiples of this.
pub(super) const ALIGN: u64 = 64;
/// The version this binary writes, and the only one it reads.
pub(super) const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"engramsn";

/// Which of its names a file bears; of two files of one LSN the one with the greater stage counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Temporary,
    /// Published, and on the way from that name to the same name.
    Moving,
    Published,
}

impl Stage {
    /// Whether the file is whole.
    pub(super) fn is_published(self) -> bool {
        self != Self::Temporary
    }
}

/// The name of the snapshot at `lsn`.
pub(super) fn name(lsn: Lsn, stage: Stage) -> String {
    let suffix = match stage {
        Stage::Temporary => "tmp",
        Stage::Published => "snap",
        Stage::Moving => "moving.snap",
    };
    format!("snapshot-{:020}.{suffix}", lsn.0)
}

/// What a file's name says, if it is a snapshot's.
pub(super) fn parse_name(file: &str) -> Option<(Lsn, Stage)> {
    let (digits, suffix) = file.strip_prefix("snapshot-")?.split_once('.')?;
    let stage = match suffix {
        "tmp" => Stage::Temporary,
        "snap" => Stage::Published,
        "moving.snap" => Stage::Moving,
        _ => return None,
    };
    let lsn = Lsn(digits.parse().ok()?);
    (name(lsn, stage) == file).then_some((lsn, stage))
}

/// The first place at or behind `offset` where a payload may begin.
pub(super) fn aligned(offset: u64) -> u64 {
    offset.next_multiple_of(ALIGN)
}

/// Why a header cannot be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// Too short, or the magic or the checksum is wrong.
    Damaged,
    /// Intact, but of a version that this binary does not know.
    Version(u32),
}

pub(super) fn encode_header(lsn: Lsn, version: u32) -> [u8; HEADER] {
    let mut out = [0; HEADER];
    out[..8].copy_from_slice(&MAGIC);
    out[8..12].copy_from_slice(&version.to_le_bytes());
    out[16..24].copy_from_slice(&lsn.0.to_le_bytes());
    let crc = extend(crc32c(&out[..12]), &out[16..]);
    out[12..16].copy_from_slice(&crc.to_le_bytes());
    out
}

/// The LSN of the header at the front of `bytes`.
pub(super) fn decode_header(bytes: &[u8]) -> Result<Lsn, HeaderFault> {
    let header = bytes.first_chunk::<HEADER>().ok_or(HeaderFault::Damaged)?;
    let mut fields = Reader::new(header);
    let mut word = || fields.u64().unwrap_or_default();
    let (magic, version_and_crc, lsn) = (word(), word(), word());
    let crc = extend(crc32c(&header[..12]), &header[16..]);
    if magic.to_le_bytes() != MAGIC || (version_and_crc >> 32) as u32 != crc {
        return Err(HeaderFault::Damaged);
    }
    match version_and_crc as u32 {
        VERSION => Ok(Lsn(lsn)),
        other => Err(HeaderFault::Version(other)),
    }
}

/// A section's entry in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry<M> {
    pub(super) kind: u32,
    pub(super) crc: u32,
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) meta: M,
}

impl<M: AsRef<[u8]>> Entry<M> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32(self.kind);
        out.put_u32(self.crc);
        out.put_u64(self.offset);
        out.put_u64(self.len);
        out.put_string(self.meta.as_ref());
    }
}

impl<'a> Entry<&'a [u8]> {
    pub(super) fn decode(table: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            kind: table.u32()?,
            crc: table.u32()?,
            offset: table.u64()?,
            len: table.u64()?,
            meta: table.string()?,
        })
    }
}

/// Where the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) table: u64,
    pub(super) len: u64,
    pub(super) crc: u32,
    pub(super) sections: u32,
}

impl Footer {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FOOTER);
        out.put_u64(self.table);
        out.put_u64(self.len);
        out.put_u32(self.crc);
        out.put_u32(self.sections);
        out.put_u32(0);
        out.put_u32(crc32c(&out));
        out
    }

    /// The footer in `bytes`, which are as long as one.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (fields, crc) = bytes.split_last_chunk::<4>()?;
        let mut fields = Reader::new((crc32c(fields) == u32::from_le_bytes(*crc)).then_some(fields)?);
        Some(Self {
            table: fields.u64().ok()?,
            len: fields.u64().ok()?,
            crc: fields.u32().ok()?,
            sections: fields.u32().ok()?,
        })
    }
}
