//! From key to row: open addressing over one word a slot, hashed under a secret key, in shards that split and join one by one.
//!
//! The table holds rows and 32 bits of each hash; the key bytes are the caller's. Growing needs no key. Shards are those of
//! linear hashing (Litwin, "Linear hashing: a new tool for file and table addressing", 1980): with [`FILL`] entries to a
//! shard on average the next one in line splits, so that no insertion and no removal touches more than two shards of
//! some thousand slots, however large the table is.

/// An empty slot.
const EMPTY: u64 = 0;
/// Slots of the smallest shard.
const LEAST: usize = 16;
/// Entries of a shard, on average, above which one is split; with an eighth of them one is joined with another.
const FILL: usize = 1_024;

/// The table. A slot is 32 bits of hash above row + 1. The lower ones of those bits choose the shard, the upper ones the slot.
#[derive(Debug)]
pub(super) struct Table {
    shards: Vec<Shard>,
    len: usize,
    /// Slots of all shards.
    slots: usize,
    /// How many shards have two to the power of so many slots.
    widths: [u32; usize::BITS as usize],
}

/// A power of two of slots, at most half of them taken.
#[derive(Debug)]
struct Shard {
    slots: Box<[u64]>,
    len: usize,
}

/// The number of the shard of this hash, of so many.
fn shard_of(slot: u64, shards: usize) -> usize {
    let hash = (slot >> 32) as usize;
    let all = shards.next_power_of_two();
    let at = hash & (all - 1);
    // The upper half of the shards is there in part; the others are with those that are to split.
    if at < shards { at } else { at - all / 2 }
}

/// Slots that so many entries take.
fn room(len: usize) -> usize {
    (len * 2).next_power_of_two().max(LEAST)
}

impl Shard {
    /// Empty, with a power of two of slots.
    fn new(slots: usize) -> Self {
        Self { slots: vec![EMPTY; slots].into_boxed_slice(), len: 0 }
    }

    fn home(&self, slot: u64) -> usize {
        (slot >> (u64::BITS - self.slots.len().trailing_zeros())) as usize
    }

    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    /// The slot of the entry with this hash for which `same(row)`, or the empty slot where it would go.
    fn find(&self, hash: u64, same: impl Fn(u32) -> bool) -> usize {
        let mut at = self.home(hash);
        loop {
            let slot = self.slots[at];
            if slot == EMPTY || (slot >> 32 == hash >> 32 && same(row_of(slot))) {
                return at;
            }
            at = self.next(at);
        }
    }

    /// Puts in what no other entry shares its key with; there is room.
    fn put(&mut self, slot: u64) {
        let at = self.find(slot, |_| false);
        self.slots[at] = slot;
        self.len += 1;
    }

    /// Takes out what stands in a slot.
    fn clear(&mut self, mut hole: usize) {
        // Entries behind the hole move back unless their home lies behind it: no markers are left.
        let (mut at, mask) = (hole, self.slots.len() - 1);
        loop {
            at = self.next(at);
            let moving = self.slots[at];
            if moving == EMPTY {
                break;
            }
            let from_home = at.wrapping_sub(self.home(moving)) & mask;
            if from_home >= (at.wrapping_sub(hole) & mask) {
                self.slots[hole] = moving;
                hole = at;
            }
        }
        self.slots[hole] = EMPTY;
        self.len -= 1;
    }

    fn entries(&self) -> impl Iterator<Item = u64> {
        self.slots.iter().copied().filter(|slot| *slot != EMPTY)
    }
}

impl Table {
    /// An empty table.
    pub(super) fn new() -> Self {
        Self::with_capacity(0)
    }

    /// An empty table for `len` entries.
    pub(super) fn with_capacity(len: usize) -> Self {
        let shards = len.div_ceil(FILL).max(1);
        let mut table = Self { shards: Vec::new(), len: 0, slots: 0, widths: [0; usize::BITS as usize] };
        (0..shards).for_each(|_| table.add(Shard::new(room(len / shards))));
        table
    }

