//! The scheduler's state, and the changes to it that need no thread to be stopped or started.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use engram::base::mark::{Mark, Work};
use engram::base::sync::{quiet, set_quiet};

use super::disturb::{Disturbances, Hear};
use super::order::Order;
use super::strategy::{Chooser, Moment};
use super::{Choice, CrashAt, Disturbance, Outcome, Settings};
use crate::trace::Trace;

/// What an agenda entry does when its time has come.
pub(super) enum Due {
    /// Ends a timed wait, if that same wait still lasts.
    Wake { thread: usize, wait: u64 },
    /// Runs a piece of the simulated world.
    Act(Box<dyn FnOnce() + Send>),
}

/// Kinds of [`Work`].
pub(super) const WORKS: usize = 3;

pub(super) struct Entry {
    at: u64,
    number: u64,
    due: Due,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Ready,
    Blocked { object: usize, site: &'static str },
    Ended,
}

pub(super) struct Thread {
    pub(super) name: Arc<str>,
    pub(super) state: State,
    /// Counts this thread's waits, so that a timer of an earlier one does not end a later one.
    wait: u64,
    timed_out: bool,
}

pub(super) struct Core {
    settings: Settings,
    pub(super) threads: Vec<Thread>,
    pub(super) current: usize,
    pub(super) now: u64,
    pub(super) steps: u64,
    pub(super) calls: u64,
    /// Virtual nanoseconds in which no thread could run.
    pub(super) idled: u64,
    /// What the first thread, which is the loop's, has done of its bounded work since it last looked at its sockets.
    worked: [usize; WORKS],
    /// How much of it is due at most, once it has begun to look.
    allowed: Option<[usize; WORKS]>,
    looks: bool,
    /// Who is inside, and whose turn it is.
    pub(super) order: Order,
    /// Choices of this step so far.
    nth: u32,
    /// Steps at which a thread blocked. The others were scheduling points.
    blocked: u64,
    /// Up to this step, exclusively, a scheduling point has nothing to do but to count itself.
    quiet_until: u64,
    /// Points that the running thread may pass without coming here, as it was told.
    granted: u64,
    chooser: Chooser,
    disturbances: Disturbances,
    /// Who hears of those that happen.
    pub(super) hear: Option<Arc<Hear>>,
    pub(super) made: Vec<Choice>,
    pub(super) others: Vec<Choice>,
    /// Set when the machine has stopped: threads only unwind from then on.
    pub(super) outcome: Option<Outcome>,
    pub(super) trace: Trace,
    agenda: BinaryHeap<Entry>,
    entries: u64,
    /// Room for a list of threads.
    list: Vec<usize>,
}

impl Core {
    pub(super) fn new(settings: Settings, chooser: Chooser, trace: Trace, now: u64) -> Self {
        let disturbances = Disturbances::new(&settings.disturbances);
        Self {
            settings,
            threads: Vec::new(),
            current: 0,
            now,
            steps: 0,
            calls: 0,
            nth: 0,
            blocked: 0,
            quiet_until: 0,
            granted: 0,
            idled: 0,
            worked: [0; WORKS],
            allowed: None,
            looks: false,
            order: Order::default(),
            chooser,
            disturbances,
            hear: None,
            made: Vec::new(),
            others: Vec::new(),
            outcome: None,
            trace,
            agenda: BinaryHeap::new(),
            entries: 0,
            list: Vec::new(),
        }
    }

    pub(super) fn add_thread(&mut self, name: &str) -> usize {
        let thread = Thread { name: Arc::from(name), state: State::Ready, wait: 0, timed_out: false };
        self.threads.push(thread);
        self.heed();
        self.threads.len() - 1
    }

    pub(super) fn note(&mut self, kind: &'static str, name: &str, numbers: [u64; 3]) {
        let thread = &self.threads[self.current].name;
        self.trace.add(self.now, thread, kind, name, numbers);
    }

    pub(super) fn mark(&mut self, mark: Mark) {
        let thread = &self.threads[self.current].name;
        self.trace.mark(self.now, thread, mark);
    }

