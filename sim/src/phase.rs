//! Phases of a server's life, as its marks tell them.

use std::fmt;
use std::str::FromStr;

use engram::base::mark::Mark;

/// What a server is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It starts, after a life that had come to serving.
    #[default]
    Recovery,
    /// It starts, after a crash in a recovery.
    Again,
    /// It serves.
    Serving,
    /// It serves while a snapshot is being written.
    Snapshot,
    /// It finishes.
    Finishing,
}

/// Every phase, in the order of their numbers.
pub const PHASES: [Phase; 5] =
    [Phase::Recovery, Phase::Again, Phase::Serving, Phase::Snapshot, Phase::Finishing];

impl Phase {
    /// Its name in plans and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Recovery => "recovery",
            Self::Again => "recovery-again",
            Self::Serving => "serving",
            Self::Snapshot => "snapshot",
            Self::Finishing => "finishing",
        }
    }

    /// Whether it starts, and does not serve yet.
    #[must_use]
    pub fn is_start(self) -> bool {
        matches!(self, Self::Recovery | Self::Again)
    }

    /// The phase behind a mark.
    #[must_use]
    pub fn after(self, mark: Mark) -> Self {
        match mark {
            Mark::Serving | Mark::SnapshotEnded if self != Self::Finishing => Self::Serving,
            Mark::SnapshotBegun => Self::Snapshot,
            Mark::Finishing => Self::Finishing,
            _ => self,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Phase {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = PHASES.into_iter().find(|phase| phase.name() == name);
        known.ok_or_else(|| format!("no phase `{name}`"))
    }
}
