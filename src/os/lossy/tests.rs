//! What a dead process leaves of a lossy directory, and what a living one sees of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tempfile::{TempDir, tempdir};

use super::super::Directory;
use super::{Lie, Lossy, Settings};
use crate::base::rng::Rng;
use crate::env::{File, Storage};

fn open(home: &TempDir, settings: Settings) -> Lossy {
    Lossy::new(Arc::new(Directory::open(home.path()).unwrap()), settings).unwrap()
}

/// A medium that writes nothing early.
fn strict() -> Settings {
    let strict = |seed: &u64| Rng::stream(*seed, "lossy").index(4) == 0;
    Settings { seed: (0..).find(strict).unwrap(), lie: None }
}

/// One that does, now and then.
fn eager(seed: u64) -> Settings {
    Settings { seed, lie: None }
}

fn bytes(file: &dyn File) -> Vec<u8> {
    let mut bytes = vec![0; file.size().unwrap() as usize];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
    bytes
}

/// What a start finds: names and bytes.
fn survivors(home: &TempDir) -> BTreeMap<String, Vec<u8>> {
    let real = Directory::open_existing(home.path()).unwrap();
    let names = real.list().unwrap().into_iter().filter(|name| !name.starts_with(".lossy-"));
    names.map(|name| (name.clone(), bytes(&*real.open(&name).unwrap()))).collect()
}

#[test]
fn what_was_not_synced_goes_with_the_process() {
    let home = tempdir().unwrap();
    let lossy = open(&home, strict());
    let file = lossy.create_new("a").unwrap();
    file.write_at(b"kept", 0).unwrap();
    file.sync().unwrap();
    lossy.sync_dir().unwrap();
    file.write_at(b"lost", 4).unwrap();
    file.write_at(b"K", 0).unwrap();
    assert_eq!(bytes(&*file), b"Keptlost");
    drop((file, lossy));
    assert_eq!(survivors(&home)["a"], b"kept");
}

