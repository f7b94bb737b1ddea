//! Making a failing plan small: fewer lives, operations, faults, preemptions and settings, the same violation.
//!
//! Delta debugging after Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 2002,
//! over the [`edits`] of a plan instead of its characters: large cuts first, then every single edit, until none can be
//! made. A cut moves everything behind it to other times, so that each is tried under the plan's own random streams
//! and a few others. What is left cannot lose one more element, as far as those streams show.

mod edits;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engram::base::hash::HashKey;
use engram::base::rng::mix64;

use self::edits::{Edit, Line, apply, edits};
use crate::plan::Plan;
use crate::rig::{Report, Schedule};
use crate::scheduler::{Choice, Strategy};

/// How much is in a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Lives of the server.
    pub lives: usize,
    /// Operations, the parts of transactions included.
    pub ops: usize,
    /// What goes wrong or comes in between, line by line: faults, breaks, visitors, jumps, crash points; an ending other
    /// than an orderly one counts too.
    pub faults: usize,
    /// Switches of a listed schedule; for a drawn one, 1 when it is not calm.
    pub switches: usize,
}

/// A plan that was made small.
#[derive(Debug)]
pub struct Shrunk {
    /// What is left.
    pub plan: Plan,
    /// Its violation.
    pub violation: String,
    /// Runs that it took.
    pub runs: usize,
    /// Whether every single edit was tried on what is left, and none could be made.
    pub minimal: bool,
}

/// How long to go on.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Most runs of plans.
    pub runs: usize,
    /// Random streams that each cut is tried under, at least 1.
    pub streams: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self { runs: 20_000, streams: 4 }
    }
}

/// What two violations have in common when they are of one kind: the words, without numbers and what is quoted.
#[must_use]
pub fn kind_of(violation: &str) -> String {
    let mut kind = String::new();
    let mut quote = None;
    for c in violation.lines().next().unwrap_or_default().chars() {
        match (quote, c) {
            (Some(end), _) if end == c => quote = None,
            (None, '`' | '"') => {
                quote = Some(c);
                kind.push(c);
            }
            (None, '[') => {
                quote = Some(']');
                kind.push(c);
            }
            (None, c) if !c.is_ascii_digit() => kind.push(c),
            _ => {}
        }
    }
    let known = kind.strip_prefix("life last: ").or_else(|| kind.strip_prefix("life : "));
    known.map(str::to_owned).unwrap_or(kind)
}

/// How much is in `plan`.
#[must_use]
pub fn size(plan: &Plan) -> Size {
    let faults = plan.to_string().lines().filter(|text| edits::line(text) == Line::Fault).count();
    let mut size = Size { lives: plan.lives.len(), faults, ..Size::default() };
    for life in &plan.lives {
        size.ops +=
            life.clients.iter().flat_map(|client| &client.ops).map(crate::plan::Op::parts).sum::<usize>();
        size.faults += usize::from(life.ending != crate::plan::Ending::Shutdown);
        size.switches += life.threads.strategy.switches();
    }
    size
}

/// What a run of a plan came to, as far as shrinking has to know.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What was violated.
    pub violation: Option<String>,
    /// The choices of each life's schedule, by the life's number.
    pub schedules: BTreeMap<usize, Arc<[Choice]>>,
}

impl From<Report> for Outcome {
    fn from(report: Report) -> Self {
        // Lives that only compare two recoveries have other names, and a plan does not schedule them.
        let planned = |schedule: Schedule| Some((schedule.life.parse().ok()?, schedule.choices.into()));
        Self {
            violation: report.failure,
            schedules: report.schedules.into_iter().filter_map(planned).collect(),
        }
    }
}

/// Shrinks `plan`, whose violation is `violation`. `run` runs a plan.
pub fn shrink(plan: &Plan, violation: &str, effort: Effort, run: &dyn Fn(&Plan) -> Outcome) -> Shrunk {
    let mut search = Search {
        best: plan.clone(),
        violation: violation.to_owned(),
        kind: kind_of(violation),
        tried: BTreeSet::new(),
        runs: 0,
        effort,
        run,
        schedules: BTreeMap::new(),
    };
    let minimal = search.all();
    let Search { best, violation, runs, .. } = search;
    Shrunk { plan: best, violation, runs, minimal }
}

