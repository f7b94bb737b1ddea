//! The canonical order in sixteen NEON registers of four lanes.

use std::arch::aarch64::*;

use super::LANES;
use super::lanes::{Isa, Product, SquaredDifference, sum};

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
