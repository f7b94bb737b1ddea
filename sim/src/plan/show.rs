//! A plan as text: a line for each thing that it decides. [`super::parse`] reads it back.

use std::fmt::{Display, Formatter, Result};

use super::fields::{self, Fields, Word};
use super::{Break, ClientPlan, Ending, Life, Plan, ServerPlan};
use crate::disk::Latency;
use crate::{clock, net, scheduler};

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.story.iter().try_for_each(|line| writeln!(f, "# {line}"))?;
        writeln!(f, "plan seed {}", self.seed)?;
        settings(f, "server", &self.server, &ServerPlan::default())?;
        self.lives.iter().try_for_each(|life| life.fmt(f))
    }
}

/// A line of settings, if any of them is not the usual one.
fn settings<T: Fields + Clone>(f: &mut Formatter<'_>, name: &str, settings: &T, usual: &T) -> Result {
    let text = fields::show(settings, usual);
    if text.is_empty() { Ok(()) } else { writeln!(f, "{name}{text}") }
}

impl Display for Life {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let usual = Self::default();
        writeln!(f, "life {}", self.number)?;
        writeln!(f, "  ending {} twice {}", self.ending, self.twice)?;
        settings(f, "  threads", &self.threads, &usual.threads)?;
        if let Some(at) = self.signal {
            writeln!(f, "  signal {at}")?;
        }
        if let Some(crash) = self.threads.crash {
            writeln!(f, "  crash {crash}")?;
        }
        self.threads.disturbances.iter().try_for_each(|blow| writeln!(f, "  disturb {blow}"))?;
        settings(f, "  net", &self.net, &usual.net)?;
        settings(f, "  disk", &self.latency, &usual.latency)?;
        settings(f, "  clock", &self.clock, &usual.clock)?;
        self.clock.jumps.iter().try_for_each(|(at, micros)| writeln!(f, "  jump {at} {micros}"))?;
        self.clock.pauses.iter().try_for_each(|(at, nanos)| writeln!(f, "  pause {at} {nanos}"))?;
        self.faults.iter().try_for_each(|fault| writeln!(f, "  fault {fault}"))?;
        self.rest.iter().try_for_each(|decay| writeln!(f, "  rest {decay}"))?;
        for (number, client) in self.clients.iter().enumerate().filter(|(_, client)| !client.is_idle()) {
            writeln!(f, "  client {number}{}", fields::show(client, &ClientPlan::default()))?;
            for (at, op) in client.ops.iter().enumerate() {
                writeln!(f, "    {op}")?;
                for (_, how) in client.breaks.iter().filter(|(behind, _)| *behind == at + 1) {
                    writeln!(f, "    break {how}")?;
                }
            }
        }
        self.visitors.iter().try_for_each(|visitor| writeln!(f, "  visitor {visitor}"))
    }
}

impl Fields for ServerPlan {
    fn fields(&mut self, each: &mut dyn FnMut(&'static str, &mut dyn Word)) {
        each("workers", &mut self.workers);
        each("exact-below", &mut self.exact_below);
        each("segment-bytes", &mut self.segment_bytes);
        each("log-room", &mut self.log_room);
        each("snapshot-log-bytes", &mut self.snapshot_log_bytes);
        each("snapshot-rate", &mut self.snapshot_rate);
        each("snapshot-memory", &mut self.snapshot_memory);
        each("snapshot-slice", &mut self.snapshot_slice);
        each("sweep-from", &mut self.sweep_from);
        each("sweep-slice", &mut self.sweep_slice);
        each("sweep-room", &mut self.sweep_room);
        each("scan-count", &mut self.scan_count);
        each("table-bits", &mut self.table_bits);
        each("expiries-per-turn", &mut self.expiries_per_turn);
        each("lookout", &mut self.lookout);
        each("fsync", &mut self.fsync);
        each("password", &mut self.password);
        each("operator", &mut self.operator);
        self.limits.fields(each);
    }
}

impl Fields for scheduler::Settings {
    fn fields(&mut self, each: &mut dyn FnMut(&'static str, &mut dyn Word)) {
        each("strategy", &mut self.strategy);
        each("tick", &mut self.tick);
    }
}

impl Fields for net::Settings {
    fn fields(&mut self, each: &mut dyn FnMut(&'static str, &mut dyn Word)) {
        each("latency", &mut self.latency);
        each("reads", &mut self.reads);
        each("writes", &mut self.writes);
        each("capacity", &mut self.capacity);
        each("would-block", &mut self.would_block_one_in);
        each("spurious", &mut self.spurious_one_in);
        each("wake-delay", &mut self.wake_delay);
        each("pipe", &mut self.pipe);
        each("stuffed", &mut self.stuffed);
        each("batch", &mut self.batch);
        each("backlog", &mut self.backlog);
        each("rough", &mut self.rough);
    }
}

impl Fields for clock::Settings {
    fn fields(&mut self, each: &mut dyn FnMut(&'static str, &mut dyn Word)) {
        each("grain", &mut self.grain);
        each("late", &mut self.late);
    }
}

impl Fields for Latency {
    fn fields(&mut self, each: &mut dyn FnMut(&'static str, &mut dyn Word)) {
        each("transfer", &mut self.transfer);
        each("sync", &mut self.sync);
    }
}

impl Fields for ClientPlan {
    fn fields(&mut self, each: &mut dyn FnMut(&'static str, &mut dyn Word)) {
        each("depth", &mut self.depth);
        each("gap", &mut self.gap);
        each("send", &mut self.send);
        each("receive", &mut self.receive);
        each("entrance", &mut self.entrance);
    }
}

impl Display for Ending {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Shutdown => f.write_str("shutdown"),
            Self::Kill => f.write_str("kill"),
            Self::Power(loss) => write!(f, "power:{loss}"),
        }
    }
}

impl Display for Break {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Reset(after) => write!(f, "reset {after}"),
            Self::Finish => f.write_str("finish"),
            Self::Quit => f.write_str("quit"),
            Self::CutReset(bytes) => write!(f, "cut-reset {bytes}"),
            Self::CutFinish(bytes) => write!(f, "cut-finish {bytes}"),
            Self::CutReply(bytes) => write!(f, "cut-reply {bytes}"),
            Self::Shutdown(after) => write!(f, "shutdown {after}"),
            Self::Crash(after) => write!(f, "crash {after}"),
            Self::Order(words) => write!(f, "order {words}"),
            Self::Garbage(bytes) => write!(f, "garbage {}", bytes.escape_default()),
        }
    }
}
