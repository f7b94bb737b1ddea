//! A plan as text: a line for each thing that it decides.

use std::fmt::{Display, Formatter, Result};

use super::{Break, Ending, Life, Plan};
use crate::scheduler::CrashAt;

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "plan seed {}", self.seed)?;
        let server = &self.server;
        writeln!(
            f,
            "server workers {} exact-below {} segment-bytes {} snapshot-slice {}",
            server.workers, server.exact_below, server.segment_bytes, server.snapshot_slice
        )?;
        for (number, life) in self.lives.iter().enumerate() {
            writeln!(f, "life {number}")?;
            life.fmt(f)?;
        }
        Ok(())
    }
}

impl Display for Life {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "  threads {} tick {}", self.threads.strategy, self.threads.tick)?;
        match self.threads.crash {
            Some(CrashAt::Step(n)) => writeln!(f, "  crash at step {n}")?,
            Some(CrashAt::Call(n)) => writeln!(f, "  crash at call {n}")?,
            None => {}
        }
        writeln!(f, "  ending {} twice {}", self.ending, self.twice)?;
        let net = &self.net;
        writeln!(
            f,
            "  net latency {} reads {:?} writes {:?} capacity {} would-block {} spurious {} wake-delay {} batch {}",
            net.latency,
            net.reads,
            net.writes,
            net.capacity,
            net.would_block_one_in,
            net.spurious_one_in,
            net.wake_delay,
            net.batch
        )?;
        writeln!(f, "  disk transfer {} sync {}", self.latency.transfer, self.latency.sync)?;
        self.faults.iter().try_for_each(|fault| writeln!(f, "  fault {fault}"))?;
        for (number, client) in self.clients.iter().enumerate() {
            writeln!(
                f,
                "  client {number} depth {} gap {} send {} receive {}",
                client.depth, client.gap, client.send, client.receive
            )?;
            for (at, op) in client.ops.iter().enumerate() {
                writeln!(f, "    {op}")?;
                for (_, how) in client.breaks.iter().filter(|(behind, _)| *behind == at + 1) {
                    writeln!(f, "    break {how}")?;
                }
            }
        }
        Ok(())
    }
}

impl Display for Ending {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Shutdown => f.write_str("shutdown"),
            Self::Kill => f.write_str("kill"),
            Self::Power(loss) => write!(f, "power {loss}"),
        }
    }
}

impl Display for Break {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Reset(after) => write!(f, "reset {after}"),
            Self::Finish => f.write_str("finish"),
            Self::Crash(after) => write!(f, "crash {after}"),
            Self::Garbage(bytes) => write!(f, "garbage {}", bytes.escape_default()),
        }
    }
}
