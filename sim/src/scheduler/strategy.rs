//! Which thread runs next: the choices of one seed.
//!
//! PCT after Burckhardt, Kothari, Musuvathi and Nagarakatte, "A Randomized Scheduler with Probabilistic Guarantees of
//! Finding Bugs", ASPLOS 2010: random priorities, the highest ready one runs, and at `depth - 1` random steps the
//! running thread falls below all others.

use std::fmt;
use std::str::FromStr;

use engram::base::rng::Rng;

/// How a scheduler chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calm => write!(f, "calm"),
            Self::Uniform { one_in } => write!(f, "uniform:{one_in}"),
            Self::Pct { depth, horizon } => write!(f, "pct:{depth}:{horizon}"),
            Self::Starve { victim, steps, one_in } => write!(f, "starve:{victim}:{steps}:{one_in}"),
        }
    }
}

impl FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split(':');
        let name = words.next().unwrap_or_default();
        let mut number = || {
            let word = words.next().ok_or_else(|| format!("`{text}` lacks a number"))?;
            word.parse::<u64>().map_err(|_| format!("`{word}` is no number"))
        };
        Ok(match name {
            "calm" => Self::Calm,
            "uniform" => Self::Uniform { one_in: number()?.max(1) },
            "pct" => Self::Pct { depth: number()?, horizon: number()?.max(1) },
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
        usize::from(*self != Self::Calm)
    }

    /// Takes one of [`Strategy::switches`] out.
    pub fn drop_switch(&mut self, _number: usize) {
        *self = Self::Calm;
    }
}

/// A strategy at work.
#[derive(Debug)]
pub(super) struct Chooser {
    strategy: Strategy,
    rng: Rng,
    step: u64,
    next_switch: u64,
    /// PCT: a thread's priority, by its number, and the steps at which the running one loses its own.
    priorities: Vec<u64>,
    changes: Vec<u64>,
    lowest: u64,
}

impl Chooser {
    pub(super) fn new(strategy: Strategy, mut rng: Rng) -> Self {
        let mut changes = Vec::new();
        if let Strategy::Pct { depth, horizon } = strategy {
            changes = (1..depth).map(|_| rng.below(horizon)).collect();
        }
        let mut this = Self {
            strategy,
            rng,
            step: 0,
            next_switch: 0,
            priorities: Vec::new(),
            changes,
            lowest: u64::MAX / 4,
        };
        this.plan_switch();
        this
    }

    /// A number below `n` from the schedule's stream.
    pub(super) fn below(&mut self, n: usize) -> usize {
        if n < 2 { 0 } else { self.rng.index(n) }
    }

    /// Should another thread run instead of `current`? `ready` says who could.
    #[inline]
    pub(super) fn preempt(&mut self, current: usize, ready: impl Fn() -> Vec<usize>) -> Option<usize> {
        self.step += 1;
        if let Strategy::Pct { .. } = self.strategy {
            if self.changes.contains(&self.step) {
                self.priority(current);
                self.lowest -= 1;
                self.priorities[current] = self.lowest;
            }
        } else if self.step < self.next_switch {
            return None;
        } else {
            self.plan_switch();
        }
        let ready = ready();
        let next = if ready.is_empty() { current } else { self.choose(&ready) };
        (next != current).then_some(next)
    }

    /// One of `ready`, which is not empty.
    pub(super) fn choose(&mut self, ready: &[usize]) -> usize {
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
            Strategy::Starve { victim, steps, .. } if self.step < steps => {
                let others: Vec<usize> = ready.iter().copied().filter(|&thread| thread != victim).collect();
                if others.is_empty() { victim } else { others[self.below(others.len())] }
            }
            _ => ready[self.below(ready.len())],
        }
    }

    fn priority(&mut self, thread: usize) -> u64 {
        while self.priorities.len() <= thread {
            let priority = self.lowest + 1 + self.rng.below(u64::MAX / 4);
            self.priorities.push(priority);
        }
        self.priorities[thread]
    }

    fn plan_switch(&mut self) {
        self.next_switch = match self.strategy {
            Strategy::Calm | Strategy::Pct { .. } => u64::MAX,
            Strategy::Uniform { one_in } | Strategy::Starve { one_in, .. } => {
                self.step + 1 + self.rng.below((2 * one_in).saturating_sub(1))
            }
        };
    }
}
