//! `hunt`: how many seeds it takes to find what is wrong with the engine that was built in.
//!
//! The number is that of the smallest failing seed, whatever the threads of the host. A seed that takes the host's
//! threads with it (a hang, an endless loop) ends the program, which says so.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use engram_sim::campaign::judge;
use engram_sim::engine;
use engram_sim::plan::generate;
use engram_sim::shared::Shared;
use engram_sim::shrink::{Effort, shrink, size};

use super::flags::{Words, cores, now, number, unknown, within};

pub(super) const HELP: &str = "  engram-sim hunt --seeds N [--from SEED] [--campaigns K] [--jobs N] [--shrink RUNS [--keep FILE]]
      K campaigns (default 1) over ranges of N seeds that follow each other from SEED (default 0) on; each ends at its
      first violation: a line `campaign=K seeds=N seed=SEED: what`, or `campaign=K seeds=N: nothing`;
      exit code 1 if any found one, 3 when a seed does not end (`campaign=K seed=SEED hangs`)
      --shrink RUNS  makes the first failing plan small, in at most so many runs, and says what is left
      --keep FILE    writes that plan, with its violation as its story
";

/// Seconds of the host's time after which a seed counts as hanging. The slowest take one or two.
const PATIENCE: Duration = Duration::from_secs(60);

struct Flags {
    from: u64,
    seeds: u64,
    campaigns: u64,
    jobs: usize,
    shrink: Option<usize>,
    keep: Option<String>,
}

impl Flags {
    fn parse(words: &[&str]) -> Result<Self, String> {
        let mut flags = Self { from: 0, seeds: 0, campaigns: 1, jobs: cores(), shrink: None, keep: None };
        let mut words = Words::new(words);
        while let Some(word) = words.next() {
            match word {
                "--from" => flags.from = number(words.value(word)?)?,
                "--seeds" => flags.seeds = number(words.value(word)?)?,
                "--campaigns" => flags.campaigns = number(words.value(word)?)?,
                "--jobs" => flags.jobs = words.jobs(word)?,
                "--shrink" => flags.shrink = usize::try_from(words.number(word)?).ok(),
                "--keep" => flags.keep = Some(words.value(word)?.to_owned()),
                _ => return unknown(word),
            }
        }
        if flags.seeds == 0 {
            return Err("--seeds N is missing".to_owned());
        }
        let end = flags.campaigns.checked_mul(flags.seeds).and_then(|all| all.checked_add(flags.from));
        within(flags.from..end.unwrap_or(u64::MAX)).map(|_| flags)
    }
}

pub(super) fn hunt(words: &[&str]) -> Result<ExitCode, String> {
    let flags = Flags::parse(words)?;
    let mut found = false;
    for number in 0..flags.campaigns {
        let from = flags.from + number * flags.seeds;
        match first_failure(from..from + flags.seeds, flags.jobs, number + 1) {
            Some((seed, what)) => {
                let (seeds, line) = (seed - from + 1, what.replace('\n', " | "));
                println!("campaign={} seeds={seeds} seed={seed}: {line}", number + 1);
                if let Some(runs) = flags.shrink.filter(|_| !found) {
                    small(seed, &what, runs, flags.keep.as_deref())?;
                }
                found = true;
            }
            None => println!("campaign={} seeds={}: nothing", number + 1, flags.seeds),
        }
        drop(std::io::stdout().flush());
    }
    Ok(if found { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Shrinks the plan of `seed`, and says what is left.
fn small(seed: u64, violation: &str, runs: usize, keep: Option<&str>) -> Result<(), String> {
    let (began, rig, plan) = (now(), engine::rig(), generate(seed));
    let shrunk =
        shrink(&plan, violation, Effort { runs, ..Effort::default() }, &|plan| rig.run(plan, false).into());
    let (before, after) = (size(&plan), size(&shrunk.plan));
    println!(
        "shrunk ops={}->{} faults={}->{} switches={}->{} lives={}->{} runs={} minimal={} seconds={:.1}",
        before.ops,
        after.ops,
        before.faults,
        after.faults,
        before.switches,
        after.switches,
        before.lives,
        after.lives,
        shrunk.runs,
        shrunk.minimal,
        began.elapsed().as_secs_f64()
    );
    if let Some(file) = keep {
        let mut plan = shrunk.plan;
        plan.story = shrunk.violation.lines().map(str::to_owned).collect();
        std::fs::write(file, plan.to_string()).map_err(|error| format!("cannot write {file}: {error}"))?;
    }
    Ok(())
}

/// The smallest seed of the range with a violation: those below it have all been run.
fn first_failure(seeds: std::ops::Range<u64>, jobs: usize, campaign: u64) -> Option<(u64, String)> {
    let (next, end, busy) =
        (AtomicU64::new(seeds.start), AtomicU64::new(seeds.end), AtomicU64::new(jobs as u64));
    let found: Shared<Option<(u64, String)>> = Shared::new(None);
    let begun: Vec<Shared<Option<(u64, Instant)>>> = (0..jobs).map(|_| Shared::new(None)).collect();
    std::thread::scope(|scope| {
        for mine in &begun {
            let (next, end, busy, found) = (&next, &end, &busy, &found);
            scope.spawn(move || {
                let rig = engine::rig();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end.load(Ordering::Relaxed) {
                        break;
                    }
                    *mine.lock() = Some((seed, now()));
                    if let Some(what) = judge(&rig, &generate(seed), false).failure {
                        end.fetch_min(seed, Ordering::Relaxed);
                        let mut found = found.lock();
                        if found.as_ref().is_none_or(|(other, _)| seed < *other) {
                            *found = Some((seed, what));
                        }
                    }
                }
                *mine.lock() = None;
                busy.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while busy.load(Ordering::Relaxed) > 0 {
            rest();
            for (seed, since) in begun.iter().filter_map(|begun| *begun.lock()) {
                if since.elapsed() > PATIENCE {
                    println!("campaign={campaign} seed={seed} hangs");
                    std::process::exit(3);
                }
            }
        }
    });
    found.lock().take()
}

/// Waits a little, in the host's time.
#[expect(clippy::disallowed_methods, reason = "watches over the host's threads, no simulation waits for it")]
fn rest() {
    std::thread::sleep(Duration::from_millis(10));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn campaigns_that_count_beyond_all_seeds_are_refused() {
        assert!(Flags::parse(&["--seeds", "5", "--from", "7", "--campaigns", "3"]).is_ok());
        for wrong in [
            &["--from", "7"][..],
            &["--seeds", "5", "--from", "18446744073709551614"],
            &["--seeds", "18446744073709551615", "--campaigns", "2"],
        ] {
            assert!(Flags::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
