//! The oracle shown failing: wrong answers, lost and woken keys, halves.

use engram::resp::client::Value;

use super::*;
use crate::clock::wall_millis;

fn set(key: &str, value: &str) -> Op {
    Op::Set { key: format!("c0:{key}"), value: value.to_owned(), expire: None }
}

fn get(key: &str) -> Op {
    Op::Get(format!("c0:{key}"))
}

fn ok() -> Value {
    Value::Simple(b"OK".to_vec())
}

fn bulk(text: &str) -> Value {
    Value::Bulk(text.as_bytes().to_vec())
}

fn answer(oracle: &mut Oracle, op: &Op, reply: Value) -> Result<(), String> {
    oracle.answered(0, (op, &[]), &[reply], (1_000, 2_000))
}

fn seen(keys: &[(&str, &str)]) -> Seen {
    let found =
        |&(key, value): &(&str, &str)| (format!("c0:{key}"), Some((Found::Text(value.to_owned()), None)));
    Seen { keys: keys.iter().map(found).collect() }
}

#[test]
fn an_answer_that_the_model_does_not_give_is_wrong() {
    let mut oracle = Oracle::new(1);
    answer(&mut oracle, &set("k0", "a"), ok()).unwrap();
    answer(&mut oracle, &get("k0"), bulk("a")).unwrap();
    let what = answer(&mut oracle, &get("k0"), bulk("b")).unwrap_err();
    assert!(what.contains("\"b\" instead of \"a\""), "{what}");
}

#[test]
fn what_was_acknowledged_must_be_found_and_the_rest_as_a_prefix() {
    let mut oracle = Oracle::new(1);
    answer(&mut oracle, &set("k0", "a"), ok()).unwrap();
    let both = Op::Mset(vec![("c0:k1".to_owned(), "b".to_owned()), ("c0:k2".to_owned(), "c".to_owned())]);
    oracle.unanswered(0, &both, 3_000, 4_000);
    oracle.unanswered(0, &set("k3", "d"), 3_000, 4_000);
    let judge = |keys: &[(&str, &str)]| {
        let mut copy = Oracle { clients: oracle.clients.clone(), ..Oracle::default() };
        copy.inspected(0, &seen(keys), 5_000, 6_000)
    };
    judge(&[("k0", "a")]).unwrap();
    judge(&[("k0", "a"), ("k1", "b"), ("k2", "c")]).unwrap();
    judge(&[("k0", "a"), ("k1", "b"), ("k2", "c"), ("k3", "d")]).unwrap();
    assert!(judge(&[]).is_err(), "an acknowledged write is lost");
    assert!(judge(&[("k0", "a"), ("k1", "b")]).is_err(), "half an MSET");
    assert!(judge(&[("k0", "a"), ("k3", "d")]).is_err(), "a hole in the prefix");
    assert!(judge(&[("k0", "a"), ("k4", "e")]).is_err(), "a key from nowhere");
}

#[test]
fn a_dead_key_stays_dead() {
    let mut oracle = Oracle::new(1);
    let short = Op::Set { key: "c0:k0".to_owned(), value: "a".to_owned(), expire: Some(5) };
    answer(&mut oracle, &short, ok()).unwrap();
    let second = 1_000_000_000;
    let found = Some((
        Found::Text("a".to_owned()),
        Some(WallSpan { from: wall_millis(5_000_000), to: wall_millis(6_000_000) }),
    ));
    let woken = Seen { keys: [("c0:k0".to_owned(), found)].into() };
    assert!(oracle.inspected(0, &woken, second, second).is_err());
}

#[test]
fn a_key_whose_expiry_is_in_doubt_may_be_either_and_then_stays_so() {
    let mut oracle = Oracle::new(1);
    let short = Op::Set { key: "c0:k0".to_owned(), value: "a".to_owned(), expire: Some(5) };
    oracle.answered(0, (&short, &[]), &[ok()], (0, 10_000_000)).unwrap();
    oracle.answered(0, (&get("k0"), &[]), &[Value::Null], (11_000_000, 11_000_000)).unwrap();
    assert!(oracle.answered(0, (&get("k0"), &[]), &[bulk("a")], (11_000_000, 11_000_000)).is_err());
}