    /// The running thread has done so much of such work. What is dropped is bounded for each index, all else for a turn.
    pub(super) fn spent(&mut self, work: Work, amount: usize) {
        if self.current == 0 {
            let worked = &mut self.worked[work as usize];
            *worked = if work == Work::Dropped { amount.max(*worked) } else { amount + *worked };
        }
    }

    /// The loop looks at its sockets: an error says what it has done too much of since it last did.
    pub(super) fn looks(&mut self) -> Result<(), String> {
        let worked = std::mem::take(&mut self.worked);
        self.order.looked();
        // Who starts looks, too, and nobody waits for it yet.
        let serves = !self.trace.phase().is_start();
        let (true, Some(allowed)) = (std::mem::replace(&mut self.looks, serves), self.allowed) else {
            return Ok(());
        };
        let mut kinds = [Work::Expired, Work::Saved, Work::Dropped].into_iter();
        match kinds.find(|kind| worked[*kind as usize] > allowed[*kind as usize]) {
            None => Ok(()),
            Some(kind) => Err(format!(
                "between two looks at its sockets the loop has done {} of {kind:?}; at most {} are due",
                worked[kind as usize], allowed[kind as usize]
            )),
        }
    }

    /// So much of each kind of work is due at most.
    pub(super) fn allow(&mut self, allowed: [usize; WORKS]) {
        self.allowed = Some(allowed);
    }

    /// Counts one step, with its time.
    #[inline]
    pub(super) fn step(&mut self) {
        self.steps += 1;
        self.now += self.settings.tick;
        self.nth = 0;
    }

    /// Whether a scheduling point that was just counted has nothing more to do: no choice, nothing due, no end.
    #[inline]
    pub(super) fn is_quiet(&mut self) -> bool {
        // It had a choice, and made none.
        self.nth = 1;
        let quiet = self.steps < self.quiet_until && self.disturbances.is_over();
        if quiet {
            self.grant();
        }
        quiet
    }

    /// Whether a scheduling point has nothing to do, as far as this can be known from its number.
    pub(super) fn is_quiet_step(&self) -> bool {
        self.steps < self.quiet_until
    }

    /// Counts the points that the running thread has passed without coming here.
    #[inline]
    pub(super) fn settle(&mut self) {
        let left = quiet();
        let passed = self.granted - left;
        if passed > 0 {
            self.granted = left;
            self.steps += passed;
            self.now += passed * self.settings.tick;
            self.nth = 1;
        }
    }

    /// Tells the running thread how many points it may pass without coming here.
    #[inline]
    pub(super) fn grant(&mut self) {
        let points =
            if self.disturbances.is_over() { self.quiet_until.saturating_sub(self.steps + 1) } else { 0 };
        self.granted = points;
        set_quiet(points);
    }

    /// The running thread makes way: it may pass none.
    pub(super) fn revoke(&mut self) {
        self.granted = 0;
        set_quiet(0);
    }

    /// Ends the run where the plan or the bound says so.
    pub(super) fn check_step(&mut self, site: &'static str) {
        if self.settings.crash == Some(CrashAt::Step(self.steps)) {
            self.note("crash", site, [self.steps, 0, 0]);
            self.stop(Outcome::Crashed);
        } else if self.steps > self.settings.step_bound {
            let bound = self.settings.step_bound;
            self.stop(Outcome::Failed(format!("no end after {bound} steps\n{}", self.report())));
        }
    }

    /// The next scheduling point is to be looked at.
    fn heed(&mut self) {
        self.quiet_until = 0;
        self.grant();
    }

    /// Works out when a scheduling point will have something to do again.
    pub(super) fn plan_quiet(&mut self) {
        if self.outcome.is_some() || self.settings.survey {
            return self.heed();
        }
        let mut until = self.chooser.next_step(self.moment()).min(self.settings.step_bound.saturating_add(1));
        if let Some(CrashAt::Step(step)) = self.settings.crash
            && step > self.steps
        {
            until = until.min(step);
        }
        self.quiet_until = until.min(self.agenda.peek().map_or(u64::MAX, |entry| self.step_of(entry.at)));
        self.grant();
    }

