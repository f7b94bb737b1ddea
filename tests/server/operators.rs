//! What operators do to a directory without serving it, by the real binary.

use std::path::{Path, PathBuf};

use engram::resp::client::Value;
use engram::server::Options;

use super::common::{self, bulk, is_error, ok, options, packed, said, start};

/// What the binary says to these words, and its exit code.
fn engram(words: &[&str]) -> (String, i32) {
    said(common::engram().args(words))
}

/// A directory with records 1 to 5 in its log.
fn directory() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let server = start(Some(dir.path()), options());
    let mut client = server.connect();
    client.say("SET greeting hello\u{7f}");
    client.ask(&[b"SET", b"long", &[b'x'; 100]]);
    client.say("VNEW i 6 METRIC l2");
    client.ask(&[b"VADD", b"i", b"e", &packed(&[1.5, -2.0, 3.0, 4.0, 5.0, 6.25])]);
    client.say("MSET a 1 b 2");
    assert_eq!(server.finish(), Ok(()));
    let path = dir.path().to_str().unwrap().to_owned();
    (dir, path)
}

fn file(dir: &Path, suffix: &str) -> PathBuf {
    let mut paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.find(|path| path.to_str().unwrap().ends_with(suffix)).unwrap()
}

/// Flips a bit of the record whose line in a dump begins with this number; returns its offset.
fn damage(dir: &Path, path: &str, record: &str) -> u64 {
    let dump = engram(&["dump", path]).0;
    let line = dump.lines().find(|line| line.starts_with(record)).unwrap();
    let offset: u64 = line.split(['@', ' ']).nth(2).unwrap().parse().unwrap();
    let log = file(dir, ".log");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[offset as usize + 30] ^= 1;
    std::fs::write(log, bytes).unwrap();
    offset
}

