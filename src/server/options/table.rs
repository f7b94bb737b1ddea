//! The one table of settings.

use super::Options;
use super::values::{
    kernel, level, number, optional, show_level, show_optional, show_tier, signed, size, tier,
};
use crate::base::limits;

/// When a setting may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changes {
    /// Only before the server starts.
    AtStart,
    /// By CONFIG SET too.
    AnyTime,
}

/// One setting.
pub(crate) struct Setting {
    /// Its name: a flag behind `--`, a line's first word in the config file, a word of CONFIG.
    pub(crate) name: &'static str,
    /// Another name that clients know it by, for CONFIG and the config file.
    pub(crate) alias: Option<&'static str>,
    /// The heading it stands under in `--help`.
    pub(crate) group: &'static str,
    /// What its value is, for `--help`. `SIZE` is one in bytes.
    pub(crate) value: &'static str,
    /// What it does, for `--help`.
    pub(crate) help: &'static str,
    /// When it may change.
    pub(crate) changes: Changes,
    /// Reads and takes a value, or says what one must be.
    pub(crate) set: fn(&mut Options, &str) -> Result<(), String>,
    /// The value as [`Setting::set`] reads it.
    pub(crate) show: fn(&Options) -> String,
}

/// The setting called `name`, in any case, by either of its names.
pub(crate) fn named(name: &str) -> Option<&'static Setting> {
    let is_it = |known: &str| known.eq_ignore_ascii_case(name);
    SETTINGS.iter().find(|s| is_it(s.name) || s.alias.is_some_and(is_it))
}

const NET: &str = "Network";
const KEEP: &str = "What is kept";
const CLIENTS: &str = "Clients and memory";
const VECTORS: &str = "Vectors";
const WATCH: &str = "Watching it";

/// Largest number that a plain count or span takes.
const LARGE: u64 = u32::MAX as u64;
/// Largest size.
const WHOLE: u64 = i64::MAX as u64;

