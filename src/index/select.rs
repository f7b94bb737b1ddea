//! Algorithm 4: which candidates become links, and which link a full list gives up. Crowds of equal vectors are not in the paper.

use super::epochs::Inside;
use super::near::Near;
use super::scratch::Linking;
use super::view::View;

/// Splits `candidates`, nearest first, into those to keep, at most `limit`, and those pruned: a candidate is kept
/// when it is nearer to the centre than to everything kept before it. Once `limit` are kept the rest is in neither.
pub(super) fn spread(
    view: &View<'_>,
    candidates: &[Near],
    limit: usize,
    kept: &mut Vec<Near>,
    pruned: &mut Vec<Near>,
) {
    kept.clear();
    pruned.clear();
    for candidate in candidates {
        if kept.len() == limit {
            return;
        }
        let target = view.target(candidate.row());
        let apart = kept.iter().all(|other| candidate.distance() < view.near(target, other.row()).distance());
        if apart { kept.push(*candidate) } else { pruned.push(*candidate) }
    }
}

/// The neighbours of a new row: at most `limit` of `found`, nearest first. The living are spread out, then filled
/// up with the nearest that were pruned (`keepPrunedConnections`), then with the dead.
///
/// Rows with equal vectors are as good as one another. So half of the links suffice for those that equal `row`, or else they
/// would be all its links and lead nowhere else; and of equal ones elsewhere one is taken, the others only where room is left.
pub(super) fn neighbours(
    view: &View<'_>,
    row: u32,
    found: &[Near],
    limit: usize,
    linking: &mut Linking,
    out: &mut Vec<Near>,
) {
    let Linking { candidates, kept, pruned, twins, copies, dead, .. } = linking;
    [&mut *candidates, &mut *twins, &mut *copies, &mut *dead].into_iter().for_each(Vec::clear);
    let centre = found.first().map(|near| Near::new(near.distance(), row));
    let same = |as_this: Option<Near>, near| as_this.is_some_and(|this| equal(view, this, near));
    let mut last = None;
    // Asked once: a row may die while this goes on.
    for near in found {
        if !view.coding.lives_on(near.row()) {
            if !view.index.condemned(near.row()) {
                dead.push(*near);
            }
        } else if same(centre, *near) {
            twins.push(*near);
        } else if same(last, *near) {
            copies.push(*near);
        } else {
            last = Some(*near);
            candidates.push(*near);
        }
    }
    spread(view, candidates, limit, kept, pruned);
    let (some, more) = twins.split_at(twins.len().min(limit / 2));
    out.clear();
    let all = [some, kept, pruned, more, copies, dead];
    out.extend(all.into_iter().flatten().take(limit));
}

/// True for two rows with equal vectors, which are therefore as far from a third: where they are not, no vector is looked at.
fn equal(view: &View<'_>, a: Near, b: Near) -> bool {
    a.distance() == b.distance() && view.row(a.row()) == view.row(b.row())
}

/// The link that a full list of `owner` gives up for `fresh`: the farthest dead one, or else one of equal ones that are more
/// than half of them all, or else the farthest pruned one, or else the farthest. Never one that it keeps. `None` where it
/// should be `fresh` itself, or every link is a child; with `must`, `fresh` stays.
///
/// `linking.links` holds the list; where the answer stands in it is returned.
pub(super) fn victim(
    inside: &Inside<'_>,
    owner: u32,
    fresh: u32,
    must: bool,
    linking: &mut Linking,
) -> Option<usize> {
    // Made after the list was read: every row in it is published by now.
    let view = inside.view();
    let Linking { links, keeps, candidates, coded, .. } = linking;
    links.push(fresh);
    let measure = view.measure_row(owner, coded);
    view.nears(measure, links.iter().copied(), candidates);
    links.pop();
    candidates.sort_unstable();
    let may_go = |near: &&Near| {
        let row = near.row();
        !keeps.contains(&row) && (row != fresh || !must)
    };
    let dead = candidates.iter().rev().find(|near| may_go(near) && !view.lives(near.row()));
    // One that is nearer to another link than to the owner is reached by way of that.
    let occluded = |at: &usize| {
        let far = candidates[*at];
        let measure = view.measure_row(far.row(), coded);
        candidates[..*at].iter().any(|other| view.near_by(measure, other.row()).distance() < far.distance())
    };
    let half = candidates.len() / 2;
    // Equal ones lead to one another; without this, each that leads elsewhere would be given up for one of them.
    let crowd = || {
        let run = candidates.chunk_by(|a, b| a.distance() == b.distance()).find(|run| run.len() > half)?;
        let crowded = |near: &&Near| run.iter().filter(|other| equal(&view, **near, **other)).count() > half;
        run.iter().rev().filter(may_go).find(crowded)
    };
    let gone = dead.or_else(crowd).or_else(|| {
        let may = |at: &usize| may_go(&&candidates[*at]);
        let at = (0..candidates.len()).rev().filter(may).find(occluded);
        at.map(|at| &candidates[at]).or_else(|| candidates.iter().rev().find(may_go))
    })?;
    links.iter().position(|row| *row == gone.row())
}
