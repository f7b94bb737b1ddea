//! The one hand that changes an index: adds rows, removes them, and knows which row a key has.

use std::sync::Arc;

use super::coding::{BIRTH, Coding, DEATH};
use super::graph::{FAR_TERM, Index, PLACE, STATE, UPPER};
use super::keys::Keys;
use super::recode::Other;
use super::rows::{Pen, Rows};
use super::table::Table;
use super::{Config, IndexError, MIN_M, RowId};
use crate::base::hash::HashKey;
use crate::base::limits::{MAX_DIM, MAX_EF, MAX_M, MAX_ROWS};
use crate::base::mark::{Mark, reached};
use crate::base::rng::{Rng, mix64};

/// The writing side of an index. Dropping it leaves the index to those who still hold it.
#[derive(Debug)]
pub struct Writer {
    pub(super) index: Arc<Index>,
    pub(super) pen: Pen,
    /// The coding by which the index is walked, and another that there is besides.
    pub(super) coding: Arc<Coding>,
    pub(super) other: Option<Other>,
    pub(super) table: Table,
    hash_key: HashKey,
    /// A bit a row, set when it is dead.
    pub(super) dead: Vec<u64>,
    /// Rows that are free.
    free: Vec<u32>,
    /// Where to look first for a place at which the next row waits that takes a free one's.
    place: u32,
    /// See [`Writer::alone`].
    alone: bool,
    /// Room to rotate a vector in.
    pub(super) rotated: Vec<f32>,
}

/// The last moment of an index.
const MOMENTS: u64 = u32::MAX as u64 - 1;

/// Where a new row goes that takes an earlier one's place.
#[derive(Clone, Copy, Debug)]
struct Free {
    row: u32,
    place: u32,
}

/// What [`Writer::insert`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// The row; somebody has to call [`Index::link`] for it. It may have been another's that is gone.
    pub row: RowId,
    /// True when the key had a row before, which is dead now.
    pub replaced: bool,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.index.sweep.close();
    }
}

impl Writer {
    /// An empty index. Panics on a configuration outside its documented bounds.
    #[must_use]
    pub fn new(config: Config) -> Self {
        assert!((1..=MAX_DIM).contains(&config.dim), "dim is {}", config.dim);
        let coding = Coding::new(&config, config.quant);
        Self::with((config, coding), Rows::new(config.dim), Keys::new(), Table::new())
    }

    pub(super) fn with(
        (config, coding): (Config, Coding),
        (rows, pen): (Arc<Rows>, Pen),
        keys: Keys,
        table: Table,
    ) -> Self {
        assert!((MIN_M..=MAX_M).contains(&config.m), "M is {}", config.m);
        assert!(
            (1..=MAX_EF).contains(&config.ef_construction),
            "ef_construction is {}",
            config.ef_construction
        );
        assert!(Arc::ptr_eq(&rows, pen.rows()), "a pen writes to the rows it came with");
        let hash_key = HashKey::from_seed(mix64(config.seed ^ 0x6b65_7973));
        let coding = Arc::new(coding);
        let index = Arc::new(Index::new(config, Arc::clone(&coding), rows, keys));
        let (dead, free, rotated) = (Vec::new(), Vec::new(), Vec::new());
        Self { index, pen, coding, other: None, table, hash_key, dead, free, place: 0, alone: false, rotated }
    }

    /// The shared side.
    #[must_use]
    pub fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// Whether nobody links, sweeps, searches or captures, as while a log is replayed. A row that dies then before it was
    /// linked is free at once: nobody has met it.
    pub fn alone(&mut self, alone: bool) {
        self.alone = alone;
    }

    pub(super) fn hash(&self, key: &[u8]) -> u64 {
        self.hash_key.hash(key)
    }

