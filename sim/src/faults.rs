//! Faults by call index: which call of a door goes wrong, and how.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::disk::{Blame, Decay, KINDS, Kind, Place, Told};
use crate::phase::{PHASES, Phase};
use crate::scheduler::{Blow, Disturbance};

/// A kind of call at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the door's method of that name")]
pub enum Call {
    Open,
    Create,
    Rename,
    Remove,
    List,
    SyncDir,
    Map,
    Size,
    ReadAt,
    WriteAt,
    SetLen,
    Sync,
    Accept,
    Read,
    Write,
    Wait,
    Interest,
    Accepting,
}

/// Every kind of call, in the order of their numbers.
pub const CALLS: [Call; 18] = [
    Call::Open,
    Call::Create,
    Call::Rename,
    Call::Remove,
    Call::List,
    Call::SyncDir,
    Call::Map,
    Call::Size,
    Call::ReadAt,
    Call::WriteAt,
    Call::SetLen,
    Call::Sync,
    Call::Accept,
    Call::Read,
    Call::Write,
    Call::Wait,
    Call::Interest,
    Call::Accepting,
];

impl Call {
    /// Whether it is a call at the storage's doors.
    #[must_use]
    pub fn is_storage(self) -> bool {
        self <= Self::Sync
    }

    /// Its name in plans, traces and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Create => "create_new",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::List => "list",
            Self::SyncDir => "sync_dir",
            Self::Map => "map",
            Self::Size => "size",
            Self::ReadAt => "read_at",
            Self::WriteAt => "write_at",
            Self::SetLen => "set_len",
            Self::Sync => "sync",
            Self::Accept => "accept",
            Self::Read => "read",
            Self::Write => "write",
            Self::Wait => "wait",
            Self::Interest => "interest",
            Self::Accepting => "accepting",
        }
    }
}

/// What goes wrong. A fault that means nothing to the call it is planned for does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Only this many thousandths of the bytes are moved, at least one.
    Short(u16),
    /// Interrupted by a signal; nothing has happened.
    Interrupted,
    /// An input/output error; nothing has happened, but a failed sync keeps its pages dirty.
    Io,
    /// An input/output error after half of a write.
    IoHalf,
    /// A failed sync whose pages are dropped and count as clean: a later sync succeeds without them.
    SyncDropped,
    /// The same where the disk is full: blocks that are found at writeback only are not found, and the pages are gone.
    SyncFull,
    /// A failed sync after which the process reads the old bytes again.
    SyncReverted,
    /// A sync that succeeds although its pages are dropped; the error is reported by the next sync, of whichever handle.
    SyncLate,
    /// A write that never reaches the medium though everything succeeds, or a sync that makes nothing safe.
    Lost,
    /// A write that reaches the medium at this place instead of its own.
    Stray(Place),
    /// In what a read or a map returns this bit of the byte at so many thousandths is wrong, and nowhere else.
    RotOnce(u16, u8),
    /// The medium changes while the call begins.
    Decay(Decay),
    /// The disk is full for this and the following calls that need room, so many of them.
    Full(u32),
    /// The call takes this many virtual nanoseconds.
    Slow(u64),
    /// Nothing to be had at this moment, although there is.
    WouldBlock,
    /// The peer resets the connection now.
    Reset,
    /// A connection to be accepted is gone already.
    Aborted,
    /// No descriptor is left for a new connection in the process (`EMFILE`).
    NoDescriptors,
    /// No descriptor is left in the whole system (`ENFILE`).
    TableFull,
    /// The kernel has no memory for it (`ENOMEM`).
    NoMemory,
    /// As [`Fault::WouldBlock`], for this and so many following reads, writes and accepts, whatever readiness says.
    Storm(u32),
    /// An event that nothing stands behind.
    Spurious,
    /// The machine stops, this many virtual nanoseconds after the call has begun; at once, before it has an effect,
    /// for zero.
    Crash(u64),
    /// The machine stops in the middle of a write, of which this many thousandths have been moved.
    CrashShort(u16),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(permille) => write!(f, "short {permille}"),
            Self::Interrupted => write!(f, "interrupted"),
            Self::Io => write!(f, "io"),
            Self::IoHalf => write!(f, "io-half"),
            Self::SyncDropped => write!(f, "sync-dropped"),
            Self::SyncFull => write!(f, "sync-full"),
            Self::SyncReverted => write!(f, "sync-reverted"),
            Self::SyncLate => write!(f, "sync-late"),
            Self::Lost => write!(f, "lost"),
            Self::Stray(place) => write!(f, "stray {place}"),
            Self::RotOnce(part, bit) => write!(f, "rot-once {part} {bit}"),
            Self::Decay(decay) => write!(f, "decay {decay}"),
            Self::Full(calls) => write!(f, "full {calls}"),
            Self::Slow(nanos) => write!(f, "slow {nanos}"),
            Self::WouldBlock => write!(f, "would-block"),
            Self::Reset => write!(f, "reset"),
            Self::Aborted => write!(f, "aborted"),
            Self::NoDescriptors => write!(f, "no-descriptors"),
            Self::TableFull => write!(f, "table-full"),
            Self::NoMemory => write!(f, "no-memory"),
            Self::Storm(calls) => write!(f, "storm {calls}"),
            Self::Spurious => write!(f, "spurious"),
            Self::Crash(nanos) => write!(f, "crash {nanos}"),
            Self::CrashShort(permille) => write!(f, "crash-short {permille}"),
        }
    }
}

