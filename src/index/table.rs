//! From key to row: open addressing over one word a slot, hashed under a secret key.
//!
//! The table holds rows and 32 bits of each hash; the key bytes are the caller's. Growing needs no key.

/// An empty slot.
const EMPTY: u64 = 0;
/// Slots of the smallest table.
const LEAST: usize = 16;

/// The table. A slot is 32 bits of hash above row + 1; the hash bits also choose the slot.
#[derive(Debug)]
pub(super) struct Table {
    slots: Vec<u64>,
    len: usize,
}

impl Table {
    /// An empty table.
    pub(super) fn new() -> Self {
        Self { slots: vec![EMPTY; LEAST], len: 0 }
    }

    /// An empty table that takes `len` entries without growing.
    pub(super) fn with_capacity(len: usize) -> Self {
        Self { slots: vec![EMPTY; (len * 2).next_power_of_two().max(LEAST)], len: 0 }
    }

    /// How many entries.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.slots.len() * size_of::<u64>()
    }

    fn home(&self, slot: u64) -> usize {
        (slot >> 32) as usize & (self.slots.len() - 1)
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

    /// The row whose key has this hash and for which `same(row)`.
    pub(super) fn get(&self, hash: u64, same: impl Fn(u32) -> bool) -> Option<u32> {
        let slot = self.slots[self.find(hash, same)];
        (slot != EMPTY).then(|| row_of(slot))
    }

    /// Puts `row` under its hash and returns the row whose key it shares, which it replaces.
    pub(super) fn insert(&mut self, hash: u64, row: u32, same: impl Fn(u32) -> bool) -> Option<u32> {
        let at = self.find(hash, same);
        let old = std::mem::replace(&mut self.slots[at], (hash >> 32) << 32 | (u64::from(row) + 1));
        if old != EMPTY {
            return Some(row_of(old));
        }
        self.len += 1;
        if self.len * 2 > self.slots.len() {
            self.resize(self.slots.len() * 2);
        }
        None
    }

    /// Takes the entry out and returns its row.
    pub(super) fn remove(&mut self, hash: u64, same: impl Fn(u32) -> bool) -> Option<u32> {
        let mut hole = self.find(hash, same);
        let slot = self.slots[hole];
        if slot == EMPTY {
            return None;
        }
        // Entries behind the hole move back unless their home lies behind it: no markers are left in the table.
        let mut at = hole;
        loop {
            at = self.next(at);
            let moving = self.slots[at];
            if moving == EMPTY {
                break;
            }
            let mask = self.slots.len() - 1;
            let from_home = at.wrapping_sub(self.home(moving)) & mask;
            if from_home >= (at.wrapping_sub(hole) & mask) {
                self.slots[hole] = moving;
                hole = at;
            }
        }
        self.slots[hole] = EMPTY;
        self.len -= 1;
        if self.len * 8 < self.slots.len() && self.slots.len() > LEAST {
            self.resize(self.slots.len() / 2);
        }
        Some(row_of(slot))
    }

    fn resize(&mut self, slots: usize) {
        let old = std::mem::replace(&mut self.slots, vec![EMPTY; slots]);
        for slot in old.into_iter().filter(|slot| *slot != EMPTY) {
            let at = self.find(slot, |_| false);
            self.slots[at] = slot;
        }
    }

    /// The row in a slot chosen by `draw(slots)`, drawn until one is found; every entry is equally likely. `None`
    /// when the table is empty.
    pub(super) fn random(&self, mut draw: impl FnMut(usize) -> usize) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        loop {
            let slot = self.slots[draw(self.slots.len())];
            if slot != EMPTY {
                return Some(row_of(slot));
            }
        }
    }

    /// Every row, in the order of the slots.
    pub(super) fn rows(&self) -> impl Iterator<Item = u32> {
        self.slots.iter().filter(|slot| **slot != EMPTY).map(|slot| row_of(*slot))
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
