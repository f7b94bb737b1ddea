//! The baton, as one thread sees it: its turn has come, or it sleeps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;

/// A sleeping place for one thread.
#[derive(Debug)]
pub(super) struct Turn {
    mine: AtomicBool,
    thread: Thread,
}

impl Turn {
    /// For `thread`, whose turn it is not.
    pub(super) fn new(thread: Thread) -> Self {
        Self { mine: AtomicBool::new(false), thread }
    }

    /// It is this thread's turn now.
    pub(super) fn give(&self) {
        self.mine.store(true, Ordering::Release);
        self.thread.unpark();
    }

    /// Sleeps until the turn is given. Called by the thread itself.
    pub(super) fn take(&self) {
        while !self.mine.swap(false, Ordering::Acquire) {
            std::thread::park();
        }
    }
}
