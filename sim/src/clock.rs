//! The clock, the console and the host of a simulated machine.

use std::sync::Arc;

use engram::base::time::{Mono, Wall};
use engram::env::{Clock, Console, Facts, Host, Level};

use crate::scheduler::Scheduler;

/// Wall-clock time at virtual time zero: 2026-01-01, in microseconds.
pub const WALL_START: u64 = 1_767_225_600_000_000;

/// Virtual time. Reading it is no scheduling point.
pub struct SimClock {
    scheduler: Scheduler,
}

/// Puts log lines into the trace.
pub struct SimConsole {
    scheduler: Scheduler,
}

/// Says nothing of itself.
#[derive(Clone, Copy, Debug)]
pub struct SimHost;

impl Host for SimHost {
    fn facts(&self) -> Facts {
        Facts::default()
    }
}

/// The clock of one life.
#[must_use]
pub fn clock(scheduler: &Scheduler) -> Arc<dyn Clock> {
    Arc::new(SimClock { scheduler: scheduler.clone() })
}

/// The console of one life.
#[must_use]
pub fn console(scheduler: &Scheduler) -> Arc<dyn Console> {
    Arc::new(SimConsole { scheduler: scheduler.clone() })
}

/// Milliseconds of wall-clock time at virtual nanosecond `now`.
#[must_use]
pub fn wall_millis(now: u64) -> u64 {
    (WALL_START + now / 1_000) / 1_000
}

impl std::fmt::Debug for SimClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimClock")
    }
}

impl std::fmt::Debug for SimConsole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimConsole")
    }
}

impl Clock for SimClock {
    fn now(&self) -> Mono {
        Mono(self.scheduler.now())
    }

    fn wall(&self) -> Wall {
        Wall(WALL_START + self.scheduler.now() / 1_000)
    }
}

impl Console for SimConsole {
    fn line(&self, _level: Level, text: &str) {
        self.scheduler.note("log", text, [0; 3]);
    }

    fn threshold(&self, _level: Level) {}
}
