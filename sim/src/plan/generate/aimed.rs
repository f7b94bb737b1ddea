//! Faults that are aimed at a place: at a call for a kind of file by its first few of that kind, at what a life before
//! has left behind, and at a server that finishes while its clients are busy. Faults by index alone meet these rarely.

use engram::base::rng::Rng;

use super::{Op, pick, spread};
use crate::disk::{Kind, Latency, Loss};
use crate::faults::{Call, Fault, Planned};
use crate::plan::{Break, Ending, Life, ServerPlan};

/// What a start does, and what a snapshot does beside the log.
const PLACES: [(Call, Kind); 20] = [
    (Call::Open, Kind::Log),
    (Call::ReadAt, Kind::Log),
    (Call::SetLen, Kind::Log),
    (Call::Create, Kind::Copy),
    (Call::WriteAt, Kind::Copy),
    (Call::Sync, Kind::Copy),
    (Call::Rename, Kind::Copy),
    (Call::Map, Kind::Snapshot),
    (Call::SyncDir, Kind::Any),
    (Call::Create, Kind::Log),
    (Call::WriteAt, Kind::Log),
    (Call::Sync, Kind::Log),
    (Call::Create, Kind::Temporary),
    (Call::WriteAt, Kind::Temporary),
    (Call::Sync, Kind::Temporary),
    (Call::Rename, Kind::Temporary),
    (Call::Remove, Kind::Log),
    (Call::Remove, Kind::Copy),
    (Call::Remove, Kind::Snapshot),
    (Call::Remove, Kind::Temporary),
];

/// Where a life is broken off, and what the next one's start does because of it.
const LEFT: [((Call, Kind), (Call, Kind)); 11] = [
    ((Call::WriteAt, Kind::Copy), (Call::Remove, Kind::Copy)),
    ((Call::Sync, Kind::Copy), (Call::Remove, Kind::Copy)),
    ((Call::Rename, Kind::Copy), (Call::Remove, Kind::Copy)),
    ((Call::WriteAt, Kind::Temporary), (Call::Remove, Kind::Temporary)),
    ((Call::Sync, Kind::Temporary), (Call::Remove, Kind::Temporary)),
    ((Call::Rename, Kind::Temporary), (Call::Remove, Kind::Temporary)),
    ((Call::Remove, Kind::Snapshot), (Call::Remove, Kind::Snapshot)),
    ((Call::Remove, Kind::Log), (Call::Remove, Kind::Log)),
    ((Call::WriteAt, Kind::Log), (Call::Remove, Kind::Log)),
    ((Call::WriteAt, Kind::Log), (Call::SetLen, Kind::Log)),
    ((Call::Open, Kind::Log), (Call::Open, Kind::Log)),
];

/// Aims at some of the lives; at none in most seeds.
pub(super) fn aim(rng: &mut Rng, lives: &mut [Life]) {
    if rng.below(3) > 0 {
        return;
    }
    for at in 0..lives.len() {
        match rng.below(6) {
            0 => {}
            1 | 2 => leave_behind(rng, lives, at),
            3 => finish_busy(rng, &mut lives[at]),
            4 if lives[at].clients.len() == 1 => clear_meanwhile(rng, &mut lives[at]),
            4 if rng.below(3) == 0 => in_the_way(&mut lives[at]),
            _ => {
                for _ in 0..1 + rng.below(2) {
                    let (call, of) = pick(rng, &PLACES);
                    lives[at].faults.push(aimed(rng, call, of));
                }
            }
        }
    }
}

/// A life is broken off and leaves something behind; what the lives after it do about that goes wrong.
fn leave_behind(rng: &mut Rng, lives: &mut [Life], at: usize) {
    let ((call, of), (meeting, met)) = pick(rng, &LEFT);
    let life = &mut lives[at];
    save(rng, life);
    let fault = match (call, rng.below(4)) {
        (Call::WriteAt, 0 | 1) => Fault::CrashShort(rng.below(1_000) as u16),
        (_, 0) if of == Kind::Copy => Fault::Io,
        _ => Fault::Crash(0),
    };
    life.faults.push(Planned::new(call, 1 + spread(rng, 4), fault).of(of));
    if fault != Fault::Io {
        life.ending = Ending::Kill;
    }
    for life in lives.iter_mut().skip(at + 1).take(2) {
        let fault = pick(rng, &[Fault::Io, Fault::Crash(0)]);
        life.faults.push(Planned::new(meeting, 1, fault).of(met));
    }
}

/// The server is asked to finish in the middle of a short life.
pub(super) fn finish_busy(rng: &mut Rng, life: &mut Life) {
    for client in &mut life.clients {
        client.ops.truncate(1 + rng.index(8));
        client.breaks.clear();
    }
    save(rng, life);
    let number = rng.index(life.clients.len());
    let client = &mut life.clients[number];
    let around = 2 * (life.latency.sync + life.net.latency) + 1_000;
    client.breaks.push((1 + rng.index(client.ops.len()), Break::Shutdown(rng.below(around))));
    let call = pick(rng, &[Call::WriteAt, Call::Sync, Call::Create, Call::Rename, Call::Remove]);
    let of = if call == Call::Rename || rng.below(2) == 0 { Kind::Temporary } else { Kind::Log };
    life.faults.push(aimed(rng, call, of));
}

/// In some seeds what a life has left is only half of what it seems.
pub(super) fn seeming(rng: &mut Rng, server: &mut ServerPlan, lives: &mut [Life]) {
    let (what, others) = (rng.below(16), lives.len() - 1);
    if what > 1 || others == 0 {
        return;
    }
    let number = rng.index(others);
    if what == 0 {
        unheard(rng, (server, &mut lives[number + 1]), 12, |_, _| Op::FlushAll);
    } else {
        shown_and_gone(rng, lives, number);
    }
}

