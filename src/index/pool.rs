//! The pool of a walk: the nearest rows met so far, and which of them still have links to be followed.
//!
//! A narrow pool is one sorted array: on widths that searches use, moving a few words is cheaper than two heaps. A wide
//! one ([`FLAT`]) is two heaps, whose cost grows with the logarithm of the width. Both give the same rows in the same
//! order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::near::Near;

/// Widest pool that is kept as a sorted array. At 30,000 x 384 a walk of this width takes as long either way.
const FLAT: usize = 1_024;

/// The pool.
#[derive(Debug, Default)]
pub(super) struct Pool {
    limit: usize,
    /// What is kept, nearest first, in a narrow pool.
    flat: Vec<Entry>,
    /// Every entry of `flat` before it has been followed.
    next: usize,
    /// What is kept, farthest on top, in a wide pool.
    kept: BinaryHeap<Near>,
    /// Rows to be followed that are not in `flat`, nearest on top: those that may not be kept, and in a wide pool all.
    aside: BinaryHeap<Reverse<Near>>,
}

/// A row that is kept, and whether its links have been followed.
#[derive(Clone, Copy, Debug)]
struct Entry {
    near: Near,
    followed: bool,
}

impl Pool {
    /// Forgets everything; keeps the nearest `limit` from now on.
    pub(super) fn begin(&mut self, limit: usize) {
        self.flat.clear();
        self.kept.clear();
        self.aside.clear();
        (self.limit, self.next) = (limit, 0);
    }

    fn is_flat(&self) -> bool {
        self.limit <= FLAT
    }

    /// The farthest that is kept, when no more fit.
    #[inline]
    pub(super) fn bound(&self) -> Option<Near> {
        if self.is_flat() {
            self.flat.get(self.limit.wrapping_sub(1)).map(|entry| entry.near)
        } else {
            self.kept.peek().copied().filter(|_| self.kept.len() == self.limit)
        }
    }

    /// True when it is full of nearer ones than `near`.
    #[inline]
    pub(super) fn excludes(&self, near: Near) -> bool {
        self.limit == 0 || self.bound().is_some_and(|bound| near > bound)
    }

    /// Keeps `near` if it is among the nearest; if so, its links are to be followed.
    #[inline]
    pub(super) fn offer(&mut self, near: Near) {
        if self.excludes(near) {
            return;
        }
        if !self.is_flat() {
            if self.kept.len() == self.limit {
                self.kept.pop();
            }
            self.kept.push(near);
            return self.aside.push(Reverse(near));
        }
        let at = self.flat.partition_point(|entry| entry.near < near);
        self.flat.truncate(self.limit - 1);
        self.flat.insert(at.min(self.flat.len()), Entry { near, followed: false });
        self.next = self.next.min(at);
    }

    /// Takes note of a row whose links are to be followed although it may not be kept itself.
    pub(super) fn pass_through(&mut self, near: Near) {
        if !self.excludes(near) {
            self.aside.push(Reverse(near));
        }
    }

    /// The nearest row whose links were not followed yet, which counts as followed from now on; `None` when all that
    /// are left are excluded.
    #[inline]
    pub(super) fn follow(&mut self) -> Option<Near> {
        let own = self.flat.get(self.next).map(|entry| entry.near);
        match self.aside.peek() {
            Some(Reverse(aside)) if own.is_none_or(|own| *aside < own) => {
                self.aside.pop().map(|Reverse(near)| near).filter(|near| !self.excludes(*near))
            }
            _ => {
                self.flat.get_mut(self.next)?.followed = true;
                let later = self.flat[self.next..].iter().position(|entry| !entry.followed);
                self.next = later.map_or(self.flat.len(), |later| self.next + later);
                own
            }
        }
    }

    /// Moves what was kept to `out`, nearest first.
    pub(super) fn drain_sorted(&mut self, out: &mut Vec<Near>) {
        out.clear();
        out.extend(self.flat.drain(..).map(|entry| entry.near));
        out.extend(self.kept.drain());
        out.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    #[test]
    fn the_nearest_are_kept_in_order() {
        let mut pool = Pool::default();
        pool.begin(3);
        for row in [5, 1, 9, 3, 7, 2] {
            pool.offer(Near::new(row as f32, row));
        }
        assert!(!pool.excludes(Near::new(2.5, 0)) && pool.excludes(Near::new(4.0, 0)));
        let mut out = Vec::new();
        pool.drain_sorted(&mut out);
        assert_eq!(out.iter().map(|near| near.row()).collect::<Vec<_>>(), [1, 2, 3]);
        pool.begin(0);
        pool.offer(Near::new(0.0, 0));
        assert!(pool.excludes(Near::new(0.0, 0)));
        assert_eq!(pool.follow(), None);
    }

    /// Offers, passes through and follows at random; the model keeps everything and sorts.
    #[test]
    fn a_pool_of_any_width_follows_and_keeps_what_a_sorted_list_would() {
        let mut rng = Rng::new(5);
        let mut pool = Pool::default();
        for round in 0..200 {
            let limit = if round % 10 == 0 { FLAT + 1 + rng.index(9) } else { 1 + rng.index(20) };
            pool.begin(limit);
            let (mut kept, mut waiting): (Vec<Near>, Vec<Near>) = (Vec::new(), Vec::new());
            for row in 0..2 * limit as u32 {
                let near = Near::new(rng.index(50) as f32, row);
                let excluded = kept.len() == limit && near > kept[limit - 1];
                assert_eq!(pool.excludes(near), excluded);
                let living = rng.index(4) > 0;
                if living {
                    pool.offer(near)
                } else {
                    pool.pass_through(near)
                }
                if !excluded {
                    waiting.push(near);
                    kept.extend(living.then_some(near));
                    kept.sort_unstable();
                    kept.truncate(limit);
                }
                if rng.index(3) == 0 {
                    waiting.sort_unstable_by(|a, b| b.cmp(a));
                    let expected =
                        waiting.pop().filter(|near| kept.len() < limit || *near <= kept[limit - 1]);
                    assert_eq!(pool.follow(), expected, "round {round}");
                }
            }
            let mut out = Vec::new();
            pool.drain_sorted(&mut out);
            assert_eq!(out, kept);
        }
    }
}
