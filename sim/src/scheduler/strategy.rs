//! Which thread runs next: the choices of one seed, or those of a list.
//!
//! PCT after Burckhardt, Kothari, Musuvathi and Nagarakatte, "A Randomized Scheduler with Probabilistic Guarantees of
//! Finding Bugs", ASPLOS 2010: random priorities, the highest ready one runs, and at `depth - 1` random steps the
//! running thread falls below all others.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use engram::base::rng::Rng;

use super::Choice;

/// How a scheduler chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Keeps the running thread until it blocks.
    Calm,
    /// Hands over to a random ready thread, once in `one_in` steps on average.
    Uniform {
        /// Mean steps between two switches; at least 1.
        one_in: u64,
    },
    /// Random priorities, changed at `depth - 1` random steps among the first `horizon`.
    Pct {
        /// Orderings of events that a bug may need.
        depth: u64,
        /// Steps that a run is expected to have.
        horizon: u64,
    },
    /// Uniform, but one thread does not run while another can, until `steps` have passed.
    Starve {
        /// The number of the thread, in order of its start.
        victim: usize,
        /// For how long.
        steps: u64,
        /// As in [`Strategy::Uniform`].
        one_in: u64,
    },
    /// What happens by itself, save for these choices, in order of their steps. One that cannot be made, since its
    /// thread cannot run then, or since nothing is to be chosen then, is passed over and counted.
    Listed(Arc<[Choice]>),
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calm => write!(f, "calm"),
            Self::Uniform { one_in } => write!(f, "uniform:{one_in}"),
            Self::Pct { depth, horizon } => write!(f, "pct:{depth}:{horizon}"),
            Self::Starve { victim, steps, one_in } => write!(f, "starve:{victim}:{steps}:{one_in}"),
            Self::Listed(choices) => {
                let words: Vec<String> = choices.iter().map(Choice::to_string).collect();
                write!(f, "listed:{}", words.join(","))
            }
        }
    }
}

/// Most changes of priority that a schedule may have.
const DEEPEST: u64 = 1_000;

impl FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(list) = text.strip_prefix("listed:") {
            let words = list.split(',').filter(|word| !word.is_empty());
            return Ok(Self::Listed(words.map(str::parse).collect::<Result<_, _>>()?));
        }
        let mut words = text.split(':');
        let name = words.next().unwrap_or_default();
        let mut number = || {
            let word = words.next().ok_or_else(|| format!("`{text}` lacks a number"))?;
            word.parse::<u64>().map_err(|_| format!("`{word}` is no number"))
        };
        Ok(match name {
            "calm" => Self::Calm,
            "uniform" => Self::Uniform { one_in: number()?.max(1) },
            "pct" => match (number()?, number()?.max(1)) {
                (depth @ 0..=DEEPEST, horizon) => Self::Pct { depth, horizon },
                (depth, _) => return Err(format!("{depth} is deeper than {DEEPEST}")),
            },
            "starve" => {
                let victim = usize::try_from(number()?).map_err(|_| "no such thread")?;
                Self::Starve { victim, steps: number()?, one_in: number()?.max(1) }
            }
            _ => return Err(format!("no strategy `{name}`")),
        })
    }
}

impl Strategy {
    /// How many switches a listed schedule has; for one that is drawn, 1 unless it is calm.
    #[must_use]
    pub fn switches(&self) -> usize {
        match self {
            Self::Calm => 0,
            Self::Listed(choices) => choices.len(),
            _ => 1,
        }
    }

    /// Takes one of [`Strategy::switches`] out.
    pub fn drop_switch(&mut self, number: usize) {
        *self = match self {
            Self::Listed(choices) => {
                let rest = choices.iter().enumerate().filter(|(at, _)| *at != number);
                Self::Listed(rest.map(|(_, choice)| *choice).collect())
            }
            _ => Self::Calm,
        };
    }
}

/// A strategy at work.
#[derive(Debug)]
pub(super) struct Chooser {
    strategy: Strategy,
    rng: Rng,
    /// The point at which the running thread may have to make way next.
    next_switch: u64,
    /// PCT: a thread's priority, by its number, and the points at which the running one loses its own, the last first.
    priorities: Vec<u64>,
    changes: Vec<u64>,
    lowest: u64,
    /// How many choices of a list have been dealt with, and how many of them could not be made.
    dealt: usize,
    unmatched: u64,
}

/// Where in a life a choice is to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) step: u64,
    pub(super) nth: u32,
    /// Scheduling points so far, blocking not counted.
    pub(super) points: u64,
}

