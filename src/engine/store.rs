//! The data itself: what a log record changes, and how.
//!
//! [`Store::apply`] is the only road to a change, for a command as for recovery, so both give the same state. Before
//! an entry changes, a running snapshot that has not seen it yet gets its old value.

use std::sync::Arc;

use super::changes::{Change, GivenUp};
use super::keyspace::{Entry, Keyspace};
use super::mutation::{Op, SetConfig};
use super::saving::Saving;
use super::value::{Value, VectorSet, is_large};
use crate::base::hash::HashKey;
use crate::base::limits;
use crate::index::{self, Index, RowId};
use crate::kernels::Kernels;
use crate::wal::Lsn;

/// How keys are found, and indexes made.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// The distance kernels.
    pub kernels: Kernels,
    /// Indexes of at most this many rows are searched exactly, whatever EF says.
    pub exact_below: usize,
    /// Keys the tables of names.
    pub hash: HashKey,
    /// Buckets of the smallest table of keys, as a power of two.
    pub table_bits: u32,
    /// Dead rows from which on an index is swept.
    pub sweep_from: usize,
    /// Rows that a slice of a sweep looks at.
    pub sweep_slice: usize,
    /// Dead rows of an index, beyond as many as live, above which it is overgrown.
    pub sweep_room: usize,
    /// Keys that one SCAN looks at at most, about.
    pub scan_count: usize,
}

/// What applying an operation did, where its command needs to know.
#[derive(Debug)]
pub(crate) enum Applied {
    /// It is done.
    Done,
    /// A vector has become this row, which no graph links yet.
    Row { row: RowId, replaced: bool },
}

/// All keys and what they hold.
pub(crate) struct Store {
    pub(crate) keyspace: Keyspace<Value>,
    pub(crate) saving: Saving,
    pub(crate) options: StoreOptions,
    /// The vector being read, kept for its memory.
    floats: Vec<f32>,
    /// Nobody else is at any index: a log is being replayed.
    pub(super) alone: bool,
    /// Values that are gone but costly to drop; a worker does it.
    pub(super) garbage: Vec<Garbage>,
    /// Indexes that are swept, or are to be.
    sweeping: Vec<Arc<Index>>,
    /// Changes of form that are under way, or of which the form before is there still.
    pub(super) changes: Vec<Change>,
    /// What changes that were given up had begun to make, until it has been dropped.
    pub(super) given_up: Vec<GivenUp>,
}

