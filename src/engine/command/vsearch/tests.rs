//! VSEARCH against the engine: its words, its refusals, and whose rows it shows.

use super::super::table::{Handler, lookup};
use super::*;
use crate::index::Scratch;
use crate::resp::{OwnedArgs, Protocol};

/// Runs a command with its job; the reply has `|` for each line end.
fn run(engine: &mut Engine, protocol: Protocol, words: &[&[u8]]) -> String {
    let (reply, job) = begin(engine, protocol, words);
    let reply = job.map_or(reply, |mut job| job.run(&mut Scratch::new()).reply);
    String::from_utf8_lossy(&reply).replace("\r\n", "|")
}

fn begin(engine: &mut Engine, protocol: Protocol, words: &[&[u8]]) -> (Vec<u8>, Option<Job>) {
    let owned = OwnedArgs::from_words(words.iter().copied());
    let mut out = Vec::new();
    let mut call = Call::new(owned.args(), protocol, &mut out);
    let Handler::Engine(handler) = lookup(words[0]).unwrap().handler else { panic!("the engine's") };
    let job = if let Outcome::Job(job) = engine.execute(handler, &mut call) { Some(job) } else { None };
    (out, job)
}

fn packed(x: f32) -> [u8; 4] {
    x.to_le_bytes()
}

/// An index of one dimension in which `a1` .. `a9` lie at 1 .. 9 and `b1` .. `b9` at -1 .. -9.
fn engine() -> Engine {
    let mut engine = Engine::in_memory();
    let made = run(&mut engine, Protocol::Resp2, &[b"VNEW", b"v", b"1", b"METRIC", b"l2"]);
    assert_eq!(made, "+OK|");
    for n in 1..=9_u8 {
        for (letter, sign) in [('a', 1.0), ('b', -1.0)] {
            let vector = packed(sign * f32::from(n));
            let key = format!("{letter}{n}");
            assert_eq!(run(&mut engine, Protocol::Resp2, &[b"VADD", b"v", key.as_bytes(), &vector]), ":1|");
        }
    }
    engine
}

fn words<'a>(query: &'a [u8], rest: &'a str) -> Vec<&'a [u8]> {
    let rest = rest.split(' ').map(str::as_bytes);
    [&b"VSEARCH"[..], b"v", query].into_iter().chain(rest).collect()
}

fn ask(engine: &mut Engine, rest: &str) -> String {
    run(engine, Protocol::Resp2, &words(&packed(2.25), rest))
}

/// The keys of a reply's hits.
fn keys(engine: &mut Engine, rest: &str) -> String {
    let reply = ask(engine, rest);
    let found: Vec<&str> = reply.split('|').filter(|word| word.starts_with(['a', 'b'])).collect();
    assert!(reply.starts_with(&format!("*{}|", 2 * found.len())), "{reply}");
    found.join(" ")
}

#[test]
fn a_search_shows_the_rows_it_is_confined_to() {
    let mut engine = engine();
    let table = [
        ("2", "a2 a3"),
        ("2 PREFIX b", "b1 b2"),
        ("2 prefix b EXACT", "b1 b2"),
        ("100 PREFIX a EF 1", "a2 a3 a1 a4 a5 a6 a7 a8 a9"),
        ("3 PREFIX a9", "a9"),
        ("3 PREFIX c", ""),
        ("3 MATCH ?[2-4]", "a2 a3 a4"),
        ("3 MATCH ?[^2-4] EXACT", "a1 a5 b1"),
        ("9 KEYS 4 b9 a9 none b9", "a9 b9"),
        ("1 KEYS 2 b9 a9 EXACT", "a9"),
        ("9 KEYS 1 EXACT", ""),
        ("9 WITHIN 1.25", "a2 a3 a1"),
        ("9 WITHIN 1.2499 EXACT", "a2 a3"),
        ("2 WITHIN 1.25", "a2 a3"),
        ("9 WITHIN -1", ""),
        ("3 WITHIN inf PREFIX b", "b1 b2 b3"),
        ("9 WITHIN 4 MATCH b*", "b1"),
        ("9 WITHIN 4 KEYS 3 b1 b2 a5", "a5 b1"),
        ("9 within 4 ef 1 prefix b exact", "b1"),
    ];
    for (rest, expected) in table {
        assert_eq!(keys(&mut engine, rest), expected, "{rest}");
    }
    let all = ask(&mut engine, "1000000 WITHIN 1e9");
    assert!(all.starts_with("*36|"), "{all}");
}

