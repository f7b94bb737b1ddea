//! Servers that answer before they have synced: in one seed of five, in some of them only until they are told otherwise. One
//! life of such a plan mostly has clients that write for seconds, with pauses shorter than a second, before the crash comes.

use engram::base::rng::Rng;

use super::scenes::{alone, ends_at_once};
use super::{Break, Ending, LOSSES, Life, Op, ServerPlan, pick};
use crate::plan::{ClientPlan, Tier};

const TIERS: [Tier; 3] = [Tier::Always, Tier::EverySecond, Tier::No];

/// Chooses the tier, mostly the strictest.
pub(super) fn choose(rng: &mut Rng, server: &mut ServerPlan, lives: &mut [Life]) {
    if rng.below(5) > 0 {
        return;
    }
    server.fsync = pick(rng, &[Tier::EverySecond, Tier::EverySecond, Tier::No, Tier::Always]);
    if rng.below(3) > 0 {
        let number = rng.index(lives.len());
        // What closes a segment syncs it.
        server.segment_bytes = pick(rng, &[server.segment_bytes, 1 << 20, 1 << 20]);
        unhurried(rng, number, &mut lives[number]);
    }
    if server.fsync == Tier::Always || rng.below(3) == 0 {
        lives.iter_mut().for_each(|life| orders(rng, life));
    }
}

/// Clients that take their time, and a crash behind one of the later requests.
fn unhurried(rng: &mut Rng, number: usize, life: &mut Life) {
    let gap = pick(rng, &[20_000_000, 100_000_000, 200_000_000, 400_000_000]);
    let faults = std::mem::take(&mut life.faults);
    let others = rng.index(3);
    let mut first = writer(rng, number, 0, gap);
    let count = first.ops.len();
    // The first sync is due a while behind the first write, and a shorter life would hardly see it.
    first.breaks = vec![(count / 2 + rng.index(count / 2), Break::Crash(rng.below(200_000_000)))];
    alone(life, first);
    life.clients.truncate(1);
    life.clients.extend((1..=others).map(|client| writer(rng, number, client, gap)));
    ends_at_once(life, pick(rng, &LOSSES));
    life.latency.sync = pick(rng, &[10_000, 1_000_000, 20_000_000]);
    match rng.below(8) {
        0 | 1 => life.ending = Ending::Kill,
        // It finishes, and all has to be there whatever the tier.
        2 => life.clients[0].breaks.clear(),
        _ => {}
    }
    if rng.below(8) == 0 {
        (life.ending, life.clients[0].breaks) = (Ending::Shutdown, Vec::new());
    }
    if rng.below(4) == 0 {
        life.faults = faults;
    }
}

/// One who writes and reads, with pauses of `gap` virtual nanoseconds.
pub(super) fn writer(rng: &mut Rng, life: usize, client: usize, gap: u64) -> ClientPlan {
    let count = 20 + rng.index(30);
    let ops = (0..count).map(|i| {
        let value = format!("unhurried.{life}.{client}.{i}");
        match rng.below(8) {
            0 => Op::Get(format!("c{client}:k{}", rng.below(3))),
            1 => Op::Incr(format!("c{client}:n")),
            2 => Op::Get("shared:r0".to_owned()),
            3 => Op::Set { key: "shared:r0".to_owned(), value, expire: None },
            _ => Op::Set { key: format!("c{client}:k{}", rng.below(3)), value, expire: None },
        }
    });
    ClientPlan { gap, ops: ops.collect(), ..ClientPlan::default() }
}

/// Clients that order another tier between their requests; most often the strictest, in which something is promised.
fn orders(rng: &mut Rng, life: &mut Life) {
    for client in life.clients.iter_mut().filter(|client| !client.is_idle()) {
        for _ in 0..rng.below(3) {
            let tier = if rng.below(2) == 0 { Tier::Always } else { pick(rng, &TIERS) };
            let at = rng.index(client.ops.len() + 1);
            client.ops.insert(at, tier.order());
        }
    }
}
