//! The log thread at work: order of effects, tiers, segments, errors.

use std::sync::Arc;
use std::time::Duration;

use super::disk::{MemDisk, Mishap};
use super::{BACKLOG, Rig, name, pause, payload, recover_all};
use crate::wal::guard::{Guard, Latch};
use crate::wal::{Case, Lsn, Tier};

fn fresh(disk: &MemDisk, tier: Tier, segment_bytes: u64) -> Rig {
    Rig::start(disk, &recover_all(disk, 0).unwrap(), tier, segment_bytes)
}

/// Waits until `done` holds.
fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        pause();
    }
}

#[test]
fn record_is_durable_only_after_header_name_and_batch_are_synced() {
    let disk = MemDisk::default();
    let rig = fresh(&disk, Tier::Always, 1 << 20);
    assert_eq!((rig.wal.appended(), rig.wal.durable()), (Lsn(0), Lsn(0)));
    rig.append().unwrap();
    rig.settle();
    assert_eq!((rig.wal.durable(), rig.wal.backlog()), (Lsn(1), 0));
    assert!(rig.waker.0.load() > 0, "the loop was woken");
    let segment = name(1);
    let effects =
        ["create #", "write #", "sync #", "sync_dir", "write #", "sync #"].map(|e| e.replace('#', &segment));
    assert_eq!(disk.journal(), [&["list", "list"].map(str::to_owned)[..], &effects].concat());
    assert_eq!(rig.wal.bytes(), disk.bytes(&segment).len() as u64);
    rig.wal.shutdown().unwrap();
}

#[test]
fn many_records_share_syncs_and_come_back() {
    let disk = MemDisk::default();
    let rig = fresh(&disk, Tier::Always, 1 << 20);
    for _ in 0..5_000 {
        rig.append().unwrap();
    }
    rig.settle();
    let stats = rig.wal.stats();
    assert_eq!(stats.records, 5_000);
    assert!(stats.syncs <= stats.batches && stats.batches < 5_000, "{stats:?}");
    let bytes = rig.wal.bytes();
    rig.wal.shutdown().unwrap();
    let found = recover_all(&disk, 0).unwrap();
    assert_eq!((found.case, found.last, found.bytes), (Case::Clean, Lsn(5_000), bytes + 28));
}

#[test]
fn next_life_goes_on_in_the_same_segment() {
    let disk = MemDisk::default();
    for life in 1..=4 {
        let rig = fresh(&disk, Tier::Always, 1 << 20);
        assert_eq!(rig.append(), Some(life));
        rig.wal.shutdown().unwrap();
    }
    assert_eq!(disk.image().len(), 1);
    assert_eq!(recover_all(&disk, 0).unwrap().last, Lsn(4));
}

#[test]
fn life_without_a_write_changes_no_byte() {
    let disk = MemDisk::default();
    let rig = fresh(&disk, Tier::Always, 1 << 20);
    rig.append().unwrap();
    rig.wal.shutdown().unwrap();
    let image = disk.image();
    fresh(&disk, Tier::Always, 1 << 20).wal.shutdown().unwrap();
    assert_eq!(disk.image(), image);
}

#[test]
fn full_segment_is_followed_by_the_next() {
    let disk = MemDisk::default();
    let rig = fresh(&disk, Tier::Always, 100);
    for _ in 0..20 {
        rig.append().unwrap();
        rig.settle();
    }
    let begun = rig.wal.stats().segments_begun;
    rig.wal.shutdown().unwrap();
    let found = recover_all(&disk, 0).unwrap();
    assert_eq!((found.last, found.segments as u64), (Lsn(20), begun));
    assert!(begun >= 5, "{begun} segments");
}

#[test]
fn idle_log_gets_one_mark() {
    let disk = MemDisk::default();
    let rig = fresh(&disk, Tier::Always, 1 << 20);
    rig.append().unwrap();
    rig.settle();
    let before = disk.bytes(&name(1)).len();
    rig.clock.0.store(Duration::from_secs(2).as_nanos() as u64);
    rig.wal.set_tier(Tier::Always);
    until(|| disk.bytes(&name(1)).len() == before + 28);
    rig.clock.0.store(Duration::from_secs(20).as_nanos() as u64);
    rig.wal.shutdown().unwrap();
    assert_eq!(disk.bytes(&name(1)).len(), before + 28, "one is enough");
    assert_eq!(recover_all(&disk, 0).unwrap().last, Lsn(1));
}

