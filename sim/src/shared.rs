//! State that the threads of a simulated machine share behind the engine's back.
//!
//! Only one of them runs at a time, so the lock is never contended: it is here for the compiler's proof. It is not a
//! scheduling point and must not be held across one.

use std::sync::PoisonError;

/// A value behind an ordinary lock that survives a panic of its holder.
#[derive(Debug, Default)]
pub struct Shared<T> {
    #[expect(clippy::disallowed_types, reason = "below the scheduler, whose own state this guards")]
    inner: std::sync::Mutex<T>,
}

/// Holding a [`Shared`].
pub type Held<'a, T> = std::sync::MutexGuard<'a, T>;

impl<T> Shared<T> {
    /// Puts `value` behind the lock.
    #[expect(clippy::disallowed_types, reason = "below the scheduler, whose own state this guards")]
    pub const fn new(value: T) -> Self {
        Self { inner: std::sync::Mutex::new(value) }
    }

    /// Takes the lock.
    pub fn lock(&self) -> Held<'_, T> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
