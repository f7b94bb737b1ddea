//! Vector indexes: rows, the graph over them, search, the exact scan, and the keys of rows.
//!
//! # The graph
//! A hierarchical navigable small world after Malkov and Yashunin, "Efficient and robust approximate nearest neighbor
//! search using Hierarchical Navigable Small World graphs", IEEE TPAMI 42(4), 2018 (arXiv:1603.09320). Algorithm 1
//! is [`Index::link`], algorithms 2 and 5 are in `search`, algorithm 4 with its backfill of pruned candidates is in
//! `select`. `M0 = 2 M` links on the ground layer, `M` above. Where it departs from the paper:
//!
//! - A row's highest layer comes from its number by integer arithmetic, not from a random generator.
//! - Every row on the ground layer has a *parent*: a row whose list keeps it for good. Parents form a tree under the
//!   first row that was linked, and every ground search also starts at that root. So pruning cannot lose a row: a
//!   search whose `ef` reaches the number of rows is exact.
//! - The walk down through the upper layers is wider than one, so that groups of rows which came one after the other
//!   find each other.
//! - A full list keeps its length: with backfill exactly one link has to go, and the new one is written over it.
//!   Dead rows go first, then equal ones that crowd the list, then the farthest pruned one. A list is therefore changed
//!   one word at a time and never moves a link, and no lock is needed: a compare-and-swap decides between two writers.
//! - An overwritten or removed row stays as a waypoint until it is swept (`sweep`): then the lists that name it get other
//!   links, and a new row may take its place. New rows link to a dead one only where living ones do not suffice.
//!
//! # Who may do what, and what a reader sees
//! [`Writer`] adds and removes rows; there is one. [`Index::link`], [`Index::search`] and all else go on from any
//! number of threads at the same time and take no lock, save a short one when a row has been linked. A row is
//! complete before its number can be read from anywhere, and written again only when everyone has left who may have
//! read it (`epochs`).
//!
//! A search answers for the moment at which it began: it sees the rows published by then, linked or not, and of an
//! overwritten key either the old row or the new one, never both and never none.
//!
//! # Not guaranteed
//! Recall below `ef` = number of rows is a matter of the data. A graph linked by several threads depends on how they met.

mod blocks;
mod capture;
mod cells;
mod codec;
mod codes;
mod coding;
mod epochs;
mod exact;
mod gather;
mod graph;
mod keys;
mod level;
mod link;
mod metric;
mod moved;
mod near;
mod open;
mod pending;
mod places;
mod pool;
mod query;
mod recode;
mod rows;
mod scratch;
mod search;
mod select;
mod strips;
mod sweep;
mod table;
#[cfg(test)]
mod tests;
mod validate;
mod vector;
mod view;
mod writer;

pub use capture::Capture;
pub use codec::{FORMAT_VERSION, Opened, Section, SectionKind, Sink};
pub use codes::Quant;
pub use epochs::Pinned;
pub use gather::{Gather, Met};
pub use graph::{Index, Stats};
pub use metric::*;
pub use near::Near;
pub use query::Query;
pub use recode::{Making, Part, Retired};
pub use scratch::Scratch;
pub use vector::{MAX_SQUARED_LENGTH, VectorError, check_vector, read_vector};
pub use writer::{Inserted, Writer};

use crate::kernels::Kernels;

/// Fewest links a row keeps on the layers above the ground (`M`).
pub const MIN_M: usize = 2;

/// What an index is when it is made. All but `quant` is fixed.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Dimensions, `1..=limits::MAX_DIM`.
    pub dim: usize,
    /// What "near" means.
    pub metric: &'static dyn Metric,
    /// Links a row keeps on the layers above the ground, [`MIN_M`]`..=limits::MAX_M`; twice as many on the ground.
    pub m: usize,
    /// How vectors are compressed for walks at first; [`Index::quant`] tells how they are now.
    pub quant: Quant,
    /// Width of the search for a new row's neighbours, `1..=limits::MAX_EF`.
    pub ef_construction: usize,
    /// Decides the rows' layers and the secret key of the key table.
    pub seed: u64,
    /// How distances are computed.
    pub kernels: Kernels,
}

/// The number of a row: the first rows are 0, 1, 2, ... in the order of insertion, later ones may take the number of one
/// that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub u32);

/// A row that a search found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// How far it is, as the metric reports it.
    pub distance: f32,
    /// The row.
    pub row: RowId,
}

/// Why a row was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexError {
    /// There are `limits::MAX_ROWS` rows, counting those that were overwritten or removed.
    Rows,
    /// There were 2^32 - 2 writes, counting the removal of each row that lives, since the index was made or opened.
    Writes,
}

impl std::fmt::Display for IndexError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rows => f.write_str("the index has as many rows as one can have: the others go to another index"),
            Self::Writes => f.write_str(
                "the index has counted as many writes as it can, and takes none until a restart from a snapshot (VSAVE)",
            ),
        }
    }
}

impl std::error::Error for IndexError {}
