//! Faults for every cell of the matrix: any call for any kind of file, in any phase in which it is made, and what brings
//! that phase about. Drawn without a look at the phase, faults in the short ones are met hardly ever.

mod serves;
mod starts;

use engram::base::rng::Rng;

use super::{Op, pick, storage};
use crate::coverage::reachable::places;
use crate::disk::Kind;
use crate::faults::{Call, Fault, Planned};
use crate::phase::Phase;
use crate::plan::{ClientPlan, Ending, Life, ServerPlan};

/// A call, the kind of file that it is for, and the phase.
type Place = (Call, Kind, Phase);

/// Strikes, in a few seeds.
pub(super) fn strike(rng: &mut Rng, server: &mut ServerPlan, lives: &mut Vec<Life>) {
    if rng.below(4) > 0 {
        return;
    }
    let (hard, rare) = (rng.below(4) > 0, rng.below(2) == 0);
    let is_wanted =
        |place: &Place| place.0.is_storage() && if rare { is_rare(*place) } else { !hard || is_hard(*place) };
    let places: Vec<Place> = places().filter(is_wanted).collect();
    let place = places[rng.index(places.len())];
    let (call, of, phase) = place;
    let before = match phase {
        Phase::Again => 2,
        Phase::Recovery => 1,
        _ => 0,
    };
    let at = rng.index(lives.len()).max(before);
    while lives.len() <= at {
        let clients = vec![ClientPlan::default(); lives[0].clients.len()];
        lives.push(Life { number: lives.len(), clients, ..Life::default() });
    }
    match phase {
        Phase::Recovery | Phase::Again => starts::leave(rng, server, (call, of), &mut lives[at - before]),
        _ => serves::come_to(rng, server, place, &mut lives[at]),
    }
    if phase == Phase::Again {
        // The call itself is where the start before stops: what it is made for is still there.
        let crash = Planned::new(call, index(rng), Fault::Crash(0)).of(of).during(Phase::Recovery);
        broken_off(&mut lives[at - 1], crash);
    }
    // One of them is met, if any is.
    for _ in 0..1 + rng.below(3) {
        // What else there is at these calls leaves little room for that.
        let fault = match rng.below(8) {
            _ if rare => each(rng, call),
            0 if matches!(call, Call::WriteAt | Call::Sync) => Fault::Decay(storage::decay(rng)),
            1 => storage::lie(rng, call),
            _ => storage::any(rng, call),
        };
        lives[at].faults.push(Planned::new(call, index(rng), fault).of(of).during(phase));
    }
}

/// Which of the calls: there is one, or a few.
fn index(rng: &mut Rng) -> u64 {
    pick(rng, &[1, 1, 1, 1, 2, 3])
}

/// Whether it takes something special to come there.
fn is_hard((call, of, phase): Place) -> bool {
    let ends = matches!(call, Call::Rename | Call::Remove | Call::SetLen);
    of == Kind::Copy || matches!(phase, Phase::Again | Phase::Finishing) || ends
}

/// Whether faults there are met so seldom that each kind has to be as likely as any other.
fn is_rare((call, of, phase): Place) -> bool {
    use Phase::{Again, Finishing, Recovery, Serving, Snapshot};
    match (of, phase) {
        (Kind::Any, Serving) => call == Call::List,
        (Kind::Copy, Finishing) => true,
        (Kind::Copy, Snapshot) => !matches!(call, Call::Create | Call::Rename),
        (Kind::Copy, Serving) => matches!(call, Call::Remove | Call::Sync | Call::WriteAt),
        (Kind::Copy, Recovery | Again) => matches!(call, Call::Sync | Call::WriteAt),
        (Kind::Temporary, Finishing) => matches!(call, Call::Remove | Call::Sync | Call::WriteAt),
        (Kind::Temporary, Again) => call == Call::Remove,
        (Kind::Snapshot, Recovery | Again) => call == Call::Rename,
        (Kind::Log, Serving | Snapshot) => call == Call::Rename,
        (Kind::Log, Again) => matches!(call, Call::Sync | Call::WriteAt),
        _ => false,
    }
}

/// Any fault that such a call may meet, each as likely.
fn each(rng: &mut Rng, call: Call) -> Fault {
    let (part, room) = (rng.below(1_000) as u16, 1 + rng.below(20) as u32);
    let mut all = vec![
        Fault::Io,
        Fault::Interrupted,
        Fault::Slow(100_000_000),
        Fault::Crash(0),
        Fault::Decay(storage::decay(rng)),
    ];
    all.extend(match call {
        Call::Sync => {
            vec![Fault::SyncDropped, Fault::SyncReverted, Fault::SyncFull, Fault::SyncLate, Fault::Lost]
        }
        Call::WriteAt => vec![
            Fault::IoHalf,
            Fault::Full(room),
            Fault::Short(part),
            Fault::CrashShort(part),
            Fault::Lost,
            storage::lie(rng, call),
        ],
        Call::Create | Call::Rename | Call::SetLen => vec![Fault::Full(room)],
        _ => Vec::new(),
    });
    pick(rng, &all)
}

/// A start that stops at this call, and that is all.
fn broken_off(life: &mut Life, crash: Planned) {
    calm(life);
    life.faults.push(crash);
    life.ending = Ending::Kill;
}

/// Nothing goes wrong, and nothing stops it.
fn calm(life: &mut Life) {
    life.faults.clear();
    life.rest.clear();
    life.threads.crash = None;
    life.clients.iter_mut().for_each(|client| client.breaks.clear());
}

/// Requests of the first client of a life, with so many bytes each.
fn sets(life: &Life, from: usize, count: usize, bytes: usize) -> impl Iterator<Item = Op> {
    let number = life.number;
    (from..from + count).map(move |key| Op::Set {
        key: format!("c0:k{}", key % 5),
        value: format!("struck.{number}.{key}.{}", "x".repeat(bytes)),
        expire: None,
    })
}