#[test]
fn a_synced_file_is_lost_with_its_name_and_a_durable_name_shows_what_its_file_had_synced() {
    let home = tempdir().unwrap();
    let lossy = open(&home, strict());
    let (nameless, hollow) = (lossy.create_new("nameless").unwrap(), lossy.create_new("tmp").unwrap());
    hollow.write_at(b"never synced", 0).unwrap();
    lossy.rename("tmp", "hollow").unwrap();
    lossy.sync_dir().unwrap();
    lossy.rename("nameless", "renamed").unwrap();
    let fresh = lossy.create_new("fresh").unwrap();
    for file in [&nameless, &fresh] {
        file.write_at(b"synced", 0).unwrap();
        file.sync().unwrap();
    }
    assert_eq!(lossy.list().unwrap(), ["fresh", "hollow", "renamed"]);
    drop((nameless, hollow, fresh, lossy));
    let left = survivors(&home);
    assert_eq!(left["nameless"], b"synced", "the old name of a file that was synced");
    assert_eq!(left["hollow"], b"");
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_removed_name_comes_back_unless_the_directory_was_synced() {
    let home = tempdir().unwrap();
    let lossy = open(&home, strict());
    lossy.create_new("a").unwrap();
    lossy.create_new("b").unwrap();
    lossy.sync_dir().unwrap();
    lossy.remove("a").unwrap();
    lossy.sync_dir().unwrap();
    lossy.remove("b").unwrap();
    assert!(lossy.open("b").is_err());
    drop(lossy);
    assert_eq!(survivors(&home).into_keys().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn a_cut_that_was_not_synced_is_undone_and_bytes_behind_it_are_zeros_to_the_process() {
    let home = tempdir().unwrap();
    let lossy = open(&home, strict());
    let file = lossy.create_new("a").unwrap();
    file.write_at(&[7; 2000], 0).unwrap();
    file.sync().unwrap();
    lossy.sync_dir().unwrap();
    file.set_len(10).unwrap();
    file.set_len(1500).unwrap();
    file.write_at(b"x", 1400).unwrap();
    let mut shown = vec![0; 1500];
    shown[..10].fill(7);
    shown[1400] = b'x';
    assert_eq!(bytes(&*file), shown);
    assert_eq!(lossy.map("a").unwrap().bytes(), shown);
    assert_eq!(survivors_while_open(&home, "a"), [7; 2000]);
    file.sync().unwrap();
    assert_eq!(survivors_while_open(&home, "a"), shown);
}

fn survivors_while_open(home: &TempDir, name: &str) -> Vec<u8> {
    std::fs::read(home.path().join(name)).unwrap()
}

#[test]
fn a_lie_loses_what_was_synced() {
    for (lie, left) in [(Lie::Sync, Some(Vec::new())), (Lie::SyncDir, None)] {
        let home = tempdir().unwrap();
        let lossy = open(&home, Settings { lie: Some(lie), ..strict() });
        let file = lossy.create_new("a").unwrap();
        file.write_at(b"promised", 0).unwrap();
        file.sync().unwrap();
        lossy.sync_dir().unwrap();
        drop((file, lossy));
        assert_eq!(survivors(&home).get("a").cloned(), left);
    }
}

#[test]
fn torn_states_are_of_every_sort_and_touch_nothing_that_was_synced() {
    let (mut holes, mut ghosts, mut nameless) = (0, 0, 0);
    for seed in 0..60 {
        let home = tempdir().unwrap();
        let lossy = open(&home, eager(seed));
        let log = lossy.create_new("log").unwrap();
        log.write_at(&[1; 700], 0).unwrap();
        log.sync().unwrap();
        lossy.sync_dir().unwrap();
        log.write_at(&[2; 4000], 700).unwrap();
        let other = lossy.create_new("other.tmp").unwrap();
        other.write_at(&[3; 600], 0).unwrap();
        lossy.rename("other.tmp", "other").unwrap();
        lossy.remove("log").unwrap();
        lossy.tear().unwrap();
        drop((log, other, lossy));
        let left = survivors(&home);
        if let Some(log) = left.get("log") {
            assert_eq!(log[..700], [1; 700]);
            assert!(log[700..].iter().all(|byte| [0, 2].contains(byte)));
            holes += usize::from(log[700..].windows(2).any(|pair| pair == [0, 2]));
        }
        ghosts += usize::from(left.contains_key("log") && left.contains_key("other"));
        nameless += usize::from(!left.contains_key("other"));
    }
    assert!(holes > 5 && ghosts > 5 && nameless > 5, "{holes} {ghosts} {nameless}");
}

/// One random step on the lossy directory and on its model, bytes by name.
fn step(rng: &mut Rng, lossy: &Lossy, model: &mut BTreeMap<String, Vec<u8>>) {
    let name = |rng: &mut Rng| format!("f{}", rng.below(4));
    let (this, other) = (name(rng), name(rng));
    match rng.below(9) {
        0 => {
            assert_eq!(lossy.create_new(&this).is_ok(), !model.contains_key(&this));
            model.entry(this).or_default();
        }
        1 => {
            assert_eq!(lossy.remove(&this).is_ok(), model.remove(&this).is_some());
        }
        2 => {
            assert_eq!(lossy.rename(&this, &other).is_ok(), model.contains_key(&this));
            if let Some(bytes) = model.remove(&this) {
                model.insert(other, bytes);
            }
        }
        3 => lossy.sync_dir().unwrap(),
        4 => lossy.tear().unwrap(),
        kind => {
            let Some(model) = model.get_mut(&this) else { return };
            let file = lossy.open(&this).unwrap();
            let at = rng.index(3000);
            match kind {
                5 => file.sync().unwrap(),
                6 => {
                    file.set_len(at as u64).unwrap();
                    model.resize(at, 0);
                }
                _ => {
                    let mut piece = vec![0; 1 + rng.index(1500)];
                    rng.fill(&mut piece);
                    file.write_at(&piece, at as u64).unwrap();
                    model.resize(model.len().max(at + piece.len()), 0);
                    model[at..at + piece.len()].copy_from_slice(&piece);
                }
            }
        }
    }
}

#[test]
fn a_process_sees_all_of_its_own_doing_and_what_is_synced_survives() {
    for seed in 0..80 {
        let home = tempdir().unwrap();
        let lossy = open(&home, eager(seed));
        let (mut rng, mut model) = (Rng::new(seed), BTreeMap::new());
        for _ in 0..150 {
            step(&mut rng, &lossy, &mut model);
            assert_eq!(lossy.list().unwrap(), model.keys().cloned().collect::<Vec<_>>());
            for (name, wanted) in &model {
                assert_eq!(&bytes(&*lossy.open(name).unwrap()), wanted, "seed {seed}");
            }
        }
        for (name, wanted) in &model {
            assert_eq!(lossy.map(name).unwrap().bytes(), wanted);
            lossy.open(name).unwrap().sync().unwrap();
        }
        lossy.sync_dir().unwrap();
        drop(lossy);
        assert_eq!(survivors(&home), model, "seed {seed}");
        let next = open(&home, eager(seed));
        assert_eq!(next.list().unwrap(), model.keys().cloned().collect::<Vec<_>>());
        drop(next);
        assert!(std::fs::read_dir(home.path()).unwrap().count() <= model.len() + 1, "hidden files are left");
    }
}

#[test]
fn a_storage_is_named_by_what_it_loses() {
    assert_eq!("lossy:7:skip-sync".parse(), Ok(Settings { seed: 7, lie: Some(Lie::Sync) }));
    assert_eq!("lossy".parse(), Ok(Settings::default()));
    for wrong in ["", "files", "lossy:x", "lossy:1:lie", "lossy:1:skip-sync:2"] {
        assert!(wrong.parse::<Settings>().is_err(), "{wrong}");
    }
}
