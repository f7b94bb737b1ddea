//! What a file of the data directory is, by its name.

use std::fmt;
use std::str::FromStr;

/// What a file is. The simulator knows the names from the formats' descriptions, not from the engine's code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Any file, and the directory itself.
    #[default]
    Any,
    /// A segment of the log.
    Log,
    /// The copy of a segment that recovery makes, while it bears its temporary name.
    Copy,
    /// A published snapshot.
    Snapshot,
    /// A snapshot that is being written.
    Temporary,
}

/// Every kind, in the order of their numbers.
pub const KINDS: [Kind; 5] = [Kind::Any, Kind::Log, Kind::Copy, Kind::Snapshot, Kind::Temporary];

impl Kind {
    /// What the file called `name` is.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match (name.strip_prefix("wal-"), name.strip_prefix("snapshot-")) {
            (Some(rest), _) if rest.ends_with(".log") => Self::Log,
            (Some(rest), _) if rest.ends_with(".log.tmp") => Self::Copy,
            (_, Some(rest)) if rest.ends_with(".snap") => Self::Snapshot,
            (_, Some(rest)) if rest.ends_with(".tmp") => Self::Temporary,
            _ => Self::Any,
        }
    }

    /// Its name in plans and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Log => "log",
            Self::Copy => "copy",
            Self::Snapshot => "snapshot",
            Self::Temporary => "temporary",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        KINDS.into_iter().find(|kind| kind.name() == name).ok_or_else(|| format!("no kind of file `{name}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_a_file_is() {
        let kinds = [
            ("wal-00000000000000000001.log", Kind::Log),
            ("wal-00000000000000000001.log.tmp", Kind::Copy),
            ("snapshot-00000000000000000007.snap", Kind::Snapshot),
            ("snapshot-00000000000000000007.moving.snap", Kind::Snapshot),
            ("snapshot-00000000000000000007.tmp", Kind::Temporary),
            ("lock", Kind::Any),
            ("", Kind::Any),
        ];
        for (name, kind) in kinds {
            assert_eq!(Kind::of(name), kind, "{name}");
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
    }
}