impl FromStr for Call {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        CALLS.into_iter().find(|call| call.name() == name).ok_or_else(|| format!("no call `{name}`"))
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once(' ').unwrap_or((text, ""));
        Ok(match name {
            "short" => Self::Short(number(value)?),
            "interrupted" => Self::Interrupted,
            "io" => Self::Io,
            "io-half" => Self::IoHalf,
            "sync-dropped" => Self::SyncDropped,
            "sync-full" => Self::SyncFull,
            "sync-reverted" => Self::SyncReverted,
            "sync-late" => Self::SyncLate,
            "lost" => Self::Lost,
            "stray" => Self::Stray(value.parse()?),
            "rot-once" => {
                let (part, bit) = value.split_once(' ').ok_or("a rot needs its place and bit")?;
                Self::RotOnce(number(part)?, number(bit)?)
            }
            "decay" => Self::Decay(value.parse()?),
            "full" => Self::Full(number(value)?),
            "slow" => Self::Slow(number(value)?),
            "would-block" => Self::WouldBlock,
            "reset" => Self::Reset,
            "aborted" => Self::Aborted,
            "no-descriptors" => Self::NoDescriptors,
            "table-full" => Self::TableFull,
            "no-memory" => Self::NoMemory,
            "storm" => Self::Storm(number(value)?),
            "spurious" => Self::Spurious,
            "crash" => Self::Crash(number(value)?),
            "crash-short" => Self::CrashShort(number(value)?),
            _ => return Err(format!("no fault `{name}`")),
        })
    }
}

fn number<T: FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("`{word}` is no number of the size that is wanted here"))
}

impl Fault {
    /// Whether the server may refuse writes, or refuse to start, because of it.
    #[must_use]
    pub fn harms_storage(self) -> bool {
        self.drops_pages() || matches!(self, Self::Io | Self::IoHalf | Self::SyncReverted | Self::Full(_))
    }

    /// Whether what a sync should have made safe is in the cache alone, and counts as clean.
    fn drops_pages(self) -> bool {
        matches!(self, Self::SyncDropped | Self::SyncFull | Self::SyncLate)
    }

    /// Whether the machine stops.
    #[must_use]
    pub fn stops(self) -> bool {
        matches!(self, Self::Crash(_) | Self::CrashShort(_))
    }

    /// Whether the medium itself lies or changes: then more is kept in mind, see [`crate::disk::Disk::watch`].
    #[must_use]
    pub fn harms_medium(self) -> bool {
        // Pages that a failed sync has dropped are trusted where there is no room for a copy: then a later one has lied.
        self.drops_pages() || matches!(self, Self::Lost | Self::Stray(_) | Self::RotOnce(..) | Self::Decay(_))
    }
}