#[test]
fn every_second_acknowledges_at_once_and_syncs_within_the_second() {
    let disk = MemDisk::default();
    let rig = fresh(&disk, Tier::EverySecond, 1 << 20);
    rig.append().unwrap();
    assert_eq!(rig.wal.durable(), Lsn(1));
    until(|| rig.wal.backlog() == 0);
    assert_eq!(rig.wal.synced(), Lsn(0));
    rig.clock.0.store(Duration::from_millis(1_001).as_nanos() as u64);
    rig.append().unwrap();
    rig.settle();
    assert_eq!((rig.wal.synced(), rig.wal.stats().syncs), (Lsn(2), 1));
    rig.wal.shutdown().unwrap();
}

#[test]
fn tier_no_syncs_at_the_end_of_a_segment_and_at_shutdown() {
    let disk = MemDisk::default();
    let rig = fresh(&disk, Tier::No, 200);
    while rig.wal.stats().segments_begun < 2 {
        rig.append().unwrap();
        until(|| rig.wal.backlog() == 0);
    }
    let synced = rig.wal.synced();
    assert!(synced > Lsn(0) && synced < rig.wal.appended());
    assert_eq!(rig.wal.durable(), rig.wal.appended());
    let last = rig.wal.appended();
    rig.wal.shutdown().unwrap();
    assert_eq!(
        recover_all(&disk.after_power_loss(&mut crate::base::rng::Rng::new(1)), 0).unwrap().last,
        last
    );
}

#[test]
fn tier_no_syncs_and_marks_what_nothing_follows_for_a_second() {
    let disk = MemDisk::default();
    let rig = fresh(&disk, Tier::No, 1 << 20);
    let pass = |millis| {
        rig.clock.0.fetch_add(Duration::from_millis(millis).as_nanos() as u64);
        rig.wal.set_tier(Tier::No);
        pause();
    };
    for _ in 0..20 {
        rig.append().unwrap();
        until(|| rig.wal.backlog() == 0);
        pass(400);
    }
    assert_eq!(rig.wal.synced(), Lsn(0), "the log was never idle");
    let length = disk.bytes(&name(1)).len();
    (0..10_000).take_while(|_| disk.bytes(&name(1)).len() == length).for_each(|_| pass(100));
    assert_eq!(rig.wal.synced(), Lsn(20));
    // All of it is old now: what rots in it is refused, and not taken for a torn tail.
    let old = disk.after_kill();
    let mut bytes = old.bytes(&name(1));
    bytes[100] ^= 1;
    old.put(&name(1), &bytes);
    assert!(recover_all(&old, 0).unwrap_err().to_string().contains(&name(1)));
    rig.wal.shutdown().unwrap();
}

#[test]
fn loop_hears_that_there_is_room_again_though_nothing_is_synced() {
    for tier in [Tier::EverySecond, Tier::No] {
        let disk = MemDisk::default();
        let rig = fresh(&disk, tier, 1 << 20);
        let small = || {
            rig.append().unwrap();
            until(|| rig.wal.backlog() == 0);
        };
        small();
        while rig.wal.backlog() <= BACKLOG {
            rig.wal.append(&payload(rig.wal.appended().0 + 1)).unwrap();
        }
        rig.wal.kick();
        until(|| rig.wal.backlog() == 0);
        // When this one is written, the one before it has been told of.
        small();
        assert_eq!((rig.waker.0.load(), rig.wal.synced()), (1, Lsn(0)));
        rig.wal.shutdown().unwrap();
    }
}

#[test]
fn change_to_always_syncs_what_is_there() {
    let disk = MemDisk::default();
    let rig = fresh(&disk, Tier::No, 1 << 20);
    rig.append().unwrap();
    until(|| rig.wal.backlog() == 0);
    assert_eq!((rig.wal.durable(), rig.wal.synced()), (Lsn(1), Lsn(0)));
    rig.wal.set_tier(Tier::Always);
    rig.settle();
    assert_eq!(rig.wal.durable(), Lsn(1));
    rig.wal.shutdown().unwrap();
}

#[test]
fn covered_segments_are_removed_and_the_log_goes_on() {
    let disk = MemDisk::default();
    let rig = fresh(&disk, Tier::Always, 100);
    for _ in 0..20 {
        rig.append().unwrap();
        rig.settle();
    }
    let before = disk.image().len() as u64;
    rig.wal.drop_covered(Lsn(10));
    until(|| rig.wal.stats().segments_removed > 0);
    let removed = rig.wal.stats().segments_removed;
    assert_eq!(disk.image().len() as u64, before - removed);
    let total: usize = disk.image().values().map(Vec::len).sum();
    assert_eq!(rig.wal.bytes(), total as u64);
    assert_eq!(disk.journal().last().unwrap(), "sync_dir");
    rig.wal.drop_covered(Lsn(20));
    until(|| disk.image().is_empty());
    rig.append().unwrap();
    rig.wal.shutdown().unwrap();
    let found = recover_all(&disk, 20).unwrap();
    assert_eq!((found.last, found.segments), (Lsn(21), 1));
}

