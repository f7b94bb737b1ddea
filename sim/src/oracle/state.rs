//! What one client's keys hold, as a plain map, and what each operation does to it.
//!
//! Times are spans: the server executes an operation at some moment between its sending and its answer, so a deadline
//! that is counted from then is only known to lie in a span too. An operation that meets a key which may or may not
//! have expired by then branches ([`State::settle`]); its answer tells the branches apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::expect::Expect;
use super::index::Index;
use crate::plan::Op;

/// Milliseconds of wall-clock time, from the first to the last moment that is possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
}

impl Span {
    /// The span `after` milliseconds later.
    fn later(self, after: u64) -> Self {
        Self { from: self.from + after, to: self.to + after }
    }
}

/// What a key holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Held {
    /// A string.
    Text(String),
    /// A vector index.
    Index(Arc<Index>),
}

/// A key that is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What it holds.
    pub held: Held,
    /// When it expires, if it does.
    pub deadline: Option<Span>,
}

/// One possible state of a client's keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Keys that are there, or that were and may have expired.
    pub entries: BTreeMap<String, Entry>,
}

/// Expiry is checked in whole milliseconds; one more is granted for who counts the first or the last.
const SLACK: u64 = 1;

const WRONG_TYPE: Expect = Expect::Error("WRONGTYPE");
const ERROR: Expect = Expect::Error("ERR");

impl State {
    /// The states that are possible once it is settled whether `keys` have expired during `at`.
    pub(super) fn settle(self, keys: &[&str], at: Span) -> Vec<Self> {
        let mut states = vec![self];
        for &key in keys {
            for mut state in std::mem::take(&mut states) {
                let Some(deadline) = state.entries.get_mut(key).and_then(|entry| entry.deadline.as_mut())
                else {
                    states.push(state);
                    continue;
                };
                if at.to + SLACK >= deadline.from {
                    let may_live = deadline.to + SLACK >= at.from;
                    deadline.from = deadline.from.max(at.from.saturating_sub(SLACK)).min(deadline.to);
                    if may_live {
                        states.push(state.clone());
                    }
                    state.entries.remove(key);
                }
                states.push(state);
            }
        }
        states
    }

    /// Every state that `op`, executed at some moment of `at`, may lead to, each with the answer that goes with it.
    #[must_use]
    pub fn outcomes(self, op: &Op, at: Span) -> Vec<(Self, Expect)> {
        let Op::Transaction(ops) = op else {
            let settled = self.settle(&op.keys(), at).into_iter();
            return settled
                .map(|mut state| {
                    let expect = state.apply(op, at);
                    (state, expect)
                })
                .collect();
        };
        let mut paths = vec![(self, Vec::new())];
        for op in ops {
            let mut next = Vec::new();
            for (state, parts) in paths {
                for (state, part) in state.outcomes(op, at) {
                    let mut parts: Vec<Expect> = parts.clone();
                    parts.push(part);
                    next.push((state, parts));
                }
            }
            paths = next;
        }
        let whole = |parts: Vec<Expect>| {
            let mut replies = vec![Expect::ok()];
            replies.extend(ops.iter().map(|_| Expect::simple("QUEUED")));
            replies.push(Expect::Array(parts));
            Expect::Sequence(replies)
        };
        paths.into_iter().map(|(state, parts)| (state, whole(parts))).collect()
    }

    /// Executes `op`, which is no transaction and whose keys are settled, and says what the answer has to be.
    fn apply(&mut self, op: &Op, at: Span) -> Expect {
        match op {
            Op::Ping(None) => Expect::simple("PONG"),
            Op::Ping(Some(text)) => Expect::bulk(text),
            Op::Del(keys) => Expect::Integer(keys.iter().filter(|key| self.remove(key)).count() as i64),
            Op::Mset(pairs) => {
                pairs.iter().for_each(|(key, value)| self.set(key, value, None));
                Expect::ok()
            }
            Op::Set { key, value, expire } => {
                self.set(key, value, expire.map(|after| at.later(after)));
                Expect::ok()
            }
            Op::Expire { key, after } => self.expire(key, at.later(*after)),
            Op::ExpireAt { key, at } => self.expire(key, Span { from: *at, to: *at }),
            Op::Pttl(key) => self.time_to_live(key, at),
            Op::Rename { from, to } => match self.entries.remove(from) {
                None => ERROR,
                Some(entry) => {
                    self.entries.insert(to.clone(), entry);
                    Expect::ok()
                }
            },
            Op::Exists(keys) => Expect::Integer(keys.iter().filter(|&key| self.has(key)).count() as i64),
            Op::Type(key) => Expect::simple(match self.held(key) {
                None => "none",
                Some(Held::Text(_)) => "string",
                Some(Held::Index(_)) => "vectorset",
            }),
            Op::DbSize => {
                let sure = self.entries.values().filter(|entry| entry.deadline.is_none()).count();
                Expect::Between(sure as i64, i64::MAX)
            }
            Op::Keys | Op::Transaction(_) => Expect::Anything,
            Op::FlushAll => {
                self.entries.clear();
                Expect::ok()
            }
            Op::Save => Expect::Saved,
            Op::Get(_) | Op::Incr(_) | Op::Append { .. } | Op::GetDel(_) => self.text(op),
            Op::NewIndex { .. } | Op::Add { .. } | Op::Remove { .. } | Op::Search { .. } | Op::Info(_) => {
                self.vectors(op)
            }
        }
    }

