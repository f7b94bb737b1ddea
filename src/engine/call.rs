//! One command on its way through the engine: its words, its session, its reply.

use std::borrow::Cow;

use super::Engine;
use super::job::Job;
use crate::resp::{Args, Protocol, Reply};
use crate::wal::Lsn;

/// Why a command was refused: the text of its error reply, code included, without the leading `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub Cow<'static, str>);

impl Refusal {
    /// A refusal with code `ERR`.
    pub fn err(text: impl std::fmt::Display) -> Self {
        Self(Cow::Owned(format!("ERR {text}")))
    }

    /// The key holds another type than the command is for.
    pub const WRONG_TYPE: Self =
        Self(Cow::Borrowed("WRONGTYPE Operation against a key holding the wrong kind of value"));
    /// The words do not form the command.
    pub const SYNTAX: Self = Self(Cow::Borrowed("ERR syntax error"));
    /// A word should have been a 64-bit integer.
    pub const NOT_AN_INTEGER: Self = Self(Cow::Borrowed("ERR value is not an integer or out of range"));
    /// A word should have been a float.
    pub const NOT_A_FLOAT: Self = Self(Cow::Borrowed("ERR value is not a valid float"));
    /// The command needs a key that is there.
    pub const NO_SUCH_KEY: Self = Self(Cow::Borrowed("ERR no such key"));
}

/// What has become of a command when its handler returns.
#[derive(Debug)]
pub enum Outcome {
    /// Its reply has been written.
    Done,
    /// A worker writes its reply.
    Job(Job),
    /// Its reply is written when the snapshot of this number is durable.
    Snapshot(u64),
    /// Its reply is written when the change of this number has come to its end.
    Change(u64),
}

/// What a handler returns.
pub type Handled = Result<Outcome, Refusal>;

/// One command being executed.
#[derive(Debug)]
pub struct Call<'a> {
    /// The command's words, its name first.
    pub args: Args<'a>,
    /// Where the reply goes.
    pub reply: Reply<'a>,
    /// The reply may leave when the log is durable up to here.
    pub barrier: Lsn,
}

impl<'a> Call<'a> {
    /// A command that has seen nothing yet.
    pub fn new(args: Args<'a>, protocol: Protocol, out: &'a mut Vec<u8>) -> Self {
        Self { args, reply: Reply::new(out, protocol), barrier: Lsn(0) }
    }

    /// The reply shows something that is durable with `lsn` only.
    pub fn observe(&mut self, lsn: Lsn) {
        self.barrier = self.barrier.max(lsn);
    }

    /// Replies `OK`.
    pub fn ok(&mut self) -> Handled {
        self.reply.ok();
        Ok(Outcome::Done)
    }

    /// Replies with a number.
    pub fn integer(&mut self, value: i64) -> Handled {
        self.reply.integer(value);
        Ok(Outcome::Done)
    }

    /// Replies with a string.
    pub fn bulk(&mut self, value: &[u8]) -> Handled {
        self.reply.bulk(value);
        Ok(Outcome::Done)
    }

    /// Replies that there is nothing.
    pub fn null(&mut self) -> Handled {
        self.reply.null();
        Ok(Outcome::Done)
    }
}

/// What runs a command.
pub type Handler = fn(&mut Engine, &mut Call<'_>) -> Handled;
