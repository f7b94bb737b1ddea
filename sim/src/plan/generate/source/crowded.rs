//! What many ask of one index at the same time.

use std::sync::Arc;

use engram::base::rng::Rng;

use super::super::{Op, pick};
use super::Source;
use crate::plan::Among;

impl Source {
    pub(in super::super) fn crowded(&self) -> String {
        format!("c{}:v0", self.client)
    }

    pub(in super::super) fn new_index(&self) -> Op {
        Op::NewIndex { key: self.crowded(), dim: self.dim, metric: self.metric, quant: self.quant }
    }

    pub(in super::super) fn no_index(&self) -> Op {
        Op::Del(vec![self.crowded()])
    }

    pub(in super::super) fn insert(&mut self, rng: &mut Rng, elements: u64) -> Op {
        let element = format!("e{}", rng.below(elements));
        Op::Add { key: self.crowded(), element, vector: self.vector(rng) }
    }

    pub(in super::super) fn removal(&self, rng: &mut Rng, elements: u64) -> Op {
        Op::Remove { key: self.crowded(), element: format!("e{}", rng.below(elements)) }
    }

    /// The vector of an element that is named by a number beyond those of [`Self::insert`].
    pub(in super::super) fn insert_as(&mut self, rng: &mut Rng, number: usize) -> Op {
        Op::Add { key: self.crowded(), element: format!("e{}", 100 + number), vector: self.vector(rng) }
    }

    pub(in super::super) fn removal_of(&self, number: usize) -> Op {
        Op::Remove { key: self.crowded(), element: format!("e{}", 100 + number) }
    }

    /// A search; where it is `exact`, for every row.
    pub(in super::super) fn search_all(&mut self, rng: &mut Rng, exact: bool) -> Op {
        let mut search = self.wide_search(rng);
        if let Op::Search { k, exact: how, .. } = &mut search
            && exact
        {
            (*k, *how) = (1_000, true);
        }
        search
    }

    pub(in super::super) fn wide_search(&self, rng: &mut Rng) -> Op {
        let k = pick(rng, &[1, 10, 1_000]);
        Op::Search {
            key: self.crowded(),
            query: self.vector(rng),
            k,
            ef: Some(1_000),
            exact: false,
            vectors: false,
            among: Among::default(),
        }
    }

    /// One of those, maybe confined to some elements or to a distance.
    pub(in super::super) fn narrow_search(&mut self, rng: &mut Rng) -> Op {
        let search = self.wide_search(rng);
        self.narrowed(search, self.metric)
    }

    /// A row of its own in one of several groups that are far from one another.
    pub(in super::super) fn settler(&self, rng: &mut Rng, island: (u64, f32), row: u64) -> Op {
        Op::Add { key: self.crowded(), element: format!("e{row}"), vector: self.on_island(rng, island) }
    }

    /// A search for one row, or for all, as wide as that.
    pub(in super::super) fn island_search(&self, rng: &mut Rng, island: (u64, f32), k: usize) -> Op {
        let query = self.on_island(rng, island);
        let (key, among) = (self.crowded(), Among::default());
        Op::Search { key, query, k, ef: Some(k), exact: false, vectors: false, among }
    }

    /// One of those, maybe confined to some elements or to a distance.
    pub(in super::super) fn narrow_island_search(
        &mut self,
        rng: &mut Rng,
        island: (u64, f32),
        k: usize,
    ) -> Op {
        let search = self.island_search(rng, island, k);
        self.narrowed(search, self.metric)
    }

    /// On the island of that number, which is so wide.
    fn on_island(&self, rng: &mut Rng, (number, width): (u64, f32)) -> Arc<[f32]> {
        let mut place = Rng::stream(number, "island");
        (0..self.dim).map(|_| 200.0 * place.unit_f32() - 100.0 + width * rng.unit_f32()).collect()
    }
}
