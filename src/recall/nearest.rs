//! The nearest neighbours of a vector: through the graph, or by comparing every row where that costs less.

use super::Recall;
use super::brief::Sizes;
use crate::base::mark::{Mark, reached};
use crate::index::{Hit, Index, Pinned, Query, Scratch};

/// Default of [`Nearest::exact_below`].
pub const EXACT_BELOW: usize = 1_000;

/// Rows that a walk compares for each one of its width, on ordinary data with `M` 16.
pub(super) const COMPARED: usize = 8;

/// The `k` nearest rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// How many.
    pub k: usize,
    /// Width of the walk through the graph; at least `k` is used.
    pub ef: usize,
    /// With fewer living rows than this every row is compared, and also wherever a walk would compare as many. Zero:
    /// always through the graph.
    pub exact_below: usize,
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Every living row is compared: the answer is right.
    Exact,
    /// The graph is walked.
    Graph,
}

impl Nearest {
    /// The `k` nearest by a walk of width `ef`, or exactly where that is cheap.
    #[must_use]
    pub fn new(k: usize, ef: usize) -> Self {
        Self { k, ef, exact_below: EXACT_BELOW }
    }

    /// How it would be answered on an index with `live` living rows of `rows` that a walk can come to. The walk passes through dead rows as
    /// well, the scan does not compare them.
    #[must_use]
    pub fn way(&self, live: usize, rows: usize) -> Way {
        if self.exact_below == 0 {
            return Way::Graph;
        }
        let (width, live_rows) = (self.ef.max(self.k) as u128, live as u128);
        // Of what a walk compares, the share that lives is `live / rows`.
        let walk = (width * COMPARED as u128).saturating_mul(rows as u128);
        if live < self.exact_below || live_rows * live_rows <= walk { Way::Exact } else { Way::Graph }
    }
}

impl Recall for Nearest {
    fn looks_at(&self, index: &Index) -> usize {
        let sizes = Sizes::of(index);
        match self.way(index.live(), index.held()) {
            Way::Exact => sizes.scan(),
            Way::Graph => sizes.walk(self.ef.max(self.k), self.k),
        }
    }

    fn recall(&self, index: &Pinned, query: &Query, scratch: &mut Scratch, hits: &mut Vec<Hit>) {
        match self.way(index.live(), index.held()) {
            Way::Exact => {
                reached(Mark::ScanChosen);
                index.exact(query, self.k, scratch, hits);
            }
            Way::Graph => {
                reached(Mark::GraphChosen);
                index.search(query, self.k, self.ef, scratch, hits);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{Config, L2, Quant, Writer};
    use crate::kernels::Kernels;

    #[test]
    fn few_living_rows_are_compared_and_many_are_walked() {
        let nearest = Nearest::new(10, 100);
        assert_eq!(nearest.way(999, 999), Way::Exact);
        assert_eq!(nearest.way(100_000, 100_000), Way::Graph);
        assert_eq!(nearest.way(5_000, 1_000_000), Way::Exact, "the walk would wade through the dead");
        assert_eq!(Nearest::new(50_000, 1).way(100_000, 100_000), Way::Exact, "the walk would see them all");
        assert_eq!(Nearest { exact_below: 0, ..nearest }.way(1, 1), Way::Graph);
        assert_eq!(Nearest::new(usize::MAX, usize::MAX).way(usize::MAX, usize::MAX), Way::Exact);
    }

    #[test]
    fn both_ways_give_the_same_answer_on_a_small_index() {
        let config = Config {
            dim: 2,
            metric: &L2,
            quant: Quant::F32,
            m: 4,
            ef_construction: 20,
            seed: 3,
            kernels: Kernels::best(),
        };
        let mut writer = Writer::new(config);
        let (mut scratch, mut a, mut b) = (Scratch::new(), Vec::new(), Vec::new());
        for n in 0..50_u8 {
            let row = writer.insert(&[n], &[f32::from(n % 7), f32::from(n)]).unwrap().row;
            writer.index().link(row, &mut scratch);
        }
        let query = writer.index().query(&[3.0, 20.5]);
        Nearest::new(5, 50).recall(&writer.index().pin(), &query, &mut scratch, &mut a);
        Nearest { exact_below: 0, k: 5, ef: 50 }.recall(&writer.index().pin(), &query, &mut scratch, &mut b);
        assert_eq!(a, b);
        assert_eq!(a.len(), 5);
    }
}
