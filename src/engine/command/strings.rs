//! Strings, read and changed in part: GET, MGET, GETDEL, APPEND, STRLEN, GETRANGE, SETRANGE.

use super::super::mutation::Op;
use super::super::{Call, Engine, Handled, Outcome, Refusal};
use super::{integer, string_and_expiry};
use crate::base::limits;

/// `GET key`
pub(super) fn get(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    match engine.read_string(call, &args[1])? {
        Some(value) => call.bulk(value),
        None => call.null(),
    }
}

/// `MGET key [key ...]`: null for what is no string.
pub(super) fn mget(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    call.reply.array(args.len() - 1);
    for key in args.iter().skip(1) {
        let value = engine.read_string(call, key).unwrap_or(None);
        call.reply.bulk_or_null(value);
    }
    Ok(Outcome::Done)
}

/// `GETDEL key`
pub(super) fn getdel(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let key = &args[1];
    let Some(value) = engine.read_string(call, key)?.map(<[u8]>::to_vec) else { return call.null() };
    engine.mutate(call, Op::Delete { key })?;
    call.bulk(&value)
}

/// `STRLEN key`
pub(super) fn strlen(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let length = engine.read_string(call, &args[1])?.map_or(0, <[u8]>::len);
    call.integer(length as i64)
}

/// `APPEND key value`
pub(super) fn append(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let (key, tail) = (&args[1], &args[2]);
    let before = string_and_expiry(engine, call, key)?.map_or(0, |(value, _)| value.len());
    let after = checked_length(before, tail.len())?;
    engine.mutate(call, Op::Append { key, tail })?;
    call.integer(i64::from(after))
}

/// `SETRANGE key offset value`
pub(super) fn setrange(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let (key, bytes) = (&args[1], &args[3]);
    let offset = integer(&args[2])?;
    let offset = usize::try_from(offset).map_err(|_| Refusal::err("offset is out of range"))?;
    let before = string_and_expiry(engine, call, key)?.map_or(0, |(value, _)| value.len());
    if bytes.is_empty() {
        return call.integer(before as i64);
    }
    let end = checked_length(offset, bytes.len())?;
    let op = Op::Overwrite { key, offset: end - bytes.len() as u32, bytes };
    engine.mutate(call, op)?;
    call.integer(before.max(end as usize) as i64)
}

/// The length of a string of `a` and then `b` bytes, if a string may be that long.
fn checked_length(a: usize, b: usize) -> Result<u32, Refusal> {
    let length = a.checked_add(b).filter(|length| *length <= limits::MAX_BULK);
    length
        .and_then(|length| u32::try_from(length).ok())
        .ok_or_else(|| Refusal::err("string exceeds maximum allowed size (proto-max-bulk-len)"))
}

/// `GETRANGE key start end`: bounds are inclusive; negative ones count from the end.
pub(super) fn getrange(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let (start, end) = (integer(&args[2])?, integer(&args[3])?);
    let value = engine.read_string(call, &args[1])?.unwrap_or_default();
    call.bulk(range(value, start, end))
}

fn range(value: &[u8], start: i64, end: i64) -> &[u8] {
    if start < 0 && start > end && end < 0 {
        return &[];
    }
    let length = value.len() as i64;
    let from_end = |bound: i64| if bound < 0 { (length + bound.max(-length)).max(0) } else { bound };
    let (start, end) = (from_end(start), from_end(end).min(length - 1));
    if start > end {
        return &[];
    }
    value.get(start as usize..=end as usize).unwrap_or_default()
}
