//! Directory, files and maps.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;

use tempfile::{TempDir, tempdir};

use super::super::Directory;
use crate::env::{File, Storage};

fn open() -> (TempDir, Directory) {
    let home = tempdir().unwrap();
    let directory = Directory::open(home.path()).unwrap();
    (home, directory)
}

fn put(directory: &Directory, name: &str, bytes: &[u8]) -> Box<dyn File> {
    let file = directory.create_new(name).unwrap();
    assert_eq!(file.write_at(bytes, 0).unwrap(), bytes.len());
    file
}

fn get(file: &dyn File) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
    bytes
}

#[test]
fn what_is_written_is_read_back_and_short_reads_are_visible() {
    let (_home, directory) = open();
    let file = put(&directory, "a", b"0123456789");
    file.write_at(b"xy", 4).unwrap();
    file.sync().unwrap();
    assert_eq!(file.size().unwrap(), 10);
    let mut buf = [0; 8];
    assert_eq!(file.read_at(&mut buf, 0).unwrap(), 8);
    assert_eq!(&buf, b"0123xy67");
    assert_eq!(file.read_at(&mut buf, 7).unwrap(), 3);
    assert_eq!(&buf[..3], b"789");
    assert_eq!(file.read_at(&mut buf, 10).unwrap(), 0);
    assert_eq!(file.read_at(&mut buf, 1 << 40).unwrap(), 0);
    assert_eq!(file.write_at(b"", 0).unwrap(), 0);
    assert_eq!(get(&*directory.open("a").unwrap()), b"0123xy6789");
}

#[test]
fn a_write_past_the_end_leaves_zeros_between() {
    let (_home, directory) = open();
    let file = put(&directory, "a", b"ab");
    file.write_at(b"c", 5).unwrap();
    assert_eq!(get(&*file), b"ab\0\0\0c");
}

#[test]
fn set_len_cuts_and_extends_with_zeros() {
    let (_home, directory) = open();
    let file = put(&directory, "a", b"0123456789");
    file.set_len(3).unwrap();
    assert_eq!(get(&*file), b"012");
    file.set_len(5).unwrap();
    assert_eq!(get(&*file), b"012\0\0");
}

