//! From a seed to a plan.
//!
//! Swarm testing after Groce et al., "Swarm Testing", ISSTA 2012: a seed switches whole families of operations and
//! faults off and varies the rates of the others widely. Each part draws from a stream of its own.

mod aimed;
mod backups;
mod corners;
mod crowd;
mod faults;
mod forms;
mod guarded;
mod holders;
mod left;
mod maps;
mod recalled;
mod robbed;
mod roomy;
mod scenes;
mod settings;
mod skipped;
mod source;
mod spared;
mod storage;
mod struck;
#[cfg(test)]
mod tests;
mod tiers;
mod turned;
mod visitors;

use engram::base::rng::Rng;

use self::faults::{crash_fault, cuts, faults, net_faults};
use self::settings::{clock, disturbances, network, threads};
use self::source::Source;
use self::storage::Families;
use self::visitors::{limits, visitors};
use super::{Break, ClientPlan, Ending, Entrance, Life, ORDERS, Op, Plan, ServerPlan};
use crate::disk::{Decay, Latency, Loss};
use crate::faults::Fault;
use crate::net;
use crate::scheduler::CrashAt;

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
    let (meets, clears) = (rng.below(2) == 0, rng.below(10));
    let swarm = Swarm {
        vectors: rng.below(4) > 0,
        expiry: rng.below(2) == 0,
        transactions: rng.below(2) == 0,
        saves: rng.below(2) == 0,
        shared: clients > 1 && meets,
        clearing: clears < if clients == 1 { 5 } else { 2 },
        large: rng.below(4) == 0,
        breaks: rng.below(3) == 0,
        harmless_faults: rng.below(2) == 0,
        harmful_faults: rng.below(4) == 0,
        rough_net: rng.below(2) == 0,
        crashes: rng.below(8) > 0,
    };
    let mut server = ServerPlan {
        workers: 1 + rng.index(3),
        exact_below: pick(&mut rng, &[0, 0, 8, 1_000]),
        segment_bytes: pick(&mut rng, &[512, 512, 2_048, 4_096, 64 << 10, 1 << 20]),
        log_room: pick(&mut Rng::stream(seed, "log room"), &[0, 64, 300, 1_024, 8_192]),
        snapshot_log_bytes: pick(&mut Rng::stream(seed, "unasked"), &[0, 0, 0, 300, 1_500, 6_000]),
        snapshot_rate: pick(&mut Rng::stream(seed, "snapshot rate"), &[0, 0, 0, 0, 100_000, 1_000_000]),
        snapshot_memory: pick(
            &mut Rng::stream(seed, "snapshot memory"),
            &[0, 0, 0, 0, 0, 0, 0, 0, 500, 2_000],
        ),
        snapshot_slice: pick(&mut Rng::stream(seed, "snapshot slice"), &[1, 1, 4, 256]),
        sweep_from: pick(&mut Rng::stream(seed, "sweeps"), &[1, 1, 3, 8, 64]),
        sweep_slice: pick(&mut Rng::stream(seed, "sweep slice"), &[1, 8, 200, 4_096]),
        sweep_room: pick(&mut Rng::stream(seed, "sweep room"), &[0, 0, 2, 1_024]),
        limits: limits(&mut Rng::stream(seed, "limits"), clients),
        ..names(seed)
    };
    let lives = 1 + rng.index(6);
    let mean_ops = 1 + rng.below(58);
    let mut lives: Vec<Life> =
        (0..lives).map(|number| life(seed, number, clients, mean_ops, swarm)).collect();
    crowd::crowd(&mut Rng::stream(seed, "crowd"), seed, swarm, &mut server, &mut lives);
    maps::disturb(&mut Rng::stream(seed, "maps"), seed, swarm, &mut lives);
    aimed::aim(&mut Rng::stream(seed, "aimed"), &mut lives);
    aimed::seeming(&mut Rng::stream(seed, "seeming"), &mut server, &mut lives);
    scenes::stage(&mut Rng::stream(seed, "scene"), seed, swarm, &mut lives);
    corners::turn(&mut Rng::stream(seed, "corner"), &mut server, &mut lives);
    scarce(&mut Rng::stream(seed, "memory"), &mut server, &mut lives);
    visitors::strain(&mut Rng::stream(seed, "strain"), &mut server, &mut lives);
    tiers::choose(&mut Rng::stream(seed, "tier"), &mut server, &mut lives);
    roomy::fill(&mut Rng::stream(seed, "room again"), &mut lives);
    robbed::rob(&mut Rng::stream(seed, "robbed"), &mut lives);
    robbed::take(&mut Rng::stream(seed, "taken away"), &mut server, &mut lives);
    forms::change(&mut Rng::stream(seed, "forms"), &server, &mut lives);
    recalled::search(&mut Rng::stream(seed, "recall"), &mut server, &mut lives);
    visitors::doze(&mut Rng::stream(seed, "doze"), &mut server, &mut lives);
    spared::meet(&mut Rng::stream(seed, "spared"), &mut server, &mut lives);
    holders::hold(&mut Rng::stream(seed, "holders"), seed, swarm, &mut server, &mut lives);
    left::leave(&mut Rng::stream(seed, "left"), seed, swarm, &mut server, &mut lives);
    backups::order(&mut Rng::stream(seed, "backups"), &server, &mut lives);
    backups::cut_off(&mut Rng::stream(seed, "backup cut off"), &server, &mut lives);
    skipped::skip(&mut Rng::stream(seed, "skipped"), &server, &mut lives);
    server.operator = Rng::stream(seed, "operator").below(4) == 0;
    guarded::guard(&mut Rng::stream(seed, "password"), &mut server, &mut lives);
    struck::strike(&mut Rng::stream(seed, "struck"), &mut server, &mut lives);
    visitors::look_after(&mut Rng::stream(seed, "steward"), &server, &mut lives);
    turned::turn_back(&mut Rng::stream(seed, "turned back"), &mut server, &mut lives);
    few_at_once(&mut lives);
    Plan { story: Vec::new(), seed, server, lives }
}

