//! A set of vectors, as the model keeps it: every row, and nothing of a graph.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::forms::Forms;

/// A set of vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// Dimensions.
    pub dim: usize,
    /// The metric's name.
    pub metric: &'static str,
    /// Vectors by element.
    pub rows: BTreeMap<String, Arc<[f32]>>,
    /// Rows that were ever inserted, dead ones included.
    pub inserted: usize,
    /// By what searches may go.
    pub(super) forms: Forms,
}
