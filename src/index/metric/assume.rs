//! What may be assumed of a metric.
//!
//! The index itself is right whatever a metric is: with nothing assumed, everything works, exactly and through the graph.
//! What is assumed only saves work, or lets a retrieval primitive reckon with more. Whether a metric has kernels is seen from [`super::Metric::distances`], whether codes can stand for its
//! rows from [`super::Metric::by_dot`]: without them, rows are measured one by one.

/// What may be assumed of a metric. Each is a promise of whoever writes the metric; [`Assume::NOTHING`] promises nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assume {
    /// `a` is as far from `b` as `b` from `a`, but for rounding.
    pub symmetric: bool,
    /// What it reports is a metric in the mathematical sense, but for rounding: not negative, zero from a vector to
    /// itself, symmetric, and no way round is shorter (`d(a, c) <= d(a, b) + d(b, c)`).
    pub metric: bool,
    /// The least distance that it reports.
    pub least: f32,
    /// The greatest distance that it reports.
    pub greatest: f32,
}

impl Assume {
    /// Any function of two vectors.
    pub const NOTHING: Self =
        Self { symmetric: false, metric: false, least: f32::NEG_INFINITY, greatest: f32::INFINITY };
}
