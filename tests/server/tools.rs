//! The operators' tools in bad places: an output that takes nothing, files that are none, rights that are missing.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::common::{engram, ok, options, said, start};

/// A directory with a snapshot and a record behind it.
fn directory() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let server = start(Some(dir.path()), options());
    let mut client = server.connect();
    client.say("SET a 1");
    assert_eq!(client.say("VSAVE"), ok());
    client.say("SET b 2");
    assert_eq!(server.finish(), Ok(()));
    let path = dir.path().to_str().unwrap().to_owned();
    (dir, path)
}

#[cfg(target_os = "linux")]
#[test]
fn what_could_not_be_told_is_no_success_and_a_closed_pipe_is_no_failure() {
    let (_dir, path) = directory();
    for words in [&["dump", &path][..], &["check", &path], &["--help"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let (text, code) = said(engram().args(words).stdout(full));
        assert!(text.contains("cannot write to standard output: No space left"), "{words:?}: {text}");
        assert_eq!(code, 1, "{words:?}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        assert_eq!(said(engram().args(words).stdout(writer)), (String::new(), 0), "{words:?}");
    }
}

#[test]
fn what_is_no_file_under_the_name_of_one_is_refused_at_once() {
    for file in ["wal-00000000000000000003.log", "snapshot-00000000000000000009.snap"] {
        for kind in ["mkfifo", "mkdir"] {
            let ((dir, path), place) = (directory(), tempfile::tempdir().unwrap());
            let copy = place.path().join("copy").to_str().unwrap().to_owned();
            assert!(Command::new(kind).arg(dir.path().join(file)).status().unwrap().success());
            for words in [&["check", &path][..], &["backup", &path, &copy], &["--port", "0", "--dir", &path]]
            {
                let (text, code) = said(engram().args(words));
                assert!(
                    text.contains(file) && text.contains("it is no regular file"),
                    "{kind} {words:?}: {text}"
                );
                assert_eq!(code, 1, "{kind} {words:?}");
            }
        }
    }
}

#[test]
fn a_damaged_snapshot_is_told_of_once() {
    let (dir, path) = directory();
    let snapshot = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let snapshot = snapshot.into_iter().find(|path| path.extension().is_some_and(|e| e == "snap")).unwrap();
    let mut bytes = fs::read(&snapshot).unwrap();
    bytes[20] ^= 1;
    fs::write(&snapshot, bytes).unwrap();
    let (text, code) = said(engram().args(["check", &path]));
    assert_eq!((text.matches("its checksum is wrong").count(), code), (1, 1), "{text}");
    assert!(!text.contains("snapshot: older"), "{text}");
}

/// The binary as a user who may do nothing that others may not, with a copy of it that this user can run.
fn unprivileged(place: &Path, words: &[&str]) -> Command {
    let copy = place.join("engram");
    // By a process of its own: what another test starts meanwhile would hold the copy open for writing, and nobody may run it then.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_engram")).arg(&copy).status().unwrap();
    assert!(copied.success());
    fs::set_permissions(&copy, Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(place, Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(copy);
    command.args(words).stdin(Stdio::null());
    // Root may read everything: only as somebody else can it be refused.
    if fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0) {
        command.uid(65_534).gid(65_534);
    }
    command
}

#[test]
fn a_check_needs_no_right_to_write_and_says_what_it_cannot_read() {
    let (dir, path) = directory();
    let place = tempfile::tempdir().unwrap();
    let files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let allow =
        |mode| files.iter().for_each(|file| fs::set_permissions(file, Permissions::from_mode(mode)).unwrap());
    fs::set_permissions(dir.path(), Permissions::from_mode(0o555)).unwrap();
    allow(0o444);
    let (text, code) = said(&mut unprivileged(place.path(), &["check", &path]));
    assert!(code == 0 && text.contains("healthy: a start would serve this"), "{text}");
    let start = ["--port", "0", "--dir", &path];
    for (dirs, file, why) in
        [(0o555, 0o666, "cannot write to the directory"), (0o777, 0o444, "cannot open the lock file")]
    {
        fs::set_permissions(dir.path(), Permissions::from_mode(dirs)).unwrap();
        allow(file);
        let (text, code) = said(&mut unprivileged(place.path(), &["check", &path]));
        let told = format!("a start by this user would refuse: {why}");
        assert!(code == 0 && text.contains(&told), "{text}");
        let (text, code) = said(&mut unprivileged(place.path(), &start));
        assert!(code == 1 && text.contains(why), "{text}");
    }
    fs::set_permissions(dir.path(), Permissions::from_mode(0o555)).unwrap();
    for (name, of) in [("wal-", ".log"), ("snapshot-", ".snap"), ("LOCK", "")] {
        allow(0o444);
        let is_it = |file: &str| file.starts_with(name) && file.ends_with(of);
        let file = files.iter().find(|file| is_it(file.file_name().unwrap().to_str().unwrap())).unwrap();
        fs::set_permissions(file, Permissions::from_mode(0o000)).unwrap();
        let (text, code) = said(&mut unprivileged(place.path(), &["check", &path]));
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(text.contains(name) && text.contains("Permission denied"), "{name}: {text}");
        assert!(code == 1 && !text.contains("a start would refuse"), "{name}: {text}");
    }
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_leftover_that_cannot_be_removed_keeps_no_server_from_starting() {
    let (dir, path) = directory();
    for name in ["wal-00000000000000000077.log.tmp", "snapshot-00000000000000000077.tmp"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    let (text, code) = said(engram().args(["check", &path]));
    assert_eq!((text.matches("a start would leave it and warn of it").count(), code), (2, 0), "{text}");
    let server = start(Some(dir.path()), options());
    assert_eq!(server.connect().say("SET c 3"), ok());
    assert_eq!(server.finish(), Ok(()));
}

#[test]
fn a_directory_in_the_way_of_a_copy_is_refused_and_a_check_foresees_it() {
    let (dir, path) = directory();
    let files = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let log = files.filter(|path| path.extension().is_some_and(|e| e == "log")).max().unwrap();
    // A torn tail says nothing of what was synced: a start makes a copy.
    let file = File::options().write(true).open(&log).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    let copy = format!("{}.tmp", log.display());
    fs::create_dir(&copy).unwrap();
    let (text, code) = said(engram().args(["check", &path]));
    assert!(code == 1 && text.contains("a start would refuse: it has to make a file there"), "{text}");
    let (text, code) = said(engram().args(["--port", "0", "--dir", &path]));
    assert!(code == 1 && text.contains(copy.rsplit('/').next().unwrap()), "{text}");
    fs::remove_dir(&copy).unwrap();
    assert_eq!(said(engram().args(["check", &path])).1, 0);
}

/// Runs only where another user than the owner of the files can be had.
#[test]
fn a_check_foresees_that_a_start_may_not_write_to_the_log_or_replace_it() {
    if !fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0) {
        return;
    }
    let (dir, path) = directory();
    let place = tempfile::tempdir().unwrap();
    let files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let allow = |mode, of: &str| {
        for file in files.iter().filter(|file| file.to_str().unwrap().ends_with(of)) {
            fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
        }
    };
    let log = files.iter().find(|path| path.extension().is_some_and(|e| e == "log")).unwrap();
    let start = ["--port", "0", "--dir", &path];
    let refused = |why: &str, error: &str| {
        let (text, code) = said(&mut unprivileged(place.path(), &["check", &path]));
        assert!(code == 0 && text.contains(&format!("a start by this user would refuse: {why}")), "{text}");
        let (text, code) = said(&mut unprivileged(place.path(), &start));
        assert!(code == 1 && text.contains(error), "{text}");
    };
    allow(0o666, "");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
    allow(0o444, ".log");
    refused("cannot write to ", "cannot open wal-");
    // In a directory in which each may remove only what is his own: the mark at the log's end goes, and a copy is due.
    allow(0o666, ".log");
    let file = File::options().write(true).open(log).unwrap();
    file.set_len(file.metadata().unwrap().len() - 28).unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o1777)).unwrap();
    refused("cannot remove or replace ", "cannot copy wal-");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(said(engram().args(["check", &path])).1, 0);
}

#[test]
fn room_that_a_kill_has_left_is_called_by_its_name() {
    let (dir, path) = directory();
    let files = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let log = files.filter(|path| path.extension().is_some_and(|e| e == "log")).max().unwrap();
    let file = File::options().write(true).open(&log).unwrap();
    file.set_len(file.metadata().unwrap().len() + 5_000).unwrap();
    let (text, code) = said(engram().args(["check", &path]));
    assert!(text.contains("; 5000 bytes of zeros behind them, room for more"), "{text}");
    assert!(text.contains("they are left where it was killed, and nothing is missing"), "{text}");
    assert!(code == 0 && !text.contains("checksum is wrong"), "{text}");
}

#[test]
fn one_directory_for_data_and_backups_is_refused_at_the_start() {
    let (dir, path) = directory();
    let link = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(dir.path(), link.path().join("link")).unwrap();
    for backups in [
        path.clone(),
        format!("{path}/../{}", path.rsplit('/').next().unwrap()),
        link.path().join("link").to_str().unwrap().to_owned(),
    ] {
        let (text, code) = said(engram().args(["--port", "0", "--dir", &path, "--backup-dir", &backups]));
        assert!(text.contains("is the data directory itself: it has to be another one"), "{backups}: {text}");
        assert_eq!(code, 1, "{backups}");
    }
}
