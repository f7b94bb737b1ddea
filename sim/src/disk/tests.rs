//! The disk's two images, its faults and its lies, seen through the door.

use engram::env::Storage;

use super::*;
use crate::faults::{Call, Fault, Planned};
use crate::scheduler::{Outcome, Pool, Settings};
use crate::trace::Trace;

/// Runs `body` on the disk for one life and gives the disk back.
fn life(disk: Disk, planned: &[Planned], sabotage: Sabotage, body: fn(&SimStorage)) -> Disk {
    let pool = Arc::new(Pool::default());
    let scheduler = Scheduler::new(Settings::default(), Rng::new(1), Trace::new(true), 0, &pool);
    let faults = Arc::new(Shared::new(Faults::new(planned)));
    let latency = Latency { transfer: 0, sync: 1_000_000 };
    let storage = disk.attach(&scheduler, &faults, latency, sabotage, Rng::new(2));
    let theirs = Arc::clone(&storage);
    let ended = scheduler.run(move || body(&theirs));
    assert_eq!(ended.outcome, Outcome::Returned);
    storage.take(false)
}

fn honest(body: fn(&SimStorage)) -> Disk {
    life(Disk::default(), &[], Sabotage::default(), body)
}

fn after_loss(disk: &Disk, loss: Loss, seed: u64) -> BTreeMap<String, Vec<u8>> {
    let (mut disk, mut rng) = (disk.clone(), Rng::new(seed));
    disk.power_loss(loss, &mut |n| rng.below(n));
    assert_eq!(disk.pending(), 0);
    disk.contents()
}

/// A file whose name and first half are safe.
fn half_synced(storage: &SimStorage) {
    let file = storage.create_new("log").unwrap();
    assert_eq!(file.write_at(&[1; 1_024], 0).unwrap(), 1_024);
    file.sync().unwrap();
    storage.sync_dir().unwrap();
    assert_eq!(file.write_at(&[2; 2_048], 1_024).unwrap(), 2_048);
}

#[test]
fn synced_bytes_survive_and_unsynced_ones_survive_in_any_part() {
    let disk = honest(half_synced);
    assert_eq!(disk.contents()["log"].len(), 3_072);
    assert_eq!(after_loss(&disk, Loss::All, 1)["log"], [1; 1_024]);
    assert_eq!(after_loss(&disk, Loss::None, 1)["log"].len(), 3_072);
    let mut shapes = std::collections::BTreeSet::new();
    for seed in 0..400 {
        let bytes = after_loss(&disk, Loss::Garbage, seed)["log"].clone();
        assert_eq!(bytes[..1_024], [1; 1_024], "a synced byte changed");
        assert!(bytes.len() <= 3_072);
        let sector = |s: &[u8]| match s {
            s if s.iter().all(|&b| b == 2) => 'k',
            s if s.iter().all(|&b| b == 0) => 'h',
            _ => 'g',
        };
        shapes.insert(bytes[1_024..].chunks(512).map(sector).collect::<String>());
    }
    for shape in ["", "kkkk", "hhhh", "k", "kkk", "hkkk", "khhk"] {
        assert!(shapes.contains(shape), "{shape} never happened: {shapes:?}");
    }
    assert!(shapes.iter().any(|shape| shape.contains('g')), "{shapes:?}");
}

#[test]
fn names_survive_only_after_a_directory_sync() {
    let disk = honest(|storage| {
        half_synced(storage);
        let file = storage.create_new("temporary").unwrap();
        file.write_at(b"snapshot", 0).unwrap();
        file.sync().unwrap();
        storage.rename("temporary", "snapshot").unwrap();
        storage.remove("log").unwrap();
    });
    assert_eq!(disk.contents().into_keys().collect::<Vec<_>>(), ["snapshot"]);
    assert_eq!(after_loss(&disk, Loss::Names, 1).into_keys().collect::<Vec<_>>(), ["log"]);
    assert_eq!(after_loss(&disk, Loss::None, 1)["snapshot"], b"snapshot");
    let sets: std::collections::BTreeSet<Vec<String>> =
        (0..200).map(|seed| after_loss(&disk, Loss::Subset, seed).into_keys().collect()).collect();
    for expected in [vec![], vec!["log"], vec!["log", "snapshot"], vec!["log", "temporary"], vec!["snapshot"]]
    {
        assert!(sets.contains(&expected.iter().map(|&s| s.to_owned()).collect::<Vec<_>>()), "{sets:?}");
    }
}

