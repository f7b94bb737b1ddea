//! The case table of recovery, a test a row.

use super::disk::{MemDisk, Mishap};
use super::{Entry, acknowledged, name, one_batch, recover_all, segment};
use crate::wal::format::{SEGMENT_HEADER, SegmentHeader};
use crate::wal::{Case, Cut, Lsn, RecoveryError, inspect, recover};

/// Recovers, checks the row, and that a second recovery finds nothing left to do and changes no byte.
fn expect(disk: &MemDisk, after: u64, case: Case, last: u64) -> Option<Cut> {
    let looked = inspect(disk, Lsn(after), &mut |_, _| Ok(())).unwrap();
    let before = disk.image();
    let found = recover_all(disk, after).unwrap();
    assert_eq!((found.case, found.last.0), (case, last));
    assert_eq!(looked.verdict.as_ref(), Ok(&found), "the inspection said what would happen");
    let image = disk.image();
    assert_eq!(found.cut.is_none(), image == before, "bytes change only by a cut");
    let again = recover_all(disk, after).unwrap();
    assert_eq!((again.cut, again.last.0), (None, last));
    assert_eq!(disk.image(), image, "recovering twice gives the same bytes");
    found.cut
}

/// Expects a refusal that changes nothing.
fn refused(disk: &MemDisk, after: u64) -> RecoveryError {
    let before = disk.image();
    let error = recover(disk, Lsn(after), &mut |_, _| Ok(())).unwrap_err();
    assert_eq!(disk.image(), before, "a refusal changes nothing");
    let looked = inspect(disk, Lsn(after), &mut |_, _| Ok(())).unwrap();
    assert_eq!(looked.verdict, Err(error.clone()));
    error
}

#[test]
fn empty_directory_begins_behind_the_snapshot() {
    assert_eq!(expect(&MemDisk::default(), 0, Case::Empty, 0), None);
    assert_eq!(expect(&MemDisk::default(), 41, Case::Empty, 41), None);
    let other_files = MemDisk::holding(&[("wal-1.log", b"x"), ("snapshot-1.snap", b"y")]);
    assert_eq!(expect(&other_files, 0, Case::Empty, 0), None);
}

#[test]
fn a_log_that_does_not_reach_past_the_snapshot_rests_on_it() {
    let rests = |disk: &MemDisk, after| recover_all(disk, after).unwrap().rests_on_snapshot();
    let (empty, log) = (MemDisk::default, || MemDisk::holding(&[(&name(1), &acknowledged(1, 4).0)]));
    assert!(!rests(&empty(), 0) && rests(&empty(), 41), "no log, no snapshot or all of it");
    assert!(!rests(&log(), 0) && !rests(&log(), 3) && !rests(&log(), 4) && rests(&log(), 5));
    let torn = || MemDisk::holding(&[(&name(1), &acknowledged(1, 4).0), (&name(5), b"half a header")]);
    assert!(!rests(&torn(), 3));
    let covered = torn();
    assert!(rests(&covered, 4), "the segment before is not read");
    assert!(
        crate::env::Storage::list(&covered).unwrap().is_empty(),
        "nor would a start without the half one read it"
    );
}

#[test]
fn clean_log_gives_every_record_behind_the_snapshot() {
    let disk = MemDisk::holding(&[(&name(1), &acknowledged(1, 5).0), (&name(6), &acknowledged(6, 3).0)]);
    for after in 0..=8 {
        assert_eq!(expect(&disk, after, Case::Clean, 8), None);
    }
}

#[test]
fn marks_are_passed_over() {
    let record = |durable| Entry::Record { durable };
    let bytes = segment(1, &[record(0), Entry::Mark, record(1), record(1), Entry::Mark, Entry::Mark]).0;
    assert_eq!(expect(&MemDisk::holding(&[(&name(1), &bytes)]), 0, Case::Clean, 3), None);
}

#[test]
fn torn_tail_is_cut_at_the_first_invalid_record() {
    let (mut bytes, offsets) = acknowledged(1, 5);
    bytes.truncate(offsets[4] + 9);
    let disk = MemDisk::holding(&[(&name(1), &bytes)]);
    let cut = expect(&disk, 0, Case::TornTail, 4).unwrap();
    assert_eq!((cut.file, cut.offset, cut.bytes), (name(1), offsets[4] as u64, 9));
    assert_eq!(disk.bytes(&name(1)).len(), offsets[4]);
}

#[test]
fn hole_with_valid_unsynced_records_behind_it_is_taken_for_room() {
    let (mut bytes, offsets) = one_batch(1, 6);
    bytes[offsets[2]..offsets[4]].fill(0);
    let cut = expect(&MemDisk::holding(&[(&name(1), &bytes)]), 0, Case::Room, 2).unwrap();
    assert_eq!(cut.offset, offsets[2] as u64);
}