    /// The step at which an entry of the agenda will be due, if no time passes but by steps.
    fn step_of(&self, at: u64) -> u64 {
        let left = at.saturating_sub(self.now);
        match self.settings.tick {
            0 if left > 0 => u64::MAX,
            0 => self.steps,
            tick => self.steps.saturating_add(left.div_ceil(tick)),
        }
    }

    fn moment(&self) -> Moment {
        Moment { step: self.steps, nth: self.nth, points: self.steps - self.blocked }
    }

    /// Counts one call at a door, and ends the run where the plan says so.
    pub(super) fn call(&mut self, site: &'static str) {
        self.calls += 1;
        if self.settings.crash == Some(CrashAt::Call(self.calls)) {
            self.note("crash", site, [self.calls, 1, 0]);
            self.stop(Outcome::Crashed);
        }
    }

    /// Stops the machine; the first reason stands.
    pub(super) fn stop(&mut self, outcome: Outcome) {
        if self.outcome.is_none() {
            self.outcome = Some(outcome);
            self.heed();
        }
    }

    /// Time passes in which nothing happens.
    pub(super) fn pause(&mut self, nanos: u64) {
        self.note("pause", "", [nanos, 0, 0]);
        self.now = self.now.saturating_add(nanos);
        self.heed();
    }

    /// Drops what was still to come. What is dropped is handed out, so that it can go after the lock has.
    pub(super) fn take_agenda(&mut self) -> BinaryHeap<Entry> {
        std::mem::take(&mut self.agenda)
    }

    pub(super) fn push(&mut self, at: u64, due: Due) {
        if self.outcome.is_none() {
            self.entries += 1;
            let at = at.max(self.now);
            self.agenda.push(Entry { at, number: self.entries, due });
            let step = self.step_of(at);
            if step < self.quiet_until {
                self.quiet_until = step;
                self.grant();
            }
        }
    }

    pub(super) fn something_due(&self) -> bool {
        self.outcome.is_none() && self.agenda.peek().is_some_and(|entry| entry.at <= self.now)
    }

    /// Takes the next entry that is due; timed waits end here and now.
    pub(super) fn pop_due(&mut self) -> Option<Box<dyn FnOnce() + Send>> {
        while self.something_due() {
            match self.agenda.pop()?.due {
                Due::Act(act) => return Some(act),
                Due::Wake { thread, wait } => {
                    let waiting = &mut self.threads[thread];
                    if waiting.wait == wait && matches!(waiting.state, State::Blocked { .. }) {
                        waiting.state = State::Ready;
                        waiting.timed_out = true;
                        self.heed_eagerly();
                    }
                }
            }
        }
        None
    }

    /// Lets time jump to the next entry; false when there is none.
    pub(super) fn jump(&mut self) -> bool {
        let next = self.agenda.peek().map(|entry| entry.at);
        let now = self.now.max(next.unwrap_or(0));
        self.idled += now - self.now;
        self.now = now;
        next.is_some()
    }

    pub(super) fn block_current(&mut self, object: usize, site: &'static str, limit: Option<u64>) {
        let me = self.current;
        self.blocked += 1;
        let thread = &mut self.threads[me];
        thread.wait += 1;
        thread.timed_out = false;
        thread.state = State::Blocked { object, site };
        let wait = thread.wait;
        if let Some(limit) = limit {
            self.push(self.now.saturating_add(limit), Due::Wake { thread: me, wait });
        }
    }

    /// Whether the current thread's last wait ended because its time had passed.
    pub(super) fn timed_out(&self) -> bool {
        self.threads[self.current].timed_out
    }

    /// Makes the threads that wait for `object` ready: all, or one.
    pub(super) fn wake(&mut self, object: usize, all: bool) {
        let waits = |thread: &Thread| matches!(thread.state, State::Blocked { object: o, .. } if o == object);
        let Some(first) = self.threads.iter().position(waits) else { return };
        if all {
            for thread in self.threads[first..].iter_mut().filter(|thread| waits(thread)) {
                thread.state = State::Ready;
            }
        } else {
            let mut waiting = std::mem::take(&mut self.list);
            waiting.clear();
            waiting.extend((first..self.threads.len()).filter(|&i| waits(&self.threads[i])));
            let chosen = if waiting.len() < 2 { first } else { self.choose_waiter(&waiting) };
            self.list = waiting;
            self.threads[chosen].state = State::Ready;
        }
        self.heed_eagerly();
    }

