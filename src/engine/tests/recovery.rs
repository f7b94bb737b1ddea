//! A start that is told to finish, at whichever moment, leaves a directory that holds what it held.

use std::sync::Arc;

use super::{Doors, Engine, Silent, await_durable, barrier, options_for, snapshots};
use crate::engine::{OpenError, check};
use crate::wal::tests::disk::MemDisk;

/// Opens what is on `disk`, unless it is to end when it asks for the `end`th time.
fn open(disk: &MemDisk, end: usize, workers: usize) -> Result<Engine, OpenError> {
    let doors = Doors {
        storage: Some(disk.arc()),
        backups: None,
        clock: snapshots::clock(),
        console: Arc::new(Silent),
        waker: Arc::new(Silent),
    };
    let options = crate::engine::Options { workers, ..options_for((1 << 10, 0)) };
    let mut asked = 0;
    let mut is_over = || {
        asked += 1;
        asked > end
    };
    Engine::open(doors, &options, &mut is_over).map(|(engine, _)| engine)
}

/// A directory with a snapshot and a log behind it, as a kill has left it.
fn directory() -> MemDisk {
    let disk = MemDisk::default();
    let mut engine = open(&disk, usize::MAX, 1).unwrap();
    barrier(&mut engine, "VNEW i 4");
    let mut lsn = barrier(&mut engine, "SET before 1");
    for n in 0..20 {
        lsn = barrier(&mut engine, &format!("VADD i e{n} 00000000000000{n:02}"));
    }
    await_durable(&mut engine, lsn);
    engine.request_snapshot().unwrap();
    while engine.take_saved().is_none() {
        engine.tick();
    }
    for n in 20..60 {
        lsn = barrier(&mut engine, &format!("VADD i e{n} 00000000000000{n:02}"));
        await_durable(&mut engine, lsn);
    }
    let killed = disk.after_kill();
    engine.close().unwrap();
    killed
}

fn is_all_there(engine: Engine, why: &str) {
    assert_eq!(engine.keys(), 2, "{why}");
    assert_eq!(engine.store.validate(), Ok(()), "{why}");
    let vectors: usize = (0..60).filter(|n| holds(&engine, &format!("e{n}"))).count();
    assert_eq!(vectors, 60, "{why}");
    engine.close().unwrap();
}

fn holds(engine: &Engine, element: &str) -> bool {
    match engine.store.keyspace.get(b"i").map(|entry| &entry.value) {
        Some(crate::engine::value::Value::Vectors(set)) => set.writer.get(element.as_bytes()).is_some(),
        _ => false,
    }
}

#[test]
fn a_start_that_is_told_to_finish_at_any_moment_loses_nothing() {
    let disk = directory();
    let (mut given_up, mut untouched) = (0, 0);
    for end in 0.. {
        let left = disk.after_kill();
        match open(&left, end, 1 + end % 2) {
            Ok(engine) => {
                is_all_there(engine, "it was not asked often enough");
                break;
            }
            Err(why) => assert_eq!(why, OpenError::GivenUp, "told at question {end}"),
        }
        given_up += 1;
        untouched += usize::from(left.image() == disk.image());
        // The next one is told to finish as well, a little later; then one goes on.
        let again = left.after_kill();
        drop(open(&again, end + 1, 1));
        is_all_there(open(&again.after_kill(), usize::MAX, 2).unwrap(), &format!("told at question {end}"));
    }
    // One before each record at least. Of the rows that are linked the other worker may take nearly all.
    assert!(given_up > 50, "{given_up} questions");
    assert!(untouched > 40, "{untouched}: as long as the log is read it stays as it is");
}

#[test]
fn a_check_foresees_that_a_start_gives_a_snapshot_another_name_meanwhile() {
    let disk = MemDisk::default();
    let mut engine = open(&disk, usize::MAX, 1).unwrap();
    let lsn = barrier(&mut engine, "SET a 1");
    await_durable(&mut engine, lsn);
    engine.request_snapshot().unwrap();
    while engine.take_saved().is_none() {
        engine.tick();
    }
    engine.close().unwrap();
    let replaced = |disk: &MemDisk| check(&*disk.arc(), options_for((1 << 10, 0)).store).replaced;
    let is_snapshot = |name: &String| name.starts_with("snapshot-") && name.ends_with(".snap");
    assert!(replaced(&disk).iter().any(is_snapshot), "{:?}", replaced(&disk));
    let mut engine = open(&disk, usize::MAX, 1).unwrap();
    let lsn = barrier(&mut engine, "SET b 2");
    await_durable(&mut engine, lsn);
    engine.close().unwrap();
    assert!(!replaced(&disk).iter().any(is_snapshot), "{:?}", replaced(&disk));
}

#[test]
fn a_log_full_of_overwritten_vectors_makes_an_index_no_larger_than_one_round_of_them() {
    let disk = MemDisk::default();
    let mut engine = open(&disk, usize::MAX, 1).unwrap();
    let mut lsn = barrier(&mut engine, "VNEW i 4");
    for round in 0..8 {
        for n in 0..30 {
            lsn = barrier(&mut engine, &format!("VADD i e{n} {round}00000000000000{}", n % 10));
        }
    }
    await_durable(&mut engine, lsn);
    let killed = disk.after_kill();
    engine.close().unwrap();
    let engine = open(&killed, usize::MAX, 1).unwrap();
    let Some(crate::engine::value::Value::Vectors(set)) =
        engine.store.keyspace.get(b"i").map(|entry| &entry.value)
    else {
        panic!("the index is there")
    };
    let stats = set.writer.index().stats();
    assert_eq!((set.writer.len(), stats.rows, stats.free, stats.unlinked), (30, 31, 1, 0));
    assert_eq!(engine.store.validate(), Ok(()));
    engine.close().unwrap();
}
