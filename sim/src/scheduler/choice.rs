//! One choice of a schedule, as data: a schedule is the list of those that differ from what happens by itself.
//!
//! By itself the running thread goes on; when it cannot, the lowest-numbered one that can run is next; and of many
//! that wait for one wake-up, the lowest-numbered gets it.

use std::fmt;
use std::str::FromStr;

/// A choice that differs from what would have happened by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Choice {
    /// The step at which it was made, counted from 1; 0 is the life's start.
    pub step: u64,
    /// Which choice of that step: a step has one (0) unless threads end or one of many waiters is woken before the
    /// next.
    pub nth: u32,
    /// The thread chosen, by its number in order of start.
    pub thread: usize,
}

impl Choice {
    /// When it is due: choices are made in this order.
    pub(super) fn due(&self) -> (u64, u32) {
        (self.step, self.nth)
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.nth {
            0 => write!(f, "{}>{}", self.step, self.thread),
            nth => write!(f, "{}.{nth}>{}", self.step, self.thread),
        }
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no choice STEP>THREAD or STEP.NTH>THREAD");
        let (when, thread) = text.split_once('>').ok_or_else(wrong)?;
        let (step, nth) = when.split_once('.').unwrap_or((when, "0"));
        let number = |word: &str| word.parse::<u64>().map_err(|_| wrong());
        let nth = u32::try_from(number(nth)?).map_err(|_| wrong())?;
        let thread = usize::try_from(number(thread)?).map_err(|_| wrong())?;
        Ok(Self { step: number(step)?, nth, thread })
    }
}
