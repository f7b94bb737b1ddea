//! What a campaign has to reach, and what it cannot, with the reason in words.
//!
//! A cell of the matrix is a kind of fault, at a call for a kind of file, in a phase. The kinds of faults and the calls
//! that they can meet are those of [`PAIRS`] and whatever else plans have; of their cells, [`RULES`] takes out what
//! cannot be. A rule that names a cell which was reached after all is wrong, and a campaign says so.

use engram::base::mark::Mark;

use super::{Cell, PHASES, Phase, Site};
use crate::disk::Kind;
use crate::faults::Call;

/// Kinds of faults, and the calls that plans must have them for.
pub const PAIRS: &[(&str, &[Call])] = &[
    ("short", &[Call::WriteAt, Call::ReadAt]),
    ("interrupted", &[Call::WriteAt, Call::ReadAt, Call::Read, Call::Write]),
    ("slow", &[Call::Sync, Call::WriteAt]),
    (
        "io",
        &[
            Call::WriteAt,
            Call::Create,
            Call::Open,
            Call::Rename,
            Call::Remove,
            Call::Map,
            Call::ReadAt,
            Call::SyncDir,
            Call::Sync,
            Call::SetLen,
        ],
    ),
    ("io-half", &[Call::WriteAt]),
    ("full", &[Call::WriteAt, Call::Create]),
    ("sync-dropped", &[Call::Sync]),
    ("sync-reverted", &[Call::Sync]),
    ("reset", &[Call::Read, Call::Write]),
    ("aborted", &[Call::Accept]),
    ("no-descriptors", &[Call::Accept]),
    ("spurious", &[Call::Wait]),
    (
        "crash",
        &[Call::WriteAt, Call::Sync, Call::SyncDir, Call::Create, Call::Rename, Call::Remove, Call::SetLen],
    ),
    ("crash-short", &[Call::WriteAt]),
];

/// Which files a call is ever made for, and in which phases.
const MADE: &[(Call, &[(Kind, &[Phase])])] = &[
    (Call::Open, &[(Kind::Log, STARTING)]),
    (Call::Create, &[(Kind::Log, RUNNING), (Kind::Copy, STARTING), (Kind::Temporary, SAVING)]),
    (Call::Rename, &[(Kind::Copy, STARTING), (Kind::Temporary, SAVING)]),
    (
        Call::Remove,
        &[
            (Kind::Log, &PHASES),
            (Kind::Copy, STARTING),
            (Kind::Snapshot, SWEEPING),
            (Kind::Temporary, SWEEPING),
        ],
    ),
    (Call::List, &[(Kind::Any, SWEEPING)]),
    (Call::SyncDir, &[(Kind::Any, &PHASES)]),
    (Call::Map, &[(Kind::Snapshot, STARTING)]),
    (Call::Size, &[(Kind::Log, STARTING)]),
    (Call::ReadAt, &[(Kind::Log, STARTING)]),
    (Call::WriteAt, &[(Kind::Log, RUNNING), (Kind::Copy, STARTING), (Kind::Temporary, SAVING)]),
    (Call::SetLen, &[(Kind::Log, &PHASES)]),
    (Call::Sync, &[(Kind::Log, &PHASES), (Kind::Copy, STARTING), (Kind::Temporary, SAVING)]),
    (Call::Accept, &[(Kind::Any, SERVING)]),
    (Call::Read, &[(Kind::Any, SERVING)]),
    (Call::Write, &[(Kind::Any, RUNNING)]),
    (Call::Wait, &[(Kind::Any, RUNNING)]),
];

const STARTING: &[Phase] = &[Phase::Recovery, Phase::Again];
const RUNNING: &[Phase] = &[Phase::Serving, Phase::Snapshot, Phase::Finishing];
const SERVING: &[Phase] = &[Phase::Serving, Phase::Snapshot];
const SAVING: &[Phase] = &[Phase::Snapshot, Phase::Finishing];
const SWEEPING: &[Phase] = &[Phase::Recovery, Phase::Again, Phase::Snapshot, Phase::Finishing];

/// Why cells cannot be reached. An empty list stands for everything.
pub struct Rule {
    faults: &'static [&'static str],
    calls: &'static [Call],
    kinds: &'static [Kind],
    phases: &'static [Phase],
    /// The reason.
    pub why: &'static str,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.why)
    }
}

/// The rules, beside the table of calls that are made.
pub const RULES: &[Rule] = &[];

/// Marks that no simulated run reaches, and why not.
pub const UNREACHABLE_MARKS: &[(Mark, &str)] = &[];

/// Why a cell cannot be reached; nothing for one that can.
#[must_use]
pub fn excuse(cell: &Cell) -> Option<&'static str> {
    let Cell { fault, site: Site { call, of: kind }, phase } = cell;
    let made = MADE.iter().filter(|(of, _)| of == call).flat_map(|(_, kinds)| *kinds);
    if !made.clone().any(|(of, _)| of == kind) {
        return Some("the call is not made for such files");
    }
    if !made.clone().any(|(of, phases)| of == kind && phases.contains(phase)) {
        return Some("the call is not made for such files in this phase");
    }
    fn all<T: PartialEq>(list: &[T], one: &T) -> bool {
        list.is_empty() || list.contains(one)
    }
    let applies = |rule: &&Rule| {
        all(rule.faults, &fault.as_str())
            && all(rule.calls, call)
            && all(rule.kinds, kind)
            && all(rule.phases, phase)
    };
    RULES.iter().find(applies).map(|rule| rule.why)
}

/// Why a mark cannot be reached; nothing for one that can.
#[must_use]
pub fn excuse_mark(mark: Mark) -> Option<&'static str> {
    UNREACHABLE_MARKS.iter().find(|(of, _)| *of == mark).map(|(_, why)| *why)
}
