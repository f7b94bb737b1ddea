//! An index that somebody still holds who has to let go of it: a search that the loop does while the index goes, a change of form
//! whose index FLUSHALL takes away, and a change that waits until a snapshot is through with the index. In one seed of
//! twenty-four, in one life of it. Of the first two the index is too large for the loop to drop it.

use engram::base::rng::Rng;

use super::super::QUANTS;
use super::scenes::{alone, ends_at_once};
use super::source::Source;
use super::{Life, Op, ServerPlan, Swarm, pick};
use crate::disk::Loss;
use crate::plan::{ClientPlan, WHOLE};
use crate::scheduler::{Blow, Disturbance, Strategy};

/// Requests of the client that may be on their way.
const DEPTH: usize = 16;

/// Has one life of a few seeds come to such a moment.
pub(super) fn hold(rng: &mut Rng, seed: u64, swarm: Swarm, server: &mut ServerPlan, lives: &mut [Life]) {
    if rng.below(24) > 0 || server.limits.maxmemory > 0 {
        return;
    }
    let number = rng.index(lives.len());
    let life = &mut lives[number];
    let mut source = Source::new((seed, number, 0), swarm);
    let limits = &mut server.limits;
    (limits.jobs, limits.jobs_per_client, limits.waiting_replies, limits.timeout) = (0, 0, 0, 0);
    alone(life, ClientPlan::default());
    life.clients.truncate(1);
    ends_at_once(life, Loss::All);
    life.latency.sync = 10_000;
    let (ops, depth) = match rng.below(3) {
        0 => (searched_and_gone(rng, server, life, &mut source), DEPTH),
        1 => (changed_and_gone(rng, server, life, &mut source), DEPTH),
        _ => (changed_twice(rng, server, life), 1),
    };
    life.clients[0] = ClientPlan { depth, send: WHOLE, ops, ..ClientPlan::default() };
}

/// A new index with so many rows that are linked before anything else is asked for.
fn large(rng: &mut Rng, source: &mut Source, rows: u64) -> Vec<Op> {
    let mut ops = vec![source.no_index(), source.new_index()];
    ops.extend((0..rows).map(|row| source.settler(rng, (row % 8, 1.0), row)));
    ops.extend(vec![Op::Ping(None); DEPTH]);
    ops
}

/// Rows of an index that a worker has to drop.
fn rows(rng: &mut Rng) -> u64 {
    66 + rng.below(16)
}

/// Searches that wait for a worker when their index goes. The loop does one of them, and rests while the workers come to the
/// end of what they have to do.
fn searched_and_gone(
    rng: &mut Rng,
    server: &mut ServerPlan,
    life: &mut Life,
    source: &mut Source,
) -> Vec<Op> {
    server.limits.commands_per_turn = 0;
    server.exact_below = 0;
    let rows = rows(rng);
    let mut ops = large(rng, source, rows);
    let searches = 4 + rng.below(6);
    ops.extend((0..searches).map(|number| source.island_search(rng, (number % 8, 1.0), 5)));
    ops.push(pick(rng, &[Op::FlushAll, Op::FlushDb, source.no_index()]));
    ops.extend(vec![Op::Get("c0:k0".to_owned()); 3]);
    // What the loop does for its clients by itself takes longer than it may: the others go to the workers.
    life.threads.tick = pick(rng, &[2_500, 5_000]);
    life.threads.strategy = Strategy::Uniform { one_in: pick(rng, &[1, 4, 16]) };
    let stall = |thread: &str, passage, nanos| Disturbance {
        blow: Blow::Stall(nanos),
        passage,
        thread: thread.to_owned(),
        site: "job".to_owned(),
    };
    // A worker has linked each row before.
    life.threads.disturbances =
        vec![stall("main", 2 + rng.below(3), 5_000_000), stall("worker", rows + 1 + rng.below(3), 500_000)];
    ops
}

/// A change of form whose index goes while a snapshot's cursor is on its way: what FLUSHALL takes away the snapshot's thread
/// drops, which may be done with it before the loop looks at the change.
fn changed_and_gone(rng: &mut Rng, server: &mut ServerPlan, life: &mut Life, source: &mut Source) -> Vec<Op> {
    server.limits.commands_per_turn = 1 + rng.index(3);
    (server.table_bits, server.snapshot_slice, server.sweep_slice) = (9, 1, 4_096);
    let rows = rows(rng);
    let mut ops = large(rng, source, rows);
    let set = |key| Op::Set {
        key: format!("c0:k{key}"),
        value: format!("held.{}.{key}", life.number),
        expire: None,
    };
    ops.splice(0..0, (0..5).map(set));
    ops.push(Op::BackgroundSave);
    let key = "c0:v0".to_owned();
    ops.push(Op::Quant { key, quant: pick(rng, &QUANTS) });
    ops.extend(vec![Op::Ping(None); usize::from(rng.below(4) == 0)]);
    ops.push(Op::FlushAll);
    ops.extend(vec![Op::Get("c0:k0".to_owned()); 3]);
    life.threads.strategy = match rng.below(4) {
        0 => Strategy::Uniform { one_in: 1 },
        _ => Strategy::Pct { depth: 1 + rng.below(2), horizon: 1 << 14 },
    };
    ops
}

/// Two changes of one index close together, and one of another index before them, while a snapshot has all in hand. Then
/// nobody asks for anything more.
fn changed_twice(rng: &mut Rng, server: &mut ServerPlan, life: &mut Life) -> Vec<Op> {
    (server.snapshot_rate, server.snapshot_log_bytes) = (100_000, 0);
    let [one, other] = ["c0:v0", "c0:v1"].map(str::to_owned);
    let mut ops = vec![Op::Del(vec![one.clone(), other.clone()])];
    for key in [&one, &other] {
        ops.push(Op::NewIndex { key: key.clone(), dim: 3, metric: "l2", quant: Some("f32") });
        ops.extend((0..1 + rng.below(4)).map(|row| Op::Add {
            key: key.clone(),
            element: format!("e{row}"),
            vector: (0..3).map(|_| rng.unit_f32()).collect(),
        }));
    }
    let value = format!("paced.{}.{}", life.number, "x".repeat(2_000));
    ops.push(Op::Set { key: "c0:k0".to_owned(), value, expire: None });
    ops.push(Op::BackgroundSave);
    let change = |key: &String, quant| Op::Quant { key: key.clone(), quant };
    let (first, then) = pick(rng, &[("int8", "bin"), ("bin", "int4"), ("int4", "f32")]);
    ops.extend([change(&one, "int8"), change(&other, first), change(&other, then)]);
    ops
}
