//! The world as those see it who talk to the server: the ways to it, and what the plan lets it do to them.

use std::sync::Arc;

use engram::resp::client::Value;

use super::visitor::{PIECE, judge};
use crate::disk::SimStorage;
use crate::net::{LinkId, Wire};
use crate::oracle::Oracle;
use crate::plan::{Errand, Op, ServerPlan, Tier};
use crate::scheduler::Scheduler;
use crate::shared::Shared;

/// What all who talk to the server of one life have in common.
#[derive(Clone)]
pub(crate) struct Town {
    pub(crate) scheduler: Scheduler,
    pub(crate) wire: Wire,
    pub(crate) storage: Arc<SimStorage>,
    pub(crate) oracle: Arc<Shared<Oracle>>,
    /// Nothing in the plan changes what lies on the disk, or keeps it from getting there unseen.
    pub(crate) sound: bool,
    pub(crate) server: ServerPlan,
    /// The weakest tier that it ever has.
    pub(crate) weakest: Tier,
    /// Bytes on their way to a client at most, and the mean time that they take.
    pub(crate) capacity: usize,
    pub(crate) latency: u64,
    /// Bytes on their way to a client at most, however calm the network has become.
    pub(crate) room: usize,
    /// Whether an auditor comes at the end.
    pub(crate) audits: bool,
    /// Virtual nanoseconds that the loop may have stood still in all: a turn that it began before counts as the past.
    pub(crate) lapses: u64,
    /// Virtual nanoseconds by which what the server does by time may be late in all.
    pub(crate) slack: u64,
    /// Virtual nanoseconds without a byte, while one is due, that count as silence.
    pub(crate) patience: u64,
}

/// Bytes of replies below which a limit may be met by clients that only ask for much at once.
const SPARSE: usize = 1 << 20;

/// Virtual nanoseconds within which the server looks for silent clients, twice.
const CHORES: u64 = 300_000_000;

/// Virtual nanoseconds for which a server that finishes waits for answers that are due.
const GRACE: u64 = 5_000_000_000;

impl Town {
    /// Asks the server to finish, unless it was asked before, and watches whether it does: it may wait for those who do not
    /// read, and then has to do what else may keep it from an answer.
    pub(crate) fn shut_down(&self) {
        if self.wire.was_signalled() {
            return;
        }
        self.wire.shutdown();
        let watching = self.scheduler.clone();
        self.scheduler.later(GRACE + self.patience, move || {
            let report = watching.report();
            watching.fail(&format!("the server does not finish\n{report}"));
        });
    }

    /// Virtual nanoseconds that so many bytes may be on their way to a client, each piece of them as long as it can.
    pub(super) fn longest_delivery(&self, bytes: usize) -> u64 {
        let pieces = 1 + bytes.div_ceil(self.capacity.max(1)) as u64;
        // Where single bytes are written, all but the first have arrived when the first is heard of.
        pieces * (2 * self.latency + 1) + self.lapses
    }

    /// Whether the server had to turn this client away, since it had as many as it may. An error if it took one more.
    pub(super) fn is_crowded(&self, link: LinkId) -> Result<bool, String> {
        let most = self.server.limits.maxclients;
        Ok(most > 0 && self.wire.look(link).others >= most)
    }

