//! What may be assumed of a metric.
//!
//! The index itself is right whatever a metric is: with nothing assumed, everything works, exactly and through the graph.
//! What is assumed only saves work. Whether a metric has kernels is seen from [`super::Metric::distances`], whether codes
//! can stand for its rows from [`super::Metric::by_dot`]: without them, rows are measured one by one.

/// What may be assumed of a metric. Each is a promise of whoever writes the metric; [`Assume::NOTHING`] promises nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assume {
    /// The least distance that it reports: nothing is within less.
    pub least: f32,
    /// The greatest distance that it reports: everything is within that.
    pub greatest: f32,
}

impl Assume {
    /// Any function of two vectors.
    pub const NOTHING: Self = Self { least: f32::NEG_INFINITY, greatest: f32::INFINITY };
}
