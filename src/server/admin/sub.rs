//! Commands whose second word says what they do. Which there are, how many words they take and what HELP says of them
//! stands in the engine's table of commands; here is only what runs them.

use super::{Answer, Ran, Request};
use crate::engine::command::{self, Subcommand};
use crate::engine::{Call, Refusal};

/// What runs the subcommands of one command, by their names.
pub(super) type Runners = [(&'static str, fn(&mut Request<'_>) -> Answer)];

/// Runs the subcommand that the second word names.
pub(super) fn run(r: &mut Request<'_>, runners: &'static Runners) -> Answer {
    let sub: &Subcommand = command::subcommand(r.args)?;
    r.connection.session.last_subcommand = sub.name;
    if sub.name == "help" {
        let mut call = Call::new(r.args, r.connection.session.protocol, r.out);
        let outcome = command::help(&mut call)?;
        return Ok(Ran { outcome, barrier: call.barrier });
    }
    match runners.iter().find(|(name, _)| *name == sub.name) {
        Some((_, run)) => run(r),
        None => Err(Refusal::err(format_args!("the server knows '{}' by name only", sub.name))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{client, config, latency, memory, slowlog};
    use super::*;

    #[test]
    fn every_subcommand_of_the_table_has_what_runs_it_and_no_other_does() {
        let families: [(&str, &Runners); 5] = [
            ("client", client::RUNNERS),
            ("config", config::RUNNERS),
            ("latency", latency::RUNNERS),
            ("memory", memory::RUNNERS),
            ("slowlog", slowlog::RUNNERS),
        ];
        for (name, runners) in families {
            let command = command::lookup(name.as_bytes()).unwrap();
            let table = command.subcommands.iter().map(|sub| sub.name).filter(|name| *name != "help");
            let mut run: Vec<_> = runners.iter().map(|(name, _)| *name).collect();
            run.sort_unstable();
            assert_eq!(table.collect::<Vec<_>>(), run, "{name}");
        }
    }
}
