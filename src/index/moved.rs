//! Which places of a map have been taken by new rows. A map is not written to, so what a new row holds lies in memory: in
//! the order in which places were first taken, its *slots*. A place that is taken again keeps its slot.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The places of one map, `0..count`.
#[derive(Debug)]
pub(super) struct Moved {
    count: u32,
    /// By place, its slot plus one, or zero for what is still read from the map. There once a place has been taken.
    slots: OnceLock<Box<[AtomicU32]>>,
    taken: AtomicU32,
}

impl Moved {
    /// A map of so many places, of which none has been taken.
    pub(super) fn new(count: u32) -> Self {
        Self { count, slots: OnceLock::new(), taken: AtomicU32::new(0) }
    }

    /// Bytes of memory that it takes besides its own.
    pub(super) fn bytes(&self) -> usize {
        self.slots.get().map_or(0, |slots| size_of_val(&**slots))
    }

    /// How many places there are.
    pub(super) fn places(&self) -> u32 {
        self.count
    }

    /// The slot of a place, if it has been taken. Until the first is this costs nothing to speak of.
    #[inline]
    pub(super) fn slot(&self, place: u32) -> Option<u32> {
        let slots = self.slots.get()?;
        slots[place as usize].load(Ordering::Acquire).checked_sub(1)
    }

    /// How many slots there are.
    pub(super) fn taken(&self) -> u32 {
        self.taken.load(Ordering::Acquire)
    }

    /// The slot that a place is to have: its own, or the next one. Only the one writer calls this.
    pub(super) fn slot_for(&self, place: u32) -> u32 {
        self.slot(place).unwrap_or_else(|| self.taken())
    }

    /// Lets `place`, which is free, be read from this slot, which holds what is to be read there. Only the one writer calls
    /// this.
    pub(super) fn take(&self, place: u32, slot: u32) {
        let fresh = || std::iter::repeat_with(AtomicU32::default).take(self.count as usize).collect();
        let slots = self.slots.get_or_init(fresh);
        let before = slots[place as usize].swap(slot + 1, Ordering::AcqRel);
        assert!(before == 0 || before == slot + 1, "a place keeps its slot");
        self.taken.fetch_max(slot + 1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_gets_one_slot_and_keeps_it() {
        let moved = Moved::new(5);
        assert_eq!((moved.slot(4), moved.taken()), (None, 0));
        for (place, slot) in [(4, 0), (1, 1), (4, 0), (0, 2), (1, 1)] {
            assert_eq!(moved.slot_for(place), slot);
            moved.take(place, slot);
            assert_eq!(moved.slot(place), Some(slot));
        }
        assert_eq!(((0..5).filter_map(|place| moved.slot(place)).count(), moved.taken()), (3, 3));
    }
}
