//! Memory and time are bounded whatever a client does or leaves undone.

use std::time::{Duration, Instant};

use engram::resp::client::{Value, write_command};
use engram::server::Options;

use super::common::{Client, bulk, is_error, ok, options, start};

/// The number behind `field=` in the line of client `id`.
fn client_field(asker: &mut Client, id: i64, field: &str) -> u64 {
    let Value::Bulk(text) = asker.say("CLIENT LIST") else { panic!("a text") };
    let text = String::from_utf8(text).unwrap();
    let line = text.lines().find(|line| line.starts_with(&format!("id={id} "))).unwrap().to_owned();
    let word = line.split(' ').find_map(|word| word.strip_prefix(&format!("{field}=")));
    word.unwrap().parse().unwrap()
}

#[test]
fn a_client_that_sends_faster_than_it_is_served_waits_in_its_socket() {
    let server = start(None, options());
    let (mut asker, mut client) = (server.connect(), server.connect());
    let Value::Integer(id) = client.say("CLIENT ID") else { panic!("a number") };
    client.send(&[b"CLIENT", b"REPLY", b"OFF"]);
    let mut bytes = Vec::new();
    (0..400_000).for_each(|_| write_command(&mut bytes, &["PING"]));
    write_command(&mut bytes, &["CLIENT", "REPLY", "ON"]);
    let sender = std::thread::spawn(move || {
        client.send_raw(&bytes);
        client
    });
    while !sender.is_finished() {
        let held = client_field(&mut asker, id, "qbuf");
        assert!(held < 1 << 20, "{held} bytes of input are held");
    }
    assert_eq!(sender.join().unwrap().receive(), ok());
}

#[test]
fn a_client_that_does_not_read_stalls_nobody_and_loses_nothing() {
    let server = start(None, options());
    let (mut slow, mut other) = (server.connect(), server.connect());
    let value = "y".repeat(300_000);
    slow.ask(&[b"SET", b"k", value.as_bytes()]);
    let mut bytes = Vec::new();
    (0..300).for_each(|_| write_command(&mut bytes, &["GET", "k"]));
    slow.send_raw(&bytes);
    let start = Instant::now();
    let mut longest = Duration::ZERO;
    while start.elapsed() < Duration::from_millis(300) {
        let before = Instant::now();
        other.say("PING");
        longest = longest.max(before.elapsed());
    }
    assert!(longest < Duration::from_secs(2), "a PING took {longest:?}");
    for _ in 0..300 {
        assert_eq!(slow.receive(), bulk(&value));
    }
}

#[test]
fn a_client_whose_unread_replies_pass_the_limit_is_closed() {
    let server = start(None, Options { client_output_buffer_limit: 1 << 20, ..options() });
    let (mut client, mut other) = (server.connect(), server.connect());
    let value = vec![b'z'; 40 << 20];
    assert_eq!(client.ask(&[b"SET", b"k", &value]), ok());
    client.send(&[b"GET", b"k"]);
    assert_eq!(client.try_receive(), None);
    assert_eq!(other.say("STRLEN k"), Value::Integer(40 << 20));
}

#[test]
fn writes_that_need_memory_are_refused_above_maxmemory() {
    let server = start(None, Options { maxmemory: 4 << 20, ..options() });
    let mut client = server.connect();
    let value = vec![b'x'; 1 << 20];
    let mut refused = false;
    for n in 0..8 {
        let reply = client.ask(&[b"SET", format!("k{n}").as_bytes(), &value]);
        refused |= is_error(&reply, "OOM ");
        assert!(refused || reply == ok());
    }
    assert!(refused);
    assert_eq!(client.say("STRLEN k0"), Value::Integer(1 << 20));
    client.say("DEL k0 k1 k2 k3 k4");
    assert_eq!(client.say("SET k v"), ok());
}

#[test]
fn what_a_snapshot_keeps_counts_for_maxmemory_and_removing_goes_on() {
    const KEYS: usize = 24;
    let dir = tempfile::tempdir().unwrap();
    let server = start(Some(dir.path()), Options { maxmemory: 40 << 20, ..options() });
    let mut client = server.connect();
    let key = |n: usize| format!("k{n}").into_bytes();
    (0..KEYS).for_each(|n| assert_eq!(client.ask(&[b"SET", &key(n), &vec![b'x'; 1_000_000]]), ok()));
    assert_eq!(client.say("CONFIG SET snapshot-rate 1"), ok());
    assert_eq!(client.say("BGSAVE"), Value::Simple(b"Background saving started".to_vec()));
    let replies: Vec<_> = (0..KEYS).map(|n| client.ask(&[b"SET", &key(n), &vec![b'y'; 1_000_000]])).collect();
    let refused = replies.iter().filter(|reply| is_error(reply, "OOM ")).count();
    assert!((1..KEYS).contains(&refused), "{refused} of {KEYS} are refused");
    let Value::Bulk(info) = client.say("INFO memory") else { panic!("a text") };
    let info = String::from_utf8(info).unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("mem_snapshot:")).unwrap();
    let kept: usize = line.parse().unwrap();
    assert!((12_000_000..25_000_000).contains(&kept), "{kept} bytes are kept for the snapshot");
    for n in 0..KEYS {
        assert_eq!(client.ask(&[b"DEL", &key(n)]), Value::Integer(1));
    }
    assert_eq!(client.say("SET k v"), ok(), "there is room where keys were removed");
    assert_eq!(server.finish(), Ok(()));
}

#[test]
fn a_command_longer_than_the_query_buffer_may_be_ends_its_client_only() {
    let server = start(None, Options { client_query_buffer_limit: 1 << 20, ..options() });
    let (mut client, mut other) = (server.connect(), server.connect());
    client.send_raw(b"*2\r\n$3\r\nGET\r\n$100000000\r\n");
    let piece = vec![0; 1 << 20];
    while client.try_send_raw(&piece) {}
    assert_eq!(other.say("PING"), Value::Simple(b"PONG".to_vec()));
}

