//! What the server counts and remembers of its own work.
//!
//! Guarantees: bounded memory; counting a command costs one reading of the clock where commands follow each other
//! without a pause, two where they do not.

use std::collections::VecDeque;
use std::time::Duration;

use super::commandstats::CommandStats;
use super::latency::Latency;
use super::slowlog::{self, Entry, Slowlog};
use crate::base::hash::HashKey;
use crate::base::time::{Mono, Wall};
use crate::engine::command::{Command, Flags};
use crate::env::Clock;
use crate::resp::Args;
use crate::server::Server;
use crate::server::connection::Connection;
use crate::server::options::Options;
use crate::server::pool::Started;

/// Samples kept for the rates that INFO shows.
const SAMPLES: usize = 32;
/// The span that a rate is taken over, where there are samples that old.
const RATE_SPAN: Duration = Duration::from_millis(1_500);

/// The counters, and what is remembered of slow commands.
#[derive(Debug)]
pub(in crate::server) struct Ledger {
    /// Clients that came.
    pub(in crate::server) accepted: u64,
    /// Clients that were one too many.
    pub(in crate::server) rejected: u64,
    /// Bytes read from clients.
    pub(in crate::server) bytes_in: u64,
    /// Bytes sent to clients.
    pub(in crate::server) bytes_out: u64,
    /// Commands that were run or queued.
    pub(in crate::server) commands: u64,
    /// Forty hexadecimal digits that name this run.
    pub(super) run_id: String,
    pub(super) started: Mono,
    pub(super) slowlog: Slowlog,
    pub(super) latency: Latency,
    pub(super) by_command: CommandStats,
    /// When the last snapshot became durable; the start of the run without one.
    pub(super) last_save: Wall,
    /// Most bytes of memory seen in use.
    pub(super) peak: usize,
    samples: VecDeque<Sample>,
    /// When the last command of this share ended.
    lap: Option<Mono>,
}

/// The counters at one time.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Mono,
    commands: u64,
    bytes_in: u64,
    bytes_out: u64,
}

/// Per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rates {
    pub(super) commands: f64,
    pub(super) bytes_in: f64,
    pub(super) bytes_out: f64,
}

impl Ledger {
    /// A ledger for a run that begins now.
    pub(in crate::server) fn new(now: Mono, wall: Wall, run_id: String) -> Self {
        Self {
            accepted: 0,
            rejected: 0,
            bytes_in: 0,
            bytes_out: 0,
            commands: 0,
            run_id,
            started: now,
            slowlog: Slowlog::default(),
            latency: Latency::default(),
            by_command: CommandStats::default(),
            last_save: wall,
            peak: 0,
            samples: VecDeque::with_capacity(SAMPLES),
            lap: None,
        }
    }

    /// Counts from zero again; what is remembered of slow commands stays.
    pub(super) fn reset(&mut self) {
        (self.accepted, self.rejected) = (0, 0);
        (self.bytes_in, self.bytes_out, self.commands) = (0, 0, 0);
        self.peak = 0;
        self.by_command = CommandStats::default();
        self.samples.clear();
    }

    /// A snapshot has become durable.
    pub(in crate::server) fn saved(&mut self, wall: Wall) {
        self.last_save = wall;
    }

    /// A connection's share begins: what comes next does not follow at once on what was before.
    pub(in crate::server) fn begin_share(&mut self) {
        self.lap = None;
    }

    /// A command begins: where it follows at once on another, when that one ended.
    pub(in crate::server) fn stopwatch(&mut self, clock: &dyn Clock) -> Mono {
        self.lap.take().unwrap_or_else(|| clock.now())
    }

    /// Notes the counters, for the rates. Called now and then while the server is awake; nobody is woken for it.
    pub(in crate::server) fn sample(&mut self, now: Mono, used_memory: usize) {
        self.peak = self.peak.max(used_memory);
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(self.counters(now));
    }

    fn counters(&self, at: Mono) -> Sample {
        let Self { commands, bytes_in, bytes_out, .. } = *self;
        Sample { at, commands, bytes_in, bytes_out }
    }

