//! The index beside other libraries: builds and searches when it is told to, so that a driver can let them take turns.
//!
//! `cargo bench --bench contender -- BASE QUERIES NEIGHBOURS DIM [--quant FORM] [--m N] [--ef-construction N]`, as
//! `scripts/bench.sh` starts it. Reads packed `f32` rows, `f32` queries and the numbers of their nearest rows as `u32`; then lines:
//!
//! - `build THREADS` -> `built ROWS_PER_SECOND ROWS_PER_CPU_SECOND BYTES_PER_ROW`: inserts and links all rows. Bytes are
//!   what the resident memory of the process grew by over the first build.
//! - `search SECONDS THREADS EF ...` -> for each `point EF RECALL QUERIES_PER_SECOND QUERIES_PER_CPU_SECOND`, then `done`.
//! - `call` -> `call 0`: what a call costs beyond the search, which is nothing here.
//!
//! A rate for each second of processor time is that of the threads together, as if none had ever waited for a core.
//! Queries are prepared anew for every search, as a server must. Not measured here: what the wire adds.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead as _;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Instant;

use engram::index::{Config, Cosine, Index, Quant, RowId, Scratch, Writer};
use engram::kernels::Kernels;
use engram::os::memory::LargePages;

/// As the server has it.
#[global_allocator]
static ALLOCATOR: LargePages = LargePages;

const K: usize = 10;

struct Set {
    dim: usize,
    base: Vec<f32>,
    queries: Vec<f32>,
    truth: Vec<BTreeSet<u32>>,
}

fn main() {
    // `cargo bench` passes `--bench` along.
    let mut words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let m = option(&mut words, "--m").map_or(16, |word| number(&word));
    let ef_construction = option(&mut words, "--ef-construction").map_or(200, |word| number(&word));
    let quant = option(&mut words, "--quant").map_or(Quant::F32, |word| form(&word));
    let [base, queries, neighbours, dim] = words.as_slice() else {
        // So does `cargo bench` without arguments, which runs every bench.
        println!("contender: needs BASE QUERIES NEIGHBOURS DIM; scripts/bench.sh runs it");
        return;
    };
    let set = Set::read(base, queries, neighbours, number(dim));
    let kernels = Kernels::best();
    let config = Config { dim: set.dim, metric: &Cosine, m, quant, ef_construction, seed: 1, kernels };
    let (mut writer, mut bytes) = (Writer::new(config), None);
    let mut recalls = BTreeMap::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap_or_else(|error| panic!("input: {error}"));
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["build", threads] => {
                writer = Writer::new(config);
                recalls.clear();
                let before = resident();
                let (seconds, cpu_seconds) = build(&mut writer, &set, number(threads));
                let bytes = *bytes.get_or_insert_with(|| resident().saturating_sub(before)) as f64;
                let rows = (set.base.len() / set.dim) as f64;
                println!("built {:.1} {:.1} {:.1}", rows / seconds, rows / cpu_seconds, bytes / rows);
            }
            ["search", least, threads, efs @ ..] => {
                let Ok(least) = least.parse() else { panic!("'{least}' is not a number of seconds") };
                for ef in efs.iter().map(|ef| number(ef)) {
                    let recall = recalls.entry(ef).or_insert_with(|| recall(writer.index(), &set, ef));
                    let (rate, cpu_rate) = rates(writer.index(), &set, ef, least, number(threads));
                    println!("point {ef} {recall:.5} {rate:.1} {cpu_rate:.1}");
                }
                println!("done");
            }
            ["call"] => println!("call 0"),
            _ => println!("error 'build THREADS', 'search SECONDS THREADS EF ...' or 'call', not '{line}'"),
        }
    }
}

/// Seconds, and seconds of processor time for each of the threads.
fn build(writer: &mut Writer, set: &Set, threads: usize) -> (f64, f64) {
    let (begun, begun_cpu) = (now(), cpu_seconds());
    for (n, row) in set.base.chunks(set.dim).enumerate() {
        assert!(writer.insert(&(n as u32).to_le_bytes(), row).is_ok(), "room for every row");
    }
    let (index, next) = (writer.index(), AtomicU32::new(0));
    let rows = index.rows() as u32;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut scratch = Scratch::new();
                while let Some(row) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|row| *row < rows) {
                    index.link(RowId(row), &mut scratch);
                }
            });
        }
    });
    (begun.elapsed().as_secs_f64(), (cpu_seconds() - begun_cpu) / threads as f64)
}

fn recall(index: &Index, set: &Set, ef: usize) -> f64 {
    let (mut scratch, mut hits, mut found) = (Scratch::new(), Vec::new(), 0);
    for (query, truth) in set.queries.chunks(set.dim).zip(&set.truth) {
        index.search(&index.query(query), K, ef, &mut scratch, &mut hits);
        found += hits.iter().filter(|hit| truth.contains(&hit.row.0)).count();
    }
    found as f64 / (set.truth.len() * K) as f64
}

/// Queries a second, and queries a second of processor time, of all threads together: whole passes over the queries,
/// each thread for so much processor time.
fn rates(index: &Index, set: &Set, ef: usize, least: f64, threads: usize) -> (f64, f64) {
    let total = AtomicUsize::new(0);
    let (begun, begun_cpu) = (now(), cpu_seconds());
    let run = || {
        let (mut scratch, mut hits, mut done) = (Scratch::new(), Vec::new(), 0);
        while (cpu_seconds() - begun_cpu) / (threads as f64) < least {
            for query in set.queries.chunks(set.dim) {
                index.search(&index.query(query), K, ef, &mut scratch, &mut hits);
            }
            done += set.truth.len();
        }
        total.fetch_add(done, Ordering::Relaxed);
    };
    std::thread::scope(|scope| {
        (1..threads).for_each(|_| {
            scope.spawn(run);
        });
        run();
    });
    let done = total.into_inner() as f64;
    (done / begun.elapsed().as_secs_f64(), done * threads as f64 / (cpu_seconds() - begun_cpu))
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn now() -> Instant {
    Instant::now()
}

/// Processor time that this process has used.
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one timespec, which lives on this stack.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert!(answer == 0, "the process has a clock");
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Bytes of this process in memory, as Linux tells them; 0 elsewhere.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.map_or(0, |kib| number(kib) * 1024)
}

fn option(words: &mut Vec<String>, name: &str) -> Option<String> {
    let at = words.iter().position(|word| word == name)?;
    words.remove(at);
    assert!(at < words.len(), "{name} needs a word behind it");
    Some(words.remove(at))
}

fn form(word: &str) -> Quant {
    Quant::named(word.as_bytes()).unwrap_or_else(|| panic!("no form '{word}'"))
}

fn number(word: &str) -> usize {
    word.parse().unwrap_or_else(|_| panic!("'{word}' is not a number"))
}

impl Set {
    fn read(base: &str, queries: &str, neighbours: &str, dim: usize) -> Self {
        let bytes = |path: &str| std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let words = |path: &str| bytes(path).as_chunks::<4>().0.to_vec();
        let floats = |path: &str| words(path).into_iter().map(f32::from_le_bytes).collect();
        let (base, queries): (Vec<f32>, Vec<f32>) = (floats(base), floats(queries));
        let near: Vec<u32> = words(neighbours).into_iter().map(u32::from_le_bytes).collect();
        let per_query = near.len() / (queries.len() / dim);
        assert!(per_query >= K, "the file of neighbours has {K} for each query");
        let truth = near.chunks(per_query).map(|near| near[..K].iter().copied().collect()).collect();
        Self { dim, base, queries, truth }
    }
}
