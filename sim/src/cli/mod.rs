//! The subcommands: a file for each, and the table of them here.

mod exhaust;
mod flags;
mod hunt;
mod interleave;
mod replay;
mod run;
mod shrink;

use std::process::ExitCode;

/// What a subcommand does with its words; an error is one of usage.
type Command = fn(&[&str]) -> Result<ExitCode, String>;

/// Every subcommand, with its help.
const COMMANDS: &[(&str, Command, &str)] = &[
    ("run", run::run, run::RUN_HELP),
    ("interleave", interleave::interleave, interleave::HELP),
    ("replay", replay::command, replay::HELP),
    ("shrink", shrink::command, shrink::HELP),
    ("hash", run::hash, run::HASH_HELP),
    ("exhaust", exhaust::exhaust, exhaust::HELP),
    ("hunt", hunt::hunt, hunt::HELP),
];

/// Does what the words after the program's name say.
pub(crate) fn main(words: &[&str]) -> Result<ExitCode, String> {
    match words {
        ["--help" | "-h"] => {
            println!("engram-sim: the engine on a simulated machine, where a seed decides everything\n");
            COMMANDS.iter().for_each(|(_, _, help)| print!("{help}"));
            println!("  engram-sim --help | --version");
            Ok(ExitCode::SUCCESS)
        }
        ["--version" | "-V"] => {
            println!("engram-sim {}", env!("CARGO_PKG_VERSION"));
            Ok(ExitCode::SUCCESS)
        }
        [] => Err("say what to do".to_owned()),
        [name, rest @ ..] => match COMMANDS.iter().find(|(known, _, _)| known == name) {
            Some((_, _, help)) if rest.iter().any(|word| ["--help", "-h"].contains(word)) => {
                print!("{help}");
                Ok(ExitCode::SUCCESS)
            }
            Some((_, command, _)) => command(rest),
            None => Err(format!("cannot do `{name}`")),
        },
    }
}