/// One planned fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Which kind of call.
    pub call: Call,
    /// Which kind of file it is about; only calls for such files are counted then.
    pub of: Kind,
    /// What the server has to be doing; only calls that it makes then are counted.
    pub during: Option<Phase>,
    /// Which of these calls in this life, counted from 1.
    pub index: u64,
    /// What goes wrong.
    pub fault: Fault,
}

impl Planned {
    /// A fault at a call for whichever file, or for none.
    #[must_use]
    pub fn new(call: Call, index: u64, fault: Fault) -> Self {
        Self { call, of: Kind::Any, during: None, index, fault }
    }

    /// The same at a call for a file of kind `of`.
    #[must_use]
    pub fn of(self, of: Kind) -> Self {
        Self { of, ..self }
    }

    /// The same at a call that is made in this phase.
    #[must_use]
    pub fn during(self, phase: Phase) -> Self {
        Self { during: Some(phase), ..self }
    }

    /// Whether the server may refuse to start, or to save, because of it.
    #[must_use]
    pub fn harms_storage(self) -> bool {
        let moves = matches!(self.call, Call::ReadAt | Call::WriteAt);
        let interrupted = self.fault == Fault::Interrupted && self.call.is_storage() && !moves;
        self.fault.harms_storage() || self.plants() || interrupted
    }

    /// Whether a file turns up where another may be about to be created, or in the place of the log's, or one is gone.
    fn plants(&self) -> bool {
        let Fault::Decay(decay) = self.fault else { return false };
        matches!(
            decay,
            Decay::Double(_)
                | Decay::Return(_)
                | Decay::Remove(_)
                | Decay::Replace(Place { of: Kind::Log, .. })
        )
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.call.name())?;
        if self.of != Kind::Any {
            write!(f, " of {}", self.of)?;
        }
        if let Some(phase) = self.during {
            write!(f, " in {phase}")?;
        }
        write!(f, " {} {}", self.index, self.fault)
    }
}

impl FromStr for Planned {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no call, index and fault");
        let (call, mut rest) = text.split_once(' ').ok_or_else(wrong)?;
        let mut of = Kind::Any;
        if let Some(kind_and_rest) = rest.strip_prefix("of ") {
            let (kind, behind) = kind_and_rest.split_once(' ').ok_or_else(wrong)?;
            (of, rest) = (kind.parse()?, behind);
        }
        let mut during = None;
        if let Some(phase_and_rest) = rest.strip_prefix("in ") {
            let (phase, behind) = phase_and_rest.split_once(' ').ok_or_else(wrong)?;
            (during, rest) = (Some(phase.parse()?), behind);
        }
        let (index, fault) = rest.split_once(' ').ok_or_else(wrong)?;
        Ok(Self { call: call.parse()?, of, during, index: number(index)?, fault: fault.parse()? })
    }
}

/// Where a fault is planned: the call, the kind of file, the phase, and which of these.
type At = (Call, Kind, Option<Phase>, u64);

/// The faults of one life, and how far it has come.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    planned: BTreeMap<At, Fault>,
    /// Calls so far, by kind of file; in all phases, and behind that in each.
    made: [[[u64; 1 + PHASES.len()]; KINDS.len()]; CALLS.len()],
    fired: Vec<Planned>,
    /// What the server cannot be blamed for, as the disk has worked it out so far.
    pub blame: Blame,
    /// The errors that its data directory's doors have told it.
    pub told: Told,
    /// Vectors that the server serves from a map are not what they were.
    pub map_changed: bool,
    disturbed: Vec<Disturbance>,
    /// The log, or what recovery puts in its place, has met a full disk.
    no_room_for_log: bool,
    /// When that was last so, in virtual nanoseconds.
    refused_room: u64,
    /// When somebody has last taken a file away.
    robbed: Option<u64>,
}

