//! What was acknowledged or shown is there after a restart, and what the disk refused is neither.

use std::path::Path;
use std::time::{Duration, Instant};

use engram::resp::client::{Value, write_command};
use engram::wal::Tier;

use super::common::{Client, bulk, is_error, ok, options, packed, start, start_on};
use super::faulty::{Dial, Sync};

/// A time in which a server that should not answer would have.
const SILENCE: Duration = Duration::from_millis(150);

fn info(client: &mut Client, field: &str) -> u64 {
    let Value::Bulk(text) = client.say("INFO engram") else { panic!("a text") };
    let text = String::from_utf8(text).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
    value.unwrap().parse().unwrap()
}

fn vector(n: usize) -> Vec<u8> {
    packed(&[n as f32, 1.0, 2.0, -1.0])
}

/// Writes something of every kind.
fn fill(client: &mut Client) {
    let mut bytes = Vec::new();
    let lines = [
        "SET s v",
        "APPEND s w",
        "SETRANGE s 4 x",
        "MSET a 1 b 2",
        "INCRBY a 41",
        "SET gone 1",
        "DEL gone",
        "SET brief 1 PX 1",
        "SET later 1 EX 1000",
        "SET from 1",
        "RENAME from to",
        "COPY a copy",
        "PERSIST later",
        "VNEW i 4 METRIC l2",
        "VNEW old 4 METRIC cosine M 8",
        "VNEW dropped 4",
    ];
    lines.iter().for_each(|line| write_command(&mut bytes, &line.split(' ').collect::<Vec<_>>()));
    for n in 0..300 {
        write_command(&mut bytes, &[&b"VADD"[..], b"i", format!("e{}", n % 200).as_bytes(), &vector(n)]);
        write_command(&mut bytes, &[&b"VADD"[..], b"old", format!("e{n}").as_bytes(), &vector(n)]);
    }
    write_command(&mut bytes, &["VDEL", "i", "e150"]);
    write_command(&mut bytes, &["RENAME", "old", "new"]);
    write_command(&mut bytes, &["DEL", "dropped"]);
    client.send_raw(&bytes);
    for _ in 0..lines.len() + 603 {
        let reply = client.receive();
        assert!(!matches!(reply, Value::Error(_)), "{reply:?}");
    }
}

/// Checks what [`fill`] wrote.
fn check(client: &mut Client) {
    let strings = [
        ("GET s", bulk("vw\0\0x")),
        ("MGET a b copy", Value::Array(vec![bulk("42"), bulk("2"), bulk("42")])),
        ("EXISTS gone brief from dropped old", Value::Integer(0)),
        ("TTL later", Value::Integer(-1)),
        ("GET to", bulk("1")),
        ("TYPE new", Value::Simple(b"vectorset".to_vec())),
    ];
    for (line, reply) in strings {
        assert_eq!(client.say(line), reply, "{line}");
    }
    assert_eq!(client.say("DBSIZE"), Value::Integer(8));
    for n in 100..300 {
        let found = client.ask(&[b"VSEARCH", b"i", &vector(n), b"1"]);
        let Value::Array(hit) = found else { panic!("{found:?}") };
        assert_eq!(hit[0] == bulk(&format!("e{}", n % 200)) && hit[1] == bulk("0"), n != 150, "vector {n}");
    }
    let Value::Array(hits) = client.ask(&[b"VSEARCH", b"new", &vector(7), b"1000", b"EXACT"]) else {
        panic!()
    };
    assert_eq!(hits.len(), 600);
    let Value::Array(facts) = client.say("VINFO i") else { panic!("an array") };
    let unlinked = facts.iter().position(|fact| *fact == Value::Simple(b"unlinked".to_vec())).unwrap();
    assert_eq!(facts[unlinked + 1], Value::Integer(0), "a start links every row, dead ones too");
}

#[test]
fn a_restart_brings_back_every_kind_from_log_and_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..4 {
        let server = start(Some(dir.path()), options());
        let mut client = server.connect();
        match round {
            0 => fill(&mut client),
            1 => check(&mut client),
            2 => {
                check(&mut client);
                assert_eq!(client.say("VSAVE"), ok());
                check(&mut client);
            }
            _ => check(&mut client),
        }
        assert_eq!(server.finish(), Ok(()));
    }
}

