//! Operating-system threads to run simulated ones on, used again and again.
//!
//! Which of them runs what is left to chance and must not matter: a simulated thread is known by its number only.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::Thread;

use crate::shared::Shared;

/// Something to run on a thread of its own.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// A set of threads that wait for jobs. It grows as needed.
#[derive(Debug, Default)]
pub struct Pool {
    idle: Arc<Shared<Vec<Worker>>>,
}

#[derive(Debug)]
struct Worker {
    jobs: Sender<Job>,
    thread: Thread,
}

impl Pool {
    /// Runs a job on an idle thread, or a new one, and says which. `make` is told the thread before it starts.
    pub(super) fn run(&self, make: impl FnOnce(&Thread) -> Job) {
        let idle = self.idle.lock().pop();
        let worker = idle.unwrap_or_else(start);
        let job = make(&worker.thread);
        let jobs = worker.jobs.clone();
        // The worker goes back to the idle ones by itself; sending fails only if its thread is gone, which it never
        // is while this sender lives.
        let list = Arc::downgrade(&self.idle);
        let wrapped: Job = Box::new(move || {
            job();
            if let Some(list) = list.upgrade() {
                list.lock().push(worker);
            }
        });
        assert!(jobs.send(wrapped).is_ok(), "a pool thread ended early");
    }
}

fn start() -> Worker {
    let (jobs, queue) = channel::<Job>();
    let spawned = std::thread::Builder::new().name("simulated".to_owned()).spawn(move || {
        while let Ok(job) = queue.recv() {
            job();
        }
    });
    match spawned {
        Ok(handle) => Worker { jobs, thread: handle.thread().clone() },
        Err(error) => panic!("the host gives no more threads: {error}"),
    }
}