impl Faults {
    /// The faults `planned`; the last one stands where two name the same call.
    #[must_use]
    pub fn new(planned: &[Planned]) -> Self {
        let planned = planned.iter().map(|p| ((p.call, p.of, p.during, p.index), p.fault)).collect();
        Self { planned, ..Self::default() }
    }

    /// Counts a call that is about no file and says whether it goes wrong.
    pub fn next(&mut self, call: Call, phase: Phase) -> Option<Fault> {
        self.next_of(call, Kind::Any, phase)
    }

    /// Counts a call for a file of kind `of`, made in `phase`, and says whether it goes wrong. Where the plan has several
    /// faults for it, for the kind or any and for the phase or any, all have had their turn and the most particular one is
    /// what happens.
    pub fn next_of(&mut self, call: Call, of: Kind, phase: Phase) -> Option<Fault> {
        let any = self.count(call, Kind::Any, phase);
        let own = if of == Kind::Any { None } else { self.count(call, of, phase) };
        let fired = own.or(any)?;
        self.fired.push(Planned { of, ..fired });
        Some(fired.fault)
    }

    fn count(&mut self, call: Call, of: Kind, phase: Phase) -> Option<Planned> {
        let made = &mut self.made[call as usize][of as usize];
        let mut fired = None;
        for during in [None, Some(phase)] {
            let made = &mut made[during.map_or(0, |phase| 1 + phase as usize)];
            *made += 1;
            if !self.planned.is_empty() {
                let (index, fault) = (*made, self.planned.remove(&(call, of, during, *made)));
                fired = fault.map(|fault| Planned { call, of, during, index, fault }).or(fired);
            }
        }
        fired
    }

    /// Whether the log may have failed because of something that has happened.
    #[must_use]
    pub fn harmed_log(&self) -> bool {
        self.may_refuse() || self.told.killed_log()
    }

    /// A thread was disturbed.
    pub fn disturbed(&mut self, disturbance: &Disturbance) {
        self.disturbed.push(disturbance.clone());
    }

    /// How many threads have panicked because the plan had it so.
    #[must_use]
    pub fn panics(&self) -> usize {
        self.disturbed.iter().filter(|disturbance| disturbance.blow == Blow::Panic).count()
    }

    /// There was no room for a file of kind `of` at `now`.
    pub fn ran_out_of_room(&mut self, of: Kind, now: u64) {
        if matches!(of, Kind::Log | Kind::Copy) {
            (self.no_room_for_log, self.refused_room) = (true, now);
        }
    }

    /// When there was no room for the log for the last time; since then there has been.
    #[must_use]
    pub fn refused_room(&self) -> Option<u64> {
        self.no_room_for_log.then_some(self.refused_room)
    }

    /// Somebody has taken a file away at `now`.
    pub fn robbed(&mut self, now: u64) {
        self.robbed = Some(now);
    }

    /// When that was so for the last time.
    #[must_use]
    pub fn robbed_at(&self) -> Option<u64> {
        self.robbed
    }

    /// Whether writes may have been refused for a while: there was no room for the log, or a file was taken away.
    #[must_use]
    pub fn may_refuse(&self) -> bool {
        self.no_room_for_log || self.robbed.is_some()
    }

    /// What has not come to pass, each as a line of a plan: faults whose call was not made, and those of `disturbances` that
    /// no thread has met.
    #[must_use]
    pub fn unmet(&self, disturbances: &[Disturbance]) -> Vec<String> {
        let left = self.planned.iter().map(|((call, of, during, index), fault)| {
            let planned = Planned { call: *call, of: *of, during: *during, index: *index, fault: *fault };
            format!("fault {planned}")
        });
        let mut met = self.disturbed.clone();
        let missed = disturbances.iter().filter(|planned| {
            let place = met.iter().position(|other| other == *planned);
            place.map(|place| met.swap_remove(place)).is_none()
        });
        left.chain(missed.map(|planned| format!("disturb {planned}"))).collect()
    }

    /// What has gone wrong so far; each with the kind of the file that it has hit.
    #[must_use]
    pub fn fired(&self) -> &[Planned] {
        &self.fired
    }
}
