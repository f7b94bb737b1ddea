//! Simulated threads on stacks of their own, between which one thread of the host changes: a switch costs a few
//! nanoseconds instead of a trip through the kernel.
//!
//! A stack is lent by a thread of the host that sleeps meanwhile: so it has the size and the guard page that the
//! standard library gives every stack, and endless recursion ends the process instead of running into other memory.
//! A fiber never leaves the thread of the host that made it, and never changes to another while it unwinds (the
//! scheduler sees to both), so that thread-locals and the count of panics stay right.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

use engram::base::sync::{Scheduler as Hook, install};

use super::carrier::{Body, Carrier};
use super::panics::Quiet;
use super::switch::{prepare, switch};
use crate::shared::{Binding, Shared};

/// Bytes of a stack.
const SIZE: usize = 2 << 20;
/// Bytes that are left to the lender, which sleeps above the fiber: for its own calls, and a signal's.
const MARGIN: usize = 64 << 10;

/// Stacks that are not in use. It grows as needed.
#[derive(Debug, Default)]
pub(super) struct Stacks {
    idle: Shared<Vec<Stack>>,
}

/// A stack, on loan from a sleeping thread.
#[derive(Debug)]
struct Stack {
    /// The address below which it is free, down to the guard page.
    top: usize,
    over: Arc<AtomicBool>,
    lender: Option<JoinHandle<()>>,
}

impl Stack {
    fn lend() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&over);
        let (sender, receiver) = channel();
        let sleep = move || {
            let mark = 0_u8;
            let lent = sender.send((&raw const mark).expose_provenance());
            while lent.is_ok() && !theirs.load(Ordering::Acquire) {
                std::thread::park();
            }
        };
        let lender = std::thread::Builder::new().name("stack".to_owned()).stack_size(SIZE).spawn(sleep);
        match (lender, receiver.recv()) {
            (Ok(lender), Ok(mark)) => Self { top: (mark - MARGIN) & !63, over, lender: Some(lender) },
            (Err(error), _) => panic!("the host gives no more threads: {error}"),
            (Ok(_), Err(_)) => panic!("a thread of the host ended before it lent its stack"),
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        if let Some(lender) = self.lender.take() {
            lender.thread().unpark();
            drop(lender.join());
        }
    }
}

/// Carries the threads of one life.
pub(super) struct Fibers {
    stacks: Arc<Stacks>,
    contexts: Shared<Contexts>,
}

/// Where everyone who does not run has stopped: the address of the stack pointer's last value, and below it what
/// [`switch`] saved.
#[derive(Default)]
struct Contexts {
    rig: usize,
    fibers: Vec<usize>,
    stacks: Vec<Stack>,
}

/// What a fiber begins with.
struct Start {
    body: Body,
    /// Of its life, which outlasts it.
    contexts: *const Shared<Contexts>,
}

/// The first and last function on a fiber's stack.
extern "C" fn fiber(start: *mut Start) -> ! {
    // SAFETY: `add` made it from a box for this call alone.
    let start = unsafe { Box::from_raw(start) };
    let Start { body, contexts } = *start;
    let next = body();
    // SAFETY: `Fibers::run` is below all of this and borrows them.
    let contexts = unsafe { &*contexts };
    let held = contexts.lock();
    let to = next.map_or(held.rig, |next| held.fibers[next]);
    drop(held);
    let mut nowhere = 0;
    // SAFETY: `to` has stopped in `switch` or was prepared, on this thread. Nobody comes back here.
    unsafe { switch(&raw mut nowhere, to) };
    unreachable!("a fiber that has ended was given a turn")
}

impl Fibers {
    /// For a life whose rig is the calling thread.
    pub(super) fn new(stacks: &Arc<Stacks>) -> Self {
        let _bound = Binding::begin(true);
        Self { stacks: Arc::clone(stacks), contexts: Shared::default() }
    }
}

impl Carrier for Fibers {
    fn add(&self, _: Arc<dyn Hook>, body: Body) {
        let stack = self.stacks.idle.lock().pop().unwrap_or_else(Stack::lend);
        let start = Box::into_raw(Box::new(Start { body, contexts: &raw const self.contexts }));
        // SAFETY: below `top` the stack is free, since its lender sleeps and nobody else has it.
        let context = unsafe { prepare(stack.top, fiber, start) };
        let mut contexts = self.contexts.lock();
        contexts.fibers.push(context);
        contexts.stacks.push(stack);
    }

    fn run(&self, hook: Arc<dyn Hook>) {
        install(Some(hook));
        let quiet = Quiet::begin();
        let mut contexts = self.contexts.lock();
        let (from, to) = (&raw mut contexts.rig, contexts.fibers[0]);
        drop(contexts);
        // SAFETY: fiber 0 was prepared on this thread, and `from` is written before anything else happens.
        unsafe { switch(from, to) };
        drop(quiet);
        install(None);
        let mut contexts = self.contexts.lock();
        self.stacks.idle.lock().append(&mut contexts.stacks);
    }

    fn switch(&self, from: usize, to: usize) {
        let mut contexts = self.contexts.lock();
        let to = contexts.fibers[to];
        let from = &raw mut contexts.fibers[from];
        drop(contexts);
        // SAFETY: `to` has stopped in `switch` or was prepared, on this thread, since the calling fiber is another;
        // `from` is written before anything else happens.
        unsafe { switch(from, to) };
    }
}
