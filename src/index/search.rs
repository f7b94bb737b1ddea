//! Walking the graph: algorithms 2 and 5 of the paper, and the search that a client asks for.

use std::cmp::Reverse;

use super::graph::{Index, View, links};
use super::near::Near;
use super::query::{Query, Target};
use super::scratch::Scratch;
use super::{Hit, RowId};
use crate::base::sync::point;
use crate::kernels::Kernels;

/// Floats of a row that are asked for ahead; the hardware follows by itself.
const AHEAD: usize = 128;

impl Index {
    /// The `k` living rows nearest to `query`, nearest first, as far as a walk of width `max(ef, k)` finds them; rows
    /// that are not linked yet are compared one by one. Fewer only where fewer live. Ties are broken by row.
    pub fn search(&self, query: &Query, k: usize, ef: usize, scratch: &mut Scratch, hits: &mut Vec<Hit>) {
        // The floor first: a row below it was linked before this search, a row above is looked at one by one.
        let floor = self.floor.load();
        let view = self.view();
        let target = query.target();
        scratch.fresh.clear();
        scratch.fresh.extend((floor..view.count()).filter(|row| !self.linked(*row)));
        let ef = ef.max(k).min(view.count() as usize);
        scratch.visited.begin(view.count());
        scratch.best.begin(ef);
        if let Some(root) = self.root() {
            let entry = self.descend(&view, target, 1);
            scratch.found.clear();
            scratch.found.extend(entry.filter(|near| near.row() != root));
            scratch.found.push(view.near(target, root));
            walk(&view, target, 0, Accept::Living, scratch);
        }
        for row in &scratch.fresh {
            if scratch.visited.mark(*row) && view.lives(*row) {
                scratch.best.offer(view.near(target, *row));
            }
        }
        self.answer(k, scratch, hits);
    }

    /// Turns the best `k` of `scratch` into hits.
    pub(super) fn answer(&self, k: usize, scratch: &mut Scratch, hits: &mut Vec<Hit>) {
        scratch.best.drain_sorted(&mut scratch.found);
        hits.clear();
        hits.extend(scratch.found.iter().take(k).map(|near| Hit {
            distance: self.config.metric.report(near.distance()),
            row: RowId(near.row()),
        }));
    }

    /// Goes greedily from the entry point down to `layer`, excluded (algorithm 5, first loop). `None`
    /// where the view is older than the entry point.
    pub(super) fn descend(&self, view: &View<'_>, target: Target<'_>, layer: usize) -> Option<Near> {
        let (entry, top) = self.entry()?;
        if entry >= view.count() {
            return None;
        }
        let mut near = view.near(target, entry);
        for layer in (layer..=top).rev() {
            near = greedy(view, target, layer, near);
        }
        Some(near)
    }
}

/// The nearest row that improving steps lead to on `layer`: a walk of width one.
fn greedy(view: &View<'_>, target: Target<'_>, layer: usize, mut near: Near) -> Near {
    loop {
        point("hop");
        let list = view.index.list(near.row(), layer);
        let seen = links(list).filter(|row| *row < view.count());
        match seen.map(|row| view.near(target, row)).min() {
            Some(best) if best < near => near = best,
            _ => return near,
        }
    }
}

/// Which rows a walk returns. It passes through all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accept {
    /// Those that live.
    Living,
    /// Dead ones too.
    All,
}

/// Algorithm 2: from the rows of `scratch.found`, gathers in `scratch.best` the nearest that links on `layer` lead
/// to. The caller has begun `best` and `visited`. Rows newer than the view are passed over.
///
/// It ends when the nearest candidate is farther than all of a full `best`. Dead rows are candidates but take no
/// place among the best, so they cannot crowd out the living.
pub(super) fn walk(view: &View<'_>, target: Target<'_>, layer: usize, accept: Accept, scratch: &mut Scratch) {
    let Scratch { visited, candidates, best, found, batch, .. } = scratch;
    candidates.clear();
    for near in found.iter().copied().filter(|near| visited.mark(near.row())) {
        candidates.push(Reverse(near));
        if accept == Accept::All || view.lives(near.row()) {
            best.offer(near);
        }
    }
    while let Some(Reverse(nearest)) = candidates.pop() {
        if best.excludes(nearest) {
            break;
        }
        point("hop");
        batch.clear();
        for row in links(view.index.list(nearest.row(), layer)) {
            if row < view.count() && visited.mark(row) {
                let vector = view.row(row);
                Kernels::prefetch(&vector[..vector.len().min(AHEAD)]);
                batch.push(row);
            }
        }
        for row in batch.iter() {
            let near = view.near(target, *row);
            if !best.excludes(near) {
                candidates.push(Reverse(near));
                if accept == Accept::All || view.lives(*row) {
                    best.offer(near);
                }
            }
        }
    }
}