#[test]
fn hole_with_a_durable_claim_behind_it_is_corruption() {
    let (mut bytes, offsets) = acknowledged(1, 6);
    bytes[offsets[2]..offsets[3]].fill(0);
    let error = refused(&MemDisk::holding(&[(&name(1), &bytes)]), 0);
    let RecoveryError::Corrupt { file, offset, lsn, what, .. } = &error else { panic!("{error}") };
    assert_eq!((file, *offset, *lsn), (&name(1), offsets[2] as u64, Lsn(3)));
    assert!(what.contains("checksum") && what.contains("record 4 at offset"), "{what}");
    assert!(error.to_string().contains("nothing was changed"), "{error}");
}

#[test]
fn claim_is_believed_though_its_payload_is_torn() {
    let (mut bytes, offsets) = acknowledged(1, 3);
    bytes[offsets[1]] ^= 1;
    bytes.truncate(offsets[2] + 28);
    assert!(matches!(refused(&MemDisk::holding(&[(&name(1), &bytes)]), 0), RecoveryError::Corrupt { .. }));
}

#[test]
fn rotten_mark_in_front_of_the_last_record_is_corruption() {
    let record = |durable| Entry::Record { durable };
    let (mut bytes, offsets) = segment(1, &[record(0), Entry::Mark, record(1)]);
    bytes[offsets[1] + 20] ^= 1;
    assert!(matches!(refused(&MemDisk::holding(&[(&name(1), &bytes)]), 0), RecoveryError::Corrupt { .. }));
}

#[test]
fn invalid_record_in_a_segment_that_has_a_successor_is_corruption() {
    let (mut bytes, offsets) = one_batch(1, 4);
    bytes.truncate(offsets[3] + 3);
    let disk = MemDisk::holding(&[(&name(1), &bytes), (&name(5), b"")]);
    let RecoveryError::Corrupt { lsn, what, .. } = refused(&disk, 0) else { panic!("not corrupt") };
    assert_eq!(lsn, Lsn(4));
    assert!(what.contains("begins with record 5"), "{what}");
}

#[test]
fn what_is_damaged_behind_the_last_record_before_the_next_segment_harms_nothing() {
    let (whole, _) = acknowledged(1, 4);
    for len in [1, 27, 28, 60] {
        let one = [whole.clone(), vec![0xa7; len]].concat();
        let disk = MemDisk::holding(&[(&name(1), &one), (&name(5), &acknowledged(5, 0).0)]);
        assert_eq!(expect(&disk, 0, Case::Clean, 4), None, "{len}");
    }
}

#[test]
fn one_record_in_the_place_of_another_is_corruption() {
    let (bytes, offsets) = one_batch(1, 4);
    let swapped = [&bytes[..offsets[1]], &bytes[offsets[2]..]].concat();
    let RecoveryError::Corrupt { what, .. } = refused(&MemDisk::holding(&[(&name(1), &swapped)]), 0) else {
        panic!("not corrupt")
    };
    assert!(what.contains("record 3 stands in its place"), "{what}");
}

#[test]
fn missing_first_segment_is_refused_unless_the_snapshot_covers_it() {
    let disk = MemDisk::holding(&[(&name(6), &acknowledged(6, 3).0)]);
    let error = refused(&disk, 3);
    assert_eq!(error, RecoveryError::Missing { from: Lsn(4), to: Lsn(5), file: name(6), keep: Lsn(3) });
    assert_eq!(expect(&disk, 5, Case::Clean, 8), None);
}

#[test]
fn missing_middle_segment_is_refused_unless_the_snapshot_covers_it() {
    let (one, three) = (acknowledged(1, 2).0, acknowledged(6, 2).0);
    let disk = MemDisk::holding(&[(&name(1), &one), (&name(6), &three)]);
    let error = refused(&disk, 1);
    assert_eq!(error, RecoveryError::Missing { from: Lsn(3), to: Lsn(5), file: name(6), keep: Lsn(2) });
    assert!(error.to_string().contains("records 3 to 5 are missing"), "{error}");
    assert_eq!(expect(&disk, 5, Case::Clean, 7), None);
}

#[test]
fn overlapping_segments_are_refused() {
    let disk = MemDisk::holding(&[(&name(1), &acknowledged(1, 4).0), (&name(3), &acknowledged(3, 4).0)]);
    let overlap = RecoveryError::Overlap { file: name(3), first: Lsn(3), expected: Lsn(5) };
    assert_eq!(refused(&disk, 0), overlap);
}

