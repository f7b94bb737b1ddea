//! What an answer will about cost, so that a brief one need not leave the thread that asks.
//!
//! In bytes that are looked at one after the other: 2^20 of them take 100 to 150 µs. What is done besides stands for as many
//! bytes as are looked at in that time. Where nobody can say, it is as much as there can be.

use super::nearest::COMPARED;
use crate::index::Index;

/// `M` of the indexes by which [`COMPARED`] was measured. Where `M` is larger, a walk compares that many times as many.
const COMPARED_AT: usize = 16;
/// What a row costs that is looked at, besides its bytes: to find it, to mark it and to weigh it.
const ROW: usize = 64;
/// What a link costs that is read, whether its row has been met before or not.
const LINK: usize = 8;
/// Places without a row that a scan passes over in the time of a byte.
const PLACES: usize = 2;

/// Of an index, what says what answers cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Places, whatever they hold.
    pub(super) places: usize,
    /// Rows that there are, dead ones too.
    pub(super) held: usize,
    /// Those of them that a walk compares besides, since they may not be linked yet.
    pub(super) waiting: usize,
    pub(super) m: usize,
    /// Bytes of a row as it is compared exactly, and on the way through the graph.
    pub(super) row: usize,
    pub(super) code: usize,
}

impl Sizes {
    pub(super) fn of(index: &Index) -> Self {
        let (places, held, m) = (index.rows(), index.held(), index.config().m);
        Self { places, held, waiting: index.waiting(), m, row: index.row_bytes(), code: index.walk_bytes() }
    }

    /// Comparing every row.
    pub(super) fn scan(&self) -> usize {
        self.rows(self.held).saturating_add(self.places / PLACES)
    }

    /// Comparing so many rows.
    pub(super) fn rows(&self, rows: usize) -> usize {
        rows.saturating_mul(self.row + ROW)
    }

    /// A walk of that width, by whose codes the `k` nearest are found.
    pub(super) fn walk(&self, width: usize, k: usize) -> usize {
        let compared = width.saturating_mul(COMPARED * self.m.max(COMPARED_AT) / COMPARED_AT).min(self.held);
        let compared = compared.saturating_add(self.waiting);
        let links = width.min(self.held).saturating_mul(2 * self.m * LINK);
        let measured = if self.code == self.row { 0 } else { k.min(width).min(self.held) * self.row };
        compared.saturating_mul(self.code + ROW).saturating_add(links).saturating_add(measured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRIEF: usize = 1 << 20;
    /// A large index of 384 dimensions, int8.
    const USUAL: Sizes =
        Sizes { places: 1_000_000, held: 1_000_000, waiting: 0, m: 16, row: 1_536, code: 384 };

    #[test]
    fn a_usual_search_is_brief_and_a_wide_one_is_not() {
        assert!(USUAL.walk(100, 10) <= BRIEF);
        assert!(USUAL.walk(400, 10) > BRIEF);
        assert!(USUAL.walk(usize::MAX, usize::MAX) > BRIEF);
    }

    #[test]
    fn a_walk_costs_what_its_lists_are_long() {
        let long = Sizes { m: 256, places: 12_000, held: 12_000, row: 512, code: 128, ..USUAL };
        assert!(long.walk(100, 10) > BRIEF, "it compares nearly all rows");
        let short = Sizes { m: 16, ..long };
        assert!(short.walk(100, 10) < BRIEF / 4);
        // No more rows are compared than there are, but each list is read.
        let few = Sizes { m: 4_096, places: 1_000, held: 1_000, row: 64, code: 64, ..USUAL };
        assert!(few.walk(100, 10) > BRIEF);
        assert!(Sizes { m: 16, ..few }.walk(1_000, 10) < BRIEF);
    }

    #[test]
    fn rows_that_wait_to_be_linked_are_compared_besides() {
        assert!(Sizes { waiting: 1_000, ..USUAL }.walk(100, 10) <= BRIEF);
        assert!(Sizes { waiting: 5_000, ..USUAL }.walk(100, 10) > BRIEF);
    }

    #[test]
    fn a_scan_costs_what_there_are_rows_and_something_for_each_place() {
        let small = Sizes { places: 500, held: 500, ..USUAL };
        assert!(small.scan() < BRIEF);
        assert!(
            Sizes { places: 400_000, ..small }.scan() <= BRIEF,
            "free places are passed over by the word"
        );
        assert!(Sizes { places: 40_000_000, ..small }.scan() > BRIEF);
        assert!(Sizes { held: 400_000, ..small }.scan() > BRIEF, "what has not been swept is looked at");
        assert!(Sizes { held: usize::MAX, places: usize::MAX, ..small }.scan() > BRIEF);
    }
}
