//! The clocks, the console and the host of a simulated machine.
//!
//! Wall-clock time goes as virtual time does, but for the jumps of the plan; monotonic time never jumps, but may stand
//! still for a grain.

use std::sync::Arc;

use engram::base::time::{Mono, Wall};
use engram::env::{Clock, Console, Facts, Host, Level};

use crate::scheduler::Scheduler;
use crate::shared::Shared;

/// Wall-clock time at virtual time zero: 2026-01-01, in microseconds.
pub const WALL_START: u64 = 1_767_225_600_000_000;

/// What a plan does to the time of one life. Times are virtual nanoseconds since its beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Virtual nanoseconds in which monotonic time shows no progress; 0 and 1 for none.
    pub grain: u64,
    /// Longest time by which a wait of the loop with a deadline may end too late.
    pub late: u64,
    /// When the wall clock is set, and by how many microseconds forward or back.
    pub jumps: Vec<(u64, i64)>,
    /// When the whole machine stands still, and for how long.
    pub pauses: Vec<(u64, u64)>,
}

/// How wall-clock time has gone so far, over all lives of a run.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// Virtual time of each jump, and by how many microseconds wall-clock time was ahead of it from then on.
    jumps: Vec<(u64, i64)>,
}

impl Timeline {
    /// By how many microseconds wall-clock time is ahead of virtual time now.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.jumps.last().map_or(0, |(_, offset)| *offset)
    }

    /// The clock is set at `now`. Returns the milliseconds that it shows before and after.
    pub fn jump(&mut self, now: u64, micros: i64) -> (u64, u64) {
        let before = self.offset();
        let after = before.saturating_add(micros).clamp(-FARTHEST, FARTHEST);
        self.jumps.push((now, after));
        (shown(now, before) / 1_000, shown(now, after) / 1_000)
    }

    /// What the wall clock showed before and after each of its jumps from `from` to `to`, in milliseconds.
    pub fn jumps(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, u64)> {
        let before =
            |i: usize| i.checked_sub(1).and_then(|i| self.jumps.get(i)).map_or(0, |(_, offset)| *offset);
        let shown = move |(i, &(at, after)): (usize, &(u64, i64))| {
            (shown(at, before(i)) / 1_000, shown(at, after) / 1_000)
        };
        self.jumps.iter().enumerate().filter(move |(_, (at, _))| (from..=to).contains(at)).map(shown)
    }

    /// The earliest and the latest millisecond that the wall clock showed from `from` to `to`.
    #[must_use]
    pub fn range(&self, from: u64, to: u64) -> (u64, u64) {
        let before = self.jumps.iter().rfind(|(at, _)| *at < from).map_or(0, |(_, offset)| *offset);
        let mut range = (u64::MAX, 0);
        let mut see = |now: u64, offset: i64| {
            let millis = shown(now, offset) / 1_000;
            range = (range.0.min(millis), range.1.max(millis));
        };
        let mut offset = before;
        see(from, offset);
        for &(at, next) in self.jumps.iter().filter(|(at, _)| (from..=to).contains(at)) {
            see(at, offset);
            see(at, next);
            offset = next;
        }
        see(to, offset);
        range
    }
}

/// Microseconds that no plan's wall clock gets farther away from virtual time: a year.
const FARTHEST: i64 = 31_536_000_000_000;

/// Microseconds of wall-clock time at virtual nanosecond `now`.
fn shown(now: u64, offset: i64) -> u64 {
    (WALL_START + now / 1_000).saturating_add_signed(offset)
}

/// Virtual time. Reading it is no scheduling point.
pub struct SimClock {
    scheduler: Scheduler,
    grain: u64,
    offset: Arc<Shared<i64>>,
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

    /// Whom the scheduler prefers its plan says.
    fn give_way(&self) -> fn(u8) {
        |_| ()
    }
}

/// The clock of one life; whoever sets the wall clock changes `offset`.
#[must_use]
pub fn clock(scheduler: &Scheduler, grain: u64, offset: &Arc<Shared<i64>>) -> Arc<dyn Clock> {
    Arc::new(SimClock { scheduler: scheduler.clone(), grain: grain.max(1), offset: Arc::clone(offset) })
}

/// The console of one life.
#[must_use]
pub fn console(scheduler: &Scheduler) -> Arc<dyn Console> {
    Arc::new(SimConsole { scheduler: scheduler.clone() })
}

/// Milliseconds of wall-clock time at virtual nanosecond `now`, where the clock has not been set.
#[must_use]
pub fn wall_millis(now: u64) -> u64 {
    shown(now, 0) / 1_000
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
        let now = self.scheduler.now();
        Mono(now - now % self.grain)
    }

    fn wall(&self) -> Wall {
        Wall(shown(self.scheduler.now(), *self.offset.lock()))
    }
}

impl Console for SimConsole {
    fn line(&self, _level: Level, text: &str) {
        self.scheduler.note("log", text, [0; 3]);
    }

    fn threshold(&self, _level: Level) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_wall_clock_time_covers_every_jump_in_it() {
        let mut timeline = Timeline::default();
        let second = 1_000_000_000;
        let at = |seconds: u64| WALL_START / 1_000 + seconds * 1_000;
        assert_eq!(timeline.range(second, 2 * second), (at(1), at(2)));
        assert_eq!(timeline.jump(5 * second, 100_000_000), (at(5), at(105)));
        assert_eq!(timeline.jump(6 * second, -103_000_000), (at(106), at(3)));
        assert_eq!(timeline.range(second, 2 * second), (at(1), at(2)));
        assert_eq!(timeline.range(4 * second, 5 * second), (at(4), at(105)));
        assert_eq!(timeline.range(5 * second + 1, 5 * second + 2), (at(105), at(105)));
        assert_eq!(timeline.range(4 * second, 7 * second), (at(3), at(106)));
        assert_eq!(timeline.range(7 * second, 8 * second), (at(4), at(5)));
    }
}
