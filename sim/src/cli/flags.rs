//! What the words of a command line say.

use std::fmt::Display;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::time::Instant;

use engram_sim::disk::Sabotage;
use engram_sim::plan::{Plan, generate, parse};

/// Threads of the host that there are cores for.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The words of a subcommand, taken one after the other.
pub(super) struct Words<'a> {
    rest: std::slice::Iter<'a, &'a str>,
}

impl<'a> Words<'a> {
    pub(super) fn new(words: &'a [&'a str]) -> Self {
        Self { rest: words.iter() }
    }

    /// The next word, if there is one.
    pub(super) fn next(&mut self) -> Option<&'a str> {
        self.rest.next().copied()
    }

    /// The word behind `flag`.
    pub(super) fn value(&mut self, flag: &str) -> Result<&'a str, String> {
        self.next().ok_or_else(|| format!("{flag} needs a value"))
    }

    /// The number behind `flag`.
    pub(super) fn number(&mut self, flag: &str) -> Result<u64, String> {
        number(self.value(flag)?)
    }

    /// The number of host threads behind `flag`.
    pub(super) fn jobs(&mut self, flag: &str) -> Result<usize, String> {
        Ok(usize::try_from(self.number(flag)?).map_or(1, |n| n.clamp(1, 1_024)))
    }
}

/// A plan that is named on the command line, by its seed or the file it is in, and what lies while it runs.
#[derive(Default)]
pub(super) struct Source<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) sabotage: Sabotage,
}

impl Source<'_> {
    /// The plan. What it says and this version does not understand goes to stderr.
    pub(super) fn plan(&self) -> Result<Plan, String> {
        let name = self.name.ok_or("a seed or a plan's file is missing")?;
        if let Ok(seed) = name.parse() {
            return Ok(generate(seed));
        }
        let text = std::fs::read_to_string(name).map_err(|error| format!("cannot read {name}: {error}"))?;
        let (plan, remarks) = parse(&text);
        remarks.iter().for_each(|remark| eprintln!("{name}: {remark}"));
        Ok(plan)
    }
}

pub(super) fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("`{word}` is no number"))
}

pub(super) fn range(word: &str) -> Result<Range<u64>, String> {
    let (from, to) = word.split_once("..").ok_or_else(|| format!("`{word}` is no range A..B"))?;
    let range = number(from)?..number(to)?;
    if range.is_empty() { Err(format!("the range {word} is empty")) } else { within(range) }
}

/// A range of seeds, if its end leaves room for those who count on behind it.
pub(super) fn within(seeds: Range<u64>) -> Result<Range<u64>, String> {
    const END: u64 = 1 << 63;
    if seeds.end > END { Err(format!("seeds of a campaign are below {END}")) } else { Ok(seeds) }
}

/// Prints lines. Who reads them may have enough of them at any time: then the rest is for nobody.
pub(super) fn tell<T: Display>(lines: impl IntoIterator<Item = T>) {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let printed = lines.into_iter().try_for_each(|line| writeln!(out, "{line}"));
    drop(printed.and_then(|()| out.flush()));
}

/// An unknown word.
pub(super) fn unknown<T>(word: &str) -> Result<T, String> {
    Err(format!("unknown flag `{word}`"))
}

/// The host's time: for progress and totals only, no simulation sees it.
#[expect(clippy::disallowed_methods, reason = "reports to a person, never to a simulation")]
pub(super) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_without_an_end_is_refused() {
        assert_eq!(range("3..5"), Ok(3..5));
        for wrong in
            ["", "3", "5..3", "3..3", "a..b", "-1..3", "0..18446744073709551615", "0..18446744073709551616"]
        {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }
}
