//! Where item `n` of a growing table lives: blocks of doubling size that are allocated when they are first needed and
//! never move, so that a reader may hold on to what it found while the table grows.

use std::sync::OnceLock;

/// Items in the first block, as a power of two.
const FIRST_BITS: u32 = 4;
/// Blocks enough for `u32::MAX` items.
const BLOCKS: usize = 29;

/// How many items count as touched where the first `n` are used: what is used, and all of the first block. Of the other
/// blocks, what is behind the last item that was used is memory that nobody has touched, and that nobody has been given.
pub(super) fn touched(n: usize) -> usize {
    if n == 0 { 0 } else { n.max(1 << FIRST_BITS) }
}

/// The blocks of a table.
#[derive(Debug)]
pub(super) struct Blocks<B> {
    blocks: [OnceLock<B>; BLOCKS],
}

/// The block of item `n` and its place in it.
#[inline]
fn locate(n: u32) -> (usize, usize) {
    let shifted = u64::from(n) + (1 << FIRST_BITS);
    let bits = shifted.ilog2();
    ((bits - FIRST_BITS) as usize, (shifted - (1 << bits)) as usize)
}

impl<B> Blocks<B> {
    /// No blocks yet.
    pub(super) fn new() -> Self {
        Self { blocks: [const { OnceLock::new() }; BLOCKS] }
    }

    /// The block of item `n` and the item's place in it. Panics where [`Blocks::grow`] has not been.
    #[inline]
    pub(super) fn at(&self, n: u32) -> (&B, usize) {
        let (block, place) = locate(n);
        match self.blocks[block].get() {
            Some(block) => (block, place),
            None => panic!("item {n} was never allocated"),
        }
    }

    /// Makes sure that the block of item `n` is there; `make` gets the number of items it is to hold. Of several who come
    /// at once one makes it, and the others wait.
    pub(super) fn grow(&self, n: u32, make: impl FnOnce(usize) -> B) {
        let (block, _) = locate(n);
        self.blocks[block].get_or_init(|| make(1 << (block + FIRST_BITS as usize)));
    }

    /// Grows so that items `0..n` are there.
    pub(super) fn grow_all(&self, n: u32, make: impl Fn(usize) -> B) {
        let Some(last) = n.checked_sub(1) else { return };
        for block in 0..=locate(last).0 {
            let first = (1_u64 << (block as u32 + FIRST_BITS)) - (1 << FIRST_BITS);
            self.grow(first as u32, &make);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_has_a_place_of_its_own() {
        let mut expected = (0, 0);
        for n in 0..1_000 {
            assert_eq!(locate(n), expected, "item {n}");
            expected.1 += 1;
            if expected.1 == 16 << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        assert_eq!(locate(u32::MAX).0, BLOCKS - 1);
    }

    #[test]
    fn growing_makes_each_block_once() {
        let blocks = Blocks::new();
        blocks.grow_all(0, |n| n);
        blocks.grow_all(100, |n| n);
        blocks.grow(17, |_| panic!("it is there"));
        assert_eq!((blocks.at(0).0, blocks.at(99).0), (&16, &64));
    }

    #[test]
    #[should_panic(expected = "never allocated")]
    fn an_item_that_was_not_grown_is_refused() {
        Blocks::<usize>::new().at(3);
    }
}
