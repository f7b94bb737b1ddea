//! Codes: vectors in a few bits an element, by which walks through the graph estimate distances. What is returned is
//! always measured on the vectors themselves.
//!
//! A vector `x` is rotated ([`rotation`]) and each element rounded to one of 2, 16 or 256 evenly spaced levels `c`, which
//! are symmetric around zero. Then `x·q` is about `factor * (c·q)` with `factor = x·x / c·x`: this choice makes the
//! estimate unbiased over rotations, after Gao and Long, "RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical
//! Error Bound for Approximate Nearest Neighbor Search", SIGMOD 2024 (arXiv:2405.12497). The query is rotated likewise
//! and rounded to 255 levels. Sums are integers, so all machines agree on every estimate to the last bit.

mod rotation;

use super::Config;
use super::metric::{ByDot, Metric, Side};
use crate::kernels::{BLOCK, Code, Kernels, planes};
use rotation::Rotation;

/// Largest element of a rounded query.
const QUERY_LEVELS: f32 = 127.0;

/// How the vectors of an index are compressed for walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quant {
    /// Not at all.
    F32,
    /// To four bits an element.
    Int4,
    /// To eight bits an element.
    Int8,
    /// To one bit an element.
    Bin,
}

impl Quant {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::F32, Self::Int8, Self::Int4, Self::Bin];

    /// The word that names it in a command.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int4 => "int4",
            Self::Int8 => "int8",
            Self::Bin => "bin",
        }
    }

    /// The one that is called `name`, in any case.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|quant| quant.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The one whose number on disk is `code`.
    #[must_use]
    pub fn with_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|quant| quant.code() == code)
    }

    /// The number that stands for it on disk.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::Int8 => 1,
            Self::Int4 => 2,
            Self::Bin => 3,
        }
    }
}

/// Makes codes for the vectors of one index.
#[derive(Debug)]
pub(super) struct Coder {
    quant: Quant,
    code: Code,
    metric: &'static dyn Metric,
    kernels: Kernels,
    dim: usize,
    rotation: Rotation,
}

/// A query to be compared with codes.
#[derive(Debug, Default)]
pub(super) struct CodedQuery {
    /// Rounded elements, in whole blocks.
    pub(super) elements: Vec<i8>,
    /// Twice the level that stands for zero, times the sum of `elements`.
    zero: i64,
    add: f32,
    factor: f32,
    /// The form that it is for; none before it has been made.
    quant: Option<Quant>,
    /// Room to rotate in.
    rotated: Vec<f32>,
}

impl CodedQuery {
    /// The distance to a row with these shares whose code gave this sum.
    #[inline]
    pub(super) fn distance(&self, sum: i32, add: f32, factor: f32) -> f32 {
        let sum = (2 * i64::from(sum) - self.zero) as f32;
        self.add + add + self.factor * factor * sum
    }
}

impl Coder {
    /// For the vectors of an index; `None` where nothing is to be compressed, or the metric has no use for codes.
    pub(super) fn new(config: &Config, quant: Quant) -> Option<Self> {
        let Config { metric, dim, kernels, .. } = *config;
        let code = match quant {
            Quant::F32 => return None,
            Quant::Int4 => Code::Nibble,
            Quant::Int8 => Code::Byte,
            Quant::Bin => Code::Bit,
        };
        metric.by_dot(Side::Row, 1.0)?;
        Some(Self { quant, code, metric, kernels, dim, rotation: Rotation::new(dim) })
    }

    /// Its form.
    pub(super) fn code(&self) -> Code {
        self.code
    }

    /// Bytes of memory that it takes besides its own.
    pub(super) fn bytes(&self) -> usize {
        self.rotation.bytes()
    }

    /// Bytes of a code.
    pub(super) fn stride(&self) -> usize {
        self.code.stride(self.dim)
    }

