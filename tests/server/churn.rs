//! Vectors that are overwritten for ever.

use std::sync::atomic::{AtomicBool, Ordering};

use engram::resp::client::Value;
use engram::server::Options;

use super::common::{Client, bulk, options, start};

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