#[test]
fn header_only_last_segment_is_clean() {
    let (one, two) = (acknowledged(1, 4).0, acknowledged(5, 0).0);
    assert_eq!(expect(&MemDisk::holding(&[(&name(1), &one), (&name(5), &two)]), 0, Case::Clean, 4), None);
    assert_eq!(expect(&MemDisk::holding(&[(&name(5), &two)]), 4, Case::Clean, 4), None);
    assert!(matches!(refused(&MemDisk::holding(&[(&name(5), &two)]), 0), RecoveryError::Missing { .. }));
}

#[test]
fn torn_header_of_the_last_segment_is_removed() {
    let header = acknowledged(5, 0).0;
    for len in 0..=SEGMENT_HEADER {
        let mut torn = header[..len].to_vec();
        if let Some(last) = torn.last_mut() {
            *last ^= 0x40;
        }
        let disk = MemDisk::holding(&[(&name(1), &acknowledged(1, 4).0), (&name(5), &torn)]);
        let cut = expect_switch(&disk, 0, 4);
        assert_eq!((cut.file, cut.offset, cut.bytes), (name(5), 0, len as u64));
        let alone = MemDisk::holding(&[(&name(5), &torn)]);
        expect_switch(&alone, 4, 4);
    }
}

/// A torn switch leaves no trace, so that a second recovery sees a clean or an empty log.
fn expect_switch(disk: &MemDisk, after: u64, last: u64) -> Cut {
    let found = recover_all(disk, after).unwrap();
    assert_eq!((found.case, found.last.0), (Case::TornSwitch, last));
    let image = disk.image();
    assert!(!image.contains_key(&name(5)));
    let again = recover_all(disk, after).unwrap();
    assert_eq!((again.cut, again.last.0, disk.image()), (None, last, image));
    found.cut.unwrap()
}

#[test]
fn damaged_header_with_records_behind_it_is_corruption() {
    let (mut bytes, _) = one_batch(5, 2);
    bytes[20] ^= 1;
    let disk = MemDisk::holding(&[(&name(1), &acknowledged(1, 4).0), (&name(5), &bytes)]);
    let RecoveryError::Corrupt { offset: 0, what, .. } = refused(&disk, 0) else { panic!("not corrupt") };
    assert!(what.contains("header is damaged"), "{what}");
}

#[test]
fn log_behind_the_snapshot_goes_on_in_a_new_segment() {
    let disk = MemDisk::holding(&[(&name(1), &acknowledged(1, 4).0)]);
    assert_eq!(expect(&disk, 9, Case::Behind, 9), None);
    let mut bytes = acknowledged(1, 4).0;
    bytes.pop();
    let torn = MemDisk::holding(&[(&name(1), &bytes)]);
    let found = recover_all(&torn, 9).unwrap();
    assert_eq!((found.case, found.last, found.tail), (Case::TornTail, Lsn(9), None));
}

#[test]
fn log_ahead_of_the_snapshot_is_replayed_from_it() {
    let disk = MemDisk::holding(&[(&name(1), &acknowledged(1, 4).0), (&name(5), &acknowledged(5, 4).0)]);
    let found = recover_all(&disk, 6).unwrap();
    assert_eq!((found.records, found.closed.len(), found.segments), (2, 1, 2));
    assert_eq!(found.bytes, disk.bytes(&name(5)).len() as u64, "what the snapshot covers is not read");
}

#[test]
fn covered_segment_may_be_damaged() {
    let disk = MemDisk::holding(&[(&name(1), b"rubbish"), (&name(5), &acknowledged(5, 4).0)]);
    assert_eq!(expect(&disk, 4, Case::Clean, 8), None);
    let looked = inspect(&disk, Lsn(4), &mut |_, _| Ok(())).unwrap();
    assert!(looked.segments[0].fault.is_some() && looked.segments[1].fault.is_none(), "{looked:?}");
}

#[test]
fn unknown_version_is_named() {
    let header = SegmentHeader { first: Lsn(1), salt: 3 }.encode_as(9);
    let error = refused(&MemDisk::holding(&[(&name(1), &header)]), 0);
    assert_eq!(error, RecoveryError::Version { file: name(1), version: 9 });
}

#[test]
fn renamed_segment_is_refused() {
    let disk = MemDisk::holding(&[(&name(1), &acknowledged(3, 4).0)]);
    assert_eq!(refused(&disk, 0), RecoveryError::Misnamed { file: name(1), says: Lsn(3) });
}

#[test]
fn record_that_the_engine_refuses_ends_recovery_and_cuts_nothing() {
    let (mut bytes, offsets) = acknowledged(1, 5);
    bytes.pop();
    let disk = MemDisk::holding(&[(&name(1), &bytes)]);
    let mut apply = |lsn, _: &[u8]| if lsn == Lsn(3) { Err("unknown metric 9".to_owned()) } else { Ok(()) };
    let error = recover(&disk, Lsn(0), &mut apply).unwrap_err();
    let (file, offset, why) = (name(1), offsets[2] as u64, "unknown metric 9".to_owned());
    assert_eq!(error, RecoveryError::Refused { file, offset, lsn: Lsn(3), why, keep: Lsn(2) });
    assert_eq!(disk.bytes(&name(1)), bytes);
}

