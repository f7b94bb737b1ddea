//! What a command comes to when it has run.

use crate::engine::Outcome;
use crate::wal::Lsn;

/// A command that has run: its reply so far, and what is still to come.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) outcome: Outcome,
    pub(super) barrier: Lsn,
}

impl Ran {
    pub(super) const DONE: Self = Self { outcome: Outcome::Done, barrier: Lsn(0) };
}
