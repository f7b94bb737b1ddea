//! Corners: what shows only where several things come together, in lives that follow each other. The segments' size, a
//! pause, what a life leaves and how the power takes it all have to fit; drawn one by one they hardly ever do.

use engram::base::rng::Rng;

use super::aimed::{shown_and_gone, unheard};
use super::scenes::{SYNC, alone, ends_at_once};
use super::{Break, Ending, Life, Op, ServerPlan, pick, spread};
use crate::disk::{At, Decay, Kind, Loss, Place};
use crate::faults::{Call, Fault, Planned};
use crate::phase::Phase;
use crate::plan::{ClientPlan, Tier, WHOLE};
use crate::scheduler::{Blow, Disturbance, Strategy};

/// Turns into a corner, in a few seeds.
pub(super) fn turn(rng: &mut Rng, server: &mut ServerPlan, lives: &mut [Life]) {
    let (corner, number) = (rng.below(48), rng.index(lives.len()));
    match corner {
        0 => marked(rng, server, &mut lives[number]),
        1 if number > 0 => no_room(rng, lives, number - 1),
        2 | 3 if number > 0 => changed_unheard(rng, server, lives, number - 1),
        4 => full_under_load(rng, &mut lives[number]),
        5 | 6 if number > 1 => covered_and_gone(rng, &mut lives[number - 2..=number]),
        7 if rng.below(2) == 0 => strayed(rng, server, &mut lives[number]),
        8 if rng.below(32) == 0 && server.limits.maxmemory == 0 => {
            never_linked(rng, server, &mut lives[number]);
        }
        _ => {}
    }
}

/// Between its records the log is idle for so long that it writes marks; then the power goes, and takes some of the
/// marks if it can. Where each segment holds a single record, no later sync covers what a mark's own has not.
fn marked(rng: &mut Rng, server: &mut ServerPlan, life: &mut Life) {
    server.segment_bytes = 512;
    server.limits.timeout = 0;
    let longer = pick(rng, &[0, 300, 600]);
    let set = |number| Op::Set {
        key: format!("c0:k{}", number % 5),
        value: format!("marked.{}.{number}{}", life.number, "x".repeat(longer)),
        expire: None,
    };
    let ops: Vec<Op> = (0..3 + rng.index(6)).map(set).collect();
    let breaks = vec![(ops.len(), Break::Crash(rng.below(2 * SYNC)))];
    alone(life, ClientPlan { gap: 3_000_000_000, send: WHOLE, ops, breaks, ..ClientPlan::default() });
    ends_at_once(life, pick(rng, &[Loss::Subset, Loss::Torn, Loss::Garbage]));
}

/// A sync fails and its pages are dropped; the life behind it has no room to copy what the system still shows.
fn no_room(rng: &mut Rng, lives: &mut [Life], at: usize) {
    shown_and_gone(rng, lives, at);
    let call = pick(rng, &[Call::Create, Call::WriteAt]);
    lives[at + 1].faults.push(Planned::new(call, 1, Fault::Full(1)).of(Kind::Copy));
}

/// What a life has made safe is changed while a snapshot is written, and the change is lost.
fn changed_unheard(rng: &mut Rng, server: &mut ServerPlan, lives: &mut [Life], at: usize) {
    let before = &mut lives[at];
    (before.ending, before.threads.crash) = (Ending::Shutdown, None);
    before.faults.clear();
    before.rest.clear();
    for (number, client) in before.clients.iter_mut().enumerate() {
        client.breaks.clear();
        let value = |key| (format!("c{number}:k{key}"), format!("unheard.{number}.{at}.{key}"));
        client.ops.push(Op::Mset((0..5).map(value).collect()));
    }
    unheard(rng, (server, &mut lives[at + 1]), 4, |rng, number| {
        let one = rng.below(5);
        let [from, to] = [one, one + 1 + rng.below(4)].map(|key| format!("c{number}:k{}", key % 5));
        match rng.below(4) {
            0 => Op::Copy { from, to, replace: true },
            1 => pick(rng, &[Op::GetDel, Op::Incr])(to),
            _ => Op::Rename { from, to },
        }
    });
}

/// The disk is full while clients send without waiting, and has room again soon.
fn full_under_load(rng: &mut Rng, life: &mut Life) {
    for (number, client) in life.clients.iter_mut().enumerate() {
        client.depth = 4 << rng.below(3);
        let set =
            |key| Op::Set { key: format!("c{number}:k{key}"), value: format!("load.{key}"), expire: None };
        client.ops.extend((0..3).map(set));
    }
    let fault = Fault::Full(1 + rng.below(20) as u32);
    let index = 2 + spread(rng, 12);
    life.faults.push(Planned::new(Call::WriteAt, index, fault).of(Kind::Log));
}

