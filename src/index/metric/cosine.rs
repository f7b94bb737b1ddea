//! Cosine distance: one minus the cosine of the angle, between 0 and 2.
//!
//! A vector without a direction (zero, or so short that its squared length is subnormal) is at distance exactly 1
//! from everything, itself included.

use super::Metric;
use crate::kernels::Kernels;

/// `1 - a·b / (|a| |b|)`, cut to `[0, 2]`.
#[derive(Clone, Copy, Debug)]
pub struct Cosine;

impl Metric for Cosine {
    fn name(&self) -> &'static str {
        "cosine"
    }

    fn code(&self) -> u32 {
        1
    }

    /// The inverse of the length.
    fn term(&self, kernels: &Kernels, vector: &[f32]) -> f32 {
        let squared = kernels.squared_norm(vector);
        if squared < f32::MIN_POSITIVE { 0.0 } else { 1.0 / squared.sqrt() }
    }

    #[inline]
    fn distance(&self, kernels: &Kernels, query: &[f32], query_term: f32, row: &[f32], row_term: f32) -> f32 {
        (1.0 - kernels.dot(query, row) * query_term * row_term).clamp(0.0, 2.0)
    }

    fn report(&self, distance: f32) -> f32 {
        distance
    }
}
