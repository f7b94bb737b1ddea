//! The scheduler's state, and the changes to it that need no thread to be stopped or started.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use engram::base::mark::Mark;

use super::strategy::Chooser;
use super::turn::Turn;
use super::{CrashAt, Outcome, Settings};
use crate::trace::Trace;

/// What an agenda entry does when its time has come.
pub(super) enum Due {
    /// Ends a timed wait, if that same wait still lasts.
    Wake { thread: usize, wait: u64 },
    /// Runs a piece of the simulated world.
    Act(Box<dyn FnOnce() + Send>),
}

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
    pub(super) turn: Arc<Turn>,
    /// Counts this thread's waits, so that a timer of an earlier one does not end a later one.
    wait: u64,
    timed_out: bool,
}

pub(super) struct Core {
    pub(super) settings: Settings,
    pub(super) threads: Vec<Thread>,
    pub(super) current: usize,
    pub(super) now: u64,
    pub(super) steps: u64,
    pub(super) calls: u64,
    pub(super) chooser: Chooser,
    /// Set when the machine has stopped: threads only unwind from then on.
    pub(super) outcome: Option<Outcome>,
    pub(super) trace: Trace,
    agenda: BinaryHeap<Entry>,
    entries: u64,
}

impl Core {
    pub(super) fn new(settings: Settings, chooser: Chooser, trace: Trace, now: u64) -> Self {
        Self {
            settings,
            threads: Vec::new(),
            current: 0,
            now,
            steps: 0,
            calls: 0,
            chooser,
            outcome: None,
            trace,
            agenda: BinaryHeap::new(),
            entries: 0,
        }
    }

    pub(super) fn add_thread(&mut self, name: Arc<str>, turn: Arc<Turn>) -> usize {
        self.threads.push(Thread { name, state: State::Ready, turn, wait: 0, timed_out: false });
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

    /// Counts one step, with its time, and ends the run where the plan or the bound says so.
    pub(super) fn step(&mut self, site: &'static str) {
        self.steps += 1;
        self.now += self.settings.tick;
        if self.settings.crash == Some(CrashAt::Step(self.steps)) {
            self.note("crash", site, [self.steps, 0, 0]);
            self.stop(Outcome::Crashed);
        } else if self.steps > self.settings.step_bound {
            let bound = self.settings.step_bound;
            self.stop(Outcome::Failed(format!("no end after {bound} steps\n{}", self.report())));
        }
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
        }
    }

    /// Drops what was still to come. What is dropped is handed out, so that it can go after the lock has.
    pub(super) fn take_agenda(&mut self) -> BinaryHeap<Entry> {
        std::mem::take(&mut self.agenda)
    }

    pub(super) fn push(&mut self, at: u64, due: Due) {
        if self.outcome.is_none() {
            self.entries += 1;
            self.agenda.push(Entry { at: at.max(self.now), number: self.entries, due });
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
                    }
                }
            }
        }
        None
    }

    /// Lets time jump to the next entry; false when there is none.
    pub(super) fn jump(&mut self) -> bool {
        let next = self.agenda.peek().map(|entry| entry.at);
        self.now = self.now.max(next.unwrap_or(0));
        next.is_some()
    }

    pub(super) fn block_current(&mut self, object: usize, site: &'static str, limit: Option<u64>) {
        let me = self.current;
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

    pub(super) fn wake(&mut self, object: usize, all: bool) {
        let waits = |thread: &Thread| matches!(thread.state, State::Blocked { object: o, .. } if o == object);
        let waiting: Vec<usize> = (0..self.threads.len()).filter(|&i| waits(&self.threads[i])).collect();
        let chosen = if all || waiting.len() < 2 {
            waiting
        } else {
            let one = self.chooser.below(waiting.len());
            vec![waiting[one]]
        };
        for thread in chosen {
            self.threads[thread].state = State::Ready;
        }
    }

    pub(super) fn ready(&self) -> Vec<usize> {
        (0..self.threads.len()).filter(|&i| self.threads[i].state == State::Ready).collect()
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
