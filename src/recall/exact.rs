//! The exact answers: every row compared, or every row of a list. What all other answers are measured against.

use super::brief::Sizes;
use super::{Closest, Everything, Filter, Recall};
use crate::base::mark::{Mark, reached};
use crate::index::{Gather, Hit, Index, Met, Near, Pinned, Query, RowId, Scratch};

/// The `k` nearest rows that a filter accepts and that are no farther than `radius`: every living row is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Exact<F = Everything> {
    /// How many at most.
    pub k: usize,
    /// The greatest distance, as the metric reports it; infinity for any.
    pub radius: f64,
    /// Which keys.
    pub filter: F,
}

impl Exact {
    /// The `k` nearest of all rows.
    #[must_use]
    pub fn new(k: usize) -> Self {
        Self { k, radius: f64::INFINITY, filter: Everything }
    }
}

impl<F: Filter> Recall for Exact<F> {
    /// Keys may be of any length.
    fn looks_at(&self, index: &Index) -> usize {
        if self.filter.is_open() { Sizes::of(index).scan() } else { usize::MAX }
    }

    fn recall(&self, index: &Pinned, query: &Query, scratch: &mut Scratch, hits: &mut Vec<Hit>) {
        compare_all(index, query, (self.k, self.radius), &self.filter, scratch, hits);
    }
}

/// The `k` nearest rows of a list that are no farther than `radius`. What has become of the rows since they were listed
/// plays no part: the answer is that of the moment at which they lived. Who lists them is inside the index by then.
#[derive(Clone, Debug)]
pub struct Listed {
    /// How many at most.
    pub k: usize,
    /// The greatest distance, as the metric reports it; infinity for any.
    pub radius: f64,
    /// The rows, each once.
    pub rows: Vec<RowId>,
}

impl Recall for Listed {
    fn looks_at(&self, index: &Index) -> usize {
        Sizes::of(index).rows(self.rows.len())
    }

    fn recall(&self, index: &Pinned, query: &Query, scratch: &mut Scratch, hits: &mut Vec<Hit>) {
        reached(Mark::ListCompared);
        let best = Closest::new(self.k.min(self.rows.len()), scratch);
        let mut accepted = Accepted { best, index, radius: self.radius, filter: &Everything };
        index.compare(query, &self.rows, &mut accepted);
        accepted.best.finish(self.k, index, scratch, hits);
    }
}

/// Gathers what is accepted and near enough, as far as that can be among the nearest.
struct Accepted<'a, F> {
    best: Closest,
    index: &'a Index,
    radius: f64,
    filter: &'a F,
}

impl<F: Filter> Gather for Accepted<'_, F> {
    fn admits(&self, row: Met<'_>) -> bool {
        self.filter.is_open() || self.filter.accepts(row.key())
    }

    fn meet(&mut self, near: Near, _: Met<'_>) {
        if !self.best.excludes(near) && is_within(self.index, near, self.radius) {
            self.best.offer(near);
        }
    }

    fn follows(&self, near: Near) -> bool {
        !self.best.excludes(near)
    }
}

/// Answers by looking at every living row.
pub(super) fn compare_all<F: Filter>(
    index: &Index,
    query: &Query,
    (k, radius): (usize, f64),
    filter: &F,
    scratch: &mut Scratch,
    hits: &mut Vec<Hit>,
) {
    // Not cut to the number of rows: some may come before the scan looks.
    let best = Closest::new(k, scratch);
    let mut accepted = Accepted { best, index, radius, filter };
    index.scan(query, &mut accepted);
    accepted.best.finish(k, index, scratch, hits);
}

/// Whether a row is no farther than `radius`, as the metric reports it.
pub(super) fn is_within(index: &Index, near: Near, radius: f64) -> bool {
    radius == f64::INFINITY || f64::from(index.hit(near).distance) <= radius
}
