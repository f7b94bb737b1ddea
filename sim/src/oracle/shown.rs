//! Rows that a search has shown before the request that adds them was answered, rows that one has shown to be gone before
//! the request that takes them away was, and names that others were told of before
//! the request that makes them was: what was seen has to be found again.

use std::collections::BTreeSet;
use std::sync::Arc;

use engram::resp::client::Value;

use super::context::Context;
use super::search::{Hit, read_hits};
use super::state::State;
use crate::plan::{Among, Op};

/// What of one client's keys was shown and not acknowledged to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    /// Rows of indexes: element and vector.
    rows: Vec<(String, Arc<[f32]>)>,
    /// Rows of indexes that are gone: key and element.
    gone: Vec<(String, String)>,
    /// Names of keys.
    pub(super) names: BTreeSet<String>,
}

impl Shown {
    /// An operation was answered, after which the client's keys are in one of `states`.
    pub(super) fn note(&mut self, states: &[State], replies: &[Value], context: Context<'_>) {
        self.rows.retain(|(element, vector)| !adds(context.op, element, vector));
        self.gone.retain(|(key, element)| !may_remove(context.op, key, element));
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
        let hits = read_hits(items, *vectors).unwrap_or_default();
        self.miss(states, op, &hits, later);
        for hit in hits {
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

    /// What a search that misses nothing has not shown, though each of the states has it, is gone.
    fn miss(&mut self, states: &[State], op: &Op, hits: &[Hit], later: &[&Op]) {
        let Op::Search { key, k, exact: true, among, .. } = op else { return };
        let Some((first, others)) = states.split_first().filter(|_| *among == Among::default()) else {
            return;
        };
        let Some(index) = first.index(key).filter(|index| index.rows.len() <= *k) else { return };
        for element in index.rows.keys().filter(|element| hits.iter().all(|hit| hit.element != **element)) {
            let has = |state: &State| state.index(key).is_some_and(|index| index.rows.contains_key(element));
            if others.iter().all(has) && later.iter().any(|op| may_remove(op, key, element)) {
                self.gone.push((key.clone(), element.clone()));
            }
        }
    }

    /// How many of the operations without an answer must have taken place because of what was shown.
    pub(super) fn least<'a>(&self, pending: impl Iterator<Item = &'a Op> + Clone) -> usize {
        let place = |(element, vector): &(String, Arc<[f32]>)| {
            pending.clone().position(|op| adds(op, element, vector)).map_or(0, |at| at + 1)
        };
        let takes = |(key, element): &(String, String)| {
            pending.clone().position(|op| may_remove(op, key, element)).map_or(0, |at| at + 1)
        };
        let makes = |name: &String| pending.clone().position(|op| may_make(op, name)).map_or(0, |at| at + 1);
        let rows = self.rows.iter().map(place).chain(self.gone.iter().map(takes));
        rows.chain(self.names.iter().map(makes)).max().unwrap_or(0)
    }
}

/// The vectors that an operation gives to an element of any index.
fn added<'a>(op: &'a Op, wanted: &'a str) -> Box<dyn Iterator<Item = &'a Arc<[f32]>> + 'a> {
    match op {
        Op::Add { element, vector, .. } if element == wanted => Box::new(std::iter::once(vector)),
        Op::Transaction(ops) => Box::new(ops.iter().flat_map(move |op| added(op, wanted))),
        Op::Unheard(_, op) => added(op, wanted),
        _ => Box::new(std::iter::empty()),
    }
}

/// Whether an operation may be the one that has taken an element away, alone or with all of its index.
fn may_remove(op: &Op, key: &str, element: &str) -> bool {
    match op {
        Op::Remove { key: of, element: one } => of == key && one == element,
        Op::Add { .. } | Op::Search { .. } | Op::Quant { .. } => false,
        Op::Transaction(ops) => ops.iter().any(|op| may_remove(op, key, element)),
        Op::Unheard(_, op) => may_remove(op, key, element),
        _ => op.is_write() && (op.keys().is_empty() || op.keys().contains(&key)),
    }
}

/// Whether an operation may be the one that has made a key of this name.
fn may_make(op: &Op, name: &str) -> bool {
    op.is_write() && op.keys().contains(&name)
}

fn adds(op: &Op, element: &str, vector: &Arc<[f32]>) -> bool {
    added(op, element).any(|row| row == vector)
}
