//! What a snapshot keeps in memory while it is written is counted, and one that fails is tried again, but not at once.

use std::io;
use std::sync::Arc;

use super::{Engine, SetClock, Silent, await_durable, barrier};
use crate::base::hash::HashKey;
use crate::base::sync::{AtomicBool, AtomicU64};
use crate::engine::desk::{Desk, Held, Piece};
use crate::engine::keyspace::Keyspace;
use crate::engine::{Saved, SnapshotPlan};
use crate::env::{File, Map, Storage};
use crate::wal::Lsn;
use crate::wal::tests::disk::MemDisk;

const NOW: u64 = 1_700_000_000_000;
const KEYS: usize = 64;
const SIZE: usize = 64 << 10;

pub(super) fn clock() -> Arc<SetClock> {
    Arc::new(SetClock(AtomicU64::new(NOW)))
}

/// An engine with strings and a vector set, of which a snapshot has begun that gets nowhere.
fn saving() -> Engine {
    let mut engine = Engine::on(Some(MemDisk::default().arc()), clock());
    for n in 0..KEYS {
        barrier(&mut engine, &format!("SET k{n} {}", "x".repeat(SIZE)));
    }
    barrier(&mut engine, "VNEW i 4");
    for n in 0..500 {
        barrier(&mut engine, &format!("VADD i e{n} 0000000000000000"));
    }
    engine.plan_snapshots(SnapshotPlan { rate: 1, ..SnapshotPlan::default() });
    assert_eq!(engine.snapshot_memory(), 0);
    engine.request_snapshot().unwrap();
    engine.tick();
    assert!(engine.is_saving());
    engine
}

#[test]
fn strings_that_change_during_a_snapshot_are_counted_as_they_were_and_no_more_than_once() {
    let mut engine = saving();
    let before = engine.used_memory() - engine.snapshot_memory();
    for value in ["y", "z"] {
        for n in 0..KEYS {
            barrier(&mut engine, &format!("SET k{n} {}", value.repeat(SIZE)));
        }
        let kept = engine.snapshot_memory();
        assert!(kept >= KEYS * SIZE, "{kept} bytes for what was overwritten");
        assert!(
            kept < KEYS * SIZE * 5 / 4 + (3 << 20),
            "{kept}: no more than there was, but for room in a chunk"
        );
        assert_eq!(engine.used_memory(), before + kept);
    }
    engine.close().unwrap();
}

#[test]
fn what_is_removed_during_a_snapshot_counts_as_long_as_it_is_there() {
    let mut engine = saving();
    while engine.tick() {}
    let (waits, before) = (engine.snapshot_memory(), engine.used_memory());
    barrier(&mut engine, "DEL i");
    drop(engine.take_garbage());
    let kept = engine.snapshot_memory() - waits;
    assert!(kept > 500 * 16, "{kept} bytes of an index that the snapshot has captured");
    barrier(&mut engine, "FLUSHALL");
    drop(engine.take_garbage());
    assert!(engine.used_memory() < before, "what was handed over counts, and what it came from no longer");
    assert_eq!(engine.snapshot_memory() - waits, kept);
    engine.close().unwrap();
    let mut engine = saving();
    barrier(&mut engine, "FLUSHALL");
    assert!(engine.snapshot_memory() > KEYS * SIZE, "all of it is still to be written");
    engine.close().unwrap();
}

#[test]
fn nothing_is_counted_when_a_snapshot_is_done() {
    let mut engine = saving();
    engine.store.saving.end();
    engine.plan_snapshots(SnapshotPlan::default());
    engine.request_snapshot().unwrap();
    barrier(&mut engine, "DEL i k0 k1 k2");
    while engine.take_saved().is_none() {
        engine.tick();
    }
    drop(engine.take_garbage());
    engine.tick();
    assert_eq!(engine.snapshot_memory(), 0);
    engine.close().unwrap();
}

/// It has to be dropped elsewhere then: FLUSHALL takes away all that there is.
#[test]
fn what_comes_to_the_desk_when_its_thread_has_just_given_up_goes_back_to_the_loop() {
    let desk = Desk::new(Arc::new(Silent), clock(), 0);
    let rest = || Piece::Rest { keyspace: Keyspace::new(HashKey::from_seed(1), 16), epoch: 1 };
    let bytes = Held { all: 100, kept: 100 };
    assert!(matches!(desk.put(rest(), bytes), (held, None) if held == bytes));
    let saved = Saved { number: 1, lsn: Lsn(1), backup: None, result: Err("the disk is full".to_owned()) };
    assert_eq!(desk.put_down(saved.clone()).map(|left| left.len()), Some(1), "its thread drops it");
    assert!(desk.put_down(saved.clone()).is_none());
    let (held, back) = desk.put(rest(), bytes);
    assert!(matches!(back, Some(Piece::Rest { .. })));
    assert_eq!((held, desk.look()), (Held::default(), (Some(saved), Held::default())));
}

