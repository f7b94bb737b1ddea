//! Cosine distance: one minus the cosine of the angle, between 0 and 2.
//!
//! A vector without a direction (zero, or so short that its squared length is subnormal) is at distance exactly 1
//! from everything, itself included.

use super::{Assume, ByDot, Metric, Side};
use crate::kernels::Kernels;

/// `1 - a·b / (|a| |b|)`, cut to `[0, 2]`.
#[derive(Clone, Copy, Debug)]
pub struct Cosine;

/// Rows that are summed at once.
const BATCH: usize = 32;

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

    fn distances(&self, kernels: &Kernels, query: &[f32], query_term: f32, rows: &[&[f32]], out: &mut [f32]) {
        let mut dots = [0.0; BATCH];
        for (rows, out) in rows.chunks(BATCH).zip(out.chunks_mut(BATCH)) {
            let dots = &mut dots[..rows.len()];
            kernels.dots(query, rows, dots);
            for (out, dot) in out.iter_mut().zip(dots) {
                *out = (1.0 - *dot * query_term * *out).clamp(0.0, 2.0);
            }
        }
    }

    fn by_dot(&self, side: Side, squared: f64) -> Option<ByDot> {
        let inverse = if squared < f64::from(f32::MIN_POSITIVE) { 0.0 } else { 1.0 / squared.sqrt() as f32 };
        Some(match side {
            Side::Query => ByDot { add: 1.0, factor: -inverse },
            Side::Row => ByDot { add: 0.0, factor: inverse },
        })
    }

    fn report(&self, distance: f32) -> f32 {
        distance
    }

    fn assume(&self) -> Assume {
        Assume { least: 0.0, greatest: 2.0 }
    }
}
