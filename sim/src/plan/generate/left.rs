//! Work that goes on when the one who asked for it has gone, or that has stopped for good while others ask for more: a change of
//! form whose client breaks off and comes back with new rows, an index that is removed behind a change of form while a link is at
//! it, a transaction's rows that wait behind others of a client that goes, and a sweep that a panic has stopped while its index
//! is overwritten. In one seed of sixteen, in one life of it.

use engram::base::rng::Rng;

use super::super::QUANTS;
use super::scenes::{alone, ends_at_once};
use super::source::Source;
use super::{Break, Ending, Life, Op, ServerPlan, Swarm, pick};
use crate::disk::Loss;
use crate::plan::{ClientPlan, Tier, WHOLE};
use crate::scheduler::{Blow, Disturbance, Settings, Strategy};

/// Requests of the client that may be on their way.
const DEPTH: usize = 8;
/// Virtual nanoseconds behind which it breaks off.
const GOES: u64 = 300_000;
/// Virtual nanoseconds for which what it has left is under way.
const LASTS: u64 = 20_000_000;

/// Has one life of a few seeds come to such a moment.
pub(super) fn leave(rng: &mut Rng, seed: u64, swarm: Swarm, server: &mut ServerPlan, lives: &mut [Life]) {
    if rng.below(16) > 0 || server.limits.maxmemory > 0 {
        return;
    }
    let number = rng.index(lives.len());
    let life = &mut lives[number];
    let mut source = Source::new((seed, number, 0), swarm);
    let limits = &mut server.limits;
    (limits.jobs, limits.jobs_per_client, limits.waiting_replies, limits.timeout) = (0, 0, 0, 0);
    (limits.commands_per_turn, limits.output_pause, limits.log_backlog) = (0, 0, 0);
    alone(life, ClientPlan::default());
    life.clients.truncate(1);
    ends_at_once(life, Loss::All);
    life.ending = Ending::Shutdown;
    life.latency.sync = 10_000;
    let strategy = Strategy::Uniform { one_in: 1 << rng.below(6) };
    life.threads = Settings { strategy, ..Settings::default() };
    let mut client = ClientPlan { depth: DEPTH, send: WHOLE, ..ClientPlan::default() };
    client.ops = vec![source.no_index(), source.new_index()];
    match rng.below(4) {
        0 => change(rng, server, life, &mut source, &mut client),
        1 => removal(rng, server, life, &mut source, &mut client),
        2 => rows(rng, server, life, &mut source, &mut client),
        _ => sweep(rng, server, life, &mut source, &mut client),
    }
    client.ops.extend((0..4).map(|_| source.island_search(rng, (0, 1.0), 1_000)));
    life.clients[0] = client;
}

fn stall(site: &str, passage: u64) -> Disturbance {
    let (thread, site) = ("worker".to_owned(), site.to_owned());
    Disturbance { blow: Blow::Stall(LASTS), passage, thread, site }
}

/// The client breaks off. What it has asked for before is answered only then, and so the server hears of that, though it reads
/// nothing of one who waits.
fn gone(server: &mut ServerPlan, life: &mut Life, client: &mut ClientPlan, last: Op) {
    server.fsync = Tier::Always;
    life.latency.sync = 2 * GOES;
    let set = Op::Set { key: "c0:k0".to_owned(), value: format!("left.{}", life.number), expire: None };
    client.ops.extend([set, last]);
    client.breaks.push((client.ops.len(), Break::Reset(GOES)));
}

