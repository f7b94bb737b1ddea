//! What one client's keys may be after an operation, and after each prefix of those without an answer.

use engram::resp::client::Value;

use super::context::Context;
use super::state::{Span, State};
use crate::plan::Op;

/// So many requests on their way are few.
const FEW: usize = 8;

/// The states, and what they are if some of what others have asked for takes place now.
pub(super) fn maybe_cleared(states: &[State]) -> Vec<State> {
    let mut all = states.to_vec();
    let mut at = 0;
    while at < all.len() {
        let mut next = all[at].due.clone();
        next.dedup_by_key(|(who, _)| *who);
        for id in next {
            let cleared = all[at].clone().cleared(id);
            if !all.contains(&cleared) {
                all.push(cleared);
            }
        }
        at += 1;
    }
    all
}

/// The states after an operation that was answered so; an error if there is none.
pub(super) fn after(
    states: &[State],
    replies: &[Value],
    at: Span,
    context: Context<'_>,
) -> Result<Vec<State>, String> {
    let (mut next, mut wrong) = (Vec::new(), None);
    let states = maybe_cleared(states).into_iter();
    for (mut state, expect) in states.flat_map(|state| state.outcomes(context.op, at)) {
        match expect.check(replies, context) {
            Ok(()) => {
                let ok = !matches!(replies.last(), Some(Value::Error(_)));
                state.formed(context.op, ok, context.times, !context.may_lose);
                if !next.contains(&state) {
                    next.push(state);
                }
            }
            Err(what) => wrong = wrong.or(Some(what)),
        }
    }
    match wrong {
        Some(what) if next.is_empty() => Err(what),
        _ => Ok(next),
    }
}

/// The states after none of the operations, after the first, after the first two, and so on. The clock may have been
/// set behind any of them, and where memory is `tight` any of them may have been passed over. Where the disk was full, too:
/// of many only those that nobody would have heard of, since the states double with each.
pub(super) fn prefixes(
    states: &[State],
    ops: &[(Op, Span, u64)],
    jumps: &[(u64, u64)],
    (tight, roomless): (bool, bool),
) -> Vec<Vec<State>> {
    let mut prefixes = vec![maybe_cleared(states)];
    for (op, at, _) in ops {
        let mut next = Vec::new();
        let last = prefixes.last().map(Vec::as_slice).unwrap_or_default();
        let refused = roomless && (ops.len() <= FEW || matches!(op, Op::Unheard(..)));
        let may_pass = op.is_write() && (tight || refused);
        let passed = last.iter().filter(|_| may_pass).map(|state| state.clone().passed_over(op));
        let taken = last.iter().flat_map(|state| state.clone().outcomes(op, *at)).map(|(state, _)| state);
        for state in taken.chain(passed) {
            if !next.contains(&state) {
                next.push(state);
            }
        }
        for (before, after) in jumps {
            next.iter_mut().for_each(|state| state.clock_set(*before, *after));
        }
        prefixes.push(maybe_cleared(&next));
    }
    prefixes
}
