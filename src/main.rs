//! The engram server: flags, the real machine, and the loop. What operators do without serving is in `operate`.
//!
//! Exit codes: 0 when it has done what was asked, 1 when it failed (one line on standard error says why), 2 when the
//! command line or the config file was wrong.

mod operate;

use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use engram::env::Level;
use engram::os;
use engram::server::{Options, Parsed, Server};

#[global_allocator]
static ALLOCATOR: os::memory::LargePages = os::memory::LargePages;

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

/// Descriptors beside the clients': log, lock, listener, poller, pipe and room for a snapshot.
const OWN_DESCRIPTORS: u64 = 64;

fn main() -> ExitCode {
    let args: Vec<String> = match std::env::args_os().skip(1).map(std::ffi::OsString::into_string).collect() {
        Ok(args) => args,
        Err(arg) => return fail(WRONG_USAGE, format_args!("{arg:?} is not UTF-8 text")),
    };
    if let Err(e) = os::brace() {
        return fail(FAILED, e);
    }
    if let Some(done) = operate::operate(&args) {
        return done;
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut read = |path: &str| std::fs::read_to_string(path).map_err(|e| e.to_string());
    match Options::parse(&args, cores, &mut read) {
        Err(e) => fail(WRONG_USAGE, e),
        Ok(Parsed::Help(text) | Parsed::Version(text)) => {
            let mut out = Output::new();
            out.line(text.trim_end());
            out.end(ExitCode::SUCCESS)
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
        backup_dir: options.backup_dir.as_ref().map(PathBuf::from),
        bind: options.bind.clone(),
        port: options.port,
        keepalive: options.tcp_keepalive,
        logfile: options.logfile.as_ref().map(PathBuf::from),
        #[cfg(feature = "lossy")]
        storage: options.storage.clone(),
        #[cfg(feature = "lossy")]
        kill_at: options.kill_at.clone(),
    });
    let machine = machine.map_err(|e| e.to_string())?;
    os::panics_to(&machine.console);
    let wanted = options.maxclients as u64 + OWN_DESCRIPTORS;
    let descriptors = os::process::raise_descriptor_limit(wanted).map_err(|e| e.to_string())?;
    if descriptors < wanted {
        options.maxclients = usize::try_from(descriptors.saturating_sub(OWN_DESCRIPTORS)).unwrap_or(1).max(1);
        let text =
            format!("the system allows {descriptors} descriptors: maxclients is {}", options.maxclients);
        machine.console.line(Level::Warning, &text);
    }
    let server = Server::start(machine, options).map_err(|e| e.to_string())?;
    server.map_or(Ok(()), Server::run).map_err(|e| e.to_string())
}

/// Standard output. Whoever has closed it does not want the lines; what else keeps them from it is an error, since whoever
/// keeps them in a file would take them for all there are.
struct Output {
    lines: BufWriter<StdoutLock<'static>>,
    written: io::Result<()>,
}

impl Output {
    fn new() -> Self {
        Self { lines: BufWriter::new(io::stdout().lock()), written: Ok(()) }
    }

    fn line(&mut self, text: &str) {
        if self.written.is_ok() {
            self.written = writeln!(self.lines, "{text}");
        }
    }

    /// Shows what was written so far, before something is said elsewhere.
    fn show(&mut self) {
        if self.written.is_ok() {
            self.written = self.lines.flush();
        }
    }

    /// The exit code of who has written all of it, and would end with `code`.
    fn end(mut self, code: ExitCode) -> ExitCode {
        self.show();
        match self.written {
            Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
                fail(FAILED, format_args!("cannot write to standard output: {e}"))
            }
            _ => code,
        }
    }
}

fn fail(code: u8, why: impl std::fmt::Display) -> ExitCode {
    os::last_words(&format!("engram: {why}"));
    ExitCode::from(code)
}