#[test]
fn hits_are_judged_to_the_last_bit_and_must_be_complete() {
    let mut oracle = Oracle::new(1);
    let key = "c0:v0".to_owned();
    answer(&mut oracle, &Op::NewIndex { key: key.clone(), dim: 2, metric: "l2", quant: None }, ok()).unwrap();
    for (element, vector) in [("a", [0.0, 1.0]), ("b", [0.0, 3.0])] {
        let op = Op::Add { key: key.clone(), element: element.to_owned(), vector: Arc::from(vector) };
        answer(&mut oracle, &op, Value::Integer(1)).unwrap();
    }
    let search: Op = format!("VSEARCH {key} [0,0] 2").parse().unwrap();
    let hits = |words: &[&str]| Value::Array(words.iter().map(|word| bulk(word)).collect());
    answer(&mut oracle, &search, hits(&["a", "1", "b", "3"])).unwrap();
    for wrong in [
        &["a", "1"][..],
        &["b", "3", "a", "1"],
        &["a", "1", "a", "1"],
        &["a", "1.0000001", "b", "3"],
        &["a", "1", "c", "3"],
    ] {
        let mut copy = Oracle { clients: oracle.clients.clone(), ..Oracle::default() };
        assert!(answer(&mut copy, &search, hits(wrong)).is_err(), "{wrong:?}");
    }
}

#[test]
fn hits_of_a_confined_search_match_and_are_as_many_as_there_are() {
    let key = "c0:v0";
    let ask = |search: &str, words: &[&str]| {
        let mut oracle = Oracle::new(1);
        let new = Op::NewIndex { key: key.to_owned(), dim: 1, metric: "l2", quant: None };
        answer(&mut oracle, &new, ok()).unwrap();
        for (element, x) in [("a1", 1.0), ("a2", 2.0), ("b3", 3.0)] {
            let (element, vector) = (element.to_owned(), Arc::from([x]));
            answer(&mut oracle, &Op::Add { key: key.to_owned(), element, vector }, Value::Integer(1))
                .unwrap();
        }
        let op: Op = format!("VSEARCH {key} [0] {search}").parse().unwrap();
        assert_eq!(op.to_string().parse::<Op>().unwrap(), op, "a search reads back");
        answer(&mut oracle, &op, Value::Array(words.iter().map(|word| bulk(word)).collect()))
    };
    let right: [(&str, &[&str]); 9] = [
        ("9 PREFIX a", &["a1", "1", "a2", "2"]),
        ("1 MATCH ?[23]", &["a2", "2"]),
        ("9 KEYS 3 b3 x a2", &["a2", "2", "b3", "3"]),
        ("9 WITHIN 2", &["a1", "1", "a2", "2"]),
        ("1 WITHIN 2", &["a1", "1"]),
        ("9 WITHIN 2 PREFIX b EXACT", &[]),
        ("9 EF 1 WITHIN 2", &["a2", "2"]),
        ("1 EF 1 PREFIX a", &["a2", "2"]),
        ("9 WITHIN -1", &[]),
    ];
    for (search, words) in right {
        ask(search, words).unwrap_or_else(|what| panic!("{search}: {what}"));
    }
    let wrong: [(&str, &[&str]); 9] = [
        ("9 PREFIX a", &["a1", "1", "a2", "2", "b3", "3"]),
        ("9 PREFIX a", &["a1", "1"]),
        ("1 EF 1 MATCH a*", &[]),
        ("9 KEYS 1 a1", &["a1", "1", "a2", "2"]),
        ("9 EF 1 KEYS 2 a1 b3", &["a1", "1"]),
        ("9 WITHIN 2", &["a1", "1"]),
        ("9 WITHIN 2", &["a1", "1", "a2", "2", "b3", "3"]),
        ("9 EF 1 WITHIN 2", &["b3", "3"]),
        ("9 WITHIN 2 EXACT", &["a1", "1"]),
    ];
    for (search, words) in wrong {
        assert!(ask(search, words).is_err(), "{search}: {words:?}");
    }
}

/// What the oracle says if an inspection finds these rows, of one dimension, under `key` and nothing else.
fn judge_rows(oracle: &Oracle, key: &str, rows: &[(&str, f32)]) -> Result<(), String> {
    let rows = rows.iter().map(|(element, x)| ((*element).to_owned(), x.to_le_bytes().to_vec())).collect();
    let index =
        Found::Index { dim: 1, metric: "l2".to_owned(), forms: ["int8", "none"].map(str::to_owned), rows };
    let mut copy = Oracle { clients: oracle.clients.clone(), ..Oracle::default() };
    copy.inspected(0, &Seen { keys: [(key.to_owned(), Some((index, None)))].into() }, 6_000, 7_000)
}

#[test]
fn what_a_search_has_shown_must_be_found_though_nobody_acknowledged_it() {
    let mut oracle = Oracle::new(1);
    let key = "c0:v0".to_owned();
    answer(&mut oracle, &Op::NewIndex { key: key.clone(), dim: 1, metric: "l2", quant: None }, ok()).unwrap();
    let add = Op::Add { key: key.clone(), element: "a".to_owned(), vector: Arc::from([2.0]) };
    let search: Op = format!("VSEARCH {key} [0] 1 EXACT").parse().unwrap();
    let hits = Value::Array(vec![bulk("a"), bulk("2")]);
    oracle.answered(0, (&search, &[&add]), &[hits], (3_000, 4_000)).unwrap();
    oracle.unanswered(0, &add, 3_000, 5_000);
    let judge = |rows: &[(&str, f32)]| judge_rows(&oracle, &key, rows);
    judge(&[("a", 2.0)]).unwrap();
    assert!(judge(&[]).unwrap_err().contains("a search has shown"));
}

