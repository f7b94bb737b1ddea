//! A disk that is full for a while: what waits for room is written when there is some, and a failed sync is none of that.

use super::disk::{MemDisk, Mishap};
use super::{Rig, acknowledged, name, pause, recover_all};
use crate::wal::{Lsn, Recovered, Tier};

/// A log with records 1 to 3, durable, and its disk.
fn running(tier: Tier, segment_bytes: u64) -> (MemDisk, Rig) {
    let disk = MemDisk::default();
    let rig = Rig::start(&disk, &empty(&disk), tier, segment_bytes);
    (0..3).for_each(|_| assert!(rig.append().is_some()));
    while rig.wal.backlog() > 0 {
        pause();
    }
    (disk, rig)
}

fn empty(disk: &MemDisk) -> Recovered {
    recover_all(disk, 0).unwrap()
}

/// The next calls find no room. More than ever come in a test: until [`MemDisk::after_kill`], or till it is called off.
fn fill(disk: &MemDisk, calls: u64) {
    (disk.calls()..disk.calls() + calls).for_each(|call| disk.mishap(call, Mishap::Full));
}

fn await_full(rig: &Rig) {
    while !rig.wal.lacks_room() {
        assert!(rig.wal.poisoned().is_none());
        pause();
    }
}

#[test]
fn what_found_no_room_is_written_when_there_is_some_and_in_order() {
    for segment_bytes in [1 << 20, 64] {
        let (disk, rig) = running(Tier::Always, segment_bytes);
        rig.settle();
        fill(&disk, 9);
        rig.append();
        await_full(&rig);
        assert_eq!(rig.wal.durable(), Lsn(3), "nothing is told as durable meanwhile");
        assert!(!rig.wal.has_failed());
        rig.append();
        rig.settle();
        while rig.wal.lacks_room() {
            pause();
        }
        assert_eq!((rig.wal.durable(), rig.wal.backlog()), (Lsn(5), 0));
        rig.append();
        rig.settle();
        rig.wal.shutdown().unwrap();
        assert_eq!(
            recover_all(&disk.after_power_loss(&mut crate::base::rng::Rng::new(1)), 0).unwrap().last,
            Lsn(6)
        );
    }
}

#[test]
fn a_kill_on_a_full_disk_leaves_what_was_durable() {
    let (disk, rig) = running(Tier::Always, 1 << 20);
    rig.settle();
    fill(&disk, 1_000);
    rig.append();
    await_full(&rig);
    assert_eq!(recover_all(&disk.after_kill(), 0).unwrap().last, Lsn(3));
    assert!(rig.wal.shutdown().is_err(), "an end without room is one without the record that waited");
}

#[test]
fn an_end_takes_what_gathered_behind_a_batch_that_waited() {
    let (disk, rig) = running(Tier::Always, 1 << 20);
    rig.settle();
    fill(&disk, 2);
    rig.append();
    await_full(&rig);
    rig.append();
    rig.append();
    rig.wal.shutdown().unwrap();
    assert_eq!(recover_all(&disk, 0).unwrap().last, Lsn(6));
}

#[test]
fn a_sync_that_fails_for_want_of_room_ends_writing() {
    let (disk, rig) = running(Tier::Always, 1 << 20);
    rig.settle();
    disk.mishap(disk.calls() + 1, Mishap::Full);
    rig.append();
    while rig.wal.poisoned().is_none() {
        pause();
    }
    assert!(!rig.wal.lacks_room() && rig.append().is_none());
    assert_eq!(
        disk.journal().iter().filter(|call| call.starts_with("sync wal")).count() as u64,
        syncs(&disk)
    );
    assert!(rig.wal.shutdown().is_err());
}

/// Syncs of the segment that were called until the one that failed; none comes after it.
fn syncs(disk: &MemDisk) -> u64 {
    let journal = disk.journal();
    let failed = journal.iter().rposition(|call| call.starts_with("sync wal")).unwrap();
    assert!(journal[failed + 1..].iter().all(|call| call.starts_with("set_len")), "{journal:?}");
    journal.iter().filter(|call| call.starts_with("sync wal")).count() as u64
}

#[test]
fn covered_segments_are_removed_while_a_batch_waits_for_room() {
    let (disk, rig) = running(Tier::Always, 64);
    rig.settle();
    fill(&disk, 2);
    rig.append();
    await_full(&rig);
    rig.wal.drop_covered(Lsn(3));
    rig.settle();
    rig.append();
    rig.settle();
    assert!(disk.image().keys().all(|file| *file >= name(4)), "{:?}", disk.image().keys());
    rig.wal.shutdown().unwrap();
    assert_eq!(recover_all(&disk, 3).unwrap().last, Lsn(5));
}

#[test]
fn no_mark_is_no_loss() {
    let (disk, rig) = running(Tier::Always, 1 << 20);
    rig.settle();
    fill(&disk, 1);
    rig.wal.shutdown().unwrap();
    assert_eq!(recover_all(&disk, 0).unwrap().last, Lsn(3));
}

#[test]
fn a_start_for_whose_copy_there_is_no_room_or_none_for_this_user_goes_on_without() {
    for mishap in [Mishap::Full, Mishap::Quota] {
        let (bytes, _) = acknowledged(1, 5);
        let calm = MemDisk::holding(&[(&name(1), &bytes)]);
        recover_all(&calm, 0).unwrap();
        let create = calm.journal().iter().position(|call| call.starts_with("create")).unwrap();
        let disk = MemDisk::holding(&[(&name(1), &bytes)]);
        disk.mishap(create as u64, mishap);
        assert_eq!(recover_all(&disk, 0).unwrap().last, Lsn(5), "{mishap:?}");
        assert_eq!(disk.bytes(&name(1)), bytes);
    }
}
