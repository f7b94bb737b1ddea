//! Counts by powers of two: coarse, small, and never in need of a bound that was guessed beforehand.

/// Bucket `i` holds what is up to `2^i`, the last one all that is more.
const BUCKETS: usize = 32;

/// How often what was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    buckets: [u64; BUCKETS],
}

impl Histogram {
    /// Counts one value.
    pub fn count(&mut self, value: u64) {
        let bucket = u64::BITS - (value.max(1) - 1).leading_zeros();
        if let Some(count) = self.buckets.get_mut((bucket as usize).min(BUCKETS - 1)) {
            *count += 1;
        }
    }

    /// For each bucket that is not empty: its bound, and how many values were at most that.
    #[must_use]
    pub fn cumulative(&self) -> Vec<(u64, u64)> {
        let mut sum = 0;
        let filled = (0_u32..).zip(self.buckets).filter(|(_, count)| *count > 0);
        filled
            .map(|(i, count)| {
                sum += count;
                (1_u64 << i, sum)
            })
            .collect()
    }
}

impl std::fmt::Display for Histogram {
    /// `BOUND=COUNT` for each bucket that is not empty, cumulative.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, (bound, count)) in self.cumulative().into_iter().enumerate() {
            write!(f, "{}{bound}={count}", if i > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_powers_of_two_and_count_what_is_below() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.to_string(), "");
        for value in [0, 1, 1, 2, 2, 3, 4, 5, u64::MAX] {
            histogram.count(value);
        }
        assert_eq!(histogram.cumulative(), [(1, 3), (2, 5), (4, 7), (8, 8), (1 << 31, 9)]);
        assert_eq!(histogram.to_string(), "1=3,2=5,4=7,8=8,2147483648=9");
    }
}
