//! Which names were changed by records that are not durable yet.
//!
//! A read of such a name waits with its reply for that record. Names are kept as hashes: two names that collide wait
//! for each other, which is harmless. The table is as large as the log's backlog has records, and empties itself.

use std::collections::VecDeque;

use crate::base::hash::FixedMap;
use crate::wal::Lsn;

#[derive(Debug, Default)]
pub(super) struct Unsynced {
    last: FixedMap<u64, Lsn>,
    queue: VecDeque<(Lsn, u64)>,
    /// The last record that changed every name.
    everything: Lsn,
}

impl Unsynced {
    /// Record `lsn` changed the name that hashes to `name`.
    pub(super) fn note(&mut self, name: u64, lsn: Lsn) {
        self.last.insert(name, lsn);
        self.queue.push_back((lsn, name));
    }

    /// Record `lsn` changed every name.
    pub(super) fn note_everything(&mut self, lsn: Lsn) {
        self.everything = lsn;
    }

    /// The log is durable up to `durable`: forgets what that covers.
    pub(super) fn advance(&mut self, durable: Lsn) {
        while let Some(&(lsn, name)) = self.queue.front() {
            if lsn > durable {
                break;
            }
            self.queue.pop_front();
            if self.last.get(&name) == Some(&lsn) {
                self.last.remove(&name);
            }
        }
        if self.everything <= durable {
            self.everything = Lsn(0);
        }
    }

    /// The record that a reply about this name has to wait for; zero for none.
    pub(super) fn barrier(&self, name: u64) -> Lsn {
        if self.last.is_empty() {
            return self.everything;
        }
        self.last.get(&name).copied().unwrap_or(Lsn(0)).max(self.everything)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_forgotten_once_its_last_record_is_durable() {
        let mut unsynced = Unsynced::default();
        unsynced.note(1, Lsn(5));
        unsynced.note(2, Lsn(6));
        unsynced.note(1, Lsn(7));
        unsynced.advance(Lsn(6));
        assert_eq!((unsynced.barrier(1), unsynced.barrier(2)), (Lsn(7), Lsn(0)));
        unsynced.advance(Lsn(7));
        assert_eq!(unsynced.barrier(1), Lsn(0));
        assert!(unsynced.queue.is_empty() && unsynced.last.is_empty());
    }

    #[test]
    fn clearing_everything_holds_every_name() {
        let mut unsynced = Unsynced::default();
        unsynced.note_everything(Lsn(3));
        assert_eq!(unsynced.barrier(99), Lsn(3));
        unsynced.advance(Lsn(3));
        assert_eq!(unsynced.barrier(99), Lsn(0));
    }
}
