//! The doors: everything the engine asks of a machine, as traits.
//!
//! One method is one effect that a crash or a fault can separate. Nothing here has a default body: whoever stands
//! behind a door (the real machine in [`crate::os`], the simulated one in `engram-sim`) answers for every method.
//! Short reads and writes are visible, and so is every error; retrying, filling up and giving up are the caller's.

mod mapped;
mod net;
mod storage;

use std::sync::Arc;
use std::time::Duration;

use crate::base::time::{Mono, Wall};

pub use mapped::MappedBytes;
pub use net::{Accepted, ConnId, Event, Interest, Net, Waker};
pub use storage::{Backups, File, Map, Storage};

/// The time.
pub trait Clock: Send + Sync {
    /// Monotonic time.
    fn now(&self) -> Mono;
    /// Wall-clock time. It may jump.
    fn wall(&self) -> Wall;
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Detail for someone who is looking for a fault.
    Debug,
    /// What an operator may want to know afterwards.
    Notice,
    /// What an operator should look at.
    Warning,
}

/// Where log lines go.
pub trait Console: Send + Sync {
    /// Writes one line; failures are swallowed, since there is nobody left to tell.
    fn line(&self, level: Level, text: &str);
    /// Drops lines below `level` from now on.
    fn threshold(&self, level: Level);
}

/// What a process is to its machine, for INFO. Zero where the machine will not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The process's number.
    pub pid: u32,
    /// Bytes of the process that are in memory now, maps of files included.
    pub resident: u64,
    /// Bytes of memory that the machine has.
    pub memory: u64,
    /// Processor time used in the process's own code, all threads together.
    pub user: Duration,
    /// Processor time used by the kernel on its behalf.
    pub system: Duration,
}

/// Whoever runs this process. For people to look at: nothing is decided by what it says.
pub trait Host: Send {
    /// The facts of this moment.
    fn facts(&self) -> Facts;

    /// What a thread calls whose work can wait: others are preferred to it from then on, by so many steps of nice(1). It does
    /// nothing where the system cannot say that of one thread.
    fn give_way(&self) -> fn(u8);
}

/// One machine: every door of a server's life.
pub struct Machine {
    /// The data directory, or none for a server that keeps nothing.
    pub storage: Option<Arc<dyn Storage>>,
    /// Where backups go, or none for a server that makes none.
    pub backups: Option<Arc<dyn Backups>>,
    /// The listener and the clients.
    pub net: Box<dyn Net>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The log lines.
    pub console: Arc<dyn Console>,
    /// What runs the process.
    pub host: Box<dyn Host>,
    /// Entropy for hash keys and the run's identity; a plan's number in simulation.
    pub seed: u64,
}
