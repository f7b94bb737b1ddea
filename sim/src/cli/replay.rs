//! `replay`: one plan, with all that happens.

use std::process::ExitCode;

use engram_sim::engine;
use engram_sim::page::page;
use engram_sim::story::story;

use super::flags::{Source, Words, tell, unknown};

pub(super) const HELP: &str = "  engram-sim replay SEED|FILE [--story] [--html FILE] [--sabotage LIE]
      prints the plan, its trace, what of the plan never came, what was violated, and the trace's hash; exit code 1 on a
      violation
      --story      what happened in words, instead of the trace
      --html FILE  writes a page with a lane for each client, thread and the disk, instead of the trace
";

pub(super) fn command(words: &[&str]) -> Result<ExitCode, String> {
    let (mut source, mut words_only, mut html) = (Source::default(), false, None);
    let mut words = Words::new(words);
    while let Some(word) = words.next() {
        match word {
            "--story" => words_only = true,
            "--html" => html = Some(words.value(word)?),
            "--sabotage" => source.sabotage = words.value(word)?.parse()?,
            _ if word.starts_with("--") => return unknown(word),
            _ => source.name = Some(word),
        }
    }
    let plan = source.plan()?;
    tell([&plan]);
    let report = engine::rig().sabotaged(source.sabotage).run(&plan, true);
    if let Some(file) = html {
        let page = page(&plan, &report);
        std::fs::write(file, page).map_err(|error| format!("cannot write {file}: {error}"))?;
    } else if words_only {
        tell(story(report.trace.events(), None));
    } else {
        tell(report.trace.events());
    }
    for schedule in &report.schedules {
        tell(schedule.unmet.iter().map(|line| format!("unmatched in life {}: {line}", schedule.life)));
    }
    tell([format!("hash={:016x}", report.trace.hash())]);
    tell(report.failure.iter().map(|what| format!("VIOLATION: {what}")));
    Ok(if report.failure.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
