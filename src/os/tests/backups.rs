//! The directory for backups: another than the data's, by whatever path.

use std::io::ErrorKind;
use std::path::PathBuf;

use tempfile::tempdir;

use super::super::{BackupRoot, Directory, Options, machine};
use super::in_own_process;
use crate::env::{Backups, Storage};

#[test]
fn the_data_directory_is_no_place_for_backups_by_whatever_path() {
    let home = tempdir().unwrap();
    let (data, link) = (home.path().join("data"), home.path().join("link"));
    let directory = Directory::open(&data).unwrap();
    std::os::unix::fs::symlink(&data, &link).unwrap();
    std::fs::create_dir(data.join("below")).unwrap();
    for path in [data.clone(), link.clone(), data.join("below/.."), home.path().join("./data/")] {
        let error = BackupRoot::new(path.clone(), Some(&directory)).map(drop).unwrap_err();
        assert!(error.to_string().contains("is the data directory itself"), "{}: {error}", path.display());
    }
    BackupRoot::new(data.join("below"), Some(&directory)).unwrap().create("monday").unwrap();
    assert_eq!(directory.list().unwrap(), ["below"]);
    BackupRoot::new(data, None).unwrap();
}

#[test]
fn a_place_that_becomes_the_data_directory_later_takes_no_backup_either() {
    let home = tempdir().unwrap();
    let directory = Directory::open(&home.path().join("data")).unwrap();
    let place = home.path().join("place");
    let root = BackupRoot::new(place.clone(), Some(&directory)).unwrap();
    let error = root.create("monday").map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(place.to_str().unwrap()), "{error}");
    std::os::unix::fs::symlink(home.path().join("data"), &place).unwrap();
    let error = root.create("monday").map(drop).unwrap_err();
    assert!(error.to_string().contains("is the data directory itself"), "{error}");
    assert_eq!(directory.list().unwrap(), [""; 0]);
    std::fs::remove_file(&place).unwrap();
    std::fs::create_dir(&place).unwrap();
    root.create("monday").unwrap();
}

#[test]
fn a_machine_is_refused_one_directory_for_both_and_warns_of_one_that_is_not_there() {
    in_own_process(
        "os::tests::backups::a_machine_is_refused_one_directory_for_both_and_warns_of_one_that_is_not_there",
        || {
            let home = tempdir().unwrap();
            let path = |name: &str| Some::<PathBuf>(home.path().join(name));
            let good = Options { dir: path("data"), logfile: path("log"), port: 0, ..Options::default() };
            let error = machine(&Options { backup_dir: path("data"), ..good.clone() }).map(drop).unwrap_err();
            assert!(error.to_string().contains("is the data directory itself"), "{error}");
            std::fs::write(home.path().join("file"), "").unwrap();
            let error = machine(&Options { backup_dir: path("file"), ..good.clone() }).map(drop).unwrap_err();
            assert!(error.to_string().contains("cannot open the directory for backups"), "{error}");
            machine(&Options { backup_dir: path("data/backups"), ..good }).unwrap();
            let said = std::fs::read_to_string(home.path().join("log")).unwrap();
            assert!(
                said.contains("data/backups") && said.contains("there are no backups until it is there"),
                "{said}"
            );
        },
    );
}

