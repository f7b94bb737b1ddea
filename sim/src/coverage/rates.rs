//! How often cells and marks are reached, as a large campaign has found: in how many runs of [`PER`].
//!
//! A campaign must have reached whatever it should have reached [`EXPECTED`] times. So the larger it is the more is demanded of
//! it, and a place that has become hard to reach is noticed. The table, `rates.txt`, is written by `engram-sim run --rates`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use engram::base::mark::Mark;

use super::{Cell, Coverage};

/// Runs that the rates are of.
const PER: f64 = 100_000.0;
/// A campaign that should have reached something so often has to have reached it. By chance alone it would be missed once in
/// 10^10 campaigns; the rest is room for plans that change a little.
const EXPECTED: f64 = 24.0;

const TABLE: &str = include_str!("rates.txt");

fn rates() -> &'static BTreeMap<&'static str, f64> {
    static RATES: OnceLock<BTreeMap<&str, f64>> = OnceLock::new();
    RATES.get_or_init(|| {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(rate, name)| Some((name, rate.parse().ok()?)))
            .collect()
    })
}

/// Whether so many runs may have missed the cell or mark of this name. What the table does not know may not be missed.
pub(super) fn is_rare(name: &str, runs: u64) -> bool {
    rates().get(name).is_some_and(|rate| rate * runs as f64 / PER < EXPECTED)
}

impl Coverage {
    /// The table of rates, as `runs` runs have found them. What can be reached and was not is among them, with none.
    #[must_use]
    pub fn rates(&self, runs: u64) -> String {
        let mut text = format!("# Runs of {PER} in which each was reached, from a campaign of {runs}.\n");
        let summary = self.summary(runs);
        let cells = summary.empty.iter().chain(&summary.rare).map(Cell::to_string);
        let marks = summary.unmarked.iter().chain(&summary.rare_marks).map(Mark::to_string);
        let mut all = self.runs.clone();
        all.extend(cells.chain(marks).map(|name| (name, 0)));
        for (name, reached) in &all {
            text.push_str(&format!("{:.1} {name}\n", *reached as f64 * PER / runs as f64));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_whole_and_more_is_demanded_of_more_runs() {
        assert_eq!(rates().len(), TABLE.lines().count() - 1, "each line is a rate and a name of its own");
        let (name, rate) = rates().iter().find(|(_, rate)| **rate > 10.0).unwrap();
        assert!(is_rare(name, 10) || *rate > PER / 10.0);
        assert!(!is_rare(name, 10_000_000_000));
        assert!(!is_rare("what nobody has heard of", 1));
    }
}
