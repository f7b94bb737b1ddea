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

/// An engine with one large string, of which a snapshot at [`RATE`] has begun.
fn saving(clock: &Arc<SetClock>) -> Engine {
    let mut engine = Engine::on(Some(MemDisk::default().arc()), Arc::clone(clock));
    barrier(&mut engine, &format!("SET k {}", "x".repeat(SIZE)));
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
