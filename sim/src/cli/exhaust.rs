//! `exhaust`: every crash of small workloads, and every image that it can leave.

use std::process::ExitCode;

use engram_sim::engine;
use engram_sim::exhaust::{Row, Scope, Workload, exhaust as search, workloads};

use super::flags::{Words, cores, now, unknown};

pub(super) const HELP: &str = "  \
  engram-sim exhaust [--workload NAME] [--jobs N] [--bound N] [--depth N] [--case CASE]
      small workloads: a crash at every input and output call, every image that it can leave, recovered and judged,
      recovered twice, and crashed again inside recovery; exit code 1 if something was violated
      --workload NAME  only this one
      --jobs N         threads of the host (default: one for each core)
      --bound N        so many pending changes are taken in every subset (default: 10)
      --depth N        crashes one behind the other (default: 2)
      --case CASE      only this one, with its trace; needs --workload
";

/// Searches, prints a row for each workload, and the sum.
pub(super) fn exhaust(words: &[&str]) -> Result<ExitCode, String> {
    let (mut wanted, mut scope) = (None, Scope { jobs: cores(), ..Scope::default() });
    let mut words = Words::new(words);
    let most = |n: u64| u32::try_from(n).map_or(20, |n| n.min(20));
    while let Some(word) = words.next() {
        match word {
            "--workload" => wanted = Some(words.value(word)?),
            "--jobs" => scope.jobs = words.jobs(word)?,
            "--bound" => scope.bound = most(words.number(word)?),
            "--depth" => scope.depth = most(words.number(word)?).max(1),
            "--case" => scope.only = Some(words.value(word)?.parse()?),
            _ => return unknown(word),
        }
    }
    let all = workloads();
    let chosen: Vec<&Workload> = all.iter().filter(|w| wanted.is_none_or(|name| name == w.name)).collect();
    if chosen.is_empty() || (scope.only.is_some() && wanted.is_none()) {
        let names: Vec<&str> = all.iter().map(|workload| workload.name).collect();
        return Err(format!("--workload must be one of {}", names.join(", ")));
    }
    println!(
        "{:<12} {:>6} {:>8} {:>8} {:>9} {:>9} {:>11} {:>10} {:>8}",
        "workload", "calls", "crashes", "bounded", "tried", "images", "recoveries", "violations", "seconds"
    );
    let began = now();
    let mut total = Row { name: "all", ..Row::default() };
    for workload in chosen {
        let began = now();
        let row = search(workload, &scope, &engine::rig);
        row.trace.iter().for_each(|line| println!("{line}"));
        print_row(&row, began.elapsed().as_secs_f64());
        for violation in &row.violations {
            let (name, case) = (row.name, &violation.case);
            println!(
                "FAIL workload={name} {violation} (replay: engram-sim exhaust --workload {name} --case {case})"
            );
        }
        total.add(row);
    }
    print_row(&total, began.elapsed().as_secs_f64());
    Ok(if total.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_row(row: &Row, seconds: f64) {
    println!(
        "{:<12} {:>6} {:>8} {:>8} {:>9} {:>9} {:>11} {:>10} {seconds:>8.1}",
        row.name,
        row.calls,
        row.points,
        row.bounded,
        row.tried,
        row.images.len(),
        row.recoveries,
        row.violations.len(),
    );
}
