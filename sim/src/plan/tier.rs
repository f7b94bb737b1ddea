//! What an acknowledgement means in a plan: how soon the server makes survive what it has said yes to.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use super::Op;

/// When the server syncs its log; the strictest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Before it answers.
    #[default]
    Always,
    /// About once a second.
    EverySecond,
    /// When a segment is closed, and in the end.
    No,
}

const NAMES: [(&str, Tier); 3] =
    [("always", Tier::Always), ("everysec", Tier::EverySecond), ("no", Tier::No)];

impl Display for Tier {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let name = NAMES.iter().find(|(_, tier)| tier == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl FromStr for Tier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = NAMES.iter().find(|(name, _)| *name == text);
        known.map(|(_, tier)| *tier).ok_or_else(|| format!("no tier `{text}`"))
    }
}

impl Tier {
    /// The tier that `op` orders at run time, if it does.
    #[must_use]
    pub fn ordered(op: &Op) -> Option<Self> {
        match op {
            Op::ConfigSet { name, value } if name == "appendfsync" || name == "fsync" => value.parse().ok(),
            _ => None,
        }
    }

    /// The request that orders it.
    #[must_use]
    pub fn order(self) -> Op {
        Op::ConfigSet { name: "appendfsync".to_owned(), value: self.to_string() }
    }
}

impl From<Tier> for engram::wal::Tier {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::Always => Self::Always,
            Tier::EverySecond => Self::EverySecond,
            Tier::No => Self::No,
        }
    }
}
