//! The negative inner product: the larger the product, the closer.
//!
//! Not a metric in the mathematical sense: a vector need not be its own nearest neighbour.

use super::{ByDot, Metric, Side};
use crate::kernels::Kernels;

/// `-(a·b)`.
#[derive(Clone, Copy, Debug)]
pub struct Dot;

impl Metric for Dot {
    fn name(&self) -> &'static str {
        "dot"
    }

    fn code(&self) -> u32 {
        3
    }

    fn term(&self, _: &Kernels, _: &[f32]) -> f32 {
        0.0
    }

    #[inline]
    fn distance(&self, kernels: &Kernels, query: &[f32], _: f32, row: &[f32], _: f32) -> f32 {
        -kernels.dot(query, row)
    }

    fn distances(&self, kernels: &Kernels, query: &[f32], _: f32, rows: &[&[f32]], out: &mut [f32]) {
        kernels.dots(query, rows, out);
        out.iter_mut().for_each(|out| *out = -*out);
    }

    fn by_dot(&self, side: Side, _: f64) -> Option<ByDot> {
        Some(match side {
            Side::Query => ByDot { add: 0.0, factor: -1.0 },
            Side::Row => ByDot { add: 0.0, factor: 1.0 },
        })
    }

    fn report(&self, distance: f32) -> f32 {
        distance
    }
}
