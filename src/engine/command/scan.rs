//! SCAN and KEYS. Both tell of all names, so their replies wait for all that was logged.
//!
//! Keys whose time has come are not shown. A SCAN that runs from cursor 0 to cursor 0 shows every key that was there
//! all the while exactly once.

use super::super::{Call, Engine, Handled, Outcome, Refusal};
use super::glob::Glob;
use super::integer;
use crate::resp::{Reply, eq_ignore_case};

/// Keys looked at by a SCAN without COUNT, about.
const DEFAULT_COUNT: usize = 10;

/// `KEYS pattern`
pub(super) fn keys(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let pattern = Glob::new(&call.args[1]).map_err(Refusal::err)?;
    let filter = Filter { pattern: Some(pattern), kind: None };
    let mut cursor = 0;
    let (mut found, most) = (Found::default(), engine.store.options.scan_count);
    loop {
        cursor = found.add(engine, call, &filter, cursor, most);
        if cursor == 0 {
            break;
        }
    }
    engine.observe_everything(call);
    found.reply(call);
    Ok(Outcome::Done)
}

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`
pub(super) fn scan(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let cursor = std::str::from_utf8(&args[1]).ok().and_then(|word| word.parse::<u64>().ok());
    let cursor = cursor.ok_or_else(|| Refusal::err("invalid cursor"))?;
    let mut filter = Filter { pattern: None, kind: None };
    let mut count = DEFAULT_COUNT;
    let mut words = args.skip(2).iter();
    while let Some(word) = words.next() {
        let value = words.next().ok_or(Refusal::SYNTAX)?;
        if eq_ignore_case(word, b"MATCH") {
            filter.pattern = Some(Glob::new(value).map_err(Refusal::err)?);
        } else if eq_ignore_case(word, b"COUNT") {
            let wanted = Some(integer(value)?).filter(|count| *count > 0).ok_or(Refusal::SYNTAX)?;
            count = usize::try_from(wanted).unwrap_or(usize::MAX).min(engine.store.options.scan_count);
        } else if eq_ignore_case(word, b"TYPE") {
            filter.kind = Some(value);
        } else {
            return Err(Refusal::SYNTAX);
        }
    }
    let mut found = Found::default();
    let cursor = found.add(engine, call, &filter, cursor, count);
    engine.observe_everything(call);
    call.reply.array(2);
    call.reply.bulk(cursor.to_string());
    found.reply(call);
    Ok(Outcome::Done)
}

/// Which keys are wanted.
struct Filter<'a> {
    pattern: Option<Glob>,
    kind: Option<&'a [u8]>,
}

/// The names found so far, as elements of the reply.
#[derive(Default)]
struct Found {
    count: usize,
    elements: Vec<u8>,
}

impl Found {
    /// Adds what one step of a scan finds; returns the cursor behind it.
    fn add(
        &mut self,
        engine: &Engine,
        call: &Call<'_>,
        filter: &Filter<'_>,
        cursor: u64,
        count: usize,
    ) -> u64 {
        let now = engine.now();
        let mut elements = Reply::new(&mut self.elements, call.reply.protocol());
        engine.keyspace().scan(cursor, count, &mut |entry| {
            let alive = entry.expire_at == 0 || entry.expire_at > now;
            let named = filter.pattern.as_ref().is_none_or(|pattern| pattern.matches(&entry.key));
            let kind = entry.value.type_name().as_bytes();
            if alive && named && filter.kind.is_none_or(|wanted| eq_ignore_case(wanted, kind)) {
                elements.bulk(&entry.key);
                self.count += 1;
            }
        })
    }

    fn reply(&self, call: &mut Call<'_>) {
        call.reply.array(self.count);
        call.reply.raw(&self.elements);
    }
}
