//! The vectors of an index: rows of floats that never move, and never change while anyone can read them.
//!
//! A row is `dim` floats, zero-padded to a multiple of sixteen, on a cache line. The first rows may be served from
//! the map of a snapshot; the others live in blocks of doubling size, and so do rows that take places of the map ([`Moved`]).
//!
//! The invariant behind the unsafe code: a published row is immutable until it is free. Only the [`Pen`] writes: to row
//! number `published`, which only it moves, or to a row that has been freed. A row is free when it has been dead, no
//! list has named it, and everyone who was inside the index at any time until then has left ([`super::epochs`]). A reader
//! gets at rows through [`Published`] alone, which lets nothing past `published` be read; and it reads no row that it has
//! not met inside the index, by a link or as one that lives at the moment of its view: such a row is not free.

use std::sync::Arc;

use super::IndexError;
use super::blocks::Blocks;
use super::moved::Moved;
use crate::base::bytes::DecodeError;
use crate::base::limits::MAX_ROWS;
use crate::base::sync::AtomicU32;
use crate::env::MappedBytes;

#[cfg(not(target_endian = "little"))]
compile_error!("rows are served from the snapshot's bytes, which are little-endian");

/// Floats to which a row is padded: one cache line.
const PAD: usize = 16;
/// Bytes of a cache line.
const LINE: usize = 64;

/// The shared side.
#[derive(Debug)]
pub(super) struct Rows {
    stride: usize,
    published: AtomicU32,
    mapped: Option<MappedRows>,
    /// Rows behind those of the map, and rows in places of the map.
    behind: Memory,
    within: Memory,
    /// Bytes of a row's code; zero where rows have none.
    code_stride: usize,
}

/// Rows in memory, and their codes.
#[derive(Debug)]
struct Memory {
    rows: Blocks<Slab<f32>>,
    codes: Blocks<Slab<u8>>,
}

/// The one hand that adds rows.
#[derive(Debug)]
pub(super) struct Pen {
    rows: Arc<Rows>,
    /// The row that is being written.
    staged: Option<u32>,
}

/// The rows that were published when it was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Published<'a> {
    rows: &'a Rows,
    count: u32,
}

#[derive(Debug)]
struct MappedRows {
    /// Keeps `first` alive.
    bytes: MappedBytes,
    first: *const f32,
    count: u32,
    /// Keeps `first_code` alive, where rows have codes.
    codes: Option<MappedBytes>,
    first_code: *const u8,
    /// The places that are not read from the map any more.
    moved: Moved,
}

