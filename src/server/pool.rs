//! The worker threads: jobs in, answers out. The loop lends a hand with brief jobs: one that comes alone is done at once,
//! without waking anybody.
//!
//! In which order jobs are done [`super::lanes`] says.
//!
//! Guarantees: every job that is not silent is answered exactly once, one that panics with an error, unless it can be
//! begun again and then comes to its end; only searches whose client has gone may be dropped instead. The loop is woken after
//! answers have been laid out. Of one client no more jobs are in flight than its share: what EXEC brings beyond that is held back
//! and enters as earlier ones are done, so that it takes no room from others. How many are in flight of all clients is bounded by
//! the caller ([`super::options::Shares::jobs`]) plus one share.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::lanes::Lanes;
use super::replies::Place;
use crate::base::hash::FixedMap;
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
    /// Jobs put in and not yet taken out, neither silent ones counted nor those that are held back.
    in_flight: usize,
    /// Of each client that has any.
    clients: FixedMap<ConnId, Client>,
    /// Most jobs in flight of one client.
    share: usize,
    /// Jobs that have panicked and come to nothing.
    failed: usize,
    /// Brief jobs of this turn, which no worker knows of yet.
    own: VecDeque<(Ticket, Job)>,
    scratch: Scratch,
}

/// A client's jobs.
#[derive(Default)]
struct Client {
    in_flight: usize,
    /// What enters when others are done; none while fewer than a share are in flight.
    held: VecDeque<(Ticket, Job)>,
}

struct Shared {
    jobs: Mutex<Jobs>,
    filled: Condvar,
    done: Mutex<Vec<(Ticket, Finished)>>,
    waker: Arc<dyn Waker>,
}

#[derive(Default)]
struct Jobs {
    lanes: Lanes,
    closed: bool,
}

/// Takes out the searches of `conn`.
fn take_searches(queue: &mut VecDeque<(Ticket, Job)>, conn: ConnId) -> Vec<Job> {
    let (searches, rest): (Vec<_>, Vec<_>) =
        std::mem::take(queue).into_iter().partition(|(ticket, job)| ticket.conn == conn && job.is_search());
    *queue = rest.into();
    searches.into_iter().map(|(_, job)| job).collect()
}

impl Pool {
    /// With so many threads, each of which calls `first`, and most jobs in flight of one client.
    pub(super) fn start(
        workers: usize,
        share: usize,
        waker: Arc<dyn Waker>,
        first: impl Fn() + Copy + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            jobs: Mutex::new("jobs", Jobs::default()),
            filled: Condvar::new("jobs filled"),
            done: Mutex::new("answers", Vec::new()),
            waker,
        });
        let mut threads = Vec::with_capacity(workers);
        for number in 0..workers {
            let shared = Arc::clone(&shared);
            let worker = move || {
                first();
                work(&shared);
            };
            threads.push(sync::spawn(&format!("worker {number}"), worker)?);
        }
        Ok(Self {
            shared,
            threads,
            in_flight: 0,
            clients: FixedMap::default(),
            share: share.max(1),
            failed: 0,
            own: VecDeque::new(),
            scratch: Scratch::default(),
        })
    }

    /// Jobs whose answers have not been taken, without those that are held back: where there are such, there are others.
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
        let client = self.clients.entry(ticket.conn).or_default();
        if client.in_flight >= self.share {
            reached(Mark::JobHeldBack);
            client.held.push_back((ticket, job));
        } else {
            client.in_flight += 1;
            self.enter(ticket, job);
        }
    }

    fn enter(&mut self, ticket: Ticket, job: Job) {
        self.in_flight += 1;
        if job.is_brief() {
            self.own.push_back((ticket, job));
        } else {
            self.enqueue(|lanes| lanes.put(ticket, job));
        }
    }

    /// A job of `conn` is in flight no more: one that was held back may be.
    fn settle(&mut self, conn: ConnId) {
        self.in_flight -= 1;
        let Some(client) = self.clients.get_mut(&conn) else { unreachable!("a client with jobs is known") };
        match client.held.pop_front() {
            Some((ticket, job)) => self.enter(ticket, job),
            None => {
                client.in_flight -= 1;
                if client.in_flight == 0 {
                    self.clients.remove(&conn);
                }
            }
        }
    }

    /// `conn` has gone. Its searches are dropped, save those that are under way; its rows are linked all the same.
    pub(super) fn forget(&mut self, conn: ConnId) {
        let Some(client) = self.clients.get_mut(&conn) else { return };
        let held = take_searches(&mut client.held, conn);
        let mut queued = take_searches(&mut self.own, conn);
        queued.extend(self.shared.jobs.lock().lanes.forget(conn));
        if !held.is_empty() || !queued.is_empty() {
            reached(Mark::SearchesDropped);
            // What waited until they had left their indexes may go on.
            self.shared.waker.wake();
        }
        queued.iter().for_each(|_| self.settle(conn));
        let garbage = held.into_iter().chain(queued).filter_map(Job::into_garbage);
        garbage.for_each(|garbage| self.put_silent(garbage));
    }

    /// Hands brief jobs to the workers, all but the `kept` first.
    pub(super) fn share_out(&mut self, kept: usize) {
        let given = self.own.len().saturating_sub(kept);
        if given == 0 {
            return;
        }
        let mut jobs = self.shared.jobs.lock();
        self.own.drain(kept..).for_each(|(ticket, job)| jobs.lanes.put(ticket, job));
        drop(jobs);
        for _ in 0..given.min(self.threads.len()) {
            self.shared.filled.notify_one();
        }
    }

    /// Does a brief job on the calling thread, if one is next. Its answer is not among those of [`Pool::take`].
    pub(super) fn help(&mut self) -> Option<(Ticket, Finished)> {
        let (ticket, job) = self.own.pop_front().or_else(|| self.shared.jobs.lock().lanes.next_brief())?;
        self.settle(ticket.conn);
        let (finished, job) = run(job, &mut self.scratch);
        self.failed += usize::from(finished.failed);
        job.into_garbage().into_iter().for_each(|garbage| self.put_silent(garbage));
        Some((ticket, finished))
    }

    /// Puts a job in that nobody waits for.
    pub(super) fn put_silent(&self, job: Job) {
        self.enqueue(|lanes| lanes.put_silent(job));
    }

    fn enqueue(&self, put: impl FnOnce(&mut Lanes)) {
        put(&mut self.shared.jobs.lock().lanes);
        self.shared.filled.notify_one();
    }

    /// Takes the answers that have come.
    pub(super) fn take(&mut self, answers: &mut Vec<(Ticket, Finished)>) {
        std::mem::swap(&mut *self.shared.done.lock(), answers);
        answers.iter().for_each(|(ticket, _)| self.settle(ticket.conn));
        self.failed += answers.iter().filter(|(_, finished)| finished.failed).count();
    }

    /// Drops what is queued, lets the threads finish what they have begun, and waits for them. A row whose link was
    /// dropped is linked by the next start.
    pub(super) fn close(self) {
        let mut jobs = self.shared.jobs.lock();
        jobs.closed = true;
        let queued = std::mem::take(&mut jobs.lanes);
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
    if finished.failed {
        job.give_up();
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
        if let Some(job) = jobs.lanes.next() {
            return Some(job);
        }
        if jobs.closed {
            return None;
        }
        jobs = shared.filled.wait(jobs, None);
    }
}
