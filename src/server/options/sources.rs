//! Settings from the command line and from a config file.

use super::{Options, VERSION, help, named};
use crate::resp::{ParseLimits, Parser, Progress};

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Serve.
    Run(Box<Options>),
    /// Print this text and go.
    Help(String),
    /// Print this text and go.
    Version(String),
}

/// A setting that cannot be taken. The text names the flag, or the file and line, that it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionError(pub String);

impl std::fmt::Display for OptionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OptionError {}

impl Options {
    /// Reads a command line (without the program's name) on a machine with `cores` cores: `[FILE] [--setting value]...`.
    /// `read` gives a file's whole text, or says why it cannot. The file's lines come first, whatever the order, so
    /// flags win.
    ///
    /// # Errors
    /// The first setting that cannot be taken, or a file that cannot be read.
    pub fn parse(
        args: &[String],
        cores: usize,
        read: &mut dyn FnMut(&str) -> Result<String, String>,
    ) -> Result<Parsed, OptionError> {
        let mut options = Self::for_cores(cores);
        if args.iter().any(|arg| arg == "--help" || arg == "-h") {
            return Ok(Parsed::Help(help::text(&options)));
        }
        if args.iter().any(|arg| arg == "--version" || arg == "-v" || arg == "-V") {
            return Ok(Parsed::Version(format!("engram {VERSION}")));
        }
        let line = CommandLine::split(args)?;
        if let Some(path) = line.file {
            let text = read(&path)
                .map_err(|why| OptionError(format!("cannot read the config file {path}: {why}")))?;
            options.take_file(&path, &text)?;
            options.config_file = Some(path);
        }
        for (flag, value) in &line.flags {
            options.take(flag, value).map_err(|why| OptionError(format!("--{flag}: {why}")))?;
        }
        Ok(Parsed::Run(Box::new(options)))
    }

    /// Takes the settings of a config file's text: one `setting value` a line, quotes as on an inline command, `#`
    /// before a comment.
    fn take_file(&mut self, path: &str, text: &str) -> Result<(), OptionError> {
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let taken = words(line).and_then(|words| {
                let (name, values) = words.split_first().ok_or("it holds no words")?;
                self.take_words(name, values).map_err(|why| format!("{name}: {why}"))
            });
            taken.map_err(|why| OptionError(format!("{path}:{number}: {why}")))?;
        }
        Ok(())
    }

    fn take_words(&mut self, name: &str, values: &[String]) -> Result<(), String> {
        match values {
            [] => Err("a value is missing".to_owned()),
            [value] => self.take(name, value),
            _ if named(name).is_some_and(|s| !takes_many(s.value)) => {
                Err(format!("takes one value, and there are {} (quote one with spaces)", values.len()))
            }
            _ => self.take(name, &values.join(" ")),
        }
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), String> {
        let setting = named(name).ok_or("there is no such setting; --help lists them all")?;
        if value.contains(['\0', '\n', '\r']) {
            return Err("a value is one line of text".to_owned());
        }
        (setting.set)(self, value)
    }
}

fn takes_many(value: &str) -> bool {
    value.ends_with("...")
}

/// A command line in its parts.
#[derive(Debug, Default)]
struct CommandLine {
    file: Option<String>,
    flags: Vec<(String, String)>,
}

impl CommandLine {
    /// `--name value...`, `--name=value`, and a file in first place or behind `--config`.
    fn split(args: &[String]) -> Result<Self, OptionError> {
        let mut line = Self::default();
        let mut rest = args;
        while let [arg, tail @ ..] = rest {
            let Some(flag) = arg.strip_prefix("--") else {
                if rest.len() < args.len() || arg.starts_with('-') {
                    return Err(OptionError(format!(
                        "'{arg}' is neither a setting nor a config file in first place; \
                                                    try --help"
                    )));
                }
                line.file = Some(arg.clone());
                rest = tail;
                continue;
            };
            let (name, value, behind) = one_flag(flag, tail)?;
            match name {
                "config" => line.file = Some(value),
                _ => line.flags.push((name.to_owned(), value)),
            }
            rest = behind;
        }
        Ok(line)
    }
}

/// Takes one flag's value off the front of the words behind it. A flag with many values takes all up to the next flag.
fn one_flag<'a>(flag: &'a str, tail: &'a [String]) -> Result<(&'a str, String, &'a [String]), OptionError> {
    if let Some((name, value)) = flag.split_once('=') {
        return Ok((name, value.to_owned(), tail));
    }
    let setting = named(flag);
    if setting.is_none() && flag != "config" {
        return Err(OptionError(format!("--{flag}: there is no such setting; --help lists them all")));
    }
    let many = setting.is_some_and(|s| takes_many(s.value));
    let most = if many { tail.len() } else { 1 };
    let count = tail.iter().take(most).take_while(|word| !word.starts_with("--")).count();
    if count == 0 {
        return Err(OptionError(format!("--{flag}: a value is missing")));
    }
    let (values, behind) = tail.split_at(count);
    Ok((flag, values.join(" "), behind))
}

/// Splits a line as an inline command is split, quotes and escapes included.
fn words(line: &str) -> Result<Vec<String>, String> {
    // The space keeps a line that begins with '*' from being read as the protocol's other form.
    let text = format!(" {line}\r\n");
    let mut parser = Parser::default();
    let progress = parser.parse(text.as_bytes(), &ParseLimits::default());
    match progress {
        Ok(Progress::Command) => {}
        Ok(_) => return Err("it is not a line of words".to_owned()),
        Err(_) => return Err("its quotes do not close".to_owned()),
    }
    let args = parser.args(text.as_bytes());
    args.iter()
        .map(|word| String::from_utf8(word.to_vec()).map_err(|_| "its escapes are not UTF-8 text".to_owned()))
        .collect()
}
