//! A growing table of fixed-length groups of atomic words: neighbour lists and the small facts about rows.
//!
//! A word starts as zero. Blocks are zero pages from the allocator, so that growing costs no pass over them. Groups
//! whose length is a multiple of sixteen begin on a cache line.

use std::sync::atomic::{AtomicU32, Ordering};

use super::blocks::{Blocks, touched};

/// Bytes of a cache line.
const LINE: usize = 64;

/// The table.
#[derive(Debug)]
pub(super) struct Cells {
    stride: usize,
    blocks: Blocks<Block>,
}

#[derive(Debug)]
struct Block {
    words: Box<[AtomicU32]>,
    start: usize,
}

impl Block {
    fn new(words: usize) -> Self {
        let words = zeroed(words + LINE / size_of::<u32>());
        let start = words.as_ptr().align_offset(LINE);
        // Miri may decline to align; nothing but speed depends on it.
        Self { start: if start < LINE { start } else { 0 }, words }
    }
}

/// Words of zero, without touching their memory.
fn zeroed(n: usize) -> Box<[AtomicU32]> {
    let words = Box::into_raw(vec![0_u32; n].into_boxed_slice());
    // SAFETY: `words` came from a box just now; `AtomicU32` has the size, alignment and bit validity of `u32`.
    unsafe { Box::from_raw(words as *mut [AtomicU32]) }
}

impl Cells {
    /// An empty table of groups of `stride` words.
    pub(super) fn new(stride: usize) -> Self {
        Self { stride, blocks: Blocks::new() }
    }

    /// Bytes of memory that `n` groups take.
    pub(super) fn bytes(&self, n: usize) -> usize {
        touched(n) * self.stride * size_of::<u32>()
    }

    /// Words in a group.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// Makes group `n` be there.
    pub(super) fn grow(&self, n: u32) {
        self.blocks.grow(n, |items| Block::new(items * self.stride));
    }

    /// Makes groups `0..n` be there.
    pub(super) fn grow_all(&self, n: u32) {
        self.blocks.grow_all(n, |items| Block::new(items * self.stride));
    }

    /// Group `n`.
    #[inline]
    pub(super) fn group(&self, n: u32) -> &[AtomicU32] {
        let (block, place) = self.blocks.at(n);
        &block.words[block.start + place * self.stride..][..self.stride]
    }

    /// Word `word` of group `n` (acquire).
    #[inline]
    pub(super) fn get(&self, n: u32, word: usize) -> u32 {
        self.group(n)[word].load(Ordering::Acquire)
    }

    /// Sets word `word` of group `n` (release).
    pub(super) fn set(&self, n: u32, word: usize, value: u32) {
        self.group(n)[word].store(value, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_zero_apart_and_on_cache_lines() {
        let cells = Cells::new(32);
        cells.grow_all(40);
        for n in 0..40 {
            assert!(cells.group(n).iter().all(|word| word.load(Ordering::Relaxed) == 0), "group {n}");
            cells.group(n).iter().for_each(|word| word.store(n + 1, Ordering::Relaxed));
            assert!(cfg!(miri) || cells.group(n).as_ptr().addr().is_multiple_of(LINE), "group {n}");
        }
        assert!((0..40).all(|n| (0..32).all(|word| cells.get(n, word) == n + 1)));
    }
}
