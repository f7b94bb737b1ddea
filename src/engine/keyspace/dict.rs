//! A hash table without pauses: it grows and shrinks a few buckets at a time, and can be walked while it does.
//!
//! The caller brings the hash, under a secret key if the items are foreign. No operation costs more than a short
//! chain and [`BUCKETS_PER_CHANGE`] moved buckets, plus, when the size changes, eight bytes per 512 buckets for the new
//! table's directory.
//!
//! While it moves, all hashes below a frontier live in the new table and all others in the old one, so every hash has
//! one bucket to look into. A scan goes in hash order and its cursor is a hash: whatever is there from the scan's start
//! to its end is met exactly once, however often the table grew and shrank meanwhile. The cursor is given out with its
//! bits reversed, which makes it a small number, since bucket bounds have only their top bits set; zero is both the
//! start and the end.

use super::table::{Chain, Node, Table};
use crate::base::mark::{Mark, reached};
use crate::base::rng::Rng;

/// Most buckets (counted in the larger table) that one insertion or removal moves.
pub(super) const BUCKETS_PER_CHANGE: usize = 8;
/// Buckets that a scan looks into, at most, for each item it was asked for.
const BUCKETS_PER_ITEM: usize = 10;
/// Buckets that a scan may look into however few items it was asked for: a small table is met in one call.
const LEAST_BUCKETS: usize = 1024;
/// Buckets tried for a random item before the table is walked from the last one.
const TRIES: usize = 100;

/// A table of items by hash.
pub(super) struct Dict<T> {
    /// Buckets of the smallest table, as a power of two.
    least: u32,
    table: Table<T>,
    growth: Option<Move<T>>,
    len: usize,
    #[cfg(test)]
    moved: u64,
}

/// A change of size under way.
struct Move<T> {
    to: Table<T>,
    /// Buckets already moved, counted in the smaller of the two tables.
    done: usize,
}

impl<T> Dict<T> {
    /// What one item takes, beside what it owns elsewhere.
    pub(super) const NODE_BYTES: usize = size_of::<Node<T>>();

    /// No items. The table never has fewer than two to the power of `least` buckets, which is at least two.
    pub(super) fn new(least: u32) -> Self {
        Self {
            least,
            table: Table::new(least),
            growth: None,
            len: 0,
            #[cfg(test)]
            moved: 0,
        }
    }

