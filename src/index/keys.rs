//! The keys of rows: bytes that never change while their row can be read. Those of a snapshot stay in its map.
//!
//! The invariant behind the unsafe code is that of the rows: a key is written before its row is published and taken
//! away once it is free, and nobody reads the key of such a row.

use std::cell::UnsafeCell;

use super::blocks::Blocks;
use crate::base::bytes::DecodeError;
use crate::env::MappedBytes;

/// Bytes that a row's slot takes.
pub(super) const SLOT: usize = size_of::<Slot>();
/// Bytes of one entry of the offset table.
const OFFSET: usize = size_of::<u64>();

/// A row's key, or nothing.
#[derive(Debug, Default)]
struct Slot(UnsafeCell<Box<[u8]>>);

// SAFETY: who reads or writes which slot, and when, is the file's invariant.
unsafe impl Sync for Slot {}

/// Keys by row.
#[derive(Debug)]
pub(super) struct Keys {
    mapped: Option<MappedKeys>,
    blocks: Blocks<Box<[Slot]>>,
}

/// `count + 1` offsets, then the bytes they point into.
#[derive(Debug)]
struct MappedKeys {
    section: MappedBytes,
    count: u32,
}

impl Keys {
    /// No keys.
    pub(super) fn new() -> Self {
        Self { mapped: None, blocks: Blocks::new() }
    }

    /// The keys of a snapshot's section: `count + 1` rising 64-bit offsets that start at zero and end at the length
    /// of what follows them. All of them are checked here.
    pub(super) fn open(count: u32, section: MappedBytes) -> Result<Self, DecodeError> {
        let (offsets, tail) =
            section.split_at_checked((count as usize + 1) * OFFSET).ok_or(DecodeError::Short)?;
        let (offsets, _) = offsets.as_chunks::<OFFSET>();
        let mut before = 0;
        for (n, offset) in offsets.iter().enumerate() {
            let offset = u64::from_le_bytes(*offset);
            if offset < before || offset > tail.len() as u64 || (n == 0 && offset != 0) {
                return Err(DecodeError::Invalid("offset of a key"));
            }
            before = offset;
        }
        if before != tail.len() as u64 {
            return Err(DecodeError::Invalid("length of the keys"));
        }
        Ok(Self { mapped: Some(MappedKeys { section, count }), blocks: Blocks::new() })
    }

    fn mapped(&self) -> u32 {
        self.mapped.as_ref().map_or(0, |mapped| mapped.count)
    }

    /// Whether the keys of the map still are those that were checked when it was opened.
    pub(super) fn are_intact(&self) -> bool {
        self.mapped.as_ref().is_none_or(|mapped| mapped.section.is_intact())
    }

    /// The key of `row`; empty where none was set.
    pub(super) fn get(&self, row: u32) -> &[u8] {
        match &self.mapped {
            Some(mapped) if row < mapped.count => mapped.get(row),
            _ => {
                let (block, place) = self.blocks.at(row - self.mapped());
                // SAFETY: nobody writes the key of a row that can be read (the file's invariant).
                unsafe { &*block[place].0.get() }
            }
        }
    }

    /// Sets the key of `row`. Only the one writer calls this, before it publishes the row.
    pub(super) fn set(&self, row: u32, key: &[u8]) {
        let owned = row - self.mapped();
        self.blocks.grow(owned, |items| std::iter::repeat_with(Slot::default).take(items).collect());
        drop(self.replace(owned, key.into()));
    }

    /// Takes away the key of a row that is free; the length of what is given back.
    pub(super) fn clear(&self, row: u32) -> usize {
        row.checked_sub(self.mapped()).map_or(0, |owned| self.replace(owned, Box::default()).len())
    }

    fn replace(&self, owned: u32, key: Box<[u8]>) -> Box<[u8]> {
        let (block, place) = self.blocks.at(owned);
        let slot = block[place].0.get();
        // SAFETY: the row is not published or is free: nobody else has this slot in hand (the file's invariant).
        unsafe { std::ptr::replace(slot, key) }
    }
}

impl MappedKeys {
    fn get(&self, row: u32) -> &[u8] {
        let bytes = &*self.section;
        let offset = |n: usize| {
            let word = bytes[n * OFFSET..].first_chunk::<OFFSET>();
            word.map_or(0, |word| u64::from_le_bytes(*word)) as usize
        };
        let tail = &bytes[(self.count as usize + 1) * OFFSET..];
        &tail[offset(row as usize)..offset(row as usize + 1)]
    }
}
