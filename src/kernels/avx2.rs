//! The canonical order in eight AVX2 registers of eight lanes, with FMA.

use std::arch::x86_64::*;

use super::LANES;
use super::codes::BLOCK;
use super::lanes::{Isa, Product, SquaredDifference, sum, sums};

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

/// The dot product with each of `rows`.
#[target_feature(enable = "avx2,fma")]
pub(super) fn dots(a: &[f32], rows: &[&[f32]], out: &mut [f32]) {
    // SAFETY: this function itself requires AVX2 and FMA.
    let isa = unsafe { Avx2::new() };
    sums::<Product, _, { LANES / WIDTH }>(isa, a, rows, out);
}

/// The squared Euclidean distance to each of `rows`.
#[target_feature(enable = "avx2,fma")]
pub(super) fn l2s_squared(a: &[f32], rows: &[&[f32]], out: &mut [f32]) {
    // SAFETY: this function itself requires AVX2 and FMA.
    let isa = unsafe { Avx2::new() };
    sums::<SquaredDifference, _, { LANES / WIDTH }>(isa, a, rows, out);
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

/// The dot product of `query` and each of the codes of four bits an element.
#[target_feature(enable = "avx2,fma")]
pub(super) fn nibbles(query: &[i8], codes: &[&[u8]], out: &mut [i32]) {
    let (low, ones) = (_mm256_set1_epi8(15), _mm256_set1_epi16(1));
    for (code, out) in codes.iter().zip(out) {
        let mut sums = _mm256_setzero_si256();
        for (code, query) in code.as_chunks::<64>().0.iter().zip(query.as_chunks::<BLOCK>().0) {
            let (code, query) = (code.as_chunks::<32>().0, query.as_chunks::<32>().0);
            for half in 0..2 {
                let both = load(&code[half]);
                let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(both), low);
                // Two products of at most 15 x 127 each, two such pairs: sixteen bits hold them.
                let a = _mm256_maddubs_epi16(_mm256_and_si256(both, low), load(&query[half]));
                let b = _mm256_maddubs_epi16(upper, load(&query[2 + half]));
                sums = _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_add_epi16(a, b), ones));
            }
        }
        *out = total(sums);
    }
}

/// The dot product of `query` and each of the codes of eight bits an element.
#[target_feature(enable = "avx2,fma")]
pub(super) fn bytes(query: &[i8], codes: &[&[u8]], out: &mut [i32]) {
    for (code, out) in codes.iter().zip(out) {
        let mut sums = _mm256_setzero_si256();
        for (code, query) in code.as_chunks::<32>().0.iter().zip(query.as_chunks::<32>().0) {
            let (code, query) = (load(code), load(query));
            // Sixteen bits do not hold two products of 255 x 127, so the elements are widened first.
            let (c, q) = (_mm256_castsi256_si128(code), _mm256_castsi256_si128(query));
            let lower = _mm256_madd_epi16(_mm256_cvtepu8_epi16(c), _mm256_cvtepi8_epi16(q));
            let (c, q) = (_mm256_extracti128_si256::<1>(code), _mm256_extracti128_si256::<1>(query));
            let upper = _mm256_madd_epi16(_mm256_cvtepu8_epi16(c), _mm256_cvtepi8_epi16(q));
            sums = _mm256_add_epi32(sums, _mm256_add_epi32(lower, upper));
        }
        *out = total(sums);
    }
}

/// The dot product of the planes `query` and each of the codes of one bit an element.
#[target_feature(enable = "popcnt")]
pub(super) fn bits(query: &[i8], codes: &[&[u8]], out: &mut [i32]) {
    super::codes::bits(query, codes, out);
}

/// The Walsh-Hadamard transform.
#[target_feature(enable = "avx2")]
pub(super) fn hadamard(v: &mut [f32]) {
    super::hadamard::hadamard(v);
}

/// Thirty-two bytes in a register.
#[inline]
#[target_feature(enable = "avx2")]
fn load<T>(bytes: &[T; 32]) -> __m256i {
    const { assert!(size_of::<T>() == 1) }
    // SAFETY: the array has thirty-two bytes.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// The sum of eight integers.
#[inline]
#[target_feature(enable = "avx2")]
fn total(sums: __m256i) -> i32 {
    let sums = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
    let sums = _mm_add_epi32(sums, _mm_shuffle_epi32::<0b01_00_11_10>(sums));
    _mm_cvtsi128_si32(_mm_add_epi32(sums, _mm_shuffle_epi32::<0b10_11_00_01>(sums)))
}
