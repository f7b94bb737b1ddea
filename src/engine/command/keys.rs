//! Keys, whatever they hold: DEL, UNLINK, EXISTS, TOUCH, TYPE, RENAME, RENAMENX, COPY, RANDOMKEY, DBSIZE, FLUSHALL,
//! FLUSHDB. Dropping what is large is never done here: the engine leaves it to a worker, for DEL as for UNLINK.

use super::super::mutation::Op;
use super::super::{Call, Engine, Handled, Outcome, Refusal};
use super::integer;
use crate::resp::eq_ignore_case;

/// Keys drawn by RANDOMKEY until one is found whose time has not come.
const DRAWS: usize = 100;

/// `DEL key [key ...]`, `UNLINK key [key ...]`
pub(super) fn del(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let mut gone = 0;
    for key in args.iter().skip(1) {
        if engine.read(call, key).is_some() {
            engine.mutate(call, Op::Delete { key })?;
            gone += 1;
        }
    }
    call.integer(gone)
}

/// `EXISTS key [key ...]`, `TOUCH key [key ...]`: a key named twice counts twice.
pub(super) fn exists(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let there = args.iter().skip(1).filter(|key| engine.read(call, key).is_some()).count();
    call.integer(there as i64)
}

/// `TYPE key`
pub(super) fn type_of(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let name = engine.read(call, &args[1]).map_or("none", |entry| entry.value.type_name());
    call.reply.simple(name);
    Ok(Outcome::Done)
}

/// `RENAME key newkey`
pub(super) fn rename(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    rename_if(engine, call, |_| true)?;
    call.ok()
}

/// `RENAMENX key newkey`
pub(super) fn renamenx(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let done = rename_if(engine, call, |taken| !taken)?;
    call.integer(i64::from(done))
}

/// Renames if `wanted`, which is told whether the new name is taken, says so.
fn rename_if(
    engine: &mut Engine,
    call: &mut Call<'_>,
    wanted: impl Fn(bool) -> bool,
) -> Result<bool, Refusal> {
    let args = call.args;
    let (from, to) = (&args[1], &args[2]);
    if engine.read(call, from).is_none() {
        return Err(Refusal::NO_SUCH_KEY);
    }
    let taken = engine.read(call, to).is_some();
    if !wanted(taken) {
        return Ok(false);
    }
    if from != to {
        engine.mutate(call, Op::Rename { from, to })?;
    }
    Ok(true)
}

/// `COPY source destination [DB 0] [REPLACE]`
pub(super) fn copy(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let (from, to) = (&args[1], &args[2]);
    let mut replace = false;
    let mut words = args.skip(3).iter();
    while let Some(word) = words.next() {
        if eq_ignore_case(word, b"REPLACE") {
            replace = true;
        } else if eq_ignore_case(word, b"DB") {
            if integer(words.next().ok_or(Refusal::SYNTAX)?)? != 0 {
                return Err(Refusal::err("DB index is out of range"));
            }
        } else {
            return Err(Refusal::SYNTAX);
        }
    }
    if from == to {
        return Err(Refusal::err("source and destination objects are the same"));
    }
    if engine.read(call, from).is_none() || (engine.read(call, to).is_some() && !replace) {
        return call.integer(0);
    }
    let Some(entry) = engine.read(call, from) else { return call.integer(0) };
    let expire_at = entry.expire_at;
    let Some(value) = entry.value.as_string() else {
        return Err(Refusal::err("not supported for this module key"));
    };
    let value = value.to_vec();
    engine.mutate(call, Op::Set { key: to, value: &value, expire_at })?;
    call.integer(1)
}

/// `RANDOMKEY`
pub(super) fn randomkey(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    engine.observe_everything(call);
    for _ in 0..DRAWS {
        let mut rng = engine.rng().clone();
        let drawn = engine.keyspace().random(&mut rng).map(|entry| entry.key.clone());
        *engine.rng() = rng;
        let Some(key) = drawn else { break };
        if engine.read(call, &key).is_some() {
            return call.bulk(&key);
        }
    }
    call.null()
}

/// `DBSIZE`
pub(super) fn dbsize(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    engine.observe_everything(call);
    call.integer(engine.keyspace().len() as i64)
}

/// `FLUSHALL [ASYNC | SYNC]`, `FLUSHDB [ASYNC | SYNC]`: a worker drops what was there in either case.
pub(super) fn clear(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let known = |word: &[u8]| eq_ignore_case(word, b"ASYNC") || eq_ignore_case(word, b"SYNC");
    if call.args.len() > 2 || call.args.get(1).is_some_and(|word| !known(word)) {
        return Err(Refusal::SYNTAX);
    }
    engine.mutate(call, Op::Clear)?;
    call.ok()
}
