//! What is known of one client's own keys.
//!
//! Only this client names them, and a connection's commands are executed in order; so after the answered operations
//! there is one state, or a few where expiry is in doubt, and a crash leaves that state plus some prefix of the
//! operations that were sent and not answered. Nothing in between, nothing with a hole.

mod counts;

use std::collections::BTreeMap;
use std::sync::Arc;

use engram::resp::client::Value;

use super::context::Context;
use super::expect::Expect;
use super::index::Index;
use super::names::Names;
use super::past::{Ends, Past, Window};
use super::prefixes::{after, maybe_cleared, prefixes};
use super::promise::Loss;
use super::seen::Seen;
use super::shown::Shown;
use super::state::{Due, Entry, Held, NOBODY, Span, State, clears};
use super::unwritten::Unwritten;
use crate::plan::Op;

/// The possible states of one client's keys.
#[derive(Clone, Debug)]
pub(super) struct Model {
    /// After all that was answered.
    states: Vec<State>,
    /// Sent since, without an answer or refused, in order, each with its number.
    pending: Vec<(Op, Span, u64)>,
    /// Requests of others to clear everything: number, when it was asked for, when it was answered.
    clearings: Vec<(Due, u64, Option<u64>)>,
    /// How the wall clock was set since the first of the pending ones.
    jumps: Vec<(u64, u64)>,
    /// When each key may last have come or gone, in virtual nanoseconds; what is not here came before this life.
    touched: BTreeMap<String, u64>,
    /// When all of them may have.
    cleared: u64,
    /// Rows that were seen before they were acknowledged.
    shown: Shown,
    /// What the states were before.
    pub(super) past: Past,
    /// In this life, and what has expired since.
    log_failed: bool,
    unwritten: Unwritten,
    /// When everything was looked at last.
    looked: u64,
    /// Memory is limited: what is pending may have been passed over.
    pub(super) tight: bool,
    /// The disk was full for a while: what nobody heard an answer to may have been passed over.
    pub(super) roomless: bool,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            states: vec![State::default()],
            pending: Vec::new(),
            clearings: Vec::new(),
            jumps: Vec::new(),
            touched: BTreeMap::new(),
            cleared: 0,
            shown: Shown::default(),
            past: Past::default(),
            log_failed: false,
            unwritten: Unwritten::default(),
            looked: 0,
            tight: false,
            roomless: false,
        }
    }
}

impl Model {
    /// An operation was answered; an error says what is wrong with the answer.
    pub(super) fn answered(
        &mut self,
        replies: &[Value],
        at: Span,
        context: Context<'_>,
    ) -> Result<(), String> {
        let (asked, now) = context.times;
        self.clear_until(asked);
        self.log_failed |= context.log_failed;
        if let Op::Scan { pattern, kind, .. } = context.op {
            return self.scanned((pattern.as_deref(), kind.as_deref()), replies, at, context);
        }
        self.touch(context.op, now);
        if context.op.is_write() && !self.log_failed && !self.past.is_kept() {
            self.unwritten.forget(&context.op.keys());
        }
        // What was answered with an error has written nothing, and its answer has waited for nothing.
        let refused = matches!(replies, [Value::Error(_)]);
        let mut changed = (context.op.is_write() || matches!(context.op, Op::Quant { .. })) && !refused;
        // Nobody waited for what it has seen: its answer keeps nothing that was answered before.
        let silent = matches!(context.op, Op::Watch(_));
        if self.pending.is_empty() {
            let next = after(&self.states, replies, at, context)?;
            let before = std::mem::replace(&mut self.states, next);
            changed |= self.note_gone(&before, (asked, now), silent);
            self.shown.note(&self.states, replies, context);
        } else {
            self.answered_among_refused(replies, at, context)?;
        }
        if changed {
            self.past.note(&self.states, (!silent).then_some(asked), now);
        }
        Ok(())
    }

    /// What `op` names has come or gone by `now`, if it changes anything.
    fn touch(&mut self, op: &Op, now: u64) {
        if op.is_write() {
            self.touched.extend(op.keys().into_iter().map(|key| (key.to_owned(), now)));
        }
        if clears(op) {
            self.cleared = now;
        }
    }

    /// A life begins, with a log that takes what it is given.
    pub(super) fn begin(&mut self) {
        self.log_failed = false;
    }

    /// Whether all that the client has sent was answered.
    pub(super) fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// A change of the form of the index under `key` was given up by `now`: until then it was under way.
    pub(super) fn tried_to_form(&mut self, key: &str, now: u64) {
        self.states.iter_mut().for_each(|state| state.tried_to_form(key, now));
    }

    /// The log takes no more: what expires from now on is not written down.
    pub(super) fn log_failed(&mut self) {
        self.log_failed = true;
        self.shown.names.clear();
    }

