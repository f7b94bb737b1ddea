//! What an answer has to be, and whether it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use engram::resp::client::Value;

use super::context::Context;
use super::described::check_info;
use super::index::Index;
use super::names::{Names, scanned};
use super::search::check_hits;
use crate::plan::Op;

/// What an answer has to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Expect {
    /// This value.
    Exactly(Value),
    /// Nothing, in whichever form.
    Null,
    /// This number.
    Integer(i64),
    /// A number from the first to the last.
    Between(i64, i64),
    /// An error whose code is this.
    Error(&'static str),
    /// An error that says this.
    Refused(&'static str),
    /// `OK`, or an error where the plan let the disk fail since.
    Saved,
    /// `OK`, or that the index is gone or the server going.
    Formed {
        /// The index may go by itself, or because of what others have asked for.
        may_go: bool,
    },
    /// That a snapshot begins. Where the log has failed it may be refused, like a write.
    Begun,
    /// These names, in any order.
    Names(Names),
    /// These names, by one scan to its end.
    Scanned(Names),
    /// One of these names; nothing if there are none.
    SomeKey(Names),
    /// An array of these, which answers one command.
    List(Vec<Expect>),
    /// Hits of a search in this index.
    Hits(Arc<Index>),
    /// The server's answer to HELLO with this version.
    Greeting(u8),
    /// A description of this index.
    Info(Arc<Index>),
    /// An array of these, which answers the commands of a transaction.
    Array(Vec<Expect>),
    /// Several replies.
    Sequence(Vec<Expect>),
    /// An array of whatever.
    SomeArray,
    /// What a key may hold, or that it is not there.
    SomeType,
    /// No matter.
    Anything,
}

impl Expect {
    /// `+OK`.
    #[must_use]
    pub fn ok() -> Self {
        Self::simple("OK")
    }

    /// A status.
    #[must_use]
    pub fn simple(text: &str) -> Self {
        Self::Exactly(Value::Simple(text.as_bytes().to_vec()))
    }

    /// A string.
    #[must_use]
    pub fn bulk(text: &str) -> Self {
        Self::Exactly(Value::Bulk(text.as_bytes().to_vec()))
    }

    /// Compares the replies to one operation with what they have to be. An error says what is wrong.
    pub fn check(&self, replies: &[Value], context: Context<'_>) -> Result<(), String> {
        if let Self::Scanned(names) = self {
            let (told, ended) = scanned(replies)?;
            // A client that leaves does not ask for the rest.
            let must = if ended { names.must.clone() } else { BTreeSet::new() };
            return Names { must, ..names.clone() }.check(&told, &context.own(), true);
        }
        let parts =
            if let Self::Sequence(parts) = self { parts.as_slice() } else { std::slice::from_ref(self) };
        if parts.len() != replies.len() {
            return Err(format!("{} replies instead of {}", replies.len(), parts.len()));
        }
        parts.iter().zip(replies).try_for_each(|(part, reply)| part.check_one(reply, context))
    }

    fn check_one(&self, reply: &Value, context: Context<'_>) -> Result<(), String> {
        let right = match (self, reply) {
            (Self::Exactly(value), _) => value == reply,
            (Self::Null, Value::Null | Value::NullArray) | (Self::Anything, _) => true,
            (Self::Integer(n), Value::Integer(came)) => n == came,
            (Self::Between(least, most), Value::Integer(came)) => (least..=most).contains(&came),
            (Self::Error(code), Value::Error(text)) => {
                text.strip_prefix(code.as_bytes()).is_some_and(|rest| rest.first() == Some(&b' '))
            }
            (Self::Refused(says), Value::Error(text)) => {
                text.starts_with(b"ERR ") && String::from_utf8_lossy(text).contains(says)
            }
            (Self::Saved, Value::Simple(text)) => text == b"OK",
            (Self::Saved, Value::Error(text)) => context.may_not_save || saveless(text, context),
            (Self::Formed { .. }, Value::Simple(text)) => text == b"OK",
            (Self::Formed { may_go }, Value::Error(text)) => formless(text, *may_go, context),
            (Self::SomeArray, Value::Array(_)) => true,
            (Self::SomeType, Value::Simple(text)) => {
                [b"none".as_slice(), b"string", b"vectorset"].contains(&text.as_slice())
            }
            (Self::Begun, Value::Simple(text)) => text == b"Background saving started",
            (Self::Names(names), Value::Array(items)) => {
                return names.check(&items.iter().collect::<Vec<_>>(), &context.own(), false);
            }
            (Self::SomeKey(names), _) => return names.check_drawn(reply, &context.own()),
            (Self::Scanned(_), _) => return self.check(std::slice::from_ref(reply), context),
            (Self::List(parts), Value::Array(items)) if parts.len() == items.len() => {
                return parts.iter().zip(items).try_for_each(|(part, item)| part.check_one(item, context));
            }
            (Self::Hits(index), Value::Array(items)) => return check_hits(index, items, context),
            (Self::Info(index), Value::Array(items)) => return check_info(index, items, context.times.0),
            (Self::Greeting(version), Value::Array(items)) => {
                let proto = [Value::Bulk(b"proto".to_vec()), Value::Integer(i64::from(*version))];
                items.as_chunks::<2>().0.contains(&proto)
            }
            (Self::Array(parts), Value::Array(items)) => return check_array(parts, items, context),
            _ => false,
        };
        if right { Ok(()) } else { Err(format!("{} instead of {self}", show(reply))) }
    }
}

/// The parts of a transaction, each judged by the command it answers.
fn check_array(parts: &[Expect], items: &[Value], context: Context<'_>) -> Result<(), String> {
    let ops: Vec<Op> = match context.op {
        Op::Transaction(ops) => ops.iter().filter(|op| !matches!(op, Op::Nested)).cloned().collect(),
        _ => Vec::new(),
    };
    if parts.len() != items.len() || parts.len() != ops.len() {
        return Err(format!("{} parts instead of {}", items.len(), parts.len()));
    }
    for (i, (part, item)) in parts.iter().zip(items).enumerate() {
        // A search in a transaction may see what the rest of it does.
        let later: Vec<&Op> = ops[i + 1..].iter().chain(context.later.iter().copied()).collect();
        part.check_one(item, Context { op: &ops[i], later: &later, ..context })?;
    }
    Ok(())
}

/// Whether a snapshot or backup may have been given up with this text, because the server finishes.
fn saveless(text: &[u8], context: Context<'_>) -> bool {
    let what = match context.op {
        Op::Backup(name) => format!("backup {name}"),
        _ => "snapshot".to_owned(),
    };
    let crowded = context.backups_abound && text == b"ERR as many backups wait already as may";
    let finishing = || text == format!("ERR the {what} failed: the server is shutting down").as_bytes();
    (crowded && matches!(context.op, Op::Backup(_))) || (context.finishing && finishing())
}

/// Whether VQUANT may be refused with this text. That another form was asked for nobody is told: each index has one client who
/// asks for any.
fn formless(text: &[u8], may_go: bool, context: Context<'_>) -> bool {
    let keys = context.op.keys();
    let takes =
        |op: &&Op| op.is_write() && (op.keys().is_empty() || op.keys().iter().any(|key| keys.contains(key)));
    if text.starts_with(b"ERR the index is gone") {
        may_go || context.later.iter().any(takes)
    } else {
        context.finishing && text == b"ERR the server is shutting down, and the change of form is given up"
    }
}

/// A reply for a report.
#[must_use]
pub fn show(reply: &Value) -> String {
    let text = |bytes: &[u8]| bytes[..bytes.len().min(120)].escape_ascii().to_string();
    match reply {
        Value::Simple(bytes) => format!("+{}", text(bytes)),
        Value::Error(bytes) => format!("-{}", text(bytes)),
        Value::Bulk(bytes) => format!("\"{}\"", text(bytes)),
        Value::Array(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        other => format!("{other:?}"),
    }
}

impl std::fmt::Display for Expect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exactly(value) => f.write_str(&show(value)),
            Self::Integer(n) => write!(f, "{n}"),
            Self::Between(least, most) => write!(f, "a number from {least} to {most}"),
            Self::Error(code) => write!(f, "an error {code}"),
            Self::Refused(says) => write!(f, "an error that says: {says}"),
            Self::Hits(index) => write!(f, "hits among {} vectors", index.rows.len()),
            Self::Info(_) => f.write_str("a description of the index"),
            other => write!(f, "{other:?}"),
        }
    }
}
