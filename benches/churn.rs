//! Recall and memory under churn: every vector is replaced three times, at random, while others search.
//!
//! `cargo bench --bench churn -- BASE QUERIES DIM [f32|int8|int4|bin]` reads packed little-endian `f32` rows and queries;
//! without files it makes clustered vectors of its own. Nine rows in ten are held: each round goes over the keys in an order
//! of its own and gives each one of the rows that nobody holds, so that no vector is there twice. One thread inserts, one
//! links, one searches and sweeps in between. Prints recall@10 and bytes of the index before, afterwards, and of
//! fresh indexes of what the churned one holds in the end: several, since what a build reaches depends on the order of its rows
//! (on 27,000 x 384 and 500 queries by 0.003 either way). The last line compares with their mean.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use engram::base::limits::{SWEEP_FROM, SWEEP_SLICE};
use engram::base::rng::Rng;
use engram::index::{Config, Cosine, Index, Quant, RowId, Scratch, Writer};
use engram::kernels::Kernels;

const K: usize = 10;
const ROUNDS: usize = 3;
/// Fresh indexes, each of an order and a seed of its own.
const FRESH: u64 = 4;
const WIDTHS: [usize; 3] = [20, 50, 100];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let quant = words.iter().find_map(|word| Quant::named(word.as_bytes())).unwrap_or(Quant::F32);
    let files: Vec<&String> = words.iter().filter(|word| Quant::named(word.as_bytes()).is_none()).collect();
    let (base, queries, dim) = match files.as_slice() {
        [base, queries, dim] => (floats(base), floats(queries), dim.parse().unwrap_or(0)),
        _ => synthetic(64),
    };
    let base: Vec<&[f32]> = base.chunks_exact(dim).collect();
    let queries: Vec<&[f32]> = queries.chunks_exact(dim).take(500).collect();
    let rows = base.len() * 9 / 10;
    println!("{rows} rows x {dim}, {}, kernel {}", quant.name(), Kernels::best().name());
    let config = Config {
        dim,
        metric: &Cosine,
        quant,
        m: 16,
        ef_construction: 200,
        seed: 1,
        kernels: Kernels::best(),
    };
    let mut held: Vec<usize> = (0..rows).collect();
    let (mut writer, start) = (Writer::new(config), now());
    fill(&mut writer, &base, &held);
    println!("built in {:.1} s", start.elapsed().as_secs_f64());
    report("before", &writer, &queries);
    churn(&mut writer, &base, &queries, &mut held);
    let after = report("after", &writer, &queries);
    let mut means = [0.0; WIDTHS.len()];
    for seed in 1..=FRESH {
        let mut fresh = Writer::new(Config { seed, ..config });
        shuffle(&mut held, &mut Rng::new(seed + 100));
        fill(&mut fresh, &base, &held);
        let recalls = report("fresh", &fresh, &queries);
        means.iter_mut().zip(recalls).for_each(|(mean, recall)| *mean += recall / FRESH as f64);
    }
    let gaps = WIDTHS.iter().zip(after.iter().zip(means));
    let gaps: Vec<String> =
        gaps.map(|(ef, (after, mean))| format!("ef {ef}: {:+.4}", after - mean)).collect();
    println!("after the churn against the mean of the fresh ones: {}", gaps.join(", "));
    if let Err(why) = writer.validate() {
        panic!("the churned index does not hold: {why}");
    }
}

fn fill(writer: &mut Writer, base: &[&[f32]], held: &[usize]) {
    let mut scratch = Scratch::new();
    for (key, vector) in held.iter().enumerate() {
        let row = insert(writer, key, base[*vector]);
        writer.index().link(row, &mut scratch);
    }
}

fn insert(writer: &mut Writer, key: usize, vector: &[f32]) -> RowId {
    match writer.insert(&(key as u32).to_le_bytes(), vector) {
        Ok(inserted) => inserted.row,
        Err(why) => panic!("{why}"),
    }
}

