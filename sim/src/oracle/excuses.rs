//! What faults of the plan excuse in the life at hand.

use engram::resp::client::Value;

use super::{Oracle, internal};
use crate::plan::Op;

impl Oracle {
    /// Whether something that excuses a failed log has happened in this life.
    #[must_use]
    pub fn log_failed(&self) -> bool {
        self.faults.as_ref().is_some_and(|faults| faults.lock().harmed_log())
    }

    /// Whether the log may have failed for good in this life.
    pub(super) fn log_died(&self) -> bool {
        self.faults.as_ref().is_some_and(|faults| faults.lock().told.killed_log())
    }

    /// Whether something has happened in this life that excuses the failure of a snapshot that was asked for at `since`; a
    /// backup is not on the disk that fails.
    #[must_use]
    pub fn may_not_save(&self, since: u64, backup: bool) -> bool {
        self.faults.as_ref().is_some_and(|faults| {
            let faults = faults.lock();
            faults.map_changed || faults.told.killed_log() || (!backup && faults.told.fails_snapshot(since))
        })
    }

    /// The server was asked to finish, or has said that it does not.
    pub fn finishes(&mut self, yes: bool) {
        self.finishing = yes;
    }

    /// Whether a snapshot that was asked for in this life is known to be there, and whether each of them is. Of one that a server
    /// makes before it finishes nobody is told.
    #[must_use]
    pub fn saves(&self) -> (bool, bool) {
        let (asked, done) = &self.saves;
        (*done > 0, *done > 0 && asked.len() == *done && self.ordered.is_empty())
    }

    /// The server is ordered to make a snapshot, and to finish.
    pub fn ordered_to_save(&mut self, at: u64) {
        self.ordered.push(at);
    }

    /// When snapshots were asked for in this life, by whatever command.
    #[must_use]
    pub fn asked_saves(&self) -> Vec<u64> {
        let mut asked = [self.saves.0.as_slice(), &self.ordered].concat();
        asked.sort_unstable();
        asked
    }

    /// Whether the medium has changed vectors that the server serves from a map: what it says of them is not to be
    /// judged, nor to be believed.
    #[must_use]
    pub fn vectors_rotten(&self) -> bool {
        self.faults.as_ref().is_some_and(|faults| faults.lock().map_changed)
    }

    /// How often a job has panicked in this life because the plan had it so.
    pub(super) fn panics(&self) -> usize {
        self.faults.as_ref().map_or(0, |faults| faults.lock().panics())
    }

    /// Whether a job has panicked in this life because the plan had it so, and nobody was told.
    #[must_use]
    pub fn job_panicked(&self) -> bool {
        self.panics() > self.told_of_panics
    }

    /// Replies with internal errors have come: is there a panic for each? A link that panics is tried once more.
    pub fn excuses(&mut self, op: &Op, replies: &[Value]) -> bool {
        let each = if matches!(op, Op::Add { .. }) { 2 } else { 1 };
        self.told_of_panics += each * internal(replies);
        self.panics() >= self.told_of_panics
    }
}