/// Where the string at `key` lies in memory, and its bytes.
fn string<'e>(engine: &'e Engine, key: &str) -> (usize, &'e [u8]) {
    let entry = engine.store.keyspace.get(key.as_bytes()).unwrap();
    let bytes = entry.value.as_string().unwrap();
    (bytes.as_ptr().addr(), bytes)
}

#[test]
fn a_large_string_is_shared_with_a_snapshot_and_copied_only_where_it_changes_in_part() {
    const LARGE: usize = 3 << 20;
    let disk = MemDisk::default();
    let mut engine = Engine::on(Some(disk.arc()), clock());
    for key in ["k", "l", "m"] {
        barrier(&mut engine, &format!("SET {key} {}", key.repeat(LARGE)));
    }
    let before = ["k", "l", "m"].map(|key| string(&engine, key).0);
    engine.plan_snapshots(SnapshotPlan { rate: 1, ..SnapshotPlan::default() });
    engine.request_snapshot().unwrap();
    while engine.tick() {}
    assert_eq!(["k", "l", "m"].map(|key| string(&engine, key).0), before, "none has been copied");
    assert!(engine.snapshot_memory() >= 3 * LARGE && engine.snapshot_memory() < 4 * LARGE);
    barrier(&mut engine, "APPEND k x");
    barrier(&mut engine, "SETRANGE l 0 xx");
    barrier(&mut engine, "SET m other");
    assert!(before.iter().zip(["k", "l", "m"]).all(|(old, key)| *old != string(&engine, key).0));
    engine.plan_snapshots(SnapshotPlan::default());
    turns(&mut engine);
    let bytes = *engine.last_saved().unwrap().result.as_ref().unwrap();
    assert!(bytes > 3 * LARGE as u64, "it holds them as they were");
    let again = string(&engine, "k").0;
    engine.request_snapshot().unwrap();
    turns(&mut engine);
    assert_eq!(string(&engine, "k").0, again);
    engine.close().unwrap();
    let engine = Engine::on(Some(disk.arc()), clock());
    assert_eq!(string(&engine, "k").1, format!("{}x", "k".repeat(LARGE)).as_bytes());
    assert_eq!(string(&engine, "l").1, format!("xx{}", "l".repeat(LARGE - 2)).as_bytes());
    assert_eq!(string(&engine, "m").1, b"other");
    engine.close().unwrap();
}

/// A directory in which no snapshot can be created, as long as it is so.
struct Full {
    disk: Arc<dyn Storage>,
    is_full: AtomicBool,
    tried: AtomicU64,
}

