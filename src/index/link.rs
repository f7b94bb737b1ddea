//! Algorithm 1: linking a published row into the graph. Several threads do it at once.
//!
//! A row is searched for and its own lists are written while nobody can see it. Then it is adopted: its parent's
//! list takes it, and from that moment on it can be found for good. Then the other neighbours link back. Two rows
//! that are linked at the same time cannot both have found each other, since both finish searching before either
//! can be seen; so a list never names a row twice.

use std::sync::atomic::Ordering;

use super::graph::{CLAIMED, Index, LINKED, Measure, PARENT, STATE, View, links};
use super::scratch::{Linking, Scratch};
use super::search::{Accept, walk};
use super::{RowId, select};
use crate::base::mark::{Mark, reached};
use crate::base::rng::mix64;
use crate::base::sync::point;

/// Width of the walk down to the row's highest layer. Wide, since a new row that misses the group it belongs to
/// splits that group for good; it costs a twentieth of the distances.
const BEAM: usize = 64;

impl Index {
    /// Links a row, so that searches reach it through the graph instead of comparing it one by one. To be called
    /// once for every row; a second call does nothing, unless the first has panicked: then it goes on with what that has
    /// left. A row that is dead by now is left out of the graph.
    ///
    /// Panics on a number that no row has.
    pub fn link(&self, row: RowId, scratch: &mut Scratch) {
        let RowId(row) = row;
        let view = self.view();
        assert!(row < view.count(), "only published rows are linked");
        if self.cold.group(row)[STATE].fetch_or(CLAIMED, Ordering::AcqRel) & CLAIMED != 0 {
            return;
        }
        let mut claim = Claim { index: self, row, done: false };
        if self.is_adopted(row) {
            reached(Mark::LinkResumed);
            self.take_up(&view, row, scratch);
            self.link_back(row, scratch);
        } else if !view.lives(row) {
            reached(Mark::DiedUnlinked);
        } else if !self.settle_as_root(row) {
            self.choose(&view, row, scratch);
            self.adopt(row, scratch);
            self.link_back(row, scratch);
        }
        self.settle(row);
        claim.done = true;
    }

    /// Whether the row can be found for good: it is the root, or its parent's list has it.
    fn is_adopted(&self, row: u32) -> bool {
        let kept = |parent| links(self.list(parent, 0)).any(|child| child == row);
        self.root() == Some(row) || self.parent(row).is_some_and(kept)
    }

    /// Chooses as neighbours of an adopted row those that its lists name already.
    fn take_up(&self, view: &View<'_>, row: u32, scratch: &mut Scratch) {
        let chosen = &mut scratch.linking.chosen;
        chosen.iter_mut().for_each(Vec::clear);
        chosen.resize_with(chosen.len().max(self.level(row) + 1), Vec::new);
        for (layer, chosen) in chosen.iter_mut().enumerate().take(self.level(row) + 1) {
            chosen.extend(links(self.list(row, layer)).map(|near| view.near(view.target(row), near)));
        }
    }

    /// Finds the row's neighbours on each of its layers and writes its own lists, which nobody can see yet.
    fn choose(&self, view: &View<'_>, row: u32, scratch: &mut Scratch) {
        let level = self.level(row);
        let layers = scratch.linking.chosen.len().max(level + 1);
        scratch.linking.chosen.resize_with(layers, Vec::new);
        scratch.linking.chosen.iter_mut().for_each(Vec::clear);
        let target = view.target(row);
        let mut coded = std::mem::take(&mut scratch.linking.coded);
        let measure = match &self.coder {
            Some(coder) => {
                coder.query(target.vector, &mut coded);
                Measure::Coded(coder.code(), &coded)
            }
            None => Measure::Exact(target),
        };
        let top = self.entry().map_or(0, |(_, top)| top);
        self.descend(view, measure, level, self.config.ef_construction.min(BEAM), scratch);
        for layer in (0..=level.min(top)).rev() {
            if layer == 0 {
                self.seed_root(view, measure, scratch);
            }
            scratch.visited.begin(view.count());
            scratch.visited.mark(row);
            scratch.best.begin(self.config.ef_construction);
            walk(view, measure, layer, Accept::All, scratch);
            if let Measure::Coded(..) = measure {
                self.rescore(view, target, self.config.ef_construction, scratch);
            }
            scratch.best.drain_sorted(&mut scratch.found);
            let linking = &mut scratch.linking;
            let mut chosen = std::mem::take(&mut linking.chosen[layer]);
            select::neighbours(view, &scratch.found, self.config.m, linking, &mut chosen);
            for (cell, near) in self.list(row, layer).iter().zip(&chosen) {
                cell.store(near.row() + 1, Ordering::Release);
            }
            linking.chosen[layer] = chosen;
        }
        scratch.linking.coded = coded;
    }

