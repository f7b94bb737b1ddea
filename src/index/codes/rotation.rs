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

/// Elements whose signs are in one word.
const WORD: usize = u32::BITS as usize;

/// The rotation of vectors of one length.
#[derive(Debug)]
pub(super) struct Rotation {
    /// A bit for each element in each round, set where its sign changes.
    signs: [Box<[u32]>; ROUNDS],
    len: usize,
    /// Elements that a round transforms, and one over the square root of that.
    block: usize,
    scale: f32,
}

impl Rotation {
    /// The rotation of `len` elements.
    pub(super) fn new(len: usize) -> Self {
        let block = if len == 0 { 0 } else { 1 << len.ilog2() };
        let scale = 1.0 / (block as f32).sqrt();
        let signs = std::array::from_fn(|round| {
            let bit = |at: usize| (mix64((round << 32 | at) as u64) as u32 & 1) << (at % WORD);
            let word =
                |n: usize| (n * WORD..len.min((n + 1) * WORD)).map(bit).fold(0, |word, bit| word | bit);
            (0..len.div_ceil(WORD)).map(word).collect()
        });
        Self { signs, len, block, scale }
    }

    /// Bytes of memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.signs.iter().map(|signs| size_of_val(&**signs)).sum()
    }

    /// Rotates `v`, which has the length that this was made for.
    pub(super) fn rotate(&self, kernels: &Kernels, v: &mut [f32]) {
        assert_eq!(v.len(), self.len, "a rotation is for vectors of one length");
        for (round, signs) in self.signs.iter().enumerate() {
            // In parts of a length that is known beforehand: that takes half the time.
            let (parts, rest) = v.as_chunks_mut::<WORD>();
            let last = signs.get(parts.len());
            parts.iter_mut().zip(signs).for_each(|(part, word)| change_signs(part, *word));
            last.into_iter().for_each(|word| change_signs(rest, *word));
            let first = if round % 2 == 0 { 0 } else { v.len() - self.block };
            let block = &mut v[first..first + self.block];
            block.iter_mut().for_each(|x| *x *= self.scale);
            if self.block > 0 {
                kernels.hadamard(block);
            }
        }
    }
}

/// Changes the signs of those elements whose bits are set.
#[inline]
fn change_signs(part: &mut [f32], word: u32) {
    for (at, x) in part.iter_mut().enumerate() {
        let sign = if word & (1 << at) == 0 { 0 } else { 1 << 31 };
        *x = f32::from_bits(x.to_bits() ^ sign);
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
