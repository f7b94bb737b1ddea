//! WATCH, MULTI, EXEC, DISCARD: what is watched, and what a transaction comes to.

use super::super::expect::Expect;
use super::super::shared::is_shared;
use super::{Changed, ERROR, Span, State};
use crate::plan::Op;

impl State {
    /// Others may change shared keys at any time: whether they did is not judged here.
    pub(super) fn watch(&mut self, key: &str) {
        let changed = if is_shared(key) { Changed::Maybe } else { Changed::No };
        self.watched.entry(key.to_owned()).or_insert(changed);
    }

    /// A watched key has changed, or may have.
    pub(super) fn change(&mut self, key: &str, how: Changed) {
        if let Some(changed) = self.watched.get_mut(key).filter(|changed| **changed != Changed::Yes) {
            *changed = how;
        }
    }

    /// Compares watched keys with what they were before `op`.
    pub(super) fn note_changes(&mut self, before: &Self, op: &Op) {
        let named: Vec<String> = self.watched.keys().cloned().collect();
        let all = matches!(op, Op::FlushAll | Op::FlushDb);
        for key in named {
            if before.entries.get(&key) != self.entries.get(&key) {
                self.change(&key, Changed::Yes);
            } else if all || op.keys().contains(&key.as_str()) {
                self.change(&key, Changed::Maybe);
            }
        }
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
        paths.into_iter().map(|(state, parts)| (state, around(ops, Expect::Array(parts)))).collect()
    }
}

/// The replies to MULTI, to what is queued, and the last one.
fn around(ops: &[Op], last: Expect) -> Expect {
    let queued = |op: &Op| if matches!(op, Op::Wrong(_)) { ERROR } else { Expect::simple("QUEUED") };
    let mut replies = vec![Expect::ok()];
    replies.extend(ops.iter().map(queued));
    replies.push(last);
    Expect::Sequence(replies)
}
