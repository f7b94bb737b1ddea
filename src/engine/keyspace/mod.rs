//! All keys and what they hold: found by name, walked in hash order, expired in time order, weighed to the byte.
//!
//! The keyspace knows nothing of commands, logs or clocks, and is generic over the values. Nothing expires by itself:
//! the owner asks for what is due ([`Keyspace::next_due`]) and removes it. Keys are foreign, so they are hashed under a
//! secret key. No call costs more than a short chain, a logarithm of the keys that expire, and the value's own size;
//! [`Keyspace::take_all`] hands the old contents over to be dropped elsewhere.

mod dict;
mod key;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::base::hash::HashKey;
use crate::base::rng::Rng;
use dict::Dict;
use key::Key;

/// What the allocator adds to a block.
const ALLOCATOR_BYTES: usize = 16;
/// What a key that expires costs in the set of expiry times.
const DUE_BYTES: usize = 24;

/// A value in the keyspace.
pub(crate) trait Held {
    /// Bytes on the heap that this value owns, its own size excluded. It may change only inside
    /// [`Keyspace::edit`].
    fn bytes(&self) -> usize;
}

/// A key and what it holds.
#[derive(Debug)]
pub(crate) struct Entry<V> {
    /// The name.
    pub(super) key: Key,
    /// What it holds.
    pub(super) value: V,
    /// When it goes: Unix milliseconds, zero for never.
    pub(super) expire_at: u64,
    /// The last snapshot that has seen this entry.
    pub(super) epoch: u32,
}

impl<V: Held> Entry<V> {
    /// Bytes this entry costs, its place in the table and its expiry included.
    pub(super) fn bytes(&self) -> usize {
        let due = if self.expire_at == 0 { 0 } else { DUE_BYTES };
        Dict::<Self>::NODE_BYTES + ALLOCATOR_BYTES + self.key.heap() + self.value.bytes() + due
    }
}

/// Entries by name.
pub(crate) struct Keyspace<V> {
    secret: HashKey,
    dict: Dict<Entry<V>>,
    /// Expiry time and hash of every key that expires. Two keys may share an element.
    due: BTreeSet<(u64, u64)>,
    expiring: usize,
    held: usize,
}

impl<V> std::fmt::Debug for Keyspace<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a keyspace of {} keys", self.dict.len())
    }
}

impl<V: Held> Keyspace<V> {
    /// An empty keyspace that hashes its keys under `secret`, in a table of at least two to the power of `least` buckets.
    pub(super) fn new(secret: HashKey, least: u32) -> Self {
        Self { secret, dict: Dict::new(least), due: BTreeSet::new(), expiring: 0, held: 0 }
    }

    /// The hash of a name.
    pub(super) fn hash(&self, key: &[u8]) -> u64 {
        self.secret.hash(key)
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.dict.len()
    }

    /// How many of them expire.
    pub(super) fn expiring(&self) -> usize {
        self.expiring
    }

    /// Bytes that keys, values and tables take.
    pub(super) fn bytes(&self) -> usize {
        self.held + self.dict.table_bytes()
    }

