//! What a plan may ask for: beyond it the machine would hang, run out of memory, or be something that is no machine, and
//! what came of that would be no fault of the server's.

use std::ops::RangeInclusive;

use super::{Break, Errand, Life, Op, Tier, Visitor};
use crate::faults::{Call, Fault, Planned};
use crate::scheduler::{Blow, Disturbance};

/// Longest time, in virtual nanoseconds, for which something stands still or is put off: well below what counts as silence.
const LONGEST: u64 = 30_000_000_000;
/// Farthest that a wall clock is set, in microseconds.
const FARTHEST: i64 = 1_000_000_000_000;
/// Farthest moment that a request names, in whichever unit.
const LATEST: i64 = 10_000_000_000_000;
/// Most of what a visitor sends, in commands or bytes.
const MOST: u32 = 1_000_000;

/// Settings by name, and what each may be.
const SETTINGS: [(&str, RangeInclusive<u64>); 24] = [
    ("workers", 1..=64),
    ("snapshot-slice", 1..=1 << 40),
    ("segment-bytes", 256..=1 << 40),
    ("log-room", 0..=1 << 26),
    ("snapshot-log-bytes", 0..=1 << 50),
    ("snapshot-rate", 0..=1 << 40),
    ("lookout", 0..=LONGEST),
    ("maxclients", 0..=1 << 20),
    ("timeout", 0..=LONGEST / 1_000_000_000),
    ("tick", 0..=1_000_000),
    ("latency", 0..=LONGEST),
    ("capacity", 1..=1 << 30),
    ("wake-delay", 0..=LONGEST),
    ("batch", 1..=1 << 20),
    ("backlog", 1..=1 << 20),
    ("grain", 0..=LONGEST),
    ("late", 0..=LONGEST),
    ("transfer", 0..=LONGEST),
    ("sync", 0..=LONGEST),
    ("depth", 1..=1 << 20),
    ("gap", 1..=LONGEST),
    ("send", 1..=1 << 30),
    ("receive", 1..=1 << 30),
    ("rough", 0..=1 << 40),
];

/// Says what is wrong with a word for the setting `name`, if that is how large a number it is.
pub(super) fn setting(name: &str, word: &str) -> Result<(), String> {
    let Some((_, range)) = SETTINGS.iter().find(|(known, _)| *known == name) else { return Ok(()) };
    word.parse().map_or(Ok(()), |value| within(&value, range))
}

fn within<T: PartialOrd + std::fmt::Display>(value: &T, range: &RangeInclusive<T>) -> Result<(), String> {
    if range.contains(value) {
        return Ok(());
    }
    Err(format!("{value} is not between {} and {}", range.start(), range.end()))
}

fn lasts(nanos: u64) -> Result<(), String> {
    within(&nanos, &(0..=LONGEST)).map_err(|what| format!("{what} virtual nanoseconds"))
}

/// What was read last of a life.
pub(super) fn life(life: &Life) -> Result<(), String> {
    for &(at, micros) in &life.clock.jumps {
        lasts(at)?;
        within(&micros, &(-FARTHEST..=FARTHEST))?;
    }
    for &(at, nanos) in &life.clock.pauses {
        lasts(at)?;
        lasts(nanos)?;
    }
    life.signal.map_or(Ok(()), lasts)?;
    life.faults.iter().try_for_each(fault)?;
    life.threads.disturbances.iter().try_for_each(disturbance)?;
    life.visitors.iter().try_for_each(visitor)
}

fn fault(planned: &Planned) -> Result<(), String> {
    match planned.fault {
        Fault::Slow(nanos) | Fault::Crash(nanos) => lasts(nanos)?,
        Fault::Storm(times) => within(&times, &(0..=MOST))?,
        _ => {}
    }
    let calls: &[Call] = match planned.fault {
        Fault::SyncDropped | Fault::SyncFull | Fault::SyncReverted | Fault::SyncLate => {
            &[Call::Sync, Call::SyncDir]
        }
        Fault::Lost => &[Call::Sync, Call::SyncDir, Call::WriteAt],
        Fault::IoHalf | Fault::Stray(_) | Fault::CrashShort(_) => &[Call::WriteAt],
        Fault::RotOnce(..) => &[Call::ReadAt, Call::Map],
        Fault::Full(_) => &[Call::WriteAt, Call::Create, Call::Rename, Call::SetLen],
        Fault::Reset => &[Call::Read, Call::Write],
        _ => return Ok(()),
    };
    if calls.contains(&planned.call) {
        Ok(())
    } else {
        Err("that fault means nothing at this call".to_owned())
    }
}

fn disturbance(disturbance: &Disturbance) -> Result<(), String> {
    if let Blow::Stall(nanos) = disturbance.blow { lasts(nanos) } else { Ok(()) }
}

fn visitor(visitor: &Visitor) -> Result<(), String> {
    lasts(visitor.at)?;
    match visitor.errand {
        Errand::Flood(n)
        | Errand::Wrong(n)
        | Errand::Deaf(n)
        | Errand::Unfinished(n)
        | Errand::Line(n)
        | Errand::Queue(n) => within(&n, &(0..=MOST)),
        Errand::Crowd { come, .. } => within(&come, &(0..=10_000)),
        Errand::Steward(millis) => within(&u64::from(millis), &(0..=60_000)),
        Errand::Probe(every) => within(&every, &(1..=LONGEST)),
        Errand::Silent | Errand::Garbage(_) => Ok(()),
    }
}

/// How a client breaks off.
pub(super) fn break_off(how: &Break) -> Result<(), String> {
    match how {
        Break::Reset(after) | Break::Shutdown(after) | Break::Crash(after) => lasts(*after),
        _ => Ok(()),
    }
}

/// A client names its own keys and those that all share: the oracle knows who may have made what.
pub(super) fn owned(op: &Op, client: usize) -> Result<(), String> {
    let own = format!("c{client}:");
    let foreign = |key: &&str| !key.starts_with(&own) && !key.starts_with("shared:");
    match op.keys().into_iter().find(foreign) {
        Some(key) => Err(format!("`{key}` is neither a key of client {client} nor shared")),
        None => Ok(()),
    }
}

/// A request whose numbers are those of a test, not those that only show how a number is read.
pub(super) fn request(op: &Op) -> Result<(), String> {
    let moment = |time: i64| within(&time, &(-LATEST..=LATEST));
    let after = |time: u64| within(&time, &(0..=LATEST as u64));
    match op {
        Op::Transaction(ops) | Op::Discarded(ops) => ops.iter().try_for_each(request),
        Op::Unheard(_, op) => request(op),
        Op::Hello(version) => within(version, &(2..=3)),
        Op::ConfigSet { name, .. } if name.ends_with("fsync") && Tier::ordered(op).is_none() => {
            Err("that is none of the tiers".to_owned())
        }
        Op::SetRange { offset, .. } => within(offset, &(0..=1 << 20)),
        Op::NewIndex { dim, .. } => within(dim, &(1..=1 << 12)),
        Op::Search { k, ef, .. } => {
            within(k, &(1..=100_000)).and_then(|()| within(&ef.unwrap_or(1), &(1..=100_000)))
        }
        Op::Set { expire: Some(time), .. }
        | Op::SetFor { after: time, .. }
        | Op::Expire { after: time, .. }
        | Op::ExpireAt { at: time, .. } => after(*time),
        Op::ExpireIf { time, .. } => moment(*time),
        Op::SetWith { life, .. } | Op::GetEx { life, .. } => match life {
            super::Lifetime::Until(_, time) => moment(*time),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}
