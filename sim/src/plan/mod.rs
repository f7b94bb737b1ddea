//! A plan: everything that a seed decides before a run begins, as data.
//!
//! Operations with their bytes, faults by call index, crashes, settings of scheduler, disk and network. What is drawn
//! while a run goes on (latencies, where bytes are cut, which thread is next) comes from streams of the same seed, one
//! a subsystem, so that a family of faults that is switched off changes nothing for the others.

mod among;
mod bounds;
mod entrance;
mod fields;
mod generate;
mod limits;
mod op;
mod op_parse;
mod op_words;
mod parse;
mod passed;
mod show;
mod smaller;
mod tier;
mod visitor;

use crate::clock;
use crate::disk::{Decay, Latency, Loss};
use crate::faults::Planned;
use crate::net;
use crate::scheduler;

pub use among::{Among, Keys};
pub use entrance::{Entrance, PASSWORD};
pub use generate::generate;
pub use limits::Limits;
pub use op::{Form, Lifetime, Only, Op, Silence, WIDTHS, Word, pack};
pub(crate) use op_parse::QUANTS;
pub use parse::parse;
pub use passed::{PASSED, Passed, long_pattern};
pub use tier::Tier;
pub use visitor::{Errand, Visitor};

/// One run of the rig.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What a person has to say about it, a line each.
    pub story: Vec<String>,
    /// The seed it was made from; also the root of the streams that are drawn from during the run.
    pub seed: u64,
    /// How the server is started, in every life.
    pub server: ServerPlan,
    /// The lives of the server, one after the other on the same disk. The rig adds a last, calm one that only verifies.
    pub lives: Vec<Life>,
}

impl Plan {
    /// Whether the medium lies or changes by itself somewhere in it.
    #[must_use]
    pub fn harms_medium(&self) -> bool {
        let lies = |life: &Life| life.faults.iter().any(|planned| planned.fault.harms_medium());
        self.lives.iter().any(|life| !life.rest.is_empty() || lies(life))
    }

    /// Whether anybody asks for a backup.
    #[must_use]
    pub fn backs_up(&self) -> bool {
        let mut ops = self.lives.iter().flat_map(|life| &life.clients).flat_map(|client| &client.ops);
        ops.any(|op| matches!(op, Op::Backup(_)))
    }

    /// The weakest tier that its server ever has.
    #[must_use]
    pub fn weakest(&self) -> Tier {
        let ops = self.lives.iter().flat_map(|life| &life.clients).flat_map(|client| &client.ops);
        ops.flat_map(Op::tiers).fold(self.server.fsync, Tier::max)
    }
}

/// What a server is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerPlan {
    /// Worker threads.
    pub workers: usize,
    /// Rows below which a search scans instead of walking the graph.
    pub exact_below: usize,
    /// Bytes at which a log segment is closed.
    pub segment_bytes: u64,
    /// Zeros written ahead of the log's end.
    pub log_room: u64,
    /// Bytes of log after which a snapshot is made unasked; 0 for never.
    pub snapshot_log_bytes: u64,
    /// Bytes a second that a snapshot writes at most; 0 for all it can.
    pub snapshot_rate: u64,
    /// Bytes that a running snapshot may make the server keep; 0 for as many as usual.
    pub snapshot_memory: u64,
    /// Entries that a running snapshot looks at in one turn.
    pub snapshot_slice: usize,
    /// Dead rows from which on an index is swept.
    pub sweep_from: usize,
    /// Rows that a slice of a sweep looks at.
    pub sweep_slice: usize,
    /// Dead rows of an index, beyond as many as live, above which inserts wait for its sweep.
    pub sweep_room: usize,
    /// Keys that one SCAN looks at.
    pub scan_count: usize,
    /// Buckets of the smallest table of keys, as a power of two.
    pub table_bits: u32,
    /// Keys that one turn removes because their time has come.
    pub expiries_per_turn: usize,
    /// Virtual nanoseconds after which a start that recovers looks whether it is to finish, again and again.
    pub lookout: u64,
    /// When the log is synced.
    pub fsync: Tier,
    /// Whether it wants [`PASSWORD`].
    pub password: bool,
    /// Whether an operator looks at the directory before each start, and tries the repair that a refusal names.
    pub operator: bool,
    /// Limits that are not the usual ones.
    pub limits: Limits,
}

