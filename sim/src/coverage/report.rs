//! Coverage as text: a summary, what is empty, and the whole matrix and ledger.

use std::collections::BTreeSet;

use engram::base::mark::{MARKS, Mark};

use super::rates::is_rare;
use super::reachable::{PAIRS, WAYS, excuse, excuse_mark};
use super::{Cell, Coverage, Site};
use crate::disk::KINDS;
use crate::faults::Call;
use crate::phase::{PHASES, Phase};

/// What is to be reached, what of it was, and what should not have been.
#[derive(Debug, Default)]
pub struct Summary {
    /// Reachable cells.
    pub cells: usize,
    /// Those that nothing fired in, although a campaign must have met them.
    pub empty: Vec<Cell>,
    /// Those that nothing fired in, and that are met rarely.
    pub rare: Vec<Cell>,
    /// Cells that a rule calls unreachable and that were reached.
    pub surprising: Vec<Cell>,
    /// What has no cell of its own, has to be seen, and was not.
    pub unseen: Vec<&'static str>,
    /// Marks that can be reached.
    pub marks: usize,
    /// Those that were not, although a campaign must have met them.
    pub unmarked: Vec<Mark>,
    /// Those that were not, and are met rarely.
    pub rare_marks: Vec<Mark>,
    /// Marks that are called unreachable and were reached.
    pub surprising_marks: Vec<Mark>,
}

impl Summary {
    /// True when everything was reached that a campaign must reach, and nothing that cannot be.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.empty.is_empty() && self.unmarked.is_empty() && self.unseen.is_empty() && self.is_consistent()
    }

    /// True when nothing was reached that cannot be.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        self.surprising.is_empty() && self.surprising_marks.is_empty()
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cells, marks, .. } = self;
        let (empty, unmarked) =
            (self.empty.len() + self.rare.len(), self.unmarked.len() + self.rare_marks.len());
        write!(
            f,
            "coverage: {} of {cells} cells of faults, {} of {marks} marks",
            cells - empty,
            marks - unmarked
        )?;
        self.empty.iter().try_for_each(|cell| write!(f, "\n  never: {cell}"))?;
        self.unmarked.iter().try_for_each(|mark| write!(f, "\n  never: {mark}"))?;
        self.unseen.iter().try_for_each(|way| write!(f, "\n  never: {way}"))?;
        self.rare.iter().try_for_each(|cell| write!(f, "\n  rare, and not met: {cell}"))?;
        self.rare_marks.iter().try_for_each(|mark| write!(f, "\n  rare, and not met: {mark}"))?;
        self.surprising
            .iter()
            .try_for_each(|cell| write!(f, "\n  called unreachable, and reached: {cell}"))?;
        self.surprising_marks
            .iter()
            .try_for_each(|mark| write!(f, "\n  called unreachable, and reached: {mark}"))
    }
}

impl Coverage {
    /// Every cell of the matrix, reachable or not: of the faults that plans must have, and of those that they have.
    fn cells(&self) -> BTreeSet<Cell> {
        let wanted = PAIRS.iter().flat_map(|(fault, calls)| calls.iter().map(|call| (*fault, *call)));
        let planned = self.planned.keys().map(|(fault, call)| (fault.as_str(), *call));
        let pairs: BTreeSet<(&str, Call)> = wanted.chain(planned).collect();
        let mut cells: BTreeSet<Cell> = self.fired.keys().cloned().collect();
        for (fault, call) in pairs {
            for of in KINDS {
                let site = Site { call, of };
                cells.extend(PHASES.map(|phase| Cell { fault: fault.to_owned(), site, phase }));
            }
        }
        cells
    }

