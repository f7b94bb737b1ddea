//! Bytes of a map before their check.

use std::ops::Range;
use std::sync::Arc;

use crate::env::{Map, MappedBytes};

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
        MappedBytes::new(Arc::clone(self.map), self.range)?.checked(crc)
    }

    /// The same in parts; none as well where `stop`, asked before each, says that it is to end.
    pub(super) fn verify_unless(self, crc: u32, stop: &mut dyn FnMut() -> bool) -> Option<MappedBytes> {
        MappedBytes::new(Arc::clone(self.map), self.range)?.checked_unless(crc, stop)
    }

    pub(super) fn is_zero(&self) -> bool {
        self.bytes().iter().all(|byte| *byte == 0)
    }
}
