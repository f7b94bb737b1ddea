//! OBJECT, and the engine's part of MEMORY. Encodings are those Redis would choose for the same string; engram itself
//! keeps no access times and no reference counts.

use super::super::{Call, Engine, Handled, Outcome, Refusal};
use super::{describe, integer, table};
use crate::resp::{eq_ignore_case, parse_i64};

/// Longest string that Redis embeds into its object.
const EMBEDDED: usize = 44;

/// `OBJECT ENCODING | FREQ | HELP | IDLETIME | REFCOUNT [key]`
pub(super) fn object(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let sub = table::subcommand(args)?;
    if sub.name == "help" {
        return describe::help(call);
    }
    let Some(entry) = engine.read(call, &args[2]) else { return call.null() };
    match sub.name {
        "encoding" => {
            let encoding = match entry.value.as_string() {
                Some(bytes) if parse_i64(bytes).is_some() => "int",
                Some(bytes) if bytes.len() <= EMBEDDED => "embstr",
                _ => "raw",
            };
            call.bulk(encoding.as_bytes())
        }
        "freq" => Err(Refusal::err(
            "An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
             switching between policies at runtime LRU and LFU data will take some time to adjust.",
        )),
        "refcount" => call.integer(1),
        "idletime" => call.integer(0),
        other => unreachable!("OBJECT {other} is in the table"),
    }
}

/// `MEMORY USAGE key [SAMPLES count]`: bytes of the key, what it holds, and its place in the table.
pub fn memory_usage(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let mut words = args.skip(3).iter();
    while let Some(word) = words.next() {
        if !eq_ignore_case(word, b"SAMPLES") {
            return Err(Refusal::SYNTAX);
        }
        if integer(words.next().ok_or(Refusal::SYNTAX)?)? < 0 {
            return Err(Refusal::SYNTAX);
        }
    }
    match engine.read(call, &args[2]).map(|entry| entry.bytes()) {
        Some(bytes) => call.integer(bytes as i64),
        None => {
            call.reply.null();
            Ok(Outcome::Done)
        }
    }
}
