//! A log whose segment somebody replaces under the server, which may notice it: in one seed of sixty. In another of sixty somebody
//! takes away a segment that is closed, or the snapshot behind which the log goes on. Clients stay for long after, so that the
//! time comes in which it looks.

use engram::base::rng::Rng;

use super::scenes::one_who_stays;
use super::{Life, Op, ServerPlan, pick};
use crate::disk::{At, Decay, Kind, Place};
use crate::faults::{Call, Fault, Planned};
use crate::phase::Phase;

/// Replaces the log's last segment in one life of a few seeds.
pub(super) fn rob(rng: &mut Rng, lives: &mut [Life]) {
    if rng.below(60) > 0 {
        return;
    }
    let number = rng.index(lives.len());
    let life = &mut lives[number];
    one_who_stays(rng, life);
    // Not while it starts: then it would open the other one, and what it writes there would be under the name.
    let place = Place { of: Kind::Log, at: At::Before(1 + rng.below(60) as u32) };
    let call = pick(rng, &[Call::WriteAt, Call::Sync]);
    let fault = Fault::Decay(Decay::Replace(place));
    life.faults.push(Planned::new(call, 1 + rng.below(12), fault).of(Kind::Log).during(Phase::Serving));
}

/// Takes a file away in one life of a few seeds.
pub(super) fn take(rng: &mut Rng, server: &mut ServerPlan, lives: &mut [Life]) {
    if rng.below(60) > 0 || server.limits.maxmemory > 0 {
        return;
    }
    let number = rng.index(lives.len());
    let life = &mut lives[number];
    one_who_stays(rng, life);
    server.segment_bytes = pick(rng, &[512, 512, 2_048]);
    let of = pick(rng, &[Kind::Log, Kind::Snapshot]);
    let ops = &mut life.clients[0].ops;
    let mut after = 1 + rng.below(20);
    if of == Kind::Snapshot {
        ops.insert(rng.index(ops.len().min(8)), Op::Save);
        after += 8;
    }
    let place = Place { of, at: At::Part(rng.below(800) as u16) };
    let fault = Planned::new(Call::WriteAt, after, Fault::Decay(Decay::Remove(place)));
    life.faults.push(fault.of(Kind::Log).during(Phase::Serving));
}
