//! Pipelines, transactions, and how clients come and go.

use std::time::{Duration, Instant};

use engram::resp::client::{Value, write_command};
use engram::server::Options;

use super::common::{bulk, is_error, ok, options, packed, start};

/// An element's vector: close to those of its neighbours in number.
fn vector(n: usize) -> Vec<u8> {
    packed(&[n as f32, 1.0, (n % 7) as f32])
}

#[test]
fn replies_come_in_the_order_of_their_commands_while_searches_are_in_flight() {
    let server = start(None, options());
    let mut client = server.connect();
    assert_eq!(client.say("VNEW i 3 METRIC l2"), ok());
    let mut bytes = Vec::new();
    for n in 0..500 {
        let (name, number) = (format!("e{n}"), n.to_string());
        write_command(&mut bytes, &[&b"VADD"[..], b"i", name.as_bytes(), &vector(n)]);
        write_command(&mut bytes, &[&b"ECHO"[..], number.as_bytes()]);
        write_command(&mut bytes, &[&b"VSEARCH"[..], b"i", &vector(n), b"1"]);
        write_command(&mut bytes, &[&b"SET"[..], b"last", number.as_bytes()]);
        write_command(&mut bytes, &[&b"GET"[..], b"last"]);
    }
    client.send_raw(&bytes);
    for n in 0..500 {
        assert_eq!(client.receive(), Value::Integer(1));
        assert_eq!(client.receive(), bulk(&n.to_string()));
        let found = Value::Array(vec![bulk(&format!("e{n}")), bulk("0")]);
        assert_eq!(client.receive(), found, "a search sees what its own client has added before");
        assert_eq!(client.receive(), ok());
        assert_eq!(client.receive(), bulk(&n.to_string()));
    }
}

#[test]
fn a_transaction_answers_as_one_whatever_its_commands_wait_for() {
    let server = start(None, options());
    let mut client = server.connect();
    client.say("VNEW i 3 METRIC l2");
    client.say("MULTI");
    client.say("SET a 1");
    client.ask(&[b"VADD", b"i", b"e", &vector(1)]);
    client.ask(&[b"VSEARCH", b"i", &vector(1), b"5"]);
    client.say("INCR a");
    client.say("GET i");
    let Value::Array(parts) = client.say("EXEC") else { panic!("an array") };
    assert_eq!(parts[..2], [ok(), Value::Integer(1)]);
    assert_eq!(parts[2], Value::Array(vec![bulk("e"), bulk("0")]));
    assert_eq!(parts[3], Value::Integer(2));
    assert!(is_error(&parts[4], "WRONGTYPE"));
    assert_eq!(parts.len(), 5);
}

#[test]
fn a_half_closed_client_gets_all_of_its_replies() {
    let server = start(None, options());
    let mut client = server.connect();
    client.say("VNEW i 3 METRIC l2");
    client.send_raw(&b"PING\r\n".repeat(5_000));
    client.send(&[b"VADD", b"i", b"e", &vector(1)]);
    client.send(&[b"VSEARCH", b"i", &vector(1), b"1"]);
    client.end();
    for n in 0..5_000 {
        assert_eq!(client.receive(), Value::Simple(b"PONG".to_vec()), "reply {n}");
    }
    assert_eq!(client.receive(), Value::Integer(1));
    assert_eq!(client.receive(), Value::Array(vec![bulk("e"), bulk("0")]));
    assert_eq!(client.try_receive(), None);
}

#[test]
fn a_pipeline_goes_on_after_a_reply_that_was_too_large_to_go_on_with() {
    let server = start(None, options());
    let mut client = server.connect();
    let value = vec![b'x'; 1_200_000];
    assert_eq!(client.ask(&[b"SET", b"k", &value]), ok());
    let mut bytes = Vec::new();
    (0..20).for_each(|_| write_command(&mut bytes, &["GET", "k"]));
    client.send_raw(&bytes);
    for _ in 0..20 {
        assert_eq!(client.receive(), Value::Bulk(value.clone()));
    }
}

