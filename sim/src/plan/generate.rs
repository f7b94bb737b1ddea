//! From a seed to a plan.
//!
//! Swarm testing after Groce et al., "Swarm Testing", ISSTA 2012: a seed switches whole families of operations and
//! faults off and varies the rates of the others widely. Each part draws from a stream of its own.

use std::sync::Arc;

use engram::base::rng::Rng;

use super::{Break, ClientPlan, Ending, Life, Op, Plan, ServerPlan};
use crate::clock::wall_millis;
use crate::disk::{Latency, Loss};
use crate::faults::{Call, Fault, Planned};
use crate::net::{self, Cut};
use crate::scheduler::{self, CrashAt, Strategy};

/// What a power loss leaves, the awkward kinds more often.
const LOSSES: [Loss; 9] = [
    Loss::All,
    Loss::None,
    Loss::Names,
    Loss::Subset,
    Loss::Torn,
    Loss::Torn,
    Loss::Torn,
    Loss::Garbage,
    Loss::Garbage,
];

/// Which families a seed has.
#[derive(Clone, Copy, Debug)]
struct Swarm {
    vectors: bool,
    expiry: bool,
    transactions: bool,
    saves: bool,
    shared: bool,
    clearing: bool,
    large: bool,
    breaks: bool,
    harmless_faults: bool,
    harmful_faults: bool,
    rough_net: bool,
    crashes: bool,
}

/// The plan of a seed.
#[must_use]
pub fn generate(seed: u64) -> Plan {
    let mut rng = Rng::stream(seed, "shape");
    let clients = 1 + rng.index(4);
    let swarm = Swarm {
        vectors: rng.below(4) > 0,
        expiry: rng.below(2) == 0,
        transactions: rng.below(2) == 0,
        saves: rng.below(2) == 0,
        shared: clients > 1 && rng.below(2) == 0,
        clearing: clients == 1 && rng.below(2) == 0,
        large: rng.below(4) == 0,
        breaks: rng.below(3) == 0,
        harmless_faults: rng.below(2) == 0,
        harmful_faults: rng.below(4) == 0,
        rough_net: rng.below(2) == 0,
        crashes: rng.below(8) > 0,
    };
    let server = ServerPlan {
        workers: 1 + rng.index(3),
        exact_below: pick(&mut rng, &[0, 0, 8, 1_000]),
        segment_bytes: pick(&mut rng, &[512, 512, 2_048, 4_096, 64 << 10, 1 << 20]),
        snapshot_slice: pick(&mut Rng::stream(seed, "snapshot slice"), &[1, 1, 4, 256]),
    };
    let lives = 1 + rng.index(6);
    let mean_ops = 1 + rng.below(30);
    let lives = (0..lives).map(|number| life(seed, number, clients, mean_ops, swarm)).collect();
    Plan { seed, server, lives }
}

fn life(seed: u64, number: usize, clients: usize, mean_ops: u64, swarm: Swarm) -> Life {
    let stream = |name: &str| Rng::stream(seed, &format!("{name} {number}"));
    let mut crash = stream("crash plan");
    let ending = if !swarm.crashes {
        Ending::Shutdown
    } else {
        match crash.below(8) {
            0 => Ending::Shutdown,
            1 | 2 => Ending::Kill,
            _ => Ending::Power(pick(&mut crash, &LOSSES)),
        }
    };
    let mut disk = stream("disk plan");
    let latency = Latency {
        transfer: pick(&mut disk, &[0, 0, 20_000]),
        sync: pick(&mut disk, &[10_000, 100_000, 1_000_000, 20_000_000]),
    };
    let mut ops = stream("ops");
    let mut life = Life {
        threads: threads(&mut stream("threads")),
        net: network(&mut stream("net plan"), swarm),
        latency,
        faults: faults(&mut stream("harmless faults"), &mut stream("harmful faults"), swarm),
        ending,
        twice: crash.below(3) == 0,
        clients: (0..clients).map(|id| client(&mut ops, (seed, number, id), mean_ops, swarm)).collect(),
    };
    if ending != Ending::Shutdown {
        plan_crash(&mut crash, &mut life);
    }
    life
}

