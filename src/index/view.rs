//! An index at one moment: which rows there are, which of them live, and how far they are.

use std::sync::atomic::{AtomicU32 as Cell, Ordering};

use super::Config;
use super::cells::Cells;
use super::codes::CodedQuery;
use super::coding::{ADD, Coding, FACTOR, TERM};
use super::epochs::Inside;
use super::graph::{FAR_TERM, Index};
use super::near::Near;
use super::query::{Query, Target};
use super::rows::Published;
use crate::base::mark::{Mark, reached};
use crate::base::sync::point;
use crate::kernels::{Code, Kernels};

/// Rows that are compared at once.
const BATCH: usize = 32;

/// The index as it was at one moment, as far as rows go, in one form. Everything that reads rows goes through one, and is
/// inside the index for as long.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) index: &'a Index,
    pub(super) coding: &'a Coding,
    rows: Published<'a>,
    moment: u32,
}

/// How distances are measured on the way through the graph.
#[derive(Clone, Copy)]
pub(super) enum Measure<'q> {
    /// On the rows themselves.
    Exact(Target<'q>),
    /// By their codes.
    Coded(Code, &'q CodedQuery),
}

impl Inside<'_> {
    /// The index now, for whoever walks the graph: `fresh` gets the rows that a walk cannot come to since they are not
    /// linked yet.
    pub(super) fn view_with(&self, fresh: &mut Vec<u32>) -> View<'_> {
        // The floor first: a row below it was linked before, a row above is looked at one by one.
        let floor = self.floor.load();
        let view = self.view();
        // Here another thread may link some of them, below rows that come only now.
        point("fresh");
        fresh.clear();
        fresh.extend(self.unlinked(floor, view.count()));
        // And the rows to walk on last: what was linked by then hangs below rows that were there by then.
        View { rows: self.rows.published(), ..view }
    }
}

impl Index {
    /// Rows that are not linked, dead ones too, of the first `rows`; some may be linked by now. The floor has been read
    /// before the rows were counted.
    pub(super) fn unlinked(&self, floor: u32, rows: u32) -> impl Iterator<Item = u32> {
        let new = (floor..rows).filter(|row| !self.linked(*row));
        self.pending.rows().filter(move |row| *row < floor).chain(new)
    }
}

/// `row`, whose code gave this sum and which has these words of `hot`, and how far it is.
#[inline]
fn coded_near(query: &CodedQuery, sum: i32, row: u32, hot: &[Cell]) -> Near {
    let share = |word: usize| f32::from_bits(hot[word].load(Ordering::Acquire));
    Near::new(query.distance(sum, share(ADD), share(FACTOR)), row)
}

impl<'a> View<'a> {
    /// The index now. Only for who is inside for as long as this is there.
    pub(super) fn new(index: &'a Index) -> Self {
        let coding = index.coding.get();
        // The moment first: the rows that were there by then are counted among the rows.
        let moment = index.moment.load();
        Self { index, coding, rows: index.rows.published(), moment }
    }

    /// How many rows it sees; they are `0..count`.
    #[inline]
    pub(super) fn count(&self) -> u32 {
        self.rows.count()
    }

