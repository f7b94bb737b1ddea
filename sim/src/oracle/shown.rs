//! Rows that a search has shown before the request that adds them was answered, and names that others were told of before
//! the request that makes them was: what was seen has to be found again.

use std::collections::BTreeSet;
use std::sync::Arc;

use engram::resp::client::Value;

use super::context::Context;
use super::search::{Hit, read_hits};
use super::state::State;
use crate::plan::Op;

/// What of one client's keys was shown and not acknowledged to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    /// Rows of indexes: element and vector.
    rows: Vec<(String, Arc<[f32]>)>,
    /// Names of keys.
    pub(super) names: BTreeSet<String>,
}

impl Shown {
    /// An operation was answered, after which the client's keys are in one of `states`.
    pub(super) fn note(&mut self, states: &[State], replies: &[Value], context: Context<'_>) {
        self.rows.retain(|(element, vector)| !adds(context.op, element, vector));
        self.names.retain(|name| !may_make(context.op, name));
        match (context.op, replies.last()) {
            (Op::Search { .. }, Some(reply)) => self.see(states, context.op, reply, context.later),
            (Op::Transaction(ops), Some(Value::Array(parts))) => {
                ops.iter().zip(parts).for_each(|(op, part)| self.see(states, op, part, context.later));
            }
            _ => {}
        }
    }

    fn see(&mut self, states: &[State], op: &Op, reply: &Value, later: &[&Op]) {
        let (Op::Search { key, query, vectors, .. }, Value::Array(items)) = (op, reply) else { return };
        let Some(metric) = states.iter().find_map(|state| state.index(key)).map(|index| index.metric) else {
            return;
        };
        let is = |hit: &Hit, row: &Arc<[f32]>| hit.is_of(metric, query, row);
        for hit in read_hits(items, *vectors).unwrap_or_default() {
            let own = |state: &State| {
                let row = state.index(key).and_then(|index| index.rows.get(&hit.element));
                row.is_some_and(|row| is(&hit, row))
            };
            let added =
                || later.iter().find_map(|op| added(op, &hit.element).find(|row| is(&hit, row)).cloned());
            if let Some(row) = if states.iter().any(own) { None } else { added() } {
                self.rows.push((hit.element, row));
            }
        }
    }

    /// How many of the operations without an answer must have taken place because of what was shown.
    pub(super) fn least<'a>(&self, pending: impl Iterator<Item = &'a Op> + Clone) -> usize {
        let place = |(element, vector): &(String, Arc<[f32]>)| {
            pending.clone().position(|op| adds(op, element, vector)).map_or(0, |at| at + 1)
        };
        let makes = |name: &String| pending.clone().position(|op| may_make(op, name)).map_or(0, |at| at + 1);
        self.rows.iter().map(place).chain(self.names.iter().map(makes)).max().unwrap_or(0)
    }
}

/// The vectors that an operation gives to an element of any index.
fn added<'a>(op: &'a Op, wanted: &'a str) -> Box<dyn Iterator<Item = &'a Arc<[f32]>> + 'a> {
    match op {
        Op::Add { element, vector, .. } if element == wanted => Box::new(std::iter::once(vector)),
        Op::Transaction(ops) => Box::new(ops.iter().flat_map(move |op| added(op, wanted))),
        Op::Unheard(op) => added(op, wanted),
        _ => Box::new(std::iter::empty()),
    }
}

/// Whether an operation may be the one that has made a key of this name.
fn may_make(op: &Op, name: &str) -> bool {
    op.is_write() && op.keys().contains(&name)
}

fn adds(op: &Op, element: &str, vector: &Arc<[f32]>) -> bool {
    added(op, element).any(|row| row == vector)
}