/// Something is changed, by a client of this number, while a snapshot of all that is durable is being written and has
/// come so far at most; the log is slow, the power goes when the snapshot is there and what the log has to say about
/// the change is not.
pub(super) fn unheard(
    rng: &mut Rng,
    (server, life): (&mut ServerPlan, &mut Life),
    far: u64,
    change: fn(&mut Rng, usize) -> Op,
) {
    server.snapshot_slice = 1;
    server.limits.commands_per_turn = 1;
    let number = rng.index(life.clients.len());
    for client in &mut life.clients {
        client.ops.clear();
        client.breaks.clear();
    }
    let client = &mut life.clients[number];
    client.ops.push(Op::BackgroundSave);
    client.ops.extend((0..rng.below(far)).map(|_| Op::Ping(None)));
    client.ops.push(change(rng, number));
    client.breaks.push((client.ops.len(), Break::Crash(10_000 << rng.below(9))));
    (client.depth, client.send, client.gap) = (64, 4_096, 1_000);
    life.latency = Latency { transfer: 0, sync: 10_000 };
    life.threads.crash = None;
    life.faults.retain(|planned| !matches!(planned.call, Call::Sync | Call::SyncDir));
    let slow = |index| Planned::new(Call::Sync, index, Fault::Slow(1_000_000_000)).of(Kind::Log);
    life.faults.extend((1..=6).map(slow));
    life.ending = Ending::Power(pick(rng, &[Loss::All, Loss::All, Loss::Torn]));
}

/// A sync fails and its pages are dropped, though the system goes on showing them; the process is killed, and the life
/// that finds what is shown ends with the power.
pub(super) fn shown_and_gone(rng: &mut Rng, lives: &mut [Life], at: usize) {
    let Some([before, behind]) = lives.get_mut(at..at + 2) else { return };
    for life in [&mut *before, &mut *behind] {
        life.threads.crash = None;
        life.faults.retain(|planned| !planned.fault.stops());
        let stays = |(_, how): &(usize, Break)| {
            !matches!(how, Break::Crash(_) | Break::Shutdown(_) | Break::Order(_))
        };
        life.clients.iter_mut().for_each(|client| client.breaks.retain(stays));
    }
    // The first is that of a new segment's header.
    let index = 2 + spread(rng, 10);
    before.faults.push(Planned::new(Call::Sync, index, Fault::SyncDropped).of(Kind::Log));
    before.ending = Ending::Kill;
    behind.ending = Ending::Power(pick(rng, &[Loss::None, Loss::All, Loss::Torn]));
}

/// The keyspace is cleared while a snapshot's cursor is on its way: its only client sends bit by bit.
fn clear_meanwhile(rng: &mut Rng, life: &mut Life) {
    let client = &mut life.clients[0];
    client.depth = 16;
    client.send = pick(rng, &[1, 7, 14]);
    client.ops.push(Op::Save);
    client.ops.extend((0..rng.below(4)).map(|_| Op::Ping(None)));
    client.ops.push(Op::FlushAll);
}

/// A snapshot fails and leaves its temporary; the next is of the same state and has the same name.
fn in_the_way(life: &mut Life) {
    let client = &mut life.clients[0];
    client.depth = 1;
    client.ops.splice(0..0, [Op::Save, Op::Save]);
    // Whoever creates a temporary removes one of that name first.
    let temporary = |call, index| Planned::new(call, index, Fault::Io).of(Kind::Temporary);
    life.faults.extend([temporary(Call::WriteAt, 1), temporary(Call::Remove, 2)]);
}

/// One client asks for a snapshot; if it clears the keyspace, right before.
pub(super) fn save(rng: &mut Rng, life: &mut Life) {
    let number = rng.index(life.clients.len());
    let client = &mut life.clients[number];
    let at = match client.ops.iter().position(|op| *op == Op::FlushAll) {
        Some(clearing) => {
            client.depth = client.depth.max(8);
            clearing
        }
        None => rng.index(client.ops.len() + 1),
    };
    client.ops.insert(at, Op::Save);
}

fn aimed(rng: &mut Rng, call: Call, of: Kind) -> Planned {
    let part = rng.below(1_000) as u16;
    let fault = match call {
        Call::ReadAt => pick(rng, &[Fault::Io, Fault::Short(part), Fault::Interrupted]),
        Call::WriteAt => pick(
            rng,
            &[
                Fault::Io,
                Fault::IoHalf,
                Fault::Short(part),
                Fault::Interrupted,
                Fault::Full(1 + u32::from(part) % 20),
                Fault::Slow(50_000_000),
                Fault::Crash(0),
                Fault::CrashShort(part),
            ],
        ),
        Call::Sync => pick(
            rng,
            &[
                Fault::Io,
                Fault::SyncDropped,
                Fault::SyncFull,
                Fault::SyncReverted,
                Fault::Slow(3_000_000_000),
                Fault::Crash(0),
                Fault::Crash(50_000),
            ],
        ),
        Call::Create => pick(rng, &[Fault::Io, Fault::Full(1 + u32::from(part) % 20), Fault::Crash(0)]),
        Call::Open | Call::Map => Fault::Io,
        _ => pick(rng, &[Fault::Io, Fault::Crash(0)]),
    };
    let horizon = if call == Call::SyncDir { 16 } else { 4 };
    Planned::new(call, 1 + spread(rng, horizon), fault).of(of)
}
