//! Keys whose time has come: taken when somebody asks for them, and some in each turn.
//!
//! A removal is logged: a clock that jumps back must not wake the key. It belongs to the record of the command that meets the
//! key; where that has no room for it any more the key is hidden from the command, and a later turn takes it. (Nothing that would
//! write the key fits then: a deletion is the shortest of all that names it.) Once the log takes no writes such keys are only
//! hidden. Nothing is guaranteed of when: a turn takes a bounded number, and as many as one record holds.

use super::mutation::Op;
use super::value::Value;
use super::{Engine, Entry, lives};
use crate::base::mark::{Mark, Work, reached, spent};

impl Engine {
    /// Removes `key` if its time has come. True if it could only be hidden.
    pub(super) fn expire_if_due(&mut self, key: &[u8]) -> bool {
        let due = |entry: &Entry<Value>| !lives(entry, self.now);
        if !self.store.keyspace.get(key).is_some_and(due) {
            return false;
        }
        if self.failed.is_some() {
            reached(Mark::ExpiredHidden);
            return true;
        }
        if !self.fits(Op::Delete { key }.encoded_len()) {
            reached(Mark::ExpiredBehindRecord);
            return true;
        }
        reached(Mark::ExpiredOnRead);
        self.expire(key);
        false
    }

    fn expire(&mut self, key: &[u8]) {
        if self.store.saving.is_running() {
            reached(Mark::ExpiredMeanwhile);
        }
        let (op, name) = (Op::Delete { key }, self.store.keyspace.hash(key));
        let (lsn, before) = (self.next_lsn(), self.watched.changed(name));
        let applied = self.store.apply(&op, lsn);
        assert!(applied.is_ok(), "a deletion always applies");
        self.log(&op, lsn);
        self.watched.bury(name, before);
        self.stats.expired += 1;
    }

    /// Removes keys whose time has come, a turn's worth. True while there may be more.
    pub(super) fn expire_some(&mut self) -> bool {
        if self.store.keyspace.expiring() == 0 {
            return false;
        }
        self.begin();
        let (mut taken, mut full) = (0, false);
        while taken < self.expiries_per_turn && self.failed.is_none() {
            let due = self.store.keyspace.next_due().filter(|(at, _)| *at <= self.now);
            let Some((_, key)) = due else { break };
            full = !self.fits(Op::Delete { key }.encoded_len());
            if full {
                assert!(taken > 0, "a record takes any one deletion");
                reached(Mark::ExpiriesFillRecord);
                break;
            }
            let key = key.to_vec();
            reached(Mark::ExpiredInTime);
            self.expire(&key);
            taken += 1;
        }
        self.end();
        spent(Work::Expired, taken);
        if taken == self.expiries_per_turn {
            reached(Mark::ExpiriesBounded);
        }
        full || taken == self.expiries_per_turn
    }

    /// Milliseconds until the next key's time comes; none once the log has failed, since nothing is done then.
    #[must_use]
    pub fn next_expiry(&self) -> Option<u64> {
        if self.failed.is_some() {
            return None;
        }
        let (at, _) = self.store.keyspace.next_due()?;
        Some(at.saturating_sub(self.clock.wall().millis()))
    }
}