    /// The entry of this name.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Entry<V>> {
        self.dict.find(self.hash(key), |entry| *entry.key == *key)
    }

    /// [`Keyspace::get`] for who has the name's hash already.
    pub(super) fn get_hashed(&self, hash: u64, key: &[u8]) -> Option<&Entry<V>> {
        self.dict.find(hash, |entry| *entry.key == *key)
    }

    /// The entry of this name, to set its epoch. Its key and expiry must stay, and the value's bytes
    /// ([`Keyspace::set_expiry`] and [`Keyspace::edit`] change these).
    pub(super) fn get_mut(&mut self, key: &[u8]) -> Option<&mut Entry<V>> {
        self.dict.find_mut(self.secret.hash(key), |entry| *entry.key == *key)
    }

    /// Lets `change` write a value over what the key holds, so that neither its entry nor its memory is made anew, and
    /// gives it this expiry. False if there is no such key, or if `change` would not (it has changed nothing then).
    pub(super) fn overwrite(
        &mut self,
        hash: u64,
        key: &[u8],
        expire_at: u64,
        change: impl FnOnce(&mut V) -> bool,
    ) -> bool {
        let Some(entry) = self.dict.find_mut(hash, |entry| *entry.key == *key) else { return false };
        let (bytes, expiry) = (entry.bytes(), entry.expire_at);
        if !change(&mut entry.value) {
            return false;
        }
        entry.expire_at = expire_at;
        self.held = self.held - bytes + entry.bytes();
        if expiry != expire_at {
            self.unschedule(expiry, hash);
            self.schedule(expire_at, hash);
        }
        true
    }

    /// The key holds this now, whatever it held; returns that.
    pub(super) fn insert(&mut self, key: &[u8], value: V, expire_at: u64, epoch: u32) -> Option<Entry<V>> {
        let hash = self.hash(key);
        let entry = Entry { key: key.into(), value, expire_at, epoch };
        self.put(hash, entry)
    }

    /// Takes the entry of this name out.
    pub(super) fn remove(&mut self, key: &[u8]) -> Option<Entry<V>> {
        let hash = self.hash(key);
        let entry = self.dict.remove(hash, |entry| *entry.key == *key)?;
        self.leaves(hash, &entry);
        Some(entry)
    }

    /// The key goes at this time, zero for never; false if there is no such key.
    pub(super) fn set_expiry(&mut self, key: &[u8], at: u64) -> bool {
        let hash = self.hash(key);
        let Some(entry) = self.dict.find_mut(hash, |entry| *entry.key == *key) else { return false };
        let before = (entry.bytes(), entry.expire_at);
        entry.expire_at = at;
        let bytes = entry.bytes();
        self.held = self.held - before.0 + bytes;
        self.unschedule(before.1, hash);
        self.schedule(at, hash);
        true
    }

    /// Changes a value in place and weighs it again; `None` if there is no such key.
    pub(super) fn edit<R>(&mut self, key: &[u8], change: impl FnOnce(&mut V) -> R) -> Option<R> {
        let entry = self.dict.find_mut(self.secret.hash(key), |entry| *entry.key == *key)?;
        let before = entry.value.bytes();
        let result = change(&mut entry.value);
        self.held = self.held - before + entry.value.bytes();
        Some(result)
    }

    /// What `from` held, its expiry and its epoch, is at `to` now; returns what `to` held. Nothing changes if there is
    /// no `from`, or if the names are equal.
    pub(super) fn rename(&mut self, from: &[u8], to: &[u8]) -> Option<Entry<V>> {
        if from == to {
            return None;
        }
        let mut entry = self.remove(from)?;
        entry.key = to.into();
        self.put(self.hash(to), entry)
    }

    /// Empties the keyspace at once; what it held is the caller's to drop, which takes long.
    pub(super) fn take_all(&mut self) -> Self {
        let empty = Self::new(self.secret, self.dict.least());
        std::mem::replace(self, empty)
    }

    /// A random entry.
    pub(super) fn random(&self, rng: &mut Rng) -> Option<&Entry<V>> {
        self.dict.random(rng)
    }

    /// Shows about `count` entries from `cursor` on (zero to begin) and returns the cursor to go on with, zero when
    /// all have been shown. An entry that is there from the first call to the last is shown exactly once; one that
    /// comes or goes meanwhile at most once. A renamed entry is another one.
    pub(super) fn scan(&self, cursor: u64, count: usize, see: &mut dyn FnMut(&Entry<V>)) -> u64 {
        self.dict.scan(cursor, count, see)
    }

    /// As [`Keyspace::scan`], to set epochs; the bounds of [`Keyspace::get_mut`] hold.
    pub(super) fn scan_mut(&mut self, cursor: u64, count: usize, see: &mut dyn FnMut(&mut Entry<V>)) -> u64 {
        self.dict.scan_mut(cursor, count, see)
    }

    /// The time and name of the entry that expires first.
    pub(super) fn next_due(&self) -> Option<(u64, &[u8])> {
        let &(at, hash) = self.due.first()?;
        let entry = self.dict.find(hash, |entry| entry.expire_at == at);
        assert!(entry.is_some(), "an expiry time without a key");
        entry.map(|entry| (at, &*entry.key))
    }

    fn put(&mut self, hash: u64, entry: Entry<V>) -> Option<Entry<V>> {
        let expire_at = entry.expire_at;
        self.held += entry.bytes();
        let displaced = match self.dict.find_mut(hash, |held| held.key == entry.key) {
            Some(held) => Some(std::mem::replace(held, entry)),
            None => {
                self.dict.insert(hash, entry);
                None
            }
        };
        if let Some(displaced) = &displaced {
            self.leaves(hash, displaced);
        }
        self.schedule(expire_at, hash);
        displaced
    }

    /// Accounts for an entry that has been taken out.
    fn leaves(&mut self, hash: u64, entry: &Entry<V>) {
        self.held -= entry.bytes();
        self.unschedule(entry.expire_at, hash);
    }

    fn schedule(&mut self, at: u64, hash: u64) {
        if at != 0 {
            self.expiring += 1;
            self.due.insert((at, hash));
        }
    }

    /// Called when the entry is gone or has another time already: another key of the same hash and time keeps the
    /// element in the set.
    fn unschedule(&mut self, at: u64, hash: u64) {
        if at == 0 {
            return;
        }
        self.expiring -= 1;
        if self.dict.find(hash, |entry| entry.expire_at == at).is_none() {
            self.due.remove(&(at, hash));
        }
    }

    /// Says what is wrong with the keyspace, if anything is. Looks at every entry.
    pub(super) fn validate(&self) -> Result<(), String> {
        self.dict.validate(|entry| self.hash(&entry.key))?;
        let (mut held, mut expiring, mut due) = (0, 0, BTreeSet::new());
        let (mut lost, mut cursor) = (None, 0);
        loop {
            cursor = self.scan(cursor, 1024, &mut |entry| {
                held += entry.bytes();
                if entry.expire_at != 0 {
                    expiring += 1;
                    due.insert((entry.expire_at, self.hash(&entry.key)));
                }
                if !self.get(&entry.key).is_some_and(|found| std::ptr::eq(found, entry)) {
                    lost = Some(entry.key.clone());
                }
            });
            if cursor == 0 {
                break;
            }
        }
        if let Some(key) = lost {
            return Err(format!("key {} is there twice", key.escape_ascii()));
        }
        if (held, expiring) != (self.held, self.expiring) {
            return Err(format!(
                "{held} bytes and {expiring} expiries where {} and {} were counted",
                self.held, self.expiring
            ));
        }
        if due == self.due { Ok(()) } else { Err("the set of expiry times does not match the keys".into()) }
    }
}
