//! Which places are free: a bit each, so that a scan passes over those of an index that shrank by the word.
//!
//! A place is marked when nobody who is inside can have met a row there alive, and no longer marked before a row there can be
//! seen. So whoever is inside, and takes the moment first, finds every place unmarked at which a row lives then.

use std::sync::atomic::Ordering;

use super::cells::Cells;
use crate::base::sync::point;

/// Places of a word.
const WORD: u32 = u32::BITS;
/// Words between two scheduling points of a pass over all places.
const STRIDE: u32 = 8;

/// The bits.
#[derive(Debug)]
pub(super) struct Places {
    free: Cells,
}

impl Places {
    /// No places.
    pub(super) fn new() -> Self {
        Self { free: Cells::new(1) }
    }

    /// Bytes of memory that so many places take.
    pub(super) fn bytes(&self, count: usize) -> usize {
        self.free.bytes(count.div_ceil(WORD as usize))
    }

    /// Makes `place` be there. Only the one writer calls this.
    pub(super) fn grow(&self, place: u32) {
        self.free.grow(place / WORD);
    }

    /// Makes places `0..count` be there. Only the one writer calls this.
    pub(super) fn grow_all(&self, count: u32) {
        self.free.grow_all(count.div_ceil(WORD));
    }

    /// `place` is free from now on.
    pub(super) fn give_back(&self, place: u32) {
        self.free.group(place / WORD)[0].fetch_or(1 << (place % WORD), Ordering::AcqRel);
    }

    /// `place` is free no longer.
    pub(super) fn take(&self, place: u32) {
        self.free.group(place / WORD)[0].fetch_and(!(1 << (place % WORD)), Ordering::AcqRel);
    }

    /// True for a place that is free.
    pub(super) fn is_free(&self, place: u32) -> bool {
        self.free.get(place / WORD, 0) >> (place % WORD) & 1 == 1
    }

    /// Those of the places `0..count` that are not free, in order. Other threads may run now and then.
    pub(super) fn taken(&self, count: u32) -> impl Iterator<Item = u32> {
        (0..count.div_ceil(WORD)).flat_map(move |word| {
            if word.is_multiple_of(STRIDE) {
                point("scan");
            }
            let first = word * WORD;
            let there = if count - first < WORD { (1 << (count - first)) - 1 } else { u32::MAX };
            let mut left = !self.free.get(word, 0) & there;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(first + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    #[test]
    fn what_is_not_free_is_passed_over_by_nobody_and_what_is_free_by_all() {
        let mut rng = Rng::new(1);
        for count in [0, 1, 31, 32, 33, 64, 500, 1_000] {
            let places = Places::new();
            places.grow_all(count);
            let mut expected: Vec<u32> = (0..count).collect();
            assert!(places.taken(count).eq(expected.iter().copied()), "{count}: none has been given back");
            expected.retain(|place| {
                let stays = rng.below(40) == 0;
                places.give_back(*place);
                if stays {
                    places.take(*place);
                }
                stays
            });
            assert!(places.taken(count).eq(expected.iter().copied()), "{count}");
            assert!((0..count).all(|place| places.is_free(place) != expected.contains(&place)), "{count}");
        }
    }
}