/// Every setting, in the order of `--help`.
pub(crate) static SETTINGS: &[Setting] = &[
    Setting {
        name: "bind",
        alias: None,
        group: NET,
        value: "HOST...",
        help: "addresses or names to listen on; * for all; a - before one that may be missing",
        changes: Changes::AtStart,
        set: |o, text| {
            o.bind = text.split_whitespace().map(str::to_owned).collect();
            if o.bind.is_empty() { Err("at least one address is needed".to_owned()) } else { Ok(()) }
        },
        show: |o| o.bind.join(" "),
    },
    Setting {
        name: "port",
        alias: None,
        group: NET,
        value: "PORT",
        help: "TCP port; 0 takes a free one, which the first log line names",
        changes: Changes::AtStart,
        set: |o, text| number(text, 0, 65_535).map(|n| o.port = n),
        show: |o| o.port.to_string(),
    },
    Setting {
        name: "tcp-keepalive",
        alias: None,
        group: NET,
        value: "SECONDS",
        help: "silent clients are probed after this long; 0 for never",
        changes: Changes::AtStart,
        set: |o, text| number(text, 0, 32_767).map(|n| o.tcp_keepalive = n),
        show: |o| o.tcp_keepalive.to_string(),
    },
    Setting {
        name: "dir",
        alias: None,
        group: KEEP,
        value: "DIR",
        help: "data directory, created where there is none; without it nothing outlives the process",
        changes: Changes::AtStart,
        set: |o, text| {
            o.dir = optional(text);
            Ok(())
        },
        show: |o| show_optional(o.dir.as_ref()),
    },
    Setting {
        name: "backup-dir",
        alias: None,
        group: KEEP,
        value: "DIR",
        help: "directory in which VBACKUP makes directories, another than --dir; it has to be there by then; without it \
               there are no backups",
        changes: Changes::AtStart,
        set: |o, text| {
            o.backup_dir = optional(text);
            Ok(())
        },
        show: |o| show_optional(o.backup_dir.as_ref()),
    },
    Setting {
        name: "fsync",
        alias: Some("appendfsync"),
        group: KEEP,
        value: "always|everysec|no",
        help: "when a write is answered: once it survives a power loss, or at once with a sync every second or \
               whenever the system likes",
        changes: Changes::AnyTime,
        set: |o, text| tier(text).map(|tier| o.fsync = tier),
        show: |o| show_tier(o.fsync),
    },
    Setting {
        name: "segment-bytes",
        alias: None,
        group: KEEP,
        value: "SIZE",
        help: "size at which a file of the log is closed and the next begun",
        changes: Changes::AtStart,
        set: |o, text| size(text, 4 << 10, 1 << 40).map(|n| o.segment_bytes = n),
        show: |o| o.segment_bytes.to_string(),
    },
    Setting {
        name: "log-room",
        alias: None,
        group: KEEP,
        value: "SIZE",
        help: "zeros that are written ahead of the log's end with --fsync always, so that syncs are short; 0 for none",
        changes: Changes::AtStart,
        set: |o, text| size(text, 0, 64 << 20).map(|n| o.log_room = n),
        show: |o| o.log_room.to_string(),
    },
    Setting {
        name: "snapshot-log-bytes",
        alias: None,
        group: KEEP,
        value: "SIZE",
        help: "make a snapshot when the log has grown by so much since the last one, or by half of its size if that is \
               more; 0 to leave it to VSAVE",
        changes: Changes::AnyTime,
        set: |o, text| size(text, 0, 1 << 50).map(|n| o.snapshots.log_bytes = n),
        show: |o| o.snapshots.log_bytes.to_string(),
    },
    Setting {
        name: "snapshot-memory",
        alias: None,
        group: KEEP,
        value: "SIZE",
        help: "bytes that a running snapshot may make the server keep: above half of them it keeps to no rate, above all it is \
               given up and tried again later, unless somebody has asked for it; 0 for no bound",
        changes: Changes::AnyTime,
        set: |o, text| size(text, 0, 1 << 50).map(|n| o.snapshots.memory = n),
        show: |o| o.snapshots.memory.to_string(),
    },
    Setting {
        name: "snapshot-rate",
        alias: None,
        group: KEEP,
        value: "SIZE",
        help: "bytes a second that a snapshot writes at most; 0 for as many as the disk takes",
        changes: Changes::AnyTime,
        set: |o, text| size(text, 0, 1 << 40).map(|n| o.snapshots.rate = n),
        show: |o| o.snapshots.rate.to_string(),
    },
    #[cfg(feature = "lossy")]
    Setting {
        name: "storage",
        alias: None,
        group: KEEP,
        value: "STORAGE",
        help: "files, or for crash tests lossy[:SEED[:LIE]]: what was not synced goes with the process",
        changes: Changes::AtStart,
        set: |o, text| {
            text.clone_into(&mut o.storage);
            Ok(())
        },
        show: |o| o.storage.clone(),
    },
    #[cfg(feature = "lossy")]
    Setting {
        name: "kill-at",
        alias: None,
        group: KEEP,
        value: "PLACE",
        help: "for crash tests: a mark or a call at which the process kills itself",
        changes: Changes::AtStart,
        set: |o, text| {
            text.clone_into(&mut o.kill_at);
            Ok(())
        },
        show: |o| o.kill_at.clone(),
    },
    Setting {
        name: "maxclients",
        alias: None,
        group: CLIENTS,
        value: "N",
        help: "most clients at a time; more are told so and closed",
        changes: Changes::AnyTime,
        set: |o, text| number(text, 1, 1_000_000).map(|n| o.maxclients = n),
        show: |o| o.maxclients.to_string(),
    },
    Setting {
        name: "requirepass",
        alias: None,
        group: CLIENTS,
        value: "PASSWORD",
        help: "clients must give this password first; empty for none",
        changes: Changes::AnyTime,
        set: |o, text| {
            o.requirepass = text.as_bytes().to_vec();
            if text.len() > 512 { Err("a password has at most 512 bytes".to_owned()) } else { Ok(()) }
        },
        show: |o| String::from_utf8_lossy(&o.requirepass).into_owned(),
    },
    Setting {
        name: "timeout",
        alias: None,
        group: CLIENTS,
        value: "SECONDS",
        help: "clients silent for this long are closed; 0 for never",
        changes: Changes::AnyTime,
        set: |o, text| number(text, 0, LARGE).map(|n| o.timeout = n),
        show: |o| o.timeout.to_string(),
    },
    Setting {
        name: "maxmemory",
        alias: None,
        group: CLIENTS,
        value: "SIZE",
        help: "above it, writes that need memory are refused (-OOM); 0 for no bound",
        changes: Changes::AnyTime,
        set: |o, text| size(text, 0, WHOLE).map(|n| o.maxmemory = n),
        show: |o| o.maxmemory.to_string(),
    },
    Setting {
        name: "client-query-buffer-limit",
        alias: None,
        group: CLIENTS,
        value: "SIZE",
        help: "most bytes of an unfinished command; beyond, the client is closed",
        changes: Changes::AnyTime,
        set: |o, text| size(text, 1 << 20, WHOLE).map(|n| o.client_query_buffer_limit = n),
        show: |o| o.client_query_buffer_limit.to_string(),
    },
    Setting {
        name: "client-output-buffer-limit",
        alias: None,
        group: CLIENTS,
        value: "SIZE",
        help: "most bytes of replies that a client leaves unread; beyond, it is closed",
        changes: Changes::AnyTime,
        set: |o, text| size(text, 1 << 20, WHOLE).map(|n| o.client_output_buffer_limit = n),
        show: |o| o.client_output_buffer_limit.to_string(),
    },
    Setting {
        name: "proto-max-bulk-len",
        alias: None,
        group: CLIENTS,
        value: "SIZE",
        help: "longest word of a command, and so longest value",
        changes: Changes::AnyTime,
        set: |o, text| size(text, 1 << 20, limits::MAX_BULK as u64).map(|n| o.proto_max_bulk_len = n),
        show: |o| o.proto_max_bulk_len.to_string(),
    },
    Setting {
        name: "workers",
        alias: None,
        group: VECTORS,
        value: "N",
        help: "threads that search and link vectors",
        changes: Changes::AtStart,
        set: |o, text| number(text, 1, limits::MAX_WORKERS as u64).map(|n| o.workers = n),
        show: |o| o.workers.to_string(),
    },
    Setting {
        name: "worker-nice",
        alias: None,
        group: VECTORS,
        value: "N",
        help: "how far the workers stand back behind what answers PING and GET, 0 to 19 (Linux)",
        changes: Changes::AtStart,
        set: |o, text| number(text, 0, 19).map(|n| o.worker_nice = n),
        show: |o| o.worker_nice.to_string(),
    },
    Setting {
        name: "kernel",
        alias: None,
        group: VECTORS,
        value: "auto|NAME",
        help: "distance kernels: auto for the fastest of this CPU, or scalar, neon, avx2, avx512; results are equal \
               to the last bit",
        changes: Changes::AtStart,
        set: |o, text| kernel(text).map(|name| o.kernel = name),
        show: |o| o.kernel.clone(),
    },
    Setting {
        name: "exact-below",
        alias: None,
        group: VECTORS,
        value: "ROWS",
        help: "indexes of at most this many rows are scanned whole instead of walked",
        changes: Changes::AtStart,
        set: |o, text| number(text, 0, LARGE).map(|n| o.exact_below = n),
        show: |o| o.exact_below.to_string(),
    },
    Setting {
        name: "logfile",
        alias: None,
        group: WATCH,
        value: "FILE",
        help: "file that log lines are appended to; standard error without it",
        changes: Changes::AtStart,
        set: |o, text| {
            o.logfile = optional(text);
            Ok(())
        },
        show: |o| show_optional(o.logfile.as_ref()),
    },
    Setting {
        name: "loglevel",
        alias: None,
        group: WATCH,
        value: "debug|notice|warning",
        help: "lines that matter less are dropped",
        changes: Changes::AnyTime,
        set: |o, text| level(text).map(|level| o.loglevel = level),
        show: |o| show_level(o.loglevel),
    },
    Setting {
        name: "slowlog-log-slower-than",
        alias: None,
        group: WATCH,
        value: "MICROSECONDS",
        help: "commands that take longer enter SLOWLOG; 0 for all, -1 for none",
        changes: Changes::AnyTime,
        set: |o, text| signed(text, -1).map(|n| o.slowlog_log_slower_than = n),
        show: |o| o.slowlog_log_slower_than.to_string(),
    },
    Setting {
        name: "slowlog-max-len",
        alias: None,
        group: WATCH,
        value: "N",
        help: "entries that SLOWLOG keeps",
        changes: Changes::AnyTime,
        set: |o, text| number(text, 0, limits::SLOWLOG_MAX as u64).map(|n| o.slowlog_max_len = n),
        show: |o| o.slowlog_max_len.to_string(),
    },
    Setting {
        name: "latency-monitor-threshold",
        alias: None,
        group: WATCH,
        value: "MILLISECONDS",
        help: "events that take this long or longer enter LATENCY; 0 for none",
        changes: Changes::AnyTime,
        set: |o, text| number(text, 0, LARGE).map(|n| o.latency_monitor_threshold = n),
        show: |o| o.latency_monitor_threshold.to_string(),
    },
];