#[test]
fn a_dump_shows_each_record_on_a_line() {
    let (_dir, path) = directory();
    let (dump, code) = engram(&["dump", &path]);
    let lines: Vec<_> = dump.lines().collect();
    assert_eq!((lines.len(), code), (6, 0), "{dump}");
    assert!(lines[0].starts_with("# wal-00000000000000000001.log: "), "{}", lines[0]);
    assert!(
        lines[1].starts_with("1 @32 +") && lines[1].ends_with(r#" SET "greeting" 6 bytes "hello\x7f""#),
        "{}",
        lines[1]
    );
    assert!(lines[2].ends_with(&format!(r#" SET "long" 100 bytes "{}"..."#, "x".repeat(64))), "{}", lines[2]);
    assert!(lines[3].contains(r#" NEW INDEX "i" dim 6 metric "#), "{}", lines[3]);
    assert!(lines[4].ends_with(r#" PUT VECTOR "i" "e" 6 floats [1.5, -2, 3, 4, ...]"#), "{}", lines[4]);
    assert!(lines[5].ends_with(r#" SET "a" 1 bytes "1"; SET "b" 1 bytes "2""#), "{}", lines[5]);
    let (part, _) = engram(&["dump", &path, "--from", "4", "--to", "4", "--full"]);
    assert!(part.trim_end().ends_with("[1.5, -2, 3, 4, 5, 6.25]") && part.lines().count() == 2, "{part}");
}

#[test]
fn a_check_says_what_a_start_would_do() {
    let (dir, path) = directory();
    let server = start(Some(dir.path()), options());
    let mut client = server.connect();
    assert_eq!(client.say("VSAVE"), ok());
    client.say("SET behind 1");
    assert_eq!(server.finish(), Ok(()));
    std::fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    let log = file(dir.path(), ".log");
    std::fs::write(&log, [std::fs::read(&log).unwrap(), vec![7; 9]].concat()).unwrap();
    let (said, code) = engram(&["check", &path]);
    for part in [
        "snapshot: snapshot-00000000000000000005.snap: ",
        "state at LSN 5, 5 keys; a start would open it",
        "would apply 1 records (1 operations) and go on after LSN 6",
        "would cut 9 bytes off wal-0000000000000000000",
        "record 7 is not whole there",
        "behind such an end somebody has cut the file",
        "contents: 5 strings, 1 vector sets with 1 vectors",
        "notes.txt: not engram's",
        "healthy: a start would serve this",
    ] {
        assert!(said.contains(part), "{part:?} in {said}");
    }
    assert_eq!(code, 0);
}

#[test]
fn a_corrupt_log_is_refused_with_the_words_that_put_it_right() {
    let (dir, path) = directory();
    let offset = damage(dir.path(), &path, "4 ");
    let words = [
        format!("wal-00000000000000000001.log, offset {offset}, record 4: "),
        "engram check DIR, engram dump DIR".to_owned(),
        "engram repair DIR --truncate-after 3".to_owned(),
    ];
    for command in [&["--port", "0", "--dir", &path][..], &["check", &path], &["dump", &path]] {
        let (said, code) = engram(command);
        assert!(words.iter().all(|part| said.contains(part)), "{command:?}: {said}");
        assert_eq!(code, 1, "{command:?}");
    }
    assert_eq!(engram(&["dump", &path]).0.lines().count(), 5, "what stands before the damage is shown");
    let (said, code) = engram(&["repair", &path, "--truncate-after", "4"]);
    assert!(code == 1 && said.contains("--truncate-after 3"), "{said}");
    let before = std::fs::read(file(dir.path(), ".log")).unwrap();
    let (said, code) = engram(&["repair", &path, "--truncate-after", "3"]);
    assert!(code == 0 && said.contains("the log ends with record 3 now"), "{said}");
    let kept = std::fs::read(file(dir.path(), &format!(".from-{offset}"))).unwrap();
    assert_eq!(kept, before[offset as usize..]);
    assert_eq!(engram(&["check", &path]).1, 0);
    assert!(engram(&["repair", &path, "--truncate-after", "3"]).0.contains("nothing to do"));
    let server = start(Some(dir.path()), options());
    let mut client = server.connect();
    assert_eq!(client.say("MGET greeting a"), Value::Array(vec![bulk("hello\u{7f}"), Value::Null]));
}

#[test]
fn a_directory_that_serves_is_left_alone_and_none_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let _server = start(Some(dir.path()), options());
    for command in [&["check", path][..], &["dump", path], &["repair", path, "--truncate-after", "0"]] {
        let (said, code) = engram(command);
        assert!(said.contains("in use by another engram") && code == 1, "{command:?}: {said}");
    }
    let none = dir.path().join("none");
    let (said, code) = engram(&["repair", none.to_str().unwrap(), "--truncate-after", "0"]);
    assert!(code == 1 && !none.exists(), "{said}");
    assert_eq!(engram(&["repair", path]).1, 2);
    assert_eq!(engram(&["dump", path, "--of", "3"]).1, 2);
}

#[test]
fn a_backup_is_a_directory_that_starts_with_the_same_keys() {
    let (dir, path) = directory();
    let server = start(Some(dir.path()), options());
    let mut client = server.connect();
    assert_eq!(client.say("VSAVE"), ok());
    client.say("SET behind 1");
    assert_eq!(server.finish(), Ok(()));
    let place = tempfile::tempdir().unwrap();
    let copy = place.path().join("copy");
    let (said, code) = engram(&["backup", &path, copy.to_str().unwrap()]);
    assert!(code == 0 && said.contains("snapshot-00000000000000000005.snap: "), "{said}");
    let names = |dir: &Path| {
        let names =
            std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != "LOCK").collect();
        names.sort();
        names
    };
    assert_eq!(names(dir.path()), names(&copy));
    let (said, code) = engram(&["backup", &path, copy.to_str().unwrap()]);
    assert!(code == 1 && said.contains("there is something called copy already"), "{said}");
    let begun = copy.join("backup.begun");
    std::fs::write(&begun, "").unwrap();
    let (said, code) = engram(&["check", copy.to_str().unwrap()]);
    assert!(code == 1 && said.contains("a backup into this directory has not ended"), "{said}");
    std::fs::remove_file(begun).unwrap();
    let server = start(Some(&copy), options());
    let mut client = server.connect();
    assert_eq!(client.say("DBSIZE"), Value::Integer(6));
    assert_eq!(client.say("GET behind"), bulk("1"));
    let (said, code) = engram(&["backup", copy.to_str().unwrap(), "/nowhere/at/all"]);
    assert!(code == 1 && said.contains("in use by another engram"), "{said}");
}

#[test]
fn a_backup_of_a_directory_at_rest_that_comes_to_nothing_leaves_nothing() {
    let (dir, path) = directory();
    let place = tempfile::tempdir().unwrap();
    let copy = place.path().join("of monday");
    let there = || {
        let names = std::fs::read_dir(place.path()).unwrap();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let to = copy.to_str().unwrap();
    let log = dir.path().join("wal-00000000000000000001.log");
    let whole = std::fs::read(&log).unwrap();
    let mut damaged = whole.clone();
    damaged[50] ^= 1;
    std::fs::write(&log, damaged).unwrap();
    let (said, code) = engram(&["backup", &path, to]);
    assert!(code == 1 && said.contains("it is damaged"), "{said}");
    assert_eq!(there(), [""; 0]);
    std::fs::write(&log, whole).unwrap();
    // As a crash leaves it.
    let half = place.path().join("of monday.tmp");
    std::fs::create_dir(&half).unwrap();
    for name in ["backup.begun", "wal-00000000000000000001.log", "snapshot-00000000000000000009.tmp"] {
        std::fs::write(half.join(name), "half").unwrap();
    }
    let (said, code) = engram(&["check", half.to_str().unwrap()]);
    assert!(code == 1 && said.contains("a backup into this directory has not ended"), "{said}");
    let (said, code) = engram(&["backup", &path, to]);
    assert!(code == 0, "{said}");
    assert_eq!(there(), ["of monday"]);
    assert_eq!(engram(&["check", to]).1, 0);
    for (to, says) in [
        (place.path().join("a.tmp"), "a.tmp is no name for a backup"),
        (dir.path().join("inside"), "is the data directory itself"),
        (place.path().join(".."), "names no directory"),
        (place.path().join("no/where"), "cannot open the directory for backups"),
    ] {
        let (said, code) = engram(&["backup", &path, to.to_str().unwrap()]);
        assert!(code == 1 && said.contains(says), "{said}");
    }
    assert_eq!(there(), ["of monday"]);
}

#[test]
fn a_running_server_backs_up_into_a_directory_of_its_own() {
    let (data, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let backup_dir = Some(root.path().to_str().unwrap().to_owned());
    let server = start(Some(data.path()), Options { backup_dir, ..options() });
    let mut client = server.connect();
    client.say("VNEW i 2");
    client.ask(&[b"VADD", b"i", b"e", &packed(&[1.0, 2.0])]);
    client.say("SET a 1");
    assert_eq!(client.say("VBACKUP monday"), ok());
    client.say("SET b 2");
    assert_eq!(client.say("VBACKUP tuesday"), ok());
    assert!(is_error(&client.say("VBACKUP monday"), "ERR the backup monday failed: "));
    for name in ["wal-00000000000000000001.log", "Snapshot-1", "repair-1", "backup.begun", "LOCK", "a.tmp"] {
        let refusal = client.ask(&[b"VBACKUP", name.as_bytes()]);
        assert!(is_error(&refusal, &format!("ERR {name} is no name for a backup")), "{refusal:?}");
    }
    for name in ["../out", ".hidden", "a/b", "", "a b"] {
        assert!(is_error(&client.ask(&[b"VBACKUP", name.as_bytes()]), "ERR a backup's name has "), "{name}");
    }
    assert_eq!(client.say("LASTSAVE"), client.say("LASTSAVE"));
    assert!(
        !std::fs::read_dir(data.path()).unwrap().any(|e| e
            .unwrap()
            .path()
            .extension()
            .is_some_and(|e| e == "snap"))
    );
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 2);
    assert_eq!(server.finish(), Ok(()));
    for (name, keys) in [("monday", 2), ("tuesday", 3)] {
        let server = start(Some(&root.path().join(name)), options());
        let mut client = server.connect();
        assert_eq!(client.say("DBSIZE"), Value::Integer(keys), "{name}");
        let Value::Array(hits) = client.ask(&[b"VSEARCH", b"i", &packed(&[1.0, 2.0]), b"1"]) else {
            panic!()
        };
        assert_eq!(hits[0], bulk("e"));
        client.say("SET on 1");
        assert_eq!(server.finish(), Ok(()));
    }
    let server = start(Some(data.path()), options());
    let mut client = server.connect();
    assert_eq!(client.say("DBSIZE"), Value::Integer(3), "the log stayed");
    assert!(is_error(&client.say("VBACKUP wednesday"), "ERR there is nowhere for backups"));
}

#[test]
fn a_backup_takes_the_place_of_one_that_was_not_finished_and_follows_no_link() {
    let (data, root, away) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let backup_dir = Some(root.path().to_str().unwrap().to_owned());
    let server = start(Some(data.path()), Options { backup_dir, ..options() });
    let mut client = server.connect();
    client.say("SET a 1");
    // As a crash leaves it.
    let half = root.path().join("monday.tmp");
    std::fs::create_dir(&half).unwrap();
    std::fs::write(half.join("backup.begun"), "").unwrap();
    std::fs::write(half.join("snapshot-00000000000000000009.tmp"), "half").unwrap();
    let (text, code) = engram(&["check", half.to_str().unwrap()]);
    assert!(code == 1 && text.contains("a backup into this directory has not ended"), "{text}");
    assert_eq!(client.say("VBACKUP monday"), ok());
    assert!(!half.exists());
    for (name, link) in [("tuesday", "tuesday"), ("wednesday", "wednesday.tmp")] {
        std::os::unix::fs::symlink(away.path(), root.path().join(link)).unwrap();
        let refusal = client.say(&format!("VBACKUP {name}"));
        assert!(is_error(&refusal, &format!("ERR the backup {name} failed: ")), "{refusal:?}");
        assert_eq!(
            std::fs::read_dir(away.path()).unwrap().count(),
            0,
            "nothing was made where the link leads"
        );
    }
    // What somebody else has put there stays.
    let theirs = root.path().join("thursday.tmp");
    std::fs::create_dir(&theirs).unwrap();
    std::fs::write(theirs.join("letters"), "dear").unwrap();
    assert!(is_error(
        &client.say("VBACKUP thursday"),
        "ERR the backup thursday failed: thursday.tmp is not empty"
    ));
    assert_eq!(std::fs::read(theirs.join("letters")).unwrap(), b"dear");
    std::fs::remove_file(theirs.join("letters")).unwrap();
    assert_eq!(client.say("VBACKUP thursday"), ok());
    assert_eq!(server.finish(), Ok(()));
    for name in ["monday", "thursday"] {
        let server = start(Some(&root.path().join(name)), options());
        assert_eq!(server.connect().say("DBSIZE"), Value::Integer(1), "{name}");
    }
}
