//! What goes wrong with the storage: at every kind of call, for every kind of file, and to files at rest.

use engram::base::rng::Rng;

use super::{pick, spread};
use crate::disk::{At, Decay, Kind, Place};
use crate::faults::{Call, Fault, Planned};

/// Calls of the storage, the kind of file that they are for, and how many of them a life may have.
const SITES: [(Call, Kind, u64); 24] = [
    (Call::Open, Kind::Log, 8),
    (Call::Create, Kind::Log, 8),
    (Call::Create, Kind::Copy, 1),
    (Call::Create, Kind::Temporary, 3),
    (Call::Rename, Kind::Copy, 1),
    (Call::Rename, Kind::Temporary, 3),
    (Call::Remove, Kind::Log, 8),
    (Call::Remove, Kind::Copy, 1),
    (Call::Remove, Kind::Snapshot, 3),
    (Call::Remove, Kind::Temporary, 3),
    (Call::List, Kind::Any, 8),
    (Call::SyncDir, Kind::Any, 12),
    (Call::Map, Kind::Snapshot, 1),
    (Call::Size, Kind::Log, 8),
    (Call::ReadAt, Kind::Log, 8),
    (Call::WriteAt, Kind::Log, 64),
    (Call::WriteAt, Kind::Log, 8),
    (Call::WriteAt, Kind::Copy, 1),
    (Call::WriteAt, Kind::Temporary, 3),
    (Call::SetLen, Kind::Log, 2),
    (Call::Sync, Kind::Log, 64),
    (Call::Sync, Kind::Log, 4),
    (Call::Sync, Kind::Copy, 1),
    (Call::Sync, Kind::Temporary, 3),
];

/// Which families of storage faults a seed has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Families {
    slow: bool,
    errors: bool,
    lies: bool,
    decay: bool,
    crashes: bool,
}

impl Families {
    pub(super) fn of(seed: u64) -> Self {
        let mut rng = Rng::stream(seed, "storage families");
        Self {
            slow: rng.below(4) == 0,
            errors: rng.below(5) == 0,
            lies: rng.below(8) == 0,
            decay: rng.below(6) == 0,
            crashes: rng.below(4) == 0,
        }
    }

    /// The faults of one life, each family from a stream of its own.
    pub(super) fn faults(self, stream: &dyn Fn(&str) -> Rng) -> Vec<Planned> {
        let mut faults = Vec::new();
        let mut family = |on: bool, name: &str, most: u64, fault: fn(&mut Rng, Call) -> Fault| {
            if on {
                let mut rng = stream(name);
                let count = rng.below(most + 1);
                faults.extend((0..count).map(|_| planned(&mut rng, fault)));
            }
        };
        family(self.slow, "slow storage", 3, slow);
        family(self.errors, "storage errors", 2, error);
        family(self.lies, "storage lies", 1, lie);
        family(self.crashes, "storage crashes", 1, crash);
        faults
    }

    /// What happens to the files behind one life.
    pub(super) fn rest(self, stream: &dyn Fn(&str) -> Rng) -> Vec<Decay> {
        if !self.decay {
            return Vec::new();
        }
        let mut rng = stream("decay");
        (0..rng.below(3).min(1)).map(|_| decay(&mut rng)).collect()
    }
}

/// Any of what can happen at a call.
pub(super) fn any(rng: &mut Rng, call: Call) -> Fault {
    let kinds: [fn(&mut Rng, Call) -> Fault; 5] = [error, error, crash, lie, slow];
    match (call, rng.below(4)) {
        (Call::WriteAt, 0) => Fault::CrashShort(rng.below(1_000) as u16),
        (Call::WriteAt | Call::ReadAt, 1) => Fault::Short(rng.below(1_000) as u16),
        _ => pick(rng, &kinds)(rng, call),
    }
}

fn planned(rng: &mut Rng, fault: fn(&mut Rng, Call) -> Fault) -> Planned {
    let (call, of, most) = pick(rng, &SITES);
    let index = 1 + spread(rng, most);
    Planned { of, ..Planned::new(call, index, fault(rng, call)) }
}

/// Slow, or stuck for a while; less than what a client takes for silence.
fn slow(rng: &mut Rng, _: Call) -> Fault {
    Fault::Slow(pick(rng, &[1_000_000, 100_000_000, 2_000_000_000, 15_000_000_000]))
}

fn error(rng: &mut Rng, call: Call) -> Fault {
    let room = 1 + rng.below(20) as u32;
    match call {
        Call::Sync | Call::SyncDir => pick(
            rng,
            &[Fault::Io, Fault::SyncDropped, Fault::SyncReverted, Fault::Interrupted, Fault::SyncFull],
        ),
        Call::WriteAt => pick(rng, &[Fault::Io, Fault::IoHalf, Fault::Full(room), Fault::Interrupted]),
        Call::Create | Call::Rename | Call::SetLen => {
            pick(rng, &[Fault::Io, Fault::Full(room), Fault::Interrupted])
        }
        _ => pick(rng, &[Fault::Io, Fault::Interrupted]),
    }
}

/// The machine stops at a call that only a crash of that moment tells from its neighbours.
fn crash(rng: &mut Rng, _: Call) -> Fault {
    Fault::Crash(if rng.below(4) == 0 { rng.below(1_000_000) } else { 0 })
}

/// The medium does something else than it says.
pub(super) fn lie(rng: &mut Rng, call: Call) -> Fault {
    let part = rng.below(1_000) as u16;
    let bit = rng.below(8) as u8;
    match call {
        Call::Sync | Call::SyncDir => pick(rng, &[Fault::SyncLate, Fault::SyncLate, Fault::Lost]),
        Call::WriteAt => {
            let place = place(rng);
            pick(rng, &[Fault::Lost, Fault::Stray(place)])
        }
        Call::ReadAt | Call::Map => Fault::RotOnce(part, bit),
        _ => Fault::Decay(decay(rng)),
    }
}

/// What can become of a file that nobody touches.
pub(super) fn decay(rng: &mut Rng) -> Decay {
    let place = place(rng);
    let bit = rng.below(8) as u8;
    let mapped = Place { of: Kind::Snapshot, ..place };
    match rng.below(16) {
        0..=6 => Decay::Bit(place, bit),
        7 => Decay::Sector(place),
        8 => Decay::Remove(Place { of: pick(rng, &[Kind::Log, Kind::Log, Kind::Snapshot]), ..place }),
        9 => Decay::Cut(place),
        10 => Decay::Cut(mapped),
        11 => Decay::Replace(mapped),
        12 => Decay::Double(place),
        _ => Decay::Return(pick(
            rng,
            &[Kind::Log, Kind::Copy, Kind::Temporary, Kind::Temporary, Kind::Snapshot],
        )),
    }
}

/// Somewhere in the files, the end of the log most often: there rot and a torn tail are told apart.
fn place(rng: &mut Rng) -> Place {
    let of = pick(rng, &[Kind::Log, Kind::Log, Kind::Log, Kind::Snapshot, Kind::Temporary, Kind::Copy]);
    let at = if rng.below(2) == 0 {
        At::Part(rng.below(1_000) as u16)
    } else {
        At::Before(1 + spread(rng, 512) as u32)
    };
    Place { of, at }
}