    /// What has been counted per second lately: since the youngest sample that is old enough, or the oldest there is.
    pub(super) fn rates(&self, now: Mono) -> Rates {
        let old_enough = |sample: &&Sample| now.since(sample.at) >= RATE_SPAN;
        let Some(then) = self.samples.iter().rev().find(old_enough).or(self.samples.front()) else {
            return Rates::default();
        };
        let seconds = now.since(then.at).as_secs_f64();
        // A second at least: a moment's worth says nothing of a second.
        let seconds = seconds.max(1.0);
        let now = self.counters(now);
        let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
        Rates {
            commands: rate(now.commands, then.commands),
            bytes_in: rate(now.bytes_in, then.bytes_in),
            bytes_out: rate(now.bytes_out, then.bytes_out),
        }
    }
}

/// A command that began at `at` and whose reply others finish.
pub(in crate::server) fn started(
    command: &'static Command,
    args: Args<'_>,
    at: Mono,
    options: &Options,
) -> Started {
    let is_watched = options.slowlog_log_slower_than >= 0;
    Started { command, at, words: if is_watched { slowlog::cut(args) } else { Vec::new() } }
}

/// Forty hexadecimal digits that name the run of this seed. They tell nothing of the seed, from which the secret
/// hashing keys come.
pub(in crate::server) fn run_id(seed: u64) -> String {
    let key = HashKey::from_seed(seed);
    let word = |part: &[u8]| format!("{:016x}", key.hash(part));
    let mut digits = [word(b"run id 0"), word(b"run id 1"), word(b"run id 2")].concat();
    digits.truncate(40);
    digits
}

impl Server {
    /// A command that began at `start` has run: counts it, and remembers it if it was slow.
    pub(in crate::server) fn note(
        &mut self,
        connection: &Connection,
        command: &'static Command,
        args: Args<'_>,
        start: Mono,
    ) {
        let end = self.clock.now();
        self.ledger.lap = Some(end);
        self.tally(connection, command, end.since(start), || slowlog::cut(args));
    }

    /// A command whose reply others finished is done: the same for it.
    pub(in crate::server) fn note_finished(&mut self, connection: &Connection, started: Started) {
        let took = self.now.since(started.at);
        self.tally(connection, started.command, took, || started.words);
    }

    fn tally(
        &mut self,
        connection: &Connection,
        command: &'static Command,
        took: Duration,
        words: impl FnOnce() -> Vec<Vec<u8>>,
    ) {
        let ledger = &mut self.ledger;
        ledger.by_command.count(command, took);
        let threshold = self.options.latency_monitor_threshold;
        if threshold > 0 && took.as_millis() >= u128::from(threshold) {
            let event = if command.flags.contains(Flags::FAST) { "fast-command" } else { "command" };
            ledger.latency.note(event, self.clock.wall(), took);
        }
        let slow = self.options.slowlog_log_slower_than;
        if slow >= 0 && took.as_micros() >= u128::from(slow.unsigned_abs()) {
            let entry = Entry::new(self.clock.wall(), took, words(), connection);
            ledger.slowlog.push(entry, self.options.slowlog_max_len);
        }
    }

    /// Bytes of memory in use: keys and what they hold, and the connections.
    pub(in crate::server) fn used_memory(&self) -> usize {
        self.engine.used_memory() + self.connection_memory
    }

    /// True while `command`, which needs memory, is to be refused. A vector may take a place that is free in its index: what such
    /// places occupy is counted, and is there for it.
    pub(in crate::server) fn lacks_memory_for(&self, command: &Command, args: Args<'_>) -> bool {
        self.is_out_of_memory() && {
            let free = if command.name == "vadd" { self.engine.free_bytes(&args[1]) } else { 0 };
            self.used_memory().saturating_sub(free) > self.options.maxmemory
        }
    }

    /// True while more memory is in use than may be.
    pub(in crate::server) fn is_out_of_memory(&self) -> bool {
        let most = self.options.maxmemory;
        most > 0 && self.used_memory() > most
    }
}
