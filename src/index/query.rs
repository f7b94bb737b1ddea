//! What is searched for.

use super::codes::CodedQuery;

/// Floats of a cache line.
const LINE: usize = 16;

/// A vector in the shape of a row, with its metric's term.
#[derive(Debug)]
pub struct Query {
    floats: Vec<f32>,
    start: usize,
    term: f32,
    /// Its coded form, where rows have codes.
    pub(super) coded: CodedQuery,
}

/// A vector to measure distances from: a query, or a row that is being linked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    /// Padded like a row.
    pub(super) vector: &'a [f32],
    /// Its metric's term.
    pub(super) term: f32,
}

impl Query {
    /// `vector`, padded to `stride` floats on a cache line; `term` computes its metric's term.
    pub(super) fn new(vector: &[f32], stride: usize, term: impl FnOnce(&[f32]) -> f32) -> Self {
        assert!(vector.len() <= stride, "a query fits a row");
        let mut floats = vec![0.0; stride + LINE];
        let start = floats.as_ptr().align_offset(LINE * size_of::<f32>());
        let start = if start < LINE { start } else { 0 };
        floats[start..][..vector.len()].copy_from_slice(vector);
        let term = term(&floats[start..][..stride]);
        Self { floats, start, term, coded: CodedQuery::default() }
    }

    /// What distances are measured from.
    pub(super) fn target(&self) -> Target<'_> {
        let stride = self.floats.len() - LINE;
        Target { vector: &self.floats[self.start..][..stride], term: self.term }
    }
}
