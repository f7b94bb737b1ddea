//! Nanoseconds per distance for each kernel of this machine, beside the scalar one, in one run.
//!
//! `near`: a few rows that stay in the first-level cache. `far`: 100,000 rows walked in order, far beyond the caches.
//! Rows start at multiples of 64 bytes, as in an index. The kernels take turns, round by round, so that a change of
//! clock rate meets them all. Best and median round are shown, the ratio is that of the medians; on a busy machine
//! the best round says more. `cargo bench --bench kernels [-- FAR_ROWS]`.

use std::hint::black_box;
use std::time::Instant;

use engram::base::rng::Rng;
use engram::kernels::Kernels;

const NEAR_ROWS: usize = 8;
const NEAR_PASSES: usize = 5000;
const FAR_ROWS: usize = 100_000;
const ROUNDS: usize = 15;
/// Rounds in which the scalar kernel takes part: it is slow, and its time hardly varies.
const SCALAR_ROUNDS: usize = 3;

/// Sixty-four bytes, aligned: a vector of them is the arena of the rows.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "read through the flat view")] [f32; 16]);

fn main() {
    let far_rows = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(FAR_ROWS);
    println!("sum   dim  where   rows  kernel    best ns   median  x scalar");
    for dim in [768, 384, 112, 100] {
        for (place, rows, passes) in [("near", NEAR_ROWS, NEAR_PASSES), ("far", far_rows, 1)] {
            let set = Set::new(dim, rows, passes);
            set.measure("dot", place, |kernels, a, b| kernels.dot(a, b));
            set.measure("l2", place, |kernels, a, b| kernels.l2_squared(a, b));
        }
    }
}

/// What one line of the table is measured on.
struct Set {
    dim: usize,
    rows: usize,
    passes: usize,
    arena: Vec<Line>,
    query: Vec<Line>,
}

impl Set {
    fn new(dim: usize, rows: usize, passes: usize) -> Self {
        let mut rng = Rng::new(1);
        let mut lines =
            |n: usize| (0..n).map(|_| Line(std::array::from_fn(|_| rng.unit_f32() - 0.5))).collect();
        let per_row = dim.div_ceil(16);
        Self { dim, rows, passes, arena: lines(rows * per_row), query: lines(per_row) }
    }

    /// Prints one line per kernel: the median over the rounds of the time of one distance.
    fn measure(&self, sum: &str, place: &str, distance: impl Fn(&Kernels, &[f32], &[f32]) -> f32) {
        let kernels = Kernels::available();
        let mut times = vec![Vec::new(); kernels.len()];
        for round in 0..ROUNDS {
            for (kernels, times) in kernels.iter().zip(&mut times) {
                if kernels.name() != "scalar" || round < SCALAR_ROUNDS {
                    times.push(self.once(|a, b| distance(kernels, a, b)));
                }
            }
        }
        times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
        let median = |i: usize| times[i][times[i].len() / 2];
        for (i, kernels) in kernels.iter().enumerate() {
            let (dim, rows, name) = (self.dim, self.rows, kernels.name());
            let (best, middle, ratio) = (times[i][0], median(i), median(0) / median(i));
            println!("{sum:<4}{dim:>5}  {place:<5}{rows:>7}  {name:<8}{best:>9.2}{middle:>9.2}{ratio:>10.1}");
        }
    }

    /// Nanoseconds per distance over all passes of all rows.
    fn once(&self, distance: impl Fn(&[f32], &[f32]) -> f32) -> f64 {
        let query = &flat(&self.query)[..self.dim];
        #[expect(clippy::disallowed_methods, reason = "a benchmark measures the machine's own time")]
        let start = Instant::now();
        for _ in 0..self.passes {
            black_box(pass(query, flat(&self.arena), &distance));
        }
        start.elapsed().as_nanos() as f64 / (self.passes * self.rows) as f64
    }
}

/// The sum of the distances of `query` to all rows. A function of its own, so that the loop around the kernel keeps
/// its few values in registers.
#[inline(never)]
fn pass(query: &[f32], arena: &[f32], distance: &impl Fn(&[f32], &[f32]) -> f32) -> f32 {
    let rows = arena.chunks_exact(query.len().next_multiple_of(16));
    rows.fold(0.0, |total, row| total + distance(query, &row[..query.len()]))
}

fn flat(lines: &[Line]) -> &[f32] {
    // SAFETY: a `Line` is sixteen floats without padding, so its rows lie one after the other.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * 16) }
}