#[test]
fn what_a_search_has_shown_to_be_gone_must_be_gone_though_nobody_acknowledged_it() {
    let mut oracle = Oracle::new(1);
    let key = "c0:v0".to_owned();
    answer(&mut oracle, &Op::NewIndex { key: key.clone(), dim: 1, metric: "l2", quant: None }, ok()).unwrap();
    let add = Op::Add { key: key.clone(), element: "a".to_owned(), vector: Arc::from([2.0]) };
    answer(&mut oracle, &add, Value::Integer(1)).unwrap();
    let remove = Op::Remove { key: key.clone(), element: "a".to_owned() };
    let search: Op = format!("VSEARCH {key} [0] 1 EXACT").parse().unwrap();
    oracle.answered(0, (&search, &[&remove]), &[Value::Array(Vec::new())], (3_000, 4_000)).unwrap();
    oracle.unanswered(0, &remove, 3_000, 5_000);
    let judge = |rows: &[(&str, f32)]| judge_rows(&oracle, &key, rows);
    judge(&[]).unwrap();
    assert!(judge(&[("a", 2.0)]).unwrap_err().contains("a search has shown"));
}

#[test]
fn a_refusal_needs_a_failed_disk_and_nothing_is_acknowledged_after_it() {
    use crate::disk::Told;
    let refusal = Value::Error(b"MISCONF the log has failed".to_vec());
    let mut oracle = Oracle::new(1);
    assert!(answer(&mut oracle, &set("k0", "a"), refusal.clone()).is_err());
    let mut faults = Faults::default();
    faults.told = Told::of_a_dead_log();
    oracle.begin(&Arc::new(Shared::new(faults)));
    answer(&mut oracle, &set("k0", "a"), refusal).unwrap();
    assert!(oracle.answered(0, (&set("k1", "b"), &[]), &[ok()], (3_000, 4_000)).is_err());
    // Sent before the refusal came: what it acknowledges proves that the refused one was logged too.
    answer(&mut oracle, &set("k2", "c"), ok()).unwrap();
    Oracle { clients: oracle.clients.clone(), ..Oracle::default() }
        .inspected(0, &seen(&[("k2", "c")]), 5_000, 6_000)
        .unwrap_err();
    oracle.inspected(0, &seen(&[("k0", "a"), ("k2", "c")]), 5_000, 6_000).unwrap();
}

#[test]
fn a_refused_write_may_be_there_or_not() {
    let mut oracle = Oracle::new(1);
    oracle.unanswered(0, &set("k0", "a"), 1_000, 2_000);
    answer(&mut oracle, &get("k0"), Value::Null).unwrap();
    answer(&mut oracle, &get("k0"), bulk("a")).unwrap();
    assert!(answer(&mut oracle, &get("k0"), bulk("b")).is_err());
    oracle.inspected(0, &seen(&[("k0", "a")]), 5_000, 6_000).unwrap();
}

#[test]
fn an_internal_error_needs_a_planned_panic() {
    let internal = Value::Error(b"ERR internal error: out of order".to_vec());
    let mut oracle = Oracle::new(1);
    assert!(answer(&mut oracle, &set("k0", "a"), internal.clone()).is_err());
    let mut faults = Faults::default();
    oracle.begin(&Arc::new(Shared::new(faults.clone())));
    assert!(answer(&mut oracle, &set("k0", "a"), internal.clone()).is_err());
    faults.disturbed(&"stall:5 1 worker@job".parse().unwrap());
    oracle.begin(&Arc::new(Shared::new(faults.clone())));
    assert!(answer(&mut oracle, &set("k0", "a"), internal.clone()).is_err());
    faults.disturbed(&"panic 1 worker@job".parse().unwrap());
    oracle.begin(&Arc::new(Shared::new(faults)));
    answer(&mut oracle, &set("k0", "a"), internal.clone()).unwrap();
    assert!(answer(&mut oracle, &set("k0", "a"), internal).is_err(), "one panic, one error");
    answer(&mut oracle, &get("k0"), bulk("a")).unwrap();
}

