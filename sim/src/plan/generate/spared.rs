//! Errors that the engine gets over: a snapshot that fails and is asked for again, a segment that cannot be put aside, room
//! that cannot be given back, a directory that is not synced after removals; and, since what is left behind shows only then,
//! no error at all. In one seed of ten, in one life of it.

use engram::base::rng::Rng;

use super::scenes::{alone, ends_at_once};
use super::{Ending, Life, Op, ServerPlan, pick};
use crate::disk::{Kind, Loss};
use crate::faults::{Call, Fault, Planned};
use crate::plan::{ClientPlan, Tier};

/// Has one life meet such an error, where nothing else fails.
pub(super) fn meet(rng: &mut Rng, server: &mut ServerPlan, lives: &mut [Life]) {
    if rng.below(10) > 0 || server.limits.maxmemory > 0 {
        return;
    }
    let number = rng.index(lives.len());
    let life = &mut lives[number];
    let mut client = writer(rng, number);
    let saves = |client: &mut ClientPlan, rng: &mut Rng, most: usize| {
        for _ in 0..2 + rng.index(most) {
            client.ops.insert(rng.index(client.ops.len() + 1), Op::Save);
        }
    };
    let what = rng.below(5);
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
