//! Nanoseconds per distance for each kernel of this machine, beside the scalar one, in one run.
//!
//! `near`: 32 rows that stay in the first-level cache. `far`: 100,000 rows walked in order, far beyond the caches.
//! Rows start at multiples of 64 bytes, as in an index. The kernels take turns, round by round, so that a change of
//! clock rate meets them all; the median round counts. `cargo bench --bench kernels [-- FAR_ROWS]`.

use std::hint::black_box;
use std::time::Instant;

use engram::base::rng::Rng;
use engram::kernels::Kernels;

const NEAR_ROWS: usize = 8;
const NEAR_PASSES: usize = 2000;
const FAR_ROWS: usize = 100_000;
const ROUNDS: usize = 15;
const SCALAR_ROUNDS: usize = 3;

/// Sixty-four bytes, aligned: a vector of them is the arena of the rows.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "read as part of the flat arena")] [f32; 16]);

struct Case {
    title: &'static str,
    dim: usize,
    distance: fn(&Kernels, &[f32], &[f32]) -> f32,
}

const CASES: [Case; 4] = [
    Case { title: "dot", dim: 768, distance: |k, a, b| k.dot(a, b) },
    Case { title: "l2", dim: 384, distance: |k, a, b| k.l2_squared(a, b) },
    Case { title: "dot", dim: 304, distance: |k, a, b| k.dot(a, b) },
    Case { title: "dot", dim: 100, distance: |k, a, b| k.dot(a, b) },
];

fn main() {
    let far_rows = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(FAR_ROWS);
    println!(
        "{:<6}{:>5}  {:<6}{:>8}  {:<8}{:>10}{:>10}",
        "sum", "dim", "where", "rows", "kernel", "ns", "x scalar"
    );
    for case in &CASES {
        measure(case, "near", NEAR_ROWS, NEAR_PASSES);
        measure(case, "far", far_rows, 1);
    }
}

/// Prints one line per kernel: the median over the rounds of the time of one distance.
fn measure(case: &Case, place: &str, rows: usize, passes: usize) {
    let lines = case.dim.div_ceil(16);
    let mut rng = Rng::new(1);
    let arena: Vec<Line> =
        (0..rows * lines).map(|_| Line(std::array::from_fn(|_| rng.unit_f32() - 0.5))).collect();
    let query: Vec<Line> = (0..lines).map(|_| Line(std::array::from_fn(|_| rng.unit_f32() - 0.5))).collect();
    let query = &flat(&query)[..case.dim];
    let kernels = Kernels::available();
    let mut times = vec![Vec::new(); kernels.len()];
    for round in 0..ROUNDS {
        for (kernels, times) in kernels.iter().zip(&mut times) {
            if kernels.name() != "scalar" || round < SCALAR_ROUNDS {
                times.push(once(case, kernels, query, flat(&arena), lines * 16, passes));
            }
        }
    }
    let medians: Vec<f64> = times.into_iter().map(median).collect();
    for (kernels, median) in kernels.iter().zip(&medians) {
        let Case { title, dim, .. } = case;
        let (name, ratio) = (kernels.name(), medians[0] / median);
        println!("{title:<6}{dim:>5}  {place:<6}{rows:>8}  {name:<8}{median:>10.2}{ratio:>10.1}");
    }
}

/// Nanoseconds per distance of one pass over all rows, averaged over `passes`.
fn once(case: &Case, kernels: &Kernels, query: &[f32], arena: &[f32], stride: usize, passes: usize) -> f64 {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures the machine's own time")]
    let start = Instant::now();
    for _ in 0..passes {
        for row in arena.chunks_exact(stride) {
            black_box((case.distance)(kernels, black_box(query), &row[..case.dim]));
        }
    }
    start.elapsed().as_nanos() as f64 / (passes * (arena.len() / stride)) as f64
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn flat(lines: &[Line]) -> &[f32] {
    // SAFETY: a `Line` is sixteen floats without padding, so its rows lie one after the other.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * 16) }
}
