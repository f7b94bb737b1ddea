//! Faults for every cell of the matrix: any call for any kind of file, in any phase in which it is made, and what brings
//! that phase about. Drawn without a look at the phase, faults in the short ones are met hardly ever.

use engram::base::rng::Rng;

use super::aimed::{finish_busy, save};
use super::{Op, pick, spread, storage};
use crate::coverage::reachable::places;
use crate::disk::Kind;
use crate::faults::{Call, Fault, Planned};
use crate::phase::Phase;
use crate::plan::{Ending, Life, ServerPlan};

/// Strikes, in a few seeds.
pub(super) fn strike(rng: &mut Rng, server: &mut ServerPlan, lives: &mut [Life]) {
    if rng.below(12) > 0 {
        return;
    }
    let places: Vec<_> = places().filter(|(call, ..)| call.is_storage()).collect();
    for _ in 0..1 + rng.below(2) {
        let (call, of, phase) = places[rng.index(places.len())];
        let mut at = rng.index(lives.len());
        if matches!(phase, Phase::Recovery | Phase::Again) {
            at = at.max(usize::from(phase == Phase::Again)).min(lives.len() - 1);
        }
        come_to(rng, server, (of, phase), &mut lives[..=at]);
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
        Phase::Finishing => {
            if rng.below(2) == 0 {
                finish_busy(rng, life);
            } else {
                life.ending = Ending::Shutdown;
                life.threads.crash = None;
                let client = rng.index(life.clients.len());
                life.clients[client].ops.push(Op::BackgroundSave);
            }
        }
    }
}
