//! Algorithm 1: linking a published row into the graph. Several threads do it at once.
//!
//! A row is searched for and its own lists are written while nobody can see it. Then it is adopted: its parent's
//! list takes it, and from that moment on it can be found for good. Then the other neighbours link back. Two rows
//! that are linked at the same time cannot both have found each other, since both finish searching before either
//! can be seen; so a list never names a row twice.

use std::sync::atomic::{AtomicU32, Ordering};

use super::epochs::Inside;
use super::graph::{CLAIMED, Index, KEPT, LINKED, PARENT, PLACE, STATE, SWEPT, kept, links};
use super::scratch::{Linking, Scratch};
use super::search::{Accept, walk};
use super::view::{Measure, View};
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
    /// left. Until this has been called a dead row keeps its place.
    ///
    /// A row that is dead by now is linked like others: a search that has begun before it died may want it, and may have
    /// found that it need not look at it by itself.
    ///
    /// Panics on a number that no row has.
    pub fn link(&self, row: RowId, scratch: &mut Scratch) {
        self.inside().link_row(row, scratch);
    }

    /// Leaves a dead row out of the graph that nobody can have met, unless it was linked: it is as one that was swept, and is
    /// returned.
    pub(super) fn leave_out(&self, row: u32) -> Option<u32> {
        let state = self.cold.get(row, STATE);
        if state & LINKED != 0 {
            return None;
        }
        assert!(state & (CLAIMED | SWEPT) == 0, "a row is left out that nobody links");
        reached(Mark::DiedUnlinked);
        if let Some(place) = (state >> PLACE).checked_sub(1) {
            self.pending.take(place);
        }
        self.key_bytes.fetch_sub(self.keys.clear(row) as u64);
        self.cold.set(row, STATE, CLAIMED | LINKED | SWEPT);
        self.places.give_back(row);
        self.sweep.left_out();
        let _settling = self.settling.lock();
        self.raise_floor();
        Some(row)
    }

    /// Raises the floor over all rows that are linked. Under the settling lock.
    fn raise_floor(&self) {
        // Counted in here: others may have linked rows that were published while this thread waited.
        let rows = self.rows() as u32;
        let floor = self.floor.load();
        let raised = (floor..rows).find(|row| !self.linked(*row)).unwrap_or(rows);
        if raised > floor {
            self.floor.store(raised);
        }
    }

    /// Whether the row can be found for good: it is the root, or its parent's list has it.
    pub(super) fn is_adopted(&self, row: u32) -> bool {
        let has = |parent| kept(self.list(parent, 0)).any(|child| child == row);
        self.root() == Some(row) || self.parent(row).is_some_and(has)
    }
}

