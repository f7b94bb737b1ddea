//! The rows within a distance, nearest first, at most so many.
//!
//! The walk goes on until its frontier lies beyond the distance and beyond the nearest `ef` rows: the first lets it flood
//! all that is near enough, the second lets it cross a gap on the way there. Once it has as many hits as are wanted, it
//! only looks for nearer ones. Rows of every key lead on, so a filter takes nothing from what is found. Where
//! comparing every row costs less, or a walk has measured as many, that is the answer instead.

use super::cost::Shares;
use super::exact::{compare_all, is_within};
use super::nearest::COMPARED;
use super::{Closest, Everything, Filter, Nearest, Recall, Way};
use crate::base::limits;
use crate::base::mark::{Mark, reached};
use crate::index::{Gather, Hit, Index, Met, Near, Pinned, Query, Scratch};

/// The nearest rows among those that `filter` accepts and that are no farther than `radius`.
#[derive(Clone, Copy, Debug)]
pub struct Range<F = Everything> {
    /// The greatest distance, as the metric reports it.
    pub radius: f64,
    /// How many at most, and how; more than `limits::RANGE_HITS` are not gathered.
    pub nearest: Nearest,
    /// Which keys.
    pub filter: F,
}

impl<F: Filter> Range<F> {
    /// How many hits a walk gathers at most, and by how many rows it finds its way. Not cut to the number of rows: some
    /// may have come since it was asked for.
    fn widths(&self) -> (usize, usize) {
        (self.nearest.k.min(limits::RANGE_HITS), self.nearest.ef)
    }

    fn way(&self, shares: &Shares) -> Way {
        let (k, steered) = self.widths();
        let flooded = shares.part(shares.live, shares.within).min(shares.holding(k.min(shares.rows)));
        shares.way(self.nearest.exact_below, shares.walk(flooded.max(steered.min(shares.rows))))
    }

    /// Walks; false where that took too long.
    fn walk(
        &self,
        index: &Index,
        query: &Query,
        most: usize,
        scratch: &mut Scratch,
        hits: &mut Vec<Hit>,
    ) -> bool {
        let (k, steered) = self.widths();
        let (steer, found) = (Closest::new(steered, scratch), Closest::new(k, scratch));
        let mut within = Within { index, steer, found, radius: self.radius, filter: &self.filter };
        let ended = index.walk(query, most, &mut within, scratch);
        within.steer.discard(scratch);
        within.found.finish(k, index, scratch, hits);
        ended
    }
}

impl<F: Filter> Recall for Range<F> {
    fn recall(&self, index: &Pinned, query: &Query, scratch: &mut Scratch, hits: &mut Vec<Hit>) {
        let assumed = index.config().metric.assume();
        if self.radius < f64::from(assumed.least) {
            return hits.clear();
        }
        let within = |distance: f32| f64::from(distance) <= self.radius;
        let all = self.radius >= f64::from(assumed.greatest);
        let shares = Shares::of(index, query, &self.filter, (!all).then_some(&within));
        match self.way(&shares) {
            Way::Exact => reached(Mark::RangeScanned),
            Way::Graph => {
                reached(Mark::RangeWalked);
                let most = shares.scan().max(self.nearest.ef.saturating_mul(COMPARED));
                if self.walk(index, query, most, scratch, hits) {
                    return;
                }
                reached(Mark::RangeGivenUp);
            }
        }
        let k = self.widths().0;
        compare_all(index, query, (k, self.radius), &self.filter, scratch, hits);
    }
}

/// Gathers what is within.
struct Within<'a, F> {
    index: &'a Index,
    /// The nearest of all keys, by which the walk finds its way.
    steer: Closest,
    found: Closest,
    radius: f64,
    filter: &'a F,
}

impl<F: Filter> Within<'_, F> {
    fn wants(&self, near: Near) -> bool {
        !self.found.excludes(near) && is_within(self.index, near, self.radius)
    }
}

impl<F: Filter> Gather for Within<'_, F> {
    fn admits(&self, row: Met<'_>) -> bool {
        self.filter.is_open() || self.filter.accepts(row.key())
    }

    fn meet(&mut self, near: Near, row: Met<'_>) {
        self.steer.offer(near);
        if self.wants(near) && self.admits(row) {
            self.found.offer(near);
        }
    }

    fn follows(&self, near: Near) -> bool {
        !self.steer.excludes(near) || self.wants(near)
    }
}