    /// How many entries.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.slots * size_of::<u64>() + self.shards.len() * size_of::<Shard>()
    }

    fn shard(&self, hash: u64) -> usize {
        shard_of(hash, self.shards.len())
    }

    /// The row whose key has this hash and for which `same(row)`.
    pub(super) fn get(&self, hash: u64, same: impl Fn(u32) -> bool) -> Option<u32> {
        let shard = &self.shards[self.shard(hash)];
        let slot = shard.slots[shard.find(hash, same)];
        (slot != EMPTY).then(|| row_of(slot))
    }

    /// Puts `row` under its hash and returns the row whose key it shares, which it replaces.
    pub(super) fn insert(&mut self, hash: u64, row: u32, same: impl Fn(u32) -> bool) -> Option<u32> {
        let number = self.shard(hash);
        let shard = &mut self.shards[number];
        let at = shard.find(hash, same);
        let old = std::mem::replace(&mut shard.slots[at], (hash >> 32) << 32 | (u64::from(row) + 1));
        if old != EMPTY {
            return Some(row_of(old));
        }
        shard.len += 1;
        self.len += 1;
        if shard.len * 2 > shard.slots.len() {
            let slots = shard.slots.len() * 2;
            self.resize(number, slots);
        }
        if self.len > self.shards.len() * FILL {
            self.split();
        }
        None
    }

    /// Takes the entry out and returns its row.
    pub(super) fn remove(&mut self, hash: u64, same: impl Fn(u32) -> bool) -> Option<u32> {
        let number = self.shard(hash);
        let shard = &mut self.shards[number];
        let at = shard.find(hash, same);
        let slot = shard.slots[at];
        if slot == EMPTY {
            return None;
        }
        shard.clear(at);
        self.len -= 1;
        if shard.len * 8 < shard.slots.len() && shard.slots.len() > LEAST {
            let slots = shard.slots.len() / 2;
            self.resize(number, slots);
        }
        if self.shards.len() > 1 && self.len < self.shards.len() * FILL / 8 {
            self.join();
        }
        Some(row_of(slot))
    }

    /// Appends a shard.
    fn add(&mut self, shard: Shard) {
        self.count(&shard, 1);
        self.shards.push(shard);
    }

    /// Puts a shard in the place of another; returns that.
    fn put(&mut self, number: usize, shard: Shard) -> Shard {
        self.count(&shard, 1);
        let old = std::mem::replace(&mut self.shards[number], shard);
        self.count(&old, -1);
        old
    }

    fn count(&mut self, shard: &Shard, by: i32) {
        let slots = shard.slots.len();
        self.slots = self.slots.wrapping_add_signed(slots as isize * by as isize);
        let width = &mut self.widths[slots.trailing_zeros() as usize];
        *width = width.wrapping_add_signed(by);
    }

    /// Gives a shard so many slots.
    fn resize(&mut self, number: usize, slots: usize) {
        let old = self.put(number, Shard::new(slots));
        old.entries().for_each(|slot| self.shards[number].put(slot));
    }

    /// Splits the shard whose turn it is: what belongs to a new one behind the last goes there.
    fn split(&mut self) {
        let (shards, number) = (self.shards.len() + 1, self.shards.len());
        let from = number - shards.next_power_of_two() / 2;
        let count = self.shards[from].entries().filter(|slot| shard_of(*slot, shards) == number).count();
        let stays = Shard::new(room(self.shards[from].len - count));
        let old = self.put(from, stays);
        self.add(Shard::new(room(count)));
        old.entries().for_each(|slot| self.shards[shard_of(slot, shards)].put(slot));
    }

    /// Joins the last shard with the one that it was split from.
    fn join(&mut self) {
        let number = self.shards.len() - 1;
        let with = number - self.shards.len().next_power_of_two() / 2;
        let Some(last) = self.shards.pop() else { return };
        self.count(&last, -1);
        self.resize(with, room(last.len + self.shards[with].len));
        last.entries().for_each(|slot| self.shards[with].put(slot));
    }

    /// The row in a slot chosen by `draw(slots)`, drawn until one is found; every entry is equally likely. `None`
    /// when the table is empty.
    pub(super) fn random(&self, mut draw: impl FnMut(usize) -> usize) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        // As if all shards were as wide as the widest.
        let width = self.widths.iter().rposition(|shards| *shards > 0)?;
        loop {
            let at = draw(self.shards.len() << width);
            let slot = self.shards[at >> width].slots.get(at & ((1 << width) - 1));
            if let Some(slot) = slot.filter(|slot| **slot != EMPTY) {
                return Some(row_of(*slot));
            }
        }
    }

    /// Every row, in the order of the shards and of their slots.
    pub(super) fn rows(&self) -> impl Iterator<Item = u32> {
        self.shards.iter().flat_map(|shard| shard.entries().map(row_of))
    }
}

