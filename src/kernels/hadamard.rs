//! The fast Walsh-Hadamard transform, unscaled: `v` becomes `H v`, where `H[i][j]` is 1 or -1 by the parity of `i & j`.
//!
//! One piece of plain code for all machines: every output is made by the same additions in the same order, stage by
//! stage, so the bits are the same however wide the registers are that the compiler puts it in.

/// Elements that the last stages have in hand at once.
const LAST: usize = 8;

/// Transforms `v`, whose length is a power of two.
#[inline(always)]
pub(super) fn hadamard(v: &mut [f32]) {
    assert!(v.len().is_power_of_two(), "a transform has a power of two of elements");
    let mut half = v.len() / 2;
    while half >= LAST || (half > 0 && v.len() < LAST) {
        for pair in v.chunks_exact_mut(2 * half) {
            let (a, b) = pair.split_at_mut(half);
            for (a, b) in a.iter_mut().zip(b) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half /= 2;
    }
    for chunk in v.as_chunks_mut::<LAST>().0 {
        let [a, b, c, d, e, f, g, h] = *chunk;
        let [a, b, c, d, e, f, g, h] = [a + e, b + f, c + g, d + h, a - e, b - f, c - g, d - h];
        let [a, b, c, d, e, f, g, h] = [a + c, b + d, a - c, b - d, e + g, f + h, e - g, f - h];
        *chunk = [a + b, a - b, c + d, c - d, e + f, e - f, g + h, g - h];
    }
}