impl Chooser {
    pub(super) fn new(strategy: Strategy, mut rng: Rng) -> Self {
        let mut changes = Vec::new();
        if let Strategy::Pct { depth, horizon } = strategy {
            changes = (1..depth).map(|_| rng.below(horizon)).collect();
            changes.sort_unstable_by(|a, b| b.cmp(a));
            changes.dedup();
        }
        let strategy = match strategy {
            Strategy::Listed(choices) if !choices.is_sorted() => {
                let mut choices = choices.to_vec();
                choices.sort_unstable();
                Strategy::Listed(choices.into())
            }
            other => other,
        };
        let mut this = Self {
            strategy,
            rng,
            next_switch: 0,
            priorities: Vec::new(),
            changes,
            lowest: u64::MAX / 4,
            dealt: 0,
            unmatched: 0,
        };
        this.plan_switch(0);
        this
    }

    /// Whether it matters at once when another thread becomes ready.
    pub(super) fn is_eager(&self) -> bool {
        matches!(self.strategy, Strategy::Pct { .. })
    }

    /// The first step after `now` at which the running thread may have to make way, if no other becomes ready.
    pub(super) fn next_step(&self, now: Moment) -> u64 {
        let blocked = now.step - now.points;
        match &self.strategy {
            Strategy::Pct { .. } => self.changes.last().map_or(u64::MAX, |&point| point + blocked),
            Strategy::Listed(choices) => choices.get(self.dealt).map_or(u64::MAX, |choice| choice.step),
            _ => self.next_switch.saturating_add(blocked),
        }
    }

    /// Who runs on at a point that `current` has reached? `ready` says who could, `current` among them.
    pub(super) fn preempt(&mut self, now: Moment, current: usize, ready: &[usize]) -> usize {
        match self.strategy {
            Strategy::Pct { .. } => {
                while self.changes.last().is_some_and(|&point| point <= now.points) {
                    if self.changes.pop() == Some(now.points) {
                        self.lower(current);
                    }
                }
                self.choose(now, ready)
            }
            Strategy::Listed(_) => self.listed(now, ready).unwrap_or(current),
            _ if now.points < self.next_switch => current,
            _ => {
                self.plan_switch(now.points);
                self.choose(now, ready)
            }
        }
    }

    /// Who of `ready`, which is not empty, is next when the running thread cannot go on.
    pub(super) fn next(&mut self, now: Moment, ready: &[usize]) -> usize {
        match self.strategy {
            Strategy::Listed(_) => self.listed(now, ready).unwrap_or(ready[0]),
            _ => self.choose(now, ready),
        }
    }

    /// Who of `waiting`, at least two, gets a wake-up that is for one.
    pub(super) fn waiter(&mut self, now: Moment, waiting: &[usize]) -> usize {
        match self.strategy {
            Strategy::Listed(_) => self.listed(now, waiting).unwrap_or(waiting[0]),
            _ => waiting[self.rng.index(waiting.len())],
        }
    }

    /// Choices of a list that were not made.
    pub(super) fn unmatched(&self) -> u64 {
        let left = match &self.strategy {
            Strategy::Listed(choices) => choices.len() - self.dealt,
            _ => 0,
        };
        self.unmatched + left as u64
    }

    fn choose(&mut self, now: Moment, ready: &[usize]) -> usize {
        match self.strategy {
            Strategy::Pct { .. } => {
                let mut best = ready[0];
                for &thread in ready {
                    if self.priority(thread) > self.priority(best) {
                        best = thread;
                    }
                }
                best
            }
            Strategy::Starve { victim, steps, .. } if now.points < steps => {
                let others: Vec<usize> = ready.iter().copied().filter(|&thread| thread != victim).collect();
                if others.is_empty() { victim } else { self.one_of(&others) }
            }
            _ => self.one_of(ready),
        }
    }

    fn one_of(&mut self, threads: &[usize]) -> usize {
        if threads.len() < 2 { threads[0] } else { threads[self.rng.index(threads.len())] }
    }

    /// The choice of the list for this moment, if there is one that can be made.
    fn listed(&mut self, now: Moment, possible: &[usize]) -> Option<usize> {
        let Strategy::Listed(choices) = &self.strategy else { return None };
        while let Some(choice) = choices.get(self.dealt)
            && choice.due() <= (now.step, now.nth)
        {
            self.dealt += 1;
            if choice.due() == (now.step, now.nth) && possible.contains(&choice.thread) {
                return Some(choice.thread);
            }
            self.unmatched += 1;
        }
        None
    }

    fn lower(&mut self, thread: usize) {
        self.priority(thread);
        self.lowest -= 1;
        self.priorities[thread] = self.lowest;
    }

    fn priority(&mut self, thread: usize) -> u64 {
        while self.priorities.len() <= thread {
            let priority = self.lowest + 1 + self.rng.below(u64::MAX / 4);
            self.priorities.push(priority);
        }
        self.priorities[thread]
    }

    fn plan_switch(&mut self, points: u64) {
        self.next_switch = match self.strategy {
            Strategy::Calm | Strategy::Pct { .. } | Strategy::Listed(_) => u64::MAX,
            Strategy::Uniform { one_in } | Strategy::Starve { one_in, .. } => {
                points + 1 + self.rng.below((2 * one_in).saturating_sub(1))
            }
        };
    }
}