#[test]
fn offsets_that_the_kernel_cannot_count_are_errors() {
    let (_home, directory) = open();
    let file = put(&directory, "a", b"0");
    assert_eq!(file.read_at(&mut [0], u64::MAX).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(file.write_at(&[0], u64::MAX).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(file.set_len(u64::MAX).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn open_wants_the_file_there_and_create_new_wants_it_absent() {
    let (_home, directory) = open();
    let error = directory.open("a").map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().starts_with("cannot open a in /"), "{error}");
    put(&directory, "a", b"first");
    assert_eq!(directory.create_new("a").map(drop).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(get(&*directory.open("a").unwrap()), b"first");
}

#[test]
fn rename_replaces_and_remove_removes() {
    let (_home, directory) = open();
    put(&directory, "new", b"new");
    put(&directory, "old", b"old");
    directory.rename("new", "old").unwrap();
    directory.sync_dir().unwrap();
    assert_eq!(directory.list().unwrap(), ["old"]);
    assert_eq!(get(&*directory.open("old").unwrap()), b"new");
    assert_eq!(directory.rename("new", "old").unwrap_err().kind(), ErrorKind::NotFound);
    directory.remove("old").unwrap();
    assert_eq!(directory.list().unwrap(), [""; 0]);
    assert_eq!(directory.remove("old").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn names_are_listed_in_byte_order_again_and_again() {
    let (_home, directory) = open();
    let mut names: Vec<String> = (0..300).map(|i| format!("{}-{i}", ["b", "B", "a", "é"][i % 4])).collect();
    for name in &names {
        put(&directory, name, b"");
    }
    names.sort_unstable();
    assert_eq!(directory.list().unwrap(), names);
    assert_eq!(directory.list().unwrap(), names);
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_text_is_left_out_of_the_list() {
    use std::os::unix::ffi::OsStrExt;
    let (home, directory) = open();
    std::fs::write(home.path().join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), b"").unwrap();
    put(&directory, "a", b"");
    assert_eq!(directory.list().unwrap(), ["a"]);
}

#[test]
fn names_that_are_not_plain_are_refused_by_every_method() {
    let (home, directory) = open();
    std::fs::create_dir(home.path().join("sub")).unwrap();
    put(&directory, "a", b"a");
    for name in ["", ".", "..", "sub/a", "/etc/passwd", "../a", "LOCK", "lock", "a\0b"] {
        let refusals = [
            directory.open(name).map(drop),
            directory.create_new(name).map(drop),
            directory.rename(name, "b"),
            directory.rename("a", name),
            directory.remove(name),
            directory.map(name).map(drop),
        ];
        for refusal in refusals {
            assert_eq!(refusal.unwrap_err().kind(), ErrorKind::InvalidInput, "{name:?}");
        }
    }
    assert_eq!(directory.list().unwrap(), ["a", "sub"]);
}

#[test]
fn a_link_out_of_the_directory_is_not_followed() {
    let (home, directory) = open();
    let outside = tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), b"secret").unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), home.path().join("a")).unwrap();
    assert!(directory.open("a").is_err());
    assert!(directory.map("a").is_err());
}

#[test]
fn a_directory_that_was_moved_still_works() {
    let outer = tempdir().unwrap();
    let directory = Directory::open(&outer.path().join("here")).unwrap();
    put(&directory, "a", b"a");
    std::fs::rename(outer.path().join("here"), outer.path().join("there")).unwrap();
    put(&directory, "b", b"b");
    directory.sync_dir().unwrap();
    assert_eq!(directory.list().unwrap(), ["a", "b"]);
    assert!(outer.path().join("there/b").exists());
}

#[test]
fn a_missing_directory_is_made_but_not_its_parents() {
    let outer = tempdir().unwrap();
    let path = outer.path().join("data");
    let directory = Directory::open(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "its owner's alone");
    put(&directory, "a", b"");
    assert_eq!(std::fs::metadata(path.join("a")).unwrap().permissions().mode() & 0o777, 0o600);
    let error = Directory::open(&outer.path().join("no/data")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("no/data"), "{error}");
}

#[test]
fn a_file_is_no_directory() {
    let outer = tempdir().unwrap();
    let path = outer.path().join("file");
    std::fs::write(&path, b"").unwrap();
    assert_eq!(Directory::open(&path).unwrap_err().kind(), ErrorKind::NotADirectory);
}

#[test]
fn a_map_is_the_whole_file_aligned() {
    let (_home, directory) = open();
    let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    put(&directory, "a", &bytes);
    let map = directory.map("a").unwrap();
    assert_eq!(map.bytes(), bytes);
    assert_eq!(map.bytes().as_ptr().addr() % 64, 0);
    assert_eq!(map.bytes().as_ptr(), map.bytes().as_ptr());
    assert_eq!(directory.map("b").map(drop).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn an_empty_file_maps_to_no_bytes() {
    let (_home, directory) = open();
    put(&directory, "a", b"");
    let map = directory.map("a").unwrap();
    assert_eq!(map.bytes(), b"");
    assert_eq!(map.bytes().as_ptr().addr() % 64, 0);
}

#[test]
fn a_map_survives_the_removal_and_the_replacement_of_its_file() {
    let (_home, directory) = open();
    put(&directory, "a", b"removed");
    put(&directory, "b", b"replaced");
    let (a, b) = (directory.map("a").unwrap(), directory.map("b").unwrap());
    directory.remove("a").unwrap();
    put(&directory, "new", b"REPLACED");
    directory.rename("new", "b").unwrap();
    assert_eq!(a.bytes(), b"removed");
    assert_eq!(b.bytes(), b"replaced");
    assert_eq!(directory.map("b").unwrap().bytes(), b"REPLACED");
}

#[test]
fn maps_and_files_are_used_from_other_threads() {
    let (_home, directory) = open();
    let file = put(&directory, "a", b"0123456789");
    let map = directory.map("a").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(get(&*file), b"0123456789"));
        scope.spawn(|| assert_eq!(map.bytes(), b"0123456789"));
    });
}

#[test]
fn what_is_no_regular_file_is_refused_and_keeps_nobody_waiting() {
    let (home, directory) = open();
    let fifo = std::ffi::CString::new(home.path().join("fifo").to_str().unwrap()).unwrap();
    // SAFETY: the path is a C string that outlives the call.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
    std::fs::create_dir(home.path().join("folder")).unwrap();
    std::os::unix::fs::symlink("fifo", home.path().join("link")).unwrap();
    let _listens = std::os::unix::net::UnixListener::bind(home.path().join("socket")).unwrap();
    put(&directory, "file", b"a");
    drop(directory);
    let reader = Directory::open_read_only(home.path()).unwrap();
    for name in ["fifo", "folder", "link", "socket"] {
        for refusal in [reader.open(name).map(drop), reader.map(name).map(drop)] {
            let error = refusal.unwrap_err().to_string();
            assert!(error.contains(name) && error.ends_with("it is no regular file"), "{error}");
        }
    }
    assert_eq!(get(&*reader.open("file").unwrap()), b"a");
    drop(reader);
    let writer = Directory::open(home.path()).unwrap();
    for name in ["fifo", "folder", "link", "socket"] {
        let error = writer.open(name).map(drop).unwrap_err().to_string();
        assert!(error.ends_with("it is no regular file"), "{name}: {error}");
    }
    drop(writer);
    std::fs::remove_file(home.path().join("LOCK")).unwrap();
    std::fs::rename(home.path().join("fifo"), home.path().join("LOCK")).unwrap();
    for refusal in [Directory::open(home.path()), Directory::open_read_only(home.path())] {
        let error = refusal.unwrap_err().to_string();
        assert!(error.contains("LOCK") && error.ends_with("it is no regular file"), "{error}");
    }
}

#[test]
fn a_file_knows_whether_its_name_leads_to_it() {
    let (_home, directory) = open();
    let (file, other) = (put(&directory, "a", b""), put(&directory, "b", b""));
    assert!(file.has_name("a").unwrap());
    directory.rename("a", "c").unwrap();
    assert_eq!((file.has_name("a").unwrap(), file.has_name("c").unwrap()), (false, true));
    directory.rename("b", "c").unwrap();
    assert_eq!((file.has_name("c").unwrap(), other.has_name("c").unwrap()), (false, true));
    directory.remove("c").unwrap();
    assert!(!other.has_name("c").unwrap());
}

#[test]
fn a_file_that_was_moved_away_or_is_linked_elsewhere_only_has_lost_its_name() {
    let (home, directory) = open();
    let away = tempdir().unwrap();
    let (here, there) = (home.path().join("a"), away.path().join("a"));
    let file = put(&directory, "a", b"");
    std::fs::rename(&here, &there).unwrap();
    assert!(!file.has_name("a").unwrap(), "moved");
    std::os::unix::fs::symlink(&there, &here).unwrap();
    assert!(!file.has_name("a").unwrap(), "a link to it is not opened by a start");
    std::fs::remove_file(&here).unwrap();
    std::fs::write(&here, b"").unwrap();
    assert!(!file.has_name("a").unwrap(), "another in its place");
    std::fs::remove_file(&here).unwrap();
    std::fs::hard_link(&there, &here).unwrap();
    assert!(file.has_name("a").unwrap(), "two names, and one is its own");
    std::fs::remove_file(&here).unwrap();
    assert!(!file.has_name("a").unwrap(), "linked elsewhere only");
}
