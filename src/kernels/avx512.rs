//! The canonical order in four AVX-512 registers of sixteen lanes.

use std::arch::x86_64::*;

use super::LANES;
use super::lanes::{Isa, Product, SquaredDifference, sum};

const WIDTH: usize = 16;

/// The dot product.
#[target_feature(enable = "avx512f")]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    // SAFETY: this function itself requires AVX-512F.
    let isa = unsafe { Avx512::new() };
    sum::<Product, _, { LANES / WIDTH }>(isa, a, b)
}

/// The squared Euclidean distance.
#[target_feature(enable = "avx512f")]
pub(super) fn l2_squared(a: &[f32], b: &[f32]) -> f32 {
    // SAFETY: this function itself requires AVX-512F.
    let isa = unsafe { Avx512::new() };
    sum::<SquaredDifference, _, { LANES / WIDTH }>(isa, a, b)
}

/// Proof that the CPU has AVX-512F.
#[derive(Clone, Copy)]
struct Avx512(());

impl Avx512 {
    /// # Safety
    /// The CPU must have AVX-512F.
    #[inline(always)]
    unsafe fn new() -> Self {
        Self(())
    }
}

impl Isa for Avx512 {
    type Register = __m512;
    type Tail<'t> = &'t [f32];

    const WIDTH: usize = WIDTH;

    #[inline(always)]
    fn zero(self) -> __m512 {
        // SAFETY: the token proves AVX-512F.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    fn load(self, block: &[f32; LANES], register: usize) -> __m512 {
        assert!(register < LANES / WIDTH);
        let from = block.as_ptr().wrapping_add(register * WIDTH);
        // SAFETY: the token proves AVX-512F; the sixteen elements lie inside the block, by the assertion above.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    fn tail(self, tail: &[f32]) -> &[f32] {
        tail
    }

    #[inline(always)]
    fn load_tail(self, tail: &&[f32], register: usize) -> __m512 {
        let rest = tail.get(register * WIDTH..).unwrap_or_default();
        if let Some(whole) = rest.first_chunk::<WIDTH>() {
            // SAFETY: the token proves AVX-512F; `whole` has sixteen elements.
            return unsafe { _mm512_loadu_ps(whole.as_ptr()) };
        }
        if rest.is_empty() {
            return self.zero();
        }
        let present = u16::MAX >> (WIDTH - rest.len());
        // SAFETY: the token proves AVX-512F; only elements whose mask bit is set are read, and those make up `rest`.
        unsafe { _mm512_maskz_loadu_ps(present, rest.as_ptr()) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512F.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512F.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, sum: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512F.
        unsafe { _mm512_fmadd_ps(a, b, sum) }
    }

    #[inline(always)]
    fn fold(self, a: __m512) -> f32 {
        // SAFETY: the token proves AVX-512F.
        unsafe { fold(a) }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn fold(a: __m512) -> f32 {
    let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(a)));
    super::avx2::fold(_mm256_add_ps(_mm512_castps512_ps256(a), upper))
}