/// How names are kept and walked, and all else as usual.
fn names(seed: u64) -> ServerPlan {
    ServerPlan {
        table_bits: pick(&mut Rng::stream(seed, "tables"), &[1, 1, 2, 3, 9]),
        expiries_per_turn: pick(&mut Rng::stream(seed, "expiries"), &[1, 2, 5, 64]),
        scan_count: pick(&mut Rng::stream(seed, "scans"), &[1, 2, 7, 100_000]),
        ..ServerPlan::default()
    }
}

/// Where the disk is full for a while, or a file gone, what was not answered may have been done or not, each request by itself: a client has
/// few of them on their way at once.
fn few_at_once(lives: &mut [Life]) {
    let refuses = |fault| matches!(fault, Fault::Full(_) | Fault::Decay(Decay::Remove(_)));
    let fills = |life: &&mut Life| life.faults.iter().any(|planned| refuses(planned.fault));
    for client in lives.iter_mut().filter(fills).flat_map(|life| &mut life.clients) {
        client.depth = client.depth.min(8);
    }
}

/// In a few seeds memory is scarce. What was not answered then may have been done or not, each request by itself: a client has
/// few of them on their way at once, and no log fails, which would leave all without an answer.
fn scarce(rng: &mut Rng, server: &mut ServerPlan, lives: &mut [Life]) {
    let fails = |life: &Life| {
        life.faults.iter().any(|planned| planned.harms_storage() || planned.fault.harms_medium())
    };
    if rng.below(12) > 0 || lives.iter().any(fails) {
        return;
    }
    server.limits.maxmemory = pick(rng, &[8 << 10, 40 << 10, 80 << 10, 160 << 10]);
    for client in lives.iter_mut().flat_map(|life| &mut life.clients) {
        client.depth = client.depth.min(4);
        client.ops.retain(|op| !matches!(op, Op::Unheard(..)));
        client.breaks.retain(|(behind, _)| *behind <= client.ops.len());
    }
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
    let storage = Families::of(seed);
    let mut life = Life {
        number,
        threads: threads(&mut stream("threads")),
        net: network(&mut stream("net plan"), swarm),
        clock: clock(&mut stream("clock")),
        latency,
        faults: faults(&mut stream("harmless faults"), &mut stream("harmful faults"), swarm),
        rest: storage.rest(&stream),
        ending,
        signal: None,
        twice: crash.below(3) == 0,
        clients: (0..clients).map(|id| client(&mut ops, (seed, number, id), mean_ops, swarm)).collect(),
        visitors: Vec::new(),
    };
    if swarm.breaks {
        let mut rng = stream("breaks");
        life.clients.iter_mut().for_each(|client| client.breaks = breaks(&mut rng, client.ops.len()));
    }
    manners(&mut stream("manners"), &mut life.clients);
    life.faults.extend(storage.faults(&stream));
    life.threads.disturbances = disturbances(&mut stream("disturbances"));
    life.faults.extend(net_faults(&mut stream("net faults"), swarm));
    if Rng::stream(seed, "any visitors").below(6) == 0 {
        life.visitors = visitors(&mut stream("visitors"), &life.net);
    }
    cuts(&mut stream("cuts"), &mut life);
    early_shutdown(&mut stream("early shutdown"), &mut life);
    order(&mut stream("order"), &mut life);
    self_pipe(&mut stream("self-pipe"), &mut life.net);
    if ending != Ending::Shutdown {
        plan_crash(&mut crash, &mut life);
    }
    life
}

