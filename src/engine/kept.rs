//! Indexes that a running snapshot may hold, and how many bytes each makes the server keep.
//!
//! There may be a hundred thousand of them, and the loop looks at them many times a second: so each look goes over a bounded
//! number of them, in turns, and lets those go that make it keep nothing any more. The sum is exact where there are no more
//! than that, and else as old as the last round.

use std::sync::{Arc, Weak};

use crate::base::hash::FixedMap;
use crate::index::Index;

/// How many are looked at, at most.
const LOOK: usize = 128;

/// One of them.
pub(super) struct Held {
    pub(super) index: Weak<Index>,
    /// What was known of it when it came here.
    pub(super) known: usize,
    /// Bytes that it made the server keep when it was looked at last.
    bytes: usize,
}

/// How many bytes one makes the server keep now; none when it never will again.
type Weigh = fn(&Held) -> Option<usize>;

/// Many of them. Each is found by its address, which is nobody else's as long as it is here.
pub(super) struct Kept {
    weigh: Weigh,
    held: Vec<Held>,
    places: FixedMap<usize, usize>,
    /// The sum of their bytes.
    bytes: usize,
    /// Where the next look begins.
    next: usize,
}

impl Kept {
    pub(super) fn new(weigh: Weigh) -> Self {
        Self { weigh, held: Vec::new(), places: FixedMap::default(), bytes: 0, next: 0 }
    }

    /// Takes an index in, of which so much is known.
    pub(super) fn put(&mut self, index: Weak<Index>, known: usize) {
        let address = address(&index);
        self.remove(address);
        let mut held = Held { index, known, bytes: 0 };
        held.bytes = (self.weigh)(&held).unwrap_or(0);
        self.bytes += held.bytes;
        self.places.insert(address, self.held.len());
        self.held.push(held);
    }

    /// Lets an index go; true if it was here.
    pub(super) fn take(&mut self, index: &Arc<Index>) -> bool {
        self.remove(Arc::as_ptr(index).addr())
    }

    /// Lets all go.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.weigh);
    }

    /// Weighs some of them anew.
    pub(super) fn look(&mut self) {
        for _ in 0..self.held.len().min(LOOK) {
            let at = if self.next < self.held.len() { self.next } else { 0 };
            let Some(held) = self.held.get_mut(at) else { return };
            match (self.weigh)(held) {
                Some(bytes) => {
                    self.bytes = self.bytes - held.bytes + bytes;
                    held.bytes = bytes;
                    self.next = at + 1;
                }
                None => {
                    let gone = address(&held.index);
                    self.next = at;
                    self.remove(gone);
                }
            }
        }
    }

    /// How many bytes all of them make the server keep.
    pub(super) fn bytes(&self) -> usize {
        if self.held.len() > LOOK {
            return self.bytes;
        }
        self.held.iter().filter_map(self.weigh).sum()
    }

    fn remove(&mut self, address: usize) -> bool {
        let Some(at) = self.places.remove(&address) else { return false };
        let gone = self.held.swap_remove(at);
        self.bytes -= gone.bytes;
        if let Some(moved) = self.held.get(at) {
            self.places.insert(self::address(&moved.index), at);
        }
        true
    }
}

fn address(index: &Weak<Index>) -> usize {
    index.as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{Config, Quant, Writer, metric_with_code};
    use crate::kernels::Kernels;

    fn index() -> Arc<Index> {
        let (metric, kernels) = (metric_with_code(1).unwrap(), Kernels::best());
        let config =
            Config { dim: 1, metric, quant: Quant::F32, m: 8, ef_construction: 10, seed: 1, kernels };
        Arc::clone(Writer::new(config).index())
    }

    fn there(held: &Held) -> Option<usize> {
        (held.index.strong_count() > 0).then_some(held.known)
    }

    #[test]
    fn what_many_indexes_make_the_server_keep_is_summed_in_bounded_looks_and_what_has_gone_is_let_go() {
        let mut kept = Kept::new(there);
        let mut indexes: Vec<_> = (0..10 * LOOK).map(|_| index()).collect();
        indexes.iter().for_each(|index| kept.put(Arc::downgrade(index), 3));
        assert_eq!(kept.bytes(), 30 * LOOK);
        assert!(kept.take(&indexes[7]) && !kept.take(&indexes[7]));
        assert_eq!(kept.bytes(), 30 * LOOK - 3);
        kept.put(Arc::downgrade(&indexes[8]), 5);
        assert_eq!(kept.bytes(), 30 * LOOK - 1, "no index is here twice");
        indexes.truncate(2 * LOOK);
        kept.look();
        assert!(kept.bytes() > 6 * LOOK, "one look does not see all of them");
        (0..10).for_each(|_| kept.look());
        assert_eq!(kept.bytes(), 6 * LOOK - 1);
        assert_eq!((kept.held.len(), kept.places.len()), (2 * LOOK - 1, 2 * LOOK - 1));
        indexes.truncate(LOOK);
        (0..2).for_each(|_| kept.look());
        indexes.truncate(10);
        assert_eq!(kept.bytes(), 9 * 3 + 2, "few are told as they are");
        kept.clear();
        assert_eq!(kept.bytes(), 0);
    }
}