    fn choose_waiter(&mut self, waiting: &[usize]) -> usize {
        let moment = self.moment();
        let chosen = self.chooser.waiter(moment, waiting);
        self.made(moment, chosen, waiting[0]);
        self.survey(moment, chosen, waiting);
        chosen
    }

    /// Somebody has become ready.
    fn heed_eagerly(&mut self) {
        if self.chooser.is_eager() {
            self.heed();
        }
    }

    /// Keeps a choice if it differs from what would have happened by itself.
    fn made(&mut self, moment: Moment, chosen: usize, otherwise: usize) {
        self.nth = moment.nth + 1;
        if chosen != otherwise {
            self.made.push(Choice { step: moment.step, nth: moment.nth, thread: chosen });
        }
    }

    /// Lists what could have been chosen instead.
    fn survey(&mut self, moment: Moment, chosen: usize, possible: &[usize]) {
        if self.settings.survey {
            let others = possible.iter().copied().filter(|&thread| thread != chosen);
            self.others.extend(others.map(|thread| Choice { step: moment.step, nth: moment.nth, thread }));
        }
    }

    /// Who runs on at a point that the current thread has reached.
    pub(super) fn choose_at_point(&mut self) -> usize {
        let moment = Moment { nth: 0, ..self.moment() };
        let ready = self.ready();
        let chosen = self.chooser.preempt(moment, self.current, &ready);
        self.survey(moment, chosen, &ready);
        self.list = ready;
        self.made(moment, chosen, self.current);
        chosen
    }

    /// Who is next, since the current thread cannot go on; none when nobody can.
    pub(super) fn choose_next(&mut self) -> Option<usize> {
        let moment = self.moment();
        let ready = self.ready();
        let chosen = ready.first().map(|&first| {
            let chosen = self.chooser.next(moment, &ready);
            self.survey(moment, chosen, &ready);
            self.made(moment, chosen, first);
            chosen
        });
        self.list = ready;
        chosen
    }

    /// The threads that can run, in the room of the core's list.
    fn ready(&mut self) -> Vec<usize> {
        let mut ready = std::mem::take(&mut self.list);
        ready.clear();
        ready.extend((0..self.threads.len()).filter(|&i| self.threads[i].state == State::Ready));
        ready
    }

    /// What the plan has for the current thread, which has come to `site`.
    pub(super) fn disturbance(&mut self, site: &'static str) -> Option<Disturbance> {
        if self.disturbances.is_over() {
            return None;
        }
        let thread = Arc::clone(&self.threads[self.current].name);
        let due = self.disturbances.pass(&thread, site)?;
        self.trace.add(self.now, &thread, "disturbed", &due.to_string(), [self.steps, 0, 0]);
        Some(due)
    }

    /// Choices of a listed schedule that were not made, and disturbances that never came.
    pub(super) fn unmatched(&self) -> u64 {
        self.chooser.unmatched() + self.disturbances.left()
    }

    pub(super) fn stop_when_idle(&self) -> bool {
        self.settings.stop_when_idle
    }

    pub(super) fn all_ended(&self) -> bool {
        self.threads.iter().all(|thread| thread.state == State::Ended)
    }

    /// What every thread that has not ended is doing.
    pub(super) fn report(&self) -> String {
        let mut lines = Vec::new();
        for (number, thread) in self.threads.iter().enumerate() {
            let name = &thread.name;
            match thread.state {
                State::Ready => lines.push(format!("  thread {number} `{name}` could run")),
                State::Blocked { site, .. } => {
                    lines.push(format!("  thread {number} `{name}` waits for `{site}`"));
                }
                State::Ended => {}
            }
        }
        lines.join("\n")
    }
}
