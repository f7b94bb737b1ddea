//! A fixed random rotation: after it the elements of any vector are about equally large, so that a few bits each do.
//!
//! Signs drawn from a fixed seed, then a fast Walsh-Hadamard transform over the first and over the last elements, four
//! times; blocks overlap, so that everything is mixed with everything. As in the fast Johnson-Lindenstrauss transform
//! of Ailon and Chazelle, "Approximate nearest neighbors and the fast Johnson-Lindenstrauss transform", STOC 2006.
//! Lengths and dot products stay as they are, up to rounding. Each output is made by the same additions in the same
//! order on every machine, so its bits are the same everywhere.

use crate::base::rng::mix64;
use crate::kernels::Kernels;

/// Rounds of signs and transform.
const ROUNDS: usize = 4;

/// The rotation of vectors of one length.
#[derive(Debug)]
pub(super) struct Rotation {
    /// A factor for each element in each round: plus or minus one, over the square root of the block's length where
    /// the block of the round reaches.
    factors: [Vec<f32>; ROUNDS],
    block: usize,
}

impl Rotation {
    /// The rotation of `len` elements.
    pub(super) fn new(len: usize) -> Self {
        let block = if len == 0 { 0 } else { 1 << len.ilog2() };
        let scale = 1.0 / (block as f32).sqrt();
        let factors = std::array::from_fn(|round| {
            let first = if round % 2 == 0 { 0 } else { len - block };
            let factor = |at: usize| {
                let sign = if mix64((round << 32 | at) as u64) & 1 == 0 { 1.0 } else { -1.0 };
                if (first..first + block).contains(&at) { sign * scale } else { sign }
            };
            (0..len).map(factor).collect()
        });
        Self { factors, block }
    }

    /// Rotates `v`, which has the length that this was made for.
    pub(super) fn rotate(&self, kernels: &Kernels, v: &mut [f32]) {
        for (round, factors) in self.factors.iter().enumerate() {
            assert_eq!(v.len(), factors.len(), "a rotation is for vectors of one length");
            v.iter_mut().zip(factors).for_each(|(x, factor)| *x *= factor);
            let first = if round % 2 == 0 { 0 } else { v.len() - self.block };
            if self.block > 0 {
                kernels.hadamard(&mut v[first..first + self.block]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    fn dot(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    }

    #[test]
    fn lengths_and_products_stay_and_elements_even_out() {
        let mut rng = Rng::new(1);
        for len in [1, 2, 3, 100, 128, 384, 640, 1536] {
            let rotation = Rotation::new(len);
            let mut spike = vec![0.0; len];
            spike[len / 2] = 1.0;
            let other: Vec<f32> = (0..len).map(|_| rng.unit_f32() - 0.5).collect();
            let (mut a, mut b) = (spike.clone(), other.clone());
            rotation.rotate(&Kernels::best(), &mut a);
            rotation.rotate(&Kernels::best(), &mut b);
            assert!((dot(&a, &a) - 1.0).abs() < 1e-5, "{len}");
            assert!((dot(&a, &b) - dot(&spike, &other)).abs() < 1e-5, "{len}");
            let largest = a.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
            assert!(len < 100 || largest < 6.0 / (len as f32).sqrt(), "{len}: {largest}");
        }
    }
}
