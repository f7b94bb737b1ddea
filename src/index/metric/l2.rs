//! Euclidean distance. Compared as its square, reported as itself.

use super::{Assume, ByDot, Metric, Side};
use crate::kernels::Kernels;

/// `|a - b|`.
#[derive(Clone, Copy, Debug)]
pub struct L2;

impl Metric for L2 {
    fn name(&self) -> &'static str {
        "l2"
    }

    fn code(&self) -> u32 {
        2
    }

    fn term(&self, _: &Kernels, _: &[f32]) -> f32 {
        0.0
    }

    #[inline]
    fn distance(&self, kernels: &Kernels, query: &[f32], _: f32, row: &[f32], _: f32) -> f32 {
        kernels.l2_squared(query, row)
    }

    fn distances(&self, kernels: &Kernels, query: &[f32], _: f32, rows: &[&[f32]], out: &mut [f32]) {
        kernels.l2s_squared(query, rows, out);
    }

    fn by_dot(&self, side: Side, squared: f64) -> Option<ByDot> {
        Some(match side {
            Side::Query => ByDot { add: squared as f32, factor: -2.0 },
            Side::Row => ByDot { add: squared as f32, factor: 1.0 },
        })
    }

    fn report(&self, distance: f32) -> f32 {
        distance.sqrt()
    }

    fn assume(&self) -> Assume {
        Assume { least: 0.0, ..Assume::NOTHING }
    }
}
