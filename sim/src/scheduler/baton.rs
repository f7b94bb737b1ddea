//! Who has the baton, and whom it goes to.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use engram::base::mark::{Mark, Told, Work};
use engram::base::sync::{Scheduler as Hook, Stopped};

use super::core::{Core, State};
use super::{Blow, Disturbance, Outcome, Scheduler, panics};
use crate::shared::Held;

impl Scheduler {
    /// Runs what is due. The lock is not held meanwhile.
    fn act(&self) {
        let next = || self.core().pop_due();
        while let Some(act) = next() {
            // Not the engine's panic, which it might contain.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(act)) {
                self.fail(&format!("the simulated world panicked: {}", panics::last(&*payload)));
            }
        }
    }

    /// The next thread to run when the calling one cannot go on: time passes until there is one. On a stopped
    /// machine, the first that has not ended yet.
    fn pick<'a>(&'a self, mut core: Held<'a, Core>) -> (Held<'a, Core>, usize) {
        loop {
            if core.something_due() {
                drop(core);
                self.act();
                core = self.core();
            }
            if core.outcome.is_some() {
                let alive = core.threads.iter().position(|thread| thread.state != State::Ended);
                return (core, alive.unwrap_or(0));
            }
            if let Some(next) = core.choose_next() {
                core.plan_quiet();
                return (core, next);
            }
            if core.stop_when_idle() {
                core.stop(Outcome::Crashed);
            } else if !core.jump() {
                let report = core.report();
                core.stop(Outcome::Failed(format!("deadlock\n{report}")));
            }
        }
    }

    /// A scheduling point.
    #[inline]
    pub(super) fn pass<'a>(&'a self, mut core: Held<'a, Core>, site: &'static str) {
        core.step();
        if !core.is_quiet() {
            self.look(core, site);
        }
    }

    /// A scheduling point at which there may be something to do.
    fn look<'a>(&'a self, mut core: Held<'a, Core>, site: &'static str) {
        let disturbance = core.disturbance(site);
        if disturbance.is_none() && core.is_quiet_step() {
            return;
        }
        core.check_step(site);
        if core.something_due() {
            drop(core);
            self.act();
            core = self.core();
        }
        if core.outcome.is_some() {
            drop(core);
            resume_unwind(Box::new(Stopped));
        }
        if let Some(disturbance) = disturbance {
            core.plan_quiet();
            return self.disturb(core, &disturbance, site);
        }
        let me = core.current;
        let next = core.choose_at_point();
        core.plan_quiet();
        self.switch(core, me, next);
    }

    /// Lets the plan's blow fall on the calling thread.
    fn disturb(&self, core: Held<'_, Core>, disturbance: &Disturbance, site: &'static str) {
        let hear = core.hear.clone();
        drop(core);
        if let Some(hear) = hear {
            hear(disturbance);
        }
        match disturbance.blow {
            Blow::Stall(nanos) => self.sleep(nanos, "its stall to end"),
            Blow::Panic => panic!("the plan has it panic at `{site}`"),
        }
    }

    /// Gives the baton to a thread that can run (which may be the calling one) and returns when it is back.
    pub(super) fn hand_over(&self, core: Held<'_, Core>) {
        let me = core.current;
        let (core, next) = self.pick(core);
        if core.outcome.is_some() {
            drop(core);
            resume_unwind(Box::new(Stopped));
        }
        self.switch(core, me, next);
    }

    fn switch(&self, mut core: Held<'_, Core>, me: usize, next: usize) {
        if next == me {
            return;
        }
        let name = Arc::clone(&core.threads[next].name);
        let steps = core.steps;
        core.note("switch", &name, [steps, next as u64, 0]);
        core.current = next;
        core.revoke();
        drop(core);
        self.inner.carrier.switch(me, next);
        let mut core = self.core();
        core.grant();
        if core.outcome.is_some() {
            drop(core);
            resume_unwind(Box::new(Stopped));
        }
    }

    pub(super) fn start(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> usize {
        let number = self.core().add_thread(name);
        let this = self.clone();
        let body = move || {
            this.live(body);
            this.end()
        };
        self.inner.carrier.add(self.hook(), Box::new(body));
        number
    }

    /// Runs a thread's body to whatever end it comes to.
    fn live(&self, body: Box<dyn FnOnce() + Send>) {
        let mut core = self.core();
        core.grant();
        let stopped = core.outcome.is_some();
        drop(core);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            if stopped {
                // The machine stopped before this thread had its first turn. Its captures go as in a crash.
                let _dropped = body;
                resume_unwind(Box::new(Stopped));
            }
            body();
        }));
        if let Err(payload) = ended
            && !payload.is::<Stopped>()
        {
            let core = self.core();
            let name = Arc::clone(&core.threads[core.current].name);
            drop(core);
            self.fail(&format!("thread `{name}` panicked: {}", panics::last(&*payload)));
        }
    }

    /// The calling thread is done: whom the baton goes to, none when it was the last.
    fn end(&self) -> Option<usize> {
        let mut core = self.core();
        let me = core.current;
        core.threads[me].state = State::Ended;
        core.wake(me + 1, true);
        if core.all_ended() {
            core.revoke();
            return None;
        }
        let (mut core, next) = self.pick(core);
        core.current = next;
        core.revoke();
        Some(next)
    }
}

impl Hook for Scheduler {
    #[inline]
    fn point(&self, site: &'static str) {
        if std::thread::panicking() {
            return;
        }
        self.pass(self.core(), site);
    }

    fn block(&self, object: usize, site: &'static str, limit: Option<Duration>) -> bool {
        let limit = limit.map(|limit| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
        self.wait(object, site, limit)
    }

    fn wake(&self, object: usize, all: bool) {
        self.core().wake(object, all);
    }

    fn spawn(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> usize {
        self.note("spawn", name, [0; 3]);
        let number = self.start(name, body);
        self.point("spawn");
        // Object 0 is nobody's, so that sleepers can wait for it.
        number + 1
    }

    fn running(&self, thread: usize) -> bool {
        self.core().threads[thread - 1].state != State::Ended
    }

    fn reached(&self, mark: Mark) {
        self.core().mark(mark);
    }

    fn spent(&self, work: Work, amount: usize) {
        self.core().spent(work, amount);
    }

    fn told(&self, told: Told) {
        let mut core = self.core();
        // Who is stopped tells anything.
        let judged = if core.outcome.is_some() { Ok(()) } else { core.order.told(told) };
        drop(core);
        if let Err(what) = judged {
            self.fail(&what);
        }
    }
}
