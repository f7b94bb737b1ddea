//! What retrieval primitives are made of: walking the graph and scanning rows for whoever gathers them.
//!
//! A primitive says by a [`Gather`] which rows it wants and how far it looks; [`Index::walk`], [`Index::scan`] and
//! [`Index::compare`] bring it living rows with their distances. Every distance is the metric's own.
//!
//! Like a search, each call answers for the rows that were published when it began, linked or not, and takes no lock.
//! Whether a walk meets every row that is wanted is a matter of the data and of how far the gatherer follows; one that
//! follows everything meets every row.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::graph::{Index, links};
use super::near::Near;
use super::query::Query;
use super::scratch::Scratch;
use super::view::{Measure, View};
use super::{Hit, RowId};
use crate::base::mark::{Mark, reached};
use crate::base::sync::point;

/// Rows between two scheduling points of a scan.
const STRIDE: usize = 256;

/// Who gathers rows.
pub trait Gather {
    /// Whether a living row can be wanted at all, however near it is. A scan measures no other.
    fn admits(&self, row: Met<'_>) -> bool;

    /// A living row and how far it is, once a call. A walk brings rows that are not admitted, too: they may be worth
    /// measuring by.
    fn meet(&mut self, near: Near, row: Met<'_>);

    /// Whether a row so far away is worth passing through: a walk ends at the first candidate that is not. Where this
    /// is false, it is false for everything farther, and stays so.
    fn follows(&self, near: Near) -> bool;
}

/// A row that somebody gathers.
#[derive(Clone, Copy, Debug)]
pub struct Met<'a> {
    index: &'a Index,
    row: u32,
}

impl<'a> Met<'a> {
    /// A row that the caller is inside to read, for as long as this lasts.
    pub(super) fn new(index: &'a Index, row: u32) -> Self {
        Self { index, row }
    }

    /// Its number.
    #[must_use]
    pub fn id(self) -> RowId {
        RowId(self.row)
    }

    /// Its key.
    #[must_use]
    pub fn key(self) -> &'a [u8] {
        self.index.keys.get(self.row)
    }

    /// Its vector.
    #[must_use]
    pub fn vector(self) -> &'a [f32] {
        &self.index.rows.published().row(self.row)[..self.index.config.dim]
    }
}

/// What a walk needs beside the marks: kept in [`Scratch`].
#[derive(Debug, Default)]
pub(super) struct Frontier {
    /// Rows whose links were not followed yet, nearest on top.
    candidates: BinaryHeap<Reverse<Near>>,
    /// Heaps that nobody has borrowed.
    heaps: Vec<BinaryHeap<Near>>,
}

impl Scratch {
    /// An empty heap with room from earlier uses; to be given back.
    #[must_use]
    pub fn lend(&mut self) -> BinaryHeap<Near> {
        self.frontier.heaps.pop().unwrap_or_default()
    }

    /// Takes a heap back.
    pub fn give_back(&mut self, mut heap: BinaryHeap<Near>) {
        heap.clear();
        self.frontier.heaps.push(heap);
    }
}

impl Index {
    /// Walks the graph from where searches for `query` begin, nearest candidates first, as far as `gather` follows;
    /// then brings the rows that are not linked yet.
    ///
    /// False when it has measured `most` rows on the ground and there are more to follow: what was gathered is then
    /// nothing to rely on.
    pub fn walk<G: Gather + ?Sized>(
        &self,
        query: &Query,
        most: usize,
        gather: &mut G,
        scratch: &mut Scratch,
    ) -> bool {
        let inside = self.inside();
        let target = query.target();
        // What is gathered is measured on the rows, so the way there is, too.
        let (view, measure) = inside.enter(|_| Measure::Exact(target), scratch);
        if !spread(&view, measure, most, gather, scratch) {
            return false;
        }
        for (n, row) in scratch.fresh.iter().enumerate() {
            if n.is_multiple_of(STRIDE) {
                point("scan");
            }
            if scratch.visited.mark(*row) && view.lives(*row) {
                gather.meet(view.near(target, *row), Met::new(self, *row));
            }
        }
        true
    }

    /// Brings every living row that is admitted, in the order of insertion.
    pub fn scan<G: Gather + ?Sized>(&self, query: &Query, gather: &mut G) {
        let inside = self.inside();
        let view = inside.view();
        let target = query.target();
        inside.places.taken(view.count()).filter(|row| view.lives(*row)).for_each(|row| {
            let met = Met::new(self, row);
            if gather.admits(met) {
                gather.meet(view.near(target, row), met);
            }
        });
    }

    /// Brings these rows, dead or alive, which the caller is inside to read.
    pub(super) fn compare<G: Gather + ?Sized>(
        &self,
        query: &Query,
        rows: impl Iterator<Item = u32>,
        gather: &mut G,
    ) {
        let inside = self.inside();
        let view = inside.view();
        let target = query.target();
        for (n, row) in rows.enumerate() {
            if n.is_multiple_of(STRIDE) {
                point("scan");
            }
            gather.meet(view.near(target, row), Met::new(self, row));
        }
    }

    /// What a client is told of a row at that distance.
    #[must_use]
    pub fn hit(&self, near: Near) -> Hit {
        Hit { distance: self.config.metric.report(near.distance()), row: RowId(near.row()) }
    }
}

/// From the rows of `scratch.found`, brings the living rows that links of the ground layer lead to. The caller has begun
/// `visited`. False when `most` rows were measured before it came to an end.
fn spread<G: Gather + ?Sized>(
    view: &View<'_>,
    measure: Measure<'_>,
    most: usize,
    gather: &mut G,
    scratch: &mut Scratch,
) -> bool {
    let Scratch { visited, frontier: Frontier { candidates, .. }, found, nears, .. } = scratch;
    let index = view.index;
    let mut measured = 0;
    candidates.clear();
    for near in found.iter().copied().filter(|near| visited.mark(near.row())) {
        candidates.push(Reverse(near));
        if view.lives(near.row()) {
            gather.meet(near, Met::new(index, near.row()));
        }
    }
    while let Some(Reverse(nearest)) = candidates.pop() {
        if !gather.follows(nearest) {
            return true;
        }
        if measured > most {
            return false;
        }
        point("hop");
        nears.clear();
        let list =
            links(index.list(nearest.row(), 0)).filter(|row| *row < view.count() && visited.mark(*row));
        view.nears(measure, list.inspect(|_| measured += 1), nears);
        for near in nears.iter().copied() {
            if gather.follows(near) {
                candidates.push(Reverse(near));
                if view.lives(near.row()) {
                    gather.meet(near, Met::new(index, near.row()));
                }
            }
        }
    }
    reached(Mark::WalkExhausted);
    true
}