    /// Gives the row a parent: the nearest chosen neighbour with room for a child, or the nearest candidate with
    /// room, or a row down the tree from the nearest.
    fn adopt(&self, row: u32, scratch: &mut Scratch) {
        let Scratch { found, linking, .. } = scratch;
        let chosen = std::mem::take(&mut linking.chosen[0]);
        let nearest = chosen.iter().chain(found.iter()).map(|near| near.row());
        let adopted = nearest.clone().any(|parent| self.adopt_under(parent, row, linking));
        if !adopted {
            reached(Mark::AdoptedFarAway);
            let Some(mut parent) = nearest.clone().next().or(self.root()) else {
                unreachable!("there is a root")
            };
            let mut draw = u64::from(row);
            // Children were adopted after their parents, so the way down ends at a row without any.
            while !self.adopt_under(parent, row, linking) {
                draw = mix64(draw.wrapping_add(1));
                let children = self.children(parent, linking);
                parent = children[(draw % children.len() as u64) as usize];
            }
        }
        linking.chosen[0] = chosen;
    }

    /// Makes `row` a child of `parent` unless that has too many already: half a list, so that the other half can
    /// follow the data.
    fn adopt_under(&self, parent: u32, row: u32, linking: &mut Linking) -> bool {
        if self.children(parent, linking).len() >= self.config.m {
            return false;
        }
        // The row cannot be seen yet, so its parent may still change. It must stand when the row can be seen.
        self.cold.set(row, PARENT, parent + 1);
        self.add(0, parent, row, true, linking)
    }

    /// The rows that `parent`'s list keeps for good.
    fn children<'s>(&self, parent: u32, linking: &'s mut Linking) -> &'s [u32] {
        linking.links.clear();
        linking.links.extend(links(self.list(parent, 0)).filter(|child| self.parent(*child) == Some(parent)));
        &linking.links
    }

    /// Lets every chosen neighbour link back, the ground layer first.
    fn link_back(&self, row: u32, scratch: &mut Scratch) {
        let linking = &mut scratch.linking;
        for layer in 0..linking.chosen.len() {
            let chosen = std::mem::take(&mut linking.chosen[layer]);
            for near in &chosen {
                self.add(layer, near.row(), row, false, linking);
            }
            linking.chosen[layer] = chosen;
        }
    }

    /// Adds `fresh` to the list of `owner` on `layer`, in the place of another link where the list is full. With
    /// `must` it is added even where it is the farthest; false means that there was no room for it.
    fn add(&self, layer: usize, owner: u32, fresh: u32, must: bool, linking: &mut Linking) -> bool {
        let list = self.list(owner, layer);
        loop {
            linking.links.clear();
            linking.links.extend(links(list));
            if linking.links.contains(&fresh) {
                reached(Mark::LinkThere);
                return true;
            }
            let free = linking.links.len();
            let (place, before) = if free < list.len() {
                (free, 0)
            } else {
                match select::victim(self, layer, owner, fresh, must, linking) {
                    Some(place) => {
                        reached(Mark::LinkReplaces);
                        (place, linking.links[place] + 1)
                    }
                    None => {
                        reached(Mark::LinkRefused);
                        return false;
                    }
                }
            };
            // Between looking and changing: here another thread may take the place.
            point("link");
            let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
            if list[place].compare_exchange(before, fresh + 1, success, failure).is_ok() {
                return true;
            }
            reached(Mark::LinkLost);
        }
    }

    /// Makes the row the root if there is none.
    fn settle_as_root(&self, row: u32) -> bool {
        let _settling = self.settling.lock();
        if self.root.load() != 0 {
            return false;
        }
        self.entry.store((self.level(row) as u64) << 32 | u64::from(row + 1));
        reached(Mark::RootMade);
        self.root.store(row + 1);
        self.cold.group(row)[STATE].fetch_or(LINKED, Ordering::AcqRel);
        true
    }

    /// Marks the row as linked, makes it the entry point if it is the highest, and raises the floor over all rows
    /// that are linked.
    fn settle(&self, row: u32) {
        let level = self.level(row);
        let _settling = self.settling.lock();
        // Counted in here: others may have linked rows that were published while this thread waited.
        let rows = self.view().count();
        let linked = self.parent(row).is_some();
        if linked && self.entry().is_none_or(|(_, top)| level > top) {
            reached(Mark::EntryRaised);
            self.entry.store((level as u64) << 32 | u64::from(row + 1));
        }
        self.cold.group(row)[STATE].fetch_or(LINKED, Ordering::AcqRel);
        let floor = self.floor.load();
        let raised = (floor..rows).find(|row| !self.linked(*row)).unwrap_or(rows);
        if raised > floor {
            self.floor.store(raised);
        }
    }
}

/// The claim of one thread on a row that it links. Where that panics the claim is given back, and of a row that nobody
/// can see yet nothing is left: another call may link it.
struct Claim<'a> {
    index: &'a Index,
    row: u32,
    done: bool,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let Self { index, row, done } = *self;
        if done {
            return;
        }
        if !index.is_adopted(row) {
            index.cold.set(row, PARENT, 0);
            let lists = (0..=index.level(row)).flat_map(|layer| index.list(row, layer));
            lists.for_each(|cell| cell.store(0, Ordering::Release));
        }
        index.cold.group(row)[STATE].fetch_and(!CLAIMED, Ordering::AcqRel);
    }
}