    /// What was there `before` and is not any more is gone by `now`, though perhaps by itself: a look at it has told. Its
    /// removal may yet be lost where the log has failed, and where the look was `silent`: nobody waited for it then. True if
    /// there was anything.
    fn note_gone(&mut self, before: &[State], (asked, now): (u64, u64), silent: bool) -> bool {
        if self.log_failed || silent {
            self.unwritten.note(before, &self.states, None);
        } else if self.past.is_kept() {
            self.unwritten.note(before, &self.states, Some((asked, now)));
        }
        let left = |key: &String| self.states.iter().any(|state| state.entries.contains_key(key));
        let gone = before.iter().flat_map(|state| state.entries.keys()).filter(|key| !left(key));
        let gone: Vec<String> = gone.cloned().collect();
        let any = !gone.is_empty();
        self.touched.extend(gone.into_iter().map(|key| (key, now)));
        any
    }

    /// A scan came to its end, step by step, while other operations were executed: what was there all the while was
    /// shown.
    fn scanned(
        &self,
        (pattern, kind): (Option<&str>, Option<&str>),
        replies: &[Value],
        at: Span,
        context: Context<'_>,
    ) -> Result<(), String> {
        if !self.pending.is_empty() {
            return Ok(());
        }
        let mut names: Option<Names> = None;
        for state in &self.states {
            let own = state.names_of(kind, pattern, at);
            names = Some(match names {
                None => own,
                Some(mut all) => {
                    all.must.retain(|name| own.must.contains(name));
                    all.may.extend(own.may);
                    all
                }
            });
        }
        let mut names = names.unwrap_or_default();
        let since = context.times.0;
        if self.is_clearing(since) {
            return Ok(());
        }
        let lately = || self.touched.iter().filter(|(_, when)| **when >= since).map(|(name, _)| name);
        names.must.retain(|name| !lately().any(|other| other == name));
        names.may.extend(lately().cloned());
        let expiring = |state: &State| {
            let keys = state.entries.iter().filter(|(_, entry)| entry.deadline.is_some());
            keys.map(|(key, _)| key.clone()).collect::<Vec<_>>()
        };
        names.may.extend(self.states.iter().flat_map(expiring));
        if self.cleared >= since {
            return Ok(());
        }
        Expect::Scanned(names).check(replies, context)
    }

    /// The same where operations before it were refused by a log that has failed. A change that was acknowledged
    /// proves that all before it were made and logged: the failed log takes no more. Anything else may have seen any
    /// prefix of them: a refused transaction may be durable if only a search in it saw what is not.
    fn answered_among_refused(
        &mut self,
        replies: &[Value],
        at: Span,
        context: Context<'_>,
    ) -> Result<(), String> {
        let prefixes = prefixes(&self.states, &self.pending, &self.jumps, (self.tight, self.roomless));
        let (op, mut unproven) = (context.op, matches!(context.op, Op::Quant { .. }));
        self.shown.names.clear();
        if is_about_transactions(op) {
            self.pending.push((op.clone(), at, context.number));
            return Ok(());
        }
        if let Some(all) = prefixes.last().filter(|_| op.is_write()) {
            let next = after(all, replies, at, context).unwrap_or_default();
            let before: Vec<State> =
                all.iter().flat_map(|state| state.clone().settle(&op.keys(), at)).collect();
            // What it set to have expired at once need not be logged.
            let settled = next.iter().flat_map(|state| state.clone().settle(&op.keys(), at));
            let mut settled = settled.map(|state| before.iter().any(|other| other.entries == state.entries));
            if !next.is_empty() && !settled.any(|same| same) {
                let now = context.times.1;
                prefixes.iter().skip(1).for_each(|states| self.past.note(states, None, now));
                self.states = next;
                let made = std::mem::take(&mut self.pending);
                made.iter().for_each(|(op, ..)| self.touch(op, now));
                self.jumps.clear();
                return Ok(());
            }
            // It may have changed something all the same, if only that nothing is watched any more.
            unproven = matches!(op, Op::Transaction(_)) || next.iter().any(|state| !all.contains(state));
        }
        let mut judged = prefixes.iter().map(|states| after(states, replies, at, context).map(drop));
        judged.clone().find(Result::is_ok).or_else(|| judged.next()).unwrap_or(Ok(()))?;
        if unproven {
            self.pending.push((op.clone(), at, context.number));
        }
        Ok(())
    }

    /// An operation has no answer, or was refused by a log that has failed: it is there wholly or not at all, and
    /// only if all before it are.
    pub(super) fn unanswered(&mut self, op: Op, at: Span, number: u64) {
        if op.is_write() || is_about_transactions(&op) || matches!(op, Op::Quant { .. }) {
            self.pending.push((op, at, number));
        }
    }

