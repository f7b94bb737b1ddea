//! How often each command ran, and how long it took.

use std::time::Duration;

use crate::base::histogram::Histogram;
use crate::engine::command::{self, Command};

/// One command's numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    /// How often it ran.
    pub(super) calls: u64,
    /// How long, together, in nanoseconds.
    pub(super) nanos: u64,
    /// How long each, in microseconds begun.
    pub(super) micros: Histogram,
}

impl Calls {
    fn count(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.calls += 1;
        self.nanos = self.nanos.saturating_add(nanos);
        self.micros.count(nanos.div_ceil(1_000));
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
}
