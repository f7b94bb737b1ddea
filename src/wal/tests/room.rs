//! Room ahead of the log's end, and segments that are used again.

use super::disk::{MemDisk, Mishap};
use super::{Rig, acknowledged, name, recover_all};
use crate::wal::format::{RECORD_HEADER, SEGMENT_HEADER};
use crate::wal::{Case, Lsn, Tier};

fn fresh(disk: &MemDisk, tier: Tier, sizes: (u64, u64)) -> Rig {
    Rig::try_start(disk, &recover_all(disk, 0).unwrap(), tier, sizes).unwrap()
}

fn append(rig: &Rig, records: u64) {
    for _ in 0..records {
        rig.append().unwrap();
        rig.settle();
    }
}

#[test]
fn zeros_stand_behind_the_last_record_and_are_cut_off_at_the_end() {
    let disk = MemDisk::default();
    let rig = fresh(&disk, Tier::Always, (1 << 20, 500));
    append(&rig, 5);
    let valid = rig.wal.bytes() as usize;
    let bytes = disk.bytes(&name(1));
    assert!(bytes.len() > valid + RECORD_HEADER, "{} of {valid}", bytes.len());
    assert!(bytes[valid..].iter().all(|byte| *byte == 0));
    rig.wal.shutdown().unwrap();
    let mark = RECORD_HEADER;
    assert_eq!(disk.bytes(&name(1)).len(), valid + mark);
    assert_eq!(recover_all(&disk, 0).unwrap().case, Case::Clean);
}

#[test]
fn weaker_tiers_write_nothing_ahead() {
    for tier in [Tier::EverySecond, Tier::No] {
        let disk = MemDisk::default();
        let rig = fresh(&disk, tier, (1 << 20, 500));
        rig.append().unwrap();
        rig.settle_written();
        assert_eq!(disk.bytes(&name(1)).len() as u64, rig.wal.bytes());
        rig.wal.shutdown().unwrap();
    }
}

#[test]
fn killed_log_ends_where_its_zeros_begin() {
    let disk = MemDisk::default();
    let rig = fresh(&disk, Tier::Always, (1 << 20, 500));
    append(&rig, 3);
    let (killed, valid) = (disk.after_kill(), rig.wal.bytes());
    rig.wal.shutdown().unwrap();
    let found = recover_all(&killed, 0).unwrap();
    assert_eq!((found.case, found.last, found.cut.unwrap().offset), (Case::Room, Lsn(3), valid));
    assert_eq!(killed.bytes(&name(1)).len() as u64, valid);
    assert_eq!(recover_all(&killed, 0).unwrap().cut, None);
}

#[test]
fn zeros_in_the_place_of_a_record_that_was_synced_are_refused() {
    let (mut bytes, ends) = acknowledged(1, 4);
    bytes[ends[1]..ends[2]].fill(0);
    let disk = MemDisk::holding(&[(&name(1), &bytes)]);
    let refused = recover_all(&disk, 0).unwrap_err().to_string();
    assert!(refused.contains("was written only after it had been synced"), "{refused}");
}

#[test]
fn full_disk_leaves_the_log_without_room_and_no_worse() {
    let disk = MemDisk::default();
    let rig = fresh(&disk, Tier::Always, (1 << 20, 500));
    // After the segment's creation and header the batch is written, and then the zeros.
    disk.mishap(disk.calls() + 5, Mishap::Full);
    append(&rig, 4);
    assert_eq!(rig.wal.poisoned(), None);
    rig.wal.shutdown().unwrap();
    assert_eq!(recover_all(&disk, 0).unwrap().last, Lsn(4));
}

/// A log of some segments, the first of which are covered and spared.
fn used_again() -> (MemDisk, Rig) {
    used_again_on(MemDisk::default())
}

fn used_again_on(disk: MemDisk) -> (MemDisk, Rig) {
    let rig = fresh(&disk, Tier::Always, (150, 400));
    append(&rig, 12);
    rig.wal.drop_covered(Lsn(11));
    while rig.wal.stats().segments_removed == 0 {
        super::pause();
    }
    append(&rig, 8);
    (disk, rig)
}

