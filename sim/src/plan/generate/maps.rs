//! A mapped snapshot whose file changes while it is served from. One life of some seeds leaves a snapshot with vectors
//! behind, and in the next the medium cuts, replaces or changes that file at calls of the log and of a snapshot.

use engram::base::rng::Rng;

use super::source::Source;
use super::{Life, Op, Swarm, pick, spread};
use crate::disk::{At, Decay, Kind, Place};
use crate::faults::{Call, Fault, Planned};
use crate::net;
use crate::scheduler::Strategy;

/// Calls at which it happens, and how many of them a life may have.
const MOMENTS: [(Call, Kind, u64); 6] = [
    (Call::WriteAt, Kind::Log, 16),
    (Call::Sync, Kind::Log, 16),
    (Call::Create, Kind::Temporary, 2),
    (Call::WriteAt, Kind::Temporary, 2),
    (Call::Sync, Kind::Temporary, 2),
    (Call::Rename, Kind::Temporary, 2),
];

/// Elements of the index.
const ELEMENTS: u64 = 24;

/// Lets it happen in two lives of the plan that follow each other, or nowhere.
pub(super) fn disturb(rng: &mut Rng, seed: u64, swarm: Swarm, lives: &mut [Life]) {
    if rng.below(16) > 0 || lives.len() < 2 {
        return;
    }
    let number = rng.index(lives.len() - 1);
    let Some([before, life]) = lives.get_mut(number..number + 2) else { return };
    let who = rng.index(life.clients.len());
    for calm in [&mut *before, &mut *life] {
        calm.faults.clear();
        calm.threads.crash = None;
        calm.threads.strategy = Strategy::Uniform { one_in: 64 };
        calm.net = net::Settings { latency: 10_000, ..net::Settings::default() };
        calm.clients.iter_mut().for_each(|client| client.breaks.clear());
        calm.clock.pauses.clear();
    }
    before.rest.clear();
    let mut source = Source::new((seed, number, who), swarm);
    let mut ops = vec![source.no_index(), source.new_index()];
    ops.extend((0..4 + rng.below(20)).map(|_| source.insert(rng, ELEMENTS)));
    ops.push(Op::Save);
    before.clients[who].ops.splice(0..0, ops);
    let mut source = Source::new((seed, number + 1, who), swarm);
    let count = 8 + rng.below(24);
    let ops = (0..count).map(|_| request(rng, &mut source)).collect();
    let client = &mut life.clients[who];
    client.ops = ops;
    client.depth = pick(rng, &[1, 4, 16]);
    client.gap = 50_000;
    for _ in 0..1 + rng.below(3) {
        let (call, of, most) = pick(rng, &MOMENTS);
        let fault = Fault::Decay(decay(rng));
        life.faults.push(Planned::new(call, 1 + spread(rng, most), fault).of(of));
    }
}

fn request(rng: &mut Rng, source: &mut Source) -> Op {
    match rng.below(12) {
        0..=3 => source.insert(rng, ELEMENTS),
        4 => source.removal(rng, ELEMENTS),
        5 | 6 => pick(rng, &[Op::Save, Op::BackgroundSave]),
        _ => source.wide_search(rng),
    }
}

fn decay(rng: &mut Rng) -> Decay {
    let place = Place { of: Kind::Snapshot, at: At::Part(rng.below(1_000) as u16) };
    match rng.below(8) {
        0 | 1 => Decay::Cut(place),
        2 => Decay::Replace(place),
        3 => Decay::Bit(place, rng.below(8) as u8),
        _ => Decay::Sector(place),
    }
}
