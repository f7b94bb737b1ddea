//! The commands, a file a family, and the table of all there are.
//!
//! A handler checks the command's words and the types of its keys first and only then changes anything, so a refused
//! command has had no effect. It answers in the words Redis uses. Which log record its changes make, and when its
//! reply may leave, is the engine's part.

mod access;
mod describe;
mod expiry;
pub mod glob;
mod keys;
mod object;
mod scan;
mod strings;
mod strings_number;
mod strings_set;
mod syntax;
mod table;
#[cfg(test)]
mod tests;
mod vectors;
mod vsearch;

pub use describe::{command, help};
pub use object::memory_usage;
pub use table::{
    Command, Flags, Group, Handler, Keys, ServerCommand, Subcommand, all, lookup, number, subcommand,
};

pub(super) use vectors::{expect_set, form};

use super::{Call, Engine, Refusal};
use crate::resp::parse_i64;

/// A word that must be a 64-bit integer.
fn integer(word: &[u8]) -> Result<i64, Refusal> {
    parse_i64(word).ok_or(Refusal::NOT_AN_INTEGER)
}

/// The refusal of a command with too few or too many words.
fn wrong_arity(name: &str) -> Refusal {
    Refusal::err(format_args!("wrong number of arguments for '{name}' command"))
}

/// The string at `key` and its expiry; a refusal where the key holds something else.
fn string_and_expiry<'e>(
    engine: &'e mut Engine,
    call: &mut Call<'_>,
    key: &[u8],
) -> Result<Option<(&'e [u8], u64)>, Refusal> {
    match engine.read(call, key) {
        None => Ok(None),
        Some(entry) => {
            let bytes = entry.value.as_string().ok_or(Refusal::WRONG_TYPE)?;
            Ok(Some((bytes, entry.expire_at)))
        }
    }
}
