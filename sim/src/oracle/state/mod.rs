//! What one client's keys hold, as a plain map, and what each operation does to it.
//!
//! Times are spans: the server executes an operation at some moment between its sending and its answer, so a deadline
//! that is counted from then is only known to lie in a span too. An operation that meets a key which may or may not
//! have expired by then branches ([`State::settle`]); its answer tells the branches apart.

mod keys;
mod strings;
mod transaction;
mod vectors;

pub(super) use transaction::clears;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::expect::Expect;
use super::index::Index;
use super::names::is_shared;
use crate::plan::{Form, Lifetime, Op, Passed, Silence, Word};

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
        Self { from: self.from.saturating_add(after), to: self.to.saturating_add(after) }
    }

    /// Just this moment; the beginning of all for one that was before.
    fn moment(millis: i64) -> Self {
        let millis = u64::try_from(millis).unwrap_or(0);
        Self { from: millis, to: millis }
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

impl Held {
    /// What TYPE calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Index(_) => "vectorset",
        }
    }
}

/// A key that is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What it holds.
    pub held: Held,
    /// When it expires, if it does.
    pub deadline: Option<Span>,
}

/// Whether a name that a client watches has changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It has not.
    No,
    /// A command that may change it left it as it was, or others may change it.
    Maybe,
    /// It has.
    Yes,
}

/// One possible state of a client's keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Keys that are there, or that were and may have expired.
    pub entries: BTreeMap<String, Entry>,
    /// What its connection watches.
    pub watched: BTreeMap<String, Changed>,
    /// Requests of others to clear everything that have not taken place yet, or not at all, those of one client in order.
    pub due: Vec<Due>,
    /// These are the keys that all clients name, not those of one client.
    pub world: bool,
}

/// Who has asked for everything to be cleared, and the request's number.
pub(in crate::oracle) type Due = (usize, u64);