    /// Whether a step of a scan shows no more than it may look at: so many keys, and the rest of the bucket of the last.
    pub(super) fn check_step(&self, op: &Op, reply: Option<&Value>) -> Result<(), String> {
        /// Entries that share a bucket, where there are few buckets.
        const SHARING: u64 = 16;
        let (Op::Scan { count, .. }, Some(Value::Array(parts))) = (op, reply) else { return Ok(()) };
        let most = count.unwrap_or(10).min(self.server.scan_count as u64) + SHARING;
        match parts.get(1) {
            Some(Value::Array(names)) if names.len() as u64 > most => Err(format!(
                "was shown {} keys by one step of `{op}`, of which it looks at {most} at most",
                names.len()
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn was_closed(&self, link: LinkId) -> bool {
        self.closed_at(link).is_some()
    }

    /// When the server has closed this connection.
    pub(super) fn closed_at(&self, link: LinkId) -> Option<u64> {
        self.wire.look(link).closed
    }

    /// Whether the server has dropped a client that was silent for as long as the plan lets it be.
    pub(super) fn timed_out(&self, link: LinkId) -> bool {
        let look = self.wire.look(link);
        let idle = look.closed.unwrap_or(0).saturating_sub(look.moved);
        let timeout = self.server.limits.timeout * 1_000_000_000;
        timeout > 0 && idle + self.lapses + timeout / 10 >= timeout
    }

    /// Whether the server, asked to finish, has closed this connection while there was time to answer on it.
    pub(super) fn was_closed_in_order(&self, link: LinkId) -> bool {
        let (closed, asked) = (self.wire.look(link).closed, self.wire.shut_down_at());
        let took = closed.zip(asked).and_then(|(closed, asked)| closed.checked_sub(asked));
        took.is_some_and(|took| took + self.lapses < GRACE)
    }

    /// Whether a limit of the plan lets the server drop this visitor.
    pub(super) fn was_dropped(&self, link: LinkId, errand: &Errand) -> bool {
        let look = self.wire.look(link);
        let limits = &self.server.limits;
        let timed_out = self.timed_out(link);
        let crowded = limits.maxclients > 0 && look.others >= limits.maxclients;
        let too_long = limits.query_buffer > 0
            && matches!(errand, Errand::Unfinished(bytes) | Errand::Line(bytes) if *bytes as usize + 64 > limits.query_buffer);
        let too_much = limits.output_buffer > 0 && matches!(errand, Errand::Deaf(_));
        timed_out || crowded || too_long || too_much
    }

    /// Whether the server has read no more of a client that takes nothing than it had to. Behind the bytes at which it is to
    /// be let go, it would not have been heard any more.
    pub(super) fn check_deaf(&self, link: LinkId) -> Result<(), String> {
        let look = self.wire.look(link);
        let (shares, limit) = (self.server.shares(), self.server.limits.output_buffer);
        let held = if limit > 0 { shares.output_pause.min(limit) } else { shares.output_pause };
        let served = (held + self.room) / judge::LEAST_LONG_REPLY + 2;
        let most = served * judge::LONG.len() + shares.read_per_turn + PIECE.min(shares.read_per_turn);
        if look.taken as usize <= most {
            return Ok(());
        }
        Err(format!(
            "the server has read {} bytes of a client that takes no replies; {most} at most",
            look.taken
        ))
    }

    /// Whether the server has let go of a client that does not finish its command, once that was too long.
    pub(super) fn check_unfinished(&self, link: LinkId) -> Result<(), String> {
        let (look, limit) = (self.wire.look(link), self.server.limits.query_buffer);
        let most = limit + self.server.shares().read_per_turn;
        if limit == 0 || look.closed.is_some() || look.taken as usize <= most {
            return Ok(());
        }
        Err(format!("the server has read {} bytes of one command and goes on; {most} at most", look.taken))
    }

    /// Whether the server has let go of a client that was silent for too long, and soon.
    pub(super) fn check_silent(&self, link: LinkId) -> Result<(), String> {
        let (look, timeout) = (self.wire.look(link), self.server.limits.timeout * 1_000_000_000);
        let silent = look.closed.unwrap_or_else(|| self.scheduler.now()).saturating_sub(look.moved);
        let most = timeout + timeout / 2 + CHORES + self.slack;
        if timeout == 0 || !look.accepted || silent <= most || self.wire.is_shut_down() {
            return Ok(());
        }
        Err(format!("the server has kept a client that was silent for {silent} virtual ns; {most} at most"))
    }

    /// Whether the plan lets the server drop a client for so many requests whose replies it has not taken.
    pub(super) fn may_drop(&self, requests: usize) -> bool {
        (1..SPARSE).contains(&self.server.limits.output_buffer) && requests > 0
    }
}
