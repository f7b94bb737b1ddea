//! Retrieval primitives: what can be asked of an index. Each is one file here and one type that is a [`Recall`].
//!
//! A primitive reads an index and a query and leaves hits; it holds nothing between two calls and takes no lock, so
//! workers run as many at once as there are threads.

mod nearest;

use crate::index::{Hit, Index, Query, Scratch};

pub use nearest::{EXACT_BELOW, Nearest, Way};

/// A way to retrieve rows.
pub trait Recall {
    /// Replaces `hits` by the answer for `query`, closest first, ties broken by row.
    fn recall(&self, index: &Index, query: &Query, scratch: &mut Scratch, hits: &mut Vec<Hit>);
}
