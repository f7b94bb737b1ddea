//! Strips of elements by row: the floats of a vector, or the bytes of its code. They never move.
//!
//! The first rows may be served from a section of a snapshot's map; the others live in blocks of doubling size, and so do
//! rows that take places of the map ([`Moved`]).
//!
//! The invariant behind the unsafe code: a strip that can be read is not written to. Who may read which row, and who writes
//! it before that, is settled in [`super::rows`] and [`super::coding`].

use std::sync::Arc;

use super::blocks::{Blocks, touched};
use super::moved::Moved;
use crate::base::bytes::DecodeError;
use crate::env::MappedBytes;

#[cfg(not(target_endian = "little"))]
compile_error!("rows are served from the snapshot's bytes, which are little-endian");

/// Bytes of a cache line.
const LINE: usize = 64;

/// Elements of which every bit pattern is one.
pub(super) trait Plain: Copy + Default {}

impl Plain for f32 {}
impl Plain for u8 {}

/// The strips of one kind.
#[derive(Debug)]
pub(super) struct Strips<T> {
    stride: usize,
    mapped: Option<Mapped<T>>,
    /// Rows behind those of the map, and rows in places of the map.
    behind: Blocks<Slab<T>>,
    within: Blocks<Slab<T>>,
}

#[derive(Debug)]
struct Mapped<T> {
    /// Keeps `first` alive.
    bytes: MappedBytes,
    first: *const T,
    count: u32,
    /// The places that are not read from the map any more.
    moved: Arc<Moved>,
}

// SAFETY: `first` points into the map's bytes, which are shared, immutable, and as `Send` and `Sync` as the map.
unsafe impl<T: Send> Send for Mapped<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Mapped<T> {}

/// Elements at a fixed address, zero until written.
#[derive(Debug)]
struct Slab<T> {
    elements: *mut [T],
    start: usize,
}

// SAFETY: the slab owns its elements; who reads or writes which of them, and when, is the file's invariant.
unsafe impl<T: Send> Send for Slab<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Slab<T> {}

impl<T: Plain> Slab<T> {
    fn new(elements: usize) -> Self {
        let line = LINE / size_of::<T>();
        let elements = Box::into_raw(vec![T::default(); elements + line].into_boxed_slice());
        let start = elements.cast::<T>().align_offset(LINE);
        // Miri may decline to align; nothing but speed depends on it.
        Self { elements, start: if start < line { start } else { 0 } }
    }
}

impl<T> Slab<T> {
    /// Where `len` elements from `at` on begin.
    #[inline]
    fn place(&self, at: usize, len: usize) -> *mut T {
        assert!(self.start + at + len <= self.elements.len(), "a row lies inside its block");
        self.elements.cast::<T>().wrapping_add(self.start + at)
    }
}

impl<T> Drop for Slab<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `Box::into_raw` in `new` and is given back once.
        drop(unsafe { Box::from_raw(self.elements) });
    }
}

impl<T: Plain> Strips<T> {
    /// None yet, of `stride` elements each.
    pub(super) fn new(stride: usize) -> Self {
        Self { stride, mapped: None, behind: Blocks::new(), within: Blocks::new() }
    }

    /// The first `count`, as a section of a snapshot holds them; `what` names them in an error.
    pub(super) fn open(
        stride: usize,
        count: u32,
        bytes: MappedBytes,
        moved: Arc<Moved>,
        what: [&'static str; 2],
    ) -> Result<Self, DecodeError> {
        let payload = &*bytes;
        if payload.len() != count as usize * stride * size_of::<T>() {
            return Err(DecodeError::Invalid(what[0]));
        }
        let first = payload.as_ptr().cast::<T>();
        if !first.is_aligned() {
            return Err(DecodeError::Invalid(what[1]));
        }
        let mapped = Some(Mapped { bytes, first, count, moved });
        Ok(Self { stride, mapped, behind: Blocks::new(), within: Blocks::new() })
    }

    /// Elements of a strip.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// Bytes of the map that strips are served from.
    pub(super) fn mapped_bytes(&self) -> usize {
        self.mapped.as_ref().map_or(0, |mapped| mapped.bytes.len())
    }

    /// Bytes of memory that strips of so many rows take, of which `taken` lie in places of the map.
    pub(super) fn bytes(&self, rows: usize, taken: usize) -> usize {
        let mapped = self.mapped.as_ref().map_or(0, |mapped| mapped.count as usize);
        let within = if mapped > 0 { taken } else { 0 };
        (touched(rows - mapped) + touched(within)) * self.stride * size_of::<T>()
    }

    /// Whether what is in the map still is what was checked when it was opened.
    pub(super) fn are_intact(&self) -> bool {
        self.mapped.as_ref().is_none_or(|mapped| mapped.bytes.is_intact())
    }

    /// The strip of a row that can be read.
    #[inline]
    pub(super) fn get(&self, row: u32) -> &[T] {
        let (blocks, number) = match &self.mapped {
            None => (&self.behind, row),
            Some(mapped) if row >= mapped.count => (&self.behind, row - mapped.count),
            Some(mapped) => match mapped.moved.slot(row) {
                Some(slot) => (&self.within, slot),
                None => {
                    let first = mapped.first.wrapping_add(row as usize * self.stride);
                    // SAFETY: `open` checked that the map holds `count` aligned strips; the map lives as long as `self`,
                    // keeps its address and bytes by the contract of `env::Map`, and every bit pattern is a `T`.
                    return unsafe { std::slice::from_raw_parts(first, self.stride) };
                }
            },
        };
        let (slab, place) = blocks.at(number);
        let first = slab.place(place * self.stride, self.stride);
        // SAFETY: `place` checked the bounds; the row can be read, so nobody writes to it (the file's invariant); the
        // slab lives as long as `self`.
        unsafe { std::slice::from_raw_parts(first, self.stride) }
    }

    /// Where a row that is not read from the map is to be written.
    fn place(&self, row: u32) -> (&Blocks<Slab<T>>, u32) {
        match &self.mapped {
            Some(mapped) if row < mapped.count => (&self.within, mapped.moved.slot_for(row)),
            Some(mapped) => (&self.behind, row - mapped.count),
            None => (&self.behind, row),
        }
    }

    /// Makes sure that there is room for a row.
    pub(super) fn grow(&self, row: u32) {
        let (blocks, number) = self.place(row);
        blocks.grow(number, |items| Slab::new(items * self.stride));
    }

    /// The strip of a row that cannot be read yet, to be written.
    ///
    /// # Safety
    /// Nobody else reads or writes the strip while this is held, and there is room for it.
    #[expect(
        clippy::mut_from_ref,
        reason = "rows are written beside each other; the caller vouches for this one"
    )]
    pub(super) unsafe fn to_write(&self, row: u32) -> &mut [T] {
        let (blocks, number) = self.place(row);
        let (slab, place) = blocks.at(number);
        let first = slab.place(place * self.stride, self.stride);
        // SAFETY: `place` checked the bounds; the caller vouches for the rest.
        unsafe { std::slice::from_raw_parts_mut(first, self.stride) }
    }
}
