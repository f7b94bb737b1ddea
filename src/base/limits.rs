//! Every bound of the system, in one place. Each says what happens when it is reached.

use std::time::Duration;

/// Longest bulk string on the wire, in bytes; longer ones are refused as a protocol error.
pub const MAX_BULK: usize = 512 << 20;
/// Most words in one command; more are refused as a protocol error.
pub const MAX_WORDS: usize = 1 << 20;
/// Most words and longest word of a client that has not passed AUTH yet (when a password is set).
pub const MAX_WORDS_UNAUTHENTICATED: usize = 10;
/// Longest bulk string of a client that has not passed AUTH yet.
pub const MAX_BULK_UNAUTHENTICATED: usize = 16 << 10;
/// Longest inline command, and longest length line, in bytes.
pub const MAX_INLINE: usize = 64 << 10;

/// Default most bytes of unparsed input held for one client (`client-query-buffer-limit`); then it is closed.
pub const QUERY_BUFFER: usize = 1 << 30;
/// Default most bytes of replies held for one client (`client-output-buffer-limit`); then it is closed.
pub const OUTPUT_BUFFER: usize = 256 << 20;
/// Replies held for one client above which no more of its commands are read until it takes some.
pub const OUTPUT_PAUSE: usize = 1 << 20;
/// Unfinished jobs (searches, inserts) of one client above which no more of its commands are read.
pub const JOBS_PER_CLIENT: usize = 256;
/// Unfinished jobs of all clients above which commands that need one wait in their client's input. What EXEC brings beyond
/// [`JOBS_PER_CLIENT`] is not among them: it waits in the server, within the transaction's own bound.
pub const JOBS: usize = 1024;
/// Replies of one client that wait for the log above which no more of its commands are read.
pub const WAITING_REPLIES: usize = 16 << 10;
/// Commands of one client served in one turn before the others have theirs.
pub const COMMANDS_PER_TURN: usize = 256;
/// Bytes read from one client in one turn.
pub const READ_PER_TURN: usize = 256 << 10;
/// Connections accepted in one turn.
pub const ACCEPTS_PER_TURN: usize = 64;
/// Clients that may wait to be accepted (the kernel may allow fewer); more are turned away or retry by themselves.
pub const BACKLOG: i32 = 511;
/// Descriptors that one wait reports; more are reported by the next.
pub const EVENTS_PER_WAIT: usize = 1024;
/// Default most clients (`maxclients`); more are told so and closed.
pub const MAX_CLIENTS: usize = 10_000;
/// Most worker threads (`workers`).
pub const MAX_WORKERS: usize = 256;

/// Bytes of log lines that wait to be written; further ones are lost, and counted.
pub const WAITING_LINES: usize = 1 << 20;
/// How long an end waits for the last lines to be written; then they are lost.
pub const LAST_LINES: Duration = Duration::from_secs(2);
/// Bytes waiting for the log thread above which writing commands wait in their client's input.
pub const LOG_BACKLOG: usize = 64 << 20;
/// Size at which a log segment is closed and the next begun.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// How often a start that recovers looks whether it is to finish.
pub const LOOKOUT: Duration = Duration::from_millis(50);
/// How long loop and log thread look for each other's work before they sleep: to be woken takes a good part of a sync's time.
pub const SPIN: Duration = Duration::from_micros(250);
/// Bytes that a running snapshot may make the server keep.
pub const SNAPSHOT_MEMORY: u64 = 256 << 20;
/// How often it is looked at how many they are.
pub const SNAPSHOT_WEIGHED: Duration = Duration::from_millis(10);
/// How long a server that ends waits for a backup's thread that was told to leave: its disk may hang.
pub const BACKUP_LEAVES: Duration = Duration::from_secs(2);
/// Bytes of log since the last snapshot after which another is made.
pub const SNAPSHOT_LOG_BYTES: u64 = 256 << 20;
/// How long after a snapshot that failed another is made unasked; twice as long after each further one, ...
pub const SNAPSHOT_AGAIN: Duration = Duration::from_secs(60);
/// ... so many times at most.
pub const SNAPSHOT_AGAIN_DOUBLED: u32 = 5;
/// The same where one has failed that makes up for a file that is gone, since writes are refused meanwhile.
pub const SNAPSHOT_MISSED_AGAIN: Duration = Duration::from_secs(1);
/// Zeros written ahead of the log's end at a time.
pub const LOG_ROOM: u64 = 1 << 20;
/// Longest payload of one log record: a command's worth.
pub const MAX_RECORD: usize = 1 << 30;

/// Most dimensions of an index.
pub const MAX_DIM: usize = 65_536;
/// Most links a row keeps on the layers above the ground layer (`M`).
pub const MAX_M: usize = 4_096;
/// Widest candidate list of a search or an insert (`EF`); larger requests are an error.
pub const MAX_EF: usize = 1_000_000;
/// Most rows of one index, live and dead.
pub const MAX_ROWS: usize = (1 << 31) - 2;
/// Highest layer of a graph.
pub const MAX_LEVEL: usize = 15;

/// Most keys that one SCAN looks at, whatever its COUNT says; its cursor goes on from there.
pub const SCAN_COUNT: usize = 100_000;
/// Most hits of a search within a distance (`WITHIN`); asking for more is an error.
pub const RANGE_HITS: usize = 1_000_000;
/// Most keys that a search can be confined to by name (`KEYS`); more are an error.
pub const FILTER_KEYS: usize = 65_536;
/// Longest pattern that keys are matched with (`KEYS`, `MATCH`, `CONFIG GET`), in bytes: each is held against it.
pub const PATTERN: usize = 1_024;
/// Buckets of the smallest table of keys, as a power of two.
pub const TABLE_BITS: u32 = 9;
/// Keys that are removed in one turn because their time has come, at most; the next turn goes on.
pub const EXPIRIES_PER_TURN: usize = 64;
/// Default most rows of an index that is scanned exactly whatever EF says (`exact-below`).
pub const EXACT_BELOW: usize = 1_000;
/// Dead rows of an index below which it is not swept; above, it is when one row in forty is dead.
pub const SWEEP_FROM: usize = 64;
/// Rows that a slice of a sweep looks at, at most; what it changes counts for more ([`crate::index`] says how much), so that a
/// slice lasts about a millisecond.
pub const SWEEP_SLICE: usize = 1 << 12;
/// Dead rows of an index, beyond as many as live, above which inserts into it wait in their client's input while it is swept.
pub const SWEEP_ROOM: usize = 1 << 10;
/// Entries that a running snapshot looks at in one turn of the loop at most.
pub const SNAPSHOT_SLICE: usize = 256;
/// Snapshots and backups that wait for the one that is being written, at most.
pub const MAX_BACKUPS: usize = 16;

/// Entries kept by SLOWLOG at most.
pub const SLOWLOG_MAX: usize = 1 << 20;