#[test]
fn short_and_interrupted_reads_are_carried_on() {
    let disk = MemDisk::holding(&[(&name(1), &acknowledged(1, 4).0), (&name(5), &acknowledged(5, 4).0)]);
    for mishap in [Mishap::Short, Mishap::Interrupt] {
        let probe = disk.after_kill();
        recover_all(&probe, 0).unwrap();
        for (call, what) in probe.journal().iter().enumerate().filter(|(_, what)| what.starts_with("read")) {
            let troubled = disk.after_kill();
            troubled.mishap(call as u64, mishap);
            assert_eq!(recover_all(&troubled, 0).unwrap().last, Lsn(8), "{mishap:?} at {what}");
            assert!(troubled.calls() > probe.calls());
        }
    }
}

#[test]
fn failing_disk_ends_recovery_and_the_next_one_succeeds() {
    let (mut bytes, _) = acknowledged(5, 4);
    bytes.pop();
    let disk = MemDisk::holding(&[(&name(1), &acknowledged(1, 4).0), (&name(5), &bytes)]);
    let probe = disk.after_kill();
    recover_all(&probe, 0).unwrap();
    for call in 0..probe.calls() {
        let troubled = disk.after_kill();
        troubled.mishap(call, Mishap::Fail);
        let error = recover(&troubled, Lsn(0), &mut |_, _| Ok(())).unwrap_err();
        assert!(matches!(error, RecoveryError::Io { .. }), "{error}");
        assert_eq!(recover_all(&troubled, 0).unwrap().last, Lsn(7));
        assert_eq!(troubled.image(), probe.image());
    }
}

/// A bit that was read wrongly, once, in the last record made a torn tail of it, which was cut; or went into the copy.
#[test]
fn bytes_that_do_not_read_the_same_twice_are_neither_cut_nor_copied() {
    let (bytes, _) = acknowledged(1, 5);
    let reads = |disk: &MemDisk| {
        let calls = disk.journal().into_iter().enumerate();
        calls.filter(|(_, call)| call.starts_with("read ")).map(|(at, _)| at as u64).collect::<Vec<_>>()
    };
    let calm = MemDisk::holding(&[(&name(1), &bytes)]);
    recover_all(&calm, 0).unwrap();
    let reads = reads(&calm);
    assert_eq!(reads.len(), 2, "once to apply it, once to copy it");
    let once = reads.iter().map(|read| vec![(*read, Mishap::Misread(1))]);
    let twice_and_not_alike =
        reads.iter().zip([1, 2]).map(|(read, bit)| (*read, Mishap::Misread(bit))).collect();
    for mishaps in once.chain([twice_and_not_alike]) {
        let disk = MemDisk::holding(&[(&name(1), &bytes)]);
        for (read, mishap) in mishaps {
            disk.mishap(read, mishap);
        }
        let refused = recover(&disk, Lsn(0), &mut |_, _| Ok(())).unwrap_err().to_string();
        assert!(refused.contains("does not read the same twice"), "{refused}");
        assert_eq!(disk.bytes(&name(1)), bytes, "nothing was cut");
        assert_eq!(expect(&disk, 0, Case::Clean, 5), None, "the next start finds all of it");
    }
}

/// The same where a snapshot covers what is before the cut, so that nothing of the segment is written upon.
#[test]
fn what_is_behind_a_snapshot_is_not_cut_either_before_it_was_read_twice() {
    let (bytes, _) = acknowledged(1, 5);
    let calm = MemDisk::holding(&[(&name(1), &bytes)]);
    let mut journal = calm.journal().len();
    recover_all(&calm, 5).unwrap();
    journal += calm.journal().iter().position(|call| call.starts_with("read ")).unwrap();
    let disk = MemDisk::holding(&[(&name(1), &bytes)]);
    disk.mishap(journal as u64, Mishap::Misread(1));
    let refused = recover(&disk, Lsn(5), &mut |_, _| Ok(())).unwrap_err().to_string();
    assert!(refused.contains("does not read the same twice"), "{refused}");
    assert_eq!(disk.bytes(&name(1)), bytes, "nothing was cut");
}

/// The name of a first segment without a record was shown by the cache only: it was built upon, and a power loss took all.
#[test]
fn first_segment_without_a_record_gets_its_name_anew() {
    let disk = MemDisk::holding(&[(&name(1), &segment(1, &[]).0)]);
    assert_eq!(expect(&disk, 0, Case::Clean, 0), None);
    let renames = disk.journal().into_iter().filter(|call| call.starts_with("rename ")).count();
    assert_eq!(renames, 2, "at each start");
}
