//! What an operator can decide.
//!
//! Guarantees: every setting stands in one table ([`table`]), and flags, the config file, CONFIG and `--help` all read
//! that table; a value that was taken is within its bounds. Pure: nothing here looks at the machine, so the number of
//! cores and the config file's text are given by the caller.

mod help;
mod shares;
mod sources;
mod table;
#[cfg(test)]
mod tests;
mod values;

use super::ServeError;
use crate::base::hash::HashKey;
use crate::base::limits;
use crate::engine::{self, SnapshotPlan, StoreOptions};
use crate::env::Level;
use crate::kernels::Kernels;
use crate::wal::Tier;

pub use shares::Shares;
pub use sources::{OptionError, Parsed};
pub(super) use table::{Changes, SETTINGS, named};
pub(super) use values::show_tier;

/// The version of this program.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Every setting's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Hosts to listen on.
    pub bind: Vec<String>,
    /// The port; 0 for a free one.
    pub port: u16,
    /// Seconds after which a silent client is probed; 0 for never.
    pub tcp_keepalive: u32,
    /// The data directory, or none for a server that keeps nothing.
    pub dir: Option<String>,
    /// The directory in which backups are made, or none.
    pub backup_dir: Option<String>,
    /// When a write is acknowledged.
    pub fsync: Tier,
    /// Size at which a log segment is closed, in bytes.
    pub segment_bytes: u64,
    /// Zeros written ahead of the log's end, in bytes.
    pub log_room: u64,
    /// When snapshots are made unasked, and how they are written.
    pub snapshots: SnapshotPlan,
    /// Threads that search and link.
    pub workers: usize,
    /// How much nicer they are than the loop and the log, in steps of nice(1).
    pub worker_nice: u8,
    /// The distance kernels' name, or `auto` for the fastest.
    pub kernel: String,
    /// Indexes of at most this many rows are searched exactly.
    pub exact_below: usize,
    /// Most clients.
    pub maxclients: usize,
    /// The password; empty for none.
    pub requirepass: Vec<u8>,
    /// Seconds after which a silent client is closed; 0 for never.
    pub timeout: u64,
    /// Bytes of memory above which writes that need more are refused; 0 for no bound.
    pub maxmemory: usize,
    /// Most bytes of unparsed input held for one client.
    pub client_query_buffer_limit: usize,
    /// Most bytes of replies held for one client.
    pub client_output_buffer_limit: usize,
    /// Longest word of a command, in bytes.
    pub proto_max_bulk_len: usize,
    /// The log file, or none for standard error.
    pub logfile: Option<String>,
    /// What is under the data directory: `files`, or one that loses power with the process.
    #[cfg(feature = "lossy")]
    pub storage: String,
    /// Where the process kills itself; empty for nowhere.
    #[cfg(feature = "lossy")]
    pub kill_at: String,
    /// Lines below it are dropped.
    pub loglevel: Level,
    /// Microseconds above which a command enters SLOWLOG; negative for never.
    pub slowlog_log_slower_than: i64,
    /// Most entries of SLOWLOG.
    pub slowlog_max_len: usize,
    /// Milliseconds from which LATENCY remembers an event; 0 for never.
    pub latency_monitor_threshold: u64,
    /// Entries that a running snapshot looks at in one turn; at least 1. Not a setting: a simulation makes it small, so
    /// that commands come between two slices of a keyspace that is small as well.
    pub snapshot_slice: usize,
    /// Dead rows from which on an index is swept, and rows that a slice of a sweep looks at. Not settings: a simulation
    /// makes them small.
    pub sweep_from: usize,
    /// See `sweep_from`.
    pub sweep_slice: usize,
    /// Dead rows of an index, beyond as many as live, above which inserts wait for its sweep. Not a setting.
    pub sweep_room: usize,
    /// Keys that one SCAN looks at at most, about. Not a setting.
    pub scan_count: usize,
    /// Buckets of the smallest table of keys, as a power of two, and keys that one turn removes because their time has come.
    /// Not settings: a simulation makes them small.
    pub table_bits: u32,
    /// See `table_bits`.
    pub expiries_per_turn: usize,
    /// Where clients begin to wait. Not a setting.
    pub shares: Shares,
    /// The config file that was read, if any. Not a setting.
    pub config_file: Option<String>,
}