#[test]
fn a_web_page_cannot_smuggle_commands_in_the_body_of_a_request() {
    let server = start(None, options());
    let (mut page, mut asker) = (server.connect(), server.connect());
    page.send_raw(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET smuggled 1\r\n");
    assert_eq!(page.try_receive(), None, "the connection ends at the first line");
    assert_eq!(asker.say("EXISTS smuggled"), Value::Integer(0));
}

#[test]
fn a_transaction_that_was_queued_with_room_is_refused_without() {
    let server = start(None, options());
    let (mut client, mut other) = (server.connect(), server.connect());
    client.say("MULTI");
    client.say("SET k v");
    assert_eq!(other.say("CONFIG SET maxmemory 1"), ok());
    assert!(is_error(&client.say("EXEC"), "OOM"));
    assert_eq!(client.say("GET k"), Value::Null);
}

/// An index `i` whose exact searches for everything take a while; and one of them.
fn slow_searches(client: &mut Client) -> Vec<Vec<u8>> {
    let vector = |n: u32| -> Vec<u8> { (0..64).flat_map(|i| ((n * 7 + i) as f32).to_le_bytes()).collect() };
    client.say("VNEW i 64 METRIC l2 M 4 EF_CONSTRUCTION 8");
    for n in 0..3_000 {
        client.ask(&[b"VADD", b"i", &n.to_string().into_bytes(), &vector(n)]);
    }
    ["VSEARCH", "i", "", "3000", "WITHVECTORS", "EXACT"]
        .map(|word| if word.is_empty() { vector(1) } else { word.as_bytes().to_vec() })
        .to_vec()
}

fn jobs_in_flight(client: &mut Client) -> u32 {
    let Value::Bulk(info) = client.say("INFO") else { panic!("a text") };
    let info = String::from_utf8(info).unwrap();
    info.lines().find_map(|line| line.strip_prefix("jobs_in_flight:")).unwrap().parse().unwrap()
}

#[test]
fn a_transaction_of_many_searches_lets_others_in_between() {
    let server = start(None, Options { workers: 1, ..options() });
    let (mut client, mut other) = (server.connect(), server.connect());
    let search = slow_searches(&mut client);
    let mut bytes = Vec::new();
    write_command(&mut bytes, &["MULTI"]);
    (0..1_500).for_each(|_| write_command(&mut bytes, &search));
    client.send_raw(&bytes);
    (0..1_501).for_each(|_| drop(client.receive()));
    client.send(&[b"EXEC"]);
    assert_eq!(other.ask(&[b"VADD", b"i", b"other", &search[2]]), Value::Integer(1));
    assert!(client.hears_nothing_for(Duration::from_millis(1)), "the transaction is not done by then");
}

#[test]
fn searches_whose_client_has_gone_are_not_begun() {
    const SEARCHES: u32 = 200;
    let server = start(None, Options { workers: 1, ..options() });
    let (mut other, mut client) = (server.connect(), server.connect());
    let search = slow_searches(&mut other);
    let mut bytes = Vec::new();
    write_command(&mut bytes, &search);
    let start = Instant::now();
    other.send_raw(&bytes);
    drop(other.receive());
    let each = start.elapsed();
    (1..SEARCHES).for_each(|_| write_command(&mut bytes, &search));
    let start = Instant::now();
    client.send_raw(&bytes);
    while jobs_in_flight(&mut other) < SEARCHES / 2 {}
    drop(client);
    while jobs_in_flight(&mut other) > 0 {}
    assert!(start.elapsed() < each * SEARCHES / 2, "{:?}, and a search takes {each:?}", start.elapsed());
}

#[test]
fn a_search_and_a_vector_wait_for_nobody_s_pipeline_of_searches() {
    let server = start(None, Options { workers: 1, ..options() });
    let (mut other, mut client) = (server.connect(), server.connect());
    let search = slow_searches(&mut other);
    let mut bytes = Vec::new();
    (0..200).for_each(|_| write_command(&mut bytes, &search));
    client.send_raw(&bytes);
    while jobs_in_flight(&mut other) < 150 {}
    drop(other.ask(&search.iter().map(Vec::as_slice).collect::<Vec<_>>()));
    let left = jobs_in_flight(&mut other);
    assert!(left > 100, "a search was done when {left} others were left");
    assert_eq!(other.ask(&[b"VADD", b"i", b"other", &search[2]]), Value::Integer(1));
    let left = jobs_in_flight(&mut other);
    assert!(left > 100, "a row was linked when {left} searches were left");
}

#[test]
fn a_search_waits_for_nobody_s_pipeline_of_vectors() {
    let server = start(None, Options { workers: 1, ..options() });
    let (mut other, mut client) = (server.connect(), server.connect());
    let search = slow_searches(&mut other);
    other.say("VNEW slow 64 METRIC l2 M 16 EF_CONSTRUCTION 1000");
    let vector =
        |n: u32| -> Vec<u8> { (0..64).flat_map(|i| ((n * 97 + i * n % 31) as f32).to_le_bytes()).collect() };
    let mut bytes = Vec::new();
    (0..1_200_u32).for_each(|n| {
        write_command(&mut bytes, &[&b"VADD"[..], b"slow", &n.to_string().into_bytes(), &vector(n)]);
    });
    client.send_raw(&bytes);
    (0..900).for_each(|_| drop(client.receive()));
    drop(other.ask(&search.iter().map(Vec::as_slice).collect::<Vec<_>>()));
    let left = jobs_in_flight(&mut other);
    assert!(left > 20, "a search was done when {left} links were left");
}
