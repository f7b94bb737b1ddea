//! Histories that have an order and histories that have none.

use engram::resp::client::Value;

use crate::oracle::{Found, Oracle, Seen, distance};
use crate::plan::Op;

/// One request: who, what, the replies (none: no answer came), when it was asked for and when answered.
type Line<'a> = (usize, &'a str, Option<Vec<Value>>, u64, u64);

fn ok() -> Option<Vec<Value>> {
    Some(vec![Value::Simple(b"OK".to_vec())])
}

fn int(n: i64) -> Option<Vec<Value>> {
    Some(vec![Value::Integer(n)])
}

fn text(text: &str) -> Option<Vec<Value>> {
    Some(vec![Value::Bulk(text.as_bytes().to_vec())])
}

fn null() -> Option<Vec<Value>> {
    Some(vec![Value::Null])
}

fn exec(queued: usize, last: Value) -> Option<Vec<Value>> {
    let mut replies = vec![Value::Simple(b"OK".to_vec())];
    replies.extend((0..queued).map(|_| Value::Simple(b"QUEUED".to_vec())));
    replies.push(last);
    Some(replies)
}

fn bulks(words: &[&str]) -> Value {
    Value::Array(words.iter().map(|word| Value::Bulk(word.as_bytes().to_vec())).collect())
}

