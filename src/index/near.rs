//! A row and how far it is, in one ordered word.

use super::RowId;

/// A distance and a row, ordered by distance (as `f32::total_cmp` does) and then by row, in one integer: heaps
/// compare a single word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Near(u64);

impl Near {
    /// Packs the two.
    #[inline]
    pub(super) fn new(distance: f32, row: u32) -> Self {
        let bits = distance.to_bits();
        // Negative numbers: all bits flipped; others: the sign bit. Unsigned order is then total_cmp's.
        let ordered = bits ^ ((bits as i32 >> 31) as u32 | 0x8000_0000);
        Self(u64::from(ordered) << 32 | u64::from(row))
    }

    /// The row.
    #[inline]
    pub(super) fn row(self) -> u32 {
        self.0 as u32
    }

    /// The row.
    #[must_use]
    pub fn id(self) -> RowId {
        RowId(self.row())
    }

    /// The distance, bit for bit, as the metric compares it.
    #[must_use]
    #[inline]
    pub fn distance(self) -> f32 {
        let ordered = (self.0 >> 32) as u32;
        let mask = if ordered & 0x8000_0000 == 0 { u32::MAX } else { 0x8000_0000 };
        f32::from_bits(ordered ^ mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_orders_like_total_cmp_and_gives_its_parts_back() {
        let distances =
            [f32::NEG_INFINITY, -2.5, -f32::MIN_POSITIVE, -0.0, 0.0, 1e-45, 1.0, f32::MAX, f32::INFINITY];
        for (i, a) in distances.iter().enumerate() {
            assert_eq!(Near::new(*a, 7).distance().to_bits(), a.to_bits());
            assert_eq!(Near::new(*a, u32::MAX - 1).row(), u32::MAX - 1);
            assert!(Near::new(*a, 1) < Near::new(*a, 2));
            assert!(distances[i + 1..].iter().all(|b| Near::new(*a, 9) < Near::new(*b, 0)), "{a}");
        }
    }
}
