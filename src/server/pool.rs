//! The worker threads: jobs in, answers out.
//!
//! Guarantees: every job that is not silent is answered exactly once, a panicking one with an error; the loop is woken
//! after answers have been laid out. Bounded by its caller ([`super::options::Shares::jobs`]).

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
        Ok(Self { shared, threads, in_flight: 0 })
    }

    /// Jobs whose answers have not been taken.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Puts a job in whose answer goes to `ticket`.
    pub(super) fn put(&mut self, ticket: Ticket, job: Job) {
        assert!(!job.is_silent(), "nobody waits for a silent job");
        self.in_flight += 1;
        self.enqueue(Some(ticket), job);
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
        let run = || {
            sync::point("job");
            job.run(&mut scratch)
        };
        let finished = sync::catch(run).unwrap_or_else(|message| {
            reached(Mark::JobPanicked);
            scratch = Scratch::default();
            Finished::failed(&message)
        });
        if let Some(ticket) = ticket {
            let mut done = shared.done.lock();
            done.push((ticket, finished));
            let first = done.len() == 1;
            drop(done);
            if first {
                shared.waker.wake();
            } else {
                reached(Mark::AnswersMerge);
            }
        }
    }
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
