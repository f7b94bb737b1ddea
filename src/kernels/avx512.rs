//! The canonical order in four AVX-512 registers of sixteen lanes.

use std::arch::x86_64::*;

use super::LANES;
use super::codes::BLOCK;
use super::lanes::{Isa, Product, SquaredDifference, sum, sums};

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

/// The dot product with each of `rows`.
#[target_feature(enable = "avx512f")]
pub(super) fn dots(a: &[f32], rows: &[&[f32]], out: &mut [f32]) {
    // SAFETY: this function itself requires AVX-512F.
    let isa = unsafe { Avx512::new() };
    sums::<Product, _, { LANES / WIDTH }>(isa, a, rows, out);
}

/// The squared Euclidean distance to each of `rows`.
#[target_feature(enable = "avx512f")]
pub(super) fn l2s_squared(a: &[f32], rows: &[&[f32]], out: &mut [f32]) {
    // SAFETY: this function itself requires AVX-512F.
    let isa = unsafe { Avx512::new() };
    sums::<SquaredDifference, _, { LANES / WIDTH }>(isa, a, rows, out);
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

/// The dot product of `query` and each of the codes of four bits an element.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn nibbles(query: &[i8], codes: &[&[u8]], out: &mut [i32]) {
    let low = _mm512_set1_epi8(15);
    for (code, out) in codes.iter().zip(out) {
        let mut sums = [_mm512_setzero_si512(); 2];
        for (code, query) in code.as_chunks::<64>().0.iter().zip(query.as_chunks::<BLOCK>().0) {
            let (both, [lower, upper]) = (load(code), halves(query));
            sums[0] = _mm512_dpbusd_epi32(sums[0], _mm512_and_si512(both, low), lower);
            let high = _mm512_and_si512(_mm512_srli_epi16::<4>(both), low);
            sums[1] = _mm512_dpbusd_epi32(sums[1], high, upper);
        }
        *out = _mm512_reduce_add_epi32(_mm512_add_epi32(sums[0], sums[1]));
    }
}

/// The dot product of `query` and each of the codes of eight bits an element.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn bytes(query: &[i8], codes: &[&[u8]], out: &mut [i32]) {
    for (code, out) in codes.iter().zip(out) {
        let mut sums = [_mm512_setzero_si512(); 2];
        for (code, query) in code.as_chunks::<BLOCK>().0.iter().zip(query.as_chunks::<BLOCK>().0) {
            let ([a, b], [lower, upper]) = (halves(code), halves(query));
            sums[0] = _mm512_dpbusd_epi32(sums[0], a, lower);
            sums[1] = _mm512_dpbusd_epi32(sums[1], b, upper);
        }
        *out = _mm512_reduce_add_epi32(_mm512_add_epi32(sums[0], sums[1]));
    }
}

/// The dot product of the planes `query` and each of the codes of one bit an element.
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
pub(super) fn bits(query: &[i8], codes: &[&[u8]], out: &mut [i32]) {
    for (code, out) in codes.iter().zip(out) {
        let mut counts = [_mm512_setzero_si512(); 2];
        for (code, query) in code.as_chunks::<16>().0.iter().zip(query.as_chunks::<BLOCK>().0) {
            let code = four_times(code);
            for (count, planes) in counts.iter_mut().zip(halves(query)) {
                *count = _mm512_add_epi64(*count, _mm512_popcnt_epi64(_mm512_and_si512(code, planes)));
            }
        }
        // Two counts a plane: planes 0 to 3 weigh 1, 2, 4, 8; planes 4 to 7 weigh 16, 32, 64 and -128.
        let lower = _mm512_sllv_epi64(counts[0], _mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3));
        let upper = _mm512_sllv_epi64(counts[1], _mm512_setr_epi64(4, 4, 5, 5, 6, 6, 7, 7));
        let upper = _mm512_mask_sub_epi64(upper, 0b1100_0000, _mm512_setzero_si512(), upper);
        *out = _mm512_reduce_add_epi64(_mm512_add_epi64(lower, upper)) as i32;
    }
}

/// The Walsh-Hadamard transform.
#[target_feature(enable = "avx512f")]
pub(super) fn hadamard(v: &mut [f32]) {
    super::hadamard::hadamard(v);
}

/// Sixteen bytes, four times in a register.
#[inline]
#[target_feature(enable = "avx512f")]
fn four_times(bytes: &[u8; 16]) -> __m512i {
    // SAFETY: the array has sixteen bytes.
    _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
}

/// Sixty-four bytes in a register.
#[inline]
#[target_feature(enable = "avx512f")]
fn load<T>(bytes: &[T; 64]) -> __m512i {
    const { assert!(size_of::<T>() == 1) }
    // SAFETY: the array has sixty-four bytes.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

/// A block in two registers.
#[inline]
#[target_feature(enable = "avx512f")]
fn halves<T>(block: &[T; BLOCK]) -> [__m512i; 2] {
    let (halves, _) = block.as_chunks::<64>();
    [load(&halves[0]), load(&halves[1])]
}
