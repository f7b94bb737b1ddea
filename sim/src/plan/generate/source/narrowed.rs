//! Searches that are confined to some elements, or to a distance.

use super::super::{Op, pick};
use super::Source;
use crate::oracle::distance;
use crate::plan::{Among, Keys};

impl Source {
    /// The search, of which some are confined; `metric` is that of its index. Draws from a stream of its own.
    pub(in super::super) fn narrowed(&mut self, search: Op, metric: &str) -> Op {
        let Op::Search { key, query, k, ef, exact, vectors, .. } = search else { return search };
        let mut rng = self.narrow.clone();
        let keys = match rng.below(10) {
            0 => Keys::Prefix(pick(&mut rng, &["", "e", "e1", "e2", "e11", "x"]).to_owned()),
            1 => Keys::Match(
                pick(&mut rng, &["*", "e?", "e[0-4]", "e1*", "[^e]*", "e[^2-9]*", "?3"]).to_owned(),
            ),
            2 => {
                let few = pick(&mut rng, &[1, 2, 5, 40]);
                Keys::Listed((0..few).map(|_| format!("e{}", rng.below(14))).collect())
            }
            _ => Keys::All,
        };
        let within = match rng.below(10) {
            0 => Some(pick(&mut rng, &[-1.0, 0.0, 0.5, 1.0, 2.0, f64::INFINITY])),
            // As far as some row may be, to the last bit.
            1 | 2 => {
                let row: Vec<f32> = query.iter().map(|_| self.coordinate(&mut rng)).collect();
                Some(f64::from(distance(metric, &query, &row))).filter(|far| far.is_finite())
            }
            _ => None,
        };
        self.narrow = rng;
        Op::Search { key, query, k, ef, exact, vectors, among: Among { within, keys } }
    }
}