/// Where a row is.
enum Place<'a> {
    /// In the map.
    Map(&'a MappedRows),
    /// In memory, under this number there.
    Memory(&'a Memory, u32),
}

// SAFETY: both point into the map's bytes, which are shared, immutable, and as `Send` and `Sync` as the map.
unsafe impl Send for MappedRows {}
// SAFETY: as above.
unsafe impl Sync for MappedRows {}

/// Elements (floats of rows, bytes of codes) at a fixed address, zero until written.
#[derive(Debug)]
struct Slab<T> {
    elements: *mut [T],
    start: usize,
}

// SAFETY: the slab owns its elements; who reads or writes which of them, and when, is the file's invariant.
unsafe impl<T: Send> Send for Slab<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Slab<T> {}

impl<T: Copy + Default> Slab<T> {
    fn new(elements: usize) -> Self {
        let line = LINE / size_of::<T>();
        let elements = Box::into_raw(vec![T::default(); elements + line].into_boxed_slice());
        let start = elements.cast::<T>().align_offset(LINE);
        // Miri may decline to align; nothing but speed depends on it.
        Self { elements, start: if start < line { start } else { 0 } }
    }

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

/// The length of a padded row.
pub(super) fn stride(dim: usize) -> usize {
    dim.next_multiple_of(PAD)
}

impl Rows {
    /// No rows of `dim` dimensions with codes of `code_stride` bytes, and their pen.
    pub(super) fn new(dim: usize, code_stride: usize) -> (Arc<Self>, Pen) {
        Self::with(stride(dim), code_stride, None)
    }

    /// The `count` rows of a snapshot's sections, and the pen for more. `codes` is the length of a code and all of them.
    pub(super) fn open(
        dim: usize,
        count: u32,
        bytes: MappedBytes,
        codes: Option<(usize, MappedBytes)>,
    ) -> Result<(Arc<Self>, Pen), DecodeError> {
        let stride = stride(dim);
        let payload = &*bytes;
        if payload.len() != count as usize * stride * size_of::<f32>() {
            return Err(DecodeError::Invalid("length of the rows"));
        }
        let first = payload.as_ptr().cast::<f32>();
        if !first.is_aligned() {
            return Err(DecodeError::Invalid("alignment of the rows"));
        }
        let code_stride = codes.as_ref().map_or(0, |(stride, _)| *stride);
        let codes = codes.map(|(_, bytes)| bytes);
        if codes.as_ref().is_some_and(|codes| codes.len() != count as usize * code_stride) {
            return Err(DecodeError::Invalid("length of the codes"));
        }
        let first_code = codes.as_ref().map_or(std::ptr::null(), |codes| codes.as_ptr());
        Ok(Self::with(
            stride,
            code_stride,
            Some(MappedRows { bytes, first, count, codes, first_code, moved: Moved::new(count) }),
        ))
    }

    fn with(stride: usize, code_stride: usize, mapped: Option<MappedRows>) -> (Arc<Self>, Pen) {
        let published = AtomicU32::new(mapped.as_ref().map_or(0, |mapped| mapped.count));
        let memory = || Memory { rows: Blocks::new(), codes: Blocks::new() };
        let rows =
            Arc::new(Self { stride, published, mapped, behind: memory(), within: memory(), code_stride });
        (Arc::clone(&rows), Pen { rows, staged: None })
    }

    /// What is published now.
    #[inline]
    pub(super) fn published(&self) -> Published<'_> {
        Published { rows: self, count: self.published.load() }
    }

    /// Floats in a padded row.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// Bytes of a row's code.
    pub(super) fn code_stride(&self) -> usize {
        self.code_stride
    }

    /// Places of the map: rows below this are served from it, save those that [`Rows::within`] counts.
    pub(super) fn mapped(&self) -> u32 {
        self.mapped.as_ref().map_or(0, |mapped| mapped.count)
    }

    /// Places of the map whose rows are in memory.
    pub(super) fn within(&self) -> u32 {
        self.mapped.as_ref().map_or(0, |mapped| mapped.moved.taken())
    }

    #[inline]
    fn place(&self, row: u32) -> Place<'_> {
        match &self.mapped {
            None => Place::Memory(&self.behind, row),
            Some(mapped) if row >= mapped.count => Place::Memory(&self.behind, row - mapped.count),
            Some(mapped) => match mapped.moved.slot(row) {
                None => Place::Map(mapped),
                Some(slot) => Place::Memory(&self.within, slot),
            },
        }
    }

    /// Where a row is to be written.
    fn place_for(&self, row: u32) -> (&Memory, u32) {
        match &self.mapped {
            Some(mapped) if row < mapped.count => (&self.within, mapped.moved.slot_for(row)),
            _ => (&self.behind, row - self.mapped()),
        }
    }

    /// Whether rows and codes of the map still are those that were checked when it was opened.
    pub(super) fn are_intact(&self) -> bool {
        let codes = |mapped: &MappedRows| mapped.codes.as_ref().is_none_or(MappedBytes::is_intact);
        self.mapped.as_ref().is_none_or(|mapped| mapped.bytes.is_intact() && codes(mapped))
    }

    /// Bytes of the map that rows are served from.
    pub(super) fn mapped_bytes(&self) -> usize {
        let codes = |mapped: &MappedRows| mapped.codes.as_ref().map_or(0, |codes| codes.len());
        self.mapped.as_ref().map_or(0, |mapped| mapped.bytes.len() + codes(mapped))
    }
}

impl<'a> Published<'a> {
    /// How many rows; they are `0..count`.
    #[inline]
    pub(super) fn count(self) -> u32 {
        self.count
    }

    /// Row `row`, padded.
    #[inline]
    pub(super) fn row(self, row: u32) -> &'a [f32] {
        assert!(row < self.count, "only published rows are read");
        let stride = self.rows.stride;
        match self.rows.place(row) {
            Place::Map(mapped) => {
                let first = mapped.first.wrapping_add(row as usize * stride);
                // SAFETY: `open` checked that the map holds `count` aligned rows; the map outlives `self.rows`, keeps
                // its address and bytes by the contract of `env::Map`, and every bit pattern is an f32.
                unsafe { std::slice::from_raw_parts(first, stride) }
            }
            Place::Memory(memory, number) => {
                let (slab, place) = memory.rows.at(number);
                let first = slab.place(place * stride, stride);
                // SAFETY: `place` checked the bounds; the row is published, so nobody writes to it (the file's
                // invariant); the slab lives as long as `self.rows`.
                unsafe { std::slice::from_raw_parts(first, stride) }
            }
        }
    }
}

impl<'a> Published<'a> {
    /// The code of row `row`.
    #[inline]
    pub(super) fn code(self, row: u32) -> &'a [u8] {
        assert!(row < self.count, "only published rows are read");
        let stride = self.rows.code_stride;
        assert!(stride > 0, "only rows with codes are asked for them");
        match self.rows.place(row) {
            Place::Map(mapped) => {
                let first = mapped.first_code.wrapping_add(row as usize * stride);
                // SAFETY: `open` checked that the map holds `count` codes, or that a code has no bytes; else as for the
                // floats of a row.
                unsafe { std::slice::from_raw_parts(first, stride) }
            }
            Place::Memory(memory, number) => {
                let (slab, place) = memory.codes.at(number);
                let first = slab.place(place * stride, stride);
                // SAFETY: as for the floats of a row.
                unsafe { std::slice::from_raw_parts(first, stride) }
            }
        }
    }
}

