//! Build speed, recall and search speed of the index, in process, on one set of vectors.
//!
//! `cargo bench --bench search -- BASE QUERIES NEIGHBOURS DIM` reads packed little-endian `f32` rows, `f32` queries and,
//! for each query, the numbers of its nearest rows as `u32`, nearest first. Without arguments it makes clustered vectors of
//! its own and finds the neighbours by the exact scan. Prints rows linked per second on one and two threads, and for
//! each `ef` recall@10, queries per second on one thread, and distances per query.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use engram::base::rng::Rng;
use engram::index::{ByDot, Config, Cosine, Hit, Index, Metric, Quant, Query, RowId, Scratch, Side, Writer};
use engram::kernels::Kernels;

const K: usize = 10;
const PASSES: usize = 10;

thread_local! {
    static COMPARED: Cell<u64> = const { Cell::new(0) };
}

/// Cosine that counts: unlike the clock, the number of distances does not depend on what else the machine does.
struct Counting;

impl Metric for Counting {
    fn name(&self) -> &'static str {
        Cosine.name()
    }

    fn code(&self) -> u32 {
        Cosine.code()
    }

    fn term(&self, kernels: &Kernels, vector: &[f32]) -> f32 {
        Cosine.term(kernels, vector)
    }

    #[inline]
    fn distance(&self, kernels: &Kernels, query: &[f32], query_term: f32, row: &[f32], row_term: f32) -> f32 {
        COMPARED.set(COMPARED.get() + 1);
        Cosine.distance(kernels, query, query_term, row, row_term)
    }

    fn distances(&self, kernels: &Kernels, query: &[f32], query_term: f32, rows: &[&[f32]], out: &mut [f32]) {
        COMPARED.set(COMPARED.get() + rows.len() as u64);
        Cosine.distances(kernels, query, query_term, rows, out);
    }

    fn by_dot(&self, side: Side, squared: f64) -> Option<ByDot> {
        Cosine.by_dot(side, squared)
    }

    fn report(&self, distance: f32) -> f32 {
        Cosine.report(distance)
    }
}

struct Set {
    dim: usize,
    base: Vec<f32>,
    queries: Vec<f32>,
    neighbours: Option<Vec<u32>>,
}

fn main() {
    // `cargo bench` passes `--bench` along.
    let quick = std::env::args().any(|word| word == "--quick");
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--") && !["int8", "int4", "bin", "f32"].contains(&word.as_str()))
        .collect();
    let set = match words.as_slice() {
        [base, queries, neighbours, dim] => read(base, queries, neighbours, dim),
        _ => synthetic(10_000, 64, 200),
    };
    let rows = set.base.len() / set.dim;
    println!("{rows} rows x {}, kernel {}", set.dim, Kernels::best().name());
    for threads in if quick { vec![2] } else { vec![2, 1] } {
        let writer = insert(&set);
        let seconds = link(writer.index(), rows as u32, threads);
        println!("build threads={threads} rows_per_second={:.0}", rows as f64 / seconds);
        if threads == 1 || quick {
            measure(writer.index(), &set);
        }
    }
}

fn insert(set: &Set) -> Writer {
    let kernels = Kernels::best();
    let quant = Quant::ALL.into_iter().find(|quant| std::env::args().any(|word| word == quant.name()));
    let quant = quant.unwrap_or(Quant::F32);
    let config =
        Config { dim: set.dim, metric: &Counting, m: 16, quant, ef_construction: 200, seed: 1, kernels };
    let mut writer = Writer::new(config);
    for (n, row) in set.base.chunks(set.dim).enumerate() {
        assert!(writer.insert(&(n as u32).to_le_bytes(), row).is_ok(), "room for every row");
    }
    writer
}

fn link(index: &Arc<Index>, rows: u32, threads: usize) -> f64 {
    let next = AtomicU32::new(0);
    seconds(|| {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let mut scratch = Scratch::new();
                    while let Some(row) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|row| *row < rows)
                    {
                        index.link(RowId(row), &mut scratch);
                    }
                });
            }
        });
    })
}

fn measure(index: &Index, set: &Set) {
    let queries: Vec<Query> = set.queries.chunks(set.dim).map(|q| index.query(q)).collect();
    let (mut scratch, mut hits) = (Scratch::new(), Vec::new());
    let mut truth = Vec::new();
    let exact = seconds(|| {
        for query in &queries {
            index.exact(query, K, &mut scratch, &mut hits);
            truth.push(ids(&hits));
        }
    });
    println!("exact queries_per_second={:.0}", queries.len() as f64 / exact);
    if let Some(neighbours) = &set.neighbours {
        let given = neighbours.chunks(neighbours.len() / queries.len());
        let same = given.zip(&truth).filter(|(given, truth)| given[..K].iter().eq(truth.iter())).count();
        println!("exact scan gives the neighbours of the file: {same} of {}", queries.len());
    }
    for ef in [20, 40, 80, 160] {
        let mut found = 0;
        COMPARED.set(0);
        for (query, truth) in queries.iter().zip(&truth) {
            index.search(query, K, ef, &mut scratch, &mut hits);
            let truth: BTreeSet<u32> = truth.iter().copied().collect();
            found += ids(&hits).iter().filter(|row| truth.contains(row)).count();
        }
        let compared = COMPARED.get() as usize / queries.len();
        // The fastest of some passes over all queries: what else the machine does only ever slows one down.
        let pass = || {
            seconds(|| queries.iter().for_each(|query| index.search(query, K, ef, &mut scratch, &mut hits)))
        };
        let fastest = std::iter::repeat_with(pass).take(PASSES).fold(f64::INFINITY, f64::min);
        let recall = found as f64 / (queries.len() * K) as f64;
        let rate = queries.len() as f64 / fastest;
        println!("ef={ef} recall@{K}={recall:.4} queries_per_second={rate:.0} distances={compared}");
    }
}

fn ids(hits: &[Hit]) -> Vec<u32> {
    hits.iter().map(|hit| hit.row.0).collect()
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn seconds(body: impl FnOnce()) -> f64 {
    let start = std::time::Instant::now();
    body();
    start.elapsed().as_secs_f64()
}

fn read(base: &str, queries: &str, neighbours: &str, dim: &str) -> Set {
    let bytes = |path: &str| std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let words = |path: &str| bytes(path).as_chunks::<4>().0.to_vec();
    let floats = |path: &str| words(path).into_iter().map(f32::from_le_bytes).collect();
    let Ok(dim) = dim.parse() else { panic!("DIM is a number, not '{dim}'") };
    let neighbours = words(neighbours).into_iter().map(u32::from_le_bytes).collect();
    Set { dim, base: floats(base), queries: floats(queries), neighbours: Some(neighbours) }
}

/// Points around random centres.
fn synthetic(rows: usize, dim: usize, queries: usize) -> Set {
    let mut rng = Rng::new(7);
    let centres: Vec<f32> = (0..100 * dim).map(|_| rng.unit_f32() - 0.5).collect();
    let mut points = |n: usize| {
        let mut out = Vec::with_capacity(n * dim);
        for _ in 0..n {
            let centre = &centres[rng.index(100) * dim..][..dim];
            out.extend(centre.iter().map(|x| x + (rng.unit_f32() - 0.5) * 0.6));
        }
        out
    };
    Set { dim, base: points(rows), queries: points(queries), neighbours: None }
}
