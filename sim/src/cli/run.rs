//! `run` and `hash`: many seeds.

use std::io::{IsTerminal as _, Write as _};
use std::ops::Range;
use std::process::ExitCode;

use engram_sim::campaign::{Manner, Totals, campaign};
use engram_sim::engine;

use super::flags::{Words, cores, now, range, unknown};

pub(super) const RUN_HELP: &str = "  engram-sim run --seeds A..B [--jobs N] [--twice]
      runs seeds A to B-1; a line `FAIL seed=N: what` for each violation, exit code 1 if there was one;
      a closing line `seeds=N failures=N seconds=S`
      --jobs N   threads of the host (default: one for each core)
      --twice    run every seed twice; two traces that differ are a violation
";

pub(super) const HASH_HELP: &str = "  engram-sim hash --seeds A..B [--jobs N]
      one hash over the traces of all seeds, to compare builds and machines
";

struct Flags {
    seeds: Range<u64>,
    jobs: usize,
    twice: bool,
}

impl Flags {
    fn parse(words: &[&str]) -> Result<Self, String> {
        let (mut seeds, mut jobs, mut twice) = (None, cores(), false);
        let mut words = Words::new(words);
        while let Some(word) = words.next() {
            match word {
                "--seeds" => seeds = Some(range(words.value(word)?)?),
                "--jobs" => jobs = words.jobs(word)?,
                "--twice" => twice = true,
                _ => return unknown(word),
            }
        }
        let seeds = seeds.ok_or("--seeds A..B is missing")?;
        Ok(Self { seeds, jobs, twice })
    }
}

fn all(flags: &Flags) -> (Totals, f64) {
    let began = now();
    let total = flags.seeds.end - flags.seeds.start;
    let step = (total / 200).clamp(1, 1_000);
    let tell = |done: u64, seed: u64, failure: Option<&str>| {
        if let Some(what) = failure {
            let line = what.replace('\n', " | ");
            println!("FAIL seed={seed}: {line} (replay: cargo run --release -p engram-sim -- replay {seed})");
        }
        if std::io::stderr().is_terminal() && (done.is_multiple_of(step) || done == total) {
            let seconds = began.elapsed().as_secs_f64();
            let rate = done as f64 / seconds.max(1e-9);
            eprint!("\r{done}/{total} seeds, {seconds:.1} s, {rate:.0} seeds/s ");
            drop(std::io::stderr().flush());
        }
    };
    let manner = Manner { jobs: flags.jobs, twice: flags.twice, stop: false };
    let totals = campaign(flags.seeds.clone(), manner, &engine::rig, &tell);
    if std::io::stderr().is_terminal() {
        eprintln!();
    }
    (totals, began.elapsed().as_secs_f64())
}

fn verdict(totals: &Totals) -> ExitCode {
    if totals.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

pub(super) fn run(words: &[&str]) -> Result<ExitCode, String> {
    let (totals, seconds) = all(&Flags::parse(words)?);
    let per = |n: u64| n as f64 / totals.seeds.max(1) as f64;
    println!(
        "a seed on average: {:.1} lives, {:.1} answers judged, {:.0} scheduling points, {:.0} calls, {:.2} virtual s",
        per(totals.lives),
        per(totals.judged),
        per(totals.steps),
        per(totals.calls),
        per(totals.nanos) / 1e9
    );
    println!("seeds={} failures={} seconds={seconds:.1}", totals.seeds, totals.failures.len());
    Ok(verdict(&totals))
}

pub(super) fn hash(words: &[&str]) -> Result<ExitCode, String> {
    let (totals, _) = all(&Flags::parse(words)?);
    println!("seeds={} hash={:016x}", totals.seeds, totals.hash);
    Ok(verdict(&totals))
}
