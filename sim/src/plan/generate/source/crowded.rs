//! What many ask of one index at the same time.

use engram::base::rng::Rng;

use super::super::{Op, pick};
use super::Source;

impl Source {
    fn crowded(&self) -> String {
        format!("c{}:v0", self.client)
    }

    pub(in super::super) fn new_index(&self) -> Op {
        Op::NewIndex { key: self.crowded(), dim: self.dim, metric: self.metric }
    }

    pub(in super::super) fn insert(&mut self, rng: &mut Rng, elements: u64) -> Op {
        let element = format!("e{}", rng.below(elements));
        Op::Add { key: self.crowded(), element, vector: self.vector(rng) }
    }

    pub(in super::super) fn removal(&self, rng: &mut Rng, elements: u64) -> Op {
        Op::Remove { key: self.crowded(), element: format!("e{}", rng.below(elements)) }
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
        }
    }
}
