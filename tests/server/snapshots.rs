//! A snapshot is one moment, whatever happens beside it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use engram::engine::SnapshotPlan;
use engram::resp::client::Value;
use engram::server::Options;

use super::common::{Client, Running, bulk, ok, options, packed, start};

fn vector(n: u64) -> Vec<u8> {
    packed(&[n as f32, 1.0])
}

/// One round of writes whose parts must never be seen apart. Returns what it made of the keys.
fn write_round(client: &mut Client, n: u64, model: &mut BTreeMap<String, String>) {
    let (key, value) = (format!("k{}", n * 7 % 400), n.to_string());
    client.say("MULTI");
    client.say(&format!("SET {key} {value}"));
    client.say(&format!("SET twin-{key} {value}"));
    client.say(&format!("APPEND log-{} {n};", n % 5));
    client.say(&format!("DEL gone-{}", n % 50));
    client.say(&format!("SET new-{n} {value}"));
    client.say(&format!("RENAME new-{n} gone-{}", n % 50));
    client.ask(&[b"VADD", b"i", key.as_bytes(), &vector(n)]);
    let Value::Array(parts) = client.say("EXEC") else { panic!("an array") };
    assert!(!parts.iter().any(|part| matches!(part, Value::Error(_))), "{parts:?}");
    model.entry(format!("log-{}", n % 5)).or_default().push_str(&format!("{n};"));
    model.insert(format!("gone-{}", n % 50), value.clone());
    model.insert(format!("twin-{key}"), value.clone());
    model.insert(key, value);
}

fn check(client: &mut Client, model: &BTreeMap<String, String>) {
    for (key, value) in model {
        assert_eq!(client.say(&format!("GET {key}")), bulk(value), "{key}");
        if key.starts_with('k') {
            let n = value.parse().unwrap();
            let Value::Array(hit) = client.ask(&[b"VSEARCH", b"i", &vector(n), b"1"]) else { panic!() };
            assert_eq!(hit, [bulk(key), bulk("0")]);
        }
    }
}

#[test]
fn writes_beside_snapshots_are_all_there_after_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let (mut model, mut n) = (BTreeMap::new(), 0);
    for round in 0..3 {
        let server = start(Some(dir.path()), options());
        let mut client = server.connect();
        if round == 0 {
            assert_eq!(client.say("VNEW i 2 METRIC l2"), ok());
            let mut bytes = Vec::new();
            for n in 0..20_000 {
                let key = format!("filler-{n}");
                engram::resp::client::write_command(&mut bytes, &[&b"SET"[..], key.as_bytes(), &[b'x'; 300]]);
            }
            client.send_raw(&bytes);
            (0..20_000).for_each(|_| assert_eq!(client.receive(), ok()));
        }
        check(&mut client, &model);
        let (stop, mut saver) = (AtomicBool::new(false), server.connect());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (0..3).for_each(|_| assert_eq!(saver.say("VSAVE"), ok()));
                stop.store(true, Ordering::SeqCst);
            });
            while !stop.load(Ordering::SeqCst) {
                n += 1;
                write_round(&mut client, n, &mut model);
            }
        });
        assert_eq!(client.say("DBSIZE"), Value::Integer(20_000 + 1 + model.len() as i64));
        assert_eq!(server.finish(), Ok(()));
    }
    let server = start(Some(dir.path()), options());
    check(&mut server.connect(), &model);
}

#[test]
fn a_flush_beside_a_snapshot_takes_nothing_from_it_and_everything_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    {
        let server = start(Some(dir.path()), options());
        let (mut client, mut saver) = (server.connect(), server.connect());
        for round in 0..5 {
            client.say("VNEW i 2");
            for n in 0..2_000_u64 {
                client.send(&[b"SET", format!("k{n}").as_bytes(), &[b'x'; 1_000]]);
                client.send(&[b"VADD", b"i", format!("e{n}").as_bytes(), &vector(n)]);
            }
            (0..4_000).for_each(|_| drop(client.receive()));
            saver.send(&[b"VSAVE"]);
            saver.send(&[b"VSAVE"]);
            client.say(&format!("SET before-{round} 1"));
            assert_eq!(client.say("FLUSHALL"), ok());
            assert_eq!(client.say(&format!("SET after-{round} 1")), ok());
            assert_eq!([saver.receive(), saver.receive()], [ok(), ok()]);
            assert_eq!(client.say("DBSIZE"), Value::Integer(1));
        }
        assert_eq!(server.finish(), Ok(()));
    }
    let server = start(Some(dir.path()), options());
    let mut client = server.connect();
    assert_eq!(client.say("KEYS *"), Value::Array(vec![bulk("after-4")]));
}

/// A client that has put a mebibyte there.
fn full(server: &Running) -> Client {
    let mut client = server.connect();
    for n in 0..64_u64 {
        client.send(&[b"SET", format!("k{n}").as_bytes(), &[b'x'; 16 << 10]]);
    }
    (0..64).for_each(|_| drop(client.receive()));
    client
}

