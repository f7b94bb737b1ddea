//! The container as a whole: golden bytes, every flip and cut, and a crash at every step.

use std::collections::BTreeMap;

use super::format::{Stage, encode_header, name, parse_name};
use super::*;
use crate::base::crc32c::{crc32c, extend};
use crate::base::rng::Rng;
use crate::env::MappedBytes;
use crate::wal::tests::disk::{MemDisk, Mishap};

const PARTS: [(u32, &[u8], &[u8]); 4] =
    [(1, b"keys", b"0123456789"), (2, b"", &[7; 64]), (9, b"empty", b""), (2, b"m", &[1; 130])];

fn write(disk: &MemDisk, lsn: u64, parts: &[(u32, &[u8], &[u8])]) -> io::Result<Published> {
    let mut writer = SnapshotWriter::create(disk.arc(), Lsn(lsn))?;
    for (kind, meta, payload) in parts {
        writer.begin(*kind, meta)?;
        for piece in payload.chunks(50) {
            writer.write(piece)?;
        }
        writer.end()?;
    }
    writer.publish()
}

fn read(snapshot: &Snapshot) -> Vec<(u32, Vec<u8>, Vec<u8>)> {
    snapshot.sections().map(|s| (s.kind, s.meta.to_vec(), s.bytes.to_vec())).collect()
}

fn expected(parts: &[(u32, &[u8], &[u8])]) -> Vec<(u32, Vec<u8>, Vec<u8>)> {
    parts.iter().map(|(kind, meta, payload)| (*kind, meta.to_vec(), payload.to_vec())).collect()
}

fn snap(lsn: u64) -> String {
    name(Lsn(lsn), Stage::Published)
}

#[test]
fn what_was_written_is_read_back_aligned() {
    let disk = MemDisk::default();
    let published = write(&disk, 42, &PARTS).unwrap();
    assert_eq!(published.name, "snapshot-00000000000000000042.snap");
    let snapshot = open_newest(&disk).unwrap().unwrap();
    assert_eq!((snapshot.lsn, snapshot.bytes), (Lsn(42), published.bytes));
    assert_eq!(read(&snapshot), expected(&PARTS));
    for section in snapshot.sections() {
        assert!(section.offset.is_multiple_of(64) && section.bytes.as_ptr().addr().is_multiple_of(64));
    }
    assert_eq!(disk.image().len(), 1, "no temporary is left");
}

#[test]
fn file_has_these_bytes() {
    let disk = MemDisk::default();
    write(&disk, 3, &[(5, b"ab", b"xyz")]).unwrap();
    let bytes = disk.bytes(&snap(3));
    let mut header = [&b"engramsn\x01\0\0\0"[..], &[0; 4], &[3, 0, 0, 0, 0, 0, 0, 0], &[0; 40]].concat();
    let crc = extend(crc32c(&header[..12]), &header[16..]);
    header[12..16].copy_from_slice(&crc.to_le_bytes());
    let payload = [&b"xyz"[..], &[0; 61]].concat();
    let word = |n: u64| n.to_le_bytes();
    let half = |n: u32| n.to_le_bytes();
    let table = [&half(5)[..], &half(crc32c(b"xyz")), &word(64), &word(3), &half(2), b"ab"].concat();
    let mut footer = [&word(128)[..], &word(30), &half(crc32c(&table)), &half(1), &half(0)].concat();
    footer.extend_from_slice(&crc32c(&footer).to_le_bytes());
    assert_eq!(bytes, [header, payload, table, footer].concat());
    assert_eq!(crc32c(&bytes), 0x7337_169d, "the whole file's checksum never changes");
}

#[test]
fn snapshot_without_sections_is_one() {
    let disk = MemDisk::default();
    write(&disk, 0, &[]).unwrap();
    assert_eq!(open_newest(&disk).unwrap().unwrap().sections().len(), 0);
    assert!(open_newest(&MemDisk::default()).unwrap().is_none());
}

#[test]
fn every_flipped_bit_is_refused() {
    let disk = MemDisk::default();
    write(&disk, 42, &PARTS).unwrap();
    let bytes = disk.bytes(&snap(42));
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let error = open_newest(&MemDisk::holding(&[(&snap(42), &flipped)])).unwrap_err();
        assert!(matches!(error, SnapshotError::Damaged { .. }), "bit {bit}: {error}");
    }
}

