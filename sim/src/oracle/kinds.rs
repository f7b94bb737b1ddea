//! What kind of a request or an answer it is.

use engram::resp::client::Value;

use super::names::is_shared;
use crate::plan::Op;

/// How many answers to a job that has panicked there are, those in transactions included.
pub(crate) fn internal(replies: &[Value]) -> usize {
    let count = |reply: &Value| match reply {
        Value::Error(text) => usize::from(text.starts_with(b"ERR internal error")),
        Value::Array(parts) => internal(parts),
        _ => 0,
    };
    replies.iter().map(count).sum()
}

/// True for a search, and for a transaction with one.
pub(super) fn searches(op: &Op) -> bool {
    match op {
        Op::Search { .. } => true,
        Op::Transaction(ops) | Op::Discarded(ops) => ops.iter().any(searches),
        Op::Unheard(_, op) => searches(op),
        _ => false,
    }
}

/// True for a request of which a snapshot may come.
pub(super) fn saves(op: &Op) -> bool {
    match op {
        Op::Save | Op::BackgroundSave => true,
        Op::Transaction(ops) => ops.iter().any(saves),
        Op::Unheard(_, op) => saves(op),
        _ => false,
    }
}

/// True for a request that is about shared keys and nothing of the client's own.
pub(super) fn is_for_all(op: &Op) -> bool {
    if let Op::Unheard(_, op) = op {
        return is_for_all(op);
    }
    let tied = matches!(op, Op::Transaction(_) | Op::Discarded(_) | Op::Watch(_) | Op::Unwatch);
    !tied && op.keys().iter().any(|key| is_shared(key))
}

/// True for an answer that only a failed log gives.
pub(super) fn refused(op: &Op, replies: &[Value]) -> bool {
    let aborts = op.is_aborted();
    let code = |text: &[u8]| text.starts_with(b"MISCONF ") || (text.starts_with(b"EXECABORT ") && !aborts);
    replies.iter().any(|reply| match reply {
        Value::Error(text) => code(text),
        // The log failed while the transaction was executed: no part of it counts.
        Value::Array(parts) => refused(op, parts),
        _ => false,
    })
}

/// True for a refusal after which no write may succeed before a restart; a full disk may have room again.
pub(super) fn for_good(replies: &[Value]) -> bool {
    replies.iter().any(|reply| match reply {
        Value::Error(text) => text.starts_with(b"MISCONF the log has failed"),
        Value::Array(parts) => for_good(parts),
        _ => false,
    })
}

/// An operation for a report.
pub(super) fn short(op: &Op) -> String {
    let text = op.to_string();
    let end = text.char_indices().nth(160).map_or(text.len(), |(end, _)| end);
    format!("{}{}", &text[..end], if end < text.len() { "..." } else { "" })
}
