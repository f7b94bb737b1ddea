//! Which calls go wrong, and how.

use engram::base::rng::Rng;

use super::{Swarm, pick, spread};
use crate::disk::Latency;
use crate::faults::{Call, Fault, Planned};

/// Families of faults, each from a stream of its own.
pub(super) fn faults(harmless: &mut Rng, harmful: &mut Rng, swarm: Swarm) -> Vec<Planned> {
    let mut faults = Vec::new();
    if swarm.harmless_faults {
        faults.extend((0..harmless.below(12)).map(|_| harmless_fault(harmless)));
    }
    if swarm.harmful_faults && harmful.below(2) == 0 {
        faults.extend((0..1 + harmful.below(2)).map(|_| harmful_fault(harmful)));
    }
    faults
}

/// A fault that no client may notice, or only its own connection.
fn harmless_fault(rng: &mut Rng) -> Planned {
    let part = rng.below(1_000) as u16;
    let (call, fault) = pick(
        rng,
        &[
            (Call::WriteAt, Fault::Short(part)),
            (Call::WriteAt, Fault::Interrupted),
            (Call::ReadAt, Fault::Short(part)),
            (Call::ReadAt, Fault::Interrupted),
            (Call::Sync, Fault::Slow(3_000_000_000)),
            (Call::WriteAt, Fault::Slow(50_000_000)),
            (Call::Accept, Fault::Aborted),
            (Call::Accept, Fault::NoDescriptors),
            (Call::Read, Fault::Interrupted),
            (Call::Write, Fault::Interrupted),
            (Call::Read, Fault::Reset),
            (Call::Write, Fault::Reset),
            (Call::Wait, Fault::Spurious),
        ],
    );
    let horizon = if call == Call::Accept { 4 } else { 300 };
    Planned::new(call, 1 + spread(rng, horizon), fault)
}

/// A fault of the disk because of which the server may refuse writes, or refuse to start.
fn harmful_fault(rng: &mut Rng) -> Planned {
    let room = 1 + rng.below(20) as u32;
    let (call, fault) = pick(
        rng,
        &[
            (Call::WriteAt, Fault::Io),
            (Call::WriteAt, Fault::IoHalf),
            (Call::WriteAt, Fault::Full(room)),
            (Call::Create, Fault::Full(room)),
            (Call::Create, Fault::Io),
            (Call::Open, Fault::Io),
            (Call::Rename, Fault::Io),
            (Call::Remove, Fault::Io),
            (Call::Map, Fault::Io),
            (Call::ReadAt, Fault::Io),
            (Call::SyncDir, Fault::Io),
            (Call::Sync, Fault::Io),
            (Call::Sync, Fault::SyncDropped),
            (Call::Sync, Fault::SyncReverted),
            (Call::SetLen, Fault::Io),
        ],
    );
    let horizon = if matches!(call, Call::WriteAt | Call::Sync | Call::ReadAt) { 60 } else { 6 };
    Planned::new(call, 1 + spread(rng, horizon), fault)
}

/// The machine stops at a call that changes the disk, or while that is under way.
pub(super) fn crash_fault(rng: &mut Rng, latency: Latency) -> Planned {
    let (call, horizon) = pick(
        rng,
        &[
            (Call::WriteAt, 100),
            (Call::Sync, 100),
            (Call::Sync, 100),
            (Call::SyncDir, 8),
            (Call::Create, 8),
            (Call::Rename, 4),
            (Call::Remove, 8),
            (Call::SetLen, 2),
        ],
    );
    let delay = if rng.below(2) == 0 { 0 } else { rng.below(2 * latency.sync) };
    let short = call == Call::WriteAt && rng.below(2) == 0;
    let fault = if short { Fault::CrashShort(rng.below(1_000) as u16) } else { Fault::Crash(delay) };
    Planned::new(call, 1 + spread(rng, horizon), fault)
}
