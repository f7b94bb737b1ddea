//! How often each command ran, and how long it took.

use std::time::Duration;

use crate::engine::command::{self, Command};

/// Buckets of a histogram: bucket `i` holds what took up to `2^i` microseconds, the last all that took longer.
const BUCKETS: usize = 32;

/// One command's numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    /// How often it ran.
    pub(super) calls: u64,
    /// How long, together, in nanoseconds.
    pub(super) nanos: u64,
    buckets: [u64; BUCKETS],
}

impl Calls {
    fn count(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.calls += 1;
        self.nanos = self.nanos.saturating_add(nanos);
        let bucket = u64::BITS - (nanos.div_ceil(1_000).max(1) - 1).leading_zeros();
        if let Some(count) = self.buckets.get_mut((bucket as usize).min(BUCKETS - 1)) {
            *count += 1;
        }
    }

    /// For each bucket that is not empty: its bound in microseconds and how many runs took at most that.
    pub(super) fn histogram(&self) -> Vec<(u64, u64)> {
        let mut sum = 0;
        let filled = (0_u32..).zip(self.buckets).filter(|(_, count)| *count > 0);
        filled
            .map(|(i, count)| {
                sum += count;
                (1_u64 << i, sum)
            })
            .collect()
    }
}

/// The numbers of every command, in the order of the table.
#[derive(Debug)]
pub(super) struct CommandStats {
    calls: Vec<Calls>,
}

impl Default for CommandStats {
    fn default() -> Self {
        Self { calls: vec![Calls::default(); command::all().count()] }
    }
}

impl CommandStats {
    /// Counts one run.
    pub(super) fn count(&mut self, command: &'static Command, took: Duration) {
        if let Some(calls) = self.calls.get_mut(command::number(command)) {
            calls.count(took);
        }
    }

    /// Those that ran, in the order of the table.
    pub(super) fn ran(&self) -> impl Iterator<Item = (&'static Command, &Calls)> {
        command::all().zip(&self.calls).filter(|(_, calls)| calls.calls > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_counted_as_itself() {
        let mut stats = CommandStats::default();
        for (i, command) in command::all().enumerate() {
            stats.count(command, Duration::from_micros(i as u64));
        }
        let ran: Vec<_> =
            stats.ran().map(|(command, calls)| (command.name, calls.calls, calls.nanos)).collect();
        let all: Vec<_> =
            (0..).zip(command::all()).map(|(i, command)| (command.name, 1, i * 1_000)).collect();
        assert_eq!(ran, all);
    }

    #[test]
    fn buckets_are_powers_of_two_and_count_what_is_below() {
        let mut calls = Calls::default();
        for nanos in [0, 1, 1_000, 1_001, 2_000, 3_000, 4_000, 4_001, u64::MAX] {
            calls.count(Duration::from_nanos(nanos));
        }
        assert_eq!(calls.histogram(), [(1, 3), (2, 5), (4, 7), (8, 8), (1 << 31, 9)]);
    }
}
