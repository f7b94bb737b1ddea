//! Bytes of a map that outlive their file.

use std::ops::{Deref, Range};
use std::sync::Arc;

use super::Map;
use crate::base::crc32c::{crc32c, extend};

/// Bytes that are checked at a time: a disk reads them in some hundredths of a second.
const PART: usize = 8 << 20;

/// A range of a map's bytes. They stay where they are while any clone lives, whatever becomes of the file.
#[derive(Clone)]
pub struct MappedBytes {
    map: Arc<dyn Map>,
    range: Range<usize>,
    /// What they were checked against when the map was new.
    sum: Option<u32>,
}

impl MappedBytes {
    /// The bytes `range` of `map`; none if the map does not reach that far.
    #[must_use]
    pub fn new(map: Arc<dyn Map>, range: Range<usize>) -> Option<Self> {
        map.bytes().get(range.clone())?;
        Some(Self { map, range, sum: None })
    }

    /// The same bytes, if `crc` is their checksum, which they remember.
    #[must_use]
    pub fn checked(self, crc: u32) -> Option<Self> {
        self.checked_unless(crc, &mut || false)
    }

    /// The same, a part after the other; none as well where `stop`, asked before each, says that it is to end.
    #[must_use]
    pub fn checked_unless(self, crc: u32, stop: &mut dyn FnMut() -> bool) -> Option<Self> {
        let mut parts = self.chunks(PART);
        let found = parts.try_fold(0, |found, part| if stop() { None } else { Some(extend(found, part)) });
        (found? == crc).then_some(Self { sum: Some(crc), ..self })
    }

    /// Whether they still are what [`MappedBytes::checked`] has found. A medium that rots shows its pages anew when the
    /// system has dropped them. Bytes that were never checked are what they are.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.sum.is_none_or(|sum| crc32c(self) == sum)
    }

    /// A part of these bytes; none if it reaches beyond them.
    #[must_use]
    pub fn slice(&self, part: Range<usize>) -> Option<Self> {
        self.get(part.clone())?;
        let range = self.range.start + part.start..self.range.start + part.end;
        Some(Self { map: Arc::clone(&self.map), range, sum: None })
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
