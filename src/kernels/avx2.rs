//! The canonical order in eight AVX2 registers of eight lanes, with FMA.

use std::arch::x86_64::*;

use super::LANES;
use super::lanes::{Isa, Product, SquaredDifference, sum};

const WIDTH: usize = 8;

/// The dot product.
#[target_feature(enable = "avx2,fma")]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    // SAFETY: this function itself requires AVX2 and FMA.
    let isa = unsafe { Avx2::new() };
    sum::<Product, _, { LANES / WIDTH }>(isa, a, b)
}

/// The squared Euclidean distance.
#[target_feature(enable = "avx2,fma")]
pub(super) fn l2_squared(a: &[f32], b: &[f32]) -> f32 {
    // SAFETY: this function itself requires AVX2 and FMA.
    let isa = unsafe { Avx2::new() };
    sum::<SquaredDifference, _, { LANES / WIDTH }>(isa, a, b)
}

/// Proof that the CPU has AVX2 and FMA.
#[derive(Clone, Copy)]
struct Avx2(());

impl Avx2 {
    /// # Safety
    /// The CPU must have AVX2 and FMA.
    #[inline(always)]
    unsafe fn new() -> Self {
        Self(())
    }
}

impl Isa for Avx2 {
    type Register = __m256;
    type Tail<'t> = &'t [f32];

    const WIDTH: usize = WIDTH;

    #[inline(always)]
    fn zero(self) -> __m256 {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    fn load(self, block: &[f32; LANES], register: usize) -> __m256 {
        assert!(register < LANES / WIDTH);
        let from = block.as_ptr().wrapping_add(register * WIDTH);
        // SAFETY: the token proves AVX2; the eight elements lie inside the block, by the assertion above.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    fn tail(self, tail: &[f32]) -> &[f32] {
        tail
    }

    #[inline(always)]
    fn load_tail(self, tail: &&[f32], register: usize) -> __m256 {
        let rest = tail.get(register * WIDTH..).unwrap_or_default();
        if let Some(whole) = rest.first_chunk::<WIDTH>() {
            // SAFETY: the token proves AVX2; `whole` has eight elements.
            return unsafe { _mm256_loadu_ps(whole.as_ptr()) };
        }
        if rest.is_empty() {
            return self.zero();
        }
        // SAFETY: the token proves AVX2.
        unsafe { load_masked(rest) }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, sum: __m256) -> __m256 {
        // SAFETY: the token proves FMA.
        unsafe { _mm256_fmadd_ps(a, b, sum) }
    }

    #[inline(always)]
    fn fold(self, a: __m256) -> f32 {
        // SAFETY: the token proves AVX2.
        unsafe { fold(a) }
    }
}

/// The elements of `rest`, at most seven, then +0.0.
#[inline]
#[target_feature(enable = "avx2")]
fn load_masked(rest: &[f32]) -> __m256 {
    let numbers = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    let present = _mm256_cmpgt_epi32(_mm256_set1_epi32(rest.len() as i32), numbers);
    // SAFETY: only elements whose mask is set are read, and those make up `rest`.
    unsafe { _mm256_maskload_ps(rest.as_ptr(), present) }
}

/// Folds eight lanes: `l` takes `l + 4`, then `l + 2`, then `l + 1`.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn fold(a: __m256) -> f32 {
    let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
}
