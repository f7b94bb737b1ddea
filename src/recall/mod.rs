//! Retrieval primitives: what can be asked of an index. Each is one file here and one type that is a [`Recall`].
//!
//! [`Nearest`] and [`Range`] are the first two, [`Among`] is the nearest under a predicate on keys, [`Exact`] and [`Listed`]
//! are what they are measured against. A primitive with other wants needs nothing of this folder: it says by a
//! [`crate::index::Gather`] what it gathers, and lets the index walk or scan for it (`recall/examples/diverse.rs`).
//!
//! A primitive reads an index and a query and leaves hits; it holds nothing between two calls and takes no lock, so
//! workers run as many at once as there are threads.

mod among;
mod brief;
mod closest;
mod cost;
mod exact;
mod filter;
mod nearest;
mod range;
#[cfg(test)]
mod tests;

use std::fmt::Debug;

use crate::index::{Hit, Index, Pinned, Query, Scratch};

pub use among::Among;
pub use closest::Closest;
pub use exact::{Exact, Listed};
pub use filter::{Everything, Filter, Prefix};
pub use nearest::{EXACT_BELOW, Nearest, Way};
pub use range::Range;

/// A way to retrieve rows.
pub trait Recall: Debug + Send + Sync {
    /// Replaces `hits` by the answer for `query`, closest first, ties broken by row. By `index` their keys and vectors can
    /// be read, however long that takes.
    fn recall(&self, index: &Pinned, query: &Query, scratch: &mut Scratch, hits: &mut Vec<Hit>);

    /// Bytes that an answer will about look at, all that it does besides reckoned in bytes as well: a brief one need not
    /// leave the thread that asks. Where nobody can say, as many as there can be.
    fn looks_at(&self, index: &Index) -> usize {
        let _ = index;
        usize::MAX
    }
}
