//! The Redis protocol: what bytes mean as commands and how answers become bytes. Pure: nothing here reads or writes.
//!
//! Guarantees: every byte of input is looked at a bounded number of times however it is cut; no announced length
//! makes memory be taken before the bytes are there; errors are in the words Redis 7 uses, so clients know them.
//! Not here: which commands exist, how much input or output a connection may hold, and when to close it.

mod args;
pub mod client;
mod decimal;
mod error;
mod inline;
mod number;
mod parser;
mod reply;

pub use args::{Args, Name, OwnedArgs, Word, eq_ignore_case};
pub use decimal::{SumError, human_f64, human_sum};
pub use error::ProtocolError;
pub use number::{Text, parse_f64, parse_i64, text_f64, text_i64};
pub use parser::{ParseLimits, Parser, Progress};
pub use reply::{Protocol, Reply};

#[cfg(test)]
mod tests;