#[test]
fn segment_with_one_record_that_is_not_covered_stays() {
    let disk = MemDisk::default();
    let rig = fresh(&disk, Tier::Always, 100);
    for _ in 0..20 {
        rig.append().unwrap();
        rig.settle();
    }
    let names: Vec<String> = disk.image().into_keys().collect();
    let second: u64 = names[1][4..24].parse().unwrap();
    rig.wal.drop_covered(Lsn(second - 2));
    rig.wal.shutdown().unwrap();
    assert!(disk.image().contains_key(&names[0]), "record {} is still needed", second - 1);
    let rig = Rig::start(&disk, &recover_all(&disk, second - 2).unwrap(), Tier::Always, 100);
    rig.wal.drop_covered(Lsn(second - 1));
    rig.wal.shutdown().unwrap();
    assert_eq!(disk.image().into_keys().collect::<Vec<_>>(), names[1..]);
}

#[test]
fn removal_that_fails_is_told_and_tried_again() {
    let disk = MemDisk::default();
    let rig = fresh(&disk, Tier::Always, 1 << 20);
    rig.append().unwrap();
    rig.settle();
    disk.mishap(disk.calls(), Mishap::Fail);
    rig.wal.drop_covered(Lsn(1));
    until(|| rig.wal.stats().removal_error.is_some());
    assert_eq!(rig.wal.poisoned(), None);
    rig.wal.drop_covered(Lsn(1));
    until(|| rig.wal.stats().segments_removed == 1);
    rig.append().unwrap();
    rig.wal.shutdown().unwrap();
    assert_eq!(recover_all(&disk, 1).unwrap().last, Lsn(2));
}

#[test]
fn any_error_poisons_and_nothing_is_acknowledged_after_it() {
    let probe = MemDisk::default();
    let rig = fresh(&probe, Tier::Always, 60);
    for _ in 0..6 {
        rig.append().unwrap();
        rig.settle();
    }
    rig.wal.shutdown().unwrap();
    // A start on nothing lists the directory twice.
    for call in 2..probe.calls() {
        let disk = MemDisk::default();
        disk.mishap(call, Mishap::Fail);
        let rig = fresh(&disk, Tier::Always, 60);
        for _ in 0..6 {
            rig.append();
            rig.settle();
        }
        let durable = rig.wal.durable();
        let step = &probe.journal()[call as usize];
        let told = match rig.wal.poisoned() {
            Some(first) => {
                let calls = disk.calls();
                // The loop is woken once more, to answer with errors.
                until(|| rig.waker.0.load() > durable.0);
                assert_eq!(rig.wal.append(b"more").unwrap_err(), first, "{step}");
                assert_eq!((rig.wal.durable(), rig.wal.backlog()), (durable, 0), "{step}");
                assert!(disk.calls() <= calls + 1, "nothing is retried after {step}");
                rig.wal.shutdown().unwrap_err()
            }
            None => rig.wal.shutdown().unwrap_err(),
        };
        assert!(step.starts_with(told.operation) || step == "sync_dir", "{step}: {told}");
        let found = recover_all(&disk, 0).unwrap();
        assert!(found.last >= durable, "{step}: acknowledged {durable}, recovered {}", found.last);
    }
}

#[test]
fn panic_of_the_log_thread_poisons() {
    let disk = MemDisk::default();
    disk.mishap(2, Mishap::Panic);
    let rig = fresh(&disk, Tier::Always, 1 << 20);
    rig.append().unwrap();
    rig.settle();
    let first = rig.wal.poisoned().unwrap();
    assert_eq!((first.operation, &first.error[..]), ("run", "the disk is on fire"));
    until(|| rig.waker.0.load() > 0);
    assert_eq!(rig.wal.shutdown(), Err(first));
    assert_eq!(recover_all(&disk, 0).unwrap().last, Lsn(0));
}

#[test]
fn guard_lets_nothing_through_after_the_first_error() {
    let disk = MemDisk::default();
    let guard = Guard::new(disk.arc(), Arc::new(Latch::new()));
    let file = guard.create_new("a").unwrap();
    disk.mishap(1, Mishap::Fail);
    let first = file.sync().unwrap_err();
    assert_eq!(first.to_string(), "the log failed to sync a: input/output error; no writes until a restart");
    assert_eq!(file.sync(), Err(first.clone()));
    assert_eq!(file.write_all(b"x", 0), Err(first.clone().into()));
    assert_eq!(guard.create_new("b").err(), Some(first.clone().into()));
    assert_eq!(guard.sync_dir(), Err(first));
    assert_eq!(disk.calls(), 2, "the disk was not asked again");
}

