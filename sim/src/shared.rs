//! State that the threads of a simulated machine share behind the engine's back.
//!
//! Only one of them runs at a time, so taking it is never contended. Where all of them live on one thread of the host,
//! it belongs to that thread, and taking it costs two comparisons; elsewhere it is an ordinary lock. It is not a
//! scheduling point and must not be held across one.

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{MutexGuard, PoisonError};

/// A value that one thread at a time can reach. It survives a panic of its holder.
#[derive(Default)]
pub struct Shared<T> {
    /// The only thread of the host that may take it; zero for any.
    owner: u64,
    taken: Cell<bool>,
    #[expect(clippy::disallowed_types, reason = "below the scheduler, whose own state this guards")]
    lock: std::sync::Mutex<()>,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only through a `Held`, of which there is one at a time: with an owner, because only
// that thread gets past `lock` and `taken` is its own; without one, because of the lock. A `Held` stays on its thread.
unsafe impl<T: Send> Sync for Shared<T> {}

/// Holding a [`Shared`].
pub struct Held<'a, T> {
    shared: &'a Shared<T>,
    lock: Option<MutexGuard<'a, ()>>,
    /// Stays on its thread, and so do references to it.
    here: PhantomData<*const T>,
}

thread_local! {
    /// The calling thread's number, once it was asked for.
    static ME: Cell<u64> = const { Cell::new(0) };
    static BINDING: Cell<bool> = const { Cell::new(false) };
}

static THREADS: AtomicU64 = AtomicU64::new(0);

#[inline]
fn me() -> u64 {
    let me = ME.get();
    if me == 0 { number() } else { me }
}

#[cold]
fn number() -> u64 {
    ME.set(1 + THREADS.fetch_add(1, Ordering::Relaxed));
    ME.get()
}

/// While it lasts, what the calling thread puts behind a [`Shared`] is bound to it.
#[derive(Debug)]
pub struct Binding {
    before: bool,
    here: PhantomData<*const ()>,
}

impl Binding {
    /// Begins, if there is need.
    #[must_use]
    pub fn begin(bind: bool) -> Self {
        Self { before: BINDING.replace(bind || BINDING.get()), here: PhantomData }
    }
}

impl Drop for Binding {
    fn drop(&mut self) {
        BINDING.set(self.before);
    }
}

impl<T> Shared<T> {
    /// Puts `value` behind a lock, or binds it to the calling thread during a [`Binding`].
    #[expect(clippy::disallowed_types, reason = "below the scheduler, whose own state this guards")]
    pub fn new(value: T) -> Self {
        let owner = if BINDING.get() { me() } else { 0 };
        let lock = std::sync::Mutex::new(());
        Self { owner, taken: Cell::new(false), lock, value: UnsafeCell::new(value) }
    }

    /// Takes it.
    #[inline]
    pub fn lock(&self) -> Held<'_, T> {
        let lock = if self.owner == 0 {
            Some(self.lock.lock().unwrap_or_else(PoisonError::into_inner))
        } else {
            assert!(self.owner == me(), "taken on a thread of the host that it does not belong to");
            assert!(!self.taken.replace(true), "taken while it is held");
            None
        };
        Held { shared: self, lock, here: PhantomData }
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

impl<T: fmt::Debug> fmt::Debug for Held<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this is the only `Held`, as argued at the `Sync` above.
        unsafe { &*self.shared.value.get() }
    }
}

impl<T> DerefMut for Held<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this is the only `Held`, as argued at the `Sync` above, and it is borrowed mutably.
        unsafe { &mut *self.shared.value.get() }
    }
}

impl<T> Drop for Held<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.lock.is_none() {
            self.shared.taken.set(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_bound_is_reached_on_its_own_thread_only() {
        let binding = Binding::begin(true);
        let bound = Shared::new(7);
        drop(binding);
        *bound.lock() += 1;
        let elsewhere = std::thread::scope(|scope| scope.spawn(|| *bound.lock()).join());
        assert!(elsewhere.is_err());
        assert_eq!(*bound.lock(), 8);
    }

    #[test]
    fn what_is_bound_is_not_taken_twice() {
        let binding = Binding::begin(true);
        let bound = Shared::new(7);
        drop(binding);
        let held = bound.lock();
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| *bound.lock())).is_err());
        drop(held);
        assert_eq!(*bound.lock(), 7);
    }

    #[test]
    fn what_is_not_bound_is_a_lock() {
        let shared = Shared::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| *shared.lock() += 1));
            }
        });
        assert_eq!(*shared.lock(), 4_000);
    }
}
