//! What INFO says when nobody does anything any more, beside what the network, the disk and the oracle know.
//!
//! Only what is at rest: bytes and clients that the network has counted, the log and the snapshots as they lie on the disk, keys
//! that the oracle knows of, memory that adds up. What is still on its way makes a number wrong for a while, so that whoever
//! asks has to ask again. Where the medium changes by itself, what lies on it is not compared.

use std::collections::BTreeMap;

use super::town::Town;
use crate::disk::Held;
use crate::plan::Tier;

/// Most bytes that a connection keeps which has nothing to do.
const IDLE_BYTES: u64 = 64 << 10;
/// Most clients, unless the plan says otherwise.
const MAX_CLIENTS: usize = 10_000;

/// An answer to INFO.
pub(super) struct Accounts<'a> {
    town: &'a Town,
    fields: BTreeMap<&'a str, &'a str>,
    /// Bytes of the answer, which were not counted yet when it was made.
    came: usize,
    /// When it was asked for.
    asked: u64,
}

impl<'a> Accounts<'a> {
    /// Of an answer `text` that took `came` bytes and was asked for at `asked`.
    pub(super) fn new(town: &'a Town, text: &'a str, came: usize, asked: u64) -> Self {
        let fields = text.lines().filter_map(|line| line.split_once(':')).collect();
        Self { town, fields, came, asked }
    }

    /// A number.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.fields.get(name).and_then(|value| value.parse().ok())
    }

    fn within(&self, name: &str, least: u64, most: u64) -> Result<(), String> {
        match self.number(name) {
            Some(value) if (least..=most).contains(&value) => Ok(()),
            _ if least == most => Err(format!("{name} is {:?}, not {most}", self.fields.get(name))),
            _ => Err(format!("{name} is {:?}, not a number from {least} to {most}", self.fields.get(name))),
        }
    }

    /// What is not at rest or not right. `before` is how many commands there had been at the question before.
    pub(super) fn judge(&self, before: Option<u64>) -> Result<(), String> {
        self.clients()?;
        self.work(before)?;
        self.memory()?;
        self.keys()?;
        let held = self.town.storage.held();
        self.log(&held)?;
        self.snapshots(&held)
    }

    fn logs(&self) -> bool {
        self.fields.get("log_status") == Some(&"ok")
    }

    fn clients(&self) -> Result<(), String> {
        let (wire, most) = (&self.town.wire, self.town.server.limits.maxclients);
        let open = wire.open_connections() as u64;
        let totals = wire.totals(if most > 0 { most } else { MAX_CLIENTS });
        self.within("connected_clients", open, open)?;
        self.within("total_connections_received", totals.accepted, totals.accepted)?;
        self.within("rejected_connections", totals.crowded, totals.crowded)?;
        self.within("total_net_input_bytes", totals.read, totals.read)?;
        let written = totals.written.saturating_sub(self.came as u64);
        self.within("total_net_output_bytes", written, written)?;
        self.within("mem_clients_normal", 0, open * IDLE_BYTES)
    }

    fn work(&self, before: Option<u64>) -> Result<(), String> {
        self.within("blocked_clients", 0, 0)?;
        self.within("jobs_in_flight", 0, 0)?;
        // Nobody else has asked for anything since.
        let next = before.ok_or("it is the first time that it was asked")? + 1;
        self.within("total_commands_processed", next, next)
    }

    fn memory(&self) -> Result<(), String> {
        let parts =
            ["used_memory_dataset", "mem_clients_normal", "mem_snapshot"].map(|name| self.number(name));
        let sum: u64 = parts.into_iter().flatten().sum();
        self.within("used_memory", sum, sum)?;
        self.within("used_memory_peak", sum, u64::MAX)?;
        let strings = self.town.oracle.lock().least_bytes(self.asked, self.town.scheduler.now());
        self.within("used_memory_dataset", strings, u64::MAX)?;
        let saves = self.number("rdb_bgsave_in_progress") != Some(0);
        self.within("mem_snapshot", 0, if saves { u64::MAX } else { 0 })
    }

    /// A line for the keys there are, and none where there are none.
    fn keys(&self) -> Result<(), String> {
        let Some((least, most)) = self.town.oracle.lock().keys_at(self.asked, self.town.scheduler.now())
        else {
            return Ok(());
        };
        let parts = self.fields.get("db0").map_or("keys=0", |line| *line);
        let told = parts.split(',').find_map(|part| part.strip_prefix("keys="));
        let right = told
            .and_then(|keys| keys.parse::<usize>().ok())
            .is_some_and(|keys| (least..=most).contains(&keys));
        if right { Ok(()) } else { Err(format!("there are {parts}, not {least} to {most}")) }
    }

    fn log(&self, held: &Held) -> Result<(), String> {
        // One that need not sync before it finishes may be behind at any moment.
        if self.logs() && self.town.weakest < Tier::No {
            self.within("log_lag", 0, 0)?;
        }
        if !self.logs() || !self.town.sound {
            return Ok(());
        }
        self.within("log_appended_lsn", held.last, held.last)?;
        self.within("log_backlog_bytes", 0, 0)?;
        for name in ["log_bytes", "aof_current_size"] {
            self.within(name, held.written, held.bytes)?;
        }
        Ok(())
    }

    /// One that is due has been begun.
    fn snapshots(&self, held: &Held) -> Result<(), String> {
        let log_bytes = self.town.server.snapshot_log_bytes;
        // One that makes the server keep more than it may is given up, and the next comes much later.
        let given_up = self.town.server.snapshot_memory > 0;
        let fails = || given_up || !self.town.oracle.lock().snapshots_succeed();
        if log_bytes == 0 || !self.logs() || !self.town.sound || fails() {
            return Ok(());
        }
        let ((size, covered), saves) = (held.snapshot, self.number("rdb_bgsave_in_progress"));
        if saves == Some(0) && held.unsaved >= log_bytes.max(size / 2) {
            return Err(format!(
                "no snapshot is under way, though there are {} bytes of log behind that of record {covered}",
                held.unsaved
            ));
        }
        Ok(())
    }
}