#[test]
fn every_shorter_or_longer_file_is_refused() {
    let disk = MemDisk::default();
    write(&disk, 42, &PARTS).unwrap();
    let mut bytes = disk.bytes(&snap(42));
    for len in 0..bytes.len() {
        assert!(open_newest(&MemDisk::holding(&[(&snap(42), &bytes[..len])])).is_err(), "{len} bytes");
    }
    bytes.push(0);
    assert!(open_newest(&MemDisk::holding(&[(&snap(42), &bytes)])).is_err());
}

#[test]
fn damaged_section_is_named_and_no_older_snapshot_is_taken() {
    let disk = MemDisk::default();
    write(&disk, 41, &PARTS).unwrap();
    write(&disk, 42, &PARTS).unwrap();
    let mut bytes = disk.bytes(&snap(42));
    bytes[128] ^= 1;
    disk.put(&snap(42), &bytes);
    let error = open_newest(&disk).unwrap_err();
    let (file, part) = (snap(42), "section 1 (kind 2)".to_owned());
    assert_eq!(error, SnapshotError::Damaged { file, part, offset: 128, what: "its checksum is wrong" });
    assert!(error.to_string().contains("an older snapshot serves if the log still reaches back"), "{error}");
    let reports = inspect(&disk).unwrap();
    assert!(reports[0].sections.is_ok() && reports[1].sections.is_err(), "{reports:?}");
}

#[test]
fn unknown_version_is_named() {
    let disk = MemDisk::default();
    write(&disk, 42, &PARTS).unwrap();
    let mut bytes = disk.bytes(&snap(42));
    bytes[..64].copy_from_slice(&encode_header(Lsn(42), 7));
    disk.put(&snap(42), &bytes);
    assert_eq!(open_newest(&disk).unwrap_err(), SnapshotError::Version { file: snap(42), version: 7 });
}

#[test]
fn renamed_snapshot_is_refused() {
    let disk = MemDisk::default();
    write(&disk, 42, &PARTS).unwrap();
    let other = MemDisk::holding(&[(&snap(43), &disk.bytes(&snap(42)))]);
    assert!(matches!(open_newest(&other), Err(SnapshotError::Damaged { .. })));
}

#[test]
fn mapped_bytes_outlive_snapshot_and_file() {
    let disk = MemDisk::default();
    write(&disk, 42, &PARTS).unwrap();
    let rows = open_newest(&disk).unwrap().unwrap().sections().nth(3).unwrap().bytes.clone();
    disk.remove(&snap(42)).unwrap();
    assert_eq!(&rows[..], &[1; 130]);
    assert_eq!(rows.slice(128..130).as_deref(), Some(&[1, 1][..]));
    assert!(rows.slice(129..131).is_none());
}

#[test]
fn stale_files_are_removed_and_others_stay() {
    let disk = MemDisk::default();
    for lsn in [3, 5, 8] {
        write(&disk, lsn, &PARTS).unwrap();
    }
    disk.put(&name(Lsn(9), Stage::Temporary), b"half");
    disk.put("wal-00000000000000000001.log", b"log");
    assert_eq!(remove_stale(&disk, Lsn(5)).unwrap(), [""; 0]);
    let left: Vec<String> = disk.image().into_keys().collect();
    assert_eq!(left, [snap(5), snap(8), "wal-00000000000000000001.log".to_owned()]);
    assert_eq!(disk.journal().last().unwrap(), "sync_dir");
}

#[test]
fn snapshot_that_owes_its_name_to_a_killed_life_is_made_durable_before_older_ones_go() {
    let base = MemDisk::default();
    write(&base, 1, &PARTS[..1]).unwrap();
    let killed = base.after_kill();
    let probe = base.after_kill();
    write(&probe, 2, &PARTS).unwrap();
    killed.die_at(probe.calls() - 1);
    write(&killed, 2, &PARTS).unwrap_err();
    let mut rng = Rng::new(8);
    for call in 0..6 {
        for _ in 0..40 {
            let next = killed.after_kill();
            assert_eq!(open_newest(&next).unwrap().unwrap().lsn, Lsn(2));
            next.die_at(next.calls() + call);
            let removed = remove_stale(&next, Lsn(2)).is_ok();
            let later = open_newest(&next.after_power_loss(&mut rng)).unwrap();
            let lsn = later.expect("one of the two is always there").lsn;
            assert!(lsn == Lsn(2) || !removed);
        }
    }
}

