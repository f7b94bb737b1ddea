//! `replay`: one seed, with all that happens.

use std::process::ExitCode;

use engram_sim::engine;
use engram_sim::plan::generate;

use super::flags::number;

pub(super) const HELP: &str = "\
  engram-sim replay SEED
      prints the seed's plan, its trace, what was violated, and the trace's hash; exit code 1 on a violation
";

pub(super) fn replay(words: &[&str]) -> Result<ExitCode, String> {
    let [seed] = words else { return Err("replay needs a seed".to_owned()) };
    let seed = number(seed)?;
    let plan = generate(seed);
    println!("{plan}");
    let report = engine::rig().run(&plan, true);
    report.trace.events().iter().for_each(|event| println!("{event}"));
    println!("hash={:016x}", report.trace.hash());
    match report.failure {
        None => Ok(ExitCode::SUCCESS),
        Some(what) => {
            println!("FAIL seed={seed}: {what}");
            Ok(ExitCode::FAILURE)
        }
    }
}
