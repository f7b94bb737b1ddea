//! The engram server: flags, the real machine, and the loop. `engram check` looks at a directory without serving it.
//!
//! Exit codes: 0 when it has done what was asked, 1 when it failed (one line on standard error says why), 2 when the
//! command line or the config file was wrong.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use engram::engine;
use engram::env::Level;
use engram::os;
use engram::server::{Options, Parsed, Server};

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

/// Descriptors beside the clients': log, lock, listener, poller, pipe and room for a snapshot.
const OWN_DESCRIPTORS: u64 = 64;

fn main() -> ExitCode {
    let args: Vec<String> = match std::env::args_os().skip(1).map(std::ffi::OsString::into_string).collect() {
        Ok(args) => args,
        Err(arg) => return fail(WRONG_USAGE, format_args!("{arg:?} is not UTF-8 text")),
    };
    if let Some(("check", dirs)) = args.split_first().map(|(first, rest)| (first.as_str(), rest))
        && !dirs.iter().any(|dir| dir == "--help")
    {
        return check(dirs);
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut read = |path: &str| std::fs::read_to_string(path).map_err(|e| e.to_string());
    match Options::parse(&args, cores, &mut read) {
        Err(e) => fail(WRONG_USAGE, e),
        Ok(Parsed::Help(text) | Parsed::Version(text)) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Ok(Parsed::Run(options)) => {
            serve(*options).map_or_else(|why| fail(FAILED, why), |()| ExitCode::SUCCESS)
        }
    }
}

/// Serves until it is asked to finish.
fn serve(mut options: Options) -> Result<(), String> {
    let dir = options.dir.as_ref().map(std::path::absolute).transpose();
    let dir = dir.map_err(|e| format!("cannot find the directory: {e}"))?;
    options.dir = dir.as_ref().map(|dir| dir.display().to_string());
    let machine = os::machine(&os::Options {
        dir,
        bind: options.bind.clone(),
        port: options.port,
        keepalive: options.tcp_keepalive,
        logfile: options.logfile.as_ref().map(PathBuf::from),
    });
    let machine = machine.map_err(|e| e.to_string())?;
    let wanted = options.maxclients as u64 + OWN_DESCRIPTORS;
    let descriptors = os::process::raise_descriptor_limit(wanted).map_err(|e| e.to_string())?;
    if descriptors < wanted {
        options.maxclients = usize::try_from(descriptors.saturating_sub(OWN_DESCRIPTORS)).unwrap_or(1).max(1);
        let text =
            format!("the system allows {descriptors} descriptors: maxclients is {}", options.maxclients);
        machine.console.line(Level::Warning, &text);
    }
    Server::start(machine, options).and_then(Server::run).map_err(|e| e.to_string())
}

/// `engram check DIR...`
fn check(dirs: &[String]) -> ExitCode {
    if dirs.is_empty() {
        return fail(WRONG_USAGE, "check: which directory?");
    }
    let options = match Options::default().engine(0) {
        Ok(options) => options.index,
        Err(e) => return fail(FAILED, e),
    };
    let mut healthy = true;
    for dir in dirs {
        print(&format!("{dir}:"));
        match os::Directory::open_read_only(Path::new(dir)) {
            Err(e) => {
                healthy = false;
                fail(FAILED, e);
            }
            Ok(storage) => {
                let found = engine::check(&storage, options);
                found.lines.iter().for_each(|line| print(&format!("  {line}")));
                healthy &= found.healthy;
            }
        }
    }
    if healthy { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

/// Prints lines; whoever does not read them does not want them.
fn print(text: &str) {
    drop(writeln!(std::io::stdout(), "{}", text.trim_end()));
}

fn fail(code: u8, why: impl std::fmt::Display) -> ExitCode {
    drop(writeln!(std::io::stderr(), "engram: {why}"));
    ExitCode::from(code)
}