    /// What is without an answer may have been executed at any moment of `at`, too.
    pub(super) fn let_go(&mut self, at: Span) {
        for (_, span, _) in &mut self.pending {
            *span = Span { from: span.from.min(at.from), to: span.to.max(at.to) };
        }
    }

    /// The wall clock was set from `before` to `after`, both in milliseconds.
    pub(super) fn clock_set(&mut self, before: u64, after: u64) {
        self.states.iter_mut().for_each(|state| state.clock_set(before, after));
        self.past.change(&mut |state| state.clock_set(before, after));
        if self.log_failed && after < before {
            // What could not be written was hidden by the clock alone.
            self.unwritten.maybe_wake(&mut self.states, None);
        }
        if !self.pending.is_empty() {
            self.jumps.push((before, after));
        }
    }

    /// The index under `key`, if it is known for certain.
    pub(super) fn sole_index(&self, key: &str) -> Option<Arc<Index>> {
        let [state] = self.states.as_slice() else { return None };
        let sure = self.pending.is_empty() && state.due.is_empty();
        match state.entries.get(key) {
            Some(Entry { held: Held::Index(index), deadline: None }) if sure => Some(Arc::clone(index)),
            _ => None,
        }
    }

    /// Operations whose effect is unknown.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Everything of this client was looked at during `at`, from `since` to `now`, while it did nothing; `lost` may be gone
    /// of what was acknowledged. An error says why no state explains it. Returns where its requests may have been cut off.
    pub(super) fn inspected(
        &mut self,
        seen: &Seen,
        at: Span,
        (since, now): (u64, u64),
        lost: Option<&Loss>,
    ) -> Result<Ends, String> {
        self.clear_until(since);
        let pending = std::mem::take(&mut self.pending);
        pending.iter().for_each(|(op, ..)| self.touch(op, now));
        let jumps = std::mem::take(&mut self.jumps);
        let shown = std::mem::take(&mut self.shown);
        let least = if lost.is_none() { shown.least(pending.iter().map(|(op, ..)| op)) } else { 0 };
        let (mut explained, mut wrong, mut cuts) = (Vec::new(), Vec::new(), Vec::new());
        let mut were = self.states.clone();
        let mut prefixes = prefixes(&self.states, &pending, &jumps, (self.tight, self.roomless));
        prefixes.iter_mut().for_each(|states| self.unwritten.maybe_wake(states, lost));
        let passed = if self.past.is_kept() { prefixes.clone() } else { Vec::new() };
        let (older, stages, windows) = self.stages(prefixes, since, lost);
        let (clearing, mut last, mut found) = (self.is_clearing(since), 0, Vec::new());
        for (stage, states) in stages.iter().enumerate() {
            let (mut why, before, number) = (None, cuts.len(), stage.saturating_sub(older));
            if number < least {
                why = Some(format!(
                    "a search has shown what number {least} adds or removes, or it was told of"
                ));
            }
            for state in states.iter().filter(|_| number >= least) {
                let explained_by = seen.explained_by(state, at, clearing);
                // Its connection is a new one, which watches nothing.
                match explained_by.map(|sharp| State { watched: BTreeMap::new(), ..sharp }) {
                    Ok(sharp) => {
                        if cuts.len() == before {
                            let last = number.checked_sub(1).map_or(0, |last| pending[last].2);
                            cuts.push((last, pending.get(number).map_or(u64::MAX, |next| next.2)));
                        }
                        if found.last() != Some(&windows[stage]) {
                            found.push(windows[stage]);
                        }
                        last = stage;
                        were.push(state.clone());
                        if !explained.contains(&sharp) {
                            explained.push(sharp);
                        }
                    }
                    Err(what) => why = why.or(Some(what)),
                }
            }
            let which = match stage.checked_sub(older) {
                Some(number) => format!("with {number} of {} unanswered", pending.len()),
                None => format!("with {} taken back", older - stage),
            };
            wrong.extend(why.map(|what| format!("  {which}: {what}")));
        }
        if explained.is_empty() {
            return Err(format!(
                "no prefix of the client's operations explains what is there\n{}",
                wrong.join("\n")
            ));
        }
        self.states = explained;
        self.unwritten.told_again(lost, (since, now));
        self.note_gone(&were, (since, now), false);
        self.looked = since;
        self.past.forget(older.saturating_sub(last));
        // Each prefix was the state for a while, the last one perhaps before others cleared it, and may be what is left
        // once more.
        let passed = passed.iter().take((last + 1).saturating_sub(older)).skip(1);
        passed.for_each(|states| self.past.note(states, None, now));
        self.past.note(&self.states, None, now);
        Ok(if lost.is_none() {
            Ends { cuts, windows: Vec::new() }
        } else {
            Ends { cuts: Vec::new(), windows: found }
        })
    }

