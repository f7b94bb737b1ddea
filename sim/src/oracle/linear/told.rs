//! What KEYS, SCAN and RANDOMKEY tell of the names that all clients share.

use std::collections::BTreeMap;

use engram::resp::client::Value;

use super::super::names::{is_shared, like, scanned, told_names};
use super::super::shared_keys;
use crate::plan::Op;

/// Names, and whether each was told or, though it would have been told, was not.
pub(super) type Names = Vec<(String, bool)>;

/// What the replies to `op` tell of shared names; nothing if it tells no names, or not in the form that it should. One that
/// is told at once is told of one moment; the others each of their own.
pub(super) fn told(op: &Op, replies: &[Value]) -> Option<(Names, bool)> {
    let (pattern, complete) = match (op, replies) {
        (Op::Keys, [Value::Array(_)]) => (None, true),
        (Op::KeysLike(pattern), [Value::Array(_)]) => (Some(pattern), true),
        (Op::RandomKey, [Value::Bulk(_)]) => (None, false),
        // One that was not told may hold something else.
        (Op::Scan { pattern, kind, .. }, _) => (pattern.as_ref(), scanned(replies).ok()?.1 && kind.is_none()),
        _ => return None,
    };
    let is_meant = |name: &String| pattern.is_none_or(|pattern| like(pattern.as_bytes(), name.as_bytes()));
    let absent = shared_keys().into_iter().filter(|name| complete && is_meant(name));
    let mut names: BTreeMap<String, bool> = absent.map(|name| (name, false)).collect();
    names.extend(told_names(op, replies).into_iter().filter(|name| is_shared(name)).map(|name| (name, true)));
    Some((names.into_iter().collect(), !matches!(op, Op::Scan { .. })))
}
