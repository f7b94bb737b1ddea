//! Bytes of a map that outlive their file.

use std::ops::{Deref, Range};
use std::sync::Arc;

use super::Map;

/// A range of a map's bytes. They stay where they are while any clone lives, whatever becomes of the file.
#[derive(Clone)]
pub struct MappedBytes {
    map: Arc<dyn Map>,
    range: Range<usize>,
}

impl MappedBytes {
    /// The bytes `range` of `map`; none if the map does not reach that far.
    #[must_use]
    pub fn new(map: Arc<dyn Map>, range: Range<usize>) -> Option<Self> {
        map.bytes().get(range.clone())?;
        Some(Self { map, range })
    }

    /// A part of these bytes; none if it reaches beyond them.
    #[must_use]
    pub fn slice(&self, part: Range<usize>) -> Option<Self> {
        self.get(part.clone())?;
        let range = self.range.start + part.start..self.range.start + part.end;
        Some(Self { map: Arc::clone(&self.map), range })
    }
}

impl Deref for MappedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.bytes().get(self.range.clone()).unwrap_or_default()
    }
}

impl std::fmt::Debug for MappedBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MappedBytes({:?})", self.range)
    }
}