impl Options {
    /// The defaults on a machine with this many cores.
    #[must_use]
    pub fn for_cores(cores: usize) -> Self {
        Self {
            bind: vec!["127.0.0.1".to_owned()],
            port: 6380,
            tcp_keepalive: 300,
            dir: None,
            backup_dir: None,
            fsync: Tier::Always,
            segment_bytes: limits::SEGMENT_BYTES,
            log_room: limits::LOG_ROOM,
            snapshots: SnapshotPlan {
                log_bytes: limits::SNAPSHOT_LOG_BYTES,
                rate: 0,
                memory: limits::SNAPSHOT_MEMORY,
            },
            workers: cores.clamp(1, limits::MAX_WORKERS),
            worker_nice: 10,
            kernel: "auto".to_owned(),
            exact_below: limits::EXACT_BELOW,
            maxclients: limits::MAX_CLIENTS,
            requirepass: Vec::new(),
            timeout: 0,
            maxmemory: 0,
            client_query_buffer_limit: limits::QUERY_BUFFER,
            client_output_buffer_limit: limits::OUTPUT_BUFFER,
            proto_max_bulk_len: limits::MAX_BULK,
            logfile: None,
            #[cfg(feature = "lossy")]
            storage: "files".to_owned(),
            #[cfg(feature = "lossy")]
            kill_at: String::new(),
            loglevel: Level::Notice,
            slowlog_log_slower_than: 10_000,
            slowlog_max_len: 128,
            latency_monitor_threshold: 0,
            snapshot_slice: limits::SNAPSHOT_SLICE,
            sweep_from: limits::SWEEP_FROM,
            sweep_slice: limits::SWEEP_SLICE,
            sweep_room: limits::SWEEP_ROOM,
            scan_count: limits::SCAN_COUNT,
            table_bits: limits::TABLE_BITS,
            expiries_per_turn: limits::EXPIRIES_PER_TURN,
            shares: Shares::default(),
            config_file: None,
        }
    }

    /// The engine's part.
    ///
    /// # Errors
    /// When this machine cannot run the kernels that were asked for.
    pub fn engine(&self, seed: u64) -> Result<engine::Options, ServeError> {
        Ok(engine::Options {
            tier: self.fsync,
            segment_bytes: self.segment_bytes,
            log_room: self.log_room,
            snapshots: self.snapshots,
            snapshot_slice: self.snapshot_slice,
            log_backlog: self.shares.log_backlog,
            lookout: self.shares.lookout,
            spin: self.shares.spin,
            workers: self.workers,
            expiries_per_turn: self.expiries_per_turn,
            store: StoreOptions {
                kernels: self.kernels()?,
                exact_below: self.exact_below,
                hash: HashKey::from_seed(seed),
                table_bits: self.table_bits,
                sweep_from: self.sweep_from,
                sweep_slice: self.sweep_slice,
                sweep_room: self.sweep_room,
                scan_count: self.scan_count,
            },
            seed,
        })
    }

    /// The kernels that were asked for.
    pub(super) fn kernels(&self) -> Result<Kernels, ServeError> {
        match self.kernel.as_str() {
            "auto" => Ok(Kernels::best()),
            name => Kernels::named(name).map_err(|why| ServeError(format!("--kernel: {why}"))),
        }
    }

    /// The data directory as the log names it.
    #[must_use]
    pub fn dir_shown(&self) -> String {
        self.dir.as_ref().map_or_else(|| "no directory".to_owned(), |dir| format!("directory {dir}"))
    }
}

impl Default for Options {
    /// The defaults on a machine with one core: what does not depend on a machine.
    fn default() -> Self {
        Self::for_cores(1)
    }
}
