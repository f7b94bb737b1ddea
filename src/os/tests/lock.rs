//! One server a directory, and readers beside none.

use std::io::ErrorKind;

use tempfile::tempdir;

use super::super::Directory;
use crate::env::Storage;

#[test]
fn a_second_server_is_told_who_has_the_directory() {
    let home = tempdir().unwrap();
    let first = Directory::open(home.path()).unwrap();
    let error = Directory::open(home.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    let (path, pid) = (home.path().display(), std::process::id());
    assert_eq!(error.to_string(), format!("the directory {path} is in use by another engram (pid {pid})"));
    drop(first);
    Directory::open(home.path()).unwrap();
}

#[test]
fn a_lock_file_that_a_killed_server_left_behind_locks_nothing() {
    let home = tempdir().unwrap();
    std::fs::write(home.path().join("LOCK"), "4294967295 and then some\n").unwrap();
    let directory = Directory::open(home.path()).unwrap();
    assert_eq!(directory.list().unwrap(), [""; 0]);
}

#[test]
fn a_reader_is_kept_out_by_a_server_and_keeps_one_out() {
    let home = tempdir().unwrap();
    let server = Directory::open(home.path()).unwrap();
    let error = Directory::open_read_only(home.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    assert!(error.to_string().contains(&format!("(pid {})", std::process::id())), "{error}");
    drop(server);
    let one = Directory::open_read_only(home.path()).unwrap();
    let two = Directory::open_read_only(home.path()).unwrap();
    drop(one);
    let error = Directory::open(home.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    assert!(error.to_string().contains("is being read by another engram"), "{error}");
    drop(two);
    Directory::open(home.path()).unwrap();
}

#[test]
fn a_lock_file_that_somebody_removes_lets_nobody_in() {
    let home = tempdir().unwrap();
    let server = Directory::open(home.path()).unwrap();
    std::fs::remove_file(home.path().join("LOCK")).unwrap();
    let in_use = format!("the directory {} is in use by another engram", home.path().display());
    let refusals = || {
        [
            Directory::open(home.path()),
            Directory::open_existing(home.path()),
            Directory::open_read_only(home.path()),
        ]
    };
    for refusal in refusals() {
        let error = refusal.unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::ResourceBusy, in_use.clone()));
    }
    assert!(!home.path().join("LOCK").exists(), "who is kept out leaves nothing");
    std::fs::write(home.path().join("LOCK"), "").unwrap();
    assert!(refusals().into_iter().all(|refusal| refusal.is_err()), "another in its place");
    drop(server);
    let reader = Directory::open_read_only(home.path()).unwrap();
    std::fs::remove_file(home.path().join("LOCK")).unwrap();
    let error = Directory::open(home.path()).unwrap_err().to_string();
    assert!(error.contains("is being read by another engram"), "{error}");
    drop(reader);
    Directory::open(home.path()).unwrap();
}

#[test]
#[expect(clippy::disallowed_types, reason = "another program holds it, not engram")]
fn a_lock_on_the_file_alone_keeps_others_out() {
    let home = tempdir().unwrap();
    let file = std::fs::File::create(home.path().join("LOCK")).unwrap();
    file.lock().unwrap();
    assert_eq!(Directory::open(home.path()).unwrap_err().kind(), ErrorKind::ResourceBusy);
    assert_eq!(Directory::open_read_only(home.path()).unwrap_err().kind(), ErrorKind::ResourceBusy);
    drop(file);
    Directory::open(home.path()).unwrap();
}

#[test]
fn a_read_only_directory_reads_and_maps_and_refuses_every_change() {
    let home = tempdir().unwrap();
    std::fs::write(home.path().join("a"), b"abc").unwrap();
    let directory = Directory::open_read_only(home.path()).unwrap();
    let file = directory.open("a").unwrap();
    let mut buf = [0; 3];
    assert_eq!(file.read_at(&mut buf, 0).unwrap(), 3);
    assert_eq!(&buf, b"abc");
    assert_eq!(directory.map("a").unwrap().bytes(), b"abc");
    let refusals = [
        file.write_at(b"x", 0).map(drop),
        file.set_len(0),
        directory.create_new("b").map(drop),
        directory.rename("a", "b"),
        directory.remove("a"),
    ];
    for refusal in refusals {
        assert_eq!(refusal.unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
    }
    assert_eq!(directory.list().unwrap(), ["a"]);
    assert!(!home.path().join("LOCK").exists(), "looking leaves no trace");
}

#[test]
fn a_directory_that_is_not_there_is_not_made_for_looking() {
    let home = tempdir().unwrap();
    let path = home.path().join("data");
    assert_eq!(Directory::open_read_only(&path).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!path.exists());
}