    /// Buckets of the smallest table, as a power of two.
    pub(super) fn least(&self) -> u32 {
        self.least
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// What the tables take, items excluded.
    pub(super) fn table_bytes(&self) -> usize {
        self.table.bytes() + self.growth.as_ref().map_or(0, |growth| growth.to.bytes())
    }

    /// Buckets moved since the beginning, counted in the larger table.
    #[cfg(test)]
    pub(super) fn moved(&self) -> u64 {
        self.moved
    }

    /// Buckets in the larger of the tables.
    #[cfg(test)]
    pub(super) fn buckets(&self) -> usize {
        self.table.buckets().max(self.growth.as_ref().map_or(0, |growth| growth.to.buckets()))
    }

    /// The item with this hash that `wanted` accepts.
    pub(super) fn find(&self, hash: u64, wanted: impl Fn(&T) -> bool) -> Option<&T> {
        let mut chain = self.place(hash).chain(hash);
        chain.find(|node| node.hash == hash && wanted(&node.item)).map(|node| &node.item)
    }

    /// The item with this hash that `wanted` accepts, to be changed; its hash must stay.
    pub(super) fn find_mut(&mut self, hash: u64, wanted: impl Fn(&T) -> bool) -> Option<&mut T> {
        let mut chain = self.place_mut(hash).chain_mut(hash)?.as_deref_mut();
        while let Some(node) = chain {
            if node.hash == hash && wanted(&node.item) {
                return Some(&mut node.item);
            }
            chain = node.next.as_deref_mut();
        }
        None
    }

    /// Adds an item; one that is equal to it must not be there.
    pub(super) fn insert(&mut self, hash: u64, item: T) {
        self.place_mut(hash).push(Box::new(Node { hash, next: None, item }));
        self.len += 1;
        self.resize();
    }

    /// Takes out the item with this hash that `wanted` accepts.
    pub(super) fn remove(&mut self, hash: u64, wanted: impl Fn(&T) -> bool) -> Option<T> {
        let chain = self.place_mut(hash).chain_mut(hash)?;
        let node = unlink(chain, |node| node.hash == hash && wanted(&node.item))?;
        self.len -= 1;
        self.resize();
        Some(node.item)
    }

    /// An item chosen by `rng`, nearly uniformly: items that share a bucket come a little more rarely.
    pub(super) fn random(&self, rng: &mut Rng) -> Option<&T> {
        if self.len == 0 {
            return None;
        }
        let bits = self.growth.as_ref().map_or(0, |growth| growth.to.bits()).max(self.table.bits());
        let same = |a: u64, b: u64| (a ^ b) >> (u64::BITS - bits) == 0;
        let mut at = 0;
        for _ in 0..TRIES {
            at = rng.next_u64();
            let chain = || self.place(at).chain(at).filter(|node| same(node.hash, at));
            let pick = rng.index(chain().count());
            if let Some(node) = chain().nth(pick) {
                return Some(&node.item);
            }
        }
        loop {
            if let Some(node) = self.place(at).chain(at).next() {
                return Some(&node.item);
            }
            at = self.place(at).behind(at).unwrap_or(0);
        }
    }

    /// Shows about `count` items from `cursor` on, whole buckets; returns where to go on, zero at the end.
    pub(super) fn scan(&self, cursor: u64, count: usize, see: &mut dyn FnMut(&T)) -> u64 {
        let mut budget = Budget::new(count);
        let mut at = cursor.reverse_bits();
        while budget.left() {
            let table = self.place(at);
            for node in table.chain(at).filter(|node| node.hash >= at) {
                see(&node.item);
                budget.items = budget.items.saturating_sub(1);
            }
            match table.behind(at) {
                Some(next) => at = next,
                None => return 0,
            }
        }
        at.reverse_bits()
    }

    /// As [`Dict::scan`], with items that may be changed as long as their hash stays.
    pub(super) fn scan_mut(&mut self, cursor: u64, count: usize, see: &mut dyn FnMut(&mut T)) -> u64 {
        if self.growth.is_some() {
            reached(Mark::TableWalkedMoving);
        }
        let mut budget = Budget::new(count);
        let mut at = cursor.reverse_bits();
        while budget.left() {
            let table = self.place_mut(at);
            let mut chain = table.chain_mut(at).and_then(|head| head.as_deref_mut());
            while let Some(node) = chain {
                if node.hash >= at {
                    see(&mut node.item);
                    budget.items = budget.items.saturating_sub(1);
                }
                chain = node.next.as_deref_mut();
            }
            match table.behind(at) {
                Some(next) => at = next,
                None => return 0,
            }
        }
        at.reverse_bits()
    }

    /// The table that holds this hash.
    fn place(&self, hash: u64) -> &Table<T> {
        match &self.growth {
            Some(growth) if growth.holds(&self.table, hash) => &growth.to,
            _ => &self.table,
        }
    }

    fn place_mut(&mut self, hash: u64) -> &mut Table<T> {
        match &mut self.growth {
            Some(growth) if growth.holds(&self.table, hash) => &mut growth.to,
            _ => &mut self.table,
        }
    }

    /// After a change: goes on with a move, or begins one when there is more than one item per bucket, or less than
    /// one in four. At these bounds a move ends before the next one is due.
    fn resize(&mut self) {
        if self.growth.is_none() {
            let (bits, buckets) = (self.table.bits(), self.table.buckets());
            let bits = if self.len > buckets {
                reached(Mark::TableGrows);
                bits + 1
            } else if self.len < buckets / 4 && bits > self.least {
                reached(Mark::TableShrinks);
                bits - 1
            } else {
                return;
            };
            self.growth = Some(Move { to: Table::new(bits), done: 0 });
        }
        let Some(growth) = &mut self.growth else { return };
        let end = self.table.buckets().min(growth.to.buckets());
        for _ in growth.done..end.min(growth.done + BUCKETS_PER_CHANGE / 2) {
            growth.step(&mut self.table);
            #[cfg(test)]
            {
                self.moved += 2;
            }
        }
        if growth.done == end
            && let Some(growth) = self.growth.take()
        {
            reached(Mark::TableMoved);
            self.table = growth.to;
        }
    }

    /// Says what is wrong with the structure, if anything is; `hash_of` tells what an item should hash to.
    pub(super) fn validate(&self, hash_of: impl Fn(&T) -> u64) -> Result<(), String> {
        let (mut at, mut seen) = (0, 0);
        loop {
            let table = self.place(at);
            for node in table.chain(at) {
                seen += 1;
                if node.hash != hash_of(&node.item) {
                    return Err(format!("an item is filed under {:x} but hashes otherwise", node.hash));
                }
                if table.bucket(node.hash) != table.bucket(at) {
                    return Err(format!("hash {:x} is in the bucket of {at:x}", node.hash));
                }
            }
            match table.behind(at) {
                Some(next) => at = next,
                None => break,
            }
        }
        if seen == self.len { Ok(()) } else { Err(format!("{seen} items where {} were counted", self.len)) }
    }
}

impl<T> Move<T> {
    /// True when this hash has been moved out of `from`.
    fn holds(&self, from: &Table<T>, hash: u64) -> bool {
        let bits = from.bits().min(self.to.bits());
        ((hash >> (u64::BITS - bits)) as usize) < self.done
    }

    /// Moves the next bucket of the smaller table: one into two, or two into one.
    fn step(&mut self, from: &mut Table<T>) {
        let sources = if from.bits() < self.to.bits() {
            self.done..self.done + 1
        } else {
            2 * self.done..2 * self.done + 2
        };
        for bucket in sources {
            let mut chain = from.take(bucket);
            while let Some(mut node) = chain {
                chain = node.next.take();
                self.to.push(node);
            }
        }
        self.done += 1;
    }
}

/// How far a scan may still go.
struct Budget {
    items: usize,
    buckets: usize,
}

impl Budget {
    fn new(count: usize) -> Self {
        Self { items: count.max(1), buckets: count.saturating_mul(BUCKETS_PER_ITEM).max(LEAST_BUCKETS) }
    }

    /// Counts a bucket, unless there is nothing left.
    fn left(&mut self) -> bool {
        let left = self.items > 0 && self.buckets > 0;
        self.buckets = self.buckets.saturating_sub(1);
        left
    }
}

fn unlink<T>(mut chain: &mut Chain<T>, wanted: impl Fn(&Node<T>) -> bool) -> Option<Box<Node<T>>> {
    while chain.as_deref().is_some_and(|node| !wanted(node)) {
        chain = &mut chain.as_mut()?.next;
    }
    let mut node = chain.take()?;
    *chain = node.next.take();
    Some(node)
}
