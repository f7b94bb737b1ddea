//! Threads that take turns, virtual time, and the crash.
//!
//! One thread holds the baton and runs; at every scheduling point it may have to hand it over. When no thread can run,
//! virtual time jumps to the next entry of the agenda: a timed wait that ends, or a piece of the simulated world
//! (a client sends, bytes arrive), which runs on whatever thread holds the baton. Nobody ready and nothing on the
//! agenda is a deadlock. A crash marks the machine stopped and unwinds every thread, one after the other, with
//! [`Stopped`]. Who may run is decided by one seeded stream, so a seed decides every interleaving.
//!
//! It does not model memory weaker than sequential consistency: between two points a thread's accesses happen at once.

mod baton;
mod carrier;
mod choice;
mod core;
mod disturb;
#[cfg(all(unix, not(miri), any(target_arch = "x86_64", target_arch = "aarch64")))]
mod fibers;
mod order;
mod panics;
mod strategy;
#[cfg(all(unix, not(miri), any(target_arch = "x86_64", target_arch = "aarch64")))]
mod switch;
#[cfg(test)]
mod tests;
mod threads;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use engram::base::rng::Rng;
use engram::base::sync::Scheduler as Hook;

use self::carrier::Carrier;
use self::core::{Core, Due, WORKS};
use self::strategy::Chooser;
use crate::phase::Phase;
use crate::shared::{Binding, Held, Shared};
use crate::trace::Trace;

pub use carrier::{Carry, Pool};
pub use choice::Choice;
pub use disturb::{Blow, Disturbance};
pub use strategy::Strategy;

/// Where a plan stops the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashAt {
    /// At this scheduling point, counted from 1.
    Step(u64),
    /// At this call of a door, counted from 1, before it has an effect.
    Call(u64),
}

impl fmt::Display for CrashAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(number) => write!(f, "step {number}"),
            Self::Call(number) => write!(f, "call {number}"),
        }
    }
}

impl FromStr for CrashAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is neither `step N` nor `call N`");
        let (kind, number) = text.split_once(' ').ok_or_else(wrong)?;
        let number = number.parse().map_err(|_| wrong())?;
        match kind {
            "step" => Ok(Self::Step(number)),
            "call" => Ok(Self::Call(number)),
            _ => Err(wrong()),
        }
    }
}

/// How one life is scheduled.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How the next thread is chosen.
    pub strategy: Strategy,
    /// Virtual nanoseconds that a scheduling point takes.
    pub tick: u64,
    /// Most scheduling points; more is a violation.
    pub step_bound: u64,
    /// Where the machine stops.
    pub crash: Option<CrashAt>,
    /// Threads that stall or panic.
    pub disturbances: Vec<Disturbance>,
    /// Whether every choice that could have been made instead is listed.
    pub survey: bool,
    /// Whether it stops as soon as no thread can run, instead of letting time pass.
    pub stop_when_idle: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            strategy: Strategy::Uniform { one_in: 4 },
            tick: 100,
            step_bound: 5_000_000,
            crash: None,
            disturbances: Vec::new(),
            survey: false,
            stop_when_idle: false,
        }
    }
}

/// How a life ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every thread came to its end.
    Returned,
    /// The machine was stopped where the plan wanted it.
    Crashed,
    /// Something happened that must not: a deadlock, a panic, a violation found by the oracle.
    Failed(String),
}

/// What a life leaves behind.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub outcome: Outcome,
    /// The trace with the life's events added.
    pub trace: Trace,
    /// Virtual time at its end.
    pub now: u64,
    /// Scheduling points that were passed.
    pub steps: u64,
    /// Calls at the doors.
    pub calls: u64,
    /// The schedule: every choice that differed from what would have happened by itself.
    pub choices: Vec<Choice>,
    /// What could have been chosen instead, in order, if that was wanted.
    pub others: Vec<Choice>,
    /// Choices of [`Strategy::Listed`] that could not be made, and disturbances whose passage never came.
    pub unmatched: u64,
}

/// The scheduler of one life. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub struct Scheduler {
    inner: Arc<Inner>,
}

struct Inner {
    core: Shared<Core>,
    carrier: Box<dyn Carrier>,
}

impl Scheduler {
    /// A scheduler whose choices come from `rng`, for a life that begins at virtual time `now`. It belongs to the
    /// calling thread, which alone may [`Scheduler::run`] it.
    #[must_use]
    pub fn new(settings: Settings, rng: Rng, trace: Trace, now: u64, pool: &Pool) -> Self {
        let chooser = Chooser::new(settings.strategy.clone(), rng);
        let _bound = Binding::begin(pool.stays());
        let core = Shared::new(Core::new(settings, chooser, trace, now));
        Self { inner: Arc::new(Inner { core, carrier: pool.carrier() }) }
    }

    /// Runs `body` as the first thread of the life, and everything it starts, until all have ended.
    pub fn run(&self, body: impl FnOnce() + Send + 'static) -> Ended {
        panics::watch();
        self.start("main", Box::new(body));
        self.inner.carrier.run(self.hook());
        let mut core = self.core();
        let agenda = core.take_agenda();
        let ended = Ended {
            outcome: core.outcome.take().unwrap_or(Outcome::Returned),
            trace: std::mem::take(&mut core.trace),
            now: core.now,
            steps: core.steps,
            calls: core.calls,
            choices: std::mem::take(&mut core.made),
            others: std::mem::take(&mut core.others),
            unmatched: core.unmatched(),
        };
        drop(core);
        drop(agenda);
        ended
    }

