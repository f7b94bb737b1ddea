//! Walking the graph: algorithms 2 and 5 of the paper, and the search that a client asks for.

use super::epochs::Inside;
use super::graph::{Index, links};
use super::near::Near;
use super::pool::Pool;
use super::query::{Query, Target};
use super::scratch::Scratch;
use super::view::{Measure, View};
use super::{Hit, RowId};
use crate::base::mark::{Mark, reached};
use crate::base::sync::point;
use crate::kernels::Kernels;

/// Width of a search's walk through the layers above the ground. On 30,000 x 384 a wider one finds no more, and at `ef` 80
/// costs a tenth of all comparisons.
const DESCENT: usize = 2;

/// Estimated rows that are measured at a time.
const RESCORED: usize = 8;

impl Index {
    /// The `k` living rows nearest to `query`, nearest first, as far as a walk of width `max(ef, k)` finds them; rows
    /// that are not linked yet are compared one by one. Fewer only where fewer live. Ties are broken by row.
    pub fn search(&self, query: &Query, k: usize, ef: usize, scratch: &mut Scratch, hits: &mut Vec<Hit>) {
        let inside = self.inside();
        let mut coded = std::mem::take(&mut scratch.coded);
        let (view, measure) = inside.enter(|view| view.measure(query, &mut coded), scratch);
        if ef < k {
            reached(Mark::EfRaised);
        }
        if !scratch.fresh.is_empty() {
            reached(Mark::FreshCompared);
        }
        let ef = ef.max(k).min(view.count() as usize);
        scratch.best.begin(ef);
        walk(&view, measure, 0, Accept::Living, scratch);
        for row in &scratch.fresh {
            if !scratch.visited.mark(*row) {
                reached(Mark::FreshMet);
            } else if view.lives(*row) {
                scratch.best.offer(view.near_by(measure, *row));
            }
        }
        if let Measure::Coded(..) = measure {
            let enough = if ef == view.count() as usize { ef } else { k };
            self.rescore(&view, query.target(), enough, scratch);
        }
        self.answer(k, scratch, hits);
        scratch.coded = coded;
    }

    /// Measures what the walk kept on the rows themselves, until no other row can be expected among the nearest `k`:
    /// one whose estimate is farther than the `k`-th by twice the largest error seen.
    pub(super) fn rescore(&self, view: &View<'_>, target: Target<'_>, k: usize, scratch: &mut Scratch) {
        let Scratch { best, found, nears, .. } = scratch;
        best.drain_sorted(found);
        best.begin(k);
        let mut error = 0.0_f32;
        for (number, estimates) in found.chunks(RESCORED).enumerate() {
            if number > 0
                && best.bound().is_some_and(|kth| estimates[0].distance() > kth.distance() + 2.0 * error)
            {
                break;
            }
            view.exact_nears(target, estimates.iter().map(|near| near.row()), nears);
            for (near, estimate) in nears.iter().zip(estimates) {
                error = error.max((near.distance() - estimate.distance()).abs());
                best.offer(*near);
            }
        }
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

    /// Goes from the entry point down to `layer`, excluded, by a walk of width `beam` on each layer, and leaves where
    /// it ended in `scratch.found`, nearest first.
    pub(super) fn descend(
        &self,
        view: &View<'_>,
        measure: Measure<'_>,
        layer: usize,
        beam: usize,
        scratch: &mut Scratch,
    ) {
        scratch.found.clear();
        // An entry point that is newer than the view is not for it; the root is.
        let Some((entry, top)) = self.entry() else { return };
        if entry >= view.count() {
            return reached(Mark::EntryNewer);
        }
        scratch.found.push(view.near_by(measure, entry));
        if top > layer {
            reached(Mark::LayersDescended);
        }
        for layer in (layer + 1..=top).rev() {
            scratch.visited.begin(view.count());
            scratch.best.begin(beam);
            walk(view, measure, layer, Accept::All, scratch);
            scratch.best.drain_sorted(&mut scratch.found);
        }
    }

    /// Adds the root to `scratch.found` if it is not there. A root that is newer than the view is not for it: the index
    /// had nothing in its graph when the view was taken.
    pub(super) fn seed_root(&self, view: &View<'_>, measure: Measure<'_>, scratch: &mut Scratch) {
        let is_new = |root: &u32| scratch.found.iter().all(|near| near.row() != *root);
        let root = self.root();
        if root.is_some_and(|root| root >= view.count()) {
            reached(Mark::RootNewer);
        }
        let root = self.root_within(view.count()).filter(is_new);
        scratch.found.extend(root.map(|root| view.near_by(measure, root)));
    }
}

impl Inside<'_> {
    /// The index now, with what a walk on the ground needs: `scratch.found` is where it starts, `scratch.fresh` are the rows
    /// that it cannot come to since they are not linked yet, and nothing has been visited.
    pub(super) fn enter<'m>(
        &self,
        measure: impl FnOnce(&View<'_>) -> Measure<'m>,
        scratch: &mut Scratch,
    ) -> (View<'_>, Measure<'m>) {
        let view = self.view_with(&mut scratch.fresh);
        let measure = measure(&view);
        self.descend(&view, measure, 0, DESCENT, scratch);
        self.seed_root(&view, measure, scratch);
        scratch.visited.begin(view.count());
        (view, measure)
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
pub(super) fn walk(
    view: &View<'_>,
    measure: Measure<'_>,
    layer: usize,
    accept: Accept,
    scratch: &mut Scratch,
) {
    let Scratch { visited, best, found, nears, .. } = scratch;
    let take = |near: Near, best: &mut Pool| {
        if accept == Accept::All || view.lives(near.row()) {
            best.offer(near);
        } else {
            reached(Mark::DeadMet);
            best.pass_through(near);
        }
    };
    for near in found.iter().copied().filter(|near| visited.mark(near.row())) {
        take(near, best);
    }
    while let Some(nearest) = best.follow() {
        point("hop");
        let fresh = links(view.index.list(nearest.row(), layer)).filter(|row| {
            let newer = *row >= view.count();
            if newer {
                reached(Mark::NewerPassedOver);
            }
            !newer && visited.mark(*row)
        });
        view.nears(measure, fresh, nears);
        for near in nears.iter().copied() {
            if !best.excludes(near) {
                Kernels::prefetch(view.index.list(near.row(), layer));
                take(near, best);
            }
        }
    }
}
