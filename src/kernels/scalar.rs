//! The canonical order in plain Rust: the oracle of every other kernel, and the fallback where there is no other.
//!
//! Written to be read, not to be fast; it shares no code with what it judges. `f32::mul_add` is exact on every
//! machine: one instruction where the CPU has it, else the C library's correctly rounded `fmaf`.

use super::{LANES, canonical};

/// The dot product.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    for i in 0..a.len().next_multiple_of(LANES) {
        let (x, y) = (at(a, i), at(b, i));
        lanes[i % LANES] = x.mul_add(y, lanes[i % LANES]);
    }
    fold(lanes)
}

/// The squared Euclidean distance.
pub(super) fn l2_squared(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    for i in 0..a.len().next_multiple_of(LANES) {
        let d = at(a, i) - at(b, i);
        lanes[i % LANES] = d.mul_add(d, lanes[i % LANES]);
    }
    fold(lanes)
}

/// The dot product with each of `rows`.
pub(super) fn dots(a: &[f32], rows: &[&[f32]], out: &mut [f32]) {
    rows.iter().zip(out).for_each(|(row, out)| *out = canonical(dot(a, row)));
}

/// The squared Euclidean distance to each of `rows`.
pub(super) fn l2s_squared(a: &[f32], rows: &[&[f32]], out: &mut [f32]) {
    rows.iter().zip(out).for_each(|(row, out)| *out = canonical(l2_squared(a, row)));
}

/// Element `i` of `v` continued with zeros. They are added, not left out: a lane that has underflowed to -0.0 becomes
/// +0.0 by it, and so a row stored with zero padding agrees with the bare one.
fn at(v: &[f32], i: usize) -> f32 {
    v.get(i).copied().unwrap_or(0.0)
}

/// Halves the lanes until one is left.
fn fold(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES;
    while half > 1 {
        half /= 2;
        for l in 0..half {
            lanes[l] += lanes[l + half];
        }
    }
    lanes[0]
}
