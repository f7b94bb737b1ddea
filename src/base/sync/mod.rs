//! Locks, condition variables, atomics and threads, each operation a scheduling point.
//!
//! In production a point is one thread-local branch and the standard library does the rest. A simulated machine
//! installs a [`Scheduler`] on its threads: then every point may hand the processor to another thread, blocking goes
//! through the scheduler, and only one thread runs at a time, so that a seed decides every interleaving.
//!
//! Rules that callers keep: no lock is held across [`point`] in a search; no `Drop` takes a lock, joins a thread or
//! waits, since a simulated crash unwinds threads wherever they stand.

mod atomic;
mod lock;
mod thread;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use super::mark::{Mark, Told, Work};

pub use atomic::{AtomicBool, AtomicU32, AtomicU64};
pub use lock::{Condvar, Mutex, MutexGuard};
pub use thread::{JoinHandle, catch, spawn};

/// Who decides which thread runs. Only a simulation has one.
///
/// Every method may unwind with [`Stopped`] when the simulated machine has crashed, unless the thread is unwinding
/// already: then it returns at once. `object` is an address, to be compared for equality and nothing else.
pub trait Scheduler: Send + Sync {
    /// The calling thread reached `site`; another may run before this returns.
    fn point(&self, site: &'static str);
    /// Blocks the calling thread until [`Scheduler::wake`] names `object` or the time has passed; false when it has.
    fn block(&self, object: usize, site: &'static str, limit: Option<Duration>) -> bool;
    /// Makes threads blocked on `object` ready: all of them, or one of the scheduler's choice. Not a point.
    fn wake(&self, object: usize, all: bool);
    /// Starts a thread, which runs `body` under this same scheduler. Returns an object that [`Scheduler::block`]
    /// waits on until the thread has ended.
    fn spawn(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> usize;
    /// True while the thread that [`Scheduler::spawn`] named has not ended.
    fn running(&self, thread: usize) -> bool;
    /// The calling thread has come by `mark`. Not a point.
    fn reached(&self, mark: Mark) {
        let _ = mark;
    }
    /// The calling thread has done so much work of a kind that is bounded on the loop. Not a point.
    fn spent(&self, work: Work, amount: usize) {
        let _ = (work, amount);
    }
    /// The calling thread tells of what has to be in order. Not a point.
    fn told(&self, told: Told) {
        let _ = told;
    }
}

/// The payload with which a scheduler unwinds the threads of a machine that has crashed.
#[derive(Debug)]
pub struct Stopped;

thread_local! {
    static SIMULATED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    /// Points that may be passed before the scheduler is asked again.
    static QUIET: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    static SCHEDULER: RefCell<Option<Arc<dyn Scheduler>>> = const { RefCell::new(None) };
}

/// Puts the calling thread of the host under `scheduler`, or back under the real one. A simulation calls this before
/// simulated threads run on it, be it one or all of them, and after the last of them has ended.
pub fn install(scheduler: Option<Arc<dyn Scheduler>>) {
    SIMULATED.set(scheduler.is_some());
    QUIET.set(0);
    SCHEDULER.replace(scheduler);
}

/// Lets the calling thread of the host pass so many points without asking its scheduler, which knows that it would have
/// nothing to do there, and which learns from [`quiet`] how many are left.
pub fn set_quiet(points: u64) {
    QUIET.set(points);
}

/// What is left of the last [`set_quiet`] on the calling thread of the host.
#[must_use]
pub fn quiet() -> u64 {
    QUIET.get()
}

/// Whether a simulation runs the calling thread. Built with `--cfg pointless`, there is none and nothing asks: that is
/// what `scripts/points.sh` measures points against.
#[inline]
fn is_simulated() -> bool {
    !cfg!(pointless) && SIMULATED.get()
}

/// Lets other threads have the processor that this one holds only to look for something. Not for what is simulated, where
/// nothing comes from looking.
#[expect(clippy::disallowed_methods, reason = "the one place that yields to the system's other threads")]
pub fn relax() {
    debug_assert!(!is_simulated(), "a simulation has points for that");
    std::thread::yield_now();
}

/// A place where another thread may run. `site` names it in traces: `"hop"`, `"publish row"`.
#[inline]
pub fn point(site: &'static str) {
    if is_simulated() {
        simulated_point(site);
    }
}

/// Tells the calling thread's scheduler, if it is simulated, of a mark.
#[inline]
pub(super) fn tell(mark: Mark) {
    if is_simulated() {
        simulated_mark(mark);
    }
}

/// Tells the calling thread's scheduler, if it is simulated, of work that it has done.
#[inline]
pub(super) fn tell_work(work: Work, amount: usize) {
    if is_simulated() {
        simulated_work(work, amount);
    }
}

/// Tells the calling thread's scheduler, if it is simulated, of what has to be in order.
#[inline]
pub(super) fn tell_order(told: Told) {
    if is_simulated() {
        simulated_order(told);
    }
}

#[cold]
fn simulated_order(told: Told) {
    simulated(|scheduler| scheduler.told(told));
}

#[cold]
fn simulated_work(work: Work, amount: usize) {
    simulated(|scheduler| scheduler.spent(work, amount));
}

#[cold]
fn simulated_mark(mark: Mark) {
    simulated(|scheduler| scheduler.reached(mark));
}

#[cold]
fn simulated_point(site: &'static str) {
    match QUIET.get() {
        0 => drop(simulated(|scheduler| scheduler.point(site))),
        left => QUIET.set(left - 1),
    }
}

/// Asks the calling thread's scheduler; none in production. Other threads may have their turns meanwhile, so the
/// borrow can last: [`install`] is called only where no thread of the machine is.
#[inline]
fn simulated<T>(ask: impl FnOnce(&dyn Scheduler) -> T) -> Option<T> {
    if !is_simulated() {
        return None;
    }
    SCHEDULER.with_borrow(|scheduler| scheduler.as_deref().map(ask))
}

/// The calling thread's scheduler, to be kept; none in production.
fn scheduler() -> Option<Arc<dyn Scheduler>> {
    if is_simulated() { SCHEDULER.with_borrow(Clone::clone) } else { None }
}
