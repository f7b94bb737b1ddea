//! The negative inner product: the larger the product, the closer.
//!
//! Not a metric in the mathematical sense: a vector need not be its own nearest neighbour.

use super::Metric;
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

    fn report(&self, distance: f32) -> f32 {
        distance
    }
}
