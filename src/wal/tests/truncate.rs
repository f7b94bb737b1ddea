//! Cutting a log for an operator: what stays, what is kept of the rest, and crashes at every call of it.

use std::collections::BTreeMap;

use super::disk::{MemDisk, Mishap};
use super::{acknowledged, name, recover_all};
use crate::base::rng::Rng;
use crate::env::Storage;
use crate::wal::{Lsn, RecoveryError, Refusal, Truncated, truncate_after};

/// Segments of records 1 to 5, 6 to 10 and 11 to 15; record 8 is damaged.
fn damaged() -> (MemDisk, BTreeMap<String, Vec<u8>>) {
    let disk = MemDisk::default();
    for first in [1, 6, 11] {
        let (mut bytes, offsets) = acknowledged(first, 5);
        if first == 6 {
            bytes[offsets[2] + 10] ^= 0x40;
        }
        disk.put(&name(first), &bytes);
    }
    let image = disk.image();
    (disk, image)
}

fn cut(disk: &MemDisk, covered: u64, after: u64) -> Result<Truncated, Refusal> {
    truncate_after(disk, Lsn(covered), Lsn(after))
}

/// Every byte of the log as it was is in a segment, or in the file that keeps what was cut.
fn nothing_is_lost(before: &BTreeMap<String, Vec<u8>>, now: &BTreeMap<String, Vec<u8>>) {
    for (segment, bytes) in before {
        let whole = now.iter().find(|(file, _)| file.ends_with(&format!("-{segment}")));
        let left = now
            .get(segment)
            .or(whole.map(|(_, bytes)| bytes))
            .unwrap_or_else(|| panic!("{segment}: {now:?}"));
        let part = format!("-{segment}.from-{}", left.len());
        let part = now.iter().find(|(file, _)| file.ends_with(&part)).map_or(&[][..], |(_, bytes)| bytes);
        let together = if left.len() < bytes.len() { [left, part].concat() } else { left.clone() };
        assert!(together == *bytes, "{segment}: {} bytes of {}", together.len(), bytes.len());
    }
}

#[test]
fn a_corrupt_log_says_how_to_cut_it_and_starts_when_that_is_done() {
    let (disk, before) = damaged();
    let refused = recover_all(&disk, 0).unwrap_err().to_string();
    assert!(refused.contains("engram repair DIR --truncate-after 7"), "{refused}");
    let done = cut(&disk, 0, 7).unwrap();
    assert!(!done.resumed);
    let sizes: Vec<_> = done.kept.iter().map(|kept| (kept.segment.clone(), kept.offset > 0)).collect();
    assert_eq!(sizes, [(name(6), true), (name(11), false)]);
    assert_eq!(recover_all(&disk, 0).unwrap().last, Lsn(7));
    nothing_is_lost(&before, &disk.image());
    for kept in done.kept {
        let cut = before[&kept.segment][kept.offset as usize..].to_vec();
        assert_eq!((disk.bytes(&kept.file), kept.bytes), (cut.clone(), cut.len() as u64));
    }
}

#[test]
fn a_record_that_became_zeros_is_cut_with_those_behind_it() {
    let disk = MemDisk::default();
    let (mut bytes, offsets) = acknowledged(1, 5);
    bytes[offsets[2]..offsets[3]].fill(0);
    disk.put(&name(1), &bytes);
    let before = disk.image();
    let refused = recover_all(&disk, 0).unwrap_err().to_string();
    assert!(refused.contains("engram repair DIR --truncate-after 2"), "{refused}");
    assert_eq!(cut(&disk, 0, 2).unwrap().kept.len(), 1);
    assert_eq!(recover_all(&disk, 0).unwrap().last, Lsn(2));
    nothing_is_lost(&before, &disk.image());
}

#[test]
fn a_segment_of_which_nothing_can_be_read_is_cut_whole_where_a_snapshot_holds_what_it_held() {
    let disk = MemDisk::default();
    let (mut bytes, _) = acknowledged(11, 2);
    bytes[..8].fill(0xff);
    disk.put(&name(11), &bytes);
    let before = disk.image();
    assert!(recover_all(&disk, 14).is_err());
    assert_eq!(cut(&disk, 14, 14).unwrap().kept.len(), 1);
    assert_eq!(recover_all(&disk, 14).unwrap().last, Lsn(14));
    nothing_is_lost(&before, &disk.image());
}