impl Pen {
    /// The rows it writes to.
    pub(super) fn rows(&self) -> &Arc<Rows> {
        &self.rows
    }

    /// Copies `vector` to row `free`, or where the next row will be, and returns the row's number and what will be read
    /// there. Nobody else can see it before [`Pen::publish`].
    pub(super) fn stage(&mut self, vector: &[f32], free: Option<u32>) -> Result<(u32, &[f32]), IndexError> {
        let rows = &*self.rows;
        let next = rows.published.load();
        let row = free.unwrap_or(next);
        if row as usize >= MAX_ROWS {
            return Err(IndexError::Full);
        }
        assert!(row <= next, "rows follow one another");
        assert!(vector.len() <= rows.stride, "a vector fits its row");
        let (memory, number) = rows.place_for(row);
        memory.rows.grow(number, |items| Slab::new(items * rows.stride));
        let (slab, place) = memory.rows.at(number);
        let first = slab.place(place * rows.stride, rows.stride);
        // SAFETY: `place` checked the bounds; the row is not published or is free, so no reader has it (the file's
        // invariant), and `&mut self` makes this the only writer. Padding was zero and stays so: every vector of an
        // index has the same length.
        let floats = unsafe { std::slice::from_raw_parts_mut(first, rows.stride) };
        floats[..vector.len()].copy_from_slice(vector);
        self.staged = Some(row);
        Ok((row, floats))
    }

    /// Where the code of the staged row is to be written; zero so far.
    pub(super) fn code(&mut self) -> &mut [u8] {
        let Some(row) = self.staged else { panic!("a row is staged before its code") };
        let rows = &*self.rows;
        let ((memory, number), stride) = (rows.place_for(row), rows.code_stride);
        memory.codes.grow(number, |items| Slab::new(items * stride));
        let (slab, place) = memory.codes.at(number);
        let first = slab.place(place * stride, stride);
        // SAFETY: as in `stage`.
        let code = unsafe { std::slice::from_raw_parts_mut(first, stride) };
        code.fill(0);
        code
    }

    /// Lets the staged row, whose floats and code have been written, be read where it is. Before it is no longer free.
    pub(super) fn place(&mut self) {
        let Some(row) = self.staged else { panic!("a row is staged before it is placed") };
        if let Some(mapped) = self.rows.mapped.as_ref().filter(|mapped| row < mapped.count) {
            mapped.moved.take(row, mapped.moved.slot_for(row));
        }
    }

    /// Counts the staged row among those that may be read: all that this thread wrote before is visible to who counts it.
    pub(super) fn publish(&mut self) {
        let Some(row) = self.staged.take() else { panic!("a row is staged before it is published") };
        if row == self.rows.published.load() {
            self.rows.published.store(row + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_back_padded_and_aligned() {
        let (rows, mut pen) = Rows::new(5, 0);
        for n in 0..100_u32 {
            let vector = [n as f32, 1.0, 2.0, -0.0, f32::MIN_POSITIVE];
            assert_eq!(pen.stage(&vector, None).unwrap().0, n);
            assert_eq!(rows.published().count(), n);
            pen.publish();
            let row = rows.published().row(n);
            assert_eq!(row[..5].iter().map(|x| x.to_bits()).collect::<Vec<_>>(), vector.map(f32::to_bits));
            assert!(row.len() == 16 && row[5..].iter().all(|x| x.to_bits() == 0));
            assert!(cfg!(miri) || row.as_ptr().addr().is_multiple_of(64));
        }
        assert!((0..100).all(|n| rows.published().row(n)[0] == n as f32));
    }

    #[test]
    #[should_panic(expected = "only published rows")]
    fn a_staged_row_cannot_be_read() {
        let (rows, mut pen) = Rows::new(3, 0);
        pen.stage(&[1.0; 3], None).unwrap();
        rows.published().row(0);
    }

    #[test]
    fn readers_on_other_threads_see_whole_rows() {
        let (rows, mut pen) = Rows::new(20, 0);
        let total = if cfg!(miri) { 40 } else { 5_000 };
        let reader = crate::base::sync::spawn("reader", move || {
            loop {
                let seen = rows.published();
                if let Some(last) = seen.count().checked_sub(1) {
                    assert!(seen.row(last)[..20].iter().all(|x| *x == last as f32));
                }
                if seen.count() == total {
                    break;
                }
            }
        });
        for n in 0..total {
            pen.stage(&[n as f32; 20], None).unwrap();
            pen.publish();
        }
        reader.unwrap().join().unwrap();
    }
}
