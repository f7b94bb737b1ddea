//! Rows in the places of earlier ones that are not linked yet. Rows with new numbers are found above the floor; these
//! are not, so they stand here until they are linked.
//!
//! There are as many places as rows have ever waited at a time. A search looks at those below an end, which only the writer
//! moves: up, before it publishes a row that waits at the last place, and down, over places at which no row waits any more.
//! So whoever knows of a row that is not linked looks far enough, and where few wait there is little to look at.

use std::sync::atomic::{AtomicU32, Ordering};

use super::cells::Cells;

/// Places at most: what a row's state can name.
const MOST: u32 = (u32::MAX >> super::graph::PLACE) - 1;
/// Places that are taken before the writer adds one.
const LOOKS: u32 = 16;

/// The rows.
#[derive(Debug)]
pub(super) struct Pending {
    /// A row plus one, or zero.
    places: Cells,
    /// How many places there are.
    made: AtomicU32,
    /// No row waits from here on.
    end: AtomicU32,
    waiting: AtomicU32,
}

impl Pending {
    /// No row waits.
    pub(super) fn new() -> Self {
        let [made, end, waiting] = [const { AtomicU32::new(0) }; 3];
        Self { places: Cells::new(1), made, end, waiting }
    }

    /// Bytes of memory that it takes besides its own.
    pub(super) fn bytes(&self) -> usize {
        self.places.bytes(self.made.load(Ordering::Acquire) as usize)
    }

    fn is_free(&self, place: u32) -> bool {
        self.places.get(place, 0) == 0
    }

    /// A free place, looked for from `from` on, which moves on behind it; `None` where a state could not name it. Only the
    /// one writer calls this.
    pub(super) fn find(&self, from: &mut u32) -> Option<u32> {
        let end = self.shrink();
        for _ in 0..end.min(LOOKS) {
            let place = if *from < end { *from } else { 0 };
            *from = place + 1;
            if self.is_free(place) {
                return Some(place);
            }
        }
        (end < MOST).then_some(end)
    }

    /// Draws the end back to the last row that waits, and returns it. Only the one writer calls this.
    fn shrink(&self) -> u32 {
        let before = self.end.load(Ordering::Acquire);
        let mut end = if self.waiting.load(Ordering::Acquire) == 0 { 0 } else { before };
        while end > 0 && self.is_free(end - 1) {
            end -= 1;
        }
        if end < before {
            self.end.store(end, Ordering::Release);
        }
        end
    }

    /// Lets `row` wait at `place`, which is free. Only the one writer calls this, before it publishes the row.
    pub(super) fn put(&self, place: u32, row: u32) {
        let end = self.end.load(Ordering::Acquire);
        self.places.grow(place);
        self.made.fetch_max(place + 1, Ordering::AcqRel);
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let before = self.places.group(place)[0].swap(row + 1, Ordering::AcqRel);
        assert_eq!(before, 0, "one row waits at a place");
        self.end.store(end.max(place + 1), Ordering::Release);
    }

    /// The row at `place` can be found through the graph.
    pub(super) fn take(&self, place: u32) {
        let row = self.places.group(place)[0].swap(0, Ordering::AcqRel);
        assert!(row != 0, "a row waits where it was put");
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire) as usize
    }

    /// How many places a search looks at.
    pub(super) fn walked(&self) -> u32 {
        if self.waiting() == 0 { 0 } else { self.end.load(Ordering::Acquire) }
    }

    /// The rows that wait.
    pub(super) fn rows(&self) -> impl Iterator<Item = u32> {
        (0..self.walked()).filter_map(|place| self.places.get(place, 0).checked_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    #[test]
    fn any_number_of_rows_waits_and_the_walk_is_as_long_as_they_need() {
        let (pending, mut from) = (Pending::new(), 0);
        let mut waiting = Vec::new();
        for round in 0..3 {
            for row in 0..5_000 {
                let place = pending.find(&mut from).unwrap();
                assert_eq!(place, row, "each finds all before it taken in round {round}");
                pending.put(place, row);
                waiting.push(place);
            }
            assert!(pending.rows().eq(0..5_000));
            waiting.drain(1..).for_each(|place| pending.take(place));
            assert_eq!((pending.waiting(), pending.rows().collect::<Vec<_>>()), (1, vec![0]));
            // One comes, and the walk is short again.
            let place = pending.find(&mut from).unwrap();
            assert!(place <= 1, "the second place is free, and {place} is found");
            pending.put(place, 7);
            assert_eq!(pending.walked(), 2);
            waiting.push(place);
            waiting.drain(..).for_each(|place| pending.take(place));
            assert_eq!((pending.waiting(), pending.walked()), (0, 0));
        }
        assert_eq!(pending.bytes(), 5_000 * size_of::<u32>());
    }

    #[test]
    fn places_stay_few_whatever_the_order_in_which_rows_are_linked() {
        let (pending, mut from, mut rng) = (Pending::new(), 0, Rng::new(3));
        let mut waiting: Vec<(u32, u32)> = Vec::new();
        for row in 0..20_000 {
            if waiting.len() == 256 {
                // Mostly the oldest; now and then one is overtaken by many.
                let at = if rng.below(10) == 0 { rng.index(waiting.len()) } else { rng.index(2) };
                pending.take(waiting.remove(at).0);
            }
            let place = pending.find(&mut from).unwrap();
            pending.put(place, row);
            waiting.push((place, row));
            assert!(pending.walked() <= 512, "{} places for 256 rows", pending.walked());
        }
        let mut rows: Vec<u32> = pending.rows().collect();
        rows.sort_unstable();
        assert!(rows.into_iter().eq(waiting.into_iter().map(|(_, row)| row)));
    }
}
