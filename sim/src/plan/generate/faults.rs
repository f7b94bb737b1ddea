//! Which calls go wrong, and how.

use engram::base::rng::Rng;

use super::{Swarm, pick, spread};
use crate::disk::Latency;
use crate::faults::{Call, Fault, Planned};
use crate::plan::{Break, Life};

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

/// Faults of the network: what accepting, reading and writing can meet.
pub(super) fn net_faults(rng: &mut Rng, swarm: Swarm) -> Vec<Planned> {
    let count = if swarm.rough_net && rng.below(2) == 0 { 1 + rng.below(6) } else { 0 };
    let mut faults = Vec::new();
    for _ in 0..count {
        let storm = Fault::Storm(1 + spread(rng, 200) as u32);
        let (call, fault) = pick(
            rng,
            &[
                (Call::Accept, Fault::Aborted),
                (Call::Accept, Fault::NoDescriptors),
                (Call::Accept, Fault::TableFull),
                (Call::Accept, Fault::NoMemory),
                (Call::Accept, Fault::Interrupted),
                (Call::Accept, Fault::WouldBlock),
                (Call::Accepting, Fault::NoMemory),
                (Call::Interest, Fault::NoMemory),
                (Call::Read, Fault::WouldBlock),
                (Call::Write, Fault::WouldBlock),
                (Call::Read, storm),
                (Call::Write, storm),
                (Call::Read, Fault::Reset),
                (Call::Write, Fault::Reset),
                (Call::Wait, Fault::Spurious),
            ],
        );
        let horizon = match call {
            Call::Accept => 8,
            // The first is the server's own, at its start.
            Call::Accepting => 3,
            Call::Interest => 30,
            _ => 300,
        };
        let index = 1 + spread(rng, horizon) + u64::from(call == Call::Accepting);
        // Descriptors that have run out stay so for a while.
        let again = if call == Call::Accept { 1 + rng.below(3) } else { 1 };
        faults.extend((0..again).map(|i| Planned::new(call, index + i, fault)));
    }
    faults
}

/// Requests and replies that break off at some byte.
pub(super) fn cuts(rng: &mut Rng, life: &mut Life) {
    if rng.below(4) > 0 {
        return;
    }
    for client in life.clients.iter_mut().filter(|client| !client.ops.is_empty()) {
        for _ in 0..rng.below(4) {
            let at = 1 + rng.index(client.ops.len());
            let bytes = spread(rng, 300) as usize;
            let how = pick(rng, &[Break::CutReset, Break::CutFinish, Break::CutReply])(bytes);
            client.breaks.push((at, how));
        }
    }
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
