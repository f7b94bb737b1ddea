//! What a life has to do, so that a server makes a call while it serves, while a snapshot is written, or while it finishes.

use engram::base::rng::Rng;

use super::super::aimed::save;
use super::super::scenes::alone;
use super::super::{Ending, Op, pick};
use super::{Place, calm, sets};
use crate::disk::Kind;
use crate::faults::{Call, Fault, Planned};
use crate::net;
use crate::phase::Phase;
use crate::plan::{Break, ClientPlan, Life, ORDERS, ServerPlan, Tier, WHOLE};
use crate::scheduler::{Blow, Disturbance};

/// Requests on their way.
const DEPTH: usize = 4;
/// Bytes that fill a segment.
const FULL: usize = 600;

/// Lets a life come to the phase, and make the call.
pub(super) fn come_to(rng: &mut Rng, server: &mut ServerPlan, place: Place, life: &mut Life) {
    let (call, of, phase) = place;
    // What a snapshot covers goes when it has ended.
    let goes = of == Kind::Log && matches!(call, Call::Rename | Call::Remove);
    match phase {
        _ if of == Kind::Copy => many_at_once(rng, server, place, life),
        Phase::Serving | Phase::Snapshot if goes => many_at_once(rng, server, place, life),
        Phase::Finishing if of == Kind::Log && !goes => many_at_once(rng, server, place, life),
        Phase::Finishing => saved_at_last(rng, server, place, life),
        Phase::Snapshot => save(rng, life),
        Phase::Serving if call == Call::List => seen_to_be_there(rng, server, life),
        _ => {}
    }
}

/// A log that is looked after, once a second: there is a snapshot, and records come for longer than that.
fn seen_to_be_there(rng: &mut Rng, server: &mut ServerPlan, life: &mut Life) {
    calm(life);
    (server.fsync, server.snapshot_log_bytes, server.limits.timeout) = (Tier::Always, 0, 0);
    let mut ops = vec![Op::Save];
    ops.extend(sets(life, 0, 6 + rng.index(4), 0));
    alone(life, ClientPlan { gap: 400_000_000, send: WHOLE, ops, ..ClientPlan::default() });
}

/// A quiet server whose log a snapshot covers, segment by segment. They are put aside, if it keeps room, or removed.
fn covered(rng: &mut Rng, server: &mut ServerPlan, (call, of, _): Place, life: &mut Life) -> Vec<Op> {
    calm(life);
    life.net = net::Settings { latency: 1_000, ..net::Settings::default() };
    life.latency.sync = pick(rng, &[200_000, 1_000_000]);
    server.fsync = Tier::Always;
    (server.snapshot_log_bytes, server.snapshot_rate) = (0, 0);
    let cuts = (call, of) == (Call::SetLen, Kind::Log);
    server.segment_bytes = if cuts { 1 << 20 } else { 512 };
    // What is not put aside is removed, and what is not used again is created.
    let kept = of != Kind::Log || call == Call::Rename;
    server.log_room = if kept || cuts { pick(rng, &[1_024, 8_192]) } else { 0 };
    // What is used again has room left.
    let bytes = if of == Kind::Copy { 6 * FULL } else { FULL };
    let mut ops: Vec<Op> = sets(life, 0, 3 + rng.index(2), bytes).collect();
    ops.push(Op::Save);
    // The log hears of that behind the first, and uses a segment again for the second.
    ops.extend(sets(life, 5, 2, FULL));
    // One after the other, so that each has a segment of its own.
    ops.into_iter().flat_map(|op| std::iter::once(op).chain(vec![Op::Ping(None); DEPTH - 1])).collect()
}

/// Behind that come many records at once, and need segments again.
fn many_at_once(rng: &mut Rng, server: &mut ServerPlan, place: Place, life: &mut Life) {
    let (call, of, phase) = place;
    let mut ops = covered(rng, server, place, life);
    let mut client = ClientPlan { depth: DEPTH, send: WHOLE, ..ClientPlan::default() };
    // There is room ahead only where batches are small.
    let bytes = if (call, of) == (Call::SetLen, Kind::Log) { 0 } else { FULL };
    let more: Vec<Op> = sets(life, 7, 2 * DEPTH, bytes).collect();
    match phase {
        Phase::Snapshot if of == Kind::Log => {
            // A second snapshot begins when the first ends, before the log hears of that.
            client.send = 300;
            ops.extend([more[0].clone(), Op::Save, more[1].clone(), Op::Save]);
        }
        Phase::Snapshot => {
            ops.push(Op::BackgroundSave);
            ops.extend(more);
        }
        Phase::Finishing => {
            // Bit by bit: while the first is synced the others come, and then the order to finish.
            client.send = 300;
            client.breaks = vec![(ops.len() + 1, Break::Shutdown(60_000 + rng.below(4 * life.latency.sync)))];
            // What is to be removed is not to be used.
            ops.extend(more.into_iter().take(if call == Call::Remove { 1 } else { DEPTH }));
            if call == Call::Remove {
                life.ending = Ending::Shutdown;
            }
        }
        _ => ops.extend(more),
    }
    if (call, of) == (Call::Remove, Kind::Copy) && phase != Phase::Finishing {
        // What cannot be written to is of no use any more.
        let full = Planned::new(Call::WriteAt, 1, Fault::Full(pick(rng, &[1, 4])));
        life.faults.push(full.of(Kind::Copy).during(phase));
    }
    client.ops = ops;
    alone(life, client);
}

/// The server is asked to finish while it writes a snapshot that somebody has ordered, or that nobody waits for.
fn saved_at_last(rng: &mut Rng, server: &mut ServerPlan, place: Place, life: &mut Life) {
    let mut ops = covered(rng, server, place, life);
    ops.extend(sets(life, 7, 1, FULL));
    ops.extend(vec![Op::Ping(None); DEPTH - 1]);
    let given_up = (place.0, place.1) == (Call::Remove, Kind::Temporary);
    if given_up {
        ops.push(Op::BackgroundSave);
        life.ending = Ending::Shutdown;
    }
    let mut breaks = vec![(ops.len(), Break::Shutdown(20_000 + rng.below(1_000_000)))];
    let order = ORDERS.into_iter().find(|order| order.ends_with(" SAVE") && !given_up);
    breaks.extend(order.map(|order| (ops.len(), Break::Order(order))));
    alone(life, ClientPlan { depth: DEPTH, send: WHOLE, ops, breaks, ..ClientPlan::default() });
    // It has created nothing when the server finishes. The snapshot before has been through here, too.
    life.threads.disturbances = vec![Disturbance {
        blow: Blow::Stall(3_000_000),
        passage: 2,
        thread: "snapshot".to_owned(),
        site: Call::Create.name().to_owned(),
    }];
}