    fn held(&self, key: &str) -> Option<&Held> {
        self.entries.get(key).map(|entry| &entry.held)
    }

    fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    fn remove(&mut self, key: &str) -> bool {
        self.entries.remove(key).is_some()
    }

    fn set(&mut self, key: &str, value: &str, deadline: Option<Span>) {
        self.entries.insert(key.to_owned(), Entry { held: Held::Text(value.to_owned()), deadline });
    }

    fn expire(&mut self, key: &str, deadline: Span) -> Expect {
        let entry = self.entries.get_mut(key);
        let found = entry.map(|entry| entry.deadline = Some(deadline)).is_some();
        Expect::Integer(i64::from(found))
    }

    fn time_to_live(&self, key: &str, at: Span) -> Expect {
        match self.entries.get(key).map(|entry| entry.deadline) {
            None => Expect::Integer(-2),
            Some(None) => Expect::Integer(-1),
            Some(Some(deadline)) => Expect::Between(
                deadline.from.saturating_sub(at.to + SLACK) as i64,
                (deadline.to + SLACK).saturating_sub(at.from) as i64,
            ),
        }
    }

    /// Operations on a key that holds text.
    fn text(&mut self, op: &Op) -> Expect {
        let (Op::Get(key) | Op::Incr(key) | Op::GetDel(key) | Op::Append { key, .. }) = op else {
            return Expect::Anything;
        };
        let old = match self.held(key) {
            Some(Held::Index(_)) => return WRONG_TYPE,
            Some(Held::Text(text)) => Some(text.clone()),
            None => None,
        };
        match op {
            Op::Incr(_) => {
                let Ok(number) = old.as_deref().unwrap_or("0").parse::<i64>() else { return ERROR };
                self.replace(key, (number + 1).to_string());
                Expect::Integer(number + 1)
            }
            Op::Append { value, .. } => {
                let whole = old.unwrap_or_default() + value;
                let len = whole.len() as i64;
                self.replace(key, whole);
                Expect::Integer(len)
            }
            _ => {
                if matches!(op, Op::GetDel(_)) {
                    self.remove(key);
                }
                old.map_or(Expect::Null, |text| Expect::bulk(&text))
            }
        }
    }

    /// Changes a value and keeps its deadline.
    fn replace(&mut self, key: &str, value: String) {
        let deadline = self.entries.get(key).and_then(|entry| entry.deadline);
        self.entries.insert(key.to_owned(), Entry { held: Held::Text(value), deadline });
    }

    /// Operations on a vector index.
    fn vectors(&mut self, op: &Op) -> Expect {
        if let Op::NewIndex { key, dim, metric } = op {
            if self.has(key) {
                return ERROR;
            }
            let index = Index { dim: *dim, metric, rows: BTreeMap::new(), inserted: 0 };
            self.entries.insert(key.clone(), Entry { held: Held::Index(Arc::new(index)), deadline: None });
            return Expect::ok();
        }
        let key = op.keys().first().copied().unwrap_or_default();
        let index = match self.entries.get_mut(key).map(|entry| &mut entry.held) {
            None if matches!(op, Op::Info(_)) => return Expect::Null,
            None => return ERROR,
            Some(Held::Text(_)) => return WRONG_TYPE,
            Some(Held::Index(index)) => index,
        };
        match op {
            Op::Add { element, vector, .. } => {
                if vector.len() != index.dim {
                    return ERROR;
                }
                let index = Arc::make_mut(index);
                index.inserted += 1;
                let old = index.rows.insert(element.clone(), Arc::clone(vector));
                Expect::Integer(i64::from(old.is_none()))
            }
            Op::Remove { element, .. } => {
                let removed =
                    index.rows.contains_key(element) && Arc::make_mut(index).rows.remove(element).is_some();
                Expect::Integer(i64::from(removed))
            }
            Op::Search { query, .. } if query.len() != index.dim => ERROR,
            Op::Search { .. } => Expect::Hits(Arc::clone(index)),
            _ => Expect::Info(Arc::clone(index)),
        }
    }
}
