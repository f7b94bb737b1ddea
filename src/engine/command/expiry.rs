//! When keys go: EXPIRE and its kin, TTL and its kin, PERSIST, and how the other families read a time.
//!
//! Times are kept in Unix milliseconds, absolute. A time that has passed already deletes the key, and is logged so.

use super::super::mutation::Op;
use super::super::{Call, Engine, Handled, Refusal};
use super::integer;
use crate::base::mark::{Mark, reached};
use crate::resp::eq_ignore_case;

/// How a word tells a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Milliseconds in its unit.
    unit: i64,
    /// Counted from now; otherwise from the Unix epoch.
    relative: bool,
}

impl Form {
    /// Seconds from now.
    pub(super) const EX: Self = Self { unit: 1000, relative: true };
    /// Milliseconds from now.
    pub(super) const PX: Self = Self { unit: 1, relative: true };
    /// Unix seconds.
    pub(super) const EXAT: Self = Self { unit: 1000, relative: false };
    /// Unix milliseconds.
    pub(super) const PXAT: Self = Self { unit: 1, relative: false };

    /// The form that an option of SET or GETEX announces.
    pub(super) fn of_option(word: &[u8]) -> Option<Self> {
        let options: [(&[u8], Self); 4] =
            [(b"EX", Self::EX), (b"PX", Self::PX), (b"EXAT", Self::EXAT), (b"PXAT", Self::PXAT)];
        options.into_iter().find(|(name, _)| eq_ignore_case(word, name)).map(|(_, form)| form)
    }

    /// The time that `value` tells in this form, in Unix milliseconds; `None` if it does not fit 64 bits.
    fn absolute(self, value: i64, now: u64) -> Option<i64> {
        let base = if self.relative { i64::try_from(now).ok()? } else { 0 };
        value.checked_mul(self.unit)?.checked_add(base)
    }
}

fn invalid_expire_time(call: &Call<'_>) -> Refusal {
    let name = call.args.name();
    let name = name.as_deref().unwrap_or_default();
    Refusal::err(format_args!("invalid expire time in '{}' command", name.escape_ascii()))
}

/// The time that a command which writes a value wants: it must be positive, though it may have passed.
pub(super) fn deadline(engine: &Engine, call: &Call<'_>, form: Form, word: &[u8]) -> Result<u64, Refusal> {
    let value = integer(word)?;
    let at = form.absolute(value, engine.now()).filter(|_| value > 0);
    at.and_then(|at| u64::try_from(at).ok()).ok_or_else(|| invalid_expire_time(call))
}

/// The key holds this string until `expire_at` (zero: for ever), or is gone if that time has come.
pub(super) fn put(
    engine: &mut Engine,
    call: &mut Call<'_>,
    key: &[u8],
    value: &[u8],
    expire_at: u64,
) -> Result<(), Refusal> {
    if expire_at == 0 || expire_at > engine.now() {
        return engine.mutate(call, Op::Set { key, value, expire_at });
    }
    reached(Mark::BornExpired);
    if engine.read(call, key).is_some() { engine.mutate(call, Op::Delete { key }) } else { Ok(()) }
}

/// `EXPIRE key seconds [NX | XX | GT | LT]`
pub(super) fn expire(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    set_expiry(engine, call, Form::EX)
}

/// `PEXPIRE key milliseconds [NX | XX | GT | LT]`
pub(super) fn pexpire(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    set_expiry(engine, call, Form::PX)
}

/// `EXPIREAT key unix-time-seconds [NX | XX | GT | LT]`
pub(super) fn expireat(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    set_expiry(engine, call, Form::EXAT)
}

/// `PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]`
pub(super) fn pexpireat(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    set_expiry(engine, call, Form::PXAT)
}

/// When a new expiry replaces the present one.
#[derive(Default)]
struct Conditions {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Conditions {
    fn parse(call: &Call<'_>) -> Result<Self, Refusal> {
        let mut c = Self::default();
        for word in call.args.skip(3).iter() {
            let options: [(&[u8], &mut bool); 4] =
                [(b"NX", &mut c.nx), (b"XX", &mut c.xx), (b"GT", &mut c.gt), (b"LT", &mut c.lt)];
            match options.into_iter().find(|(name, _)| eq_ignore_case(word, name)) {
                Some((_, given)) => *given = true,
                None => return Err(Refusal::err(format_args!("Unsupported option {}", word.escape_ascii()))),
            }
        }
        if c.nx && (c.xx || c.gt || c.lt) {
            return Err(Refusal::err("NX and XX, GT or LT options at the same time are not compatible"));
        }
        if c.gt && c.lt {
            return Err(Refusal::err("GT and LT options at the same time are not compatible"));
        }
        Ok(c)
    }

    /// True if `at` may replace `present`, which is zero for a key that never goes.
    fn allow(&self, present: u64, at: i64) -> bool {
        let present = if present == 0 { None } else { i64::try_from(present).ok() };
        let refused = (self.nx && present.is_some())
            || (self.xx && present.is_none())
            || (self.gt && present.is_none_or(|present| at <= present))
            || (self.lt && present.is_some_and(|present| at >= present));
        !refused
    }
}

fn set_expiry(engine: &mut Engine, call: &mut Call<'_>, form: Form) -> Handled {
    let args = call.args;
    let key = &args[1];
    let conditions = Conditions::parse(call)?;
    let at = form.absolute(integer(&args[2])?, engine.now()).ok_or_else(|| invalid_expire_time(call))?;
    let Some(present) = engine.read(call, key).map(|entry| entry.expire_at) else {
        return call.integer(0);
    };
    if !conditions.allow(present, at) {
        return call.integer(0);
    }
    match u64::try_from(at).ok().filter(|at| *at > engine.now()) {
        Some(at) => engine.mutate(call, Op::Expire { key, at })?,
        None => engine.mutate(call, Op::Delete { key })?,
    }
    call.integer(1)
}

/// `TTL key`
pub(super) fn ttl(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let now = engine.now();
    tell(engine, call, |at| (at.saturating_sub(now) + 500) / 1000)
}

/// `PTTL key`
pub(super) fn pttl(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let now = engine.now();
    tell(engine, call, |at| at.saturating_sub(now))
}

/// `EXPIRETIME key`
pub(super) fn expiretime(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    tell(engine, call, |at| (at + 500) / 1000)
}

/// `PEXPIRETIME key`
pub(super) fn pexpiretime(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    tell(engine, call, |at| at)
}

/// Replies what `show` makes of the key's expiry; -1 if it has none, -2 if there is no key.
fn tell(engine: &mut Engine, call: &mut Call<'_>, show: impl Fn(u64) -> u64) -> Handled {
    let args = call.args;
    let shown = match engine.read(call, &args[1]).map(|entry| entry.expire_at) {
        None => -2,
        Some(0) => -1,
        Some(at) => i64::try_from(show(at)).unwrap_or(i64::MAX),
    };
    call.integer(shown)
}

/// `PERSIST key`
pub(super) fn persist(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let key = &args[1];
    if engine.read(call, key).is_none_or(|entry| entry.expire_at == 0) {
        return call.integer(0);
    }
    engine.mutate(call, Op::Expire { key, at: 0 })?;
    call.integer(1)
}
