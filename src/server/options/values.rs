//! How values are spelled, in and out.

use crate::env::Level;
use crate::kernels;
use crate::wal::Tier;

/// Units of sizes, longest names first; as in Redis, `k` is a thousand and `kb` is 1024.
const UNITS: [(&str, u64); 7] = [
    ("kb", 1 << 10),
    ("mb", 1 << 20),
    ("gb", 1 << 30),
    ("k", 1_000),
    ("m", 1_000_000),
    ("g", 1_000_000_000),
    ("b", 1),
];

/// Reads a whole number from `low` to `high`.
pub(super) fn number<T: TryFrom<u64>>(text: &str, low: u64, high: u64) -> Result<T, String> {
    within(digits(text), low, high)
        .ok_or_else(|| format!("argument must be between {low} and {high} inclusive"))
}

/// Reads a whole number that may be negative.
pub(super) fn signed(text: &str, low: i64) -> Result<i64, String> {
    let value = text.parse().ok().filter(|n| *n >= low);
    value.ok_or_else(|| format!("argument must be a number that is at least {low}"))
}

/// Reads a size in bytes, `low` to `high`, with or without a unit: `1048576`, `1mb`, `1GB`.
pub(super) fn size<T: TryFrom<u64>>(text: &str, low: u64, high: u64) -> Result<T, String> {
    let lower = text.to_ascii_lowercase();
    let unit = UNITS.iter().find_map(|(name, bytes)| Some((lower.strip_suffix(name)?, *bytes)));
    let (number, unit) = unit.unwrap_or((&lower, 1));
    let bytes = digits(number).and_then(|n| n.checked_mul(unit));
    within(bytes, low, high).ok_or_else(|| {
        format!(
            "argument must be a memory value (k, kb, m, mb, g or gb behind the number) from {} to {}",
            human(low),
            human(high)
        )
    })
}

fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn within<T: TryFrom<u64>>(value: Option<u64>, low: u64, high: u64) -> Option<T> {
    let value = value.filter(|n| (low..=high).contains(n))?;
    T::try_from(value).ok()
}

/// A size in the largest unit that leaves a whole number.
pub(super) fn human(bytes: u64) -> String {
    let unit = UNITS.iter().take(3).rev().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| bytes.to_string(), |(name, unit)| format!("{}{name}", bytes / unit))
}

/// One of `words`, whatever its case.
pub(super) fn one_of<T: Copy>(text: &str, words: &[(&'static str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| text.eq_ignore_ascii_case(word));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let list: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!("argument(s) must be one of the following: {}", list.join(", "))
    })
}

/// The first word for `value`.
fn word_for<T: PartialEq>(value: &T, words: &[(&'static str, T)]) -> &'static str {
    words.iter().find(|(_, other)| other == value).map_or("", |(word, _)| word)
}

const TIERS: [(&str, Tier); 3] =
    [("always", Tier::Always), ("everysec", Tier::EverySecond), ("no", Tier::No)];

/// Reads when a write is acknowledged.
pub(super) fn tier(text: &str) -> Result<Tier, String> {
    one_of(text, &TIERS)
}

/// The word for it.
pub(crate) fn show_tier(tier: Tier) -> String {
    word_for(&tier, &TIERS).to_owned()
}

const LEVELS: [(&str, Level); 4] = [
    ("debug", Level::Debug),
    ("notice", Level::Notice),
    ("warning", Level::Warning),
    ("verbose", Level::Debug),
];

/// Reads a log level; `verbose` is another word for `debug`.
pub(super) fn level(text: &str) -> Result<Level, String> {
    one_of(text, &LEVELS)
}

/// The word for it.
pub(super) fn show_level(level: Level) -> String {
    word_for(&level, &LEVELS).to_owned()
}

/// Reads a kernel's name. Whether this machine can run it shows when it is taken.
pub(super) fn kernel(text: &str) -> Result<String, String> {
    let mut words = vec![("auto", "auto")];
    words.extend(kernels::NAMES.map(|name| (name, name)));
    one_of(text, &words).map(str::to_owned)
}

/// Empty text stands for none.
pub(super) fn optional(text: &str) -> Option<String> {
    if text.is_empty() { None } else { Some(text.to_owned()) }
}

/// None is shown as empty text.
pub(super) fn show_optional(value: Option<&String>) -> String {
    value.cloned().unwrap_or_default()
}
