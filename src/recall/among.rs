//! The nearest rows whose keys a filter accepts: never fewer than `k` where as many live.
//!
//! The walk passes through rows of every key and takes a place among the best only for those that are accepted, so it
//! goes on until it has found enough of them: the fewer there are, the wider it gets. A look at a few rows tells how wide
//! that would be; where comparing what is accepted costs less, that is done instead, and also when a walk has measured as
//! many rows as that would have taken: matching rows may all be far from the query. So no answer costs much more
//! than twice the cheaper way.

use super::cost::Shares;
use super::exact::compare_all;
use super::nearest::COMPARED;
use super::{Closest, Filter, Nearest, Recall, Way};
use crate::base::mark::{Mark, reached};
use crate::index::{Gather, Hit, Index, Met, Near, Pinned, Query, Scratch};

/// The nearest rows among those whose keys `filter` accepts.
#[derive(Clone, Copy, Debug)]
pub struct Among<F> {
    /// How many, and how.
    pub nearest: Nearest,
    /// Which keys.
    pub filter: F,
}

impl<F: Filter> Among<F> {
    fn way(&self, shares: &Shares, width: usize) -> Way {
        shares.way(self.nearest.exact_below, shares.walk(shares.holding(width)))
    }

    /// Walks; false where that took too long.
    fn walk(
        &self,
        index: &Index,
        query: &Query,
        (width, most): (usize, usize),
        scratch: &mut Scratch,
        hits: &mut Vec<Hit>,
    ) -> bool {
        let mut accepted = Accepted { best: Closest::new(width, scratch), filter: &self.filter };
        let found = index.walk(query, most, &mut accepted, scratch);
        accepted.best.finish(self.nearest.k, index, scratch, hits);
        found
    }
}

impl<F: Filter> Recall for Among<F> {
    fn recall(&self, index: &Pinned, query: &Query, scratch: &mut Scratch, hits: &mut Vec<Hit>) {
        let Nearest { k, ef, .. } = self.nearest;
        let shares = Shares::of(index, query, &self.filter, None);
        // For as many as are asked for, since rows may have come since they were counted; that count says what it costs.
        let width = ef.max(k);
        let expected = width.min(shares.rows);
        match self.way(&shares, expected) {
            Way::Exact => reached(Mark::ShareScanned),
            Way::Graph => {
                reached(Mark::ShareWalked);
                let most = shares.scan().max(expected.saturating_mul(COMPARED));
                if self.walk(index, query, (width, most), scratch, hits) {
                    return;
                }
                reached(Mark::ShareGivenUp);
            }
        }
        compare_all(index, query, (k, f64::INFINITY), &self.filter, scratch, hits);
    }
}

/// Gathers the nearest that are accepted.
struct Accepted<'a, F> {
    best: Closest,
    filter: &'a F,
}

impl<F: Filter> Gather for Accepted<'_, F> {
    fn admits(&self, row: Met<'_>) -> bool {
        self.filter.accepts(row.key())
    }

    fn meet(&mut self, near: Near, row: Met<'_>) {
        if !self.best.excludes(near) && self.admits(row) {
            self.best.offer(near);
        }
    }

    fn follows(&self, near: Near) -> bool {
        !self.best.excludes(near)
    }
}
