//! The command line of the simulator.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    cli::main(&words).unwrap_or_else(|what| {
        eprintln!("engram-sim: {what}; try --help");
        ExitCode::from(2)
    })
}