#[test]
fn no_link_among_the_backups_is_followed() {
    let (home, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
    let root = BackupRoot::new(home.path().to_owned(), None).unwrap();
    let there = elsewhere.path().join("there");
    std::fs::create_dir(&there).unwrap();
    for target in [there.clone(), elsewhere.path().join("nowhere")] {
        let link = home.path().join("monday.tmp");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(root.exists("monday.tmp").unwrap(), "something bears the name");
        let error = root.create("monday.tmp").map(drop).unwrap_err().to_string();
        assert!(error.contains("cannot open the directory") && error.contains("monday.tmp"), "{error}");
        root.remove("monday.tmp").unwrap_err();
        std::fs::remove_file(&link).unwrap();
    }
    assert_eq!(std::fs::read_dir(&there).unwrap().count(), 0);
    assert_eq!(
        std::fs::read_dir(elsewhere.path()).unwrap().count(),
        1,
        "nothing was made where a link leads"
    );
    // A link may lead to the directory itself: that is the operator's own.
    let link = elsewhere.path().join("root");
    std::os::unix::fs::symlink(home.path(), &link).unwrap();
    BackupRoot::new(link, None).unwrap().create("monday").unwrap();
    assert!(home.path().join("monday").is_dir());
}

#[test]
fn a_directory_is_removed_with_its_lock_and_with_nothing_else() {
    let home = tempdir().unwrap();
    let root = BackupRoot::new(home.path().to_owned(), None).unwrap();
    let storage = root.create("monday.tmp").unwrap();
    storage.create_new("file").unwrap();
    assert_eq!(root.remove("monday.tmp").unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
    assert_eq!(root.create("monday.tmp").map(drop).unwrap_err().kind(), ErrorKind::ResourceBusy);
    storage.remove("file").unwrap();
    root.remove("monday.tmp").unwrap();
    assert!(!root.exists("monday.tmp").unwrap());
    assert_eq!(root.remove("monday.tmp").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_directory_that_is_given_another_name_keeps_its_lock() {
    let home = tempdir().unwrap();
    let root = BackupRoot::new(home.path().to_owned(), None).unwrap();
    let storage = root.create("monday.tmp").unwrap();
    root.rename("monday.tmp", "monday").unwrap();
    assert_eq!(root.create("monday").map(drop).unwrap_err().kind(), ErrorKind::ResourceBusy);
    root.create("monday.tmp").unwrap();
    assert_eq!(root.rename("monday.tmp", "monday").unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
    drop(storage);
    root.create("monday").unwrap();
}

#[test]
fn what_would_be_backed_up_is_not_taken_for_what_an_earlier_backup_has_left() {
    let home = tempdir().unwrap();
    std::fs::create_dir(home.path().join("monday.tmp")).unwrap();
    let data = Directory::open_read_only(&home.path().join("monday.tmp")).unwrap();
    let (root, name) = BackupRoot::above(&home.path().join("monday"), &data).unwrap();
    assert_eq!(name, "monday");
    let error = root.create("monday.tmp").map(drop).unwrap_err().to_string();
    assert!(error.contains("monday.tmp is the directory of which this would be a backup"), "{error}");
}

#[test]
fn a_directory_that_somebody_puts_in_the_place_of_a_backup_is_neither_named_nor_removed() {
    let home = tempdir().unwrap();
    let root = BackupRoot::new(home.path().to_owned(), None).unwrap();
    let at = |name: &str| home.path().join(name);
    let _storage = root.create("monday.tmp").unwrap();
    std::fs::rename(at("monday.tmp"), at("away")).unwrap();
    std::fs::create_dir(at("monday.tmp")).unwrap();
    for done in [root.rename("monday.tmp", "monday"), root.remove("monday.tmp")] {
        assert!(done.unwrap_err().to_string().contains("monday.tmp is another directory now"));
    }
    assert!(at("monday.tmp").exists() && !at("monday").exists());
    std::fs::remove_dir(at("monday.tmp")).unwrap();
    std::fs::rename(at("away"), at("monday.tmp")).unwrap();
    root.rename("monday.tmp", "monday").unwrap();
    assert!(root.exists("monday").unwrap());
}

#[test]
fn what_a_crash_leaves_right_behind_the_making_of_a_directory_goes_with_the_next_start() {
    let home = tempdir().unwrap();
    let root = BackupRoot::new(home.path().to_owned(), None).unwrap();
    let at = |name: &str| home.path().join(name);
    for name in ["a.tmp", "b.tmp", "half.tmp", "monday", ".hidden.tmp"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    std::fs::write(at("b.tmp").join("LOCK"), "").unwrap();
    std::fs::write(at("half.tmp").join("backup.begun"), "").unwrap();
    std::fs::write(at("file.tmp"), "").unwrap();
    std::os::unix::fs::symlink(at("monday"), at("link.tmp")).unwrap();
    let held = root.create("held.tmp").unwrap();
    assert_eq!(root.sweep().unwrap(), ["a.tmp", "b.tmp"]);
    let mut left: Vec<_> =
        std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [".hidden.tmp", "file.tmp", "half.tmp", "held.tmp", "link.tmp", "monday"]);
    drop(held);
    assert_eq!(root.sweep().unwrap(), ["held.tmp"]);
}