struct Search<'a> {
    best: Plan,
    violation: String,
    kind: String,
    /// Hashes of the texts of plans that were run and did not fail that way.
    tried: BTreeSet<u64>,
    runs: usize,
    effort: Effort,
    run: &'a dyn Fn(&Plan) -> Outcome,
    /// The schedules of the best plan's run, once there was one.
    schedules: BTreeMap<usize, Arc<[Choice]>>,
}

impl Search<'_> {
    /// True when nothing more can go; false when the effort was spent before.
    fn all(&mut self) -> bool {
        loop {
            let before = self.best.to_string();
            self.cut(&|edit| matches!(edit, Edit::DropLife(_)));
            self.cut(&|edit| matches!(edit, Edit::DropClient(..)));
            self.cut(&|edit| matches!(edit, Edit::DropOp(..)));
            self.cut(&|edit| matches!(edit, Edit::DropLine(_)));
            self.cut(&|edit| matches!(edit, Edit::DropSettings(_)));
            self.singles();
            self.list();
            self.cut(&|edit| matches!(edit, Edit::DropSwitch(..)));
            if self.runs >= self.effort.runs {
                return false;
            }
            if self.best.to_string() == before {
                return true;
            }
        }
    }

    /// Makes the edits that `of` picks, many at once where that works: halves, quarters and so on, down to pairs.
    fn cut(&mut self, of: &dyn Fn(&Edit) -> bool) {
        let pick = |plan: &Plan| -> Vec<Edit> { edits(plan).into_iter().filter(|edit| of(edit)).collect() };
        let mut chunk = pick(&self.best).len();
        while chunk > 1 {
            let mut at = 0;
            loop {
                let list = pick(&self.best);
                if at >= list.len() {
                    break;
                }
                let end = (at + chunk).min(list.len());
                if !self.attempt(&list[at..end]) {
                    at = end;
                }
            }
            chunk = chunk.div_ceil(2).min(chunk - 1);
        }
    }

    /// Tries every edit by itself, the last ones first, since what comes late has the least behind it.
    fn singles(&mut self) {
        let mut at = 0;
        loop {
            let list = edits(&self.best);
            let Some(place) = list.len().checked_sub(at + 1) else { return };
            if !self.attempt(&list[place..=place]) {
                at += 1;
            }
        }
    }

    /// Turns schedules that are drawn into lists of their choices, so that these can go one by one.
    fn list(&mut self) {
        for at in 0..self.best.lives.len() {
            let life = &self.best.lives[at];
            let drawn = !matches!(life.threads.strategy, Strategy::Calm | Strategy::Listed(_));
            if let Some(choices) = self.schedules.get(&life.number).filter(|_| drawn).cloned() {
                self.attempt(&[Edit::List(at, choices)]);
            }
        }
    }

    /// Makes `edits` if the violation stays.
    fn attempt(&mut self, edits: &[Edit]) -> bool {
        let mut plan = apply(&self.best, edits);
        if plan.to_string() == self.best.to_string() {
            return false;
        }
        let seed = plan.seed;
        for stream in 0..self.effort.streams.max(1) {
            plan.seed = if stream == 0 { seed } else { mix64(seed ^ stream) >> 40 };
            let text = HashKey::default().hash(plan.to_string().as_bytes());
            if self.runs >= self.effort.runs || !self.tried.insert(text) {
                continue;
            }
            self.runs += 1;
            let outcome = (self.run)(&plan);
            if let Some(violation) = outcome.violation.filter(|what| kind_of(what) == self.kind) {
                self.violation = violation;
                self.schedules = outcome.schedules;
                self.best = plan;
                return true;
            }
        }
        false
    }
}
