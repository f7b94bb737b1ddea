//! Keys whose time comes together, and whose deletions are together longer than a record may be.

use std::sync::Arc;

use super::{SetClock, await_durable, barrier};
use crate::base::sync::AtomicU64;
use crate::engine::{Engine, Watches};
use crate::wal::tests::disk::MemDisk;

const BEGIN: u64 = 1_700_000_000_000;
/// Longest record: two deletions of [`key`] do not fit.
const LONGEST: usize = 256;

fn key(n: usize) -> String {
    n.to_string().repeat(120)
}

/// An engine with three keys that expire at the same moment, which has come.
fn overdue(disk: &MemDisk, clock: &Arc<SetClock>) -> Engine {
    let mut engine = Engine::on(Some(disk.arc()), Arc::clone(clock));
    engine.max_record = LONGEST;
    for n in 0..3 {
        barrier(&mut engine, &format!("SET {} x PXAT {}", key(n), BEGIN + 5));
    }
    clock.0.store(BEGIN + 5);
    engine
}

#[test]
fn keys_that_expire_together_take_as_many_records_as_they_need() {
    let (disk, clock) = (MemDisk::default(), Arc::new(SetClock(AtomicU64::new(BEGIN))));
    let mut engine = overdue(&disk, &clock);
    let before = engine.next_lsn();
    assert_eq!([engine.tick(), engine.tick(), engine.tick()], [true, true, false], "one more turn for each");
    assert_eq!((engine.keys(), engine.next_lsn().0 - before.0), (0, 3), "keys left, records taken");
    let last = engine.next_lsn().0 - 1;
    await_durable(&mut engine, crate::wal::Lsn(last));
    engine.close().unwrap();
    clock.0.store(BEGIN);
    assert_eq!(Engine::on(Some(disk.arc()), clock).keys(), 0, "a clock that jumps back wakes none of them");
}

#[test]
fn a_read_whose_record_is_full_hides_a_key_and_a_later_turn_takes_it() {
    let (disk, clock) = (MemDisk::default(), Arc::new(SetClock(AtomicU64::new(BEGIN))));
    let mut engine = overdue(&disk, &clock);
    engine.begin();
    barrier(&mut engine, &format!("SET pad {}", "p".repeat(LONGEST - 67)));
    for command in ["GET", "STRLEN", "EXISTS", "TTL", "APPEND"] {
        let more = if command == "APPEND" { " y" } else { "" };
        barrier(&mut engine, &format!("{command} {}{more}", key(0)));
    }
    assert!(engine.record.len() <= LONGEST, "{} bytes", engine.record.len());
    assert_eq!(engine.stats.expired, 0, "nothing had room");
    engine.end();
    while engine.tick() {}
    assert_eq!((engine.keys(), engine.stats.expired), (1, 3));
    engine.close().unwrap();
}

#[test]
fn a_watched_key_has_changed_when_its_time_has_come_though_its_deletion_has_no_room() {
    let (disk, clock) = (MemDisk::default(), Arc::new(SetClock(AtomicU64::new(BEGIN))));
    let mut engine = overdue(&disk, &clock);
    clock.0.store(BEGIN);
    let mut watches = Watches::default();
    (0..3).for_each(|n| engine.watch(&mut watches, key(n).as_bytes()));
    clock.0.store(BEGIN + 5);
    engine.begin();
    barrier(&mut engine, &format!("SET pad {}", "p".repeat(LONGEST - 67)));
    assert!(engine.has_changed(&watches).is_some());
    assert!(engine.record.len() <= LONGEST, "{} bytes", engine.record.len());
    engine.end();
    engine.unwatch(&mut watches);
    engine.close().unwrap();
}