#[test]
fn a_directory_sync_makes_a_rename_safe() {
    let disk = honest(|storage| {
        storage.create_new("old").unwrap().sync().unwrap();
        storage.rename("old", "new").unwrap();
        storage.sync_dir().unwrap();
    });
    assert_eq!(after_loss(&disk, Loss::Names, 1).into_keys().collect::<Vec<_>>(), ["new"]);
}

#[test]
fn a_kill_keeps_the_page_cache_and_what_was_pending_stays_pending() {
    let mut disk = honest(half_synced);
    disk.kill();
    assert_eq!(disk.contents()["log"].len(), 3_072);
    assert_eq!(after_loss(&disk, Loss::All, 1)["log"].len(), 1_024);
}

#[test]
fn failed_syncs_fail_in_their_own_ways() {
    let failing = |fault| {
        let planned = [Planned::new(Call::Sync, 2, fault)];
        life(Disk::default(), &planned, Sabotage::default(), |storage| {
            half_synced(storage);
            let file = storage.open("log").unwrap();
            assert!(file.sync().is_err());
            file.sync().unwrap();
        })
    };
    assert_eq!(after_loss(&failing(Fault::Io), Loss::All, 1)["log"].len(), 3_072);
    let dropped = failing(Fault::SyncDropped);
    assert_eq!(dropped.contents()["log"].len(), 3_072);
    assert_eq!(after_loss(&dropped, Loss::None, 1)["log"].len(), 1_024);
    assert_eq!(failing(Fault::SyncReverted).contents()["log"].len(), 1_024);
}

#[test]
fn planned_faults_show_at_the_door() {
    let at = Planned::new;
    let planned = [
        at(Call::WriteAt, 1, Fault::Short(250)),
        at(Call::WriteAt, 2, Fault::Interrupted),
        at(Call::WriteAt, 3, Fault::Full(2)),
        at(Call::WriteAt, 6, Fault::IoHalf),
        at(Call::ReadAt, 1, Fault::Short(1)),
        at(Call::Open, 1, Fault::Io),
    ];
    life(Disk::default(), &planned, Sabotage::default(), |storage| {
        let file = storage.create_new("log").unwrap();
        assert_eq!(file.write_at(&[7; 100], 0).unwrap(), 25);
        let kind = |result: std::io::Result<usize>| result.unwrap_err().kind();
        assert_eq!(kind(file.write_at(&[7; 100], 0)), std::io::ErrorKind::Interrupted);
        assert_eq!(kind(file.write_at(&[7; 100], 0)), std::io::ErrorKind::StorageFull);
        assert_eq!(kind(file.write_at(&[7; 100], 0)), std::io::ErrorKind::StorageFull);
        assert_eq!(file.write_at(&[7; 100], 0).unwrap(), 100);
        assert!(file.write_at(&[8; 100], 100).is_err());
        assert_eq!(file.size().unwrap(), 150);
        assert_eq!(file.read_at(&mut [0; 50], 0).unwrap(), 1);
        assert_eq!(file.read_at(&mut [0; 50], 150).unwrap(), 0);
        assert!(storage.open("log").is_err());
        assert!(storage.open("log").is_ok());
        assert_eq!(storage.create_new("log").err().unwrap().kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(storage.open("none").err().unwrap().kind(), std::io::ErrorKind::NotFound);
        file.set_len(10).unwrap();
        let map = storage.map("log").unwrap();
        assert_eq!(map.bytes(), [7; 10]);
    });
}

#[test]
fn each_lie_loses_what_it_lied_about() {
    let lie = |sabotage| life(Disk::default(), &[], sabotage, half_synced);
    let no_sync = lie(Sabotage { skip_sync: true, ..Sabotage::default() });
    assert_eq!(after_loss(&no_sync, Loss::All, 1)["log"], []);
    let no_names = lie(Sabotage { skip_sync_dir: true, ..Sabotage::default() });
    assert!(after_loss(&no_names, Loss::All, 1).is_empty());
    let late = lie(Sabotage { late_sync: true, ..Sabotage::default() });
    assert_eq!(after_loss(&late, Loss::All, 1)["log"], [], "the life ended in a crash before the sync came");
    let uncut =
        life(Disk::default(), &[], Sabotage { ignore_set_len: true, ..Sabotage::default() }, |storage| {
            let file = storage.create_new("log").unwrap();
            file.write_at(&[1; 10], 0).unwrap();
            file.set_len(5).unwrap();
        });
    assert_eq!(uncut.contents()["log"].len(), 10);
}
