//! Algorithm 4: which candidates become links, and which link a full list gives up.

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
pub(super) fn neighbours(
    view: &View<'_>,
    found: &[Near],
    limit: usize,
    linking: &mut Linking,
    out: &mut Vec<Near>,
) {
    let Linking { candidates, kept, pruned, dead, .. } = linking;
    candidates.clear();
    dead.clear();
    // Asked once: a row may die while this goes on.
    for near in found {
        if view.coding.lives_on(near.row()) {
            candidates.push(*near);
        } else if !view.index.condemned(near.row()) {
            dead.push(*near);
        }
    }
    spread(view, candidates, limit, kept, pruned);
    out.clear();
    out.extend(kept.iter().chain(pruned.iter()).chain(dead.iter()).take(limit));
}

/// The link that a full list of `owner` gives up for `fresh`: the farthest dead one, or else the farthest pruned one, or
/// else the farthest. Never one that it keeps. `None` where it should be `fresh` itself, or
/// every link is a child; with `must`, `fresh` stays.
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
    let gone = dead.or_else(|| {
        let may = |at: &usize| may_go(&&candidates[*at]);
        let at = (0..candidates.len()).rev().filter(may).find(occluded);
        at.map(|at| &candidates[at]).or_else(|| candidates.iter().rev().find(may_go))
    })?;
    links.iter().position(|row| *row == gone.row())
}