/// Rows that come while a form is made, which is over before others are searched for.
fn change(
    rng: &mut Rng,
    server: &mut ServerPlan,
    life: &mut Life,
    source: &mut Source,
    client: &mut ClientPlan,
) {
    let (before, behind) = (1 + rng.below(20), 1 + rng.below(12));
    client.ops.extend((0..before).map(|row| source.settler(rng, (0, 1.0), row)));
    if rng.below(2) == 0 {
        // Some of those that come take places that are free.
        (server.sweep_from, server.sweep_slice) = (1, 4_096);
        client.ops.extend((0..4 + rng.below(20)).map(|_| source.insert(rng, before)));
    }
    // Each is linked before anything else is asked for.
    client.ops.extend(vec![Op::Ping(None); DEPTH]);
    let quant = Op::Quant { key: source.crowded(), quant: pick(rng, &QUANTS) };
    gone(server, life, client, quant);
    client.ops.extend((0..behind).map(|row| source.settler(rng, (0, 1.0), before + row)));
    client.ops.extend((0..rng.below(4)).map(|_| source.insert(rng, before)));
    life.threads.disturbances = vec![stall("recode", 1 + rng.below(before))];
    // The client asks again while the change it has left goes on: for the same form, or others, each in the last one's place.
    for _ in 0..rng.below(4) {
        let again = Op::Quant { key: source.crowded(), quant: pick(rng, &QUANTS) };
        gone(server, life, client, again);
    }
}

/// An index that goes when its form has been changed, while somebody who has entered it before rests inside.
fn removal(
    rng: &mut Rng,
    server: &mut ServerPlan,
    life: &mut Life,
    source: &mut Source,
    client: &mut ClientPlan,
) {
    server.workers = 2 + rng.index(2);
    client.depth = 64;
    let rows = 4 + rng.below(16);
    client.ops.extend((0..rows).map(|row| source.settler(rng, (0, 1.0), row)));
    client.ops.push(Op::Quant { key: source.crowded(), quant: pick(rng, &QUANTS) });
    client.ops.push(pick(rng, &[source.no_index(), Op::FlushAll]));
    client.ops.extend(vec![Op::Ping(None); DEPTH]);
    life.threads.disturbances = vec![stall(pick(rng, &["link", "hop"]), 1 + rng.below(6 * rows))];
}

/// Rows of a transaction, more than a client may have under way.
fn rows(
    rng: &mut Rng,
    server: &mut ServerPlan,
    life: &mut Life,
    source: &mut Source,
    client: &mut ClientPlan,
) {
    server.limits.jobs_per_client = 1 + rng.index(3);
    let (before, count) = (rng.below(4), 4 + rng.below(12));
    client.ops.extend((0..before).map(|row| source.settler(rng, (0, 1.0), row)));
    client.ops.extend(vec![Op::Ping(None); DEPTH]);
    let all = (0..count).map(|row| source.settler(rng, (0, 1.0), before + row)).collect();
    gone(server, life, client, Op::Transaction(all));
    // Who links the first of them rests meanwhile.
    life.threads.disturbances = vec![stall("job", before + 1 + rng.below(3))];
    server.workers = 1;
}

/// An index that is overwritten again and again, behind a slice of a sweep that has panicked, or a link that has done so twice.
fn sweep(
    rng: &mut Rng,
    server: &mut ServerPlan,
    life: &mut Life,
    source: &mut Source,
    client: &mut ClientPlan,
) {
    const SITES: [(&str, u64); 6] = [
        ("sweep: mark", 4),
        ("sweep: rehome", 10),
        ("sweep: unlink", 4),
        ("sweep: relink", 40),
        ("sweep: clear", 10),
        ("job", 60),
    ];
    (server.workers, server.sweep_from, server.sweep_room) = (1, 1, pick(rng, &[0, 0, 2]));
    server.sweep_slice = pick(rng, &[1, 8, 4_096]);
    let (elements, count) = (2 + rng.below(4), 40 + rng.below(80));
    client.ops.extend((0..count).map(|_| source.insert(rng, elements)));
    let panic = |site: &str, passage| Disturbance {
        blow: Blow::Panic,
        passage,
        thread: "worker".to_owned(),
        site: site.to_owned(),
    };
    life.threads.disturbances = if rng.below(2) == 0 {
        let (site, most) = pick(rng, &SITES);
        vec![panic(site, 1 + rng.below(most))]
    } else {
        let passage = 1 + rng.below(200);
        vec![panic("link", passage), panic("link", passage + 1)]
    };
}
