//! Every length and every byte of small logs.

use super::disk::MemDisk;
use super::{Entry, acknowledged, name, one_batch, recover_all, segment};
use crate::base::rng::Rng;
use crate::wal::{Lsn, RecoveryError, recover};

#[test]
fn log_cut_at_any_length_gives_the_records_that_are_whole() {
    for (bytes, offsets) in [acknowledged(1, 6), one_batch(1, 6)] {
        for len in 0..=bytes.len() {
            let disk = MemDisk::holding(&[(&name(1), &bytes[..len])]);
            let found = recover_all(&disk, 0).unwrap();
            let whole = offsets.iter().skip(1).chain([&bytes.len()]).filter(|end| **end <= len).count();
            assert_eq!(found.last.0, whole as u64, "{len} bytes");
            let image = disk.image();
            recover_all(&disk, 0).unwrap();
            assert_eq!(disk.image(), image, "{len} bytes");
        }
    }
}

#[test]
fn flipped_bit_in_an_acknowledged_log_is_refused_or_takes_the_last_record_only() {
    let (bytes, offsets) = acknowledged(1, 5);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let result = recover(&MemDisk::holding(&[(&name(1), &flipped)]), Lsn(0), &mut |_, _| Ok(()));
        match result {
            Err(RecoveryError::Corrupt { .. }) => assert!(bit / 8 < offsets[4], "bit {bit}"),
            Ok(found) => assert!(bit / 8 >= offsets[4] && found.last == Lsn(4), "bit {bit}"),
            Err(other) => panic!("bit {bit}: {other}"),
        }
    }
}

#[test]
fn flipped_bit_in_a_log_that_was_closed_in_order_never_takes_a_record() {
    let entries = [Entry::Record { durable: 0 }, Entry::Record { durable: 1 }, Entry::Mark];
    let (bytes, offsets) = segment(1, &entries);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let disk = MemDisk::holding(&[(&name(1), &flipped)]);
        let in_mark = bit / 8 >= offsets[2];
        let found = recover(&disk, Lsn(0), &mut |_, _| Ok(())).map(|found| found.last);
        assert_eq!(found.ok(), in_mark.then_some(Lsn(2)), "bit {bit}");
    }
}

#[test]
fn zeroed_stretch_in_an_acknowledged_log_is_refused_or_takes_the_last_record_only() {
    let (bytes, offsets) = acknowledged(1, 5);
    for from in 32..bytes.len() {
        for to in from + 1..=bytes.len() {
            let mut holed = bytes.clone();
            holed[from..to].fill(0);
            if holed == bytes {
                continue;
            }
            // A hole that reaches past the last claim looks like a log that ends where the hole begins.
            let claims_left = offsets.iter().skip(1).rev().find(|at| to <= **at || from >= **at + 28);
            let lost = offsets.iter().rposition(|at| *at <= from).unwrap();
            let visible = claims_left.is_some_and(|at| *at > offsets[lost]);
            let result = recover(&MemDisk::holding(&[(&name(1), &holed)]), Lsn(0), &mut |_, _| Ok(()));
            assert_eq!(result.is_err(), visible, "{from}..{to}: {result:?}");
        }
    }
}

#[test]
fn payload_that_looks_like_a_record_is_not_taken_for_one() {
    let foreign = acknowledged(2, 3).0;
    let mut batch = Vec::new();
    let header = crate::wal::format::SegmentHeader { first: Lsn(1), salt: 99 };
    crate::wal::format::push_record(&mut batch, Lsn(1), &foreign[32..]);
    crate::wal::format::seal_batch(&mut batch, header.seal(), Lsn(0));
    batch.pop();
    let bytes = [&header.encode()[..], &batch].concat();
    let found = recover(&MemDisk::holding(&[(&name(1), &bytes)]), Lsn(0), &mut |_, _| Ok(())).unwrap();
    assert_eq!(found.last, Lsn(0), "a torn tail, though its payload claims otherwise under another salt");
}

#[test]
fn random_bytes_behind_a_header_are_a_torn_tail_and_never_a_panic() {
    let mut rng = Rng::new(11);
    let header = acknowledged(1, 0).0;
    for _ in 0..2_000 {
        let mut bytes = header.clone();
        bytes.resize(header.len() + rng.index(300), 0);
        rng.fill(&mut bytes[header.len()..]);
        let disk = MemDisk::holding(&[(&name(1), &bytes)]);
        assert_eq!(recover_all(&disk, 0).unwrap().last, Lsn(0));
        assert_eq!(disk.bytes(&name(1)), header);
    }
}

#[test]
fn search_for_claims_stays_linear_though_every_place_looks_promising() {
    let (mut bytes, _) = acknowledged(1, 1);
    for _ in 0..100_000 {
        bytes.extend_from_slice(&[
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 9, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0,
        ]);
    }
    let found = recover_all(&MemDisk::holding(&[(&name(1), &bytes)]), 0).unwrap();
    assert_eq!(found.last, Lsn(1), "each claims a payload of half a gigabyte, and none is believed");
}
