//! Errors that the engine gets over: a snapshot that fails and is asked for again, a segment that cannot be put aside, room
//! that cannot be given back, a directory that is not synced after removals; and, since what is left behind shows only then,
//! no error at all. In one seed of ten, in one life of it. Or the power goes in the middle of what is written into a segment
//! that is used again, in each life.

use engram::base::rng::Rng;

use super::scenes::{alone, ends_at_once};
use super::{Ending, Life, Op, ServerPlan, pick};
use crate::disk::{Kind, Loss};
use crate::faults::{Call, Fault, Planned};
use crate::phase::Phase;
use crate::plan::{ClientPlan, Tier, WHOLE};

/// Has one life meet such an error, where nothing else fails.
pub(super) fn meet(rng: &mut Rng, server: &mut ServerPlan, lives: &mut [Life]) {
    if rng.below(10) > 0 || server.limits.maxmemory > 0 {
        return;
    }
    let what = rng.below(6);
    if what == 5 {
        return lives.iter_mut().for_each(|life| torn_again(rng, server, life));
    }
    let number = rng.index(lives.len());
    let life = &mut lives[number];
    let mut client = writer(rng, number);
    let saves = |client: &mut ClientPlan, rng: &mut Rng, most: usize| {
        for _ in 0..2 + rng.index(most) {
            client.ops.insert(rng.index(client.ops.len() + 1), Op::Save);
        }
    };
    let faults = match what {
        0 => {
            saves(&mut client, rng, 4);
            let call = pick(rng, &[Call::Create, Call::WriteAt, Call::Sync, Call::Rename]);
            let error =
                if call == Call::WriteAt { pick(rng, &[Fault::Io, Fault::Full(1)]) } else { Fault::Io };
            vec![(call, Kind::Temporary, 1, error)]
        }
        1 => {
            // Whole segments are covered, and the log goes on in what was put aside.
            (server.fsync, server.segment_bytes) = (Tier::Always, 512);
            server.log_room = pick(rng, &[300, 1_024]);
            saves(&mut client, rng, 3);
            let place =
                pick(rng, &[(Call::Rename, Kind::Log), (Call::Rename, Kind::Log), (Call::Open, Kind::Copy)]);
            vec![(place.0, place.1, 1 + rng.below(3), Fault::Io)]
        }
        2 => {
            let index = 2 + rng.below(6);
            vec![(Call::WriteAt, Kind::Log, index, Fault::Full(1)), (Call::SetLen, Kind::Log, 1, Fault::Io)]
        }
        3 => {
            (server.segment_bytes, server.snapshot_log_bytes) = (512, 0);
            saves(&mut client, rng, 3);
            Vec::new()
        }
        _ => {
            server.segment_bytes = pick(rng, &[512, 1 << 20]);
            saves(&mut client, rng, 3);
            vec![(Call::SyncDir, Kind::Any, 1 + rng.below(12), Fault::Io)]
        }
    };
    alone(life, client);
    ends_at_once(life, pick(rng, &[Loss::All, Loss::Torn]));
    life.latency.sync = 100_000;
    if what == 3 || rng.below(2) == 0 {
        life.ending = Ending::Shutdown;
    }
    life.faults =
        faults.into_iter().map(|(call, of, index, fault)| Planned::new(call, index, fault).of(of)).collect();
}

/// The power goes while records reach a segment that is used again, each where one of the segment's earlier life is: the
/// second begins where a sector does.
fn torn_again(rng: &mut Rng, server: &mut ServerPlan, life: &mut Life) {
    /// Bytes of a record's header, and of what else is in one that sets such a key.
    const AROUND: usize = 28 + 22;
    /// What is left of the first sector behind the segment's header.
    const RECORD: usize = 512 - 32;
    (server.fsync, server.segment_bytes, server.snapshot_log_bytes) = (Tier::Always, 512, 0);
    server.log_room = pick(rng, &[300, 1_024]);
    (server.limits.commands_per_turn, server.limits.read_per_turn) = (0, 0);
    let set = |number: usize| Op::Set {
        key: format!("c0:k{}", number % 5),
        value: format!("{:x<1$}", format!("again.{}.{number}.", life.number), RECORD - AROUND),
        expire: None,
    };
    let many = 2 + rng.index(2);
    let mut ops: Vec<Op> = (0..2 * many).map(set).collect();
    ops.push(Op::Save);
    // What is sent beside it is not to be a record alone in a segment.
    ops.extend(vec![Op::Ping(None); many - 1]);
    ops.extend((2 * many..5 * many).map(set));
    alone(life, ClientPlan { depth: many, send: WHOLE, ops, ..ClientPlan::default() });
    ends_at_once(life, pick(rng, &[Loss::Torn, Loss::Garbage]));
    life.latency.sync = 100_000;
    // Of the segment's header, then of the records.
    let sync = pick(rng, &[2, 2, 2, 4, 5]);
    let crash = Planned::new(Call::Sync, sync, Fault::Crash(0)).of(Kind::Copy).during(Phase::Serving);
    life.faults.push(crash);
}

/// One who writes, one request after the other.
fn writer(rng: &mut Rng, life: usize) -> ClientPlan {
    let set = |number: usize| Op::Set {
        key: format!("c0:k{}", number % 5),
        value: format!("spared.{life}.{number}.{}", "x".repeat(200)),
        expire: None,
    };
    let ops = (0..8 + rng.index(16)).map(set).collect();
    ClientPlan { ops, gap: 10_000, ..ClientPlan::default() }
}