/// Waits until a snapshot or backup is being written.
fn wait_for_saving(client: &mut Client) {
    let saving =
        |info: Value| matches!(&info, Value::Bulk(text) if contains(text, b"rdb_bgsave_in_progress:1"));
    while !saving(client.say("INFO persistence")) {
        std::thread::yield_now();
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn error(text: &str) -> Value {
    Value::Error(text.as_bytes().to_vec())
}

/// Far below the time that clients have for taking their answers, and far above what giving up takes.
const SOON: Duration = Duration::from_secs(3);

#[test]
fn whoever_waits_for_a_snapshot_or_backup_when_the_server_finishes_is_told_at_once() {
    for order in ["a signal", "SHUTDOWN"] {
        let (data, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let backup_dir = Some(root.path().to_str().unwrap().to_owned());
        let snapshots = SnapshotPlan { rate: 16 << 10, ..SnapshotPlan::default() };
        let mut server = start(Some(data.path()), Options { backup_dir, snapshots, ..options() });
        let mut client = full(&server);
        let (mut saver, mut backer) = (server.connect(), server.connect());
        saver.send(&[b"VSAVE"]);
        wait_for_saving(&mut client);
        backer.send(&[b"VBACKUP", b"monday"]);
        // It is asked for before the server finishes.
        std::thread::sleep(Duration::from_millis(200));
        let asked = Instant::now();
        match order {
            "SHUTDOWN" => client.send(&[b"SHUTDOWN"]),
            _ => server.ask_to_finish(),
        }
        assert_eq!(saver.receive(), error("ERR the snapshot failed: the server is shutting down"), "{order}");
        let given_up = error("ERR the backup monday failed: the server is shutting down");
        assert_eq!(backer.receive(), given_up, "{order}");
        drop((saver, backer, client));
        assert_eq!(server.wait(), Ok(()));
        assert!(asked.elapsed() < SOON, "{order} took {:?}", asked.elapsed());
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0, "no backup had begun");
        let server = start(Some(data.path()), options());
        assert_eq!(server.connect().say("DBSIZE"), Value::Integer(64));
    }
}

#[test]
fn the_snapshot_that_shutdown_asks_for_is_made_whatever_else_is_given_up() {
    let (data, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let backup_dir = Some(root.path().to_str().unwrap().to_owned());
    let snapshots = SnapshotPlan { rate: 512 << 10, ..SnapshotPlan::default() };
    let mut server = start(Some(data.path()), Options { backup_dir, snapshots, ..options() });
    let mut client = full(&server);
    let (mut early, mut late, mut last) = (server.connect(), server.connect(), server.connect());
    early.send(&[b"VBACKUP", b"early"]);
    wait_for_saving(&mut client);
    last.send(&[b"SHUTDOWN", b"SAVE"]);
    // Both are asked for before the signal comes.
    std::thread::sleep(Duration::from_millis(100));
    late.send(&[b"VBACKUP", b"late"]);
    std::thread::sleep(Duration::from_millis(100));
    server.ask_to_finish();
    assert_eq!(late.receive(), error("ERR the backup late failed: the server is shutting down"));
    assert_eq!(early.receive(), error("ERR the backup early failed: the server is shutting down"));
    assert_eq!(server.wait(), Ok(()));
    let names = std::fs::read_dir(data.path()).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(names.filter(|path| path.extension().is_some_and(|end| end == "snap")).count(), 1);
}

/// A server whose snapshots come slowly, a client of it, and one that has asked for the end behind a snapshot.
fn ending_slowly(dir: &std::path::Path, rate: u64) -> (Running, Client, Client) {
    let snapshots = SnapshotPlan { rate, ..SnapshotPlan::default() };
    let server = start(Some(dir), Options { snapshots, ..options() });
    let (mut client, mut first) = (full(&server), server.connect());
    first.send(&[b"SHUTDOWN", b"SAVE"]);
    wait_for_saving(&mut client);
    (server, client, first)
}

#[test]
fn a_signal_does_not_end_the_server_before_the_snapshot_that_shutdown_has_asked_for_however_slow_it_is() {
    let data = tempfile::tempdir().unwrap();
    let (mut server, _client, first) = ending_slowly(data.path(), 140 << 10);
    let asked = Instant::now();
    server.ask_to_finish();
    assert_eq!(server.wait(), Ok(()));
    assert!(asked.elapsed() > Duration::from_secs(5), "longer than clients have for their answers");
    let names = std::fs::read_dir(data.path()).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(names.filter(|path| path.extension().is_some_and(|end| end == "snap")).count(), 1);
    drop(first);
}

#[test]
fn whoever_asks_first_for_a_snapshot_and_the_end_gets_them_whatever_comes_of_another_s() {
    let data = tempfile::tempdir().unwrap();
    let (mut server, mut client, _first) = ending_slowly(data.path(), 1 << 20);
    assert_eq!(client.say("SET one more"), ok());
    // What stands where the second's snapshot is to be written.
    std::fs::create_dir(data.path().join(format!("snapshot-{:020}.tmp", 65))).unwrap();
    let mut second = server.connect();
    second.send(&[b"SHUTDOWN", b"SAVE"]);
    let Value::Error(why) = second.receive() else { panic!("it cannot be made") };
    assert!(contains(&why, b"the snapshot failed"), "{}", why.escape_ascii());
    let end = Instant::now() + SOON;
    while std::net::TcpStream::connect(&server.address).is_ok() {
        assert!(Instant::now() < end, "the server goes on");
        std::thread::sleep(Duration::from_millis(10));
    }
    drop((client, second));
    assert_eq!(server.wait(), Ok(()));
}
