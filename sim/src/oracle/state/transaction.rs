//! WATCH, MULTI, EXEC, DISCARD: what is watched, and what a transaction comes to.

use std::collections::BTreeMap;

use super::super::expect::Expect;
use super::super::names::is_shared;
use super::{Changed, Due, ERROR, Span, State};
use crate::plan::Op;

impl State {
    /// Whether keys that are not of this state have changed is not judged here.
    pub(super) fn watch(&mut self, key: &str) {
        let changed = if is_shared(key) == self.world { Changed::No } else { Changed::Maybe };
        self.watched.entry(key.to_owned()).or_insert(changed);
    }

    /// A watched key has changed, or may have.
    pub(super) fn change(&mut self, key: &str, how: Changed) {
        if let Some(changed) = self.watched.get_mut(key).filter(|changed| **changed != Changed::Yes) {
            *changed = how;
        }
    }

    /// Compares watched keys with what they were before `op`.
    pub(in super::super) fn note_changes(
        &self,
        before: &Self,
        op: &Op,
        watched: &mut BTreeMap<String, Changed>,
    ) {
        let all = clears(op);
        for (key, changed) in watched.iter_mut().filter(|(_, changed)| **changed != Changed::Yes) {
            if before.entries.get(key) != self.entries.get(key) {
                *changed = Changed::Yes;
            } else if all || op.keys().contains(&key.as_str()) {
                *changed = Changed::Maybe;
            }
        }
    }

    /// Another client has cleared everything.
    pub(in super::super) fn cleared(mut self, id: Due) -> Self {
        let before = self.clone();
        self.entries.clear();
        if let Some(at) = self.due.iter().position(|due| *due == id) {
            self.due.remove(at);
        }
        let mut watched = std::mem::take(&mut self.watched);
        self.note_changes(&before, &Op::FlushAll, &mut watched);
        self.watched = watched;
        self
    }

    /// `op` was refused for want of memory.
    pub(in super::super) fn passed_over(mut self, op: &Op) -> Self {
        if matches!(op, Op::Transaction(_)) {
            self.watched.clear();
        }
        self
    }

    /// MULTI, `ops`, DISCARD.
    pub(super) fn discarded(mut self, ops: &[Op]) -> (Self, Expect) {
        self.watched.clear();
        (self, around(ops, Expect::ok()))
    }

    /// MULTI, `ops`, EXEC.
    pub(super) fn transaction(self, ops: &[Op], at: Span) -> Vec<(Self, Expect)> {
        if ops.iter().any(|op| matches!(op, Op::Wrong(_))) {
            let (state, _) = self.discarded(ops);
            return vec![(state, around(ops, Expect::Error("EXECABORT")))];
        }
        let watched: Vec<String> = self.watched.keys().cloned().collect();
        let watched: Vec<&str> = watched.iter().map(String::as_str).collect();
        let settled = self.settle(&watched, at);
        settled.into_iter().flat_map(|state| state.run_unless_changed(ops, at)).collect()
    }

    fn run_unless_changed(mut self, ops: &[Op], at: Span) -> Vec<(Self, Expect)> {
        let watched = std::mem::take(&mut self.watched);
        let mut outcomes = Vec::new();
        if watched.values().any(|changed| *changed != Changed::No) {
            outcomes.push((self.clone(), around(ops, Expect::Null)));
        }
        if watched.values().all(|changed| *changed != Changed::Yes) {
            outcomes.extend(self.run(ops, at));
        }
        outcomes
    }

    fn run(self, ops: &[Op], at: Span) -> Vec<(Self, Expect)> {
        let mut paths = vec![(self, Vec::new())];
        for op in ops.iter().filter(|op| !matches!(op, Op::Nested)) {
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
        paths.into_iter().map(|(state, parts)| (state, around(ops, Expect::Array(parts)))).collect()
    }
}

/// The replies to MULTI, to what is queued, and the last one.
fn around(ops: &[Op], last: Expect) -> Expect {
    let queued = |op: &Op| match op {
        Op::Wrong(_) | Op::Nested => ERROR,
        _ => Expect::simple("QUEUED"),
    };
    let mut replies = vec![Expect::ok()];
    replies.extend(ops.iter().map(queued));
    replies.push(last);
    Expect::Sequence(replies)
}

/// True for what may remove keys that it does not name.
pub(in super::super) fn clears(op: &Op) -> bool {
    match op {
        Op::FlushAll | Op::FlushDb => true,
        Op::Transaction(ops) => ops.iter().any(clears),
        _ => false,
    }
}