/// The removal of a segment that a snapshot covers is lost; the copy that the next start makes of it is a lie, its last record
/// rots, and the start that cuts it there writes nothing more before the power goes.
fn covered_and_gone(rng: &mut Rng, lives: &mut [Life]) {
    let [covered, lied, quiet] = lives else { return };
    let number = covered.number;
    let set = |key: u64| Op::Set {
        key: format!("c0:k{key}"),
        value: format!("covered.{number}.{key}.{}", "x".repeat(200)),
        expire: None,
    };
    let mut ops: Vec<Op> = (0..2 + rng.below(3)).map(set).collect();
    ops.push(Op::Save);
    let breaks = vec![(ops.len(), Break::Crash(rng.below(2 * SYNC)))];
    alone(covered, ClientPlan { depth: 8, send: WHOLE, ops, breaks, ..ClientPlan::default() });
    ends_at_once(covered, pick(rng, &[Loss::All, Loss::None]));
    for life in [&mut *lied, &mut *quiet] {
        alone(life, ClientPlan::default());
        life.threads.crash = None;
        life.faults.clear();
        life.rest.clear();
    }
    lied.ending = Ending::Kill;
    lied.faults.push(Planned::new(Call::Sync, 1, Fault::SyncLate).of(Kind::Copy));
    lied.rest.push(Decay::Bit(Place { of: Kind::Log, at: At::Before(20 + rng.below(150) as u32) }, 3));
    quiet.ending = pick(rng, &[Ending::Shutdown, Ending::Power(Loss::All)]);
}

/// A record reaches the place of the one before it, which is not safe yet, and the power takes that one: of two records of the
/// same length, the second stands in the first one's place.
fn strayed(rng: &mut Rng, server: &mut ServerPlan, life: &mut Life) {
    /// Bytes of a record's header, and of what else is in one that sets such a key.
    const AROUND: usize = 28 + 22;
    server.fsync = pick(rng, &[Tier::EverySecond, Tier::No]);
    (server.segment_bytes, server.snapshot_log_bytes) = (1 << 20, 0);
    let value = |number| format!("strayed.{}.{number}", life.number);
    let record = AROUND + value(0).len();
    let set = |number| Op::Set { key: format!("c0:k{number}"), value: value(number), expire: None };
    let ops: Vec<Op> = (0..3 + rng.index(3)).map(set).collect();
    // One is written by the time that the next comes.
    let breaks = vec![(ops.len(), Break::Crash(10_000_000))];
    alone(life, ClientPlan { gap: 5_000_000, send: WHOLE, ops, breaks, ..ClientPlan::default() });
    ends_at_once(life, Loss::All);
    let place = Place { of: Kind::Log, at: At::Before(2 * record as u32) };
    // Where the life begins a segment, the first is that of its header.
    let index = pick(rng, &[2, 3]);
    let stray = Planned::new(Call::WriteAt, index, Fault::Stray(place)).of(Kind::Log);
    life.faults.push(stray.during(Phase::Serving));
}

/// A row that nobody links, since that panics twice, while others take the places of swept ones again and again: until it is
/// its place's turn once more.
fn never_linked(rng: &mut Rng, server: &mut ServerPlan, life: &mut Life) {
    /// More than there are places for rows that are not linked yet.
    const ROWS: usize = 1_500;
    (server.workers, server.sweep_from, server.sweep_slice) = (1, 1, 4_096);
    let key = "c0:v0".to_owned();
    let mut ops = vec![Op::Del(vec![key.clone()])];
    ops.push(Op::NewIndex { key: key.clone(), dim: 2, metric: "l2", quant: None });
    ops.extend((0..ROWS).map(|_| Op::Add {
        key: key.clone(),
        element: format!("e{}", rng.below(3)),
        vector: [rng.unit_f32(), rng.unit_f32()].into(),
    }));
    alone(life, ClientPlan { depth: 8, send: WHOLE, ops, ..ClientPlan::default() });
    ends_at_once(life, Loss::All);
    life.latency.sync = 10_000;
    life.threads.strategy = Strategy::Uniform { one_in: 64 };
    // Both of its attempts: the job is begun again.
    let passage = 60 + rng.below(200);
    let panic = |passage| Disturbance {
        blow: Blow::Panic,
        passage,
        thread: "worker".to_owned(),
        site: "job".to_owned(),
    };
    life.threads.disturbances = vec![panic(passage), panic(passage + 1)];
}