#[test]
fn failed_sync_that_hides_its_loss_is_not_built_upon_by_the_next_life() {
    let disk = MemDisk::default();
    let rig = fresh(&disk, Tier::Always, 1 << 20);
    rig.append().unwrap();
    rig.settle();
    disk.mishap(disk.calls() + 1, Mishap::Forget);
    rig.append().unwrap();
    rig.settle();
    assert_eq!(rig.wal.poisoned().unwrap().operation, "sync");
    rig.wal.shutdown().unwrap_err();
    let next = disk.after_kill();
    let found = recover_all(&next, 0).unwrap();
    assert_eq!(found.last, Lsn(1), "record 2 can be seen, but may not survive");
    let rig = Rig::start(&next, &found, Tier::Always, 1 << 20);
    rig.append().unwrap();
    rig.settle();
    let later = next.after_power_loss(&mut crate::base::rng::Rng::new(3));
    assert_eq!(recover_all(&later, 0).unwrap().last, Lsn(2));
    rig.wal.shutdown().unwrap();
}

#[test]
fn failed_sync_that_hides_its_loss_and_could_not_be_cut_back_is_made_good_by_the_next_life() {
    for seed in 0..8 {
        let disk = MemDisk::default();
        let rig = fresh(&disk, Tier::Always, 1 << 20);
        rig.append().unwrap();
        rig.settle();
        disk.mishap(disk.calls() + 1, Mishap::Forget);
        (2..20).for_each(|call| disk.mishap(disk.calls() + call, Mishap::Fail));
        rig.append().unwrap();
        rig.settle();
        rig.wal.shutdown().unwrap_err();
        let next = disk.after_kill();
        let found = recover_all(&next, 0).unwrap();
        assert_eq!(found.last, Lsn(2), "the cache still shows record 2");
        let rig = Rig::start(&next, &found, Tier::Always, 1 << 20);
        rig.append().unwrap();
        rig.settle();
        let later = next.after_power_loss(&mut crate::base::rng::Rng::new(seed));
        assert_eq!(recover_all(&later, 0).unwrap().last, Lsn(3), "record 3 was acknowledged behind it");
        rig.wal.shutdown().unwrap();
    }
}

#[test]
fn short_and_interrupted_writes_are_carried_on() {
    for mishap in [Mishap::Short, Mishap::Interrupt] {
        let disk = MemDisk::default();
        for call in 6..40 {
            disk.mishap(call, mishap);
        }
        // Syncs and creations must not be interrupted: only calls 3 (header) and 6.. (first batch) are writes here.
        let rig = fresh(&disk, Tier::No, 1 << 20);
        rig.wal.append(&[b'x'; 20]).unwrap();
        rig.wal.kick();
        until(|| rig.wal.backlog() == 0);
        assert_eq!(rig.wal.poisoned(), None);
        let written = disk.bytes(&name(1));
        assert_eq!(&written[written.len() - 20..], &[b'x'; 20]);
        assert!(disk.calls() > 30);
    }
}

#[test]
fn what_is_appended_before_a_kick_shares_one_sync() {
    let disk = MemDisk::default();
    let rig = fresh(&disk, Tier::Always, 1 << 20);
    rig.append();
    rig.settle();
    let syncs = rig.wal.stats().syncs;
    for lsn in 2..=17 {
        rig.wal.append(&payload(lsn)).unwrap();
        pause();
    }
    rig.wal.kick();
    rig.settle();
    assert_eq!((rig.wal.synced(), rig.wal.stats().syncs), (Lsn(17), syncs + 1));
    rig.wal.shutdown().unwrap();
}

#[test]
fn oversized_buffers_are_given_back() {
    let disk = MemDisk::default();
    let rig = fresh(&disk, Tier::Always, 1 << 30);
    let large = vec![5; 40 << 20];
    rig.wal.append(&large).unwrap();
    rig.settle();
    assert!(rig.waker.0.load() >= 2, "woken for the backlog and for the sync");
    rig.wal.append(&payload(2)).unwrap();
    rig.wal.shutdown().unwrap();
    let mut seen = Vec::new();
    crate::wal::recover(&disk, Lsn(0), &mut |lsn, bytes| {
        seen.push((lsn.0, bytes.len()));
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, [(1, 40 << 20), (2, payload(2).len())]);
}

/// A file stood where the next segment was to be, and was removed as if the log had made it.
#[test]
fn a_file_that_the_log_has_not_created_is_not_removed() {
    let disk = MemDisk::default();
    let rig = fresh(&disk, Tier::Always, 1);
    rig.append().unwrap();
    rig.settle();
    disk.put(&name(2), b"somebody's");
    rig.append().unwrap();
    until(|| rig.wal.poisoned().is_some());
    rig.wal.shutdown().unwrap_err();
    assert_eq!(disk.bytes(&name(2)), b"somebody's");
}