#[test]
fn a_transaction_is_one_record() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(Some(dir.path()), options());
    let mut client = server.connect();
    client.say("VNEW i 4");
    let before = info(&mut client, "log_appended_lsn");
    client.say("MULTI");
    client.say("SET a 1");
    client.ask(&[b"VADD", b"i", b"e", &vector(1)]);
    client.ask(&[b"VSEARCH", b"i", &vector(1), b"1"]);
    client.say("DEL a");
    let Value::Array(parts) = client.say("EXEC") else { panic!("an array") };
    assert_eq!(parts.len(), 4);
    assert_eq!(info(&mut client, "log_appended_lsn"), before + 1);
}

#[test]
fn nothing_is_told_of_a_write_before_it_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let dial = Dial::new();
    let server = start_on(Some(dir.path()), options(), |storage| dial.wrap(storage));
    let mut writer = server.connect();
    for line in ["SET old 1", "SET string 1", "VNEW i 4", "SET watched 1"] {
        assert_eq!(writer.say(line), ok());
    }
    let mut transaction = server.connect();
    ["WATCH watched", "MULTI", "GET old"].iter().for_each(|line| drop(transaction.say(line)));
    dial.turn(Sync::Held);
    let mut writes = Vec::new();
    for line in
        ["SET k v", "SET string 2", "DEL old2", "SET watched 2", "VNEW fresh 4", "RENAME i j", "SETNX k2 v"]
    {
        write_command(&mut writes, &line.split(' ').collect::<Vec<_>>());
    }
    writer.send_raw(&writes);
    let asked = [
        ("GET k", bulk("v")),
        ("EXISTS k", Value::Integer(1)),
        ("SETNX k w", Value::Integer(0)),
        ("TYPE fresh", Value::Simple(b"vectorset".to_vec())),
        ("OBJECT ENCODING string", bulk("int")),
        ("COPY old k", Value::Integer(0)),
        ("DBSIZE", Value::Integer(7)),
        ("TTL k", Value::Integer(-1)),
        ("SET k w NX", Value::Null),
        ("MSETNX x 1 k 2", Value::Integer(0)),
        ("EXISTS i", Value::Integer(0)),
        ("RENAMENX old k2", Value::Integer(0)),
    ];
    let errors = ["GET fresh", "INCRBY k 1", "VNEW k 4", "VDEL string e", "GETRANGE j 0 1"];
    let ask = |line: &str| {
        let mut client = server.connect();
        client.send(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>());
        client
    };
    // The writes have been executed once somebody has seen that they are not shown.
    while server.connect().say("INFO engram") == Value::Null || info(&mut server.connect(), "log_lag") < 6 {}
    let mut asking: Vec<Client> = asked.iter().map(|(line, _)| ask(line)).collect();
    let mut failing: Vec<Client> = errors.iter().map(|line| ask(line)).collect();
    let mut searching = server.connect();
    searching.send(&[b"VSEARCH", b"j", &vector(1), b"1"]);
    transaction.send(&[b"EXEC"]);
    assert!(writer.hears_nothing_for(SILENCE));
    let silent = asking.iter_mut().chain(&mut failing).chain([&mut searching, &mut transaction]);
    for (n, client) in silent.enumerate() {
        assert!(client.hears_nothing_for(Duration::from_millis(5)), "question {n} was answered");
    }
    let mut calm = server.connect();
    assert_eq!(calm.say("GET old"), bulk("1"), "what is durable is told at once");
    dial.turn(Sync::Well);
    for (client, (line, reply)) in asking.iter_mut().zip(asked) {
        assert_eq!(client.receive(), reply, "{line}");
    }
    failing.iter_mut().zip(errors).for_each(|(client, line)| {
        assert!(matches!(client.receive(), Value::Error(_)), "{line}");
    });
    assert_eq!(searching.receive(), Value::Array(Vec::new()));
    assert_eq!(transaction.receive(), Value::NullArray);
}

