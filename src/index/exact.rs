//! The exact scan: the oracle of every other search, and the faster way where few rows live.

use super::Hit;
use super::graph::Index;
use super::query::Query;
use super::scratch::Scratch;

impl Index {
    /// The `k` living rows nearest to `query`, nearest first, ties broken by row: every one of them is compared.
    pub fn exact(&self, query: &Query, k: usize, scratch: &mut Scratch, hits: &mut Vec<Hit>) {
        let inside = self.inside();
        let view = inside.view();
        let target = query.target();
        scratch.best.begin(k.min(view.count() as usize));
        let best = &mut scratch.best;
        inside.places.taken(view.count()).filter(|row| view.lives(*row)).for_each(|row| {
            best.offer(view.near(target, row));
        });
        self.answer(k, scratch, hits);
    }
}
