//! What happened to the keys that all clients name, one act for each request.

use std::collections::BTreeMap;

use engram::resp::client::Value;

use super::super::names::is_shared;
use super::super::search::{Hit, read_hits};
use super::super::state::{Changed, State};
use crate::plan::Op;

/// A request and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Act {
    pub(super) client: usize,
    /// Which of the client's connections.
    pub(super) connection: usize,
    /// Its place among the client's requests.
    pub(super) number: u64,
    /// Virtual nanoseconds.
    pub(super) asked: u64,
    /// Virtual nanoseconds; the largest number if no answer came.
    pub(super) answered: u64,
    pub(super) deed: Deed,
    /// The act of the same connection that must come before this one, by its place in the history.
    pub(super) after: Option<usize>,
    /// A power loss may take it, though it was answered.
    pub(super) losable: bool,
}

/// What was done.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// A request with its replies: it took place.
    Done(Op, Vec<Value>),
    /// A request without an answer: it took place, or it did not.
    Maybe(Op),
    /// A search that began before has seen this element under this key.
    Saw { key: String, search: Op, hit: Hit },
}

impl Act {
    /// True if it changes nothing, so that it may be put wherever it fits.
    pub(super) fn only_reads(&self) -> bool {
        match &self.deed {
            Deed::Saw { .. } => true,
            Deed::Done(op, _) => {
                let about_watching =
                    matches!(op, Op::Transaction(_) | Op::Discarded(_) | Op::Watch(_) | Op::Unwatch);
                !op.is_write() && !about_watching
            }
            Deed::Maybe(_) => false,
        }
    }

    /// True if it neither changes nor shows a key.
    pub(super) fn leaves_no_trace(&self) -> bool {
        matches!(&self.deed, Deed::Done(Op::Watch(_) | Op::Unwatch | Op::Discarded(_), _))
    }

    /// False if it may be left out.
    pub(super) fn took_place(&self) -> bool {
        !matches!(self.deed, Deed::Maybe(_))
    }

    /// The shared keys that it is about; none for one that is about all.
    pub(super) fn keys(&self) -> Vec<&str> {
        match &self.deed {
            Deed::Done(op, _) | Deed::Maybe(op) => {
                op.keys().into_iter().filter(|key| is_shared(key)).collect()
            }
            Deed::Saw { key, .. } => vec![key],
        }
    }

    /// For a report.
    pub(super) fn show(&self) -> String {
        let who = format!("client {}", self.client);
        let until = if self.answered == u64::MAX { "...".to_owned() } else { self.answered.to_string() };
        let what = match &self.deed {
            Deed::Done(op, replies) => {
                let replies: Vec<String> = replies.iter().map(super::super::show).collect();
                format!("`{}` -> {}", super::super::short(op), replies.join(" "))
            }
            Deed::Maybe(op) => format!("`{}` -> ?", super::super::short(op)),
            Deed::Saw { key, hit, .. } => format!("saw {} in {key} at {}", hit.element, hit.distance),
        };
        format!("{}-{until} {who}: {what}", self.asked)
    }
}

/// The hits in the replies to a search of a shared index.
pub(super) fn hits_of(op: &Op, replies: &[Value]) -> Result<Vec<Hit>, String> {
    match (op, replies) {
        (Op::Search { vectors, .. }, [Value::Array(items)]) => read_hits(items, *vectors),
        _ => Ok(Vec::new()),
    }
}

/// The shared keys at one moment, and what each connection watches.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct World {
    pub(super) state: State,
    pub(super) watches: BTreeMap<(usize, usize), BTreeMap<String, Changed>>,
}

impl World {
    /// The worlds after an act, of which there are none if it cannot have happened now.
    pub(super) fn after(&self, act: &Act) -> Vec<Self> {
        match &act.deed {
            Deed::Saw { key, search, hit } => {
                if self.shows(key, search, hit) {
                    vec![self.clone()]
                } else {
                    Vec::new()
                }
            }
            Deed::Done(op, replies) => self.outcomes(act, op, Some(replies)),
            Deed::Maybe(op) => self.outcomes(act, op, None),
        }
    }

    fn shows(&self, key: &str, search: &Op, hit: &Hit) -> bool {
        let Op::Search { query, .. } = search else { return false };
        let row = self.state.index(key).and_then(|index| Some((index, index.rows.get(&hit.element)?)));
        row.is_some_and(|(index, row)| hit.is_of(index.metric, query, row))
    }

    fn outcomes(&self, act: &Act, op: &Op, replies: Option<&Vec<Value>>) -> Vec<Self> {
        let own = (act.client, act.connection);
        let mut world = self.clone();
        let mut state = std::mem::take(&mut world.state);
        state.watched = world.watches.remove(&own).unwrap_or_default();
        let context = super::context(act, op);
        let outcomes = state.outcomes(op, super::NEVER).into_iter();
        let fitting = outcomes
            .filter(|(_, expect)| replies.is_none_or(|replies| expect.check(replies, context).is_ok()));
        let mut after = Vec::new();
        for (mut state, _) in fitting {
            let mut next = Self { state: State::default(), watches: world.watches.clone() };
            let watched = std::mem::take(&mut state.watched);
            if op.is_write() {
                next.watches.values_mut().for_each(|watched| state.note_changes(&self.state, op, watched));
            }
            if !watched.is_empty() {
                next.watches.insert(own, watched);
            }
            next.state = state;
            if !after.contains(&next) {
                after.push(next);
            }
        }
        after
    }
}
