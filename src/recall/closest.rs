//! The nearest of what was met, in a bounded heap.

use std::collections::BinaryHeap;

use crate::index::{Hit, Index, Near, Scratch};

/// The `limit` nearest of what was offered, ties broken by row.
#[derive(Debug)]
pub struct Closest {
    /// Farthest on top.
    heap: BinaryHeap<Near>,
    limit: usize,
}

impl Closest {
    /// Nothing yet; keeps `limit`. The memory comes from `scratch` and goes back there with [`Closest::finish`].
    pub fn new(limit: usize, scratch: &mut Scratch) -> Self {
        Self { heap: scratch.lend(), limit }
    }

    /// True when it is full of nearer ones than `near`.
    #[must_use]
    #[inline]
    pub fn excludes(&self, near: Near) -> bool {
        self.heap.len() >= self.limit && self.heap.peek().is_none_or(|worst| near > *worst)
    }

    /// Keeps `near` if it is among the nearest.
    #[inline]
    pub fn offer(&mut self, near: Near) {
        if self.heap.len() < self.limit {
            self.heap.push(near);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && near < *worst
        {
            *worst = near;
        }
    }

    /// Forgets what it has.
    pub fn clear(&mut self) {
        self.heap.clear();
    }

    /// Replaces `hits` by the nearest `k`, nearest first.
    pub fn finish(mut self, k: usize, index: &Index, scratch: &mut Scratch, hits: &mut Vec<Hit>) {
        hits.clear();
        while self.heap.len() > k {
            self.heap.pop();
        }
        while let Some(near) = self.heap.pop() {
            hits.push(index.hit(near));
        }
        hits.reverse();
        scratch.give_back(self.heap);
    }

    /// Gives the memory back, and what was kept is forgotten.
    pub fn discard(self, scratch: &mut Scratch) {
        scratch.give_back(self.heap);
    }
}
