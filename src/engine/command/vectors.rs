//! Vector commands: VNEW, VADD, VDEL, VINFO; VSEARCH has a file of its own.
//!
//! Everything is checked here, before the log and the index see it; the graph is walked by workers ([`Job`]).

use std::sync::Arc;

use super::super::job::{Job, Kind};
use super::super::mutation::{Op, SetConfig};
use super::super::store::Applied;
use super::super::value::{Value, VectorSet};
use super::super::{Call, Engine, Handled, Outcome, Refusal};
use crate::base::limits;
use crate::index;
use crate::resp::{eq_ignore_case, parse_i64};

/// Links a row keeps unless VNEW says otherwise.
const DEFAULT_M: u32 = 16;
/// How vectors are compressed for searches unless VNEW says otherwise.
const DEFAULT_QUANT: index::Quant = index::Quant::Int8;
/// Width of an insert's candidate list unless VNEW says otherwise.
const DEFAULT_EF_CONSTRUCTION: u32 = 200;

/// `VNEW index dim [METRIC name] [M n] [EF_CONSTRUCTION n] [QUANT form]`
pub(super) fn vnew(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let dim = number(&args[2], "dim", 1, limits::MAX_DIM)? as u32;
    let seed = engine.rng().next_u64();
    let (metric, quant) = (metric_code(b"cosine")?, DEFAULT_QUANT.code() as u16);
    let (m, ef_construction) = (DEFAULT_M, DEFAULT_EF_CONSTRUCTION);
    let mut config = SetConfig { dim, metric, quant, m, ef_construction, seed };
    let mut at = 3;
    while at < args.len() {
        let (word, value) = (&args[at], args.get(at + 1));
        let value =
            value.ok_or_else(|| Refusal::err(format_args!("option {} needs a value", quote(word))))?;
        if eq_ignore_case(word, b"METRIC") {
            config.metric = metric_code(value)?;
        } else if eq_ignore_case(word, b"M") {
            config.m = number(value, "M", 2, limits::MAX_M)? as u32;
        } else if eq_ignore_case(word, b"EF_CONSTRUCTION") {
            config.ef_construction = number(value, "EF_CONSTRUCTION", 1, limits::MAX_EF)? as u32;
        } else if eq_ignore_case(word, b"QUANT") {
            config.quant = form(value)?.code() as u16;
        } else {
            return Err(Refusal::err(format_args!(
                "unknown option {}: VNEW takes METRIC, M, EF_CONSTRUCTION, QUANT",
                quote(word)
            )));
        }
        at += 2;
    }
    let key = &args[1];
    if engine.read(call, key).is_some() {
        return Err(Refusal::err(format_args!("the key {} exists already", quote(key))));
    }
    engine.mutate(call, Op::NewSet { key, config })?;
    call.ok()
}

/// `VADD index key vector`
pub(super) fn vadd(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let (key, element, vector) = (&args[1], &args[2], &args[3]);
    let set = expect_set(engine, call, key)?;
    let dim = set.dim();
    index::read_vector(vector, dim, &mut Vec::new()).map_err(Refusal::err)?;
    set.writer.check_room().map_err(Refusal::err)?;
    let shared = Arc::clone(set.writer.index());
    let applied = engine.change(call, Op::PutVector { key, element, vector })?;
    let Applied::Row { row, replaced } = applied else { unreachable!("a vector becomes a row") };
    let reply = if replaced { b":0\r\n" } else { b":1\r\n" };
    Ok(Outcome::Job(Job(Kind::Link { index: shared, row, barrier: call.barrier, reply: reply.to_vec() })))
}

/// `VDEL index key`
pub(super) fn vdel(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let (key, element) = (&args[1], &args[2]);
    let set = expect_set(engine, call, key)?;
    if set.writer.get(element).is_none() {
        return call.integer(0);
    }
    engine.mutate(call, Op::RemoveVector { key, element })?;
    call.integer(1)
}

