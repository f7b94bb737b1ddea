//! Names of keys as KEYS, SCAN and RANDOMKEY tell them.

use std::collections::BTreeSet;

use engram::resp::client::Value;

use super::Oracle;
use super::expect::show;
use crate::plan::Op;

/// Which of a client's keys are to be told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Names {
    /// They are surely there.
    pub must: BTreeSet<String>,
    /// They are, or may be.
    pub may: BTreeSet<String>,
    /// What they, and all that others own, have to match.
    pub pattern: Option<String>,
}

impl Names {
    /// Checks what was told to the client whose keys begin with `own`; `twice` if a name may come twice.
    pub(super) fn check(&self, told: &[&Value], own: &str, twice: bool) -> Result<(), String> {
        let mut came = BTreeSet::new();
        for name in told {
            let Value::Bulk(bytes) = name else { return Err(format!("{} is no name", show(name))) };
            let text = String::from_utf8_lossy(bytes).into_owned();
            if !self.pattern.as_ref().is_none_or(|pattern| like(pattern.as_bytes(), bytes)) {
                return Err(format!("`{text}`, which does not match"));
            }
            if text.starts_with(own) && !self.may.contains(&text) {
                return Err(format!("`{text}`, which is not there"));
            }
            if !came.insert(text.clone()) && (!twice || self.must.contains(&text)) {
                return Err(format!("`{text}` twice"));
            }
        }
        match self.must.iter().find(|name| !came.contains(*name)) {
            Some(missing) => Err(format!("names without `{missing}`")),
            None => Ok(()),
        }
    }

    /// Checks one key that was drawn.
    pub(super) fn check_drawn(&self, drawn: &Value, own: &str) -> Result<(), String> {
        match drawn {
            Value::Null if self.must.is_empty() => Ok(()),
            Value::Null => Err("no key although there are some".to_owned()),
            Value::Bulk(_) => Self { must: BTreeSet::new(), ..self.clone() }.check(&[drawn], own, true),
            other => Err(format!("{}, which is no key", show(other))),
        }
    }
}

/// Whether a key is one of those that all clients name.
#[must_use]
pub(super) fn is_shared(key: &str) -> bool {
    key.starts_with("shared:")
}

/// The names in the replies to what tells some.
pub(super) fn told_names(op: &Op, replies: &[Value]) -> Vec<String> {
    let told = match (op, replies) {
        (Op::Keys | Op::KeysLike(_), [Value::Array(names)]) => names.iter().collect(),
        (Op::RandomKey, [name]) => vec![name],
        (Op::Scan { .. }, _) => scanned(replies).map_or_else(|_| Vec::new(), |(names, _)| names),
        _ => Vec::new(),
    };
    let text = |name: &Value| match name {
        Value::Bulk(name) => Some(String::from_utf8_lossy(name).into_owned()),
        _ => None,
    };
    told.into_iter().filter_map(text).collect()
}

/// The names in the replies to a SCAN and all that went on from it, and whether it came to its end.
pub(super) fn scanned(replies: &[Value]) -> Result<(Vec<&Value>, bool), String> {
    let (mut names, mut ended) = (Vec::new(), false);
    for reply in replies {
        match reply {
            Value::Array(parts) => match parts.as_slice() {
                [Value::Bulk(cursor), Value::Array(some)] => {
                    ended = cursor == b"0";
                    names.extend(some);
                }
                _ => return Err(format!("{}, which is no step of a scan", show(reply))),
            },
            _ => return Err(format!("{}, which is no step of a scan", show(reply))),
        }
    }
    Ok((names, ended))
}

/// True if `pattern` (`*`, `?`, `[a-c]`, `[^a]`, `\\x`) matches all of `text`.
pub(super) fn like(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], text) => text.is_empty(),
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|taken| like(rest, &text[taken..])),
        (_, []) => false,
        ([b'?', rest @ ..], [_, text @ ..]) => like(rest, text),
        ([b'[', rest @ ..], [first, text @ ..]) => {
            let end = rest.iter().position(|byte| *byte == b']').unwrap_or(rest.len());
            let (set, negated) =
                if rest.first() == Some(&b'^') { (&rest[1..end], true) } else { (&rest[..end], false) };
            let range =
                |part: &[u8]| part.len() == 3 && part[1] == b'-' && (part[0]..=part[2]).contains(first);
            let found = set.contains(first) || set.windows(3).any(range);
            found != negated && like(&rest[(end + 1).min(rest.len())..], text)
        }
        ([b'\\', byte, rest @ ..] | [byte, rest @ ..], [first, text @ ..]) => {
            byte == first && like(rest, text)
        }
    }
}

impl Oracle {
    /// Others' names that a client is told of are there for good.
    pub(super) fn named(&mut self, client: usize, op: &Op, replies: &[Value], at: u64) {
        if self.log_failed() {
            return;
        }
        for name in told_names(op, replies) {
            let mut others = (0..self.clients.len()).filter(|other| *other != client);
            if let Some(owner) = others.find(|other| name.starts_with(&format!("c{other}:"))) {
                self.clients[owner].named(&name, at);
            }
        }
    }
}