/// Some clients speak the newer protocol, begin anew on the same connection, say goodbye, or ask for a transaction in a
/// transaction.
fn manners(rng: &mut Rng, clients: &mut [ClientPlan]) {
    for client in clients.iter_mut().filter(|client| !client.ops.is_empty()) {
        if rng.below(5) > 0 {
            continue;
        }
        let place = |rng: &mut Rng, ops: &[Op]| rng.index(ops.len() + 1);
        let first = if rng.below(4) == 0 { place(rng, &client.ops) } else { 0 };
        client.ops.insert(first, Op::Hello(3));
        let then = place(rng, &client.ops);
        match rng.below(5) {
            0 => client.ops.insert(then, Op::Reset),
            1 => client.ops.insert(then, Op::Hello(2)),
            2 => client.breaks.push((then.max(1), Break::Quit)),
            _ => {}
        }
        for op in &mut client.ops {
            if let Op::Transaction(ops) | Op::Discarded(ops) = op
                && rng.below(2) == 0
            {
                ops.insert(place(rng, ops), Op::Nested);
            }
        }
    }
}

/// In a few lives the server is asked to finish while clients are busy.
fn early_shutdown(rng: &mut Rng, life: &mut Life) {
    let client = rng.index(life.clients.len().max(1));
    if rng.below(16) == 0
        && let Some(client) = life.clients.get_mut(client)
        && !client.ops.is_empty()
    {
        let behind = 1 + rng.index(client.ops.len());
        client.breaks.push((behind, Break::Shutdown(spread(rng, 2 * life.net.latency))));
    }
}

/// In a few lives a client orders it to, while others have requests on their way.
fn order(rng: &mut Rng, life: &mut Life) {
    let number = rng.index(life.clients.len().max(1));
    if rng.below(20) == 0
        && let Some(client) = life.clients.get_mut(number)
        && !client.ops.is_empty()
    {
        let behind = 1 + rng.index(client.ops.len());
        client.breaks.push((behind, Break::Order(pick(rng, &ORDERS))));
        client.depth = client.depth.max(pick(rng, &[1, 8]));
    }
}

/// In some lives the self-pipe is small, or full from the beginning.
fn self_pipe(rng: &mut Rng, net: &mut net::Settings) {
    if rng.below(4) == 0 {
        net.pipe = pick(rng, &[1, 1, 2, 16]);
        net.stuffed = pick(rng, &[0, 1, net.pipe]);
    }
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

fn client(rng: &mut Rng, id: (u64, usize, usize), mean_ops: u64, swarm: Swarm) -> ClientPlan {
    let mut source = Source::new(id, swarm);
    let count = rng.below(2 * mean_ops) as usize;
    let first = source.first(rng);
    let ops: Vec<Op> = first.into_iter().chain((0..count).map(|_| source.op(rng))).collect();
    ClientPlan {
        depth: pick(rng, &[1, 2, 8, 64]),
        gap: 1_000 << rng.below(10),
        send: pick(rng, &[1, 7, 64, 4_096, 4_096]),
        receive: pick(rng, &[1, 64, 4_096, 4_096]),
        entrance: Entrance::default(),
        ops,
        breaks: Vec::new(),
    }
}

fn breaks(rng: &mut Rng, count: usize) -> Vec<(usize, Break)> {
    const GARBAGE: [&str; 5] =
        ["*abc\r\n", "*1\r\n#3\r\n", "*1\r\n$-7\r\n", "*2000000000\r\n", "*1\r\n$99999999999\r\n"];
    let most = if count == 0 { 0 } else { rng.below(3) };
    (0..most)
        .map(|_| {
            let how = match rng.below(4) {
                0 => Break::Garbage(pick(rng, &GARBAGE).to_owned()),
                1 => Break::Finish,
                _ => Break::Reset(rng.below(2_000_000)),
            };
            (1 + rng.index(count), how)
        })
        .collect()
}

fn pick<T: Clone>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.index(from.len())].clone()
}

/// A number below `n`, small ones far more often: every power of two is as likely as the next.
fn spread(rng: &mut Rng, n: u64) -> u64 {
    let bits = rng.below(u64::from(n.max(1).ilog2()) + 1);
    rng.below((2_u64 << bits).min(n.max(1)))
}
