//! Servers that answer before they have synced: in a few seeds. One life of such a plan mostly has a client that writes
//! for seconds, with pauses shorter than a second, before the crash comes.

use engram::base::rng::Rng;

use super::scenes::{alone, ends_at_once};
use super::{Break, Ending, LOSSES, Life, Op, ServerPlan, pick};
use crate::plan::{ClientPlan, Tier};

/// Chooses the tier, mostly the strictest.
pub(super) fn choose(rng: &mut Rng, server: &mut ServerPlan, lives: &mut [Life]) {
    if rng.below(10) > 0 {
        return;
    }
    server.fsync = pick(rng, &[Tier::EverySecond, Tier::EverySecond, Tier::No]);
    if rng.below(3) > 0 {
        let number = rng.index(lives.len());
        // What closes a segment syncs it.
        server.segment_bytes = pick(rng, &[server.segment_bytes, 1 << 20, 1 << 20]);
        unhurried(rng, number, &mut lives[number]);
    }
}

/// A client that takes its time, and a crash behind one of its later requests.
fn unhurried(rng: &mut Rng, number: usize, life: &mut Life) {
    let count = 20 + rng.index(30);
    let ops = (0..count).map(|i| match rng.below(8) {
        0 => Op::Get(format!("c0:k{}", rng.below(3))),
        1 => Op::Incr("c0:n".to_owned()),
        _ => {
            let key = format!("c0:k{}", rng.below(3));
            Op::Set { key, value: format!("unhurried.{number}.{i}"), expire: None }
        }
    });
    let ops: Vec<Op> = ops.collect();
    let breaks = vec![(count / 2 + rng.index(count / 2), Break::Crash(rng.below(200_000_000)))];
    let gap = pick(rng, &[20_000_000, 100_000_000, 200_000_000, 400_000_000]);
    let faults = std::mem::take(&mut life.faults);
    alone(life, ClientPlan { gap, ops, breaks, ..ClientPlan::default() });
    ends_at_once(life, pick(rng, &LOSSES));
    life.latency.sync = pick(rng, &[10_000, 1_000_000, 20_000_000]);
    if rng.below(4) == 0 {
        life.ending = Ending::Kill;
    }
    if rng.below(4) == 0 {
        life.faults = faults;
    }
}
