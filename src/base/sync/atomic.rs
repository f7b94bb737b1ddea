//! Atomics through which threads publish to one another: every operation is a scheduling point.
//!
//! For cells that are read in inner loops (neighbour lists), use `std`'s and pass a point a hop.

use std::sync::atomic::Ordering;

use super::point;

macro_rules! publishing_atomic {
    ($(#[$doc:meta])* $name:ident, $inner:ty, $value:ty) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $name($inner);

        impl $name {
            /// A cell that holds `value`.
            #[must_use]
            pub const fn new(value: $value) -> Self {
                Self(<$inner>::new(value))
            }

            /// Reads the cell; what its writer did before is visible afterwards (acquire).
            #[inline]
            pub fn load(&self) -> $value {
                point(concat!(stringify!($name), " load"));
                self.0.load(Ordering::Acquire)
            }

            /// Writes the cell; what this thread did before is visible to who reads it (release).
            #[inline]
            pub fn store(&self, value: $value) {
                point(concat!(stringify!($name), " store"));
                self.0.store(value, Ordering::Release);
            }

            /// Replaces the value and returns the old one (acquire and release).
            #[inline]
            pub fn swap(&self, value: $value) -> $value {
                point(concat!(stringify!($name), " swap"));
                self.0.swap(value, Ordering::AcqRel)
            }

            /// Sets `new` where `current` stands; otherwise returns what stands there (acquire and release).
            #[inline]
            pub fn compare_exchange(&self, current: $value, new: $value) -> Result<$value, $value> {
                point(concat!(stringify!($name), " compare_exchange"));
                self.0.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire)
            }
        }
    };
}

publishing_atomic!(
    /// A flag.
    AtomicBool, std::sync::atomic::AtomicBool, bool);
publishing_atomic!(
    /// A 32-bit word.
    AtomicU32, std::sync::atomic::AtomicU32, u32);
publishing_atomic!(
    /// A 64-bit word.
    AtomicU64, std::sync::atomic::AtomicU64, u64);

macro_rules! counting {
    ($name:ident, $value:ty) => {
        impl $name {
            /// Adds and returns the value before (acquire and release; wraps).
            #[inline]
            pub fn fetch_add(&self, value: $value) -> $value {
                point(concat!(stringify!($name), " fetch_add"));
                self.0.fetch_add(value, Ordering::AcqRel)
            }

            /// Subtracts and returns the value before (acquire and release; wraps).
            #[inline]
            pub fn fetch_sub(&self, value: $value) -> $value {
                point(concat!(stringify!($name), " fetch_sub"));
                self.0.fetch_sub(value, Ordering::AcqRel)
            }

            /// Keeps the larger of the two and returns the value before (acquire and release).
            #[inline]
            pub fn fetch_max(&self, value: $value) -> $value {
                point(concat!(stringify!($name), " fetch_max"));
                self.0.fetch_max(value, Ordering::AcqRel)
            }
        }
    };
}

counting!(AtomicU32, u32);
counting!(AtomicU64, u64);
