//! INFO: the server in `name:value` lines under headings.
//!
//! It never waits for the log: what it counts may not be durable yet. The log's own position is in it.

use std::fmt::{Display, Write};

use super::{Answer, REDIS_VERSION, Ran, Request};
use crate::resp::eq_ignore_case;
use crate::server::Server;
use crate::server::options::VERSION;

/// One heading and what stands under it.
type Section = (&'static str, fn(&Server, &mut Lines));

/// Every section, in order. Those before [`DEFAULTS`] are shown unless others are asked for.
const SECTIONS: [Section; 11] = [
    ("Server", server),
    ("Clients", clients),
    ("Memory", memory),
    ("Persistence", persistence),
    ("Stats", stats),
    ("Replication", replication),
    ("CPU", cpu),
    ("Engram", engram),
    ("Cluster", cluster),
    ("Keyspace", keyspace),
    ("Commandstats", commandstats),
];
const DEFAULTS: usize = 10;

/// Lines being written.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn heading(&mut self, title: &str) {
        if !self.0.is_empty() {
            self.0.push_str("\r\n");
        }
        self.0.push_str("# ");
        self.0.push_str(title);
        self.0.push_str("\r\n");
    }

    fn add(&mut self, name: &str, value: impl Display) {
        let wrote = write!(self.0, "{name}:{value}\r\n");
        assert!(wrote.is_ok(), "writing to a string");
    }

    /// A size in bytes, and again for people.
    fn size(&mut self, name: &str, bytes: u64) {
        self.add(name, bytes);
        self.add(&format!("{name}_human"), human(bytes));
    }
}

/// A size with its unit: `1.50M`.
fn human(bytes: u64) -> String {
    let units = [("T", 40), ("G", 30), ("M", 20), ("K", 10)];
    let unit = units.iter().find(|(_, shift)| bytes >> shift > 0);
    unit.map_or_else(
        || format!("{bytes}B"),
        |(name, shift)| format!("{:.2}{name}", bytes as f64 / (1_u64 << shift) as f64),
    )
}

/// `INFO [section ...]`
pub(super) fn info(r: &mut Request<'_>) -> Answer {
    let words = r.args.skip(1);
    let asked = |word: &[u8]| words.iter().any(|other| eq_ignore_case(other, word));
    let all = asked(b"all") || asked(b"everything");
    let default = words.is_empty() || asked(b"default");
    let mut lines = Lines::default();
    for (number, (title, write)) in SECTIONS.iter().enumerate() {
        if all || (default && number < DEFAULTS) || asked(title.as_bytes()) {
            lines.heading(title);
            write(r.server, &mut lines);
        }
    }
    r.reply().verbatim(lines.0);
    Ok(Ran::DONE)
}

/// `ROLE`
pub(super) fn role(r: &mut Request<'_>) -> Answer {
    let last = r.server.engine.log_facts().map_or(0, |log| log.appended.0);
    let mut reply = r.reply();
    reply.array(3);
    reply.bulk("master");
    reply.integer(i64::try_from(last).unwrap_or(i64::MAX));
    reply.array(0);
    Ok(Ran::DONE)
}

fn server(s: &Server, lines: &mut Lines) {
    let uptime = s.now.since(s.ledger.started).as_secs();
    let local = s.net.local();
    lines.add("redis_version", REDIS_VERSION);
    lines.add("engram_version", VERSION);
    lines.add("redis_mode", "standalone");
    lines.add("os", format_args!("{} {}", std::env::consts::OS, std::env::consts::ARCH));
    lines.add("arch_bits", usize::BITS);
    lines.add("kernel", s.options.kernels().map_or("none", |kernels| kernels.name()));
    lines.add("multiplexing_api", if cfg!(target_os = "linux") { "epoll" } else { "kqueue" });
    lines.add("process_id", s.host.facts().pid);
    lines.add("run_id", &s.ledger.run_id);
    lines.add("tcp_port", local.rsplit(':').next().unwrap_or_default());
    lines.add("server_time_usec", s.clock.wall().0);
    lines.add("uptime_in_seconds", uptime);
    lines.add("uptime_in_days", uptime / 86_400);
    lines.add("config_file", s.options.config_file.as_deref().unwrap_or_default());
}

fn clients(s: &Server, lines: &mut Lines) {
    let blocked = s.connections.values().filter(|c| c.jobs > 0).count();
    // The connection that asks is not among the others meanwhile.
    lines.add("connected_clients", s.connections.len() + 1);
    lines.add("maxclients", s.options.maxclients);
    lines.add("blocked_clients", blocked);
}

fn memory(s: &Server, lines: &mut Lines) {
    let (used, facts) = (s.used_memory(), s.host.facts());
    lines.size("used_memory", used as u64);
    lines.size("used_memory_rss", facts.resident);
    lines.size("used_memory_peak", s.ledger.peak.max(used) as u64);
    let snapshot = s.engine.snapshot_memory();
    lines.add("used_memory_dataset", s.engine.used_memory() - snapshot);
    lines.add("mem_clients_normal", s.connection_memory);
    lines.add("mem_snapshot", snapshot);
    lines.size("total_system_memory", facts.memory);
    lines.size("maxmemory", s.options.maxmemory as u64);
    lines.add("maxmemory_policy", "noeviction");
    let fragmentation = facts.resident as f64 / (used as f64).max(1.0);
    lines.add("mem_fragmentation_ratio", format_args!("{fragmentation:.2}"));
    lines.add("mem_allocator", "system");
}