/// Something to be dropped by a worker.
#[derive(Debug)]
pub(crate) enum Garbage {
    /// One value.
    Value(#[expect(dead_code, reason = "held only to be dropped")] Value),
    /// An index that may be nobody else's any more.
    Index(#[expect(dead_code, reason = "held only to be dropped")] Arc<Index>),
    /// An index that is nobody else's.
    Last(#[expect(dead_code, reason = "held only to be dropped")] Box<Index>),
    /// A coding that nobody reads any more.
    Coding(#[expect(dead_code, reason = "held only to be dropped")] index::Retired),
    /// A coding that nobody will read.
    Making(#[expect(dead_code, reason = "held only to be dropped")] Arc<index::Making>),
    /// A whole keyspace.
    Keyspace(#[expect(dead_code, reason = "held only to be dropped")] Keyspace<Value>),
}

impl Store {
    pub(crate) fn new(options: StoreOptions) -> Self {
        Self {
            keyspace: Keyspace::new(options.hash, options.table_bits),
            saving: Saving::default(),
            options,
            floats: Vec::new(),
            alone: false,
            garbage: Vec::new(),
            sweeping: Vec::new(),
            changes: Vec::new(),
            given_up: Vec::new(),
        }
    }

    /// Applies `op`, which record `lsn` carries. An operation that does not fit the state (a record from another
    /// history) is an error, and nothing has changed.
    pub(crate) fn apply(&mut self, op: &Op<'_>, lsn: Lsn) -> Result<Applied, String> {
        for key in op.keys().into_iter().flatten() {
            self.preserve(key);
        }
        match *op {
            Op::Set { key, value, expire_at } => self.set(key, value, expire_at),
            Op::Append { key, tail } => self.edit_string(key, |bytes| bytes.extend_from_slice(tail))?,
            Op::Overwrite { key, offset, bytes } => {
                self.edit_string(key, |string| overwrite(string, offset as usize, bytes))?;
            }
            Op::Delete { key } => {
                let gone = self.keyspace.remove(key);
                self.discard(gone);
            }
            Op::Expire { key, at } => {
                self.keyspace.set_expiry(key, at);
            }
            Op::Rename { from, to } => self.rename(from, to, lsn),
            Op::Clear => self.clear(),
            Op::NewSet { key, config } => {
                let set = self.new_set(config)?;
                set.last.set(lsn);
                self.put(key, Value::Vectors(Box::new(set)), 0);
            }
            Op::PutVector { key, element, vector } => return self.put_vector(key, element, vector, lsn),
            Op::RemoveVector { key, element } => {
                let alone = self.alone;
                let index = self.edit_set(key, |set| {
                    set.last.set(lsn);
                    set.writer.alone(alone);
                    set.writer.remove(element);
                    Ok(Arc::clone(set.writer.index()))
                })?;
                self.sweep_later(index);
            }
            Op::Quant { key, quant } => {
                let quant = known_quant(quant)?;
                let retired = self.edit_set(key, |set| {
                    set.writer.change(quant);
                    Ok(set.writer.retire())
                })?;
                self.garbage.extend(retired.map(Garbage::Coding));
            }
        }
        Ok(Applied::Done)
    }

    fn set(&mut self, key: &[u8], value: &[u8], expire_at: u64) {
        let hash = self.keyspace.hash(key);
        let in_place = self.keyspace.overwrite(hash, key, expire_at, |held| match held {
            Value::String(bytes) if !is_large(bytes) => {
                rewrite(bytes, value);
                true
            }
            _ => false,
        });
        if !in_place {
            self.put(key, Value::String(value.to_vec()), expire_at);
        }
    }

    fn put(&mut self, key: &[u8], value: Value, expire_at: u64) {
        let displaced = self.keyspace.insert(key, value, expire_at, self.saving.epoch());
        self.discard(displaced);
    }

    fn rename(&mut self, from: &[u8], to: &[u8], lsn: Lsn) {
        let displaced = self.keyspace.rename(from, to);
        self.discard(displaced);
        self.rename_changes(from, to);
        if let Some(Entry { value: Value::Vectors(set), .. }) = self.keyspace.get(to) {
            set.last.set(lsn);
        }
    }

    fn clear(&mut self) {
        let all = self.keyspace.take_all();
        if let Some(all) = self.saving.take_over(all) {
            self.garbage.push(Garbage::Keyspace(all));
        }
        self.garbage.extend(self.sweeping.drain(..).map(Garbage::Index));
    }

    fn edit_string(&mut self, key: &[u8], edit: impl FnOnce(&mut Vec<u8>)) -> Result<(), String> {
        if self.keyspace.get(key).is_none() {
            self.put(key, Value::String(Vec::new()), 0);
        }
        let done = self.keyspace.edit(key, |value| value.string_mut().map(edit));
        if done.flatten().is_some() { Ok(()) } else { Err("a string operation on a vector set".to_owned()) }
    }

    fn edit_set<T>(
        &mut self,
        key: &[u8],
        edit: impl FnOnce(&mut VectorSet) -> Result<T, String>,
    ) -> Result<T, String> {
        let done = self.keyspace.edit(key, |value| match value {
            Value::Vectors(set) => edit(set),
            Value::String(_) | Value::Shared(_) => Err("a vector operation on a string".to_owned()),
        });
        done.unwrap_or_else(|| Err("a vector operation on a key that is not there".to_owned()))
    }

    fn put_vector(&mut self, key: &[u8], element: &[u8], vector: &[u8], lsn: Lsn) -> Result<Applied, String> {
        let (mut floats, alone) = (std::mem::take(&mut self.floats), self.alone);
        let inserted = self.edit_set(key, |set| {
            index::read_vector(vector, set.dim(), &mut floats).map_err(|e| e.to_string())?;
            set.writer.alone(alone);
            let inserted = set.writer.insert(element, &floats).map_err(|e| e.to_string())?;
            if inserted.replaced {
                set.last.set(lsn)
            } else {
                set.last.add(inserted.row, lsn)
            }
            Ok((inserted, Arc::clone(set.writer.index())))
        });
        self.floats = floats;
        let (inserted, index) = inserted?;
        if inserted.replaced {
            self.sweep_later(index);
        }
        Ok(Applied::Row { row: inserted.row, replaced: inserted.replaced })
    }

    fn new_set(&self, config: SetConfig) -> Result<VectorSet, String> {
        let writer = index::Writer::new(self.index_config(config)?);
        Ok(VectorSet { writer, last: Arc::default() })
    }

    /// The index configuration that a stored one stands for.
    pub(crate) fn index_config(&self, config: SetConfig) -> Result<index::Config, String> {
        let metric = index::metric_with_code(u32::from(config.metric))
            .ok_or_else(|| format!("metric code {} is not known to this binary", config.metric))?;
        let quant = known_quant(config.quant)?;
        let within = |what: &str, value: u32, least: usize, most: usize| {
            let value = value as usize;
            let fits = (least..=most).contains(&value);
            if fits { Ok(value) } else { Err(format!("{what} is {value}, outside {least} to {most}")) }
        };
        Ok(index::Config {
            quant,
            dim: within("dim", config.dim, 1, limits::MAX_DIM)?,
            metric,
            m: within("M", config.m, index::MIN_M, limits::MAX_M)?,
            ef_construction: within("EF_CONSTRUCTION", config.ef_construction, 1, limits::MAX_EF)?,
            seed: config.seed,
            kernels: self.options.kernels,
        })
    }

    /// Hands the entry's present value to a running snapshot that has not seen it.
    fn preserve(&mut self, key: &[u8]) {
        if self.saving.is_scanning()
            && let Some(entry) = self.keyspace.get_mut(key)
        {
            self.saving.see(entry);
        }
    }

    fn discard(&mut self, entry: Option<Entry<Value>>) {
        let Some(entry) = entry else { return };
        if let Value::Vectors(set) = &entry.value {
            self.saving.removes(set.writer.index());
        }
        if entry.value.is_heavy() {
            self.garbage.push(Garbage::Value(entry.value));
        }
    }

    /// Checks the keyspace's tables and every index.
    pub(crate) fn validate(&self) -> Result<(), String> {
        self.keyspace.validate()?;
        let (mut cursor, mut result) = (0, Ok(()));
        loop {
            cursor = self.keyspace.scan(cursor, 1024, &mut |entry| {
                if let (Value::Vectors(set), Ok(())) = (&entry.value, &result) {
                    result = set
                        .writer
                        .validate()
                        .map_err(|e| format!("index '{}': {e}", entry.key.escape_ascii()));
                }
            });
            if cursor == 0 || result.is_err() {
                return result;
            }
        }
    }

    /// Rows that no graph links yet.
    pub(crate) fn unlinked(&self) -> usize {
        let (mut cursor, mut unlinked) = (0, 0);
        loop {
            cursor = self.keyspace.scan(cursor, 1024, &mut |entry| {
                if let Value::Vectors(set) = &entry.value {
                    unlinked += set.writer.index().stats().unlinked;
                }
            });
            if cursor == 0 {
                return unlinked;
            }
        }
    }

    /// Takes note of an index of which a row has died, now or before a snapshot was made of it.
    pub(super) fn sweep_later(&mut self, index: Arc<Index>) {
        if index.sweep_is_wanted(self.options.sweep_from) && !index.list_for_sweep(true) {
            self.sweeping.push(index);
        }
    }

    /// An index that is to be swept, for one slice.
    pub(crate) fn take_sweep(&mut self) -> Option<Arc<Index>> {
        let from = self.options.sweep_from;
        let mut at = 0;
        while let Some(index) = self.sweeping.get(at) {
            if index.sweep_is_ready(from) {
                return Some(Arc::clone(index));
            }
            if index.sweep_is_wanted(from) {
                at += 1;
            } else {
                index.list_for_sweep(false);
                // It may be large, and nobody else's.
                self.garbage.push(Garbage::Index(self.sweeping.remove(at)));
            }
        }
        None
    }

    /// Bytes of the free places of the index under `key`, if there is one.
    pub(crate) fn free_bytes(&self, key: &[u8]) -> usize {
        match self.keyspace.get(key).map(|entry| &entry.value) {
            Some(Value::Vectors(set)) => set.writer.free_bytes(),
            _ => 0,
        }
    }

    /// True while the index under `key`, if there is one, had better be swept before more is added to it.
    pub(crate) fn is_overgrown(&self, key: &[u8]) -> bool {
        match self.keyspace.get(key).map(|entry| &entry.value) {
            Some(Value::Vectors(set)) => set.writer.index().is_overgrown(self.options.sweep_room),
            _ => false,
        }
    }

    /// True while a slice of a sweep is under way.
    pub(crate) fn is_sweeping(&self) -> bool {
        self.sweeping.iter().any(|index| index.sweep_is_busy())
    }

    /// What has gathered to be dropped elsewhere.
    pub(crate) fn take_garbage(&mut self) -> Vec<Garbage> {
        std::mem::take(&mut self.garbage)
    }
}

fn known_quant(code: u16) -> Result<index::Quant, String> {
    let quant = index::Quant::with_code(u32::from(code));
    quant.ok_or_else(|| format!("QUANT code {code} is not known to this binary"))
}

/// The string has these bytes now, in the same memory unless most of that would lie idle.
fn rewrite(string: &mut Vec<u8>, bytes: &[u8]) {
    if (bytes.len()..=2 * bytes.len() + 32).contains(&string.capacity()) {
        string.clear();
        string.extend_from_slice(bytes);
    } else {
        *string = bytes.to_vec();
    }
}

fn overwrite(string: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if string.len() < end {
        string.resize(end, 0);
    }
    if let Some(place) = string.get_mut(offset..end) {
        place.copy_from_slice(bytes);
    }
}
