//! The second pass: the root, the entry point and the living children of condemned rows.
//!
//! Parents are changed by adding: the new parent's list keeps the child before the child names it, and the old one's
//! list goes on keeping it until it is cleared. So whoever reads the one or the other parent finds the child there.

use super::super::epochs::Inside;
use super::super::graph::{KEPT, LINKED, PARENT, STATE, SWEPT, kept, links};
use super::super::near::Near;
use super::super::scratch::{Linking, Scratch};
use super::{ASKED, REHOMED, Work};
use crate::base::mark::{Mark, reached};
use crate::base::rng::mix64;
use crate::base::sync::point;

/// Steps up the tree after which a row is taken for one below the child.
const STEPS: usize = 256;
/// Rows that are asked to take a child in, far away, before the sweep is given up.
const TRIES: usize = 10_000;

impl Inside<'_> {
    /// Gives the root's and the entry point's part to rows that are not condemned. Under the settling lock.
    pub(super) fn hand_on(&self, work: &Work) {
        let Some(old) = self.root() else { return };
        let mut linking = Linking::default();
        if self.condemned(old) {
            match self.find_root(work, &mut linking) {
                Some(root) => {
                    reached(Mark::RootHandedOn);
                    // Below its parent it stays where it is, until lists are gone over.
                    self.cold.set(old, PARENT, root + 1);
                    self.set_root(Some(root));
                    self.cold.set(root, PARENT, 0);
                }
                None => {
                    reached(Mark::GraphEmptied);
                    self.sweep.emptied.store(true);
                    self.set_root(None);
                    return self.entry.store(0);
                }
            }
        }
        let Some((entry, _)) = self.entry() else { return };
        if self.condemned(entry) {
            reached(Mark::EntryHandedOn);
            if let Some((level, row)) = self.find_entry(work) {
                self.entry.store((level as u64) << 32 | u64::from(row + 1));
            }
        }
    }

    /// The highest row of the graph that is not condemned, and its level.
    fn find_entry(&self, work: &Work) -> Option<(usize, u32)> {
        let risen = self.sweep.risen.load();
        let risen = (risen > 0).then(|| ((risen >> 32) as usize - 1, risen as u32));
        let mut all = Vec::new();
        if risen.is_some_and(|(_, row)| self.condemned(row)) {
            // It died before the mark came to it: who is the highest of the others nobody knows.
            let rows = (0..self.rows() as u32).filter(|row| !self.condemned(*row) && self.in_graph(*row));
            all.extend(rows.filter(|row| self.linked(*row)).map(|row| (self.level(row), row)));
        } else {
            all.extend(work.heir.into_iter().chain(risen));
        }
        all.extend(self.root().map(|root| (self.level(root), root)));
        all.into_iter().max_by_key(|(level, _)| *level)
    }

    /// A row of the graph that is not condemned and now keeps the root.
    fn find_root(&self, work: &Work, linking: &mut Linking) -> Option<u32> {
        let old = self.root()?;
        let rows = work.heir.map_or(0, |(_, row)| row)..self.rows() as u32;
        let risen = self.sweep.risen.load();
        let risen = (risen > 0).then_some(risen as u32);
        if work.heir.is_none() && risen.is_none() {
            return None;
        }
        // From the heir on, and then those before it: the first has room as a rule.
        let all = risen.into_iter().chain(rows.clone()).chain(0..rows.start);
        all.into_iter().find(|row| {
            let state = self.cold.get(*row, STATE);
            state & LINKED != 0
                && state & SWEPT == 0
                && self.parent(*row).is_some()
                && self.has_room(*row, linking)
                && self.add(0, *row, old, KEPT, linking)
        })
    }

    pub(super) fn rehome_some(&self, work: &mut Work, budget: usize, scratch: &mut Scratch) {
        let linking = &mut scratch.linking;
        let mut left = budget;
        while work.at < work.end && left > 0 {
            let row = work.condemned[work.at as usize];
            left = left.saturating_sub(ASKED);
            // The list of a condemned row does not change.
            let children = kept(self.list(row, 0)).filter(|child| !work.is_condemned(*child));
            for child in children.filter(|child| self.parent(*child) == Some(row)) {
                point("sweep: rehome");
                // Under this lock a capture comes into being.
                let _settling = self.settling.lock();
                if self.sweep.is_captured() {
                    return;
                }
                if !self.rehome(child, work, linking) {
                    // The child stays where it is, and with it all that is condemned: nothing has been taken away yet.
                    return self.sweep.closed.store(true);
                }
                left = left.saturating_sub(REHOMED);
            }
            work.at += 1;
        }
    }

    /// Finds another parent for `child`: one of its own neighbours, the nearest first; or a forebear; or a row below one.
    /// False where there seems to be none: the lists of all may be full of condemned children.
    fn rehome(&self, child: u32, work: &Work, linking: &mut Linking) -> bool {
        let mut nears: Vec<Near> = Vec::new();
        {
            let rows: Vec<u32> = links(self.list(child, 0)).filter(|row| !work.is_condemned(*row)).collect();
            // After the list was read: it may name rows that have just come.
            let view = self.view();
            let mut coded = std::mem::take(&mut linking.coded);
            view.nears(view.measure_row(child, &mut coded), rows.into_iter(), &mut nears);
            linking.coded = coded;
            nears.sort_unstable();
        }
        for near in nears {
            if !self.is_below(near.row(), child) && self.rehome_under(near.row(), child, linking) {
                return true;
            }
        }
        reached(Mark::RehomedFarAway);
        let mut forebear = self.parent(child);
        while let Some(row) = forebear.filter(|row| work.is_condemned(*row)) {
            forebear = self.parent(row);
        }
        let mut draw = u64::from(child);
        let mut at = forebear;
        // A row that has no room has other children, which are not condemned, and below one of them there is room as a rule.
        for _ in 0..TRIES {
            let Some(row) = at.or(self.root()) else {
                unreachable!("a child that lives is in a graph that has a root")
            };
            if self.rehome_under(row, child, linking) {
                return true;
            }
            draw = mix64(draw.wrapping_add(1));
            let children = self.children(row, linking);
            let others = children.iter().filter(|other| **other != child).count();
            at = (others > 0)
                .then(|| {
                    let mut others = children.iter().filter(|other| **other != child);
                    others.nth((draw % others.clone().count() as u64) as usize).copied()
                })
                .flatten();
        }
        false
    }

    fn rehome_under(&self, parent: u32, child: u32, linking: &mut Linking) -> bool {
        if !self.has_room(parent, linking) || !self.add(0, parent, child, KEPT, linking) {
            return false;
        }
        self.cold.set(child, PARENT, parent + 1);
        true
    }

    /// True where `row` may be `child` or below it.
    fn is_below(&self, row: u32, child: u32) -> bool {
        let mut at = row;
        for _ in 0..STEPS {
            if at == child {
                return true;
            }
            match self.parent(at) {
                Some(parent) => at = parent,
                None => return false,
            }
        }
        true
    }
}
