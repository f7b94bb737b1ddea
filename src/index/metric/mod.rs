//! The metrics: what "near" means. A metric is one file here, made known below, and one word in [`METRICS`].
//!
//! Guaranteed: the distances of one metric are totally ordered, smaller is closer, and have the same bits on every
//! machine. Not guaranteed: that a metric is one in the mathematical sense (`dot` is not), or that
//! `distance(a, b)` has the same bits as `distance(b, a)`. [`Metric::assume`] says what may be relied on.

mod assume;
mod cosine;
mod dot;
mod l2;

use crate::kernels::Kernels;

pub use assume::Assume;
pub use cosine::Cosine;
pub use dot::Dot;
pub use l2::L2;

/// A measure of how far a row is from a query.
///
/// Vectors come zero-padded to a multiple of sixteen floats, 64-byte aligned, finite, and with a squared length of
/// at most a quarter of the largest `f32`.
pub trait Metric: Sync {
    /// The word that names it in a command.
    fn name(&self) -> &'static str;

    /// The number that stands for it on disk; never given to another metric, not even after this one is gone.
    fn code(&self) -> u32;

    /// What is worth computing once for a vector: it is kept beside the row and handed back to
    /// [`Metric::distance`]. Zero where nothing is.
    fn term(&self, kernels: &Kernels, vector: &[f32]) -> f32;

    /// How far `row` is from `query`; smaller is closer, never NaN. Any increasing function of what
    /// [`Metric::report`] shows will do.
    fn distance(&self, kernels: &Kernels, query: &[f32], query_term: f32, row: &[f32], row_term: f32) -> f32;

    /// [`Metric::distance`] from `query` to each of `rows`, bit for bit; `out` comes with the rows' terms and leaves
    /// with their distances. A metric with kernels for many rows at once has its own way.
    fn distances(&self, kernels: &Kernels, query: &[f32], query_term: f32, rows: &[&[f32]], out: &mut [f32]) {
        for (row, out) in rows.iter().zip(out) {
            *out = self.distance(kernels, query, query_term, row, *out);
        }
    }

    /// How the distance follows from a dot product, where it does: then rows can be compared by codes. `squared` is
    /// the squared length of the vector of which the share is asked.
    fn by_dot(&self, side: Side, squared: f64) -> Option<ByDot> {
        let _ = (side, squared);
        None
    }

    /// The distance a client sees for one that [`Metric::distance`] gave.
    fn report(&self, distance: f32) -> f32;

    /// What may be assumed of it. A metric that says nothing is taken for any function of two vectors.
    fn assume(&self) -> Assume {
        Assume::NOTHING
    }
}

/// Which of two vectors is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that distances are measured from.
    Query,
    /// The one that is measured.
    Row,
}

/// What a vector contributes to `distance = query.add + row.add + query.factor * row.factor * dot`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ByDot {
    /// Its summand.
    pub add: f32,
    /// Its factor.
    pub factor: f32,
}

impl std::fmt::Debug for dyn Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Every metric there is. A new one gets a word here.
pub static METRICS: &[&dyn Metric] = &[&Cosine, &L2, &Dot];

/// The metric called `name`, in any case.
#[must_use]
pub fn metric_named(name: &[u8]) -> Option<&'static dyn Metric> {
    METRICS.iter().copied().find(|metric| metric.name().as_bytes().eq_ignore_ascii_case(name))
}

/// The metric whose number on disk is `code`.
#[must_use]
pub fn metric_with_code(code: u32) -> Option<&'static dyn Metric> {
    METRICS.iter().copied().find(|metric| metric.code() == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(metric: &dyn Metric, a: &[f32], b: &[f32]) -> f32 {
        let k = Kernels::best();
        metric.distance(&k, a, metric.term(&k, a), b, metric.term(&k, b))
    }

    fn padded(head: &[f32]) -> Vec<f32> {
        let mut out = head.to_vec();
        out.resize(16, 0.0);
        out
    }

    #[test]
    fn names_and_codes_are_each_used_once() {
        for (i, a) in METRICS.iter().enumerate() {
            assert_eq!(metric_named(a.name().to_uppercase().as_bytes()).unwrap().code(), a.code());
            assert_eq!(metric_with_code(a.code()).unwrap().name(), a.name());
            assert!(METRICS[..i].iter().all(|b| a.name() != b.name() && a.code() != b.code()));
        }
        assert!(metric_named(b"no metric is called so").is_none());
        assert!(metric_with_code(0).is_none());
    }

    #[test]
    fn codes_on_disk_never_change() {
        for (name, code) in [("cosine", 1), ("l2", 2), ("dot", 3)] {
            assert_eq!(metric_with_code(code).map(Metric::name), Some(name));
        }
    }

    #[test]
    fn small_distances_agree_with_a_hand_calculation() {
        let (a, b) = (padded(&[3.0, 4.0]), padded(&[4.0, 3.0]));
        let shown = |m: &dyn Metric| m.report(distance(m, &a, &b));
        assert_eq!(shown(&Dot), -24.0);
        assert_eq!(shown(&L2), 2.0_f32.sqrt());
        assert!((shown(&Cosine) - 0.04).abs() < 1e-6);
    }

    #[test]
    fn a_vector_without_a_direction_is_at_cosine_distance_one_from_everything() {
        let ones = padded(&[1.0; 16]);
        for tiny in [0.0, -0.0, f32::from_bits(1), 1e-20] {
            let none = padded(&[tiny]);
            assert_eq!(distance(&Cosine, &none, &ones), 1.0, "{tiny}");
            assert_eq!(distance(&Cosine, &ones, &none), 1.0, "{tiny}");
            assert_eq!(distance(&Cosine, &none, &none), 1.0, "{tiny}");
        }
    }

    #[test]
    fn the_longest_vectors_allowed_do_not_overflow() {
        let long = padded(&[(f32::MAX / 4.0).sqrt() * 0.999_999]);
        let away: Vec<f32> = long.iter().map(|x| -x).collect();
        for metric in METRICS {
            for (a, b) in [(&long, &long), (&long, &away)] {
                assert!(metric.report(distance(*metric, a, b)).is_finite(), "{metric:?}");
            }
        }
    }

    #[test]
    fn what_is_assumed_of_a_metric_holds() {
        let mut rng = crate::base::rng::Rng::new(12);
        let mut vector = |scale: f32| (0..32).map(|_| (rng.unit_f32() - 0.5) * scale).collect::<Vec<f32>>();
        for _ in 0..300 {
            let vectors = [1.0, 20.0, 0.01].map(&mut vector);
            for metric in METRICS {
                let assumed = metric.assume();
                for (a, b) in vectors.iter().flat_map(|a| vectors.iter().map(move |b| (a, b))) {
                    let shown = metric.report(distance(*metric, a, b));
                    assert!((assumed.least..=assumed.greatest).contains(&shown), "{metric:?}: {shown}");
                }
            }
        }
    }

    #[test]
    fn cosine_stays_between_zero_and_two() {
        let mut rng = crate::base::rng::Rng::new(11);
        for _ in 0..500 {
            let a: Vec<f32> = (0..32).map(|_| rng.unit_f32() - 0.5).collect();
            let scaled: Vec<f32> = a.iter().map(|x| x * -3.7).collect();
            assert!((0.0..=2.0).contains(&distance(&Cosine, &a, &a)));
            assert!((0.0..=2.0).contains(&distance(&Cosine, &a, &scaled)));
        }
    }
}
