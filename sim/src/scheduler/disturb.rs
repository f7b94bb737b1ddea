//! Threads that are disturbed at a scheduling point of the plan's choice: one that gets no processor for a while, and
//! one that panics.

use std::fmt;
use std::str::FromStr;

/// What happens to the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// It does not run for so many virtual nanoseconds, whatever it holds.
    Stall(u64),
    /// The point panics, with a message. Planned only where the engine contains panics: inside a worker's job.
    Panic,
}

/// A thread disturbed, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disturbance {
    /// What happens.
    pub blow: Blow,
    /// At which passage, counted from 1 over all threads whose names fit.
    pub passage: u64,
    /// What the thread's name begins with.
    pub thread: String,
    /// The point, by its site.
    pub site: String,
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.blow {
            Blow::Stall(nanos) => write!(f, "stall:{nanos}")?,
            Blow::Panic => f.write_str("panic")?,
        }
        write!(f, " {} {}@{}", self.passage, self.thread, self.site)
    }
}

impl FromStr for Disturbance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no disturbance `stall:NANOS|panic PASSAGE THREAD@SITE`");
        let (blow, rest) = text.split_once(' ').ok_or_else(wrong)?;
        let (passage, place) = rest.split_once(' ').ok_or_else(wrong)?;
        let (thread, site) = place.split_once('@').ok_or_else(wrong)?;
        let number = |word: &str| word.parse::<u64>().map_err(|_| wrong());
        let blow = match blow.split_once(':') {
            Some(("stall", nanos)) => Blow::Stall(number(nanos)?),
            None if blow == "panic" => Blow::Panic,
            _ => return Err(wrong()),
        };
        let passage = number(passage)?;
        Ok(Self { blow, passage, thread: thread.to_owned(), site: site.to_owned() })
    }
}

/// Hears of a disturbance when it happens.
pub(super) type Hear = dyn Fn(&Disturbance) + Send + Sync;

/// The disturbances of a life that are still to come.
#[derive(Debug, Default)]
pub(super) struct Disturbances {
    /// With the passages that are still to come before each.
    left: Vec<(u64, Disturbance)>,
}

impl Disturbances {
    pub(super) fn new(planned: &[Disturbance]) -> Self {
        Self { left: planned.iter().map(|planned| (planned.passage, planned.clone())).collect() }
    }

    /// True when no point has to be looked at any more.
    pub(super) fn is_over(&self) -> bool {
        self.left.is_empty()
    }

    /// How many have not happened.
    pub(super) fn left(&self) -> u64 {
        self.left.len() as u64
    }

    /// Counts a passage, and says what happens there. Of two for the same passage the second happens at the next.
    pub(super) fn pass(&mut self, thread: &str, site: &str) -> Option<Disturbance> {
        let mut due = None;
        for (number, (passages, planned)) in self.left.iter_mut().enumerate() {
            if planned.site == site && thread.starts_with(&planned.thread) {
                *passages = passages.saturating_sub(1);
                if *passages == 0 && due.is_none() {
                    due = Some(number);
                }
            }
        }
        due.map(|number| self.left.remove(number).1)
    }
}
