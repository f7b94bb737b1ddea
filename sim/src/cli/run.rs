//! `run` and `hash`: many seeds.

use std::io::{IsTerminal as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use engram::kernels;
use engram_sim::campaign::{Manner, Totals, campaign};
use engram_sim::disk::Sabotage;
use engram_sim::engine;
use engram_sim::plan::generate;

use super::flags::{Words, cores, now, range, unknown};

pub(super) const RUN_HELP: &str = "  engram-sim run --seeds A..B [--jobs N] [--twice] [--kernels NAME] [--coverage FILE] [--covered] [--rates FILE]
                 [--keep DIR] [--sabotage LIE]
      runs seeds A to B-1; a line `FAIL seed=N: what` for each violation, exit code 1 if there was one;
      a summary of what was covered, and a closing line `seeds=N failures=N seconds=S`; exit code 1, too, where of 1000 seeds or
      more too large a share of the questions for an order of what clients did together took too long
      --jobs N         threads of the host (default: one for each core)
      --twice          run every seed twice; two traces that differ are a violation
      --kernels NAME   force the distance kernels: scalar, avx2, avx512, neon (default: auto)
      --coverage FILE  write the matrix of faults and the ledger of rare events, with counts
      --covered        exit code 1, too, when something was not reached that so many seeds must reach, and name it
      --rates FILE     write how often cells and marks were reached: sim/src/coverage/rates.txt, from a large campaign
      --keep DIR       write the plan of each failing seed to DIR/SEED.plan
      --sabotage LIE   let the disk lie, to see the rig notice: skip-sync, skip-sync-dir, late-sync (several with commas)
";

pub(super) const HASH_HELP: &str = "  engram-sim hash --seeds A..B [--jobs N] [--kernels NAME]
      one hash over the traces of all seeds, to compare builds and machines
";

/// Seeds from which on a campaign says something about the share of questions that are given up.
const MANY: u64 = 1_000;

struct Flags {
    seeds: Range<u64>,
    jobs: usize,
    twice: bool,
    kernels: &'static str,
    sabotage: Sabotage,
    coverage: Option<PathBuf>,
    rates: Option<PathBuf>,
    covered: bool,
    keep: Option<PathBuf>,
}

impl Flags {
    fn parse(words: &[&str]) -> Result<Self, String> {
        let mut seeds = None;
        let mut flags = Self {
            seeds: 0..0,
            jobs: cores(),
            twice: false,
            kernels: "auto",
            sabotage: Sabotage::default(),
            coverage: None,
            rates: None,
            covered: false,
            keep: None,
        };
        let mut words = Words::new(words);
        while let Some(word) = words.next() {
            match word {
                "--seeds" => seeds = Some(range(words.value(word)?)?),
                "--jobs" => flags.jobs = words.jobs(word)?,
                "--twice" => flags.twice = true,
                "--kernels" => flags.kernels = kernels_called(words.value(word)?)?,
                "--sabotage" => flags.sabotage = words.value(word)?.parse()?,
                "--coverage" => flags.coverage = Some(words.value(word)?.into()),
                "--rates" => flags.rates = Some(words.value(word)?.into()),
                "--covered" => flags.covered = true,
                "--keep" => flags.keep = Some(words.value(word)?.into()),
                _ => return unknown(word),
            }
        }
        flags.seeds = seeds.ok_or("--seeds A..B is missing")?;
        Ok(flags)
    }
}

fn kernels_called(name: &str) -> Result<&'static str, String> {
    let known = kernels::NAMES.into_iter().chain(["auto"]).find(|known| *known == name);
    let known = known.ok_or_else(|| format!("there are no kernels `{name}`"))?;
    if known != "auto" {
        kernels::Kernels::named(known)?;
    }
    Ok(known)
}

fn all(flags: &Flags) -> (Totals, f64) {
    let began = now();
    let total = flags.seeds.end - flags.seeds.start;
    let step = (total / 200).clamp(1, 1_000);
    let tell = |done: u64, seed: u64, failure: Option<&str>| {
        if let Some(what) = failure {
            let line = what.replace('\n', " | ");
            println!("FAIL seed={seed}: {line} (replay: cargo run --release -p engram-sim -- replay {seed})");
            if let Some(dir) = &flags.keep {
                keep(dir, seed, &line);
            }
        }
        if std::io::stderr().is_terminal() && (done.is_multiple_of(step) || done == total) {
            let seconds = began.elapsed().as_secs_f64();
            let rate = done as f64 / seconds.max(1e-9);
            eprint!("\r{done}/{total} seeds, {seconds:.1} s, {rate:.0} seeds/s ");
            drop(std::io::stderr().flush());
        }
    };
    let manner = Manner { jobs: flags.jobs, twice: flags.twice, stop: false };
    let make = || engine::rig_with(flags.kernels).sabotaged(flags.sabotage);
    let totals = campaign(flags.seeds.clone(), manner, &make, &tell);
    if std::io::stderr().is_terminal() {
        eprintln!();
    }
    (totals, began.elapsed().as_secs_f64())
}

/// Writes down the plan that failed. That it cannot be written is told, and stops nothing: the seed has been printed.
fn keep(dir: &Path, seed: u64, what: &str) {
    let mut plan = generate(seed);
    plan.story.push(format!("violation: {what}"));
    let path = dir.join(format!("{seed}.plan"));
    if let Err(e) = std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&path, plan.to_string())) {
        eprintln!("cannot keep {}: {e}", path.display());
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

fn verdict(totals: &Totals) -> ExitCode {
    if totals.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

pub(super) fn run(words: &[&str]) -> Result<ExitCode, String> {
    let flags = Flags::parse(words)?;
    let (totals, seconds) = all(&flags);
    let per = |n: u64| n as f64 / totals.seeds.max(1) as f64;
    println!(
        "a seed on average: {:.1} lives, {:.1} answers judged, {:.0} scheduling points, {:.0} calls, {:.2} virtual s; \
         {:.1} steps to find orders, {} of {} questions given up",
        per(totals.lives),
        per(totals.judged),
        per(totals.steps),
        per(totals.calls),
        per(totals.nanos) / 1e9,
        per(totals.orders.steps),
        totals.orders.given_up,
        totals.orders.asked
    );
    let summary = totals.coverage.summary(totals.seeds);
    println!("{summary}");
    if let Some(path) = &flags.coverage {
        let text = totals.coverage.text(totals.seeds);
        write(path, &text)?;
    }
    if let Some(path) = &flags.rates {
        write(path, &totals.coverage.rates(totals.seeds))?;
    }
    println!("seeds={} failures={} seconds={seconds:.1}", totals.seeds, totals.failures.len());
    let covered = !flags.covered || summary.is_complete();
    let judged = totals.seeds < MANY || !totals.orders.gives_up_too_much();
    if !judged {
        println!("too many questions were given up: what they ask was not judged");
    }
    Ok(if covered && judged { verdict(&totals) } else { ExitCode::FAILURE })
}

pub(super) fn hash(words: &[&str]) -> Result<ExitCode, String> {
    let (totals, _) = all(&Flags::parse(words)?);
    println!("seeds={} hash={:016x}", totals.seeds, totals.hash);
    Ok(verdict(&totals))
}