impl Inside<'_> {
    fn link_row(&self, RowId(row): RowId, scratch: &mut Scratch) {
        let view = self.view();
        assert!(row < view.count(), "only published rows are linked");
        if self.cold.group(row)[STATE].fetch_or(CLAIMED, Ordering::AcqRel) & CLAIMED != 0 {
            return;
        }
        let mut claim = Claim { index: self, row, done: false };
        if self.is_adopted(row) {
            reached(Mark::LinkResumed);
            self.sweep.resumed();
            self.take_up(row, scratch);
            self.link_back(row, scratch);
        } else if !self.settle_as_root(row) {
            self.choose(&view, row, scratch);
            self.adopt(row, scratch);
            self.link_back(row, scratch);
        }
        self.settle(row);
        claim.done = true;
    }

    /// Chooses as neighbours of an adopted row those that its lists name already.
    fn take_up(&self, row: u32, scratch: &mut Scratch) {
        let chosen = &mut scratch.linking.chosen;
        chosen.iter_mut().for_each(Vec::clear);
        chosen.resize_with(chosen.len().max(self.level(row) + 1), Vec::new);
        for (layer, chosen) in chosen.iter_mut().enumerate().take(self.level(row) + 1) {
            let there: Vec<u32> = links(self.list(row, layer)).collect();
            // After the list was read: others may have linked rows to this one that came after it was broken off.
            let view = self.view();
            chosen.extend(there.into_iter().map(|near| view.near(view.target(row), near)));
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
        let measure = match &view.coding.coder {
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
            select::neighbours(view, row, &scratch.found, self.config.m, linking, &mut chosen);
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
            let mut near = nearest.clone().find(|near| !self.condemned(*near));
            let mut draw = u64::from(row);
            while !self.adopt_below(near.take(), &mut draw, row, linking) && !self.crown(row) {}
        }
        linking.chosen[0] = chosen;
    }

    /// Gives the row a parent somewhere below `from`, or below the root; false when that is being swept, or there is none.
    fn adopt_below(&self, from: Option<u32>, draw: &mut u64, row: u32, linking: &mut Linking) -> bool {
        let root = || self.root().filter(|root| !self.condemned(*root));
        let Some(mut parent) = from.or_else(root) else { return false };
        // The rows that are not being swept are a tree of their own below each of them that has no room: the way down
        // ends.
        while !self.adopt_under(parent, row, linking) {
            *draw = mix64(draw.wrapping_add(1));
            let children = self.children(parent, linking);
            if children.is_empty() {
                return false;
            }
            parent = children[(*draw % children.len() as u64) as usize];
        }
        true
    }

    /// Makes `row` a child of `parent` unless that is being swept or has too many already: half a list, so that the other
    /// half can follow the data.
    fn adopt_under(&self, parent: u32, row: u32, linking: &mut Linking) -> bool {
        if !self.has_room(parent, linking) {
            return false;
        }
        // The row cannot be seen yet, so its parent may still change. It must stand when the row can be seen.
        self.cold.set(row, PARENT, parent + 1);
        self.add(0, parent, row, KEPT, linking)
    }

    /// True for a row that may have one more child.
    pub(super) fn has_room(&self, parent: u32, linking: &mut Linking) -> bool {
        !self.condemned(parent) && self.children(parent, linking).len() < self.config.m
    }

    /// The children of `parent`, those excepted that are being swept.
    pub(super) fn children<'s>(&self, parent: u32, linking: &'s mut Linking) -> &'s [u32] {
        linking.links.clear();
        let children = kept(self.list(parent, 0));
        linking
            .links
            .extend(children.filter(|child| self.parent(*child) == Some(parent) && !self.condemned(*child)));
        &linking.links
    }

    /// Makes a row the root that has no parent and cannot be seen yet, above the one there is: for when nothing is left
    /// but what is being swept. False where there is another root.
    fn crown(&self, row: u32) -> bool {
        let _settling = self.settling.lock();
        let old = self.root();
        if old.is_some_and(|root| !self.condemned(root)) {
            return false;
        }
        self.cold.set(row, PARENT, 0);
        if let Some(old) = old {
            reached(Mark::CrownedOverDead);
            let list = self.list(row, 0);
            let place = list.iter().position(|link| link.load(Ordering::Acquire) == old + 1);
            list[place.unwrap_or(0)].store((old + 1) | KEPT, Ordering::Release);
            self.cold.set(old, PARENT, row + 1);
        } else {
            self.entry.store((self.level(row) as u64) << 32 | u64::from(row + 1));
        }
        self.set_root(Some(row));
        self.note_linked(row);
        true
    }

    /// The row can be found through the graph from now on. Under the settling lock.
    fn note_linked(&self, row: u32) {
        let state = &self.cold.group(row)[STATE];
        let before = state.fetch_or(LINKED, Ordering::AcqRel);
        self.sweep.note_linked();
        assert!(before & SWEPT == 0, "a row is linked before it is swept");
        if let Some(place) = (before >> PLACE).checked_sub(1) {
            state.fetch_and((1 << PLACE) - 1, Ordering::AcqRel);
            self.pending.take(place);
        }
    }

    /// Lets every chosen neighbour link back, the ground layer first.
    fn link_back(&self, row: u32, scratch: &mut Scratch) {
        let linking = &mut scratch.linking;
        for layer in 0..linking.chosen.len() {
            let chosen = std::mem::take(&mut linking.chosen[layer]);
            for near in &chosen {
                self.add(layer, near.row(), row, 0, linking);
            }
            linking.chosen[layer] = chosen;
        }
    }

    /// Adds `fresh` to the list of `owner` on `layer`, in the place of another link where the list is full. With
    /// [`KEPT`] it is added even where it is the farthest, and is kept; false means that there was no room for it, or that
    /// the owner is being swept.
    pub(super) fn add(&self, layer: usize, owner: u32, fresh: u32, keep: u32, linking: &mut Linking) -> bool {
        if self.condemned(owner) {
            reached(Mark::LinkToCondemned);
            return false;
        }
        let list = self.list(owner, layer);
        loop {
            let (there, free) = linking.read(list, fresh);
            let (place, before) = if let Some((place, word)) = there {
                if keep == 0 || word & KEPT != 0 {
                    reached(Mark::LinkThere);
                    return true;
                }
                (place, word)
            } else if let Some(free) = free {
                free
            } else {
                match select::victim(self, owner, fresh, keep != 0, linking) {
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
            if list[place].compare_exchange(before, (fresh + 1) | keep, success, failure).is_ok() {
                return true;
            }
            reached(Mark::LinkLost);
        }
    }

    /// Makes the row the root if there is none.
    fn settle_as_root(&self, row: u32) -> bool {
        let _settling = self.settling.lock();
        if self.root().is_some() {
            return false;
        }
        self.entry.store((self.level(row) as u64) << 32 | u64::from(row + 1));
        reached(Mark::RootMade);
        self.set_root(Some(row));
        self.note_linked(row);
        true
    }

    /// Marks the row as linked, makes it the entry point if it is the highest, and raises the floor over all rows
    /// that are linked.
    fn settle(&self, row: u32) {
        let level = self.level(row);
        let _settling = self.settling.lock();
        if self.in_graph(row) {
            if self.entry().is_none_or(|(_, top)| level > top) {
                reached(Mark::EntryRaised);
                self.entry.store((level as u64) << 32 | u64::from(row + 1));
            }
            self.sweep.settled(level, row);
        }
        self.note_linked(row);
        self.raise_floor();
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
        if index.is_adopted(row) {
            index.sweep.broken_off();
        } else {
            index.cold.set(row, PARENT, 0);
            let lists = (0..=index.level(row)).flat_map(|layer| index.list(row, layer));
            lists.for_each(|cell| cell.store(0, Ordering::Release));
        }
        index.cold.group(row)[STATE].fetch_and(!CLAIMED, Ordering::AcqRel);
    }
}

/// Where in a list, and the word that stands there.
type Place = (usize, u32);

impl Linking {
    /// Reads what `list` holds. Returns the place and the word of the link to `fresh`, and the first free place and its word.
    fn read(&mut self, list: &[AtomicU32], fresh: u32) -> (Option<Place>, Option<Place>) {
        let (mut there, mut free) = (None, None);
        self.links.clear();
        self.keeps.clear();
        for (place, cell) in list.iter().enumerate() {
            let word = cell.load(Ordering::Acquire);
            let Some(row) = (word & !KEPT).checked_sub(1) else {
                free = free.or(Some((place, word)));
                continue;
            };
            self.links.push(row);
            if word & KEPT != 0 {
                self.keeps.push(row);
            }
            if row == fresh {
                there = Some((place, word));
            }
        }
        (there, free)
    }
}
