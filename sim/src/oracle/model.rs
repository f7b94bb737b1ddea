//! What is known of one client's own keys.
//!
//! Only this client names them, and a connection's commands are executed in order; so after the answered operations
//! there is one state, or a few where expiry is in doubt, and a crash leaves that state plus some prefix of the
//! operations that were sent and not answered. Nothing in between, nothing with a hole.

use engram::resp::client::Value;

use super::expect::{Context, Expect};
use super::seen::Seen;
use super::state::{Span, State};
use crate::plan::Op;

/// The possible states of one client's keys.
#[derive(Clone, Debug)]
pub(super) struct Model {
    /// After all that was answered.
    states: Vec<State>,
    /// Sent since, without an answer or refused, in order.
    pending: Vec<(Op, Span)>,
}

impl Default for Model {
    fn default() -> Self {
        Self { states: vec![State::default()], pending: Vec::new() }
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
        let mut wrong = None;
        let mut next = Vec::new();
        for (state, expect) in outcomes(std::mem::take(&mut self.states), context.op, at) {
            match expect.check(replies, context) {
                Ok(()) if !next.contains(&state) => next.push(state),
                Ok(()) => {}
                Err(what) => wrong = wrong.or(Some(what)),
            }
        }
        self.states = next;
        match wrong {
            Some(what) if self.states.is_empty() => Err(what),
            _ => Ok(()),
        }
    }

    /// An operation has no answer, or was refused by a log that has failed: it is there wholly or not at all, and
    /// only if all before it are.
    pub(super) fn unanswered(&mut self, op: Op, at: Span) {
        if op.is_write() {
            self.pending.push((op, at));
        }
    }

    /// Everything of this client was looked at while it did nothing. An error says why no state explains it.
    pub(super) fn inspected(&mut self, seen: &Seen, at: Span) -> Result<(), String> {
        let mut states = std::mem::take(&mut self.states);
        let pending = std::mem::take(&mut self.pending);
        let (mut explained, mut wrong) = (Vec::new(), Vec::new());
        let count = pending.len();
        for number in 0..=count {
            let mut why = None;
            for state in &states {
                match seen.explained_by(state, at) {
                    Ok(sharp) if !explained.contains(&sharp) => explained.push(sharp),
                    Ok(_) => {}
                    Err(what) => why = why.or(Some(what)),
                }
            }
            wrong.extend(why.map(|what| format!("  with {number} of {count} unanswered: {what}")));
            if let Some((op, sent)) = pending.get(number) {
                let mut next = Vec::new();
                for (state, _) in outcomes(states, op, *sent) {
                    if !next.contains(&state) {
                        next.push(state);
                    }
                }
                states = next;
            }
        }
        if explained.is_empty() {
            return Err(format!(
                "no prefix of the client's operations explains what is there\n{}",
                wrong.join("\n")
            ));
        }
        self.states = explained;
        Ok(())
    }
}

fn outcomes(states: Vec<State>, op: &Op, at: Span) -> Vec<(State, Expect)> {
    states.into_iter().flat_map(|state| state.outcomes(op, at)).collect()
}
