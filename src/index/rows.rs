//! The vectors of an index: rows of floats that never move, and never change while anyone can read them.
//!
//! A row is `dim` floats, zero-padded to a multiple of sixteen, on a cache line.
//!
//! A published row is immutable until it is free. Only the [`Pen`] writes: to row number `published`, which only it moves, or
//! to a row that has been freed. A row is free when it has been dead, no list has named it, and everyone who was inside the
//! index at any time until then has left ([`super::epochs`]). A reader gets at rows through [`Published`] alone, which lets
//! nothing past `published` be read; and it reads no row that it has not met inside the index, by a link or as one that
//! lives at the moment of its view: such a row is not free.

use std::sync::Arc;

use super::IndexError;
use super::moved::Moved;
use super::strips::Strips;
use crate::base::bytes::DecodeError;
use crate::base::limits::MAX_ROWS;
use crate::base::sync::AtomicU32;
use crate::env::MappedBytes;

/// Floats to which a row is padded: one cache line.
const PAD: usize = 16;

/// The shared side.
#[derive(Debug)]
pub(super) struct Rows {
    strips: Strips<f32>,
    published: AtomicU32,
    /// The places of the map, as many as it has.
    moved: Arc<Moved>,
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

/// The length of a padded row.
pub(super) fn stride(dim: usize) -> usize {
    dim.next_multiple_of(PAD)
}

impl Rows {
    /// No rows of `dim` dimensions, and their pen.
    pub(super) fn new(dim: usize) -> (Arc<Self>, Pen) {
        Self::with(Strips::new(stride(dim)), 0, Arc::new(Moved::new(0)))
    }

    /// The `count` rows of a snapshot's section, and the pen for more.
    pub(super) fn open(
        dim: usize,
        count: u32,
        bytes: MappedBytes,
        moved: Arc<Moved>,
    ) -> Result<(Arc<Self>, Pen), DecodeError> {
        let what = ["length of the rows", "alignment of the rows"];
        let strips = Strips::open(stride(dim), count, bytes, Arc::clone(&moved), what)?;
        Ok(Self::with(strips, count, moved))
    }

    fn with(strips: Strips<f32>, count: u32, moved: Arc<Moved>) -> (Arc<Self>, Pen) {
        let rows = Arc::new(Self { strips, published: AtomicU32::new(count), moved });
        (Arc::clone(&rows), Pen { rows, staged: None })
    }

    /// What is published now.
    #[inline]
    pub(super) fn published(&self) -> Published<'_> {
        Published { rows: self, count: self.published.load() }
    }

    /// Floats in a padded row.
    pub(super) fn stride(&self) -> usize {
        self.strips.stride()
    }

    /// Places of the map: rows below this are served from it, save those that [`Rows::within`] counts.
    pub(super) fn mapped(&self) -> u32 {
        self.moved.places()
    }

    /// Places of the map whose rows are in memory.
    pub(super) fn within(&self) -> u32 {
        self.moved.taken()
    }

    /// Whether rows of the map still are those that were checked when it was opened.
    pub(super) fn are_intact(&self) -> bool {
        self.strips.are_intact()
    }

    /// Bytes of memory that so many rows take, and what tells of places of the map.
    pub(super) fn bytes(&self, rows: usize) -> usize {
        self.strips.bytes(rows, self.within() as usize) + self.moved.bytes()
    }

    /// Bytes of the map that rows are served from.
    pub(super) fn mapped_bytes(&self) -> usize {
        self.strips.mapped_bytes()
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
        self.rows.strips.get(row)
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
            return Err(IndexError::Rows);
        }
        assert!(row <= next, "rows follow one another");
        assert!(vector.len() <= rows.stride(), "a vector fits its row");
        rows.strips.grow(row);
        // SAFETY: the row is not published or is free, so no reader has it (the file's invariant), and `&mut self` makes
        // this the only writer.
        let floats = unsafe { rows.strips.to_write(row) };
        // Padding was zero and stays so: every vector of an index has the same length.
        floats[..vector.len()].copy_from_slice(vector);
        self.staged = Some(row);
        Ok((row, floats))
    }

    /// Lets the staged row, whose floats and codes have been written, be read where it is. Before it is no longer free.
    pub(super) fn place(&mut self) {
        let Some(row) = self.staged else { panic!("a row is staged before it is placed") };
        let moved = &self.rows.moved;
        if row < moved.places() {
            moved.take(row, moved.slot_for(row));
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
        let (rows, mut pen) = Rows::new(5);
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
        let (rows, mut pen) = Rows::new(3);
        pen.stage(&[1.0; 3], None).unwrap();
        rows.published().row(0);
    }

    #[test]
    fn readers_on_other_threads_see_whole_rows() {
        let (rows, mut pen) = Rows::new(20);
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
