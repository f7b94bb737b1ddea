//! Simulated threads on threads of the operating system: slower, on every machine, and as tools that look at stacks
//! and memory expect it.
//!
//! Which of them carries what is left to chance and must not matter: a simulated thread is known by its number only.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::Thread;

use engram::base::sync::{Scheduler as Hook, install};

use super::carrier::{Body, Carrier};
use super::panics;
use crate::shared::Shared;

/// Something to run on a thread of its own.
type Job = Box<dyn FnOnce() + Send>;

/// A set of threads that wait for jobs. It grows as needed.
#[derive(Debug, Default)]
pub(super) struct Workers {
    idle: Arc<Shared<Vec<Worker>>>,
}

#[derive(Debug)]
struct Worker {
    jobs: Sender<Job>,
    thread: Thread,
}

/// Carries the threads of one life.
pub(super) struct Threads {
    workers: Arc<Workers>,
    turns: Arc<Shared<Vec<Arc<Turn>>>>,
    rig: Arc<Turn>,
}

/// The baton, as one thread sees it: its turn has come, or it sleeps.
#[derive(Debug)]
struct Turn {
    mine: AtomicBool,
    thread: Thread,
}

impl Turn {
    /// For `thread`, whose turn it is not.
    fn new(thread: Thread) -> Self {
        Self { mine: AtomicBool::new(false), thread }
    }

    /// It is this thread's turn now.
    fn give(&self) {
        self.mine.store(true, Ordering::Release);
        self.thread.unpark();
    }

    /// Sleeps until the turn is given. Called by the thread itself.
    fn take(&self) {
        while !self.mine.swap(false, Ordering::Acquire) {
            std::thread::park();
        }
    }
}

impl Workers {
    fn take(&self) -> Worker {
        self.idle.lock().pop().unwrap_or_else(start)
    }

    /// Runs a job on a worker, which goes back to the idle ones by itself.
    fn run(&self, worker: Worker, job: impl FnOnce() + Send + 'static) {
        let jobs = worker.jobs.clone();
        let list = Arc::downgrade(&self.idle);
        let wrapped: Job = Box::new(move || {
            job();
            if let Some(list) = list.upgrade() {
                list.lock().push(worker);
            }
        });
        // Sending fails only if the worker's thread is gone, which it never is while this sender lives.
        assert!(jobs.send(wrapped).is_ok(), "a pool thread ended early");
    }
}

fn start() -> Worker {
    let (jobs, queue) = channel::<Job>();
    let spawned = std::thread::Builder::new().name("simulated".to_owned()).spawn(move || {
        let _quiet = panics::Quiet::begin();
        while let Ok(job) = queue.recv() {
            job();
        }
    });
    match spawned {
        Ok(handle) => Worker { jobs, thread: handle.thread().clone() },
        Err(error) => panic!("the host gives no more threads: {error}"),
    }
}

impl Threads {
    /// For a life whose rig is the calling thread.
    pub(super) fn new(workers: &Arc<Workers>) -> Self {
        let rig = Arc::new(Turn::new(std::thread::current()));
        Self { workers: Arc::clone(workers), turns: Arc::default(), rig }
    }

    fn turn(&self, number: usize) -> Arc<Turn> {
        Arc::clone(&self.turns.lock()[number])
    }
}

impl Carrier for Threads {
    fn add(&self, hook: Arc<dyn Hook>, body: Body) {
        let worker = self.workers.take();
        let turn = Arc::new(Turn::new(worker.thread.clone()));
        self.turns.lock().push(Arc::clone(&turn));
        let (turns, rig) = (Arc::clone(&self.turns), Arc::clone(&self.rig));
        self.workers.run(worker, move || {
            turn.take();
            install(Some(hook));
            let next = body();
            install(None);
            next.map_or(rig, |next| Arc::clone(&turns.lock()[next])).give();
        });
    }

    fn run(&self, _: Arc<dyn Hook>) {
        self.turn(0).give();
        self.rig.take();
    }

    fn switch(&self, from: usize, to: usize) {
        let mine = self.turn(from);
        self.turn(to).give();
        mine.take();
    }
}