/// What the oracle says to a life with these requests, behind which these texts are found.
fn judge(lines: &[Line<'_>], end: &[(&str, &str)]) -> Result<(), String> {
    let mut oracle = Oracle::new(3);
    judge_with(&mut oracle, lines, end)
}

fn judge_with(oracle: &mut Oracle, lines: &[Line<'_>], end: &[(&str, &str)]) -> Result<(), String> {
    for (client, op, replies, at, now) in lines {
        let op: Op = op.parse().unwrap();
        oracle.asked(*client, &op, *at);
        match replies {
            Some(replies) => oracle.answered(*client, (&op, &[]), replies, (*at, *now))?,
            None => oracle.unanswered(*client, &op, *at, *now),
        }
    }
    let found =
        |(key, value): &(&str, &str)| ((*key).to_owned(), Some((Found::Text((*value).to_owned()), None)));
    let seen = Seen { keys: end.iter().map(found).collect() };
    (0..oracle.clients()).try_for_each(|client| oracle.inspected(client, &seen, 1_000, 1_001))?;
    oracle.inspected_shared(&seen, 1_000_000)
}

#[test]
fn what_has_an_order_passes() {
    let set = "SET shared:r0";
    // Two writes at the same time: either may be the last, and a read between them may see either.
    let (a, b) = (format!("{set} a"), format!("{set} b"));
    for last in ["a", "b"] {
        let lines = [(0, a.as_str(), ok(), 1, 9), (1, b.as_str(), ok(), 2, 8)];
        judge(&lines, &[("shared:r0", last)]).unwrap();
    }
    let seen = [
        (0, a.as_str(), ok(), 1, 9),
        (1, b.as_str(), ok(), 2, 8),
        (2, "GET shared:r0", text("b"), 3, 4),
        (2, "GET shared:r0", text("a"), 5, 6),
    ];
    judge(&seen, &[("shared:r0", "a")]).unwrap();
    // What was not answered may have happened or not.
    let maybe = [(0, a.as_str(), ok(), 1, 2), (1, b.as_str(), None, 3, 4)];
    judge(&maybe, &[("shared:r0", "a")]).unwrap();
    judge(&maybe, &[("shared:r0", "b")]).unwrap();
}

#[test]
fn a_lost_update_is_caught() {
    let lines = [(0, "INCR shared:n", int(1), 1, 5), (1, "INCR shared:n", int(1), 2, 6)];
    assert!(judge(&lines, &[("shared:n", "2")]).is_err());
    let lines = [(0, "INCR shared:n", int(1), 1, 5), (1, "INCR shared:n", int(2), 2, 6)];
    judge(&lines, &[("shared:n", "2")]).unwrap();
    assert!(judge(&lines, &[("shared:n", "1")]).is_err(), "an acknowledged one is gone");
}

#[test]
fn a_stale_read_and_one_from_nowhere_are_caught() {
    let read = |value: &'static str| {
        [
            (0, "SET shared:r0 a", ok(), 1, 2),
            (1, "SET shared:r0 b", ok(), 3, 4),
            (2, "GET shared:r0", text(value), 5, 6),
        ]
    };
    let end = [("shared:r0", "b")];
    judge(&read("b"), &end).unwrap();
    assert!(judge(&read("a"), &end).is_err());
    assert!(judge(&read("c"), &end).is_err());
}

#[test]
fn a_connection_keeps_its_order() {
    let lines = [(0, "SET shared:r0 a", ok(), 1, 9), (0, "SET shared:r0 b", ok(), 1, 9)];
    judge(&lines, &[("shared:r0", "b")]).unwrap();
    assert!(judge(&lines, &[("shared:r0", "a")]).is_err());
}

#[test]
fn half_a_transaction_is_caught() {
    let both = "MULTI; SET shared:r0 a; SET shared:r1 a; EXEC";
    let done = exec(2, Value::Array(vec![Value::Simple(b"OK".to_vec()); 2]));
    let half = [
        (0, both, done.clone(), 1, 9),
        (
            1,
            "MGET shared:r0 shared:r1",
            Some(vec![Value::Array(vec![Value::Bulk(b"a".to_vec()), Value::Null])]),
            2,
            3,
        ),
    ];
    assert!(judge(&half, &[("shared:r0", "a"), ("shared:r1", "a")]).is_err());
    let lost = [(0, both, None, 1, 9)];
    judge(&lost, &[]).unwrap();
    judge(&lost, &[("shared:r0", "a"), ("shared:r1", "a")]).unwrap();
    assert!(judge(&lost, &[("shared:r0", "a")]).is_err());
}

#[test]
fn a_hole_is_caught_across_keys_and_across_clients() {
    let two = [(0, "SET shared:r0 a", None, 1, 9), (0, "SET shared:r1 b", None, 1, 9)];
    judge(&two, &[("shared:r0", "a")]).unwrap();
    assert!(judge(&two, &[("shared:r1", "b")]).is_err(), "the second without the first");
    // The client's own keys are in the same line.
    let own =
        [(0, "SET c0:k0 a", None, 1, 9), (0, "INCR shared:n", None, 1, 9), (0, "SET c0:k1 b", None, 1, 9)];
    judge(&own, &[("c0:k0", "a"), ("shared:n", "1")]).unwrap();
    assert!(judge(&own, &[("shared:n", "1")]).is_err(), "the shared one without its own before it");
    assert!(
        judge(&own, &[("c0:k0", "a"), ("c0:k1", "b")]).is_err(),
        "its own without the shared one before it"
    );
    // What was seen has to be there, though its writer never heard of it.
    let seen = [(0, "SET shared:r0 a", None, 1, 9), (1, "GET shared:r0", text("a"), 3, 4)];
    judge(&seen, &[("shared:r0", "a")]).unwrap();
    assert!(judge(&seen, &[]).is_err());
}

#[test]
fn watched_keys_decide_a_transaction() {
    let (watch, incr) = ("WATCH shared:n", "MULTI; INCR shared:n; EXEC");
    let ran = exec(1, Value::Array(vec![Value::Integer(1)]));
    judge(&[(0, watch, ok(), 1, 2), (0, incr, ran, 3, 4)], &[("shared:n", "1")]).unwrap();
    let gone = exec(1, Value::NullArray);
    assert!(judge(&[(0, watch, ok(), 1, 2), (0, incr, gone.clone(), 3, 4)], &[]).is_err(), "nothing changed");
    let other =
        |replies| [(0, watch, ok(), 1, 2), (1, "INCR shared:n", int(1), 3, 4), (0, incr, replies, 5, 6)];
    judge(&other(gone), &[("shared:n", "1")]).unwrap();
    let ran = exec(1, Value::Array(vec![Value::Integer(2)]));
    assert!(judge(&other(ran), &[("shared:n", "2")]).is_err(), "the other's change was not noticed");
}

#[test]
fn clearing_is_a_write_to_everything() {
    let lines = [
        (0, "SET c0:k0 a", ok(), 1, 2),
        (0, "SET shared:r0 a", ok(), 1, 2),
        (1, "FLUSHALL", ok(), 3, 6),
        (0, "GET shared:r0", null(), 4, 5),
        (0, "GET c0:k0", null(), 4, 5),
    ];
    judge(&lines, &[]).unwrap();
    assert!(judge(&lines, &[("shared:r0", "a")]).is_err());
    assert!(judge(&lines, &[("c0:k0", "a")]).is_err());
    let back = [(1, "FLUSHALL", ok(), 3, 6), (0, "GET c0:k0", text("a"), 7, 8)];
    let lines: Vec<_> = lines.into_iter().take(2).chain(back).collect();
    assert!(judge(&lines, &[]).is_err());
}

#[test]
fn hits_of_a_shared_index_are_explained_one_by_one() {
    let add = "VADD shared:v e0 [0,1]";
    let search = "VSEARCH shared:v [0,0] 3 EXACT";
    let begin = |oracle: &mut Oracle| {
        let made =
            [(0, "VNEW shared:v 2 METRIC l2 M 4 EF_CONSTRUCTION 20", ok(), 1, 2), (0, add, int(1), 3, 4)];
        for (client, op, replies, at, now) in made {
            let op: Op = op.parse().unwrap();
            oracle.answered(client, (&op, &[]), &replies.unwrap(), (at, now)).unwrap();
        }
    };
    assert_eq!(distance("l2", &[0.0, 0.0], &[0.0, 1.0]).to_bits(), 1.0_f32.to_bits());
    let end = || {
        let rows = [("e0".to_owned(), crate::plan::pack(&[0.0, 1.0]))].into();
        let index = Found::Index {
            dim: 2,
            metric: "l2".to_owned(),
            forms: ["int8", "none"].map(str::to_owned),
            rows,
        };
        Seen { keys: [("shared:v".to_owned(), Some((index, None)))].into() }
    };
    let ask_for = |search: &str, hits: &[&str]| {
        let mut oracle = Oracle::new(2);
        begin(&mut oracle);
        let op: Op = search.parse().unwrap();
        oracle.answered(1, (&op, &[]), &[bulks(hits)], (5, 6))?;
        oracle.inspected_shared(&end(), 1_000_000)
    };
    let ask = |hits: &[&str]| ask_for(search, hits);
    ask(&["e0", "1"]).unwrap();
    assert!(ask(&[]).is_err(), "an element that was there all the while is missing");
    assert!(ask(&["e0", "1.0000001"]).is_err(), "a distance is wrong");
    assert!(ask(&["e0", "1", "e1", "2"]).is_err(), "an element came from nowhere");
    for confined in
        ["1 PREFIX e", "1 MATCH ?0", "3 KEYS 2 e0 e1", "3 WITHIN 1 EXACT", "3 WITHIN 1 PREFIX e EXACT"]
    {
        let search = format!("VSEARCH shared:v [0,0] {confined}");
        ask_for(&search, &["e0", "1"]).unwrap();
        assert!(ask_for(&search, &[]).is_err(), "{confined}");
    }
    for confined in ["3 PREFIX x", "3 KEYS 1 e1", "3 WITHIN 0.9", "3 MATCH \"[^e]*\" EXACT"] {
        let search = format!("VSEARCH shared:v [0,0] {confined}");
        ask_for(&search, &[]).unwrap();
        assert!(ask_for(&search, &["e0", "1"]).is_err(), "{confined}");
    }
}

/// Replies to KEYS, or to a SCAN of one step.
fn names(names: &[&str]) -> Option<Vec<Value>> {
    Some(vec![bulks(names)])
}

fn scan(names: &[&str]) -> Option<Vec<Value>> {
    Some(vec![Value::Array(vec![Value::Bulk(b"0".to_vec()), bulks(names)])])
}

#[test]
fn a_name_that_was_told_is_there_after_a_crash() {
    let key = "shared:r0";
    let looks: [(&str, Option<Vec<Value>>); 4] = [
        ("KEYS *", names(&[key])),
        ("KEYS shared:*", names(&[key])),
        ("SCAN 0", scan(&[key])),
        ("RANDOMKEY", text(key)),
    ];
    for (look, told) in looks {
        let lines = [(0, "SET shared:r0 a", None, 1, 9), (1, look, told, 3, 4)];
        judge(&lines, &[(key, "a")]).unwrap();
        assert!(judge(&lines, &[]).is_err(), "{look}");
    }
    // One that only its owner names is looked for among the owner's requests.
    let lines = [(1, "KEYS *", names(&["c0:k0"]), 3, 4), (0, "SET c0:k0 a", None, 1, 9)];
    judge(&lines, &[("c0:k0", "a")]).unwrap();
    assert!(judge(&lines, &[]).unwrap_err().contains("a search has shown"));
}

#[test]
fn a_name_that_was_not_told_is_gone_after_a_crash() {
    for (look, told) in [("KEYS *", names(&[])), ("SCAN 0", scan(&[])), ("KEYS *r0", names(&[]))] {
        let lines =
            [(0, "SET shared:r0 a", ok(), 1, 2), (0, "DEL shared:r0", None, 3, 9), (1, look, told, 4, 5)];
        judge(&lines, &[]).unwrap();
        assert!(judge(&lines, &[("shared:r0", "a")]).is_err(), "{look}");
    }
    let lines = [(0, "SET shared:r0 a", ok(), 1, 2), (1, "KEYS *r1", names(&[]), 4, 5)];
    judge(&lines, &[("shared:r0", "a")]).unwrap();
    let lines = [(0, "SET shared:r0 a", ok(), 1, 2), (1, "KEYS *r0", names(&[]), 4, 5)];
    assert!(judge(&lines, &[("shared:r0", "a")]).is_err(), "it was there all the while");
}

#[test]
fn keys_are_counted_as_exactly_as_they_are_known() {
    let alone = |count: i64| {
        let mut oracle = Oracle::new(1);
        let lines = [(0, "SET c0:k0 a", ok(), 1, 2), (0, "DBSIZE", int(count), 3, 4)];
        judge_with(&mut oracle, &lines, &[("c0:k0", "a")])
    };
    alone(1).unwrap();
    assert!(alone(2).is_err());
    assert!(alone(0).is_err());
    // What another does meanwhile may be counted or not.
    let beside = |count: i64| {
        judge(&[(1, "SET c1:k0 a", ok(), 1, 9), (0, "DBSIZE", int(count), 3, 4)], &[("c1:k0", "a")])
    };
    beside(0).unwrap();
    beside(1).unwrap();
    let before = |count: i64| {
        judge(&[(1, "SET c1:k0 a", ok(), 1, 2), (0, "DBSIZE", int(count), 3, 4)], &[("c1:k0", "a")])
    };
    before(1).unwrap();
    assert!(before(2).is_err());
}

#[test]
fn an_element_that_an_exact_search_has_missed_is_gone_after_a_crash() {
    let rows = |there: bool| {
        let rows = there.then(|| ("e0".to_owned(), crate::plan::pack(&[0.0, 1.0])));
        let index = Found::Index {
            dim: 2,
            metric: "l2".to_owned(),
            forms: ["int8", "none"].map(str::to_owned),
            rows: rows.into_iter().collect(),
        };
        Seen { keys: [("shared:v".to_owned(), Some((index, None)))].into() }
    };
    let ask = |there: bool| {
        let mut oracle = Oracle::new(2);
        let lines: [Line<'_>; 4] = [
            (0, "VNEW shared:v 2 METRIC l2 M 4 EF_CONSTRUCTION 20", ok(), 1, 2),
            (0, "VADD shared:v e0 [0,1]", int(1), 3, 4),
            (0, "VDEL shared:v e0", None, 5, 9),
            (1, "VSEARCH shared:v [0,0] 3 EXACT", names(&[]), 6, 7),
        ];
        for (client, op, replies, at, now) in lines {
            let op: Op = op.parse().unwrap();
            oracle.asked(client, &op, at);
            match replies {
                Some(replies) => oracle.answered(client, (&op, &[]), &replies, (at, now)).unwrap(),
                None => oracle.unanswered(client, &op, at, now),
            }
        }
        oracle.inspected_shared(&rows(there), 1_000_000)
    };
    ask(false).unwrap();
    assert!(ask(true).is_err());
}