#[test]
fn replies_have_the_shape_of_any_search() {
    let mut engine = engine();
    let ask = |engine: &mut Engine, rest: &str| run(engine, Protocol::Resp3, &words(&packed(0.0), rest));
    assert_eq!(ask(&mut engine, "1 PREFIX a3"), "*2|$2|a3|,3|");
    let with_vectors = "*3|$2|a3|,3|$4|\0\0@@|";
    for rest in ["1 KEYS 1 a3 WITHVECTORS", "1 WITHVECTORS MATCH a3", "1 WITHIN 3 PREFIX a3 WITHVECTORS"] {
        assert_eq!(ask(&mut engine, rest), with_vectors, "{rest}");
    }
}

#[test]
fn what_is_wrong_with_a_predicate_is_said() {
    let mut engine = engine();
    let pattern = format!("1 MATCH {}", "x".repeat(limits::PATTERN + 1));
    let table = [
        ("1 PREFIX", "option 'PREFIX' needs a value"),
        ("1 match", "option 'MATCH' needs a value"),
        ("1 WITHIN", "option 'WITHIN' needs a value"),
        ("1 WITHIN near", "WITHIN must be a distance, a number, not 'near'"),
        ("1 WITHIN nan", "WITHIN must be a distance, a number, not 'nan'"),
        ("1 KEYS x", "the number of KEYS must be a number from 1 to 65536, not 'x'"),
        ("1 KEYS 0", "the number of KEYS must be a number from 1 to 65536, not '0'"),
        ("1 KEYS 65537 a", "the number of KEYS must be a number from 1 to 65536, not '65537'"),
        ("1 KEYS 3 a b", "KEYS says 3 keys, but 2 words follow"),
        ("1 PREFIX a MATCH b", "VSEARCH takes one of PREFIX, MATCH and KEYS, once"),
        ("1 KEYS 1 a KEYS 1 b", "VSEARCH takes one of PREFIX, MATCH and KEYS, once"),
        ("1000001 WITHIN 3", "k must be a number from 1 to 1000000 with WITHIN, not 1000001"),
        (&pattern, "a pattern takes 1024 bytes at most, not 1025"),
        (
            "1 FILTER a",
            "unknown option 'FILTER': VSEARCH takes EF, WITHIN, PREFIX, MATCH, KEYS, WITHVECTORS, EXACT",
        ),
    ];
    for (rest, expected) in table {
        assert_eq!(ask(&mut engine, rest), format!("-ERR {expected}|"), "{rest}");
    }
}

#[test]
fn listed_keys_are_those_of_the_moment_at_which_the_command_was_executed() {
    let mut engine = engine();
    let query = packed(0.0);
    let (_, job) = begin(&mut engine, Protocol::Resp2, &words(&query, "9 KEYS 2 a4 a5"));
    for change in [&[&b"VDEL"[..], b"v", b"a4"][..], &[b"VADD", b"v", b"a5", &packed(100.0)]] {
        run(&mut engine, Protocol::Resp2, change);
    }
    let reply = job.unwrap().run(&mut Scratch::new()).reply;
    assert_eq!(String::from_utf8_lossy(&reply).replace("\r\n", "|"), "*4|$2|a4|$1|4|$2|a5|$1|5|");
    assert_eq!(keys(&mut engine, "9 KEYS 2 a4 a5"), "a5");
}