#[test]
fn any_record_of_an_intact_log_can_be_the_last() {
    for after in 0..=15 {
        let disk = MemDisk::default();
        [1, 6, 11].iter().for_each(|first| disk.put(&name(*first), &acknowledged(*first, 5).0));
        let before = disk.image();
        let done = cut(&disk, 0, after).unwrap();
        assert_eq!(done.kept.is_empty(), after == 15);
        nothing_is_lost(&before, &disk.image());
        assert_eq!(recover_all(&disk, 0).unwrap().last, Lsn(after));
        let image = disk.image();
        assert_eq!(cut(&disk, 0, after).unwrap().kept, [], "a second run finds nothing to do");
        assert_eq!(disk.image(), image);
    }
}

#[test]
fn what_cannot_be_cut_is_refused_and_stays() {
    let (disk, before) = damaged();
    assert_eq!(cut(&disk, 0, 8).unwrap_err(), Refusal::Unreadable { last: Lsn(7) });
    assert_eq!(cut(&disk, 0, 12).unwrap_err(), Refusal::Unreadable { last: Lsn(7) });
    assert_eq!(cut(&disk, 9, 8).unwrap_err(), Refusal::Covered { snapshot: Lsn(9) });
    disk.remove(&name(6)).unwrap();
    assert_eq!(cut(&disk, 0, 12).unwrap_err(), Refusal::Unreadable { last: Lsn(5) }, "a gap ends it");
    assert_eq!(disk.image().len(), before.len() - 1);
}

#[test]
fn damage_that_the_snapshot_covers_is_no_matter() {
    let (disk, before) = damaged();
    assert_eq!(cut(&disk, 10, 12).unwrap().kept.len(), 1);
    assert_eq!(disk.bytes(&name(6)), before[&name(6)], "what the snapshot covers is left alone");
    assert_eq!(recover_all(&disk, 10).unwrap().last, Lsn(12));
    let (disk, before) = damaged();
    assert_eq!(cut(&disk, 9, 9).unwrap().kept.len(), 2, "the damage, and the segment behind it");
    nothing_is_lost(&before, &disk.image());
    assert_eq!(recover_all(&disk, 9).unwrap().last, Lsn(9));
}

#[test]
fn a_second_repair_to_the_same_record_keeps_what_the_first_kept() {
    let (disk, _) = damaged();
    let first = cut(&disk, 0, 7).unwrap().kept;
    let kept = disk.bytes(&first[0].file);
    disk.put(&name(8), b"garbage that a later life left");
    let second = cut(&disk, 0, 7).unwrap().kept;
    assert_eq!((second.len(), disk.bytes(&second[0].file)), (1, b"garbage that a later life left".to_vec()));
    assert_eq!(disk.bytes(&first[0].file), kept);
}

/// What a life after an interrupted repair may find, and that the same repair ends it.
fn end(disk: &MemDisk, before: &BTreeMap<String, Vec<u8>>, what: &str) {
    nothing_is_lost(before, &disk.image());
    match recover_all(&disk.after_kill(), 0) {
        Err(RecoveryError::Corrupt { lsn, .. }) => {
            assert_eq!(lsn, Lsn(8), "{what}");
            let old = before.iter().all(|(file, bytes)| disk.image().get(file) == Some(bytes));
            assert!(old, "{what}: not as it was, and nothing says so");
        }
        Err(RecoveryError::HalfRepaired { after, .. }) => {
            assert_eq!(after, Lsn(7), "{what}");
            assert_eq!(cut(disk, 0, 6).unwrap_err(), Refusal::Other { after: Lsn(7) });
        }
        Ok(found) => assert_eq!(found.last, Lsn(7), "{what}"),
        Err(other) => panic!("{what}: {other}"),
    }
    cut(disk, 0, 7).unwrap_or_else(|e| panic!("{what}: {e}"));
    nothing_is_lost(before, &disk.image());
    assert_eq!(recover_all(disk, 0).unwrap().last, Lsn(7), "{what}");
    assert!(!disk.image().keys().any(|file| file.ends_with(".begun") || file.ends_with(".tmp")), "{what}");
}

