//! `interleave`: every schedule of tiny plans that differs in one choice, or two, from what happens by itself.

use std::process::ExitCode;

use engram_sim::engine;
use engram_sim::interleave::{Scope, Workload, interleave as search, workloads};
use engram_sim::plan::Plan;
use engram_sim::scheduler::Strategy;

use super::flags::{Words, cores, now, unknown};

pub(super) const HELP: &str = "  \
  engram-sim interleave [--workload NAME] [--pairs N] [--jobs N]
      tiny plans: all schedules with one preemption (or other choice of the scheduler), and with two up to a budget,
      evenly spread; a line for each plan; exit code 1 if something was violated, with the plan that does it again
      --workload NAME  only this one
      --pairs N        most schedules with two choices, for each plan (default: 20000)
      --jobs N         threads of the host (default: one for each core)
";

/// Searches, and prints a row for each workload.
pub(super) fn interleave(words: &[&str]) -> Result<ExitCode, String> {
    let (mut wanted, mut scope) = (None, Scope { pairs: 20_000, jobs: cores() });
    let mut words = Words::new(words);
    while let Some(word) = words.next() {
        match word {
            "--workload" => wanted = Some(words.value(word)?),
            "--pairs" => scope.pairs = words.number(word)?,
            "--jobs" => scope.jobs = words.jobs(word)?,
            _ => return unknown(word),
        }
    }
    let all = workloads();
    let chosen: Vec<&Workload> = all.iter().filter(|w| wanted.is_none_or(|name| name == w.name)).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = all.iter().map(|workload| workload.name).collect();
        return Err(format!("--workload must be one of {}", names.join(", ")));
    }
    println!(
        "{:<10} {:>7} {:>8} {:>12} {:>8} {:>10} {:>8}",
        "workload", "steps", "singles", "pairs", "tried", "violations", "seconds"
    );
    let mut code = ExitCode::SUCCESS;
    for Workload { name, plan } in chosen {
        let began = now();
        let row = search(plan, scope, &engine::rig);
        let seconds = began.elapsed().as_secs_f64();
        println!(
            "{name:<10} {:>7} {:>8} {:>12} {:>8} {:>10} {seconds:>8.1}",
            row.steps,
            row.singles,
            row.pairs,
            row.tried,
            row.violations.len()
        );
        for (choices, what) in row.violations.iter().take(10) {
            code = ExitCode::FAILURE;
            println!("FAIL workload={name}: {}", what.replace('\n', " | "));
            let mut plan: Plan = plan.clone();
            plan.lives.iter_mut().take(1).for_each(|life| {
                life.threads.strategy = Strategy::Listed(choices.as_slice().into());
            });
            println!("{plan}");
        }
    }
    Ok(code)
}
