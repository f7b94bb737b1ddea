//! What a walk and a scan will cost, reckoned in distances, from a look at a few rows.

use super::nearest::COMPARED;
use super::{Filter, Way};
use crate::index::{Pinned, Query};

/// Rows that are looked at.
const SAMPLE: usize = 128;
/// Keys looked at by a scan in the time of a distance.
const KEYS_A_DISTANCE: usize = 4;

/// What was seen of an index by looking at a few of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shares {
    /// Rows that live.
    pub(super) live: usize,
    /// All rows.
    pub(super) rows: usize,
    /// Living rows that were looked at.
    pub(super) seen: usize,
    /// Those of them that the filter accepts.
    pub(super) accepted: usize,
    /// Those of them that are near enough, whether they are accepted or not.
    pub(super) within: usize,
    /// Whether keys have to be looked at.
    pub(super) keyed: bool,
}

impl Shares {
    /// Looks at a few rows. `within` tells whether a reported distance is near enough; none where all are.
    pub(super) fn of<F: Filter>(
        index: &Pinned,
        query: &Query,
        filter: &F,
        within: Option<&dyn Fn(f32) -> bool>,
    ) -> Self {
        let (live, rows, keyed) = (index.live(), index.held(), !filter.is_open());
        let mut shares = Self { live, rows, seen: 0, accepted: 0, within: 0, keyed };
        for row in index.sample(SAMPLE) {
            shares.seen += 1;
            shares.accepted += usize::from(!keyed || filter.accepts(row.key()));
            let near = within.is_none_or(|within| within(index.hit(index.near(query, row.id())).distance));
            shares.within += usize::from(near);
        }
        shares
    }

    /// Distances that a scan costs: those of the rows that are accepted, and a look at the keys of all.
    pub(super) fn scan(&self) -> usize {
        let keys = if self.keyed { self.live / KEYS_A_DISTANCE } else { 0 };
        keys + self.part(self.live, self.accepted)
    }

    /// Distances that a walk costs which ends when it has gathered so many of the rows that live.
    pub(super) fn walk(&self, wanted: usize) -> usize {
        // Of what a walk compares, the share that lives is `live / rows`.
        let compared = wanted as u128 * COMPARED as u128 * self.rows as u128 / self.live.max(1) as u128;
        usize::try_from(compared).unwrap_or(usize::MAX)
    }

    /// The cheaper way, if a walk costs so many distances; a scan where fewer than `exact_below` live, and never where that
    /// is zero.
    pub(super) fn way(&self, exact_below: usize, walk: usize) -> Way {
        let is_cheaper = exact_below > 0 && (self.live < exact_below || self.scan() <= walk);
        if is_cheaper { Way::Exact } else { Way::Graph }
    }

    /// How many of `total` there are, if `some` were among those seen.
    pub(super) fn part(&self, total: usize, some: usize) -> usize {
        if self.seen == 0 { total } else { (total as u128 * some as u128 / self.seen as u128) as usize }
    }

    /// How many living rows hold `wanted` that are accepted; more than there are where none was seen.
    pub(super) fn holding(&self, wanted: usize) -> usize {
        let rows = wanted as u128 * self.seen.max(1) as u128;
        usize::try_from(rows.checked_div(self.accepted as u128).unwrap_or(u128::MAX)).unwrap_or(usize::MAX)
    }
}
