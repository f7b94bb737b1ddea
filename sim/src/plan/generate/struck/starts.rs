//! What a life has to leave behind, so that a start makes a call.

use engram::base::rng::Rng;

use super::super::scenes::alone;
use super::super::{Ending, Op, pick};
use super::{calm, sets};
use crate::disk::Kind;
use crate::faults::{Call, Fault, Planned};
use crate::phase::Phase;
use crate::plan::{ClientPlan, Life, ServerPlan, Tier, WHOLE};

/// Bytes that fill a segment.
const FULL: usize = 600;

/// Lets a life leave behind what the next start makes `call` for.
pub(super) fn leave(rng: &mut Rng, server: &mut ServerPlan, (call, of): (Call, Kind), life: &mut Life) {
    calm(life);
    (server.fsync, server.snapshot_log_bytes) = (Tier::Always, 0);
    life.ending = Ending::Kill;
    let saved = matches!(
        (call, of),
        (_, Kind::Snapshot | Kind::Temporary) | (Call::Remove, Kind::Copy) | (Call::Size, _)
    );
    let (mut bytes, count) = (pick(rng, &[0, 0, FULL]), 1 + rng.index(4));
    match (call, of) {
        // There is no log, but a snapshot.
        (_, Kind::Snapshot) => life.ending = pick(rng, &[Ending::Kill, Ending::Shutdown]),
        (_, Kind::Temporary) => {
            let call = pick(rng, &[Call::WriteAt, Call::Sync, Call::Rename]);
            stops(life, call, Kind::Temporary, 1, Fault::Crash(0));
        }
        // It has been put aside.
        (Call::Remove, Kind::Copy) => {
            (server.segment_bytes, server.log_room, bytes) = (512, 1_024, FULL);
        }
        // A segment without a header.
        (Call::Remove, Kind::Log) => {
            (server.segment_bytes, server.log_room, bytes) = (512, 0, FULL);
            let part = 1 + rng.below(900) as u16;
            stops(life, Call::WriteAt, Kind::Log, 1 + rng.below(2 * count as u64), Fault::CrashShort(part));
        }
        // Segments that a snapshot covers, and that are there still.
        (Call::Size, _) => {
            (server.segment_bytes, bytes) = (512, FULL);
            stops(life, Call::Rename, Kind::Log, 1, Fault::Crash(0));
            stops(life, Call::Remove, Kind::Log, 1, Fault::Crash(0));
        }
        // Room behind the last record.
        (Call::SetLen, _) => (server.segment_bytes, server.log_room, bytes) = (1 << 20, 1_024, 0),
        // A mark at the end, which is written once more.
        (Call::WriteAt, Kind::Log) => life.ending = Ending::Shutdown,
        _ => {}
    }
    let mut ops: Vec<Op> = sets(life, 0, count, bytes).collect();
    if saved {
        ops.push(Op::Save);
        // The log hears of that soon.
        ops.extend(vec![Op::Ping(None); 4]);
    }
    life.latency.sync = 10_000;
    alone(life, ClientPlan { gap: 100_000, send: WHOLE, ops, ..ClientPlan::default() });
}

/// The life stops at such a call, once it serves.
fn stops(life: &mut Life, call: Call, of: Kind, index: u64, crash: Fault) {
    let phases: &[Phase] =
        if of == Kind::Temporary { &[Phase::Snapshot] } else { &[Phase::Serving, Phase::Snapshot] };
    life.faults.extend(phases.iter().map(|phase| Planned::new(call, index, crash).of(of).during(*phase)));
}
