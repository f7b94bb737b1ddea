//! On which layers a row lives.

use crate::base::limits::MAX_LEVEL;
use crate::base::rng::mix64;

/// The highest layer of `row`: at least `l` with probability `m^-l` (section 4.1 of the paper with `mL = 1/ln M`), at
/// most [`MAX_LEVEL`]. Integer arithmetic over the row's number, so that it is the same everywhere and in any order
/// of linking.
pub(super) fn level(seed: u64, row: u32, m: usize) -> usize {
    let draw = mix64(mix64(seed) ^ (u64::from(row) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let m = (m as u64).max(2);
    let mut bound = u64::MAX / m;
    let mut level = 0;
    while level < MAX_LEVEL && draw < bound {
        level += 1;
        bound /= m;
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_layer_holds_its_share_of_the_layer_below() {
        let rows = if cfg!(miri) { 2_000 } else { 100_000 };
        for m in [4, 16] {
            let upper = (0..rows).filter(|row| level(42, *row, m) >= 1).count() as f64;
            let expected = f64::from(rows) / m as f64;
            assert!((upper - expected).abs() < 6.0 * expected.sqrt(), "M {m}: {upper} of {expected}");
        }
    }

    #[test]
    fn levels_of_a_seed_never_change() {
        let tall: Vec<_> =
            (0..400).map(|row| (row, level(1, row, 16))).filter(|(_, l)| *l > 0).take(4).collect();
        assert_eq!(tall, [(0, 1), (58, 1), (64, 1), (71, 1)]);
        assert!((0..100_000).all(|row| level(1, row, 2) <= MAX_LEVEL));
    }
}