#[test]
fn a_segment_that_one_record_has_made_far_too_long_is_removed_and_not_used_again() {
    let disk = MemDisk::default();
    let rig = fresh(&disk, Tier::Always, (150, 400));
    rig.wal.append(&[7; 1_000]).unwrap();
    rig.wal.kick();
    rig.settle();
    append(&rig, 12);
    rig.wal.drop_covered(Lsn(12));
    while rig.wal.stats().segments_removed == 0 {
        super::pause();
    }
    let image = disk.image();
    let spares: Vec<_> = image.iter().filter(|(name, _)| name.ends_with(".tmp")).collect();
    assert!(!spares.is_empty(), "others are kept");
    assert!(spares.iter().all(|(_, bytes)| bytes.len() <= 300), "{:?}", spares[0].1.len());
    rig.wal.shutdown().unwrap();
}

#[test]
fn covered_segments_are_used_again_and_their_old_records_are_gone() {
    let (disk, rig) = used_again();
    let journal = disk.journal();
    let reused = journal.iter().filter(|call| call.starts_with("rename ")).count();
    let created = journal.iter().filter(|call| call.starts_with("create ")).count();
    assert!(reused >= 3, "spared and put in place: {journal:?}");
    assert!(created < rig.wal.stats().segments_begun as usize);
    let killed = disk.after_kill();
    assert_eq!(recover_all(&killed, 11).unwrap().last, Lsn(20));
    rig.wal.shutdown().unwrap();
    let found = recover_all(&disk, 11).unwrap();
    assert_eq!((found.case, found.last), (Case::Clean, Lsn(20)));
    assert!(disk.image().into_keys().all(|name| !name.ends_with(".tmp")), "what was spared is removed");
}

#[test]
fn last_segment_that_was_used_again_may_be_cut_at_any_length() {
    let (disk, rig) = used_again();
    let killed = disk.after_kill();
    rig.wal.shutdown().unwrap();
    let (last, bytes) = killed.image().into_iter().rfind(|(name, _)| name.ends_with(".log")).unwrap();
    for length in SEGMENT_HEADER..bytes.len() {
        let image = killed.image();
        let files: Vec<(&str, &[u8])> = image
            .iter()
            .map(|(name, all)| (&**name, if *name == last { &bytes[..length] } else { &all[..] }))
            .collect();
        let found = recover_all(&MemDisk::holding(&files), 11).unwrap();
        assert!((11..=20).contains(&found.last.0), "{length}: {found:?}");
    }
}

#[test]
fn full_disk_on_which_nothing_can_be_cut_or_renamed_is_no_error() {
    let (disk, rig) = used_again();
    rig.wal.shutdown().unwrap();
    let wants = |call: &String| ["set_len", "rename"].iter().any(|of| call.starts_with(of));
    let journal = disk.journal();
    let calls: Vec<_> = (0..journal.len()).filter(|at| wants(&journal[*at])).collect();
    assert!(calls.len() >= 8, "{journal:?}");
    for call in calls {
        let disk = MemDisk::default();
        disk.mishap(call as u64, Mishap::Full);
        let (disk, rig) = used_again_on(disk);
        assert_eq!(rig.wal.poisoned(), None, "call {call}, {}", journal[call]);
        let killed = disk.after_kill();
        rig.wal.shutdown().unwrap();
        for disk in [disk, killed] {
            assert_eq!(recover_all(&disk, 11).unwrap().last, Lsn(20), "call {call}, {}", journal[call]);
        }
    }
}

#[test]
fn spared_segment_that_cannot_be_opened_does_not_stay() {
    let (disk, rig) = used_again();
    rig.wal.shutdown().unwrap();
    let opens = |call: &String| call.starts_with("open ") && call.ends_with(".tmp");
    let call = disk.journal().iter().position(opens).unwrap();
    let disk = MemDisk::default();
    disk.mishap(call as u64, Mishap::Fail);
    let (disk, rig) = used_again_on(disk);
    rig.wal.shutdown().unwrap();
    assert!(disk.image().into_keys().all(|name| !name.ends_with(".tmp")), "{:?}", disk.journal());
    assert_eq!(recover_all(&disk, 11).unwrap().last, Lsn(20));
}

#[test]
fn what_was_put_aside_is_removed_where_no_segment_is_left() {
    let aside = format!("{}.tmp", name(1));
    let disk = MemDisk::holding(&[(&aside, &acknowledged(1, 3).0)]);
    assert_eq!(recover_all(&disk, 3).unwrap().case, Case::Empty);
    assert!(disk.image().is_empty(), "{:?}", disk.journal());
}