#[test]
fn an_index_that_forgets_how_it_was_made_is_wrong() {
    let told = |width: i64, form: &'static str| {
        let none = "size count attributes-count projection-input-dim rows hnsw-max-node-uid tombstones free unlinked \
                    max-level quant-change-rows mapped-bytes bytes vset-uid";
        let none = none.split_whitespace().map(|name| (name, 0));
        let pairs = none.chain([("vector-dim", 2), ("hnsw-m", 4), ("ef-construction", width)]);
        let name = |name: &str| Value::Simple(name.as_bytes().to_vec());
        let numbers = pairs.flat_map(|(key, n)| [name(key), Value::Integer(n)]);
        let words = ["metric", "l2", "quant-type", form, "quant-change", "none"].map(name);
        Value::Array(numbers.chain(words).collect())
    };
    let mut oracle = Oracle::new(1);
    let key = "c0:v0".to_owned();
    answer(&mut oracle, &Op::NewIndex { key: key.clone(), dim: 2, metric: "l2", quant: None }, ok()).unwrap();
    answer(&mut oracle, &Op::Info(key.clone()), told(20, "int8")).unwrap();
    let wrong = answer(&mut oracle, &Op::Info(key.clone()), told(10, "int8")).unwrap_err();
    assert!(wrong.contains("ef-construction"));
    assert!(answer(&mut oracle, &Op::Info(key.clone()), told(20, "bin")).unwrap_err().contains("quant-type"));
    let busy = || Value::Error(b"ERR the change to QUANT bin is given up: QUANT f32 was asked for".to_vec());
    let change = Op::Quant { key: key.clone(), quant: "bin" };
    assert!(answer(&mut oracle, &change, busy()).is_err(), "nobody has asked for another");
    answer(&mut oracle, &change, ok()).unwrap();
    answer(&mut oracle, &Op::Info(key), told(20, "bin")).unwrap();
}

#[test]
fn what_was_refused_for_want_of_memory_has_not_happened() {
    let refusal = || Value::Error(b"OOM command not allowed when used memory > 'maxmemory'.".to_vec());
    let mut oracle = Oracle::new(1);
    assert!(answer(&mut oracle, &set("k0", "a"), refusal()).is_err(), "there is enough of it");
    oracle.tighten();
    answer(&mut oracle, &set("k0", "a"), refusal()).unwrap();
    answer(&mut oracle, &get("k0"), Value::Null).unwrap();
    assert!(answer(&mut oracle, &get("k0"), bulk("a")).is_err());
    let both = Op::Transaction(vec![set("k0", "a"), get("k0")]);
    let replies = |queued: Value, end: &[u8]| {
        vec![ok(), queued, Value::Simple(b"QUEUED".to_vec()), Value::Error(end.to_vec())]
    };
    let mut ask = |replies: &[Value]| oracle.answered(0, (&both, &[]), replies, (1_000, 2_000));
    ask(&replies(refusal(), b"EXECABORT Transaction discarded")).unwrap();
    ask(&replies(Value::Simple(b"QUEUED".to_vec()), b"OOM command not allowed")).unwrap();
    assert!(ask(&replies(refusal(), b"OOM command not allowed")).is_err());
    // Without an answer each may have been passed over by itself.
    oracle.unanswered(0, &set("k1", "b"), 3_000, 4_000);
    oracle.unanswered(0, &set("k2", "c"), 3_000, 4_000);
    oracle.inspected(0, &seen(&[("k2", "c")]), 5_000, 6_000).unwrap();
    assert!(oracle.inspected(0, &seen(&[("k1", "b")]), 7_000, 8_000).is_err());
}

#[test]
fn only_a_server_that_finishes_gives_up_what_it_saves_or_changes() {
    let error = |text: &str| Value::Error(text.as_bytes().to_vec());
    let given_up = || error("ERR the snapshot failed: the server is shutting down");
    let of_backup = || error("ERR the backup b0 failed: the server is shutting down");
    let of_form = || error("ERR the server is shutting down, and the change of form is given up");
    let mut oracle = Oracle::new(1);
    let key = "c0:v0".to_owned();
    answer(&mut oracle, &Op::NewIndex { key: key.clone(), dim: 2, metric: "l2", quant: None }, ok()).unwrap();
    let (backup, change) = (Op::Backup("b0".to_owned()), Op::Quant { key, quant: "bin" });
    for (op, reply) in [(&Op::Save, given_up()), (&backup, of_backup()), (&change, of_form())] {
        oracle.finishes(false);
        assert!(answer(&mut oracle, op, reply.clone()).is_err(), "it goes on");
        oracle.finishes(true);
        answer(&mut oracle, op, reply).unwrap();
        oracle.begin(&Arc::new(Shared::new(Faults::default())));
        assert!(answer(&mut oracle, op, error("ERR the server is shutting down")).is_err());
    }
    oracle.finishes(true);
    assert!(answer(&mut oracle, &Op::Save, of_backup()).is_err());
    assert!(answer(&mut oracle, &backup, given_up()).is_err());
    assert!(answer(&mut oracle, &Op::Save, error("ERR the snapshot failed: the disk is full")).is_err());
}