/// Where the machine stops, if it does not do so when all clients are through.
fn plan_crash(rng: &mut Rng, life: &mut Life) {
    match rng.below(12) {
        0 => {}
        1 => life.threads.crash = Some(CrashAt::Call(1 + spread(rng, 3_000))),
        2 => life.threads.crash = Some(CrashAt::Step(1 + spread(rng, 30_000))),
        3..=5 => {
            let fault = crash_fault(rng, life.latency);
            life.faults.push(fault);
        }
        _ => {
            let client = rng.index(life.clients.len());
            let client = &mut life.clients[client];
            let writes: Vec<usize> = (0..client.ops.len()).filter(|&i| client.ops[i].is_write()).collect();
            let behind = writes.get(rng.index(writes.len())).map_or(1, |write| write + 1);
            let around = 2 * (life.latency.sync + life.net.latency);
            client.breaks.push((behind, Break::Crash(rng.below(around))));
        }
    }
}

/// The machine stops at a call that changes the disk, or while that is under way.
fn crash_fault(rng: &mut Rng, latency: Latency) -> Planned {
    let (call, horizon) = pick(
        rng,
        &[
            (Call::WriteAt, 100),
            (Call::Sync, 100),
            (Call::Sync, 100),
            (Call::SyncDir, 8),
            (Call::Create, 8),
            (Call::Rename, 4),
            (Call::Remove, 8),
            (Call::SetLen, 2),
        ],
    );
    let delay = if rng.below(2) == 0 { 0 } else { rng.below(2 * latency.sync) };
    let short = call == Call::WriteAt && rng.below(2) == 0;
    let fault = if short { Fault::CrashShort(rng.below(1_000) as u16) } else { Fault::Crash(delay) };
    Planned { call, index: 1 + spread(rng, horizon), fault }
}

fn threads(rng: &mut Rng) -> scheduler::Settings {
    let one_in = 1 << rng.below(8);
    let strategy = match rng.below(8) {
        0 => Strategy::Calm,
        1 | 2 => Strategy::Pct { depth: 1 + rng.below(3), horizon: 1 << (8 + rng.below(8)) },
        3 => Strategy::Starve { victim: rng.index(5), steps: 1 << (6 + rng.below(8)), one_in },
        _ => Strategy::Uniform { one_in },
    };
    scheduler::Settings { strategy, tick: 20 << rng.below(8), ..scheduler::Settings::default() }
}

fn network(rng: &mut Rng, swarm: Swarm) -> net::Settings {
    let mut settings = net::Settings { latency: 1_000 << rng.below(10), ..net::Settings::default() };
    if swarm.rough_net {
        let cuts = [Cut::Whole, Cut::Some, Cut::Some, Cut::Single];
        settings.reads = pick(rng, &cuts);
        settings.writes = pick(rng, &cuts);
        settings.capacity = pick(rng, &[1, 16, 256, 64 << 10]);
        settings.would_block_one_in = pick(rng, &[0, 2, 5, 20]);
        settings.spurious_one_in = pick(rng, &[0, 2, 5, 20]);
        settings.wake_delay = pick(rng, &[0, 1_000, 1_000_000]);
        settings.batch = pick(rng, &[1, 2, 64]);
    }
    settings
}

/// Families of faults, each from a stream of its own.
fn faults(harmless: &mut Rng, harmful: &mut Rng, swarm: Swarm) -> Vec<Planned> {
    let mut faults = Vec::new();
    if swarm.harmless_faults {
        faults.extend((0..harmless.below(12)).map(|_| harmless_fault(harmless)));
    }
    if swarm.harmful_faults && harmful.below(2) == 0 {
        faults.extend((0..1 + harmful.below(2)).map(|_| harmful_fault(harmful)));
    }
    faults
}

/// A fault that no client may notice, or only its own connection.
fn harmless_fault(rng: &mut Rng) -> Planned {
    let part = rng.below(1_000) as u16;
    let (call, fault) = pick(
        rng,
        &[
            (Call::WriteAt, Fault::Short(part)),
            (Call::WriteAt, Fault::Interrupted),
            (Call::ReadAt, Fault::Short(part)),
            (Call::ReadAt, Fault::Interrupted),
            (Call::Sync, Fault::Slow(3_000_000_000)),
            (Call::WriteAt, Fault::Slow(50_000_000)),
            (Call::Accept, Fault::Aborted),
            (Call::Accept, Fault::NoDescriptors),
            (Call::Read, Fault::Interrupted),
            (Call::Write, Fault::Interrupted),
            (Call::Read, Fault::Reset),
            (Call::Write, Fault::Reset),
            (Call::Wait, Fault::Spurious),
        ],
    );
    let horizon = if call == Call::Accept { 4 } else { 300 };
    Planned { call, index: 1 + spread(rng, horizon), fault }
}