    /// Writes the code of `vector` (longer ones are padded) to `out`, which is zero, and returns the row's shares.
    pub(super) fn encode(&self, vector: &[f32], rotated: &mut Vec<f32>, out: &mut [u8]) -> ByDot {
        let (squared, share) = self.begin(Side::Row, vector, rotated);
        let half = f32::from(self.code.largest()) / 2.0;
        let largest = rotated.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        // A normal distribution is rounded best with steps of that many deviations (Max, "Quantizing for minimum
        // distortion", 1960, for 2 and 16 levels; the reach of 3.9 deviations for 256).
        let best = match self.code {
            Code::Bit => 1.596,
            Code::Nibble => 0.335,
            Code::Byte => 0.031,
        };
        let step = (largest / half).min(best * (squared / self.dim as f64).sqrt() as f32);
        if step < f32::MIN_POSITIVE {
            return ByDot { factor: 0.0, ..share };
        }
        let mut product = 0.0_f64;
        for (at, x) in rotated.iter().enumerate() {
            let level = (x / step + half + 0.5).clamp(0.0, 2.0 * half) as u8;
            product += f64::from(f32::from(level) - half) * f64::from(*x);
            self.code.put(out, at, level);
        }
        // Sums are doubled, so that half levels are whole: hence the half here.
        ByDot { factor: share.factor * (0.5 * squared / product) as f32, ..share }
    }

    /// True where `query` is a coded form of its vector that this coder's codes can be compared with.
    #[inline]
    pub(super) fn made(&self, query: &CodedQuery) -> bool {
        query.quant == Some(self.quant)
    }

    /// Makes `query` the coded form of `vector`, which may be padded.
    pub(super) fn query(&self, vector: &[f32], query: &mut CodedQuery) {
        query.quant = Some(self.quant);
        let (_, share) = self.begin(Side::Query, vector, &mut query.rotated);
        let largest = query.rotated.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        let step = largest / QUERY_LEVELS;
        query.elements.clear();
        query.elements.resize(self.dim.next_multiple_of(BLOCK), 0);
        (query.add, query.factor, query.zero) = (share.add, 0.0, 0);
        if step < f32::MIN_POSITIVE {
            return;
        }
        let mut sum = 0;
        for (element, x) in query.elements.iter_mut().zip(&query.rotated) {
            let x = x / step;
            *element = (x + 0.5_f32.copysign(x)) as i8;
            sum += i64::from(*element);
        }
        query.zero = i64::from(self.code.largest()) * sum;
        query.factor = share.factor * step;
        self.arrange(query);
    }

    /// Makes `query` the coded form of a row, as far as its code tells, without its vector.
    pub(super) fn query_of_row(&self, code: &[u8], row: ByDot, query: &mut CodedQuery) {
        let (Some(as_query), Some(as_row)) =
            (self.metric.by_dot(Side::Query, 1.0), self.metric.by_dot(Side::Row, 1.0))
        else {
            unreachable!("a coder is made for a metric that goes by dot products")
        };
        query.quant = Some(self.quant);
        // What does not depend on the vector's length differs by these between the two sides.
        query.add = as_query.add - as_row.add + row.add;
        let factor = as_query.factor / as_row.factor * row.factor;
        query.elements.clear();
        match self.code {
            Code::Nibble => {
                query.factor = factor;
                for block in code.chunks_exact(BLOCK / 2) {
                    query.elements.extend(block.iter().map(|byte| 2 * (byte & 15) as i8 - 15));
                    query.elements.extend(block.iter().map(|byte| 2 * (byte >> 4) as i8 - 15));
                }
            }
            Code::Bit => {
                query.factor = factor;
                let sign = |byte: u8, at: u32| 2 * (byte >> at & 1) as i8 - 1;
                query.elements.extend(code.iter().flat_map(|byte| (0..8).map(move |at| sign(*byte, at))));
            }
            Code::Byte => {
                query.factor = 2.0 * factor;
                query.elements.extend(code.iter().map(|byte| (byte ^ 128) as i8));
            }
        }
        query.elements[self.dim..].fill(0);
        let sum: i64 = query.elements.iter().map(|x| i64::from(*x)).sum();
        query.zero = i64::from(self.code.largest()) * sum;
        self.arrange(query);
    }