/// One life of the server.
#[derive(Clone, Debug)]
pub struct Life {
    /// Names it and its random streams, wherever in the plan it stands.
    pub number: usize,
    /// Threads, virtual time and the crash point.
    pub threads: scheduler::Settings,
    /// How the network behaves.
    pub net: net::Settings,
    /// What happens to the time.
    pub clock: clock::Settings,
    /// How long the disk takes.
    pub latency: Latency,
    /// Calls that go wrong.
    pub faults: Vec<Planned>,
    /// What happens to the disk between this life's end and the next one's beginning.
    pub rest: Vec<Decay>,
    /// How it ends once all clients are done, or at the crash point if that comes first.
    pub ending: Ending,
    /// When a signal asks the server to finish, whatever it does then, in virtual nanoseconds since it was started.
    pub signal: Option<u64>,
    /// Whether the image that a crash leaves is recovered twice, and the two results compared byte by byte.
    pub twice: bool,
    /// Who talks to it.
    pub clients: Vec<ClientPlan>,
    /// Who else comes.
    pub visitors: Vec<Visitor>,
}

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In order, and then the power goes.
    Shutdown,
    /// The process is killed; the page cache survives.
    Kill,
    /// The power goes.
    Power(Loss),
}

/// What one client does during one life.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientPlan {
    /// Requests that may be on their way at the same time; at least 1.
    pub depth: usize,
    /// Mean virtual nanoseconds between two things it does.
    pub gap: u64,
    /// Most bytes it sends at once; at least 1. How many is drawn, but for [`WHOLE`].
    pub send: usize,
    /// Most bytes it receives at once; at least 1.
    pub receive: usize,
    /// What it says on a new connection where there is a password.
    pub entrance: Entrance,
    /// What it asks for, in order.
    pub ops: Vec<Op>,
    /// Requests, counted from 1, behind which it breaks off.
    pub breaks: Vec<(usize, Break)>,
}

impl Life {
    /// One more than the number of the last client that ever says a word.
    #[must_use]
    pub fn speakers(&self) -> usize {
        self.clients.iter().rposition(|client| !client.is_idle()).map_or(0, |last| last + 1)
    }
}

impl ClientPlan {
    /// True for one that never says a word.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.ops.is_empty()
    }
}

/// Bytes to send at once that mean all there is.
pub const WHOLE: usize = 1 << 20;

/// How a client breaks a connection off. It comes back with a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Break {
    /// It tears the connection down this many virtual nanoseconds later.
    Reset(u64),
    /// It sends nothing more and takes what still comes.
    Finish,
    /// It sends these bytes, which are no command, and expects to be told so and dropped.
    Garbage(String),
    /// Of this request only so many bytes are sent, at least one and never all; then it tears the connection down.
    CutReset(usize),
    /// The same, but then it says that it sends nothing more.
    CutFinish(usize),
    /// It tears the connection down once so many bytes of the reply have come.
    CutReply(usize),
    /// It says QUIT and expects a word and to be let go.
    Quit,
    /// Not the client, the server: it is asked to finish this many virtual nanoseconds later.
    Shutdown(u64),
    /// It orders the server to finish, with one of [`ORDERS`], and asks for nothing more.
    Order(&'static str),
    /// Not the client, the machine: it stops this many virtual nanoseconds later.
    Crash(u64),
}

/// Commands that make the server finish.
pub const ORDERS: [&str; 4] = ["SHUTDOWN", "SHUTDOWN NOSAVE", "SHUTDOWN SAVE", "SHUTDOWN NOSAVE NOW FORCE"];

impl Default for ServerPlan {
    fn default() -> Self {
        Self {
            workers: 1,
            exact_below: 1_000,
            segment_bytes: 1 << 20,
            log_room: 0,
            snapshot_log_bytes: 0,
            snapshot_rate: 0,
            snapshot_memory: 0,
            snapshot_slice: 256,
            sweep_from: 64,
            sweep_slice: 4_096,
            sweep_room: 1_024,
            scan_count: 100_000,
            table_bits: 9,
            expiries_per_turn: 64,
            lookout: 50_000_000,
            fsync: Tier::Always,
            password: false,
            operator: false,
            limits: Limits::default(),
        }
    }
}

impl Default for ClientPlan {
    fn default() -> Self {
        Self {
            depth: 1,
            gap: 1_000,
            send: 4_096,
            receive: 4_096,
            entrance: Entrance::default(),
            ops: Vec::new(),
            breaks: Vec::new(),
        }
    }
}

/// A life in which nothing goes wrong and nobody asks for anything.
impl Default for Life {
    fn default() -> Self {
        Self {
            number: 0,
            threads: scheduler::Settings {
                strategy: scheduler::Strategy::Uniform { one_in: 16 },
                ..scheduler::Settings::default()
            },
            net: net::Settings::default(),
            clock: clock::Settings::default(),
            latency: Latency { transfer: 0, sync: 100_000 },
            faults: Vec::new(),
            rest: Vec::new(),
            ending: Ending::Shutdown,
            signal: None,
            twice: false,
            clients: Vec::new(),
            visitors: Vec::new(),
        }
    }
}
