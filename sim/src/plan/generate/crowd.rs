//! A crowd on one index: in one life of some seeds a client asks for little but inserts, searches and removals of one
//! index, as many at once as it may, while workers take turns often. Every search is wide enough to be judged whole.

use engram::base::rng::Rng;

use super::source::Source;
use super::{Life, Op, ServerPlan, Swarm, pick};
use crate::scheduler::Strategy;

/// Turns one life of the plan into a crowd, or none.
pub(super) fn crowd(rng: &mut Rng, seed: u64, swarm: Swarm, server: &mut ServerPlan, lives: &mut [Life]) {
    if rng.below(8) > 0 || !swarm.vectors {
        return;
    }
    server.exact_below = 0;
    let number = rng.index(lives.len());
    let most = pick(rng, &[20, 60, 160]);
    let (count, elements) = (20 + rng.index(most), pick(rng, &[3, 12, 80]));
    let life = &mut lives[number];
    life.threads.strategy = match rng.below(3) {
        0 => Strategy::Pct { depth: 1 + rng.below(3), horizon: 1 << (10 + rng.below(6)) },
        _ => Strategy::Uniform { one_in: 1 << rng.below(4) },
    };
    let who = rng.index(life.clients.len());
    let mut source = Source::new((seed, number, who), swarm);
    let mut ops = vec![source.new_index()];
    ops.extend((0..count).map(|_| match rng.below(40) {
        0 if swarm.saves => Op::BackgroundSave,
        0..=4 => source.removal(rng, elements),
        5..=18 => source.wide_search(rng),
        _ => source.insert(rng, elements),
    }));
    let client = &mut life.clients[who];
    client.breaks.retain(|(behind, _)| *behind <= ops.len());
    client.ops = ops;
    client.depth = pick(rng, &[2, 8, 64]);
    client.gap = 1_000;
    (client.send, client.receive) = (4_096, 4_096);
}
