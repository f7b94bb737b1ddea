//! Faults for every cell of the matrix: any call for any kind of file, in any phase in which it is made, and what brings
//! that phase about. Drawn without a look at the phase, faults in the short ones are met hardly ever.

use engram::base::rng::Rng;

use super::aimed::{finish_busy, save};
use super::{Op, pick, spread, storage};
use crate::coverage::reachable::places;
use crate::disk::Kind;
use crate::faults::{Call, Fault, Planned};
use crate::phase::Phase;
use crate::plan::{Break, Life, ServerPlan, WHOLE};

/// Strikes, in a few seeds.
pub(super) fn strike(rng: &mut Rng, server: &mut ServerPlan, lives: &mut [Life]) {
    if rng.below(7) > 0 {
        return;
    }
    let hard = rng.below(3) > 0;
    let is_wanted = |(call, of, phase): &(Call, Kind, Phase)| {
        call.is_storage() && (!hard || *of == Kind::Copy || matches!(phase, Phase::Again | Phase::Finishing))
    };
    let places: Vec<_> = places().filter(is_wanted).collect();
    let (call, of, phase) = places[rng.index(places.len())];
    let at = rng.index(lives.len()).max(usize::from(phase == Phase::Again)).min(lives.len() - 1);
    come_to(rng, server, (of, phase), &mut lives[..=at]);
    // One of them is met, if any is.
    for _ in 0..1 + rng.below(3) {
        let fault = storage::any(rng, call);
        lives[at].faults.push(Planned::new(call, 1 + spread(rng, 3), fault).of(of).during(phase));
    }
}

/// Lets the last of the lives come to a phase, and have a file of this kind then.
fn come_to(rng: &mut Rng, server: &mut ServerPlan, (of, phase): (Kind, Phase), lives: &mut [Life]) {
    let Some((life, before)) = lives.split_last_mut() else { return };
    if of == Kind::Copy && !matches!(phase, Phase::Recovery | Phase::Again) {
        // A segment that was full and is covered waits for being used again.
        server.segment_bytes = 512;
        save(rng, life);
    }
    match phase {
        Phase::Recovery | Phase::Serving => {}
        Phase::Again => {
            let Some(before) = before.last_mut() else { return };
            let (call, of) = pick(
                rng,
                &[
                    (Call::Open, Kind::Log),
                    (Call::ReadAt, Kind::Log),
                    (Call::SyncDir, Kind::Any),
                    (Call::WriteAt, Kind::Copy),
                    (Call::Rename, Kind::Copy),
                    (Call::List, Kind::Any),
                ],
            );
            let crash =
                Planned::new(call, 1 + spread(rng, 2), Fault::Crash(0)).of(of).during(Phase::Recovery);
            before.faults.push(crash);
        }
        Phase::Snapshot => save(rng, life),
        Phase::Finishing if of == Kind::Temporary => {
            finish_busy(rng, life);
        }
        Phase::Finishing => finish_writing(rng, server, life),
    }
}

/// The server is asked to finish while much is on its way to the log, which needs more segments for it.
fn finish_writing(rng: &mut Rng, server: &mut ServerPlan, life: &mut Life) {
    server.segment_bytes = 512;
    life.latency.sync = life.latency.sync.max(pick(rng, &[10_000, 200_000, 2_000_000]));
    life.threads.crash = None;
    let number = rng.index(life.clients.len());
    let client = &mut life.clients[number];
    let set = |key: usize| Op::Set {
        key: format!("c{number}:k{}", key % 5),
        value: format!("ending.{}.{key}{}", life.number, "x".repeat(300)),
        expire: None,
    };
    let (covered, behind) = (rng.index(6), 2 + rng.index(12));
    client.breaks.clear();
    client.ops = (0..covered).map(set).collect();
    client.ops.extend((0..rng.below(3)).map(|_| Op::Save));
    client.ops.extend((covered..covered + behind).map(set));
    (client.depth, client.send, client.gap) = (64, WHOLE, 1_000);
    client.breaks.push((client.ops.len(), Break::Shutdown(rng.below(2 * life.latency.sync))));
}
