//! Coverage: which faults were met where and when, and which rare events of the engine were seen.
//!
//! It is read off the trace of a run, while the run goes on: calls at the doors, faults, crashes, and the engine's
//! marks ([`engram::base::mark`]), some of which bound the phases of a life. A fault counts as fired only when an
//! answer was judged afterwards, in the same life or a later one. What cannot be reached, and why, is told by
//! [`reachable`]; everything else has to be reached by a campaign of enough seeds.
//!
//! Not covered: which combinations of two faults were met, and settings that are drawn as rates (they are counted by
//! life, see [`Coverage::plan`]).

mod rates;
pub mod reachable;
mod report;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use engram::base::mark::{MARKS, Mark};

use crate::disk::Kind;
use crate::faults::{CALLS, Call};
use crate::phase::Phase;
use crate::plan::Plan;

/// A kind of call, and the kind of file it is about: `write_at log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// The call.
    pub call: Call,
    /// The kind of file; any for calls that are about none.
    pub of: Kind,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.call.name())?;
        if self.of == Kind::Any { Ok(()) } else { write!(f, " of {}", self.of) }
    }
}

/// A kind of fault at a site in a phase. The kind is the first word of the fault's text in a plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// The kind.
    pub fault: String,
    /// The call.
    pub site: Site,
    /// The phase.
    pub phase: Phase,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} in {}", self.fault, self.site, self.phase.name())
    }
}

/// What runs have covered.
#[derive(Clone, Debug)]
pub struct Coverage {
    marks: Vec<u64>,
    /// Calls, by site and phase, whether a fault met them or not.
    calls: BTreeMap<(Site, Phase), u64>,
    fired: BTreeMap<Cell, u64>,
    /// In how many runs cells and marks were reached, by their names.
    runs: BTreeMap<String, u64>,
    /// Faults in plans, by kind and call.
    planned: BTreeMap<(String, Call), u64>,
    /// Strategies, settings, endings and crashes, by their names.
    ways: BTreeMap<String, u64>,
    /// Fired, and nobody has looked since.
    open: Vec<Cell>,
    phase: Phase,
    /// The machine stopped in this life's recovery.
    crashed_starting: bool,
    /// A life on a copy of the disk, to compare two recoveries.
    rehearsal: bool,
    /// The call that was last made.
    last: Site,
    /// The fault that fired at it stops the machine.
    crashing: bool,
}

impl Default for Coverage {
    fn default() -> Self {
        Self {
            marks: vec![0; MARKS.len()],
            calls: BTreeMap::new(),
            fired: BTreeMap::new(),
            runs: BTreeMap::new(),
            planned: BTreeMap::new(),
            ways: BTreeMap::new(),
            open: Vec::new(),
            phase: Phase::default(),
            crashed_starting: false,
            rehearsal: false,
            last: Site { call: Call::Open, of: Kind::Any },
            crashing: false,
        }
    }
}

impl Coverage {
    /// The engine has reached a mark.
    pub fn mark(&mut self, mark: Mark) {
        self.marks[mark as usize] += 1;
        self.phase = self.phase.after(mark);
    }

    /// What the server is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// An event of the trace.
    pub fn see(&mut self, kind: &str, name: &str, numbers: [u64; 3]) {
        match kind {
            "switch" | "wake" | "close" | "log" | "spawn" | "durable" | "ask" => {}
            "reply" => self.settle(),
            "life" => self.begin(name),
            _ if self.rehearsal => {}
            "ending" => self.way(format!("ending: {name}")),
            "fault" => self.fire(name),
            "crash" => self.crash(numbers),
            "self-pipe" | "pages" | "order" => self.way(format!("{kind}: {name}")),
            _ => {
                if let Some(call) = CALLS.into_iter().find(|call| call.name() == kind) {
                    self.last = Site { call, of: if storage(call) { Kind::of(name) } else { Kind::Any } };
                    *self.calls.entry((self.last, self.phase)).or_default() += 1;
                }
            }
        }
    }

