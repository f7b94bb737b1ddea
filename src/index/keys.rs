//! The keys of rows: bytes that never change while their row can be read. Those of a snapshot stay in its map, until
//! other rows take their places.
//!
//! The invariant behind the unsafe code is that of the rows: a key is written before its row is published and taken
//! away once it is free, and nobody reads the key of such a row.

use std::cell::UnsafeCell;

use super::blocks::{Blocks, touched};
use super::moved::Moved;
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
    /// Keys of rows behind those of the map, and of rows in places of the map.
    behind: Slots,
    within: Slots,
}

type Slots = Blocks<Box<[Slot]>>;

/// `count + 1` offsets, then the bytes they point into.
#[derive(Debug)]
struct MappedKeys {
    section: MappedBytes,
    count: u32,
    /// The places whose keys are not read from the map any more.
    moved: Moved,
}

impl Keys {
    /// No keys.
    pub(super) fn new() -> Self {
        Self { mapped: None, behind: Blocks::new(), within: Blocks::new() }
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
        let mapped = Some(MappedKeys { section, count, moved: Moved::new(count) });
        Ok(Self { mapped, behind: Blocks::new(), within: Blocks::new() })
    }

    /// Where the key of a row is in memory, or is to be; `None` for one that is read from the map.
    fn slot(&self, row: u32) -> Option<(&Slots, u32)> {
        match &self.mapped {
            None => Some((&self.behind, row)),
            Some(mapped) if row >= mapped.count => Some((&self.behind, row - mapped.count)),
            Some(mapped) => mapped.moved.slot(row).map(|slot| (&self.within, slot)),
        }
    }

    /// Bytes of memory that the slots of so many rows take, of which `taken` lie in places of the map. Not those of the
    /// keys themselves.
    pub(super) fn bytes(&self, rows: usize, taken: usize) -> usize {
        let (mapped, places) =
            self.mapped.as_ref().map_or((0, 0), |mapped| (mapped.count as usize, mapped.moved.bytes()));
        let within = if mapped > 0 { taken } else { 0 };
        (touched(rows - mapped) + touched(within)) * SLOT + places
    }

    /// Bytes of the keys that are in the map.
    pub(super) fn mapped_bytes(&self) -> usize {
        self.mapped.as_ref().map_or(0, |mapped| mapped.section.len() - (mapped.count as usize + 1) * OFFSET)
    }

    /// Whether the keys of the map still are those that were checked when it was opened.
    pub(super) fn are_intact(&self) -> bool {
        self.mapped.as_ref().is_none_or(|mapped| mapped.section.is_intact())
    }

    /// The key of `row`; empty where none was set.
    pub(super) fn get(&self, row: u32) -> &[u8] {
        match (self.slot(row), &self.mapped) {
            (Some((slots, number)), _) => {
                let (block, place) = slots.at(number);
                // SAFETY: nobody writes the key of a row that can be read (the file's invariant).
                unsafe { &*block[place].0.get() }
            }
            (None, Some(mapped)) => mapped.get(row),
            (None, None) => unreachable!("without a map every key is in memory"),
        }
    }

    /// True where the key of `row` is read from the map.
    pub(super) fn is_mapped(&self, row: u32) -> bool {
        self.slot(row).is_none()
    }

    /// Sets the key of `row`. Only the one writer calls this, before it publishes the row.
    pub(super) fn set(&self, row: u32, key: &[u8]) {
        let taken = self.mapped.as_ref().filter(|mapped| row < mapped.count);
        let place = taken.map(|mapped| (mapped, mapped.moved.slot_for(row)));
        let (slots, number) = match place {
            Some((_, slot)) => (&self.within, slot),
            None => (&self.behind, row - self.mapped.as_ref().map_or(0, |mapped| mapped.count)),
        };
        slots.grow(number, |items| std::iter::repeat_with(Slot::default).take(items).collect());
        drop(replace(slots, number, key.into()));
        if let Some((mapped, slot)) = place {
            mapped.moved.take(row, slot);
        }
    }

    /// Takes away the key of a row that is free; the length of what is given back. A map keeps what it has.
    pub(super) fn clear(&self, row: u32) -> usize {
        self.slot(row).map_or(0, |(slots, number)| replace(slots, number, Box::default()).len())
    }
}

fn replace(slots: &Slots, number: u32, key: Box<[u8]>) -> Box<[u8]> {
    let (block, place) = slots.at(number);
    let slot = block[place].0.get();
    // SAFETY: the row is not published or is free: nobody else has this slot in hand (the file's invariant).
    unsafe { std::ptr::replace(slot, key) }
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
