//! Searches that wait for whoever does them: what they hold meanwhile, and which of them the loop may do by itself.

use std::sync::Arc;

use super::{Engine, snapshots};
use crate::engine::Job;
use crate::engine::command::{Handler, lookup};
use crate::engine::value::Value;
use crate::engine::{Call, Outcome};
use crate::index::{Index, Scratch};
use crate::resp::{OwnedArgs, Protocol};

/// Runs a command; the job that it leaves.
fn ask(engine: &mut Engine, words: &[&[u8]]) -> Option<Job> {
    let owned = OwnedArgs::from_words(words.iter().copied());
    let Some(Handler::Engine(handler)) = lookup(words[0]).map(|c| c.handler) else { panic!("the engine's") };
    let mut out = Vec::new();
    let outcome = engine.execute(handler, &mut Call::new(owned.args(), Protocol::Resp2, &mut out));
    assert!(!out.starts_with(b"-"), "{}", out.escape_ascii());
    match outcome {
        Outcome::Job(job) => Some(job),
        _ => None,
    }
}

const DIM: usize = 8;

fn vector(n: u32) -> Vec<u8> {
    (0..DIM as u32).flat_map(|i| (((n * 7 + i * n * n) % 101) as f32).to_le_bytes()).collect()
}

/// An index `i` of so many rows, linked where asked for.
fn filled(rows: u32, linked: bool) -> Engine {
    let mut engine = Engine::on(None, snapshots::clock());
    ask(&mut engine, &[b"VNEW", b"i", DIM.to_string().as_bytes(), b"METRIC", b"l2", b"M", b"4"]);
    for n in 0..rows {
        let job = ask(&mut engine, &[b"VADD", b"i", &n.to_le_bytes(), &vector(n)]);
        job.into_iter().filter(|_| linked).for_each(|mut job| drop(job.run(&mut Scratch::new())));
    }
    engine
}

fn index(engine: &Engine) -> Arc<Index> {
    let Some(Value::Vectors(set)) = engine.store.keyspace.get(b"i").map(|entry| &entry.value) else {
        panic!("i is an index")
    };
    Arc::clone(set.writer.index())
}

#[test]
fn no_sweep_waits_for_a_search_that_has_not_begun() {
    let mut engine = filled(300, true);
    let mut waiting = ask(&mut engine, &[b"VSEARCH", b"i", &vector(1), b"5"]).unwrap();
    for n in 0..300 {
        let job = ask(&mut engine, &[b"VADD", b"i", &u32::to_le_bytes(n), &vector(n + 1)]);
        job.unwrap().run(&mut Scratch::new());
    }
    for turn in 0.. {
        engine.tick();
        match engine.take_sweep() {
            Some(mut job) => drop(job.run(&mut Scratch::new())),
            None if index(&engine).stats().tombstones == 0 => break,
            None => assert!(turn < 10_000, "{:?}", index(&engine).stats()),
        }
    }
    let reply = waiting.run(&mut Scratch::new()).reply;
    assert!(reply.starts_with(b"*10\r\n"), "{}", reply.escape_ascii());
    engine.validate().unwrap();
}

#[test]
fn a_search_is_brief_by_what_is_not_linked_yet_and_by_its_reply_too() {
    let brief = |engine: &mut Engine, k: &str, more: &[&[u8]]| {
        let query = vector(1);
        let words: [&[u8]; 4] = [b"VSEARCH", b"i", &query, k.as_bytes()];
        ask(engine, &[&words, more].concat()).unwrap().is_brief()
    };
    let mut engine = filled(20_000, false);
    assert!(!brief(&mut engine, "10", &[]), "each row is compared");
    let mut engine = filled(2_000, true);
    assert!(brief(&mut engine, "10", &[]) && brief(&mut engine, "10", &[b"WITHVECTORS"]));
    assert!(brief(&mut engine, "100", &[]));
    assert!(!brief(&mut engine, "1000", &[]), "a thousand hits take longer to write than to find");
    for n in 0..20_u8 {
        let long = [&[b'x'; 10 << 20][..], &[n]].concat();
        drop(ask(&mut engine, &[b"VADD", b"i", &long, &vector(u32::from(n))]));
    }
    assert!(!brief(&mut engine, "10", &[]), "their keys are long");
}
