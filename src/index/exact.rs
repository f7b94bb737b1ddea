//! The exact scan: the oracle of every other search, and the faster way where few rows live.

use super::Hit;
use super::graph::Index;
use super::query::Query;
use super::scratch::Scratch;
use crate::base::sync::point;

/// Rows between two scheduling points.
const STRIDE: u32 = 256;

impl Index {
    /// The `k` living rows nearest to `query`, nearest first, ties broken by row: every row is compared.
    pub fn exact(&self, query: &Query, k: usize, scratch: &mut Scratch, hits: &mut Vec<Hit>) {
        let inside = self.inside();
        let view = inside.view();
        let target = query.target();
        scratch.best.begin(k.min(view.count() as usize));
        for row in 0..view.count() {
            if row % STRIDE == 0 {
                point("scan");
            }
            if view.lives(row) {
                scratch.best.offer(view.near(target, row));
            }
        }
        self.answer(k, scratch, hits);
    }
}