    fn begin(&mut self, name: &str) {
        self.rehearsal = ["recovered", "backed up", "repaired"].iter().any(|copy| name.contains(copy));
        self.phase = Phase::Recovery;
        if !self.rehearsal && std::mem::take(&mut self.crashed_starting) {
            self.phase = Phase::Again;
        }
    }

    /// `text` is the fault as plans have it, behind the name of a network's call.
    fn fire(&mut self, text: &str) {
        let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut fault = first;
        if let Some(call) = CALLS.into_iter().find(|call| call.name() == first) {
            self.last = Site { call, of: Kind::Any };
            *self.calls.entry((self.last, self.phase)).or_default() += 1;
            fault = rest.split(' ').next().unwrap_or(rest);
        }
        self.crashing = fault.starts_with("crash");
        self.open.push(Cell { fault: fault.to_owned(), site: self.last, phase: self.phase });
    }

    fn crash(&mut self, [count, at_call, _]: [u64; 3]) {
        self.crashed_starting |= matches!(self.phase, Phase::Recovery | Phase::Again);
        let how = match (count, at_call) {
            _ if std::mem::take(&mut self.crashing) => "at a fault",
            (0, _) => "behind a request, or when all were through",
            (_, 0) => "at a scheduling point",
            _ => "at a call",
        };
        self.way(format!("crash: {how}, in {}", self.phase.name()));
    }

    /// Somebody has looked: what had fired counts.
    fn settle(&mut self) {
        for cell in std::mem::take(&mut self.open) {
            *self.fired.entry(cell).or_default() += 1;
        }
    }

    fn way(&mut self, name: String) {
        *self.ways.entry(name).or_default() += 1;
    }

    /// Counts what a plan has in store.
    pub fn plan(&mut self, plan: &Plan) {
        for life in &plan.lives {
            let strategy = life.threads.strategy.to_string();
            let mut words = strategy.split([' ', ':']);
            let name = match (words.next(), words.next()) {
                (Some("pct"), Some(depth)) => format!("strategy: pct of depth {depth}"),
                (name, _) => format!("strategy: {}", name.unwrap_or_default()),
            };
            self.way(name);
            for planned in &life.faults {
                let text = planned.fault.to_string();
                let kind = text.split(' ').next().unwrap_or_default().to_owned();
                *self.planned.entry((kind, planned.call)).or_default() += 1;
            }
        }
    }

    /// Adds what one run has covered.
    pub fn add(&mut self, other: &Self) {
        let marked = MARKS.iter().filter(|mark| other.marked(**mark) > 0).map(Mark::to_string);
        for name in other.fired.keys().map(Cell::to_string).chain(marked) {
            *self.runs.entry(name).or_default() += 1;
        }
        self.marks.iter_mut().zip(&other.marks).for_each(|(mine, theirs)| *mine += theirs);
        merge(&mut self.calls, &other.calls);
        merge(&mut self.fired, &other.fired);
        merge(&mut self.planned, &other.planned);
        merge(&mut self.ways, &other.ways);
    }

    /// How often something was seen that has no cell of its own.
    #[must_use]
    pub fn went(&self, way: &str) -> u64 {
        self.ways.get(way).copied().unwrap_or(0)
    }

    /// How often a mark was reached.
    #[must_use]
    pub fn marked(&self, mark: Mark) -> u64 {
        self.marks[mark as usize]
    }

    /// How often a fault fired in a cell, and was followed by a look.
    #[must_use]
    pub fn fired(&self, cell: &Cell) -> u64 {
        self.fired.get(cell).copied().unwrap_or(0)
    }
}

fn storage(call: Call) -> bool {
    !matches!(call, Call::Accept | Call::Read | Call::Write | Call::Wait)
}

fn merge<K: Ord + Clone>(into: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, count) in from {
        *into.entry(key.clone()).or_default() += count;
    }
}
