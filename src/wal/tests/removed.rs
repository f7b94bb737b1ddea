//! A segment that somebody removes under the log: what is written to it would be gone with the process, and so it is an error.

use std::time::Duration;

use super::disk::MemDisk;
use super::{Rig, name, pause, recover_all};
use crate::env::Storage;
use crate::wal::{Lsn, Poisoned, Tier};

/// A log with three records, durable, of which the segment at hand has just been removed.
fn robbed(tier: Tier, segment_bytes: u64) -> Rig {
    let disk = MemDisk::default();
    let rig = Rig::start(&disk, &recover_all(&disk, 0).unwrap(), tier, segment_bytes);
    for _ in 0..3 {
        rig.append().unwrap();
        rig.settle_written();
    }
    disk.remove(disk.image().keys().last().unwrap()).unwrap();
    rig
}

fn failure(rig: &Rig) -> Poisoned {
    while rig.wal.poisoned().is_none() {
        pause();
    }
    rig.wal.poisoned().unwrap()
}

#[test]
fn after_a_quiet_second_no_record_is_told_as_durable_that_is_in_a_removed_segment() {
    let rig = robbed(Tier::Always, 1 << 20);
    rig.clock.0.store(Duration::from_millis(1_500).as_nanos() as u64);
    rig.append();
    let first = failure(&rig);
    assert_eq!((first.file.as_str(), first.operation), (name(1).as_str(), "find"), "{first}");
    assert!(first.to_string().contains("somebody has removed or moved it"), "{first}");
    assert_eq!((rig.wal.durable(), rig.append()), (Lsn(3), None));
    assert!(rig.wal.shutdown().is_err());
}

#[test]
fn under_load_a_removed_segment_is_noticed_within_a_second() {
    let rig = robbed(Tier::Always, 1 << 20);
    let mut told = 0;
    while rig.append().is_some() {
        rig.settle();
        told = rig.wal.durable().0;
        rig.clock.0.fetch_add(Duration::from_millis(100).as_nanos() as u64);
    }
    assert!((10..=14).contains(&told), "{told} records were told as durable");
}

#[test]
fn where_nothing_is_synced_a_removed_segment_is_noticed_when_the_next_is_begun() {
    let rig = robbed(Tier::No, 200);
    while rig.append().is_some() {
        rig.settle_written();
    }
    assert_eq!(failure(&rig).operation, "find");
}

/// A log of several closed segments, durable.
fn long(disk: &MemDisk) -> Rig {
    let rig = Rig::start(disk, &recover_all(disk, 0).unwrap(), Tier::Always, 100);
    while disk.image().len() < 4 {
        rig.append().unwrap();
        rig.settle();
    }
    assert!(rig.wal.missing().is_none());
    rig
}

/// Lets a second pass, in which something is written.
fn look(rig: &Rig) {
    rig.clock.0.fetch_add(Duration::from_millis(1_100).as_nanos() as u64);
    rig.append().unwrap();
    rig.settle();
    // What was looked at is told a moment after the record is durable.
    rig.append().unwrap();
    rig.settle();
}

fn wait_until_missing(rig: &Rig, wanted: bool) {
    while rig.wal.lacks_file() != wanted {
        // The log's thread looks by itself while something is missing.
        rig.clock.0.fetch_add(Duration::from_millis(100).as_nanos() as u64);
        rig.wal.set_tier(Tier::Always);
        pause();
    }
}

#[test]
fn a_closed_segment_that_is_gone_is_told_and_so_is_that_it_is_back() {
    let disk = MemDisk::default();
    let rig = long(&disk);
    let second = disk.image().into_keys().nth(1).unwrap();
    disk.rename(&second, "elsewhere").unwrap();
    look(&rig);
    assert_eq!(rig.wal.missing(), Some(second.clone()));
    assert!(rig.wal.poisoned().is_none(), "the log goes on");
    disk.rename("elsewhere", &second).unwrap();
    wait_until_missing(&rig, false);
    rig.wal.shutdown().unwrap();
    recover_all(&disk, 0).unwrap();
}

#[test]
fn what_a_snapshot_covers_is_not_missed_and_the_snapshot_is_as_soon_as_it_is_gone() {
    let disk = MemDisk::default();
    let rig = long(&disk);
    let names: Vec<String> = disk.image().into_keys().collect();
    disk.remove(&names[0]).unwrap();
    look(&rig);
    assert_eq!(rig.wal.missing().as_ref(), Some(&names[0]));
    // One that covers all of it but the segment at hand, and then one that covers nothing of it.
    let covered =
        recover_all(&disk.after_kill(), 0).map_or_else(|_| rig.wal.appended().0, |found| found.last.0);
    let snapshot = format!("covered up to {covered}");
    disk.put(&snapshot, b"");
    rig.wal.drop_covered(Lsn(covered));
    wait_until_missing(&rig, false);
    disk.remove(&snapshot).unwrap();
    look(&rig);
    assert_eq!(rig.wal.missing().unwrap(), "the snapshot behind which the log goes on");
    rig.wal.shutdown().unwrap();
}

#[test]
fn a_directory_that_has_all_that_a_start_needs_is_never_taken_for_another() {
    let disk = MemDisk::default();
    for life in 0..3 {
        let rig = Rig::start(&disk, &recover_all(&disk, 0).unwrap(), Tier::Always, 100);
        for _ in 0..20 {
            look(&rig);
            assert!(rig.wal.missing().is_none(), "life {life}");
        }
        rig.wal.shutdown().unwrap();
    }
}

#[test]
fn where_nothing_is_synced_a_closed_segment_that_is_gone_is_told_as_well() {
    let disk = MemDisk::default();
    long(&disk).wal.shutdown().unwrap();
    // A large segment: none is closed any more, and so nothing is synced.
    let rig = Rig::start(&disk, &recover_all(&disk, 0).unwrap(), Tier::No, 1 << 20);
    let second = disk.image().into_keys().nth(1).unwrap();
    disk.rename(&second, "elsewhere").unwrap();
    for _ in 0..1_000 {
        rig.clock.0.fetch_add(Duration::from_millis(100).as_nanos() as u64);
        rig.append().unwrap();
        rig.settle_written();
        if rig.wal.lacks_file() {
            break;
        }
    }
    assert_eq!(rig.wal.missing(), Some(second));
    rig.wal.shutdown().unwrap();
}