#[test]
fn a_crash_at_any_call_leaves_the_old_log_or_the_new_one_or_says_how_to_go_on() {
    let calls = {
        let (disk, _) = damaged();
        cut(&disk, 0, 7).unwrap();
        disk.calls()
    };
    assert!(calls > 20, "{calls}");
    for call in 0..calls {
        for seed in 0..40 {
            let (disk, before) = damaged();
            disk.die_at(call);
            cut(&disk, 0, 7).unwrap_err();
            let mut rng = Rng::new(seed);
            let next = if seed == 0 { disk.after_kill() } else { disk.after_power_loss(&mut rng) };
            if seed % 2 == 1 {
                // The repair that goes on is interrupted, too.
                next.die_at(rng.below(calls));
                let _ = cut(&next, 0, 7);
                end(&next.after_power_loss(&mut rng), &before, &format!("call {call}, seed {seed}, twice"));
            } else {
                end(&next, &before, &format!("call {call}, seed {seed}"));
            }
        }
    }
}

#[test]
fn an_error_at_any_call_is_told_and_the_next_run_goes_on() {
    let (disk, _) = damaged();
    cut(&disk, 0, 7).unwrap();
    for call in 0..disk.calls() {
        for mishap in [Mishap::Fail, Mishap::Forget] {
            let (disk, before) = damaged();
            disk.mishap(call, mishap);
            let done = cut(&disk, 0, 7);
            assert!(done.is_err() || mishap == Mishap::Forget, "call {call}");
            end(&disk.after_kill(), &before, &format!("call {call}, {mishap:?}"));
        }
    }
}

#[test]
fn a_full_disk_is_told_before_anything_is_cut_and_the_directory_is_as_it_was() {
    let (disk, _) = damaged();
    cut(&disk, 0, 7).unwrap();
    let journal = disk.journal();
    let first_cut = journal.iter().position(|call| call.starts_with("rename")).unwrap();
    let needs_room = |call: &String| ["create", "write", "sync "].iter().any(|of| call.starts_with(of));
    let mut tried = 0;
    for (call, _) in journal.iter().enumerate().filter(|(at, call)| *at < first_cut && needs_room(call)) {
        let (disk, before) = damaged();
        (call as u64..journal.len() as u64 + 10).for_each(|call| disk.mishap(call, Mishap::Full));
        let refusal = cut(&disk, 0, 7).unwrap_err();
        assert!(matches!(refusal, Refusal::Untouched(_)), "call {call}: {refusal}");
        assert!(refusal.to_string().contains("Nothing was cut"), "{refusal}");
        assert_eq!(disk.image(), before, "call {call}");
        tried += 1;
    }
    assert!(tried > 6, "{tried}");
    let behind =
        journal.iter().skip(first_cut).filter(|call| call.starts_with("create") || call.starts_with("write"));
    assert_eq!(behind.count(), 0, "what cuts needs no room");
}

#[test]
fn an_error_on_the_way_says_that_the_repair_has_begun_and_how_to_end_it() {
    let (disk, before) = damaged();
    cut(&disk, 0, 7).unwrap();
    let journal = disk.journal();
    let first_cut = journal.iter().position(|call| call.starts_with("rename")).unwrap();
    let (disk, _) = damaged();
    disk.mishap(first_cut as u64 + 1, Mishap::Fail);
    let refusal = cut(&disk, 0, 7).unwrap_err().to_string();
    assert!(
        refusal.contains("has begun and not ended") && refusal.ends_with("--truncate-after 7"),
        "{refusal}"
    );
    end(&disk.after_kill(), &before, "an error behind the first cut");
    // What cannot be taken back either is told as well, and nothing has been cut.
    let (disk, before) = damaged();
    disk.die_at(journal.iter().position(|call| call == "sync_dir").unwrap() as u64);
    assert!(matches!(cut(&disk, 0, 7).unwrap_err(), Refusal::Half { .. }));
    end(&disk.after_kill(), &before, "an error before it");
}

#[test]
fn the_repair_that_a_refused_start_names_keeps_what_the_snapshot_holds() {
    let (disk, before) = damaged();
    let refused = recover_all(&disk, 9).unwrap_err().to_string();
    assert!(
        refused.contains("record 8: ") && refused.ends_with("engram repair DIR --truncate-after 9"),
        "{refused}"
    );
    assert!(refused.contains("give up record 10 and all after it"), "{refused}");
    cut(&disk, 9, 9).unwrap();
    nothing_is_lost(&before, &disk.image());
    assert_eq!(recover_all(&disk, 9).unwrap().last, Lsn(9));
}
