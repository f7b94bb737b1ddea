//! What carries simulated threads: gives each a stack of its own, and lets one at a time run.

use std::sync::Arc;

use engram::base::sync::Scheduler as Hook;

#[cfg(all(unix, not(miri), any(target_arch = "x86_64", target_arch = "aarch64")))]
use super::fibers::{Fibers, Stacks};
use super::threads::{Threads, Workers};

/// A simulated thread from its first turn to its end. It contains its panics, and returns who is next: the rig when
/// nobody is left.
pub(super) type Body = Box<dyn FnOnce() -> Option<usize> + Send>;

/// Carries the threads of one life, which are numbered in the order in which they are added.
pub(super) trait Carrier: Send + Sync {
    /// Adds a thread, whose turn it is not yet. It runs with this scheduler installed.
    fn add(&self, hook: Arc<dyn Hook>, body: Body);
    /// Lets thread 0 run, and returns when a body has named the rig as the next.
    fn run(&self, hook: Arc<dyn Hook>);
    /// Lets thread `to` run instead of `from`, the calling one, and returns when it is the turn of `from` again.
    fn switch(&self, from: usize, to: usize);
}

/// What simulated threads run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carry {
    /// Stacks that one thread of the host changes between: fast.
    Fibers,
    /// A thread of the host for each.
    Threads,
}

impl Default for Carry {
    /// Fibers where there are any.
    fn default() -> Self {
        if cfg!(all(unix, not(miri), any(target_arch = "x86_64", target_arch = "aarch64"))) {
            Self::Fibers
        } else {
            Self::Threads
        }
    }
}

/// Stacks or threads of the host to carry simulated ones, used again and again.
#[derive(Debug, Default)]
pub struct Pool {
    carry: Carry,
    workers: Arc<Workers>,
    #[cfg(all(unix, not(miri), any(target_arch = "x86_64", target_arch = "aarch64")))]
    stacks: Arc<Stacks>,
}

impl Pool {
    /// An empty pool of that kind. Where there are no fibers, threads do.
    #[must_use]
    pub fn new(carry: Carry) -> Self {
        Self { carry, ..Self::default() }
    }

    /// Whether everything that it carries stays on the thread of the host that runs a life.
    #[must_use]
    pub fn stays(&self) -> bool {
        self.carry == Carry::Fibers && Carry::default() == Carry::Fibers
    }

    /// For a life whose rig is the calling thread.
    pub(super) fn carrier(&self) -> Box<dyn Carrier> {
        #[cfg(all(unix, not(miri), any(target_arch = "x86_64", target_arch = "aarch64")))]
        if self.stays() {
            return Box::new(Fibers::new(&self.stacks));
        }
        Box::new(Threads::new(&self.workers))
    }
}
