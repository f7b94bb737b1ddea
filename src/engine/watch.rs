//! WATCH: which names transactions have their eyes on, and when each last changed.
//!
//! Names are kept as hashes; a collision makes a transaction fail that could have passed, which its client repeats.

use crate::base::hash::FixedMap;

#[derive(Debug, Default)]
pub(super) struct Watched {
    names: FixedMap<u64, Name>,
}

#[derive(Debug, Default)]
struct Name {
    watchers: u32,
    changed: u64,
}

/// One client's watch on one name.
#[derive(Clone, Debug)]
pub struct Watch {
    pub(super) key: Box<[u8]>,
    pub(super) name: u64,
    pub(super) since: u64,
}

impl Watch {
    /// True if this is a watch on `key`.
    #[must_use]
    pub fn is_on(&self, key: &[u8]) -> bool {
        *self.key == *key
    }
}

impl Watched {
    pub(super) fn add(&mut self, name: u64) {
        self.names.entry(name).or_default().watchers += 1;
    }

    pub(super) fn remove(&mut self, name: u64) {
        if let Some(entry) = self.names.get_mut(&name) {
            entry.watchers -= 1;
            if entry.watchers == 0 {
                self.names.remove(&name);
            }
        }
    }

    pub(super) fn touch(&mut self, name: u64, change: u64) {
        if self.names.is_empty() {
            return;
        }
        if let Some(entry) = self.names.get_mut(&name) {
            entry.changed = change;
        }
    }

    pub(super) fn touch_all(&mut self, change: u64) {
        self.names.values_mut().for_each(|entry| entry.changed = change);
    }

    pub(super) fn changed_since(&self, watch: &Watch) -> bool {
        self.names.get(&watch.name).is_none_or(|entry| entry.changed > watch.since)
    }
}

impl super::Engine {
    /// Begins to watch `key` for a client.
    pub fn watch(&mut self, key: &[u8]) -> Watch {
        self.begin();
        self.expire_if_due(key);
        self.end();
        let name = self.store.keyspace.hash(key);
        self.watched.add(name);
        Watch { key: key.into(), name, since: self.changes }
    }

    /// Ends a watch.
    pub fn unwatch(&mut self, watch: &Watch) {
        self.watched.remove(watch.name);
    }

    /// True if the watched name has changed, its expiry included. To be asked between [`super::Engine::begin`] and
    /// [`super::Engine::end`].
    pub fn has_changed(&mut self, watch: &Watch) -> bool {
        self.expire_if_due(&watch.key);
        self.watched.changed_since(watch)
    }
}
