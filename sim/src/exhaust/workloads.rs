//! The built-in workloads: small on purpose, each with another way of changing the disk.

use std::sync::Arc;

use crate::plan::{Op, ServerPlan};

/// One client's operations in one life, and the lives before it that made the disk.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is there for.
    pub story: &'static str,
    /// How the server is started.
    pub server: ServerPlan,
    /// Lives before, none of which is searched.
    pub preludes: Vec<Prelude>,
    /// What the client asks for.
    pub ops: Vec<Op>,
    /// Requests that are on their way at once.
    pub depth: usize,
    /// Mean virtual nanoseconds between two requests.
    pub gap: u64,
    /// Whether it matters when an image is recovered.
    pub expires: bool,
}

/// A life before the one that is searched. The power goes at its end, all that was pending is on the medium.
#[derive(Clone, Debug)]
pub struct Prelude {
    /// What the client asks for.
    pub ops: Vec<Op>,
    /// Whether the machine stops in the middle of its last write instead of finishing in order.
    pub torn: bool,
}

/// All of them.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    let mut all = plain();
    all.extend(more());
    all
}

/// Those that add to an empty disk.
fn plain() -> Vec<Workload> {
    vec![
        workload("set", "one key", vec![set("k0", 10)]),
        Workload {
            gap: 2_000_000,
            expires: true,
            ..workload(
                "expiry",
                "a key that dies on the way and one that lives",
                vec![set_for("k0", 3), set_for("k1", 60_000), get("k0"), set("k2", 10), get("k0")],
            )
        },
        Workload {
            server: server(512),
            ..workload(
                "rotation",
                "values that fill one segment after the other",
                vec![set("k0", 300), set("k1", 300), set("k0", 301), set("k2", 600)],
            )
        },
        workload(
            "transaction",
            "all or nothing",
            vec![
                set("k0", 5),
                Op::Transaction(vec![set("k1", 40), Op::Incr(key("n")), Op::Del(vec![key("k0")])]),
            ],
        ),
        workload("vectors", "an index, its rows, one of them deleted", vectors()),
        workload("form", "an index whose form changes twice, a snapshot between", forms()),
        Workload {
            depth: 6,
            server: server(4_096),
            ..workload("batch", "requests that share a sync, over several sectors", batch())
        },
        workload(
            "save",
            "a snapshot between two writes",
            vec![set("k0", 10), set("k1", 700), Op::Save, set("k2", 10)],
        ),
        Workload {
            server: server(512),
            ..workload("resave", "a second snapshot replaces the first, segments go", resave())
        },
    ]
}

/// Those that put keys away, and those that begin on a disk with a history.
fn more() -> Vec<Workload> {
    vec![
        workload(
            "clear",
            "everything goes, one key comes back",
            vec![set("k0", 10), new_index(), add("a", 1.0), Op::FlushAll, set("k0", 11)],
        ),
        workload(
            "rename",
            "names of keys change hands",
            vec![
                set("k0", 10),
                set("k1", 20),
                Op::Rename { from: key("k0"), to: key("k1") },
                Op::Del(vec![key("k1")]),
                set("k0", 11),
            ],
        ),
        Workload {
            preludes: vec![Prelude { ops: vec![set("k0", 10), set("k1", 700)], torn: true }],
            ..workload("torn", "a start on a log whose last record is half there", vec![set("k1", 11)])
        },
        Workload {
            server: server(512),
            preludes: vec![
                Prelude { ops: vec![set("k0", 400), Op::Save, set("k1", 400)], torn: false },
                Prelude { ops: vec![new_index(), add("a", 1.0), set("k0", 401)], torn: true },
            ],
            ..workload(
                "restart",
                "a start on a snapshot, segments and a torn tail; another snapshot",
                vec![set("k2", 10), Op::Save, add("b", 2.0)],
            )
        },
    ]
}

fn workload(name: &'static str, story: &'static str, ops: Vec<Op>) -> Workload {
    let server = server(1 << 20);
    Workload { name, story, server, preludes: Vec::new(), ops, depth: 1, gap: 1_000, expires: false }
}

fn server(segment_bytes: u64) -> ServerPlan {
    ServerPlan { workers: 1, exact_below: 8, segment_bytes, snapshot_slice: 4, ..ServerPlan::default() }
}

fn vectors() -> Vec<Op> {
    let gone = Op::Remove { key: key("v0"), element: "a".to_owned() };
    vec![new_index(), add("a", 1.0), add("b", 2.0), add("c", 3.0), gone]
}

fn forms() -> Vec<Op> {
    let by = |quant: &'static str| Op::Quant { key: key("v0"), quant };
    vec![new_index(), add("a", 1.0), by("bin"), add("b", 2.0), Op::Save, by("f32"), add("c", 3.0)]
}

fn batch() -> Vec<Op> {
    (0..6).map(|i| set(&format!("k{}", i % 5), 150 + 100 * i)).collect()
}

fn resave() -> Vec<Op> {
    vec![
        set("k0", 200),
        new_index(),
        add("a", 1.0),
        Op::Save,
        set("k0", 201),
        add("b", 2.0),
        Op::Save,
        set("k1", 10),
    ]
}

/// A key of the only client.
fn key(name: &str) -> String {
    format!("c0:{name}")
}

/// Sets a value of so many bytes, which says how many.
fn set(name: &str, len: usize) -> Op {
    let mut value = format!("{name}-{len}-");
    value.extend((value.len()..len).map(|i| char::from(b'a' + (i % 26) as u8)));
    value.truncate(len);
    Op::Set { key: key(name), value, expire: None }
}

fn set_for(name: &str, millis: u64) -> Op {
    Op::Set { key: key(name), value: format!("{name} for {millis}"), expire: Some(millis) }
}

fn get(name: &str) -> Op {
    Op::Get(key(name))
}

fn new_index() -> Op {
    Op::NewIndex { key: key("v0"), dim: 3, metric: "l2", quant: Some("int4") }
}

fn add(element: &str, at: f32) -> Op {
    Op::Add { key: key("v0"), element: element.to_owned(), vector: Arc::from([at, 1.0, -at]) }
}
