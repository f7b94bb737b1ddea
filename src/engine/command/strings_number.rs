//! Strings that are numbers: INCR, DECR, INCRBY, DECRBY, INCRBYFLOAT. The log gets the result, not the step.

use super::super::mutation::Op;
use super::super::{Call, Engine, Handled, Refusal};
use super::{integer, string_and_expiry};
use crate::resp::{human_sum, text_i64};

/// `INCR key`
pub(super) fn incr(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    add(engine, call, 1)
}

/// `DECR key`
pub(super) fn decr(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    add(engine, call, -1)
}

/// `INCRBY key increment`
pub(super) fn incrby(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let step = integer(&call.args[2])?;
    add(engine, call, step)
}

/// `DECRBY key decrement`
pub(super) fn decrby(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let step = integer(&call.args[2])?.checked_neg();
    add(engine, call, step.ok_or_else(|| Refusal::err("decrement would overflow"))?)
}

fn add(engine: &mut Engine, call: &mut Call<'_>, step: i64) -> Handled {
    let args = call.args;
    let key = &args[1];
    let (before, expire_at) = match string_and_expiry(engine, call, key)? {
        Some((value, expire_at)) => (integer(value)?, expire_at),
        None => (0, 0),
    };
    let after = before.checked_add(step);
    let after = after.ok_or_else(|| Refusal::err("increment or decrement would overflow"))?;
    engine.mutate(call, Op::Set { key, value: text_i64(after).as_bytes(), expire_at })?;
    call.integer(after)
}

/// `INCRBYFLOAT key increment`
pub(super) fn incrbyfloat(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let key = &args[1];
    let (before, expire_at) = string_and_expiry(engine, call, key)?.unwrap_or((b"0", 0));
    let after = human_sum(before, &args[2]).map_err(Refusal::err)?;
    engine.mutate(call, Op::Set { key, value: after.as_bytes(), expire_at })?;
    call.bulk(after.as_bytes())
}
