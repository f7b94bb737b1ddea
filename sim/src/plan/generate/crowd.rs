//! A crowd on one index: in one life of some seeds a client asks for little but inserts, searches and removals of one
//! index, as many at once as it may, while workers take turns often and threads stall where a half-done change shows.
//! Every search that is to be judged whole is wide enough for that; the life behind it searches what is left.

use engram::base::rng::Rng;

use super::source::Source;
use super::{Life, Op, ServerPlan, Swarm, pick, spread};
use crate::net;
use crate::scheduler::{Blow, Disturbance, Strategy};

/// The shapes of a crowd that is saved once.
const SAVED: u64 = 5;
const NESTED: u64 = 6;

/// Turns one life of the plan into a crowd, or none.
pub(super) fn crowd(rng: &mut Rng, seed: u64, swarm: Swarm, server: &mut ServerPlan, lives: &mut [Life]) {
    if rng.below(6) > 0 || !swarm.vectors {
        return;
    }
    server.exact_below = 0;
    let number = rng.index(lives.len());
    let life = &mut lives[number];
    let who = rng.index(life.clients.len());
    let mut source = Source::new((seed, number, who), swarm);
    let saves = swarm.saves || rng.below(2) == 0;
    let mut ops = if rng.below(2) == 0 { vec![source.no_index()] } else { Vec::new() };
    ops.push(source.new_index());
    let shape = pick(rng, &[0, 1, 2, 3, 4, 4, SAVED, SAVED, NESTED, 7]);
    let whole = match shape {
        0..=2 => {
            server.workers = server.workers.max(1 + rng.index(3));
            ops.extend(mixture(rng, &mut source, saves));
            false
        }
        3 | 4 => {
            server.workers = 1 + rng.index(3);
            ops.extend(islands(rng, &mut source, saves));
            true
        }
        SAVED => {
            server.workers = 2 + rng.index(2);
            ops.extend(saved(rng, &mut source));
            true
        }
        NESTED => {
            server.workers = 2 + rng.index(2);
            ops.extend(nested(rng, &source, life));
            true
        }
        _ => {
            // The marks of one worker's walks are numbered, and the numbers begin anew after 255.
            server.workers = 1;
            ops.extend(rounds(rng, &mut source));
            true
        }
    };
    life.threads.strategy = match rng.below(3) {
        0 => Strategy::Pct { depth: 1 + rng.below(3), horizon: 1 << (10 + rng.below(6)) },
        _ => Strategy::Uniform { one_in: 1 << rng.below(4) },
    };
    if shape < NESTED && rng.below(4) > 0 {
        let count = 1 + rng.below(12);
        let stalls = (0..count).map(|_| stall(rng, shape, ops.len() as u64));
        life.threads.disturbances.extend(stalls);
    }
    let client = &mut life.clients[who];
    if whole || rng.below(2) == 0 {
        life.threads.crash = None;
        client.breaks.clear();
    }
    client.breaks.retain(|(behind, _)| *behind <= ops.len());
    client.ops = ops;
    client.depth = pick(rng, &[2, 8, 64]);
    client.gap = 1_000;
    (client.send, client.receive) = (4_096, 4_096);
    if shape == NESTED {
        // One is done with before the next comes.
        (client.depth, client.gap, client.send) = (64, 20_000, 64);
    }
    if let Some(next) = lives.get_mut(number + 1) {
        let searches = (0..4).map(|_| source.wide_search(rng));
        next.clients[who].ops.splice(0..0, searches);
    }
}

/// A little of everything, with elements that are replaced and removed while they are searched for.
fn mixture(rng: &mut Rng, source: &mut Source, saves: bool) -> Vec<Op> {
    let most = pick(rng, &[20, 60, 160]);
    let (count, elements) = (20 + rng.index(most), pick(rng, &[3, 12, 80]));
    let op = |_| match rng.below(40) {
        0 | 1 if saves => Op::BackgroundSave,
        0..=4 => source.removal(rng, elements),
        5..=18 => source.narrow_search(rng),
        _ => source.insert(rng, elements),
    };
    (0..count).map(op).collect()
}