fn row_of(slot: u64) -> u32 {
    (slot as u32) - 1
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::base::hash::HashKey;
    use crate::base::rng::Rng;

    #[test]
    fn agrees_with_a_map_through_growth_and_shrinking() {
        let (mut table, mut model) = (Table::new(), BTreeMap::new());
        let mut rng = Rng::new(5);
        let (mut keys, hash_key) = (Vec::<u64>::new(), HashKey::from_seed(1));
        let steps = if cfg!(miri) { 300 } else { 30_000 };
        for step in 0..steps {
            // The first half mostly inserts, the second mostly removes; few hash bits make collisions common.
            let key = rng.below(400);
            let hash = hash_key.hash(&key.to_le_bytes()) & !(0xffff << 40);
            let same = |row: u32| keys[row as usize] == key;
            if rng.below(10) < if step < steps / 2 { 7 } else { 2 } {
                let row = keys.len() as u32;
                assert_eq!(table.insert(hash, row, same), model.insert(key, row));
                keys.push(key);
            } else {
                assert_eq!(table.remove(hash, same), model.remove(&key));
            }
            assert_eq!(table.len(), model.len());
        }
        for key in 0..400_u64 {
            let hash = hash_key.hash(&key.to_le_bytes()) & !(0xffff << 40);
            assert_eq!(table.get(hash, |row| keys[row as usize] == key), model.get(&key).copied());
        }
        let mut rows: Vec<_> = table.rows().collect();
        rows.sort_unstable();
        let mut expected: Vec<_> = model.into_values().collect();
        expected.sort_unstable();
        assert_eq!(rows, expected);
    }

    #[test]
    fn shards_split_and_join_one_at_a_time_and_stay_small() {
        let most = if cfg!(miri) { 5_000 } else { 200_000 };
        let (mut table, key) = (Table::new(), HashKey::from_seed(4));
        let hash = |row: u32| key.hash(&row.to_le_bytes());
        let widest = |table: &Table| table.shards.iter().map(|shard| shard.slots.len()).max().unwrap();
        let mut before = table.shards.len();
        for row in 0..most {
            assert_eq!(table.insert(hash(row), row, |other| other == row), None);
            assert!(table.shards.len() - before <= 1);
            before = table.shards.len();
        }
        assert_eq!(table.shards.len(), (most as usize).div_ceil(FILL));
        // An even share is 2,048 at most.
        assert!(widest(&table) <= 8 * FILL, "{} slots", widest(&table));
        let bytes: usize = table.shards.iter().map(|shard| 8 * shard.slots.len() + size_of::<Shard>()).sum();
        assert_eq!(table.bytes(), bytes);
        assert!(table.bytes() <= 40 * most as usize, "{} bytes", table.bytes());
        let roomy = Table::with_capacity(most as usize);
        assert!(roomy.shards.len() == table.shards.len() && roomy.bytes() <= table.bytes());
        for row in (0..most).rev() {
            assert_eq!(table.get(hash(row), |other| other == row), Some(row));
            assert_eq!(table.remove(hash(row), |other| other == row), Some(row));
            assert!(before - table.shards.len() <= 1);
            before = table.shards.len();
        }
        assert_eq!((table.shards.len(), table.len(), table.rows().count()), (1, 0, 0));
        assert!(table.bytes() <= 8 * FILL);
    }

    #[test]
    fn entries_of_wide_and_of_narrow_shards_are_equally_likely() {
        let (mut table, key) = (Table::new(), HashKey::from_seed(5));
        // One of the shards has been split, the others have twice as many entries.
        let len = 4 * FILL as u32 + 1;
        for row in 0..len {
            assert_eq!(table.insert(key.hash(&row.to_le_bytes()), row, |_| false), None);
        }
        assert_eq!(table.shards.len(), 5);
        let narrow = |row: &u32| shard_of(key.hash(&row.to_le_bytes()), 5).is_multiple_of(4);
        let share = (0..len).filter(narrow).count() as f64 / f64::from(len);
        let mut rng = Rng::new(6);
        let draws = if cfg!(miri) { 200 } else { 20_000 };
        let drawn = (0..draws).filter(|_| narrow(&table.random(|n| rng.index(n)).unwrap())).count();
        let off = (drawn as f64 / f64::from(draws) - share).abs();
        assert!(off < 4.0 * (share * (1.0 - share) / f64::from(draws)).sqrt(), "{off} from {share}");
    }

    #[test]
    fn every_entry_is_drawn() {
        let mut table = Table::new();
        assert_eq!(table.random(|_| 0), None);
        for row in 0..10_u32 {
            table.insert(HashKey(0, 0).hash(&[row as u8]), row, |_| false);
        }
        let mut rng = Rng::new(2);
        let mut seen: Vec<_> = (0..400).filter_map(|_| table.random(|n| rng.index(n))).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
    }
}