/// A fault of the disk because of which the server may refuse writes, or refuse to start.
fn harmful_fault(rng: &mut Rng) -> Planned {
    let room = 1 + rng.below(20) as u32;
    let (call, fault) = pick(
        rng,
        &[
            (Call::WriteAt, Fault::Io),
            (Call::WriteAt, Fault::IoHalf),
            (Call::WriteAt, Fault::Full(room)),
            (Call::Create, Fault::Full(room)),
            (Call::Create, Fault::Io),
            (Call::Open, Fault::Io),
            (Call::Rename, Fault::Io),
            (Call::Remove, Fault::Io),
            (Call::Map, Fault::Io),
            (Call::ReadAt, Fault::Io),
            (Call::SyncDir, Fault::Io),
            (Call::Sync, Fault::Io),
            (Call::Sync, Fault::SyncDropped),
            (Call::Sync, Fault::SyncReverted),
            (Call::SetLen, Fault::Io),
        ],
    );
    let horizon = if matches!(call, Call::WriteAt | Call::Sync | Call::ReadAt) { 60 } else { 6 };
    Planned { call, index: 1 + spread(rng, horizon), fault }
}

fn client(rng: &mut Rng, id: (u64, usize, usize), mean_ops: u64, swarm: Swarm) -> ClientPlan {
    let mut source = Source::new(id, swarm);
    let count = rng.below(2 * mean_ops) as usize;
    let first = source.first(rng);
    let ops: Vec<Op> = first.into_iter().chain((0..count).map(|_| source.op(rng))).collect();
    let breaks = if swarm.breaks && !ops.is_empty() { breaks(rng, ops.len()) } else { Vec::new() };
    ClientPlan {
        depth: pick(rng, &[1, 2, 8, 64]),
        gap: 1_000 << rng.below(10),
        send: pick(rng, &[1, 7, 64, 4_096, 4_096]),
        receive: pick(rng, &[1, 64, 4_096, 4_096]),
        ops,
        breaks,
    }
}

fn breaks(rng: &mut Rng, count: usize) -> Vec<(usize, Break)> {
    const GARBAGE: [&str; 5] =
        ["*abc\r\n", "*1\r\n#3\r\n", "*1\r\n$-7\r\n", "*2000000000\r\n", "*1\r\n$99999999999\r\n"];
    (0..rng.below(3))
        .map(|_| {
            let how = match rng.below(4) {
                0 => Break::Garbage(pick(rng, &GARBAGE)),
                1 => Break::Finish,
                _ => Break::Reset(rng.below(2_000_000)),
            };
            (1 + rng.index(count), how)
        })
        .collect()
}

/// Where one client's operations come from. It owns keys that no other client names, and all know a few shared ones.
struct Source {
    client: usize,
    life: usize,
    swarm: Swarm,
    /// Fixed for the client's whole history.
    dim: usize,
    metric: &'static str,
    /// Vectors have few distinct coordinates, so that distances tie.
    coarse: bool,
    made: u64,
}

impl Source {
    fn new((seed, life, client): (u64, usize, usize), swarm: Swarm) -> Self {
        let mut rng = Rng::stream(seed, &format!("client {client}"));
        Self {
            client,
            life,
            swarm,
            dim: 1 + rng.index(20),
            metric: pick(&mut rng, &["l2", "cosine", "dot"]),
            coarse: rng.below(3) == 0,
            made: 0,
        }
    }

    /// What a client of vectors does before all else, mostly.
    fn first(&self, rng: &mut Rng) -> Option<Op> {
        let wanted = self.swarm.vectors && rng.below(4) > 0;
        wanted.then(|| Op::NewIndex { key: self.index_key(rng), dim: self.dim, metric: self.metric })
    }

    fn op(&mut self, rng: &mut Rng) -> Op {
        match rng.below(40) {
            0 => Op::Ping((rng.below(2) == 0).then(|| self.value(rng))),
            1 => Op::DbSize,
            2 if self.swarm.saves => Op::Save,
            3 if self.swarm.clearing => Op::FlushAll,
            4 | 5 if self.swarm.transactions => {
                let count = 1 + rng.index(4);
                Op::Transaction((0..count).map(|_| self.simple(rng)).collect())
            }
            6..=10 if self.swarm.shared => self.shared(rng),
            _ => self.simple(rng),
        }
    }

