//! Operations on keys, whatever they hold, and on their names.

use std::collections::BTreeSet;

use super::super::expect::Expect;
use super::super::names::{Names, like};
use super::{ERROR, Entry, Held, SLACK, Span, State};
use crate::plan::{Form, Only, Op};

impl State {
    /// What an operation on keys does.
    pub(super) fn keyed(&mut self, op: &Op, at: Span) -> Expect {
        let count = |n: usize| Expect::Integer(n as i64);
        match op {
            Op::Del(keys) | Op::Unlink(keys) => count(keys.iter().filter(|key| self.remove(key)).count()),
            Op::Exists(keys) | Op::Touch(keys) => count(keys.iter().filter(|key| self.has(key)).count()),
            Op::Expire { key, after } => self.expire(key, at.later(*after)),
            Op::ExpireAt { key, at } => self.expire(key, Span { from: *at, to: *at }),
            Op::Persist(key) => {
                let entry = self.entries.get_mut(key);
                Expect::Integer(entry.is_some_and(|entry| entry.deadline.take().is_some()).into())
            }
            Op::Pttl(key) | Op::Ttl(key) | Op::ExpireTime(key) | Op::PexpireTime(key) => {
                self.time(key, op, at)
            }
            Op::Rename { from, to } => match self.entries.remove(from) {
                None => ERROR,
                Some(entry) => {
                    self.entries.insert(to.clone(), entry);
                    Expect::ok()
                }
            },
            Op::RenameNx { from, .. } if !self.has(from) => ERROR,
            Op::RenameNx { to, .. } if self.has(to) => Expect::Integer(0),
            Op::RenameNx { from, to } => {
                let entry = self.entries.remove(from);
                self.entries.extend(entry.map(|entry| (to.clone(), entry)));
                Expect::Integer(1)
            }
            Op::Copy { from, to, replace } => self.copy(from, to, *replace),
            Op::Type(key) => Expect::simple(self.held(key).map_or("none", Held::kind)),
            Op::DbSize => Expect::Between(self.names(None, at).must.len() as i64, i64::MAX),
            Op::RandomKey => Expect::SomeKey(self.names(None, at)),
            Op::Keys => Expect::Names(self.names(None, at)),
            Op::KeysLike(pattern) => Expect::Names(self.names(Some(pattern), at)),
            Op::Scan { pattern, kind, .. } => {
                Expect::Scanned(self.names_of(kind.as_deref(), pattern.as_deref(), at))
            }
            _ => Expect::Anything,
        }
    }

    fn expire(&mut self, key: &str, deadline: Span) -> Expect {
        let entry = self.entries.get_mut(key);
        let found = entry.map(|entry| entry.deadline = Some(deadline)).is_some();
        Expect::Integer(i64::from(found))
    }

    /// EXPIRE with a condition, which may depend on moments that are not known to the millisecond.
    pub(super) fn expire_if(
        mut self,
        key: &str,
        (form, time): (Form, i64),
        only: Option<Only>,
        at: Span,
    ) -> Vec<(Self, Expect)> {
        let Some(present) = self.entries.get(key).map(|entry| entry.deadline) else {
            return vec![(self, Expect::Integer(0))];
        };
        let new = form.moments(time, at);
        let (may, may_not) = match (only, present) {
            (None, _) | (Some(Only::Nx | Only::Lt), None) | (Some(Only::Xx), Some(_)) => (true, false),
            (Some(Only::Xx | Only::Gt), None) | (Some(Only::Nx), Some(_)) => (false, true),
            (Some(Only::Gt), Some(old)) => (new.to > old.from, new.from <= old.to),
            (Some(Only::Lt), Some(old)) => (new.from < old.to, new.to >= old.from),
        };
        let mut outcomes = Vec::new();
        if may_not {
            outcomes.push((self.clone(), Expect::Integer(0)));
        }
        if may {
            let expect = self.expire(key, new);
            outcomes.push((self, expect));
        }
        outcomes
    }

    /// TTL and its kin.
    fn time(&self, key: &str, op: &Op, at: Span) -> Expect {
        let Some(entry) = self.entries.get(key) else { return Expect::Integer(-2) };
        let Some(deadline) = entry.deadline else { return Expect::Integer(-1) };
        let left = (
            deadline.from.saturating_sub(at.to + SLACK) as i64,
            (deadline.to + SLACK).saturating_sub(at.from) as i64,
        );
        let seconds = |millis: i64| (millis + 500) / 1_000;
        let (from, to) = (deadline.from as i64, deadline.to as i64);
        match op {
            Op::Ttl(_) => Expect::Between(seconds(left.0), seconds(left.1)),
            Op::ExpireTime(_) => Expect::Between(seconds(from), seconds(to)),
            Op::PexpireTime(_) => Expect::Between(from, to),
            _ => Expect::Between(left.0, left.1),
        }
    }

    fn copy(&mut self, from: &str, to: &str, replace: bool) -> Expect {
        if from == to {
            return ERROR;
        }
        let Some(entry) = self.entries.get(from).filter(|_| replace || !self.has(to)) else {
            return Expect::Integer(0);
        };
        if matches!(entry.held, Held::Index(_)) {
            return ERROR;
        }
        let entry = Entry { held: entry.held.clone(), deadline: entry.deadline };
        self.entries.insert(to.to_owned(), entry);
        Expect::Integer(1)
    }

    /// The names that must, and that may, be shown by what tells names during `at`.
    pub(in super::super) fn names(&self, pattern: Option<&str>, at: Span) -> Names {
        self.names_of(None, pattern, at)
    }

    /// The same of keys that hold this kind of thing only.
    pub(in super::super) fn names_of(&self, kind: Option<&str>, pattern: Option<&str>, at: Span) -> Names {
        let (mut must, mut may) = (BTreeSet::new(), BTreeSet::new());
        for (key, entry) in &self.entries {
            let lives = entry.deadline.is_none_or(|deadline| deadline.from > at.to + SLACK);
            let gone = entry.deadline.is_some_and(|deadline| deadline.to + SLACK < at.from);
            let other = kind.is_some_and(|kind| !entry.held.kind().eq_ignore_ascii_case(kind));
            if gone || other || !pattern.is_none_or(|pattern| like(pattern.as_bytes(), key.as_bytes())) {
                continue;
            }
            if lives {
                must.insert(key.clone());
            }
            may.insert(key.clone());
        }
        Names { must, may, pattern: pattern.map(str::to_owned) }
    }
}