    /// A row's padded vector.
    #[inline]
    pub(super) fn row(&self, row: u32) -> &'a [f32] {
        self.rows.row(row)
    }

    /// A row's code; only where rows have codes.
    #[inline]
    pub(super) fn code(&self, row: u32) -> &'a [u8] {
        assert!(row < self.count(), "only published rows are read");
        self.coding.code(row)
    }

    /// True when the row was there at the view's moment, and alive.
    #[inline]
    pub(super) fn lives(&self, row: u32) -> bool {
        // The death first: a row in an earlier one's place is born before that one's death is forgotten.
        self.coding.lived_after(row, self.moment) && self.coding.came_before(row, self.moment)
    }

    /// How many rows had been inserted or removed.
    pub(super) fn moment(&self) -> u32 {
        self.moment
    }

    /// `row` as something to measure from.
    pub(super) fn target(&self, row: u32) -> Target<'a> {
        let (terms, word) = self.terms();
        Target { vector: self.row(row), term: f32::from_bits(terms.get(row, word)) }
    }

    /// Where terms are, and which word of a row's they are there.
    #[inline]
    fn terms(&self) -> (&'a Cells, usize) {
        if self.coding.coder.is_some() { (&self.index.cold, FAR_TERM) } else { (&self.coding.hot, TERM) }
    }

    /// How distances from `query` are measured on the way through the graph. A query that was made for another form is made
    /// for this one in `coded`.
    pub(super) fn measure<'q>(&self, query: &'q Query, coded: &'q mut CodedQuery) -> Measure<'q> {
        match &self.coding.coder {
            None => Measure::Exact(query.target()),
            Some(coder) if coder.made(&query.coded) => Measure::Coded(coder.code(), &query.coded),
            Some(coder) => {
                reached(Mark::QueryCodedAnew);
                coder.query(query.target().vector, coded);
                Measure::Coded(coder.code(), coded)
            }
        }
    }

    /// How distances from a row are measured where an estimate will do.
    pub(super) fn measure_row<'q>(&self, row: u32, coded: &'q mut CodedQuery) -> Measure<'q>
    where
        'a: 'q,
    {
        let Some(coder) = &self.coding.coder else { return Measure::Exact(self.target(row)) };
        coder.query_of_row(self.code(row), self.coding.share(row), coded);
        Measure::Coded(coder.code(), coded)
    }

    /// `row` and how far it is.
    pub(super) fn near_by(&self, measure: Measure<'_>, row: u32) -> Near {
        match measure {
            Measure::Exact(target) => self.near(target, row),
            Measure::Coded(code, query) => {
                let mut sum = [0];
                self.index.config.kernels.code_dots(code, &query.elements, &[self.code(row)], &mut sum);
                coded_near(query, sum[0], row, self.coding.hot.group(row))
            }
        }
    }

    /// Each of `rows` and how far it is, in their order. All that is needed of some rows is asked for before the first of
    /// them is compared.
    #[inline]
    pub(super) fn nears(&self, measure: Measure<'_>, rows: impl Iterator<Item = u32>, out: &mut Vec<Near>) {
        match measure {
            Measure::Exact(target) => self.exact_nears(target, rows, out),
            Measure::Coded(code, query) => self.coded_nears(code, query, rows, out),
        }
    }

    #[inline]
    fn coded_nears(
        &self,
        code: Code,
        query: &CodedQuery,
        mut rows: impl Iterator<Item = u32>,
        out: &mut Vec<Near>,
    ) {
        let (mut numbers, mut sums) = ([0; BATCH], [0; BATCH]);
        let (mut codes, mut facts) = ([&[][..]; BATCH], [&[][..]; BATCH]);
        out.clear();
        loop {
            let mut len = 0;
            for row in rows.by_ref().take(BATCH) {
                numbers[len] = row;
                codes[len] = self.code(row);
                facts[len] = self.coding.hot.group(row);
                Kernels::prefetch(&facts[len][..1]);
                Kernels::prefetch(codes[len]);
                len += 1;
            }
            self.index.config.kernels.code_dots(code, &query.elements, &codes[..len], &mut sums[..len]);
            out.extend((0..len).map(|at| coded_near(query, sums[at], numbers[at], facts[at])));
            if len < BATCH {
                return;
            }
        }
    }

    /// Each of `rows` and its distance from `target`, in their order.
    #[inline]
    pub(super) fn exact_nears(
        &self,
        target: Target<'_>,
        mut rows: impl Iterator<Item = u32>,
        out: &mut Vec<Near>,
    ) {
        let Config { metric, kernels, .. } = &self.index.config;
        let (terms, word) = self.terms();
        let (mut vectors, mut numbers, mut distances) = ([&[][..]; BATCH], [0; BATCH], [0.0; BATCH]);
        out.clear();
        loop {
            let mut len = 0;
            for row in rows.by_ref().take(BATCH) {
                numbers[len] = row;
                vectors[len] = self.row(row);
                Kernels::prefetch(vectors[len]);
                distances[len] = f32::from_bits(terms.get(row, word));
                len += 1;
            }
            metric.distances(kernels, target.vector, target.term, &vectors[..len], &mut distances[..len]);
            out.extend((0..len).map(|at| Near::new(distances[at], numbers[at])));
            if len < BATCH {
                return;
            }
        }
    }

    /// `row` and how far it is from `target`.
    #[inline]
    pub(super) fn near(&self, target: Target<'_>, row: u32) -> Near {
        let Target { vector, term } = self.target(row);
        let Config { metric, kernels, .. } = &self.index.config;
        Near::new(metric.distance(kernels, target.vector, target.term, vector, term), row)
    }
}
