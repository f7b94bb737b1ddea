//! What a campaign has to reach, and what it cannot, with the reason in words.
//!
//! A cell of the matrix is a kind of fault, at a call for a kind of file, in a phase. The kinds of faults and the calls
//! that they can meet are those of [`PAIRS`] and whatever else plans have; of their cells, [`RULES`] takes out what
//! cannot be. A rule that names a cell which was reached after all is wrong, and a campaign says so.

use engram::base::mark::Mark;

use super::{Cell, Site};
use crate::disk::Kind;
use crate::faults::Call;
use crate::phase::{PHASES, Phase};

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
    ("full", &[Call::WriteAt, Call::Create, Call::Rename, Call::SetLen]),
    ("sync-dropped", &[Call::Sync]),
    ("sync-full", &[Call::Sync]),
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

/// A kind of file, and the phases in which a call is made for it.
type Place = (Kind, &'static [Phase]);

/// Which files a call is ever made for, and in which phases.
const MADE: &[(Call, &[Place])] = &[
    (Call::Open, &[(Kind::Log, STARTING), (Kind::Copy, RUNNING)]),
    (Call::Create, &[(Kind::Log, RUNNING), (Kind::Copy, STARTING), (Kind::Temporary, SAVING)]),
    (
        Call::Rename,
        &[(Kind::Log, RUNNING), (Kind::Copy, &PHASES), (Kind::Snapshot, STARTING), (Kind::Temporary, SAVING)],
    ),
    (
        Call::Remove,
        &[(Kind::Log, &PHASES), (Kind::Copy, &PHASES), (Kind::Snapshot, SAVING), (Kind::Temporary, SWEEPING)],
    ),
    (Call::List, &[(Kind::Any, &PHASES)]),
    (Call::SyncDir, &[(Kind::Any, &PHASES)]),
    (Call::Map, &[(Kind::Snapshot, STARTING)]),
    (Call::Size, &[(Kind::Log, STARTING)]),
    (Call::ReadAt, &[(Kind::Log, STARTING)]),
    (Call::WriteAt, &[(Kind::Log, &PHASES), (Kind::Copy, &PHASES), (Kind::Temporary, SAVING)]),
    (Call::SetLen, &[(Kind::Log, &PHASES), (Kind::Copy, RUNNING)]),
    (Call::Sync, &[(Kind::Log, &PHASES), (Kind::Copy, &PHASES), (Kind::Temporary, SAVING)]),
    (Call::Accept, &[(Kind::Any, SERVING)]),
    (Call::Read, &[(Kind::Any, SERVING)]),
    (Call::Write, &[(Kind::Any, RUNNING)]),
    (Call::Wait, &[(Kind::Any, &PHASES)]),
    (Call::Interest, &[(Kind::Any, RUNNING)]),
    (Call::Accepting, &[(Kind::Any, RUNNING)]),
];

const STARTING: &[Phase] = &[Phase::Recovery, Phase::Again];
const RUNNING: &[Phase] = &[Phase::Serving, Phase::Snapshot, Phase::Finishing];
const SERVING: &[Phase] = &[Phase::Serving, Phase::Snapshot];
const SAVING: &[Phase] = &[Phase::Snapshot, Phase::Finishing];
const SWEEPING: &[Phase] = &[Phase::Recovery, Phase::Again, Phase::Snapshot, Phase::Finishing];

/// Why cells cannot be reached, or rarely. An empty list stands for everything.
pub struct Rule {
    faults: &'static [&'static str],
    calls: &'static [Call],
    kinds: &'static [Kind],
    phases: &'static [Phase],
    /// The reason.
    pub why: &'static str,
}

impl Rule {
    fn names(&self, cell: &Cell) -> bool {
        fn all<T: PartialEq>(list: &[T], one: &T) -> bool {
            list.is_empty() || list.contains(one)
        }
        let Site { call, of } = cell.site;
        all(self.faults, &cell.fault.as_str())
            && all(self.calls, &call)
            && all(self.kinds, &of)
            && all(self.phases, &cell.phase)
    }
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.why)
    }
}

/// The rules, beside the table of calls that are made.
pub const RULES: &[Rule] = &[];

const NO_OTHER_VERSION: &str =
    "a header of another version, with a checksum that is right, comes from another binary only";

const BACKUPS_NEVER_FAIL: &str = "the disk for backups never fails, and each life has another one";

const LONG_RECORD: &str = "no plan's deletions are together longer than a record may be, a gigabyte";

/// Marks that no simulated run reaches, and why not.
pub const UNREACHABLE_MARKS: &[(Mark, &str)] = &[
    (Mark::SnapshotVersionRefused, NO_OTHER_VERSION),
    (Mark::VersionRefused, NO_OTHER_VERSION),
    (Mark::BackupLeft, BACKUPS_NEVER_FAIL),
    (Mark::BackupStays, BACKUPS_NEVER_FAIL),
    (Mark::ExpiriesFillRecord, LONG_RECORD),
    (Mark::ExpiredBehindRecord, LONG_RECORD),
    (Mark::RecordRefused, "what the log accepts fits the state it was accepted in, and the log has no holes"),
];

/// Every call for every kind of file that it is made for, in every phase in which it is.
pub fn places() -> impl Iterator<Item = (Call, Kind, Phase)> {
    let of_call = |(call, kinds): &'static (Call, &'static [Place])| {
        kinds.iter().flat_map(move |(of, phases)| phases.iter().map(move |phase| (*call, *of, *phase)))
    };
    MADE.iter().flat_map(of_call)
}

/// Why a cell cannot be reached; nothing for one that can.
#[must_use]
pub fn excuse(cell: &Cell) -> Option<&'static str> {
    let Cell { site: Site { call, of: kind }, phase, .. } = cell;
    let made = MADE.iter().filter(|(of, _)| of == call).flat_map(|(_, kinds)| *kinds);
    if !made.clone().any(|(of, _)| of == kind) {
        return Some("the call is not made for such files");
    }
    if !made.clone().any(|(of, phases)| of == kind && phases.contains(phase)) {
        return Some("the call is not made for such files in this phase");
    }
    RULES.iter().find(|rule| rule.names(cell)).map(|rule| rule.why)
}

/// What has no cell of its own and has to be seen as well.
pub const WAYS: &[&str] = &[
    "self-pipe: full",
    "self-pipe: merged",
    "self-pipe: late",
    "self-pipe: spurious",
    "pages: cut",
    "pages: touched behind a cut",
    "pages: changed",
    "order: SHUTDOWN",
    "order: SHUTDOWN NOSAVE",
    "order: SHUTDOWN SAVE",
    "order: SHUTDOWN NOSAVE NOW FORCE",
];

/// Why a mark cannot be reached; nothing for one that can.
#[must_use]
pub fn excuse_mark(mark: Mark) -> Option<&'static str> {
    UNREACHABLE_MARKS.iter().find(|(of, _)| *of == mark).map(|(_, why)| *why)
}
