//! What keys hold.

use std::sync::Arc;

use super::keyspace::Held;
use crate::base::sync::AtomicU64;
use crate::index;
use crate::wal::Lsn;

/// What a key holds.
#[derive(Debug)]
pub(crate) enum Value {
    /// Bytes.
    String(Vec<u8>),
    /// A vector index.
    Vectors(Box<VectorSet>),
}

/// A vector index under a key.
#[derive(Debug)]
pub(crate) struct VectorSet {
    /// The rows and the graph; only the loop writes.
    pub(crate) writer: index::Writer,
    /// The last record that changed it; searches in flight hold it too.
    pub(crate) last: Arc<LastWrite>,
}

impl VectorSet {
    /// Dimensions of its vectors.
    pub(crate) fn dim(&self) -> usize {
        self.writer.index().config().dim
    }
}

/// The LSN of the last record that changed a vector set. It is set before the change can be seen.
#[derive(Debug, Default)]
pub(super) struct LastWrite(AtomicU64);

impl LastWrite {
    /// The LSN.
    #[must_use]
    pub(super) fn lsn(&self) -> Lsn {
        Lsn(self.0.load())
    }

    pub(super) fn set(&self, lsn: Lsn) {
        self.0.store(lsn.0);
    }
}

impl Value {
    /// What TYPE says.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::Vectors(_) => "vectorset",
        }
    }

    /// True where dropping it takes long enough to be a worker's job.
    pub(super) fn is_heavy(&self) -> bool {
        match self {
            Self::String(bytes) => is_large(bytes),
            Self::Vectors(set) => set.writer.len() > 64,
        }
    }
}

impl Held for Value {
    fn bytes(&self) -> usize {
        match self {
            Self::String(bytes) => bytes.capacity(),
            Self::Vectors(set) => size_of::<VectorSet>() + set.writer.bytes(),
        }
    }
}

/// True for a string whose memory is costly to give back.
pub(super) fn is_large(string: &Vec<u8>) -> bool {
    string.capacity() > 1 << 20
}