/// Groups of rows far from one another, one after the other: of two groups that have grown only the tree of parents
/// leads from the younger to the older.
fn islands(rng: &mut Rng, source: &mut Source, saves: bool) -> Vec<Op> {
    let (count, rows) = pick(rng, &[(2, 60), (3, 40), (6, 20)]);
    // Of rows in one place none is a way out of it.
    let width = pick(rng, &[0.0, 0.0, 1.0]);
    let mut ops = Vec::new();
    for island in 0..count {
        for row in 0..rows {
            ops.push(source.settler(rng, (island, width), island * rows + row));
            match rng.below(24) {
                0 if saves => ops.push(Op::BackgroundSave),
                1 | 2 => ops.push(source.island_search(rng, (island, width), 1_000)),
                _ => {}
            }
        }
    }
    ops.extend((0..8).map(|_| {
        let island = rng.below(count);
        source.island_search(rng, (island, width), 1_000)
    }));
    // Some of these are confined to elements that live elsewhere.
    ops.extend((0..8).map(|_| {
        let island = rng.below(count);
        source.narrow_island_search(rng, (island, width), 5)
    }));
    ops
}

/// Searches from group to group, then many of one row in one group: the others keep the marks that they had. A wide
/// search meets all of them.
fn rounds(rng: &mut Rng, source: &mut Source) -> Vec<Op> {
    let (count, rows) = (24, 3 + rng.below(5));
    let mut ops: Vec<Op> = (0..count * rows).map(|row| source.settler(rng, (row / rows, 1.0), row)).collect();
    for _ in 0..5 {
        let home = rng.below(count);
        let around = (0..8 + rng.below(24)).map(|_| rng.below(count)).collect::<Vec<_>>();
        ops.extend(around.iter().map(|island| source.island_search(rng, (*island, 1.0), 5)));
        ops.extend((0..25 + rng.below(40)).map(|_| source.island_search(rng, (home, 1.0), 1)));
        ops.push(source.wide_search(rng));
    }
    ops
}

/// One snapshot, begun while rows are being linked and their children are linked already.
fn saved(rng: &mut Rng, source: &mut Source) -> Vec<Op> {
    let (before, behind) = (5 + rng.below(40), rng.below(10));
    let mut ops: Vec<Op> = (0..before).map(|row| source.settler(rng, (0, 1.0), row)).collect();
    ops.push(Op::BackgroundSave);
    ops.extend((0..behind).map(|row| source.settler(rng, (0, 1.0), before + row)));
    ops
}

/// One snapshot, begun while a row stands still that is adopted and not settled yet, and others are its children already.
fn nested(rng: &mut Rng, source: &Source, life: &mut Life) -> Vec<Op> {
    let (before, children, behind) = (1 + rng.below(6), 1 + rng.below(3), rng.below(3));
    // Each by itself, but for the children, which are where their parent is.
    let settle = |rng: &mut Rng, row: u64| source.settler(rng, (row.min(before), 0.0), row);
    let mut ops: Vec<Op> = (0..=before + children).map(|row| settle(rng, row)).collect();
    ops.push(Op::BackgroundSave);
    ops.extend((0..behind).map(|row| settle(rng, before + children + 1 + row)));
    life.faults.clear();
    life.net = net::Settings { latency: 1_000, ..net::Settings::default() };
    life.latency.sync = 100_000;
    // Each row settles twice: it may be the first of all, and then it is linked.
    let passage = 2 * before + pick(rng, &[2, 2, 1, 3]);
    let (thread, site) = ("worker".to_owned(), "settling".to_owned());
    let blow = Blow::Stall(100_000_000 + rng.below(200_000_000));
    life.threads.disturbances = vec![Disturbance { blow, passage, thread, site }];
    ops
}

/// A thread stands still where what it does is done by half: a row that is published or adopted and no more than that.
fn stall(rng: &mut Rng, shape: u64, ops: u64) -> Disturbance {
    const ANY: [(&str, &str); 6] = [
        ("main", "AtomicU64 fetch_add"),
        ("main", "AtomicU32 fetch_add"),
        ("main", "AtomicU64 fetch_add"),
        ("main", "AtomicU64 fetch_add"),
        ("worker", "link"),
        ("worker", "settling"),
    ];
    let (thread, site) = if shape == SAVED { ("worker", "link") } else { pick(rng, &ANY) };
    // A row passes by as many links as it gets.
    let passages = if site == "link" { 10 * ops } else { ops };
    let blow = Blow::Stall(1_000_000 + spread(rng, 200_000_000));
    Disturbance { blow, passage: 1 + rng.below(passages), thread: thread.to_owned(), site: site.to_owned() }
}
