//! Strings, written whole: SET and its older forms, GETSET, GETEX, MSET.

use super::super::mutation::Op;
use super::super::{Call, Engine, Handled, Outcome, Refusal};
use super::expiry::{Form, deadline, put};
use super::wrong_arity;
use crate::resp::{Args, eq_ignore_case};

/// The options of SET or GETEX.
#[derive(Default)]
struct Options<'a> {
    nx: bool,
    xx: bool,
    get: bool,
    keep_ttl: bool,
    persist: bool,
    expiry: Option<(Form, &'a [u8])>,
}

impl<'a> Options<'a> {
    /// Reads SET's options, or GETEX's.
    fn parse(words: Args<'a>, getex: bool) -> Result<Self, Refusal> {
        let mut o = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let is = |name: &[u8]| eq_ignore_case(word, name);
            if !getex && is(b"NX") && !o.xx {
                o.nx = true;
            } else if !getex && is(b"XX") && !o.nx {
                o.xx = true;
            } else if !getex && is(b"GET") {
                o.get = true;
            } else if !getex && is(b"KEEPTTL") && o.expiry.is_none() {
                o.keep_ttl = true;
            } else if getex && is(b"PERSIST") && o.expiry.is_none() {
                o.persist = true;
            } else if let Some(form) = Form::of_option(word)
                && !o.keep_ttl
                && !o.persist
                && o.expiry.is_none_or(|(given, _)| given == form)
            {
                o.expiry = Some((form, words.next().ok_or(Refusal::SYNTAX)?));
            } else {
                return Err(Refusal::SYNTAX);
            }
        }
        Ok(o)
    }
}

/// `SET key value [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`
pub(super) fn set(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let (key, value) = (&args[1], &args[2]);
    if args.len() == 3 {
        engine.mutate(call, Op::Set { key, value, expire_at: 0 })?;
        return call.ok();
    }
    let options = Options::parse(args.skip(3), false)?;
    let mut expire_at = match options.expiry {
        Some((form, word)) => deadline(engine, call, form, word)?,
        None => 0,
    };
    let old = if options.get { engine.read_string(call, key)?.map(<[u8]>::to_vec) } else { None };
    let present = engine.read(call, key).map(|entry| entry.expire_at);
    if options.keep_ttl {
        expire_at = present.unwrap_or(0);
    }
    let stays = (options.nx && present.is_some()) || (options.xx && present.is_none());
    if !stays {
        put(engine, call, key, value, expire_at)?;
    }
    if options.get || stays {
        call.reply.bulk_or_null(old);
        return Ok(Outcome::Done);
    }
    call.ok()
}

/// `SETNX key value`
pub(super) fn setnx(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let (key, value) = (&args[1], &args[2]);
    if engine.read(call, key).is_some() {
        return call.integer(0);
    }
    engine.mutate(call, Op::Set { key, value, expire_at: 0 })?;
    call.integer(1)
}

/// `SETEX key seconds value`
pub(super) fn setex(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    set_until(engine, call, Form::EX)
}

/// `PSETEX key milliseconds value`
pub(super) fn psetex(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    set_until(engine, call, Form::PX)
}

fn set_until(engine: &mut Engine, call: &mut Call<'_>, form: Form) -> Handled {
    let args = call.args;
    let expire_at = deadline(engine, call, form, &args[2])?;
    put(engine, call, &args[1], &args[3], expire_at)?;
    call.ok()
}

/// `GETSET key value`
pub(super) fn getset(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let (key, value) = (&args[1], &args[2]);
    let old = engine.read_string(call, key)?.map(<[u8]>::to_vec);
    engine.mutate(call, Op::Set { key, value, expire_at: 0 })?;
    call.reply.bulk_or_null(old);
    Ok(Outcome::Done)
}

/// `GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]`
pub(super) fn getex(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let key = &args[1];
    let options = Options::parse(args.skip(2), true)?;
    let Some(value) = engine.read_string(call, key)?.map(<[u8]>::to_vec) else { return call.null() };
    if let Some((form, word)) = options.expiry {
        let at = deadline(engine, call, form, word)?;
        let op = if at > engine.now() { Op::Expire { key, at } } else { Op::Delete { key } };
        engine.mutate(call, op)?;
    } else if options.persist && engine.read(call, key).is_some_and(|entry| entry.expire_at != 0) {
        engine.mutate(call, Op::Expire { key, at: 0 })?;
    }
    call.bulk(&value)
}

/// `MSET key value [key value ...]`
pub(super) fn mset(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    set_pairs(engine, call, "mset")?;
    call.ok()
}

/// `MSETNX key value [key value ...]`: all of them or, if one is there, none.
pub(super) fn msetnx(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let present = args.iter().skip(1).step_by(2).filter(|key| engine.read(call, key).is_some()).count();
    if args.len() % 2 == 1 && present > 0 {
        return call.integer(0);
    }
    set_pairs(engine, call, "msetnx")?;
    call.integer(1)
}

fn set_pairs(engine: &mut Engine, call: &mut Call<'_>, name: &str) -> Result<(), Refusal> {
    let args = call.args;
    if args.len().is_multiple_of(2) {
        return Err(wrong_arity(name));
    }
    let pair = |at: usize| Op::Set { key: &args[at], value: &args[at + 1], expire_at: 0 };
    let pairs = (1..args.len()).step_by(2);
    engine.check_room(pairs.clone().map(|at| pair(at).encoded_len()).sum())?;
    for at in pairs {
        engine.mutate(call, pair(at))?;
    }
    Ok(())
}
