//! What keys hold.

use std::collections::VecDeque;
use std::sync::Arc;

use super::keyspace::Held;
use crate::base::hash::FixedMap;
use crate::base::sync::{AtomicU64, Mutex};
use crate::index::{self, RowId};
use crate::wal::Lsn;

/// What a key holds.
#[derive(Debug)]
pub(crate) enum Value {
    /// Bytes.
    String(Vec<u8>),
    /// Many bytes that a snapshot was handed; it may have to write them still.
    Shared(Arc<Vec<u8>>),
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

/// The LSNs of the records that changed a vector set lately: what an answer that comes from it has to wait for. Only the
/// loop writes and asks.
#[derive(Debug)]
pub(super) struct LastWrite {
    /// That of the last record that did more than add a row: whoever does not see what it took away has seen it.
    lsn: AtomicU64,
    /// Those of the rows that were added since, as far back as [`ADDED`]: only who is shown a row has seen it.
    added: Mutex<Added>,
}

/// Rows whose records are remembered one by one.
const ADDED: usize = 1_024;

#[derive(Debug, Default)]
struct Added {
    lsns: FixedMap<RowId, Lsn>,
    order: VecDeque<(RowId, Lsn)>,
}

impl Default for LastWrite {
    fn default() -> Self {
        Self { lsn: AtomicU64::new(0), added: Mutex::new("added rows", Added::default()) }
    }
}

impl LastWrite {
    /// The LSN that an answer with these hits has to wait for.
    #[must_use]
    pub(super) fn lsn(&self, hits: &[RowId]) -> Lsn {
        let added = self.added.lock();
        let shown = hits.iter().filter_map(|row| added.lsns.get(row)).max();
        shown.copied().unwrap_or(Lsn(0)).max(Lsn(self.lsn.load()))
    }

    /// The record `lsn` changed the set.
    pub(super) fn set(&self, lsn: Lsn) {
        self.lsn.store(lsn.0);
    }

    /// The record `lsn` added `row`, under a key that had none.
    pub(super) fn add(&self, row: RowId, lsn: Lsn) {
        let mut added = self.added.lock();
        added.lsns.insert(row, lsn);
        added.order.push_back((row, lsn));
        if added.order.len() > ADDED
            && let Some((row, lsn)) = added.order.pop_front()
        {
            if added.lsns.get(&row) == Some(&lsn) {
                added.lsns.remove(&row);
            }
            // Whoever sees it from now on waits no longer than for this.
            self.lsn.store(self.lsn.load().max(lsn.0));
        }
    }
}

impl Value {
    /// The bytes of a string.
    pub(crate) fn as_string(&self) -> Option<&[u8]> {
        match self {
            Self::String(bytes) => Some(bytes),
            Self::Shared(bytes) => Some(bytes),
            Self::Vectors(_) => None,
        }
    }

    /// The bytes of a string, to be changed: a copy, where a snapshot has to write them as they were.
    pub(super) fn string_mut(&mut self) -> Option<&mut Vec<u8>> {
        match self {
            Self::String(bytes) => Some(bytes),
            Self::Shared(bytes) => Some(Arc::make_mut(bytes)),
            Self::Vectors(_) => None,
        }
    }

    /// A large string for a snapshot, which has it from now on as it is, at no cost. None for what is no string, or a small one.
    pub(super) fn share(&mut self) -> Option<Arc<Vec<u8>>> {
        if let Self::String(bytes) = self
            && bytes.len() >= SHARED
        {
            *self = Self::Shared(Arc::new(std::mem::take(bytes)));
        }
        if let Self::Shared(bytes) = self { Some(Arc::clone(bytes)) } else { None }
    }

    /// What TYPE says.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::String(_) | Self::Shared(_) => "string",
            Self::Vectors(_) => "vectorset",
        }
    }

    /// True where dropping it takes long enough to be a worker's job.
    pub(super) fn is_heavy(&self) -> bool {
        match self {
            Self::String(bytes) => is_large(bytes),
            Self::Shared(bytes) => is_large(bytes),
            Self::Vectors(set) => set.writer.index().rows() > 64,
        }
    }
}

impl Held for Value {
    fn bytes(&self) -> usize {
        match self {
            Self::String(bytes) => bytes.capacity(),
            Self::Shared(bytes) => bytes.capacity(),
            Self::Vectors(set) => size_of::<VectorSet>() + size_of::<LastWrite>() + set.writer.bytes(),
        }
    }
}

/// Bytes of a string from which on it is shared with a snapshot rather than copied for it.
const SHARED: usize = 64 << 10;

/// True for a string whose memory is costly to give back.
pub(super) fn is_large(string: &Vec<u8>) -> bool {
    string.capacity() > 1 << 20
}
