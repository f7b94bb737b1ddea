//! What a search needs beside the index: kept by a thread from one search to the next, so that a steady search
//! allocates nothing. It grows with the largest index it meets, not with the numbers in a request.

use super::codes::CodedQuery;
use super::near::Near;
use super::pool::Pool;
use crate::base::mark::{Mark, reached};

/// Working memory of one thread. Any index may use it, one at a time.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) visited: Visited,
    /// The best so far, and whose links are to be followed.
    pub(super) best: Pool,
    /// Where a walk starts, and, sorted, where it ended.
    pub(super) found: Vec<Near>,
    /// Unvisited rows of one list, and how far they are.
    pub(super) nears: Vec<Near>,
    /// Rows that were not linked when the search began.
    pub(super) fresh: Vec<u32>,
    /// The query in the form of an index whose form has changed since the query was made.
    pub(super) coded: CodedQuery,
    /// Room to rotate a vector in.
    pub(super) rotated: Vec<f32>,
    /// What walks for a gatherer need.
    pub(super) frontier: super::gather::Frontier,
    /// What `link` and `select` need.
    pub(super) linking: Linking,
}

/// Working memory of `link`.
#[derive(Debug, Default)]
pub(super) struct Linking {
    /// The new row as a query for codes.
    pub(super) coded: CodedQuery,
    /// Chosen neighbours of the new row, a list a layer from the ground up.
    pub(super) chosen: Vec<Vec<Near>>,
    /// The links of the row that is being changed.
    pub(super) links: Vec<u32>,
    /// Those of them that it keeps for good.
    pub(super) keeps: Vec<u32>,
    /// Them as candidates for its list.
    pub(super) candidates: Vec<Near>,
    /// Kept by the selection.
    pub(super) kept: Vec<Near>,
    /// Pruned by it.
    pub(super) pruned: Vec<Near>,
    /// Candidates that equal the new row.
    pub(super) twins: Vec<Near>,
    /// Candidates that equal another one.
    pub(super) copies: Vec<Near>,
    /// Candidates that are dead.
    pub(super) dead: Vec<Near>,
}

impl Scratch {
    /// Working memory that holds nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// Which rows a walk has met: a mark a row, valid for one walk.
#[derive(Debug, Default)]
pub(super) struct Visited {
    marks: Vec<u8>,
    now: u8,
}

impl Visited {
    /// Forgets everything and makes room for rows `0..rows`.
    pub(super) fn begin(&mut self, rows: u32) {
        if self.marks.len() < rows as usize {
            self.marks.resize((rows as usize).next_power_of_two(), 0);
        }
        self.now = self.now.wrapping_add(1);
        if self.now == 0 {
            reached(Mark::MarksWrapped);
            self.marks.fill(0);
            self.now = 1;
        }
    }

    /// Marks `row`; true when it was not marked before.
    #[inline]
    pub(super) fn mark(&mut self, row: u32) -> bool {
        let mark = &mut self.marks[row as usize];
        let fresh = *mark != self.now;
        *mark = self.now;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_last_for_one_walk_even_when_the_counter_wraps() {
        let mut visited = Visited::default();
        for _ in 0..600 {
            visited.begin(10);
            assert!((0..10).all(|row| visited.mark(row)));
            assert!((0..10).all(|row| !visited.mark(row)));
        }
        visited.begin(11);
        assert!(visited.mark(10));
    }
}
