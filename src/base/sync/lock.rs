//! Mutual exclusion and waiting.
//!
//! A mutex whose holder panicked is simply unlocked: whoever can panic under a lock leaves its data consistent.

use std::ops::{Deref, DerefMut};
use std::sync::{PoisonError, TryLockError};
use std::time::Duration;

use super::{is_simulated, point, simulated};

/// A lock with a name for traces and deadlock reports.
#[derive(Debug, Default)]
pub struct Mutex<T> {
    name: &'static str,
    #[expect(clippy::disallowed_types, reason = "the one place that wraps the standard lock")]
    inner: std::sync::Mutex<T>,
}

/// Holding a [`Mutex`].
#[derive(Debug)]
pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    inner: Option<std::sync::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    #[must_use]
    #[expect(clippy::disallowed_types, reason = "the one place that wraps the standard lock")]
    pub const fn new(name: &'static str, value: T) -> Self {
        Self { name, inner: std::sync::Mutex::new(value) }
    }

    /// Waits until the lock is free and takes it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        point(self.name);
        self.acquire()
    }

    /// What is inside, without locking: the borrow proves that nobody else can.
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn acquire(&self) -> MutexGuard<'_, T> {
        let inner = if is_simulated() {
            loop {
                match self.inner.try_lock() {
                    Ok(inner) => break inner,
                    Err(TryLockError::Poisoned(inner)) => break inner.into_inner(),
                    Err(TryLockError::WouldBlock) => {
                        simulated(|scheduler| scheduler.block(self.address(), self.name, None));
                    }
                }
            }
        } else {
            self.inner.lock().unwrap_or_else(PoisonError::into_inner)
        };
        MutexGuard { mutex: self, inner: Some(inner) }
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.inner {
            Some(inner) => inner,
            None => unreachable!("a guard holds its lock until it is dropped"),
        }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.inner {
            Some(inner) => inner,
            None => unreachable!("a guard holds its lock until it is dropped"),
        }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.inner = None;
        simulated(|scheduler| scheduler.wake(self.mutex.address(), true));
    }
}

/// Waiting for another thread to change what a [`Mutex`] guards.
#[derive(Debug, Default)]
pub struct Condvar {
    name: &'static str,
    #[expect(clippy::disallowed_types, reason = "the one place that wraps the standard condition variable")]
    inner: std::sync::Condvar,
}

impl Condvar {
    /// A condition that nobody waits for.
    #[must_use]
    #[expect(clippy::disallowed_types, reason = "the one place that wraps the standard condition variable")]
    pub const fn new(name: &'static str) -> Self {
        Self { name, inner: std::sync::Condvar::new() }
    }

    /// Unlocks, waits to be notified (or for `limit` to pass), and locks again. It may return for no reason.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>, limit: Option<Duration>) -> MutexGuard<'a, T> {
        let mutex = guard.mutex;
        if is_simulated() {
            drop(guard);
            simulated(|scheduler| scheduler.block(self.address(), self.name, limit));
            mutex.acquire()
        } else {
            self.real_wait(guard, limit)
        }
    }

    fn real_wait<'a, T>(&self, mut guard: MutexGuard<'a, T>, limit: Option<Duration>) -> MutexGuard<'a, T> {
        guard.inner = guard.inner.take().map(|inner| match limit {
            None => self.inner.wait(inner).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => self.inner.wait_timeout(inner, limit).unwrap_or_else(PoisonError::into_inner).0,
        });
        guard
    }

    /// Wakes one waiter.
    pub fn notify_one(&self) {
        self.notify(false);
    }

    /// Wakes every waiter.
    pub fn notify_all(&self) {
        self.notify(true);
    }

    fn notify(&self, all: bool) {
        point(self.name);
        if is_simulated() {
            simulated(|scheduler| scheduler.wake(self.address(), all));
        } else if all {
            self.inner.notify_all();
        } else {
            self.inner.notify_one();
        }
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}
