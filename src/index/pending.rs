//! Rows in the places of earlier ones that are not linked yet. Rows with new numbers are found above the floor; these
//! are not, so they stand here until they are linked.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Rows that may wait at a time; the writer takes new numbers while there is no room.
pub(super) const PLACES: usize = 1_024;

/// The rows.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// A row plus one, or zero.
    places: OnceLock<Box<[AtomicU32]>>,
    waiting: AtomicU32,
}

impl Pending {
    /// Bytes of memory that it takes besides its own.
    pub(super) fn bytes(&self) -> usize {
        self.places.get().map_or(0, |places| size_of_val(&**places))
    }

    /// True when `place` is free.
    pub(super) fn is_free(&self, place: usize) -> bool {
        self.places.get().is_none_or(|places| places[place].load(Ordering::Acquire) == 0)
    }

    /// Lets `row` wait at `place`, which is free. Only the one writer calls this, before it publishes the row.
    pub(super) fn put(&self, place: usize, row: u32) {
        let places =
            self.places.get_or_init(|| std::iter::repeat_with(AtomicU32::default).take(PLACES).collect());
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let before = places[place].swap(row + 1, Ordering::AcqRel);
        assert_eq!(before, 0, "one row waits at a place");
    }

    /// The row at `place` can be found through the graph.
    pub(super) fn take(&self, place: usize) {
        let row = self.places.get().map(|places| places[place].swap(0, Ordering::AcqRel));
        assert!(row.is_some_and(|row| row != 0), "a row waits where it was put");
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire) as usize
    }

    /// The rows that wait.
    pub(super) fn rows(&self) -> impl Iterator<Item = u32> {
        let some = self.waiting.load(Ordering::Acquire) > 0;
        let places = self.places.get().filter(|_| some).map_or(&[][..], |places| places);
        places.iter().filter_map(|place| place.load(Ordering::Acquire).checked_sub(1))
    }
}