    /// What was reached, of what can be, and what of the rest so many runs must have reached.
    #[must_use]
    pub fn summary(&self, runs: u64) -> Summary {
        let mut summary = Summary::default();
        for cell in self.cells() {
            match (excuse(&cell), self.fired(&cell)) {
                (None, fired) => {
                    summary.cells += 1;
                    let list =
                        if is_rare(&cell.to_string(), runs) { &mut summary.rare } else { &mut summary.empty };
                    list.extend((fired == 0).then_some(cell));
                }
                (Some(_), 0) => {}
                (Some(_), _) => summary.surprising.push(cell),
            }
        }
        summary.unseen.extend(WAYS.iter().filter(|way| self.went(way) == 0));
        for mark in MARKS.iter().copied() {
            match (excuse_mark(mark), self.marked(mark)) {
                (None, marked) => {
                    summary.marks += 1;
                    let list = if is_rare(&mark.to_string(), runs) {
                        &mut summary.rare_marks
                    } else {
                        &mut summary.unmarked
                    };
                    list.extend((marked == 0).then_some(mark));
                }
                (Some(_), 0) => {}
                (Some(_), _) => summary.surprising_marks.push(mark),
            }
        }
        summary
    }

    /// Everything, as a text of tables. `seeds` is how many runs it is of.
    #[must_use]
    pub fn text(&self, seeds: u64) -> String {
        let mut out = format!("coverage of {seeds} seeds\n{}\n", self.summary(seeds));
        self.matrix(&mut out);
        self.unmatched(&mut out);
        out.push_str("\ncalls, by phase, whether a fault met them or not\n");
        let sites: BTreeSet<Site> = self.calls.keys().map(|(site, _)| *site).collect();
        for site in sites {
            let count = |phase: Phase| self.calls.get(&(site, phase)).map_or(String::new(), u64::to_string);
            row(&mut out, &site.to_string(), &PHASES.map(count));
        }
        out.push_str("\nways: strategies by life, endings, crashes\n");
        self.ways.iter().for_each(|(name, count)| line(&mut out, *count, name));
        out.push_str("\nledger: rare events of the engine\n");
        for mark in MARKS {
            let why = excuse_mark(*mark).map_or(String::new(), |why| format!(" (cannot be reached: {why})"));
            line(&mut out, self.marked(*mark), &format!("{mark}{why}"));
        }
        out
    }

    /// A row for each fault at a site, a column for each phase: how often it fired, `-` for what cannot be.
    fn matrix(&self, out: &mut String) {
        out.push_str("\nfaults that fired and were followed by a judged answer, by phase; `-` cannot be\n");
        row(out, "", &PHASES.map(|phase| phase.name().to_owned()));
        let mut reasons = BTreeSet::new();
        let rows: BTreeSet<(String, Site)> =
            self.cells().into_iter().map(|cell| (cell.fault, cell.site)).collect();
        for (fault, site) in rows {
            let columns = PHASES.map(|phase| {
                let cell = Cell { fault: fault.clone(), site, phase };
                match (excuse(&cell), self.fired(&cell)) {
                    (Some(why), 0) => {
                        reasons.insert(why);
                        "-".to_owned()
                    }
                    (_, count) => count.to_string(),
                }
            });
            if columns.iter().any(|column| column != "-") {
                row(out, &format!("{fault} at {site}"), &columns);
            }
        }
        reasons.iter().for_each(|why| out.push_str(&format!("  -: {why}\n")));
    }

    /// What plans had and what came of it: a fault may wait for a call that is never made, or mean nothing to it.
    fn unmatched(&self, out: &mut String) {
        out.push_str("\nfaults in plans: planned, fired\n");
        for ((fault, call), planned) in &self.planned {
            let of = |cell: &Cell| cell.fault == *fault && cell.site.call == *call;
            let fired: u64 = self.fired.iter().filter(|(cell, _)| of(cell)).map(|(_, count)| count).sum();
            row(out, &format!("{fault} at {}", call.name()), &[planned.to_string(), fired.to_string()]);
        }
        let (planned, fired): (u64, u64) = (self.planned.values().sum(), self.fired.values().sum());
        line(out, planned.saturating_sub(fired), "planned but unmatched");
    }
}

fn line(out: &mut String, count: u64, what: &str) {
    out.push_str(&format!("{count:>12}  {what}\n"));
}

fn row(out: &mut String, name: &str, columns: &[String]) {
    let mut text = format!("  {name:<34}");
    columns.iter().for_each(|column| text.push_str(&format!(" {column:>15}")));
    out.push_str(text.trim_end());
    out.push('\n');
}
