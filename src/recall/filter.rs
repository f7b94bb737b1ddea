//! Which keys may be answers.

use std::fmt::Debug;

/// A predicate on keys. The same key gets the same answer every time.
pub trait Filter: Debug + Send + Sync {
    /// Whether a row with this key may be an answer.
    fn accepts(&self, key: &[u8]) -> bool;

    /// True where it is known to accept every key: then none is looked at.
    fn is_open(&self) -> bool {
        false
    }
}

/// Every key.
#[derive(Clone, Copy, Debug)]
pub struct Everything;

impl Filter for Everything {
    fn accepts(&self, _: &[u8]) -> bool {
        true
    }

    fn is_open(&self) -> bool {
        true
    }
}

/// Keys that begin so.
#[derive(Clone, Debug)]
pub struct Prefix(pub Vec<u8>);

impl Filter for Prefix {
    fn accepts(&self, key: &[u8]) -> bool {
        key.starts_with(&self.0)
    }
}

impl Filter for Box<dyn Filter> {
    fn accepts(&self, key: &[u8]) -> bool {
        (**self).accepts(key)
    }

    fn is_open(&self) -> bool {
        (**self).is_open()
    }
}