/// Replaces every vector [`ROUNDS`] times.
fn churn(writer: &mut Writer, base: &[&[f32]], queries: &[&[f32]], held: &mut [usize]) {
    let (done, searches, slices) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let index = Arc::clone(writer.index());
    let (send, receive) = mpsc::sync_channel::<RowId>(64);
    let (start, mut most) = (now(), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut scratch = Scratch::new();
            receive.into_iter().for_each(|row| index.link(row, &mut scratch));
            done.store(true, Ordering::Release);
        });
        scope.spawn(|| {
            let (mut scratch, mut hits) = (Scratch::new(), Vec::new());
            while !done.load(Ordering::Acquire) {
                let number = searches.fetch_add(1, Ordering::Relaxed) as usize;
                index.search(&index.query(queries[number % queries.len()]), K, 100, &mut scratch, &mut hits);
                if index.sweep_is_ready(SWEEP_FROM) {
                    index.sweep_some(SWEEP_SLICE, &mut scratch);
                    slices.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let mut rng = Rng::new(2);
        let mut spare: Vec<usize> = (held.len()..base.len()).collect();
        let mut order: Vec<usize> = (0..held.len()).collect();
        for _ in 0..ROUNDS {
            shuffle(&mut order, &mut rng);
            for key in &order {
                let other = rng.index(spare.len());
                std::mem::swap(&mut held[*key], &mut spare[other]);
                if send.send(insert(writer, *key, base[held[*key]])).is_err() {
                    panic!("the linking thread is gone");
                }
                most = most.max(writer.index().rows());
            }
        }
        drop(send);
    });
    let (took, searches) = (start.elapsed().as_secs_f64(), searches.load(Ordering::Relaxed));
    let replaced = ROUNDS * held.len();
    println!(
        "{replaced} replaced in {took:.1} s beside {searches} searches and {} slices of sweeps, {most} rows at most",
        slices.load(Ordering::Relaxed)
    );
    let mut scratch = Scratch::new();
    while index.sweep_is_ready(SWEEP_FROM) {
        index.sweep_some(SWEEP_SLICE, &mut scratch);
    }
}

fn shuffle(items: &mut [usize], rng: &mut Rng) {
    (1..items.len()).for_each(|at| items.swap(at, rng.index(at + 1)));
}

/// Prints what there is to say of an index; its recall at each of the widths.
fn report(when: &str, writer: &Writer, queries: &[&[f32]]) -> [f64; WIDTHS.len()] {
    let stats = writer.index().stats();
    let measured = WIDTHS.map(|ef| measured(writer.index(), queries, ef));
    let shown =
        |(ef, (recall, micros)): (usize, (f64, f64))| format!("ef {ef}: {recall:.4} in {micros:.0} us");
    let shares: Vec<String> = WIDTHS.into_iter().zip(measured).map(shown).collect();
    println!(
        "{when:>6}: {} bytes, {} rows, {} dead, {} free; {}",
        writer.bytes(),
        stats.rows,
        stats.tombstones,
        stats.free,
        shares.join(", ")
    );
    measured.map(|(recall, _)| recall)
}

/// Recall at `ef`, and the microseconds that a search takes.
fn measured(index: &Index, queries: &[&[f32]], ef: usize) -> (f64, f64) {
    let (mut found, mut took) = (0, 0.0);
    let (mut scratch, mut hits, mut truth) = (Scratch::new(), Vec::new(), Vec::new());
    for query in queries {
        let query = index.query(query);
        index.exact(&query, K, &mut scratch, &mut truth);
        let start = now();
        index.search(&query, K, ef, &mut scratch, &mut hits);
        took += start.elapsed().as_secs_f64();
        found += hits.iter().filter(|hit| hit.distance <= truth[truth.len() - 1].distance).count();
    }
    let asked = (queries.len() * K) as f64;
    (found as f64 / asked, took * 1e6 / queries.len() as f64)
}

fn floats(path: &str) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap_or_else(|why| panic!("{path}: {why}"));
    bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect()
}

/// Clustered rows and queries of `dim` dimensions.
fn synthetic(dim: usize) -> (Vec<f32>, Vec<f32>, usize) {
    let mut rng = Rng::new(1);
    let centres: Vec<f32> = (0..200 * dim).map(|_| rng.unit_f32() - 0.5).collect();
    let mut rows = |n: usize| {
        let mut out = Vec::with_capacity(n * dim);
        for _ in 0..n {
            let centre = rng.index(200) * dim;
            out.extend(centres[centre..centre + dim].iter().map(|x| x + (rng.unit_f32() - 0.5) * 0.8));
        }
        out
    };
    let base = rows(60_000);
    (base, rows(500), dim)
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn now() -> Instant {
    Instant::now()
}