    fn hook(&self) -> Arc<dyn Hook> {
        Arc::new(self.clone())
    }

    /// Virtual nanoseconds.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.core().now
    }

    /// What the server is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.core().trace.phase()
    }

    /// Virtual nanoseconds so far in which no thread could run: the whole machine waited for something.
    #[must_use]
    pub fn idled(&self) -> u64 {
        self.core().idled
    }

    /// So much of each kind of [`engram::base::mark::Work`], in their order, may the life's first thread do between two
    /// looks at its sockets; without a word from here, any amount.
    pub fn allow(&self, work: [usize; WORKS]) {
        self.core().allow(work);
    }

    /// So many commands of one client may the life's first thread execute between two looks at its sockets; without a word
    /// from here, any number.
    pub fn allow_commands(&self, commands: u64) {
        self.core().order.allow(commands);
    }

    /// The life's first thread looks at its sockets: if it has done too much since it last did, that is a violation.
    pub fn looks(&self) {
        let looked = self.core().looks();
        if let Err(what) = looked {
            self.fail(&what);
        }
    }

    /// The name of the thread that has the baton.
    #[must_use]
    pub fn running(&self) -> Arc<str> {
        let core = self.core();
        Arc::clone(&core.threads[core.current].name)
    }

    /// Adds an event to the trace.
    pub fn note(&self, kind: &'static str, name: &str, numbers: [u64; 3]) {
        self.core().note(kind, name, numbers);
    }

    /// Adds an event and, if events are kept, what a person would like to read about it.
    pub fn tell(&self, kind: &'static str, name: &str, numbers: [u64; 3], detail: impl FnOnce() -> String) {
        let mut core = self.core();
        core.note(kind, name, numbers);
        core.trace.explain(detail);
    }

    /// Adds to the last event what a person would like to read, if events are kept.
    pub fn explain(&self, detail: impl FnOnce() -> String) {
        self.core().trace.explain(detail);
    }

    /// Runs `act` after `delay` virtual nanoseconds, on whatever thread holds the baton then. It must not reach a
    /// scheduling point.
    pub fn later(&self, delay: u64, act: impl FnOnce() + Send + 'static) {
        let mut core = self.core();
        let at = core.now.saturating_add(delay);
        core.push(at, Due::Act(Box::new(act)));
    }

    /// The whole machine stands still for so many virtual nanoseconds.
    pub fn pause(&self, nanos: u64) {
        self.core().pause(nanos);
    }

    /// What every thread is doing, for a report.
    #[must_use]
    pub fn report(&self) -> String {
        self.core().report()
    }

    /// Stops the machine because of a violation. The calling thread goes on to its next scheduling point.
    pub fn fail(&self, what: &str) {
        let mut core = self.core();
        core.note("violation", what, [0; 3]);
        core.stop(Outcome::Failed(what.to_owned()));
    }

    /// Stops the machine as the plan wants it, other than at a counted point.
    pub fn crash(&self) {
        let mut core = self.core();
        core.note("crash", "asked for", [0; 3]);
        core.stop(Outcome::Crashed);
    }

    /// Has `hear` called with every disturbance that happens, at that moment. It must not reach a scheduling point.
    pub fn when_disturbed(&self, hear: impl Fn(&Disturbance) + Send + Sync + 'static) {
        self.core().hear = Some(Arc::new(hear));
    }

    /// True from the crash on, while threads unwind: doors have no effect any more.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.core().outcome.is_some()
    }

    /// Stops the machine after `delay` virtual nanoseconds; for zero, at this moment, and unwinds the calling thread.
    pub fn crash_after(&self, delay: u64, site: &'static str) {
        if delay > 0 {
            let this = self.clone();
            self.later(delay, move || this.crash());
        } else {
            self.crash();
            self.point(site);
        }
    }

    /// A scheduling point that is also a call at a door. False when the call must do nothing, since its thread is
    /// unwinding.
    #[must_use]
    pub fn door(&self, site: &'static str) -> bool {
        if std::thread::panicking() {
            return !self.stopped();
        }
        let mut core = self.core();
        core.call(site);
        self.pass(core, site);
        true
    }

    /// Blocks the calling thread for a span of virtual time.
    pub fn sleep(&self, nanos: u64, site: &'static str) {
        if !std::thread::panicking() {
            // No wake-up ever names this object: addresses and thread numbers start above it.
            self.wait(0, site, Some(nanos));
        }
    }

    /// Blocks the calling thread until `object` is woken or the time has passed; false when it has.
    pub fn wait(&self, object: usize, site: &'static str, limit: Option<u64>) -> bool {
        if std::thread::panicking() {
            return true;
        }
        let mut core = self.core();
        core.step();
        core.check_step(site);
        core.block_current(object, site, limit);
        self.hand_over(core);
        !self.core().timed_out()
    }

    /// Makes the threads that wait for `object` ready.
    pub fn wake_all(&self, object: usize) {
        self.core().wake(object, true);
    }

    #[inline]
    fn core(&self) -> Held<'_, Core> {
        let mut core = self.inner.core.lock();
        core.settle();
        core
    }
}
