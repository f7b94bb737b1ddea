//! Bytes of a map, before and after their check.

use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::base::crc32c::crc32c;
use crate::env::Map;

/// Verified bytes of a snapshot. They stay where they are while any clone lives, whatever becomes of the file.
#[derive(Clone)]
pub struct MappedBytes {
    map: Arc<dyn Map>,
    range: Range<usize>,
}

impl MappedBytes {
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

impl AsRef<[u8]> for MappedBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl std::fmt::Debug for MappedBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MappedBytes({:?})", self.range)
    }
}

/// Bytes of a map that nobody has checked yet. The only way to [`MappedBytes`] is the check.
pub(super) struct Unverified<'a> {
    map: &'a Arc<dyn Map>,
    range: Range<usize>,
}

impl<'a> Unverified<'a> {
    pub(super) fn new(map: &'a Arc<dyn Map>, range: Range<u64>) -> Option<Self> {
        let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
        map.bytes().get(range.clone())?;
        Some(Self { map, range })
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.map.bytes().get(self.range.clone()).unwrap_or_default()
    }

    pub(super) fn verify(self, crc: u32) -> Option<MappedBytes> {
        (crc32c(self.bytes()) == crc).then(|| MappedBytes { map: Arc::clone(self.map), range: self.range })
    }

    pub(super) fn is_zero(&self) -> bool {
        self.bytes().iter().all(|byte| *byte == 0)
    }
}
