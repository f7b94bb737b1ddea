//! A snapshot keeps to its rate, however large a value is, and hears of another one at once.

use std::sync::Arc;

use super::{Engine, SetClock, barrier, snapshots};
use crate::engine::SnapshotPlan;
use crate::wal::tests::disk::MemDisk;

const SIZE: usize = 8 << 20;
/// A piece of 64 KiB takes a little less than four milliseconds.
const RATE: u64 = 16 << 20;

fn written(engine: &mut Engine) -> u64 {
    engine.tick();
    crate::base::sync::spawn("yield", || ()).unwrap().join().unwrap();
    engine.saving().map_or(u64::MAX, |progress| progress.written)
}

/// An engine with two large strings; a snapshot at [`RATE`] has begun, and its cursor has come past one of them.
fn saving(clock: &Arc<SetClock>) -> Engine {
    let mut engine = Engine::on(Some(MemDisk::default().arc()), Arc::clone(clock));
    for key in ["k", "l"] {
        barrier(&mut engine, &format!("SET {key} {}", "x".repeat(SIZE)));
    }
    engine.plan_snapshots(SnapshotPlan { rate: RATE, ..SnapshotPlan::default() });
    engine.request_snapshot().unwrap();
    engine.tick();
    engine
}

#[test]
fn a_large_value_is_written_in_pieces_under_the_rate() {
    let clock = snapshots::clock();
    let mut engine = saving(&clock);
    let begun = clock.0.load();
    for millis in (4..200).step_by(4) {
        clock.0.store(begun + millis);
        let allowed = millis * RATE / 1_000;
        while written(&mut engine) < allowed - (96 << 10).min(allowed) {}
        let written = written(&mut engine);
        assert!(written <= allowed, "{written} bytes after {millis} milliseconds, {allowed} at most");
    }
    engine.close().unwrap();
}

#[test]
fn another_rate_is_heard_by_a_snapshot_that_is_being_written() {
    let clock = snapshots::clock();
    let mut engine = saving(&clock);
    let before = (0..100).map(|_| written(&mut engine)).max().unwrap();
    assert_eq!(before, 0, "time stands still");
    engine.plan_snapshots(SnapshotPlan { rate: 0, ..SnapshotPlan::default() });
    while engine.take_saved().is_none() {
        engine.tick();
    }
    assert!(engine.last_saved().unwrap().result.is_ok(), "without a moment of the clock");
    engine.close().unwrap();
}

#[test]
fn a_snapshot_that_makes_the_server_keep_too_much_hurries_and_an_unasked_one_is_given_up() {
    for asked in [true, false] {
        let clock = snapshots::clock();
        let mut engine = Engine::on(Some(MemDisk::default().arc()), Arc::clone(&clock));
        for n in 0..4 {
            barrier(&mut engine, &format!("SET k{n} {}", "x".repeat(1 << 20)));
        }
        barrier(&mut engine, "VNEW i 64");
        let vector = "0".repeat(256);
        for n in 0..100 {
            barrier(&mut engine, &format!("VADD i e{n} {vector}"));
        }
        let plan = SnapshotPlan { rate: 1, memory: 64 << 20, log_bytes: 0 };
        engine.plan_snapshots(plan);
        if asked {
            engine.request_snapshot().unwrap();
        } else {
            engine.plan_snapshots(SnapshotPlan { log_bytes: 1, ..plan });
        }
        engine.tick();
        engine.plan_snapshots(plan);
        assert!(engine.is_saving());
        while engine.tick() {}
        assert_eq!(engine.store.saving.dead(), 0);
        for n in 0..100 {
            barrier(&mut engine, &format!("VADD i e{n} {vector}"));
        }
        let dead = engine.store.saving.dead();
        assert!((100 * 64 * 4..100 * 2_000).contains(&dead), "{dead} bytes of rows that are kept");
        let kept = engine.snapshot_keeps() as u64;
        // Above all of it, and it is not looked at all the time.
        engine.plan_snapshots(SnapshotPlan { memory: kept - 1, ..plan });
        clock.0.fetch_add(1_000);
        let saved = loop {
            engine.tick();
            if let Some(saved) = engine.take_saved() {
                break saved;
            }
        };
        assert_eq!(saved.result.is_ok(), asked, "{saved:?}");
        if let Err(why) = saved.result {
            assert!(why.contains("it made the server keep") && why.contains("snapshot-memory"), "{why}");
        }
        assert_eq!(engine.store.saving.dead(), 0);
        assert_eq!(engine.snapshot_keeps(), 0);
        engine.close().unwrap();
    }
}

#[test]
fn large_values_keep_an_unasked_snapshot_neither_from_its_rate_nor_from_its_end() {
    let clock = snapshots::clock();
    let mut engine = Engine::on(Some(MemDisk::default().arc()), Arc::clone(&clock));
    for key in ["k", "l"] {
        barrier(&mut engine, &format!("SET {key} {}", "x".repeat(SIZE)));
    }
    let plan = SnapshotPlan { rate: 1, memory: 64 << 10, log_bytes: 1 };
    engine.plan_snapshots(plan);
    engine.tick();
    assert!(engine.is_saving() && engine.snapshot_memory() >= SIZE);
    for _ in 0..20 {
        clock.0.fetch_add(20);
        assert!(written(&mut engine) <= 128 << 10, "it keeps to its rate");
        assert_eq!(engine.snapshot_keeps(), 0, "nothing has changed");
    }
    engine.plan_snapshots(SnapshotPlan { rate: 0, log_bytes: 0, ..plan });
    while engine.take_saved().is_none() {
        written(&mut engine);
    }
    assert!(engine.last_saved().unwrap().result.is_ok(), "{:?}", engine.last_saved());
    engine.close().unwrap();
}

#[test]
fn above_half_of_the_bound_a_snapshot_keeps_to_no_rate_whatever_is_set_later() {
    let clock = snapshots::clock();
    let mut engine = saving(&clock);
    assert_eq!(engine.snapshot_keeps(), 0, "nothing has changed");
    barrier(&mut engine, "SET k other");
    barrier(&mut engine, "SET l other");
    let kept = engine.snapshot_keeps() as u64;
    assert!((SIZE as u64..SIZE as u64 * 3 / 2).contains(&kept), "{kept}: one of them is the cursor's");
    clock.0.fetch_add(20);
    engine.plan_snapshots(SnapshotPlan { rate: 1, memory: kept + kept / 2, ..SnapshotPlan::default() });
    engine.tick();
    engine.plan_snapshots(SnapshotPlan { rate: 1, ..SnapshotPlan::default() });
    while engine.take_saved().is_none() {
        engine.tick();
    }
    assert!(engine.last_saved().unwrap().result.is_ok());
    engine.close().unwrap();
}