    /// Adds a row that [`super::check_vector`] has passed under `key`, and kills the one that the key had. From here
    /// on searches find it; linking it into the graph is left to [`Index::link`]. Takes time for one copy.
    pub fn insert(&mut self, key: &[u8], vector: &[f32]) -> Result<Inserted, IndexError> {
        self.check_room()?;
        let hash = self.hash(key);
        self.index.key_bytes.fetch_sub(self.index.sweep.take_key_bytes());
        let free = self.take_free();
        let Self { index, pen, table, dead, rotated, coding, other, free: left, alone, .. } = self;
        let codings = [Some(&**coding), other.as_ref().map(Other::coding)].into_iter().flatten();
        assert_eq!(vector.len(), index.config.dim, "a vector has the dimensions of its index");
        let (row, padded) = pen.stage(vector, free.map(|free| free.row))?;
        let term = index.config.metric.term(&index.config.kernels, padded);
        if free.is_none() {
            for cells in [&index.cold, &index.ground] {
                cells.grow(row);
            }
            index.places.grow(row);
        }
        index.cold.set(row, FAR_TERM, term.to_bits());
        for coding in codings.clone() {
            coding.grow(row);
            coding.write(row, vector, term.to_bits(), rotated);
        }
        pen.place();
        let level = index.level(row) as u32;
        if level > 0 && free.is_none() {
            let first = index.upper_used.fetch_add(level);
            (first..first + level).for_each(|group| index.upper.grow(group));
            index.cold.set(row, UPPER, first);
        }
        index.keys.set(row, key);
        index.key_bytes.fetch_add(key.len() as u64);
        let keys = &index.keys;
        let old = table.insert(hash, row, |other| keys.get(other) == key);
        if dead.len() == row as usize / 64 {
            dead.push(0);
        }
        let now = index.moment.load();
        codings.clone().for_each(|coding| coding.hot.set(row, BIRTH, now + 1));
        if let Some(free) = free {
            reached(Mark::RowReused);
            index.cold.set(row, STATE, (free.place + 1) << PLACE);
            index.pending.put(free.place, row);
            // Only behind its birth: see `View::lives`.
            codings.clone().for_each(|coding| coding.hot.set(row, DEATH, 0));
            index.places.take(row);
            dead[row as usize / 64] &= !(1 << (row % 64));
            index.sweep.reused();
        }
        match old {
            // Dead for whoever sees the new row, alive for whoever does not.
            Some(old) => {
                reached(Mark::RowReplaced);
                codings.for_each(|coding| coding.kill(old, now + 1));
                dead[old as usize / 64] |= 1 << (old % 64);
            }
            None => {
                index.live.fetch_add(1);
            }
        }
        if index.rows.mapped() > 0 {
            reached(Mark::RowBehindMapped);
        }
        pen.publish();
        index.moment.store(now + 1);
        left.extend(old.filter(|_| *alone).and_then(|old| index.leave_out(old)));
        Ok(Inserted { row: RowId(row), replaced: old.is_some() })
    }

    /// A free row, and where it is to be pending, if there are both.
    fn take_free(&mut self) -> Option<Free> {
        if self.free.is_empty() {
            self.index.sweep.take_freed(&mut self.free);
        }
        self.free.last()?;
        let place = self.index.pending.find(&mut self.place)?;
        self.free.pop().map(|row| Free { row, place })
    }

    /// Why no row can be added, if none can.
    pub fn check_room(&self) -> Result<(), IndexError> {
        if self.index.rows() >= MAX_ROWS {
            return Err(IndexError::Rows);
        }
        // A moment is kept for the removal of each.
        let moments = u64::from(self.index.moment.load()) + self.len() as u64;
        if moments >= MOMENTS { Err(IndexError::Writes) } else { Ok(()) }
    }

    /// Removes the key; false where it was not there. Its row stays as a waypoint until it is swept.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let hash = self.hash(key);
        let keys = &self.index.keys;
        let Some(row) = self.table.remove(hash, |row| keys.get(row) == key) else { return false };
        reached(Mark::RowRemoved);
        self.index.key_bytes.fetch_sub(self.index.sweep.take_key_bytes());
        let now = self.index.moment.load();
        let codings = [Some(&*self.coding), self.other.as_ref().map(Other::coding)];
        codings.into_iter().flatten().for_each(|coding| coding.kill(row, now + 1));
        self.dead[row as usize / 64] |= 1 << (row % 64);
        self.index.live.fetch_sub(1);
        self.index.moment.store(now + 1);
        if self.alone {
            self.free.extend(self.index.leave_out(row));
        }
        true
    }

    /// The row that `key` has.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<RowId> {
        self.table.get(self.hash(key), |row| self.index.keys.get(row) == key).map(RowId)
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True when there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows that live, from `first` on, in the order of their numbers.
    pub fn rows(&self, first: RowId) -> impl Iterator<Item = RowId> {
        let dead = |row: u32| self.dead[row as usize / 64] >> (row % 64) & 1 == 1;
        (first.0..self.index.rows() as u32).filter(move |row| !dead(*row)).map(RowId)
    }

    /// The keys, in the order of their rows.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.rows(RowId(0)).map(|row| self.index.keys.get(row.0))
    }

    /// A key, each equally likely; `None` where there is none.
    pub fn random_key(&self, rng: &mut Rng) -> Option<&[u8]> {
        self.table.random(|slots| rng.index(slots)).map(|row| self.index.keys.get(row))
    }

    /// Bytes of the memory in use that rows which come can have: those of free places, as many as a place has on average.
    #[must_use]
    pub fn free_bytes(&self) -> usize {
        let each = (self.index.own_bytes() + self.coding_bytes()) / self.index.rows().max(1);
        each * self.index.sweep.swept()
    }

    /// Bytes of memory in use: those of [`super::Stats`] and the key table.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let words = self.dead.len() * size_of::<u64>() + self.free.capacity() * size_of::<u32>();
        self.index.own_bytes() + self.coding_bytes() + self.table.bytes() + words
    }
}