#[test]
fn sections_can_be_handed_to_other_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Section>();
    check::<MappedBytes>();
    fn movable<T: Send + 'static>() {}
    movable::<SnapshotWriter>();
}

#[test]
fn large_snapshot_is_synced_on_the_way() {
    let disk = MemDisk::default();
    let mut writer = SnapshotWriter::create(disk.arc(), Lsn(1)).unwrap();
    writer.begin(1, b"").unwrap();
    writer.write(&vec![3; 70 << 20]).unwrap();
    writer.end().unwrap();
    assert_eq!(disk.journal().iter().filter(|call| call.starts_with("sync ")).count(), 2);
    writer.publish().unwrap();
    assert_eq!(open_newest(&disk).unwrap().unwrap().sections().next().unwrap().bytes.len(), 70 << 20);
}

#[test]
fn stale_temporary_of_the_same_lsn_is_replaced() {
    let disk = MemDisk::holding(&[(&name(Lsn(42), Stage::Temporary), &[9; 5000])]);
    write(&disk, 42, &PARTS).unwrap();
    assert_eq!(read(&open_newest(&disk).unwrap().unwrap()), expected(&PARTS));
}

#[test]
fn abandoned_snapshot_leaves_nothing() {
    let disk = MemDisk::default();
    let mut writer = SnapshotWriter::create(disk.arc(), Lsn(1)).unwrap();
    writer.begin(1, b"").unwrap();
    writer.abandon();
    assert!(disk.image().is_empty());
}

#[test]
fn short_and_interrupted_writes_are_carried_on() {
    let probe = MemDisk::default();
    write(&probe, 42, &PARTS).unwrap();
    for call in 0..probe.calls() {
        for mishap in [Mishap::Short, Mishap::Interrupt] {
            if !probe.journal()[call as usize].starts_with("write") {
                continue;
            }
            let disk = MemDisk::default();
            disk.mishap(call, mishap);
            write(&disk, 42, &PARTS).unwrap();
            assert_eq!(disk.image(), probe.image());
        }
    }
}

#[test]
fn large_payloads_pass_by_the_buffer_in_order() {
    let disk = MemDisk::default();
    let large: Vec<u8> = (0..5_000_000_u32).map(|i| (i * 7 % 251) as u8).collect();
    let mut writer = SnapshotWriter::create(disk.arc(), Lsn(1)).unwrap();
    writer.begin(1, b"").unwrap();
    for (from, to) in
        [(0, 10), (10, 2_000_000), (2_000_000, 2_000_001), (2_000_001, 3_048_577), (3_048_577, 5_000_000)]
    {
        writer.write(&large[from..to]).unwrap();
    }
    writer.end().unwrap();
    let bytes = writer.publish().unwrap().bytes;
    assert_eq!(disk.bytes(&snap(1)).len() as u64, bytes);
    let snapshot = open_newest(&disk).unwrap().unwrap();
    assert!(snapshot.sections().next().unwrap().bytes[..] == large[..]);
}

#[test]
fn failed_step_is_told_and_the_older_snapshot_stays() {
    let base = MemDisk::default();
    write(&base, 1, &PARTS[..1]).unwrap();
    let probe = base.after_kill();
    write(&probe, 2, &PARTS).unwrap();
    let journal = probe.journal();
    for call in 0..probe.calls() {
        let disk = base.after_kill();
        disk.mishap(call, Mishap::Fail);
        write(&disk, 2, &PARTS).unwrap_err();
        let newest = open_newest(&disk).unwrap().unwrap();
        let renamed = journal[call as usize] == "sync_dir";
        assert_eq!(newest.lsn, Lsn(if renamed { 2 } else { 1 }), "{}", journal[call as usize]);
        assert!(disk.image().keys().all(|file| parse_name(file).unwrap().1 == Stage::Published));
    }
    assert_eq!(
        journal[journal.len() - 3..].iter().map(|c| &c[..4]).collect::<Vec<_>>(),
        ["sync", "rena", "sync"]
    );
}