    /// Puts the elements of a query in the order that sums over its codes want.
    fn arrange(&self, query: &mut CodedQuery) {
        if self.code == Code::Bit {
            planes(&mut query.elements);
        }
    }

    /// Rotates the vector and returns its squared length and its share in a distance.
    fn begin(&self, side: Side, vector: &[f32], rotated: &mut Vec<f32>) -> (f64, ByDot) {
        rotated.clear();
        rotated.extend_from_slice(&vector[..self.dim]);
        self.rotation.rotate(&self.kernels, rotated);
        let squared = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
        match self.metric.by_dot(side, squared) {
            Some(share) => (squared, share),
            None => unreachable!("a coder is made for a metric that goes by dot products"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::index::METRICS;

    fn coder(quant: Quant, metric: &'static dyn Metric, dim: usize) -> Coder {
        let kernels = Kernels::best();
        let config = Config { dim, metric, m: 2, quant, ef_construction: 1, seed: 1, kernels };
        Coder::new(&config, quant).unwrap()
    }

    /// The metrics that have a use for codes.
    fn coded_metrics() -> impl Iterator<Item = &'static dyn Metric> {
        METRICS.iter().copied().filter(|metric| metric.by_dot(Side::Row, 1.0).is_some())
    }

    fn random(rng: &mut Rng, dim: usize, scale: f32) -> Vec<f32> {
        (0..dim).map(|_| (rng.unit_f32() + rng.unit_f32() - 1.0) * scale).collect()
    }

    fn estimate(coder: &Coder, query: &[f32], row: &[f32]) -> f32 {
        let (mut code, mut coded) = (vec![0; coder.stride()], CodedQuery::default());
        let share = coder.encode(row, &mut Vec::new(), &mut code);
        coder.query(query, &mut coded);
        let mut sum = [0];
        Kernels::best().code_dots(coder.code(), &coded.elements, &[&code], &mut sum);
        coded.distance(sum[0], share.add, share.factor)
    }

    #[test]
    fn estimates_are_close_to_the_distances_of_every_metric_with_codes() {
        let mut rng = Rng::new(2);
        let kernels = Kernels::best();
        for (dim, scale) in [(2, 1.0), (17, 1e-9), (128, 3.0), (384, 1.0), (768, 1e9)] {
            for metric in coded_metrics() {
                for (quant, allowed) in [(Quant::Bin, 6.0), (Quant::Int4, 0.6), (Quant::Int8, 0.06)] {
                    let coder = coder(quant, metric, dim);
                    for _ in 0..20 {
                        let (q, x) = (random(&mut rng, dim, scale), random(&mut rng, dim, scale));
                        let terms = [metric.term(&kernels, &q), metric.term(&kernels, &x)];
                        let exact = metric.distance(&kernels, &q, terms[0], &x, terms[1]);
                        let scale =
                            if metric.name() == "cosine" { 1.0 } else { scale * scale * dim as f32 / 6.0 };
                        let error = (estimate(&coder, &q, &x) - exact).abs() / scale * (dim as f32).sqrt();
                        assert!(error < allowed, "{quant:?} {metric:?} {dim}: {error}");
                    }
                }
            }
        }
    }

    #[test]
    fn vectors_at_the_edges_give_numbers() {
        let edge = (f32::MAX / 4.0).sqrt() * 0.999;
        let mut long = vec![0.0; 40];
        long[3] = edge;
        let spread = vec![edge / 40.0_f32.sqrt(); 40];
        for metric in coded_metrics() {
            for quant in [Quant::Bin, Quant::Int4, Quant::Int8] {
                let coder = coder(quant, metric, 40);
                for q in [&long, &spread, &vec![0.0; 40], &vec![1e-45; 40]] {
                    for x in [&long, &spread, &vec![0.0; 40], &vec![1e-45; 40]] {
                        assert!(!estimate(&coder, q, x).is_nan(), "{metric:?} {quant:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn names_and_codes_on_disk_never_change() {
        let all = Quant::ALL.map(|quant| (quant.name(), quant.code()));
        assert_eq!(all, [("f32", 0), ("int8", 1), ("int4", 2), ("bin", 3)]);
    }
}