    fn simple(&mut self, rng: &mut Rng) -> Op {
        if self.swarm.vectors && rng.below(2) == 0 { self.vector_op(rng) } else { self.key_op(rng) }
    }

    fn key_op(&mut self, rng: &mut Rng) -> Op {
        let key = self.key(rng);
        match rng.below(22) {
            0..=4 => {
                let expire = (self.swarm.expiry && rng.below(3) == 0).then(|| 1 + spread(rng, 10_000));
                Op::Set { key, value: self.value(rng), expire }
            }
            5..=7 => Op::Get(key),
            8 | 9 => Op::Del((0..1 + rng.below(2)).map(|_| self.any_key(rng)).collect()),
            10 | 11 => Op::Incr(format!("c{}:n", self.client)),
            12 | 13 => Op::Append { key, value: self.value(rng) },
            14 | 15 => Op::Mset((0..1 + rng.below(4)).map(|_| (self.key(rng), self.value(rng))).collect()),
            16 if self.swarm.expiry => Op::Expire { key: self.any_key(rng), after: 1 + spread(rng, 10_000) },
            17 if self.swarm.expiry => {
                let at = wall_millis(spread(rng, 20_000_000_000));
                Op::ExpireAt { key: self.any_key(rng), at }
            }
            18 => Op::GetDel(key),
            19 => Op::Rename { from: key, to: self.key(rng) },
            20 => Op::Exists((0..1 + rng.below(3)).map(|_| self.any_key(rng)).collect()),
            21 => Op::Pttl(self.any_key(rng)),
            _ => Op::Type(self.any_key(rng)),
        }
    }

    fn vector_op(&mut self, rng: &mut Rng) -> Op {
        let key = self.index_key(rng);
        let element = format!("e{}", rng.below(12));
        match rng.below(24) {
            0..=2 => Op::NewIndex { key, dim: self.dim, metric: self.metric },
            3..=12 => Op::Add { key, element, vector: self.vector(rng) },
            13 | 14 => Op::Remove { key, element },
            15..=20 => Op::Search {
                key,
                query: self.vector(rng),
                k: pick(rng, &[1, 3, 10, 100]),
                ef: (rng.below(2) == 0).then(|| 1 + spread(rng, 200) as usize),
                exact: rng.below(4) == 0,
                vectors: rng.below(4) == 0,
            },
            21 => Op::Info(key),
            22 => Op::Rename { from: key, to: self.index_key(rng) },
            _ => Op::Set { key, value: self.value(rng), expire: None },
        }
    }

    fn shared(&mut self, rng: &mut Rng) -> Op {
        let register = format!("shared:r{}", rng.below(2));
        match rng.below(4) {
            0 => Op::Incr("shared:n".to_owned()),
            1 => Op::Get("shared:n".to_owned()),
            2 => Op::Set { key: register, value: self.value(rng), expire: None },
            _ => Op::Get(register),
        }
    }

    fn key(&self, rng: &mut Rng) -> String {
        format!("c{}:k{}", self.client, rng.below(5))
    }

    fn index_key(&self, rng: &mut Rng) -> String {
        format!("c{}:v{}", self.client, rng.below(2))
    }

    fn any_key(&self, rng: &mut Rng) -> String {
        if self.swarm.vectors && rng.below(6) == 0 { self.index_key(rng) } else { self.key(rng) }
    }

    /// A value that no other write of the run has.
    fn value(&mut self, rng: &mut Rng) -> String {
        self.made += 1;
        let filler = match rng.below(20) {
            _ if self.swarm.large => rng.index(1_500),
            0 => 2_000,
            1 => 300 + rng.index(1_000),
            2..=4 => rng.index(300),
            _ => 0,
        };
        format!("{}.{}.{}{}", self.client, self.life, self.made, "x".repeat(filler))
    }

    fn vector(&self, rng: &mut Rng) -> Arc<[f32]> {
        let coordinate = |rng: &mut Rng| {
            if self.coarse { rng.below(3) as f32 - 1.0 } else { rng.unit_f32() * 2.0 - 1.0 }
        };
        (0..self.dim).map(|_| coordinate(rng)).collect()
    }
}

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.index(from.len())]
}

/// A number below `n`, small ones far more often: every power of two is as likely as the next.
fn spread(rng: &mut Rng, n: u64) -> u64 {
    let bits = rng.below(u64::from(n.max(1).ilog2()) + 1);
    rng.below((2_u64 << bits).min(n.max(1)))
}
