//! Vectors that are overwritten for ever.

use std::sync::atomic::{AtomicBool, Ordering};

use engram::resp::client::{Value, write_command};
use engram::server::Options;

use super::common::{Client, Running, bulk, is_error, ok, options, start};

fn vector(n: u32) -> Vec<u8> {
    (0..8).flat_map(|i| ((n.wrapping_mul(2_654_435_761) >> (i * 3)) as f32).to_le_bytes()).collect()
}

/// A number that VINFO tells of the index.
fn fact(client: &mut Client, name: &str) -> i64 {
    let Value::Array(facts) = client.say("VINFO i") else { panic!("an array") };
    let at = facts.iter().position(|fact| *fact == Value::Simple(name.as_bytes().to_vec())).unwrap();
    let Value::Integer(number) = facts[at + 1] else { panic!("a number") };
    number
}

#[test]
fn a_churned_index_stays_small_and_finds_every_vector() {
    let dir = tempfile::tempdir().unwrap();
    let churn = Options { sweep_from: 8, sweep_slice: 500, ..options() };
    let server = start(Some(dir.path()), Options { workers: 4, ..churn });
    let mut writer = server.connect();
    writer.say("VNEW i 8 METRIC l2 M 4 EF_CONSTRUCTION 20");
    let keys = 200;
    for n in 0..keys {
        assert_eq!(writer.ask(&[b"VADD", b"i", &n.to_string().into_bytes(), &vector(n)]), Value::Integer(1));
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut client = server.connect();
                while !done.load(Ordering::Acquire) {
                    let query = [&b"VSEARCH"[..], b"i", &vector(1), b"1000", b"EF", b"10000"];
                    let Value::Array(hits) = client.ask(&query) else { panic!("an array") };
                    assert_eq!(hits.len(), 2 * keys as usize);
                }
            });
        }
        for n in keys..20 * keys {
            let key = (n.wrapping_mul(2_246_822_519) >> 7) % keys;
            writer.ask(&[b"VADD", b"i", &key.to_string().into_bytes(), &vector(n)]);
            let Value::Array(hit) = writer.ask(&[b"VSEARCH", b"i", &vector(n), b"1"]) else {
                panic!("an array")
            };
            assert_eq!(hit, [bulk(&key.to_string()), bulk("0")], "vector {n}");
            if n % (5 * keys) == 0 {
                writer.say("VSAVE");
            }
        }
        done.store(true, Ordering::Release);
    });
    let (rows, dead, free) =
        (fact(&mut writer, "rows"), fact(&mut writer, "tombstones"), fact(&mut writer, "free"));
    assert_eq!(rows - dead - free, i64::from(keys));
    assert!(rows < 10 * i64::from(keys), "{rows} rows, {dead} dead, {free} free");
}

/// Overwrites `keys` vectors of an index of theirs, again and again, from four clients that wait for nothing.
fn overwrite_at_once(server: &Running, keys: u32, rounds: u32) {
    std::thread::scope(|scope| {
        for client in 0..4 {
            scope.spawn(move || {
                let mut writer = server.connect();
                for round in 0..rounds {
                    let mut bytes = Vec::new();
                    for n in 0..256 {
                        let n = (client * rounds + round) * 256 + n;
                        let key = (n.wrapping_mul(2_246_822_519) >> 7) % keys;
                        let words = [&b"VADD"[..], b"i", &key.to_string().into_bytes(), &vector(n)];
                        write_command(&mut bytes, &words);
                    }
                    writer.send_raw(&bytes);
                    (0..256).for_each(|_| assert_eq!(writer.receive(), Value::Integer(0)));
                }
            });
        }
    });
}

#[test]
fn an_index_that_is_overwritten_without_a_pause_stays_small() {
    let server = start(None, Options { workers: 2, sweep_room: 64, ..options() });
    let (mut client, keys) = (server.connect(), 300);
    client.say("VNEW i 8 METRIC l2 M 4 EF_CONSTRUCTION 20");
    for n in 0..keys {
        client.ask(&[b"VADD", b"i", &n.to_string().into_bytes(), &vector(n)]);
    }
    overwrite_at_once(&server, keys, 5);
    // As many dead as alive, what is admitted before a sweep begins, and what is being swept.
    let rows = fact(&mut client, "rows");
    assert!(rows < 2 * i64::from(keys) + 64 + 2 * 1_024, "{rows} rows");
}

#[test]
fn where_memory_is_used_up_vectors_take_the_places_that_are_free() {
    let server = start(None, Options { sweep_from: 1, ..options() });
    let mut client = server.connect();
    client.say("VNEW i 8 METRIC l2 M 4");
    for n in 0..400 {
        client.ask(&[b"VADD", b"i", &n.to_string().into_bytes(), &vector(n)]);
    }
    (0..300).for_each(|n| assert_eq!(client.say(&format!("VDEL i {n}")), Value::Integer(1)));
    while fact(&mut client, "free") < 200 {}
    let Value::Bulk(info) = client.say("INFO memory") else { panic!("a text") };
    let info = String::from_utf8(info).unwrap();
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    let most = used.parse::<usize>().unwrap() - 10_000;
    assert_eq!(client.say(&format!("CONFIG SET maxmemory {most}")), ok());
    assert!(is_error(&client.say("SET k v"), "OOM "));
    let replies: Vec<_> = (0..300)
        .map(|n: u32| client.ask(&[b"VADD", b"i", format!("new {n}").as_bytes(), &vector(n)]))
        .collect();
    let taken = replies.iter().take_while(|reply| **reply == Value::Integer(1)).count();
    assert!((20..300).contains(&taken), "{taken} are taken");
    assert!(replies[taken..].iter().all(|reply| is_error(reply, "OOM ")));
}
