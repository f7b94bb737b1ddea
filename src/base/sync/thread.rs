//! Starting, joining and containing threads.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use super::{Scheduler, Stopped, scheduler};

/// A thread that was started by [`spawn`]. Dropping it lets the thread run on.
pub struct JoinHandle {
    inner: Inner,
}

enum Inner {
    Real(std::thread::JoinHandle<()>),
    Simulated { scheduler: Arc<dyn Scheduler>, thread: usize },
}

impl std::fmt::Debug for JoinHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.inner {
            Inner::Real(_) => "JoinHandle(real)",
            Inner::Simulated { .. } => "JoinHandle(simulated)",
        })
    }
}

/// Starts a named thread. Under a simulation it belongs to the same simulated machine as its parent.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle> {
    let inner = match scheduler() {
        Some(scheduler) => {
            let thread = scheduler.spawn(name, Box::new(body));
            Inner::Simulated { scheduler, thread }
        }
        None => Inner::Real(std::thread::Builder::new().name(name.to_owned()).spawn(body)?),
    };
    Ok(JoinHandle { inner })
}

impl JoinHandle {
    /// Waits until the thread has ended. A panic that nobody caught there ends here as an error with its message.
    pub fn join(self) -> Result<(), String> {
        match self.inner {
            Inner::Real(handle) => handle.join().map_err(|payload| message(&*payload)),
            Inner::Simulated { scheduler, thread } => {
                while scheduler.running(thread) {
                    scheduler.block(thread, "join", None);
                }
                Ok(())
            }
        }
    }
}

/// Runs `body` and turns a panic into its message, so that one bad job does not take its thread along. A simulated
/// crash is no panic and passes through.
pub fn catch<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| {
        if payload.is::<Stopped>() {
            resume_unwind(payload);
        }
        message(&*payload)
    })
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::Mutex;
    use super::*;

    #[test]
    fn a_joined_thread_has_done_its_work() {
        let cell = Arc::new(Mutex::new("cell", 0));
        let theirs = Arc::clone(&cell);
        spawn("worker", move || *theirs.lock() = 7).unwrap().join().unwrap();
        assert_eq!(*cell.lock(), 7);
    }

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(catch(|| -> u8 { panic!("row {} is gone", 3) }), Err("row 3 is gone".to_owned()));
    }
}