/// Stands for every such request that will never be answered: which of them is which makes no difference.
pub(in crate::oracle) const NOBODY: Due = (usize::MAX, 0);

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
                    state.remove(key);
                    state.change(key, Changed::Yes);
                }
                states.push(state);
            }
        }
        states
    }

    /// The wall clock was set from `before` to `after`. A key whose time had come by then may have gone, whatever the
    /// clock shows now.
    pub(super) fn clock_set(&mut self, before: u64, after: u64) {
        for deadline in self.entries.values_mut().filter_map(|entry| entry.deadline.as_mut()) {
            if before + SLACK >= deadline.from {
                deadline.from = deadline.from.min(after);
            }
        }
    }

    /// Every state that `op`, executed at some moment of `at`, may lead to, each with the answer that goes with it.
    #[must_use]
    pub fn outcomes(self, op: &Op, at: Span) -> Vec<(Self, Expect)> {
        match op {
            Op::Transaction(ops) => self.transaction(ops, at),
            Op::Discarded(ops) => vec![self.discarded(ops)],
            Op::Unheard(silence, op) => {
                // What was answered cannot be told, but that it was not.
                let heard = match silence {
                    Silence::Off => Expect::Sequence(vec![Expect::ok(), Expect::SomeType]),
                    Silence::Skip => Expect::SomeType,
                };
                let outcomes = self.outcomes(op, at).into_iter();
                outcomes.map(|(state, _)| (state, heard.clone())).collect()
            }
            _ => {
                let settled = self.settle(&op.keys(), at).into_iter();
                settled.flat_map(|state| state.executed(op, at)).collect()
            }
        }
    }

    /// What `op`, which is no transaction and whose keys are settled, may lead to.
    fn executed(mut self, op: &Op, at: Span) -> Vec<(Self, Expect)> {
        if op.keys().iter().any(|key| is_shared(key) != self.world) && !matches!(op, Op::Watch(_)) {
            return vec![(self, Expect::Anything)];
        }
        let before = self.clone();
        let mut outcomes = if let Op::ExpireIf { key, form, time, only } = op {
            self.expire_if(key, (*form, *time), *only, at)
        } else {
            let expect = self.apply(op, at);
            vec![(self, expect)]
        };
        if names_a_moment(op) {
            // It may have passed: then the key is gone already. One that was not there before has not changed by that.
            let settle = |(mut state, expect): (Self, Expect)| {
                let watched = std::mem::take(&mut state.watched);
                let settled = state.settle(&op.keys(), at).into_iter();
                settled.map(move |state| (Self { watched: watched.clone(), ..state }, expect.clone()))
            };
            outcomes = outcomes.into_iter().flat_map(settle).collect();
        }
        if !before.watched.is_empty() && op.is_write() {
            for (state, _) in &mut outcomes {
                let mut watched = std::mem::take(&mut state.watched);
                state.note_changes(&before, op, &mut watched);
                state.watched = watched;
            }
        }
        outcomes
    }

    /// Executes `op` and says what the answer has to be.
    fn apply(&mut self, op: &Op, at: Span) -> Expect {
        match op {
            Op::Ping(None) => Expect::simple("PONG"),
            Op::Ping(Some(text)) => Expect::bulk(text),
            Op::FlushAll | Op::FlushDb => {
                self.entries.clear();
                Expect::ok()
            }
            Op::RandomKey | Op::Keys | Op::KeysLike(_) | Op::Scan { .. } if self.world => Expect::Anything,
            Op::Save | Op::Backup(_) => Expect::Saved,
            Op::BackgroundSave => Expect::Begun,
            Op::LastSave => Expect::Between(0, i64::MAX),
            Op::ConfigSet { .. } => Expect::ok(),
            Op::Watch(keys) => {
                keys.iter().for_each(|key| self.watch(key));
                Expect::ok()
            }
            Op::Unwatch => {
                self.watched.clear();
                Expect::ok()
            }
            Op::Reset => {
                self.watched.clear();
                Expect::simple("RESET")
            }
            Op::Hello(version) => Expect::Greeting(*version),
            Op::Nested | Op::Wrong(_) => ERROR,
            Op::Unfit(words) => self.unfit(words),
            Op::NewIndex { .. }
            | Op::Add { .. }
            | Op::Remove { .. }
            | Op::Search { .. }
            | Op::Info(_)
            | Op::Quant { .. } => self.vectors(op),
            _ => match self.strings(op, at) {
                Some(expect) => expect,
                None => self.keyed(op, at),
            },
        }
    }

    /// What is refused: because it passes a limit, unless its key does not hold what it is about.
    fn unfit(&self, words: &[Word]) -> Expect {
        let Some(passed) = Passed::of(words) else { return ERROR };
        let Some(wanted) = passed.on else { return Expect::Refused(passed.says) };
        let key = if let Some(Word::Text(key)) = words.get(1) { key.as_str() } else { "" };
        let misfits = |entry: &Entry| match (&entry.held, words.get(2)) {
            (Held::Index(index), Some(Word::Vector(vector))) => vector.len() != index.dim,
            _ => false,
        };
        match self.entries.get(key) {
            _ if !self.due.is_empty() => Expect::Anything,
            Some(entry) if misfits(entry) => ERROR,
            Some(entry) if entry.deadline.is_some() => Expect::Anything,
            Some(entry) if entry.held.kind() == wanted => Expect::Refused(passed.says),
            Some(_) => WRONG_TYPE,
            None if wanted == "string" => Expect::Refused(passed.says),
            None => ERROR,
        }
    }

    /// The index at a key, if it holds one.
    #[must_use]
    pub(super) fn index(&self, key: &str) -> Option<&Index> {
        match self.held(key) {
            Some(Held::Index(index)) => Some(index),
            _ => None,
        }
    }

    /// Only some of the keys.
    pub(super) fn only(&self, within: &dyn Fn(&str) -> bool) -> Self {
        let mut part = self.clone();
        part.entries.retain(|key, _| within(key));
        part
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

    /// Changes a value and keeps its deadline.
    fn replace(&mut self, key: &str, value: String) {
        let deadline = self.deadline(key);
        self.entries.insert(key.to_owned(), Entry { held: Held::Text(value), deadline });
    }

    fn deadline(&self, key: &str) -> Option<Span> {
        self.entries.get(key).and_then(|entry| entry.deadline)
    }
}

/// True for an operation that sets a key's expiry to a moment which may have passed.
fn names_a_moment(op: &Op) -> bool {
    match op {
        Op::ExpireAt { .. } | Op::ExpireIf { .. } => true,
        Op::SetWith { life, .. } | Op::GetEx { life, .. } => {
            matches!(life, Lifetime::Until(Form::ExAt | Form::PxAt, _))
        }
        _ => false,
    }
}