#[test]
fn power_loss_at_any_step_leaves_one_whole_snapshot() {
    let base = MemDisk::default();
    write(&base, 1, &PARTS[..1]).unwrap();
    let probe = base.after_kill();
    write(&probe, 2, &PARTS).unwrap();
    let mut rng = Rng::new(5);
    let mut outcomes = BTreeMap::new();
    for call in 0..=probe.calls() {
        for _ in 0..40 {
            let disk = base.after_kill();
            disk.die_at(call);
            let published = write(&disk, 2, &PARTS).is_ok();
            let later = disk.after_power_loss(&mut rng);
            let newest = open_newest(&later).unwrap().unwrap();
            let parts = if newest.lsn == Lsn(2) { expected(&PARTS) } else { expected(&PARTS[..1]) };
            assert_eq!(read(&newest), parts);
            assert!(!published || newest.lsn == Lsn(2), "published and lost");
            remove_stale(&later, newest.lsn).unwrap();
            assert_eq!(later.image().len(), 1);
            *outcomes.entry((published, newest.lsn)).or_insert(0) += 1;
        }
    }
    assert_eq!(outcomes.len(), 3, "both outcomes of a crash were seen, and success: {outcomes:?}");
}

/// A snapshot that was renamed, and whose name the failed sync of the directory left in the system's cache alone.
fn named_in_the_cache_only() -> MemDisk {
    let probe = MemDisk::default();
    write(&probe, 2, &PARTS).unwrap();
    let disk = MemDisk::default();
    disk.mishap(probe.calls() - 1, Mishap::Forget);
    write(&disk, 2, &PARTS).unwrap_err();
    disk.after_kill()
}

#[test]
fn a_name_that_only_the_cache_knows_is_not_made_durable_by_a_sync() {
    let disk = named_in_the_cache_only();
    disk.sync_dir().unwrap();
    assert!(open_newest(&disk).unwrap().is_some());
    assert!(open_newest(&disk.after_power_loss(&mut Rng::new(1))).unwrap().is_none());
}

#[test]
fn a_name_that_is_written_anew_survives_and_a_crash_on_the_way_loses_no_durable_one() {
    let durable = MemDisk::default();
    write(&durable, 2, &PARTS).unwrap();
    let mut rng = Rng::new(6);
    let mut outcomes = BTreeMap::new();
    for (base, was_durable) in [(durable, true), (named_in_the_cache_only(), false)] {
        for call in 0..4 {
            for _ in 0..40 {
                let disk = base.after_kill();
                let snapshot = open_newest(&disk).unwrap().unwrap();
                disk.die_at(disk.calls() + call);
                let named = snapshot.name_anew(&disk).is_ok();
                assert_eq!(named, call == 3);
                let killed = disk.after_kill();
                let again = open_newest(&killed).unwrap().unwrap();
                again.name_anew(&killed).unwrap();
                assert_eq!(killed.image().into_keys().collect::<Vec<_>>(), [snap(2)]);
                assert_eq!(killed.after_power_loss(&mut rng).image(), killed.image());
                let later = open_newest(&disk.after_power_loss(&mut rng)).unwrap();
                assert!(later.is_some() || !(named || was_durable), "call {call}");
                *outcomes.entry((was_durable, later.map(|found| found.file))).or_insert(0) += 1;
            }
        }
    }
    assert_eq!(outcomes.len(), 5, "either name, with and without a durable one, or none: {outcomes:?}");
}

#[test]
fn a_file_that_was_left_moving_does_not_count_beside_the_published_one() {
    let disk = MemDisk::default();
    write(&disk, 2, &PARTS).unwrap();
    disk.put(&name(Lsn(2), Stage::Moving), b"left behind");
    let snapshot = open_newest(&disk).unwrap().unwrap();
    assert_eq!(snapshot.file, snap(2));
    snapshot.name_anew(&disk).unwrap();
    assert_eq!(disk.image().into_keys().collect::<Vec<_>>(), [snap(2)]);
    assert_eq!(read(&open_newest(&disk).unwrap().unwrap()), expected(&PARTS));
}