impl Storage for Full {
    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.disk.open(name)
    }

    fn create_new(&self, name: &str) -> io::Result<Box<dyn File>> {
        if name.starts_with("snapshot-") {
            self.tried.fetch_add(1);
            if self.is_full.load() {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        self.disk.create_new(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }

    fn map(&self, name: &str) -> io::Result<Box<dyn Map>> {
        self.disk.map(name)
    }
}

/// Many turns, until the snapshot that has begun, if one has, is done.
fn turns(engine: &mut Engine) {
    let mut turns = 0;
    while turns < 100 || engine.is_saving() {
        engine.tick();
        turns += 1;
    }
}

#[test]
fn a_snapshot_that_fails_is_made_again_later_and_later_without_another_write() {
    let (disk, clock) = (MemDisk::default(), clock());
    let (is_full, tried) = (AtomicBool::new(true), AtomicU64::new(0));
    let full = Arc::new(Full { disk: disk.arc(), is_full, tried });
    let mut engine = Engine::on(Some(full.clone()), Arc::clone(&clock));
    engine.plan_snapshots(SnapshotPlan { log_bytes: 1_000, ..SnapshotPlan::default() });
    barrier(&mut engine, &format!("SET k {}", "x".repeat(2_000)));
    turns(&mut engine);
    assert_eq!(full.tried.load(), 1, "it fails, and is not tried again at once");
    assert_eq!(engine.stats().dirty, 1, "no snapshot holds what was changed");
    let mut seconds = 0;
    for (n, pause) in [60, 120, 240, 480, 960, 1_920, 1_920].into_iter().enumerate() {
        seconds += pause;
        clock.0.store(NOW + seconds * 1_000 - 1);
        turns(&mut engine);
        assert_eq!(full.tried.load(), 1 + n as u64, "not before {pause} seconds");
        clock.0.store(NOW + seconds * 1_000);
        turns(&mut engine);
        assert_eq!(full.tried.load(), 2 + n as u64, "after {pause} seconds");
    }
    full.is_full.store(false);
    clock.0.store(NOW + (seconds + 1_920) * 1_000);
    turns(&mut engine);
    assert!(engine.last_saved().unwrap().result.is_ok());
    assert_eq!((full.tried.load(), engine.stats().dirty), (9, 0));
    clock.0.store(NOW + (seconds + 9_999) * 1_000);
    turns(&mut engine);
    assert_eq!(full.tried.load(), 9, "once it is done the log has to grow again");
    engine.close().unwrap();
}

#[test]
fn an_unasked_snapshot_waits_for_half_of_the_last_one_s_size_after_a_restart_too() {
    let disk = MemDisk::default();
    let mut engine = Engine::on(Some(disk.arc()), clock());
    barrier(&mut engine, &format!("SET large {}", "x".repeat(40_000)));
    engine.request_snapshot().unwrap();
    turns(&mut engine);
    engine.close().unwrap();
    let mut engine = Engine::on(Some(disk.arc()), clock());
    engine.plan_snapshots(SnapshotPlan { log_bytes: 1_000, ..SnapshotPlan::default() });
    barrier(&mut engine, &format!("SET k {}", "x".repeat(15_000)));
    turns(&mut engine);
    assert_eq!(engine.last_saved(), None, "less than half of it");
    barrier(&mut engine, &format!("SET k {}", "x".repeat(6_000)));
    turns(&mut engine);
    assert!(engine.last_saved().is_some_and(|saved| saved.result.is_ok()));
    engine.close().unwrap();
}

/// Writes so many records, each durable before the next.
fn write(engine: &mut Engine, records: usize) {
    for n in 0..records {
        let lsn = barrier(engine, &format!("SET k{n} {}", "x".repeat(80)));
        await_durable(engine, lsn);
    }
}

/// Takes away a closed segment of the log, and waits until that is noticed.
pub(super) fn rob(engine: &mut Engine, disk: &MemDisk, clock: &SetClock) {
    disk.remove(disk.image().keys().find(|name| name.starts_with("wal-")).unwrap()).unwrap();
    clock.0.fetch_add(1_100);
    let lsn = barrier(engine, "SET last x");
    while engine.durable() < lsn || engine.refuses().is_none() {
        engine.durability.as_ref().unwrap().wal.kick();
        pause();
    }
    assert!(engine.refuses().unwrap().contains("is gone from the directory"));
}

fn pause() {
    crate::base::sync::spawn("yield", || ()).unwrap().join().unwrap();
}

#[test]
fn a_snapshot_that_makes_up_for_a_file_waits_for_no_earlier_failure_keeps_to_no_rate_and_is_tried_again_soon()
{
    let (disk, clock) = (MemDisk::default(), clock());
    let (is_full, tried) = (AtomicBool::new(true), AtomicU64::new(0));
    let full = Arc::new(Full { disk: disk.arc(), is_full, tried });
    let mut engine = Engine::try_on(Some(full.clone()), Arc::clone(&clock), (100, 0)).unwrap();
    engine.plan_snapshots(SnapshotPlan { log_bytes: 200, rate: 1, ..SnapshotPlan::default() });
    write(&mut engine, 4);
    for tries in 1..4 {
        turns(&mut engine);
        assert_eq!(full.tried.load(), tries, "it fails");
        clock.0.fetch_add(60_000 << (tries - 1));
    }
    turns(&mut engine);
    assert_eq!(full.tried.load(), 4, "the next comes in eight minutes");
    rob(&mut engine, &disk, &clock);
    turns(&mut engine);
    assert_eq!(full.tried.load(), 5, "nobody may write: at once");
    for (n, pause) in [1_000, 2_000, 4_000].into_iter().enumerate() {
        clock.0.fetch_add(pause - 1);
        turns(&mut engine);
        assert_eq!(full.tried.load(), 5 + n as u64, "not before {pause} ms");
        clock.0.fetch_add(1);
        turns(&mut engine);
        assert_eq!(full.tried.load(), 6 + n as u64, "after {pause} ms");
    }
    full.is_full.store(false);
    clock.0.fetch_add(8_000);
    let done = |engine: &Engine| engine.last_saved().is_some_and(|saved| saved.result.is_ok());
    for turn in 0.. {
        engine.tick();
        if done(&engine) && engine.refuses().is_none() {
            break;
        }
        assert!(turn < 100_000, "a byte a second would take for ever");
        pause();
    }
    turns(&mut engine);
    assert_eq!(full.tried.load(), 9, "one is enough");
    barrier(&mut engine, "SET again 1");
    engine.close().unwrap();
    let engine = Engine::on(Some(disk.after_kill().arc()), clock);
    assert_eq!(engine.keys(), 6);
    engine.close().unwrap();
}