    /// What may be found, in order: what the states were before some of what may be `lost`, then what they are after more
    /// and more of what is pending. With how many there are of the former, and where the log was cut off if that is found.
    fn stages(
        &self,
        mut prefixes: Vec<Vec<State>>,
        since: u64,
        lost: Option<&Loss>,
    ) -> (usize, Vec<Vec<State>>, Vec<Window>) {
        let (mut stages, mut windows): (Vec<_>, Vec<_>) = self.past.taken_back(lost).into_iter().unzip();
        // The last of them is where the prefixes begin.
        stages.pop();
        let whole = windows.last().copied().unwrap_or((0, u64::MAX));
        for states in &mut stages {
            self.unwritten.maybe_wake(states, lost);
            // Others may have cleared everything before that or after it.
            *states = maybe_cleared(states);
        }
        let older = stages.len();
        // What others were told has taken place, though perhaps only behind some of what is pending.
        let done = self.cleared_by(since);
        for states in &mut prefixes {
            // Unless that has been taken back.
            states.retain(|state| lost.is_some() || !state.due.iter().any(|id| done.contains(id)));
        }
        stages.extend(prefixes);
        windows.resize(stages.len(), whole);
        (older, stages, windows)
    }

    /// Another client asks for everything to be cleared.
    pub(super) fn clearing(&mut self, id: Due, asked: u64) {
        self.clearings.push((id, asked, None));
        self.states.iter_mut().for_each(|state| {
            state.due.push(id);
            state.due.sort_unstable();
        });
        self.past.note(&maybe_cleared(&self.states), None, asked);
    }

    /// Its answer has come.
    pub(super) fn clearing_answered(&mut self, id: Due, now: u64) {
        let clearing = self.clearings.iter_mut().find(|clearing| clearing.0 == id);
        clearing.into_iter().for_each(|clearing| clearing.2 = Some(now));
    }

    /// It will never be answered.
    pub(super) fn clearing_unanswered(&mut self, id: Due) {
        let forget = |state: &mut State| {
            state.due.iter_mut().filter(|due| **due == id).for_each(|due| *due = NOBODY);
            state.due.sort_unstable();
        };
        self.states.iter_mut().for_each(forget);
    }

    /// A life is over, and with it what others have asked for.
    pub(super) fn settled(&mut self) {
        self.clearings.clear();
        self.unwritten.settled(self.looked);
        self.log_failed = false;
        self.states.iter_mut().for_each(|state| state.due.clear());
        let mut states: Vec<State> = Vec::new();
        for state in std::mem::take(&mut self.states) {
            if !states.contains(&state) {
                states.push(state);
            }
        }
        self.states = states;
    }

    /// Another client was told of this name by an answer that it had asked for at `asked`. If none of the answered
    /// operations has made it, one that is on its way has.
    pub(super) fn named(&mut self, name: &str, asked: u64) {
        let known = self.states.iter().any(|state| state.entries.contains_key(name));
        let cleared = self.cleared >= asked || self.is_clearing(asked);
        let touched = self.touched.get(name).is_some_and(|when| *when >= asked) || cleared;
        if !known && !touched && self.pending.is_empty() {
            self.shown.names.insert(name.to_owned());
        }
    }

    /// Whether others may have cleared everything since then, or do so now.
    fn is_clearing(&self, since: u64) -> bool {
        self.clearings.iter().any(|(.., answered)| answered.is_none_or(|when| when >= since))
    }

    /// Requests to clear everything that were answered before `now`.
    fn cleared_by(&self, now: u64) -> Vec<Due> {
        let done = self.clearings.iter().filter(|(.., answered)| answered.is_some_and(|when| when < now));
        done.map(|(id, ..)| *id).collect()
    }

    /// What others had asked for and heard of before `now` has taken place. Where operations are pending, it is open
    /// between which of them.
    fn clear_until(&mut self, now: u64) {
        if !self.pending.is_empty() {
            return;
        }
        let done = self.cleared_by(now);
        if done.iter().all(|id| !self.states.iter().any(|state| state.due.contains(id))) {
            return;
        }
        for id in done {
            let states = std::mem::take(&mut self.states).into_iter();
            let clear = |state: State| if state.due.contains(&id) { state.cleared(id) } else { state };
            self.states = states.map(clear).collect();
        }
        let answered = self.clearings.iter().filter_map(|(.., answered)| *answered);
        let last = answered.filter(|when| *when < now).max();
        self.past.note(&self.states, None, last.unwrap_or(now));
    }
}

/// True for what changes only what the connection watches.
fn is_about_transactions(op: &Op) -> bool {
    if let Op::Unheard(_, op) = op {
        return is_about_transactions(op);
    }
    let reads = matches!(op, Op::Transaction(_)) && !op.is_write();
    reads || matches!(op, Op::Watch(_) | Op::Unwatch | Op::Reset | Op::Discarded(_))
}
