//! An engine without a machine, for tests of what needs no disk.

use std::sync::Arc;

use super::{Doors, Engine, IndexOptions, Options};
use crate::base::hash::HashKey;
use crate::base::sync::AtomicU64;
use crate::base::time::{Mono, Wall};
use crate::env::{Clock, Console, Level, Waker};
use crate::kernels::Kernels;
use crate::wal::Tier;

/// A clock that a test sets, in Unix milliseconds.
pub(super) struct SetClock(pub(super) AtomicU64);

struct Silent;

impl Clock for SetClock {
    fn now(&self) -> Mono {
        Mono(self.0.load() * 1_000_000)
    }

    fn wall(&self) -> Wall {
        Wall(self.0.load() * 1_000)
    }
}

impl Console for Silent {
    fn line(&self, _: Level, _: &str) {}
    fn threshold(&self, _: Level) {}
}

impl Waker for Silent {
    fn wake(&self) {}
}

impl Engine {
    /// An engine that keeps nothing, at an arbitrary time.
    pub(super) fn in_memory() -> Self {
        Self::at(Arc::new(SetClock(AtomicU64::new(1_700_000_000_000))))
    }

    /// An engine that keeps nothing and goes by `clock`.
    pub(super) fn at(clock: Arc<SetClock>) -> Self {
        let index = IndexOptions { kernels: Kernels::best(), exact_below: 0, hash: HashKey::from_seed(1) };
        let options = Options {
            tier: Tier::Always,
            segment_bytes: 1 << 20,
            snapshot_slice: 256,
            workers: 1,
            index,
            seed: 1,
        };
        let doors = Doors { storage: None, clock, console: Arc::new(Silent), waker: Arc::new(Silent) };
        match Self::open(doors, &options) {
            Ok((engine, _)) => engine,
            Err(e) => panic!("an engine without a directory always opens: {e}"),
        }
    }
}
