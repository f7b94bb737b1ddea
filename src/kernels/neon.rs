//! The canonical order in sixteen NEON registers of four lanes.

use std::arch::aarch64::*;

use super::LANES;
use super::codes::BLOCK;
use super::lanes::{Isa, Product, SquaredDifference, sum, sums};

const WIDTH: usize = 4;

/// The dot product.
#[target_feature(enable = "neon")]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    // SAFETY: this function itself requires NEON.
    let isa = unsafe { Neon::new() };
    sum::<Product, _, { LANES / WIDTH }>(isa, a, b)
}

/// The squared Euclidean distance.
#[target_feature(enable = "neon")]
pub(super) fn l2_squared(a: &[f32], b: &[f32]) -> f32 {
    // SAFETY: this function itself requires NEON.
    let isa = unsafe { Neon::new() };
    sum::<SquaredDifference, _, { LANES / WIDTH }>(isa, a, b)
}

/// The dot product with each of `rows`.
#[target_feature(enable = "neon")]
pub(super) fn dots(a: &[f32], rows: &[&[f32]], out: &mut [f32]) {
    // SAFETY: this function itself requires NEON.
    let isa = unsafe { Neon::new() };
    sums::<Product, _, { LANES / WIDTH }>(isa, a, rows, out);
}

/// The squared Euclidean distance to each of `rows`.
#[target_feature(enable = "neon")]
pub(super) fn l2s_squared(a: &[f32], rows: &[&[f32]], out: &mut [f32]) {
    // SAFETY: this function itself requires NEON.
    let isa = unsafe { Neon::new() };
    sums::<SquaredDifference, _, { LANES / WIDTH }>(isa, a, rows, out);
}

/// Proof that the CPU has NEON.
#[derive(Clone, Copy)]
struct Neon(());

impl Neon {
    /// # Safety
    /// The CPU must have NEON.
    #[inline(always)]
    unsafe fn new() -> Self {
        Self(())
    }
}

impl Isa for Neon {
    type Register = float32x4_t;
    type Tail<'t> = [f32; LANES];

    const WIDTH: usize = WIDTH;

    #[inline(always)]
    fn zero(self) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vdupq_n_f32(0.0) }
    }

    #[inline(always)]
    fn load(self, block: &[f32; LANES], register: usize) -> float32x4_t {
        assert!(register < LANES / WIDTH);
        let from = block.as_ptr().wrapping_add(register * WIDTH);
        // SAFETY: the token proves NEON; the four elements lie inside the block, by the assertion above.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    fn tail(self, tail: &[f32]) -> [f32; LANES] {
        let mut block = [0.0; LANES];
        block[..tail.len()].copy_from_slice(tail);
        block
    }

    #[inline(always)]
    fn load_tail(self, tail: &[f32; LANES], register: usize) -> float32x4_t {
        self.load(tail, register)
    }

    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vsubq_f32(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: float32x4_t, b: float32x4_t, sum: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vfmaq_f32(sum, a, b) }
    }

    #[inline(always)]
    fn fold(self, a: float32x4_t) -> f32 {
        // SAFETY: the token proves NEON.
        unsafe { fold(a) }
    }
}

/// Folds four lanes: `l` takes `l + 2`, then `l + 1`.
#[inline]
#[target_feature(enable = "neon")]
fn fold(a: float32x4_t) -> f32 {
    let two = vadd_f32(vget_low_f32(a), vget_high_f32(a));
    vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
}

/// The dot product of `query` and each of the codes of four bits an element.
#[target_feature(enable = "neon")]
pub(super) fn nibbles(query: &[i8], codes: &[&[u8]], out: &mut [i32]) {
    for (code, out) in codes.iter().zip(out) {
        let mut sums = vdupq_n_s32(0);
        for (code, query) in code.as_chunks::<64>().0.iter().zip(query.as_chunks::<BLOCK>().0) {
            let (code, query) = (code.as_chunks::<16>().0, query.as_chunks::<16>().0);
            for quarter in 0..4 {
                let both = load(&code[quarter]);
                let lower = vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15)));
                sums = accumulate(sums, lower, load_signed(&query[quarter]));
                let upper = vreinterpretq_s8_u8(vshrq_n_u8::<4>(both));
                sums = accumulate(sums, upper, load_signed(&query[4 + quarter]));
            }
        }
        *out = vaddvq_s32(sums);
    }
}

/// The dot product of `query` and each of the codes of eight bits an element.
#[target_feature(enable = "neon")]
pub(super) fn bytes(query: &[i8], codes: &[&[u8]], out: &mut [i32]) {
    for (code, out) in codes.iter().zip(out) {
        // As signed numbers the elements are 128 less: what that takes away is added for all at once.
        let (mut sums, mut less) = (vdupq_n_s32(0), vdupq_n_s32(0));
        for (code, query) in code.as_chunks::<16>().0.iter().zip(query.as_chunks::<16>().0) {
            let query = load_signed(query);
            sums = accumulate(sums, vreinterpretq_s8_u8(veorq_u8(load(code), vdupq_n_u8(128))), query);
            less = vpadalq_s16(less, vpaddlq_s8(query));
        }
        *out = vaddvq_s32(sums) + 128 * vaddvq_s32(less);
    }
}

/// `sums` and the products of sixteen pairs of signed bytes.
#[inline]
#[target_feature(enable = "neon")]
fn accumulate(sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    let sums = vpadalq_s16(sums, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    vpadalq_s16(sums, vmull_high_s8(a, b))
}

/// Sixteen bytes in a register.
#[inline]
#[target_feature(enable = "neon")]
fn load(bytes: &[u8; 16]) -> uint8x16_t {
    // SAFETY: the array has sixteen bytes.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}

/// Sixteen signed bytes in a register.
#[inline]
#[target_feature(enable = "neon")]
fn load_signed(bytes: &[i8; 16]) -> int8x16_t {
    // SAFETY: the array has sixteen bytes.
    unsafe { vld1q_s8(bytes.as_ptr()) }
}