fn persistence(s: &Server, lines: &mut Lines) {
    let saved = s.engine.last_saved().is_none_or(|saved| saved.result.is_ok());
    let status = |is_well: bool| if is_well { "ok" } else { "err" };
    let log = s.engine.log_facts();
    lines.add("loading", 0);
    lines.add("async_loading", 0);
    lines.add("rdb_changes_since_last_save", s.engine.stats().dirty);
    lines.add("rdb_bgsave_in_progress", u8::from(s.engine.is_saving()));
    lines.add("rdb_last_save_time", s.ledger.last_save.0 / 1_000_000);
    lines.add("rdb_last_bgsave_status", status(saved));
    lines.add("aof_enabled", u8::from(log.is_some()));
    lines.add("aof_rewrite_in_progress", 0);
    lines.add("aof_last_bgrewrite_status", "ok");
    lines.add("aof_last_write_status", status(s.engine.refuses().is_none()));
    lines.add("aof_current_size", log.map_or(0, |log| log.bytes));
}

fn stats(s: &Server, lines: &mut Lines) {
    let (ledger, counts, rates) = (&s.ledger, s.engine.stats(), s.ledger.rates(s.now));
    lines.add("total_connections_received", ledger.accepted);
    lines.add("total_commands_processed", ledger.commands);
    lines.add("instantaneous_ops_per_sec", rates.commands.round());
    lines.add("total_net_input_bytes", ledger.bytes_in);
    lines.add("total_net_output_bytes", ledger.bytes_out);
    lines.add("instantaneous_input_kbps", format_args!("{:.2}", rates.bytes_in / 1024.0));
    lines.add("instantaneous_output_kbps", format_args!("{:.2}", rates.bytes_out / 1024.0));
    lines.add("rejected_connections", ledger.rejected);
    lines.add("expired_keys", counts.expired);
    lines.add("evicted_keys", 0);
    lines.add("keyspace_hits", counts.hits);
    lines.add("keyspace_misses", counts.misses);
    lines.add("pubsub_channels", 0);
    lines.add("pubsub_patterns", 0);
}

fn replication(s: &Server, lines: &mut Lines) {
    lines.add("role", "master");
    lines.add("connected_slaves", 0);
    lines.add("master_replid", &s.ledger.run_id);
    lines.add("master_repl_offset", s.engine.log_facts().map_or(0, |log| log.appended.0));
}

fn cpu(s: &Server, lines: &mut Lines) {
    let facts = s.host.facts();
    lines.add("used_cpu_sys", format_args!("{:.6}", facts.system.as_secs_f64()));
    lines.add("used_cpu_user", format_args!("{:.6}", facts.user.as_secs_f64()));
}

fn engram(s: &Server, lines: &mut Lines) {
    lines.add("workers", s.options.workers);
    lines.add("jobs_in_flight", s.pool.in_flight());
    lines.add("dir", s.options.dir.as_deref().unwrap_or_default());
    let Some(log) = s.engine.log_facts() else { return lines.add("log_status", "none") };
    lines.add("log_status", s.engine.refuses().unwrap_or("ok"));
    lines.add("fsync", crate::server::options::show_tier(s.options.fsync));
    lines.add("log_appended_lsn", log.appended);
    lines.add("log_durable_lsn", log.durable);
    lines.add("log_synced_lsn", log.synced);
    lines.add("log_lag", log.appended.0.saturating_sub(log.synced.0));
    lines.add("log_backlog_bytes", log.backlog);
    lines.add("log_bytes", log.bytes);
    lines.add("log_batches", log.stats.batches);
    lines.add("log_records", log.stats.records);
    lines.add("log_syncs", log.stats.syncs);
    lines.add("log_last_sync_usec", log.stats.last_sync.as_micros());
    lines.add("log_longest_sync_usec", log.stats.longest_sync.as_micros());
    lines.add("log_sync_usec_at_most", log.stats.sync_micros);
    lines.add("log_batch_records_at_most", log.stats.batch_records);
    lines.add("log_segments_begun", log.stats.segments_begun);
    lines.add("log_segments_removed", log.stats.segments_removed);
    if let Some(saving) = s.engine.saving() {
        lines.add("snapshot_in_progress_lsn", saving.lsn);
        lines.add("snapshot_in_progress_bytes", saving.written);
        lines.add("snapshot_in_progress_seconds", saving.took.as_secs());
        lines.add("snapshot_in_progress_keeps", s.engine.snapshot_keeps());
    }
    if let Some(saved) = s.engine.last_saved() {
        lines.add("snapshot_lsn", saved.lsn);
        match &saved.result {
            Ok(bytes) => lines.add("snapshot_bytes", bytes),
            Err(why) => lines.add("snapshot_error", why),
        }
    }
}

fn cluster(_: &Server, lines: &mut Lines) {
    lines.add("cluster_enabled", 0);
}

fn keyspace(s: &Server, lines: &mut Lines) {
    let (keys, expires) = (s.engine.keys(), s.engine.expiring());
    if keys > 0 {
        lines.add("db0", format_args!("keys={keys},expires={expires},avg_ttl=0"));
    }
}

fn commandstats(s: &Server, lines: &mut Lines) {
    for (command, calls) in s.ledger.by_command.ran() {
        let micros = calls.nanos as f64 / 1_000.0;
        let value = format!(
            "calls={},usec={micros:.0},usec_per_call={:.2},rejected_calls=0,failed_calls=0",
            calls.calls,
            micros / calls.calls.max(1) as f64
        );
        lines.add(&format!("cmdstat_{}", command.name), value);
    }
}
