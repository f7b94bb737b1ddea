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