#[test]
fn a_log_that_failed_refuses_writes_and_what_they_touched_and_a_restart_has_what_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let dial = Dial::new();
    {
        let server = start_on(Some(dir.path()), options(), |storage| dial.wrap(storage));
        let (mut client, mut waiting) = (server.connect(), server.connect());
        client.say("VNEW i 4");
        client.say("VNEW quiet 4");
        client.ask(&[b"VADD", b"quiet", b"e", &vector(1)]);
        for n in 0..50 {
            assert_eq!(client.say(&format!("SET k{n} {n}")), ok());
        }
        client.say("SET brief 1 PX 1500");
        dial.turn(Sync::Held);
        waiting.send(&[b"SET", b"lost", b"1"]);
        waiting.send(&[b"VADD", b"i", b"lost", &vector(2)]);
        waiting.send(&[b"GET", b"k1"]);
        while info(&mut client, "log_lag") < 2 {}
        dial.turn(Sync::Broken);
        assert!(is_error(&waiting.receive(), "MISCONF "));
        assert!(is_error(&waiting.receive(), "MISCONF "));
        assert_eq!(waiting.receive(), bulk("1"), "reads go on");
        for line in [
            "SET k1 2",
            "DEL k1",
            "EXPIRE k1 1",
            "FLUSHALL",
            "VNEW n 4",
            "VSAVE",
            "CONFIG SET fsync no",
            "GET lost",
            "DBSIZE",
        ] {
            assert!(is_error(&client.say(line), "MISCONF "), "{line}");
        }
        assert!(is_error(&client.ask(&[b"VSEARCH", b"i", &vector(1), b"1"]), "MISCONF "));
        let found = client.ask(&[b"VSEARCH", b"quiet", &vector(1), b"1"]);
        assert!(matches!(found, Value::Array(hit) if hit[0] == bulk("e")));
        client.say("MULTI");
        client.say("GET k2");
        assert_eq!(client.say("EXEC"), Value::Array(vec![bulk("2")]));
        std::thread::sleep(Duration::from_millis(1_600));
        assert_eq!(client.say("GET brief"), Value::Null, "a key's time comes all the same");
        assert!(server.finish().is_err(), "a server whose log has failed does not end well");
    }
    let server = start(Some(dir.path()), options());
    let mut client = server.connect();
    for n in 0..50 {
        assert_eq!(client.say(&format!("GET k{n}")), bulk(&n.to_string()));
    }
    assert_eq!(client.say("GET lost"), Value::Null, "the log takes back what it could not sync");
    assert_eq!(client.say("SET k1 2"), ok());
}

#[test]
fn what_was_accepted_before_the_end_is_answered_and_durable() {
    let dir = tempfile::tempdir().unwrap();
    let dial = Dial::new();
    let mut server = start_on(Some(dir.path()), options(), |storage| dial.wrap(storage));
    let mut client = server.connect();
    client.say("VNEW i 4");
    dial.turn(Sync::Held);
    for n in 0..100 {
        client.send(&[b"SET", format!("k{n}").as_bytes(), b"v"]);
    }
    client.send(&[b"VADD", b"i", b"e", &vector(1)]);
    while info(&mut server.connect(), "log_lag") < 101 {}
    server.ask_to_finish();
    assert!(client.hears_nothing_for(SILENCE));
    dial.turn(Sync::Well);
    for n in 0..100 {
        assert_eq!(client.receive(), ok(), "reply {n}");
    }
    assert_eq!(client.receive(), Value::Integer(1));
    assert_eq!(client.try_receive(), None);
    assert_eq!(server.wait(), Ok(()));
    let mut client = start(Some(dir.path()), options()).connect();
    assert_eq!(client.try_receive(), None, "that server is gone again");
    assert_eq!(keys(dir.path()), 101);
}

fn keys(dir: &Path) -> i64 {
    let server = start(Some(dir), options());
    let Value::Integer(keys) = server.connect().say("DBSIZE") else { panic!("a number") };
    keys
}

#[test]
fn a_weaker_promise_is_kept_at_once_and_a_stronger_one_when_the_disk_allows() {
    let dir = tempfile::tempdir().unwrap();
    let dial = Dial::new();
    let weak = engram::server::Options { fsync: Tier::No, ..options() };
    let server = start_on(Some(dir.path()), weak, |storage| dial.wrap(storage));
    let mut client = server.connect();
    assert_eq!(client.say("SET a 1"), ok());
    dial.turn(Sync::Held);
    assert_eq!(client.say("SET b 1"), ok());
    client.send(&[b"CONFIG", b"SET", b"appendfsync", b"always"]);
    assert_eq!(client.receive(), ok());
    client.send(&[b"DBSIZE"]);
    assert!(client.hears_nothing_for(SILENCE));
    let mut other = server.connect();
    other.send(&[b"GET", b"b"]);
    assert!(other.hears_nothing_for(SILENCE), "what was said before the change is not durable either");
    dial.turn(Sync::Well);
    let start = Instant::now();
    assert_eq!(client.receive(), Value::Integer(2));
    assert_eq!(other.receive(), bulk("1"));
    assert!(start.elapsed() < Duration::from_secs(5));
}
