//! WATCH: which names transactions have their eyes on, and when each last changed.
//!
//! Names are kept as hashes; a collision makes a transaction fail that could have passed, which its client repeats.

use super::{Engine, lives};
use crate::base::hash::{FixedMap, FixedSet};
use crate::wal::Lsn;

#[derive(Debug, Default)]
pub(super) struct Watched {
    names: FixedMap<u64, Name>,
}

#[derive(Debug, Default)]
struct Name {
    watchers: u32,
    changed: u64,
    /// Where that was the removal of a key whose time had come: the change before.
    buried: Option<u64>,
}

/// What one client watches: each name once, however often it says so.
#[derive(Debug, Default)]
pub struct Watches {
    list: Vec<Watch>,
    names: FixedSet<u64>,
    bytes: usize,
}

#[derive(Debug)]
struct Watch {
    key: Box<[u8]>,
    name: u64,
    since: u64,
    /// Its time had come by then, and nothing could be written: it is gone already, whenever it is removed.
    hidden: bool,
}

impl Watches {
    /// How many names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Bytes of memory that they occupy.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
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
            (entry.changed, entry.buried) = (change, None);
        }
    }

    /// The last change of a name, as far as anybody watches it.
    pub(super) fn changed(&self, name: u64) -> Option<u64> {
        self.names.get(&name).map(|entry| entry.changed)
    }

    /// The last change, the one after `before`, was the removal of a key whose time had come.
    pub(super) fn bury(&mut self, name: u64, before: Option<u64>) {
        if let Some(entry) = self.names.get_mut(&name) {
            entry.buried = before;
        }
    }

    pub(super) fn touch_all(&mut self, change: u64) {
        self.names.values_mut().for_each(|entry| (entry.changed, entry.buried) = (change, None));
    }

    fn changed_since(&self, watch: &Watch) -> bool {
        self.names.get(&watch.name).is_none_or(|entry| {
            let buried = entry.buried.filter(|_| watch.hidden);
            buried.unwrap_or(entry.changed) > watch.since
        })
    }
}

impl Engine {
    /// Begins to watch `key` for a client, unless it does already.
    pub fn watch(&mut self, watches: &mut Watches, key: &[u8]) {
        self.begin();
        self.expire_if_due(key);
        self.end();
        let name = self.store.keyspace.hash(key);
        if watches.names.insert(name) {
            self.watched.add(name);
            let hidden =
                self.store.keyspace.get_hashed(name, key).is_some_and(|entry| !lives(entry, self.now));
            watches.list.push(Watch { key: key.into(), name, since: self.changes, hidden });
            watches.bytes += key.len() + size_of::<Watch>() + 2 * size_of::<u64>();
        }
    }

    /// Ends all of a client's watches.
    pub fn unwatch(&mut self, watches: &mut Watches) {
        for watch in std::mem::take(watches).list {
            self.watched.remove(watch.name);
        }
    }

    /// Names that clients watch, each as often as it is watched.
    #[must_use]
    pub fn watchers(&self) -> usize {
        self.watched.names.values().map(|name| name.watchers as usize).sum()
    }

    /// Whether a watched name has changed, its expiry included; if so, the record that a reply which says so has to
    /// wait for. To be asked between [`Engine::begin`] and [`Engine::end`].
    pub fn has_changed(&mut self, watches: &Watches) -> Option<Lsn> {
        let mut changed = None;
        for watch in &watches.list {
            let hidden = self.expire_if_due(&watch.key);
            // One for which the record has no room was alive when the watch began, unless that knows better.
            let overdue = hidden && !watch.hidden && self.failed.is_none();
            if overdue || self.watched.changed_since(watch) {
                let barrier = self.durability.as_ref().map_or(Lsn(0), |d| d.unsynced.barrier(watch.name));
                changed = changed.max(Some(barrier));
            }
        }
        changed
    }
}