#[test]
fn a_client_can_silence_replies_and_itself() {
    let server = start(None, options());
    let (mut client, mut other) = (server.connect(), server.connect());
    client.say("VNEW i 3 METRIC l2");
    let mut bytes = Vec::new();
    for line in ["CLIENT REPLY SKIP", "SET a 1", "GET a", "CLIENT REPLY OFF", "SET a 2"] {
        write_command(&mut bytes, &line.split(' ').collect::<Vec<_>>());
    }
    write_command(&mut bytes, &[&b"VADD"[..], b"i", b"e", &vector(1)]);
    write_command(&mut bytes, &["CLIENT", "REPLY", "ON"]);
    write_command(&mut bytes, &["GET", "a"]);
    client.send_raw(&bytes);
    assert_eq!([client.receive(), client.receive(), client.receive()], [bulk("1"), ok(), bulk("2")]);
    let Value::Integer(id) = client.say("CLIENT ID") else { panic!("a number") };
    client.send(&[b"VSEARCH", b"i", &vector(1), b"1"]);
    client.send(&[b"CLIENT", b"KILL", b"ID", id.to_string().as_bytes(), b"SKIPME", b"no"]);
    client.send(&[b"SET", b"a", b"3"]);
    assert_eq!(client.receive(), Value::Array(vec![bulk("e"), bulk("0")]));
    assert_eq!(client.receive(), Value::Integer(1));
    assert_eq!(client.try_receive(), None);
    assert_eq!(other.say("GET a"), bulk("2"), "nothing behind its own end was run");
}

#[test]
fn a_watched_change_undoes_a_transaction() {
    let server = start(None, options());
    let (mut client, mut other) = (server.connect(), server.connect());
    for change in ["SET k 2", "DEL k", "EXPIRE k 100", "RENAME k l", "RENAME m k", "FLUSHALL", "VNEW n 3"] {
        other.say("FLUSHALL");
        other.say("SET k 1");
        other.say("SET m 1");
        assert_eq!(client.say("WATCH k n k"), ok());
        client.say("MULTI");
        client.say("SET done 1");
        other.say(change);
        assert_eq!(client.say("EXEC"), Value::NullArray, "{change}");
        client.say("MULTI");
        client.say("SET done 1");
        assert_eq!(client.say("EXEC"), Value::Array(vec![ok()]), "the watch of {change} is over");
    }
}

#[test]
fn a_hundred_thousand_watched_keys_keep_nobody_waiting() {
    let server = start(None, options());
    let mut client = server.connect();
    let keys: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
    let mut words: Vec<&[u8]> = vec![b"WATCH"];
    words.extend(keys.iter().map(|key| key.as_bytes()));
    let start = Instant::now();
    assert_eq!(client.ask(&words), ok());
    assert!(start.elapsed() < Duration::from_secs(3), "it took {:?}", start.elapsed());
    assert_eq!(client.say("UNWATCH"), ok());
}

#[test]
fn shutdown_ends_the_server_and_its_clients() {
    let mut server = start(None, options());
    let (mut client, mut other) = (server.connect(), server.connect());
    other.say("PING");
    client.say("SET k v");
    client.send(&[b"SHUTDOWN"]);
    assert_eq!(client.try_receive(), None);
    assert_eq!(other.try_receive(), None);
    assert_eq!(server.wait(), Ok(()));
}

#[test]
fn clients_beyond_the_most_are_told_and_closed() {
    let server = start(None, Options { maxclients: 2, ..options() });
    let (mut first, mut second) = (server.connect(), server.connect());
    first.say("PING");
    second.say("PING");
    let mut third = server.connect();
    assert!(is_error(&third.receive(), "ERR max number of clients reached"));
    assert_eq!(third.try_receive(), None);
    second.say("QUIT");
    assert_eq!(second.try_receive(), None);
    assert_eq!(server.connect().say("PING"), Value::Simple(b"PONG".to_vec()));
    assert_eq!(first.say("PING"), Value::Simple(b"PONG".to_vec()));
}

#[test]
fn silent_clients_are_closed_and_those_who_wait_for_the_server_are_not() {
    let server = start(None, Options { timeout: 1, ..options() });
    let (mut silent, mut paused, mut busy) = (server.connect(), server.connect(), server.connect());
    silent.say("PING");
    busy.say("CLIENT PAUSE 1800 WRITE");
    paused.send(&[b"SET", b"k", b"v"]);
    let start = Instant::now();
    assert_eq!(silent.try_receive(), None);
    let waited = start.elapsed();
    assert!(waited > Duration::from_millis(900), "closed after {waited:?}");
    assert_eq!(paused.receive(), ok());
}
