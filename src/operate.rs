//! What operators do to a directory without serving it: `engram check`, `dump`, `repair` and
//! `backup`.
//!
//! Exit codes: 0 when what was asked is done, told, and nothing is wrong; 1 when something is (the lines say what); 2 for a
//! wrong command line.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use engram::engine::{self, Excerpt};
use engram::os::{BackupRoot, Directory};
use engram::server::Options;
use engram::wal::Lsn;

use super::{FAILED, Output, WRONG_USAGE, fail};

/// Does what `args` ask for, if their first word is one of these commands.
pub(crate) fn operate(args: &[String]) -> Option<ExitCode> {
    let (command, rest) = args.split_first()?;
    if rest.iter().any(|word| word == "--help") {
        return None;
    }
    let done = match command.as_str() {
        "check" => check(rest),
        "dump" => dump(rest),
        "repair" => repair(rest),
        "backup" => backup(rest),
        _ => return None,
    };
    Some(
        done.unwrap_or_else(|wrong| fail(WRONG_USAGE, format_args!("{command}: {wrong}; see engram --help"))),
    )
}

/// The words of a command: those without a flag, and for each flag its value.
struct Words<'a> {
    plain: Vec<&'a str>,
    flags: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    /// `valued` flags have a value behind them, `bare` ones none.
    fn parse(words: &'a [String], valued: &[&str], bare: &[&str]) -> Result<Self, String> {
        let mut found = Self { plain: Vec::new(), flags: Vec::new() };
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            if valued.contains(&word) {
                let value = words.next().ok_or_else(|| format!("{word} wants a number"))?;
                found.flags.push((word, value));
            } else if bare.contains(&word) {
                found.flags.push((word, ""));
            } else if word.starts_with('-') {
                return Err(format!("unknown flag {word}"));
            } else {
                found.plain.push(word);
            }
        }
        Ok(found)
    }

    fn flag(&self, name: &str) -> Option<&'a str> {
        self.flags.iter().rev().find(|(flag, _)| *flag == name).map(|(_, value)| *value)
    }

    fn lsn(&self, name: &str) -> Result<Option<Lsn>, String> {
        let parse =
            |text: &str| text.parse().map(Lsn).map_err(|_| format!("{name} {text}: not a record's number"));
        self.flag(name).map(parse).transpose()
    }

    fn directory(&self) -> Result<&'a Path, String> {
        match self.plain.as_slice() {
            [dir] => Ok(Path::new(*dir)),
            [] => Err("which directory?".to_owned()),
            _ => Err("one directory at a time".to_owned()),
        }
    }
}

/// `check DIR...`
fn check(words: &[String]) -> Result<ExitCode, String> {
    let words = Words::parse(words, &[], &[])?;
    if words.plain.is_empty() {
        return Err("which directory?".to_owned());
    }
    let options = Options::default().engine(0).map_err(|e| e.to_string())?;
    let (mut healthy, mut out) = (true, Output::new());
    for dir in words.plain {
        out.line(&format!("{dir}:"));
        match Directory::open_read_only(Path::new(dir)) {
            Err(e) => {
                healthy = false;
                out.show();
                fail(FAILED, e);
            }
            Ok(storage) => {
                // A disk that fails under a map ends this process there.
                out.show();
                let found = engine::check(&storage, options.store);
                found.lines.iter().for_each(|line| out.line(&format!("  {line}")));
                healthy &= found.healthy;
                let opened = found.opened.iter().map(|name| storage.may_write(name));
                let replaced = found.replaced.iter().map(|name| storage.may_replace(name));
                let looked = std::iter::once(storage.may_serve()).chain(opened).chain(replaced);
                for why in looked.filter_map(Result::err) {
                    out.line(&format!("  a start by this user would refuse: {why}"));
                }
            }
        }
    }
    Ok(out.end(if healthy { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }))
}

/// `dump DIR [--from LSN] [--to LSN] [--full]`
fn dump(words: &[String]) -> Result<ExitCode, String> {
    let words = Words::parse(words, &["--from", "--to"], &["--full"])?;
    let excerpt = Excerpt {
        from: words.lsn("--from")?.unwrap_or(Lsn(1)),
        to: words.lsn("--to")?.unwrap_or(Lsn(u64::MAX)),
        full: words.flag("--full").is_some(),
    };
    let storage = match Directory::open_read_only(words.directory()?) {
        Ok(storage) => storage,
        Err(e) => return Ok(fail(FAILED, e)),
    };
    let mut out = Output::new();
    let ended = engine::dump(&storage, excerpt, &mut |line| out.line(line));
    let code = ended.as_ref().map_or(ExitCode::from(FAILED), |()| ExitCode::SUCCESS);
    let code = out.end(code);
    Ok(ended.map_or_else(|e| fail(FAILED, e), |()| code))
}

/// `repair DIR --truncate-after LSN`
fn repair(words: &[String]) -> Result<ExitCode, String> {
    let words = Words::parse(words, &["--truncate-after"], &[])?;
    let after = words.lsn("--truncate-after")?;
    let after = after.ok_or("which record is the last to keep? --truncate-after LSN")?;
    let done = Directory::open_existing(words.directory()?).map_err(|e| e.to_string());
    let done = done.and_then(|storage| engine::repair(&storage, after));
    Ok(report(done))
}

/// `backup DIR DEST`
fn backup(words: &[String]) -> Result<ExitCode, String> {
    let words = Words::parse(words, &[], &[])?;
    let [from, to] = words.plain.as_slice() else {
        return Err("from which directory into which?".to_owned());
    };
    let options = Options::default().engine(0).map_err(|e| e.to_string())?.store;
    let done = Directory::open_read_only(Path::new(from)).map_err(|e| e.to_string()).and_then(|from| {
        let (above, name) = BackupRoot::above(Path::new(to), &from).map_err(|e| e.to_string())?;
        engine::backup(&from, Arc::new(above), &name, options)
    });
    Ok(report(done))
}

/// Prints what was done, or why not.
fn report(done: Result<Vec<String>, String>) -> ExitCode {
    match done {
        Err(e) => fail(FAILED, e),
        Ok(lines) => {
            let mut out = Output::new();
            lines.iter().for_each(|line| out.line(line));
            out.end(ExitCode::SUCCESS)
        }
    }
}
