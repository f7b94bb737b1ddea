//! `shrink`: a failing plan made small, and told in words.

use std::process::ExitCode;

use engram_sim::engine;
use engram_sim::shrink::{Effort, Size, shrink, size};
use engram_sim::story::story;

use super::flags::{Source, Words, now, tell, unknown};

pub(super) const HELP: &str = "  engram-sim shrink SEED|FILE [--to FILE] [--runs N] [--sabotage LIE]
      takes away from a failing plan whatever its violation does not need, prints what is left as a story, and writes
      the small plan to FILE (default: shrunk-SEED.plan); exit code 1 when there is no violation to begin with
      --runs N        most runs of plans (default 20000)
      --sabotage LIE  on a disk that lies: see `run`
";

pub(super) fn command(words: &[&str]) -> Result<ExitCode, String> {
    let (mut source, mut to, mut effort) = (Source::default(), None, Effort::default());
    let mut lie = None;
    let mut words = Words::new(words);
    while let Some(word) = words.next() {
        match word {
            "--to" => to = Some(words.value(word)?.to_owned()),
            "--runs" => effort.runs = usize::try_from(words.number(word)?).unwrap_or(usize::MAX),
            "--sabotage" => {
                let name = words.value(word)?;
                source.sabotage = name.parse()?;
                lie = Some(name.to_owned());
            }
            _ if word.starts_with("--") => return unknown(word),
            _ => source.name = Some(word),
        }
    }
    let plan = source.plan()?;
    let began = now();
    let rig = engine::rig().sabotaged(source.sabotage);
    let Some(violation) = rig.run(&plan, false).failure else {
        println!("this plan violates nothing");
        return Ok(ExitCode::FAILURE);
    };
    println!("before: {}\n  {violation}", shown(size(&plan)));
    let shrunk = shrink(&plan, &violation, effort, &|plan| rig.run(plan, false).into());
    let seconds = began.elapsed().as_secs_f64();
    let rest = if shrunk.minimal { "no element can go" } else { "the runs were used up" };
    println!("after:  {}; {rest}; {} runs, {seconds:.1} s", shown(size(&shrunk.plan)), shrunk.runs);
    let report = rig.run(&shrunk.plan, true);
    let told = story(report.trace.events(), report.failure.as_deref());
    let file = to.unwrap_or_else(|| format!("shrunk-{}.plan", plan.seed));
    let mut plan = shrunk.plan;
    plan.story = report.failure.iter().flat_map(|what| what.lines()).map(str::to_owned).collect();
    std::fs::write(&file, plan.to_string()).map_err(|error| format!("cannot write {file}: {error}"))?;
    tell(told);
    let lie = lie.map(|lie| format!(" --sabotage {lie}")).unwrap_or_default();
    tell([format!("replay: cargo run --release -p engram-sim -- replay {file}{lie}")]);
    Ok(ExitCode::SUCCESS)
}

fn shown(size: Size) -> String {
    let Size { lives, ops, faults, switches } = size;
    format!("{ops} operations, {faults} faults, {switches} switches, {lives} lives")
}
