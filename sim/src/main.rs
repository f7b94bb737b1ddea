//! The command line of the simulator.

use std::io::{IsTerminal as _, Write as _};
use std::ops::Range;
use std::process::ExitCode;
use std::time::Instant;

use engram_sim::campaign::{Manner, Totals, campaign};
use engram_sim::engine;
use engram_sim::plan::generate;

const HELP: &str = "\
engram-sim: the engine on a simulated machine, where a seed decides everything

  engram-sim run --seeds A..B [--jobs N] [--twice]
      runs seeds A to B-1; a line `FAIL seed=N: what` for each violation, exit code 1 if there was one;
      a closing line `seeds=N failures=N seconds=S`
      --jobs N   threads of the host (default: one for each core)
      --twice    run every seed twice; two traces that differ are a violation
  engram-sim replay SEED
      prints the seed's plan, its trace, what was violated, and the trace's hash; exit code 1 on a violation
  engram-sim hash --seeds A..B [--jobs N]
      one hash over the traces of all seeds, to compare builds and machines
  engram-sim --help | --version
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["--help" | "-h"] => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        ["--version" | "-V"] => {
            println!("engram-sim {}", env!("CARGO_PKG_VERSION"));
            Ok(ExitCode::SUCCESS)
        }
        ["run", rest @ ..] => Flags::parse(rest).map(|flags| run(&flags)),
        ["hash", rest @ ..] => Flags::parse(rest).map(|flags| hash(&flags)),
        ["replay", seed] => number(seed).map(replay),
        [] => Err("say what to do".to_owned()),
        [other, ..] => Err(format!("cannot do `{other}` with these arguments")),
    };
    result.unwrap_or_else(|what| {
        eprintln!("engram-sim: {what}; try --help");
        ExitCode::from(2)
    })
}

struct Flags {
    seeds: Range<u64>,
    jobs: usize,
    twice: bool,
}

impl Flags {
    fn parse(words: &[&str]) -> Result<Self, String> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (mut seeds, mut jobs, mut twice) = (None, cores, false);
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            let mut value = || words.next().copied().ok_or_else(|| format!("{word} needs a value"));
            match word {
                "--seeds" => seeds = Some(range(value()?)?),
                "--jobs" => jobs = usize::try_from(number(value()?)?).map_or(1, |n| n.clamp(1, 1_024)),
                "--twice" => twice = true,
                _ => return Err(format!("unknown flag `{word}`")),
            }
        }
        let seeds = seeds.ok_or("--seeds A..B is missing")?;
        Ok(Self { seeds, jobs, twice })
    }
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("`{word}` is no number"))
}

fn range(word: &str) -> Result<Range<u64>, String> {
    let (from, to) = word.split_once("..").ok_or_else(|| format!("`{word}` is no range A..B"))?;
    let range = number(from)?..number(to)?;
    if range.is_empty() { Err(format!("the range {word} is empty")) } else { Ok(range) }
}

/// The host's time: for progress and totals only, no simulation sees it.
#[expect(clippy::disallowed_methods, reason = "reports to a person, never to a simulation")]
fn now() -> Instant {
    Instant::now()
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

fn run(flags: &Flags) -> ExitCode {
    let (totals, seconds) = all(flags);
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
    if totals.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn hash(flags: &Flags) -> ExitCode {
    let (totals, _) = all(flags);
    println!("seeds={} hash={:016x}", totals.seeds, totals.hash);
    if totals.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn replay(seed: u64) -> ExitCode {
    let plan = generate(seed);
    println!("{plan}");
    let report = engine::rig().run(&plan, true);
    report.trace.events().iter().for_each(|event| println!("{event}"));
    println!("hash={:016x}", report.trace.hash());
    match report.failure {
        None => ExitCode::SUCCESS,
        Some(what) => {
            println!("FAIL seed={seed}: {what}");
            ExitCode::FAILURE
        }
    }
}
