//! What a snapshot holds of an index; the layout is in FORMAT.md.
//!
//! Written by [`super::Capture::write`], read by [`super::Writer::open`].
#![doc = include_str!("FORMAT.md")]

use std::io;

use crate::base::bytes::{DecodeError, Put, Reader};
use crate::env::MappedBytes;

/// The version of the layout, the first word of the facts' meta. Version 1, without codes, is read as well.
pub const FORMAT_VERSION: u32 = 2;

/// Bit of a row's flags: it was overwritten or removed.
pub(super) const DEAD: u32 = 1;
/// Bit of a row's flags: it is linked into the graph.
pub(super) const IN_GRAPH: u32 = 2;
/// Bytes of a row's facts.
pub(super) const FACTS: usize = 12;
/// Bytes of a row's facts where rows have codes.
pub(super) const CODED_FACTS: usize = 20;

/// The sections of an index, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionKind {
    /// The header as meta; facts about each row.
    Facts = 1,
    /// The padded vectors. Its payload has to begin on a multiple of 64 bytes.
    Vectors = 2,
    /// Neighbour lists of the ground layer.
    Ground = 3,
    /// Neighbour lists of the layers above.
    Upper = 4,
    /// Keys.
    Keys = 5,
    /// Codes of the vectors, where the index has codes.
    Codes = 6,
}

impl SectionKind {
    /// All kinds, in the order of writing.
    pub const ALL: [Self; 6] =
        [Self::Facts, Self::Vectors, Self::Ground, Self::Upper, Self::Keys, Self::Codes];

    /// The number that stands for it.
    #[must_use]
    pub fn code(self) -> u32 {
        self as u32
    }

    /// The kind with this number.
    #[must_use]
    pub fn with_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// Where the sections of an index are written. After an error nothing more is written.
pub trait Sink {
    /// Begins a section.
    fn begin(&mut self, kind: SectionKind, meta: &[u8]) -> io::Result<()>;
    /// Continues its payload.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Ends it.
    fn end(&mut self) -> io::Result<()>;
}

/// A section whose checksum has been verified.
#[derive(Clone, Debug)]
pub struct Section {
    /// Which one.
    pub kind: SectionKind,
    /// Its meta.
    pub meta: Vec<u8>,
    /// Its payload.
    pub payload: MappedBytes,
}

/// What [`super::Writer::open`] gives.
#[derive(Debug)]
pub struct Opened {
    /// The index.
    pub writer: super::Writer,
    /// Living rows that were not linked when the snapshot was taken; somebody has to call [`super::Index::link`] for
    /// each.
    pub unlinked: Vec<super::RowId>,
}

/// The meta of the facts. Rows are stored plus one, zero stands for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) dim: u32,
    pub(super) metric: u32,
    pub(super) m: u32,
    pub(super) ef_construction: u32,
    pub(super) seed: u64,
    pub(super) rows: u32,
    pub(super) live: u32,
    pub(super) entry: u32,
    pub(super) root: u32,
    pub(super) quant: u32,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for word in [FORMAT_VERSION, self.dim, self.metric, self.m, self.ef_construction] {
            out.put_u32(word);
        }
        out.put_u64(self.seed);
        for word in [self.rows, self.live, self.entry, self.root, self.quant] {
            out.put_u32(word);
        }
        out
    }

    pub(super) fn decode(meta: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(meta);
        let version = reader.u32()?;
        if !(1..=FORMAT_VERSION).contains(&version) {
            return Err(DecodeError::Invalid("version of an index: another engram wrote it"));
        }
        let header = Self {
            dim: reader.u32()?,
            metric: reader.u32()?,
            m: reader.u32()?,
            ef_construction: reader.u32()?,
            seed: reader.u64()?,
            rows: reader.u32()?,
            live: reader.u32()?,
            entry: reader.u32()?,
            root: reader.u32()?,
            quant: if version == 1 { 0 } else { reader.u32()? },
        };
        if reader.is_empty() { Ok(header) } else { Err(DecodeError::Invalid("length of an index header")) }
    }
}
