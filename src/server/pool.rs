//! The worker threads: jobs in, answers out. The loop lends a hand with brief jobs: one that comes alone is done at once,
//! without waking anybody.
//!
//! Guarantees: every job that is not silent is answered exactly once, one that panics with an error, unless it can be
//! begun again and then comes to its end; the loop is woken after answers have been laid out. Bounded by its caller
//! ([`super::options::Shares::jobs`]).

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::replies::Place;
use crate::base::mark::{Mark, reached};
use crate::base::sync::{self, Condvar, JoinHandle, Mutex};
use crate::base::time::Mono;
use crate::engine::command::Command;
use crate::engine::{Finished, Job};
use crate::env::{ConnId, Waker};
use crate::index::Scratch;

/// A command whose reply a worker or a snapshot finishes, for the counts of commands.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) command: &'static Command,
    pub(super) at: Mono,
    /// Its words for SLOWLOG, should it come to that; none while SLOWLOG is off.
    pub(super) words: Vec<Vec<u8>>,
}

/// Whom a job's answer is for.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) conn: ConnId,
    pub(super) place: Place,
    /// The command that it is a reply to.
    pub(super) started: Started,
}

/// The loop's end of the pool.
pub(super) struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle>,
    /// Jobs put in and not yet taken out, silent ones not counted.
    in_flight: usize,
    /// Jobs that have panicked and come to nothing.
    failed: usize,
    /// Brief jobs of this turn, which no worker knows of yet.
    own: VecDeque<(Ticket, Job)>,
    scratch: Scratch,
}

struct Shared {
    jobs: Mutex<Jobs>,
    filled: Condvar,
    done: Mutex<Vec<(Ticket, Finished)>>,
    waker: Arc<dyn Waker>,
}

#[derive(Default)]
struct Jobs {
    queue: VecDeque<(Option<Ticket>, Job)>,
    closed: bool,
}

impl Jobs {
    /// Takes the next job if it is brief.
    fn next_brief(&mut self) -> Option<(Ticket, Job)> {
        match self.queue.pop_front()? {
            (Some(ticket), job) if job.is_brief() => Some((ticket, job)),
            other => {
                self.queue.push_front(other);
                None
            }
        }
    }
}

impl Pool {
    pub(super) fn start(workers: usize, waker: Arc<dyn Waker>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            jobs: Mutex::new("jobs", Jobs::default()),
            filled: Condvar::new("jobs filled"),
            done: Mutex::new("answers", Vec::new()),
            waker,
        });
        let mut threads = Vec::with_capacity(workers);
        for number in 0..workers {
            let shared = Arc::clone(&shared);
            threads.push(sync::spawn(&format!("worker {number}"), move || work(&shared))?);
        }
        Ok(Self {
            shared,
            threads,
            in_flight: 0,
            failed: 0,
            own: VecDeque::new(),
            scratch: Scratch::default(),
        })
    }

    /// Jobs whose answers have not been taken.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Jobs so far that have panicked and come to nothing, of those whose answers have been taken.
    pub(super) fn failed(&self) -> usize {
        self.failed
    }

    /// Puts a job in whose answer goes to `ticket`.
    pub(super) fn put(&mut self, ticket: Ticket, job: Job) {
        assert!(!job.is_silent(), "nobody waits for a silent job");
        self.in_flight += 1;
        if job.is_brief() {
            self.own.push_back((ticket, job));
        } else {
            self.enqueue(Some(ticket), job);
        }
    }

    /// Hands brief jobs to the workers, all but the `kept` first.
    pub(super) fn share_out(&mut self, kept: usize) {
        let given = self.own.len().saturating_sub(kept);
        if given == 0 {
            return;
        }
        let rest = self.own.drain(kept..).map(|(ticket, job)| (Some(ticket), job));
        self.shared.jobs.lock().queue.extend(rest);
        for _ in 0..given.min(self.threads.len()) {
            self.shared.filled.notify_one();
        }
    }

    /// Does a brief job on the calling thread, if one is next. Its answer is not among those of [`Pool::take`].
    pub(super) fn help(&mut self) -> Option<(Ticket, Finished)> {
        let (ticket, job) = self.own.pop_front().or_else(|| self.shared.jobs.lock().next_brief())?;
        self.in_flight -= 1;
        let (finished, job) = run(job, &mut self.scratch);
        self.failed += usize::from(finished.failed);
        job.into_garbage().into_iter().for_each(|garbage| self.put_silent(garbage));
        Some((ticket, finished))
    }

    /// Puts a job in that nobody waits for.
    pub(super) fn put_silent(&self, job: Job) {
        self.enqueue(None, job);
    }

    fn enqueue(&self, ticket: Option<Ticket>, job: Job) {
        self.shared.jobs.lock().queue.push_back((ticket, job));
        self.shared.filled.notify_one();
    }

    /// Takes the answers that have come.
    pub(super) fn take(&mut self, answers: &mut Vec<(Ticket, Finished)>) {
        std::mem::swap(&mut *self.shared.done.lock(), answers);
        self.in_flight -= answers.len();
        self.failed += answers.iter().filter(|(_, finished)| finished.failed).count();
    }

    /// Drops what is queued, lets the threads finish what they have begun, and waits for them. A row whose link was
    /// dropped is linked by the next start.
    pub(super) fn close(self) {
        let mut jobs = self.shared.jobs.lock();
        jobs.closed = true;
        let queued = std::mem::take(&mut jobs.queue);
        drop(jobs);
        if !queued.is_empty() {
            reached(Mark::FinishingWithJobs);
        }
        drop(queued);
        self.shared.filled.notify_all();
        for thread in self.threads {
            // A worker contains the panics of its jobs; whatever else ended it has no one left to tell.
            drop(thread.join());
        }
    }
}

fn work(shared: &Shared) {
    let mut scratch = Scratch::default();
    while let Some((ticket, job)) = next(shared) {
        let (finished, job) = run(job, &mut scratch);
        drop(job);
        let wakes = ticket.is_none_or(|ticket| {
            let mut done = shared.done.lock();
            done.push((ticket, finished));
            done.len() == 1
        });
        if wakes {
            shared.waker.wake();
        } else {
            reached(Mark::AnswersMerge);
        }
    }
}

/// Does a job; one that panics has an error for an answer, unless it can be begun again and then comes to its end.
/// The job is given back, since what it holds may take long to drop.
fn run(mut job: Job, scratch: &mut Scratch) -> (Finished, Job) {
    let mut finished = attempt(&mut job, scratch);
    if finished.failed && job.is_repeatable() {
        reached(Mark::LinkRepeated);
        finished = attempt(&mut job, scratch);
    }
    (finished, job)
}

fn attempt(job: &mut Job, scratch: &mut Scratch) -> Finished {
    let run = || {
        sync::point("job");
        job.run(scratch)
    };
    sync::catch(run).unwrap_or_else(|message| {
        reached(Mark::JobPanicked);
        *scratch = Scratch::default();
        Finished::failed(&message)
    })
}

fn next(shared: &Shared) -> Option<(Option<Ticket>, Job)> {
    let mut jobs = shared.jobs.lock();
    loop {
        if let Some(job) = jobs.queue.pop_front() {
            return Some(job);
        }
        if jobs.closed {
            return None;
        }
        jobs = shared.filled.wait(jobs, None);
    }
}