/// `VINFO index`
pub(super) fn vinfo(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    if engine.read(call, &args[1]).is_none() {
        call.reply.null_array();
        return Ok(Outcome::Done);
    }
    let index = Arc::clone(expect_set(engine, call, &args[1])?.writer.index());
    let change = engine.store.change_of(&index);
    let set = expect_set(engine, call, &args[1])?;
    let (config, stats) = (index.config(), index.stats());
    let reply = &mut call.reply;
    let numbers: [(&str, usize); 17] = [
        ("hnsw-m", config.m),
        ("vector-dim", config.dim),
        ("projection-input-dim", 0),
        ("size", set.writer.len()),
        ("max-level", stats.max_level),
        ("attributes-count", 0),
        ("vset-uid", (config.seed >> 1) as usize),
        ("hnsw-max-node-uid", stats.rows),
        ("count", set.writer.len()),
        ("ef-construction", config.ef_construction),
        ("bytes", set.writer.bytes()),
        ("mapped-bytes", stats.mapped_bytes),
        ("rows", stats.rows),
        ("tombstones", stats.tombstones),
        ("free", stats.free),
        ("unlinked", stats.unlinked),
        ("quant-change-rows", change.map_or(0, |(_, rows)| rows)),
    ];
    reply.map(numbers.len() + 3);
    reply.simple("quant-type");
    reply.simple(set.writer.walked_by().name());
    for (name, value) in numbers {
        reply.simple(name);
        reply.integer(i64::try_from(value).unwrap_or(i64::MAX));
    }
    reply.simple("metric");
    reply.simple(config.metric.name());
    reply.simple("quant-change");
    reply.simple(change.map_or("none", |(quant, _)| quant.name()));
    Ok(Outcome::Done)
}

/// The vector set at `key`; a refusal where there is none.
pub(in crate::engine) fn expect_set<'e>(
    engine: &'e mut Engine,
    call: &mut Call<'_>,
    key: &[u8],
) -> Result<&'e VectorSet, Refusal> {
    match engine.read(call, key).map(|entry| &entry.value) {
        None => Err(Refusal::err(format_args!("no index {}: create it with VNEW", quote(key)))),
        Some(Value::String(_) | Value::Shared(_)) => Err(Refusal::WRONG_TYPE),
        Some(Value::Vectors(set)) => Ok(set),
    }
}

/// The form of this name.
pub(in crate::engine) fn form(name: &[u8]) -> Result<index::Quant, Refusal> {
    index::Quant::named(name).ok_or_else(|| {
        let names: Vec<&str> = index::Quant::ALL.iter().map(|quant| quant.name()).collect();
        Refusal::err(format_args!("unknown QUANT {}: there are {}", quote(name), names.join(", ")))
    })
}

fn metric_code(name: &[u8]) -> Result<u16, Refusal> {
    let known = index::METRICS.iter().find(|m| eq_ignore_case(name, m.name().as_bytes()));
    known.map(|m| m.code() as u16).ok_or_else(|| {
        let names: Vec<&str> = index::METRICS.iter().map(|m| m.name()).collect();
        Refusal::err(format_args!("unknown metric {}: there are {}", quote(name), names.join(", ")))
    })
}

/// A number within bounds.
pub(super) fn number(word: &[u8], what: &str, least: usize, most: usize) -> Result<usize, Refusal> {
    let value = parse_i64(word).and_then(|v| usize::try_from(v).ok());
    value.filter(|v| (least..=most).contains(v)).ok_or_else(|| {
        Refusal::err(format_args!("{what} must be a number from {least} to {most}, not {}", quote(word)))
    })
}

/// How many hits are wanted: any positive number; more than there are is fine.
pub(super) fn count(word: &[u8], what: &str) -> Result<usize, Refusal> {
    let value = parse_i64(word).filter(|v| *v > 0).and_then(|v| usize::try_from(v).ok());
    value.ok_or_else(|| Refusal::err(format_args!("{what} must be a positive number, not {}", quote(word))))
}

/// A client's word, printable and short enough for an error line.
pub(super) fn quote(word: &[u8]) -> String {
    let shown = word.get(..64).unwrap_or(word);
    let more = if shown.len() < word.len() { "..." } else { "" };
    format!("'{}'{more}", shown.escape_ascii())
}
