//! What happened to the keys that all clients name, one act for each request.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use engram::resp::client::Value;

use super::super::names::is_shared;
use super::super::search::{Hit, distance, read_hits};
use super::super::state::{Changed, Held, State};
use super::told::Names;
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
    /// An exact search that began before has not seen this element under this key, or only farther than all its hits: as
    /// far as `worst`, if that is as many as were asked for.
    Missed { key: String, search: Op, element: String, worst: Option<f32> },
    /// These names were there, or not, when a client was told so.
    Told(Names),
}

impl Act {
    /// True if it changes nothing, so that it may be put wherever it fits.
    pub(super) fn only_reads(&self) -> bool {
        match &self.deed {
            Deed::Saw { .. } | Deed::Missed { .. } | Deed::Told(_) => true,
            Deed::Done(op, _) => !op.is_write() && !self.changes_watching(),
            Deed::Maybe(_) => false,
        }
    }

    /// True if it changes what its connection watches.
    pub(super) fn changes_watching(&self) -> bool {
        matches!(&self.deed, Deed::Done(op, _) | Deed::Maybe(op) if super::is_about_watching(op))
    }

    /// True if it neither changes nor shows a key.
    pub(super) fn leaves_no_trace(&self) -> bool {
        matches!(&self.deed, Deed::Done(Op::Watch(_) | Op::Unwatch | Op::Reset | Op::Discarded(_), _))
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
            Deed::Saw { key, .. } | Deed::Missed { key, .. } => vec![key],
            Deed::Told(names) => names.iter().map(|(name, _)| name.as_str()).collect(),
        }
    }

    /// The shared keys of which one decides about the others; what is only told of each by itself ties nothing.
    pub(super) fn tied(&self) -> Vec<&str> {
        if let Deed::Told(_) = self.deed { Vec::new() } else { self.keys() }
    }

    /// As far as it is about some of the keys.
    pub(super) fn only(&self, within: &dyn Fn(&str) -> bool) -> Self {
        let mut part = self.clone();
        if let Deed::Told(names) = &mut part.deed {
            names.retain(|(name, _)| within(name));
        }
        part
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
            Deed::Missed { key, element, .. } => format!("saw no {element} in {key}"),
            Deed::Told(names) => {
                let tell =
                    |(name, there): &(String, bool)| format!("{}{name}", if *there { "" } else { "no " });
                format!("was told of {}", names.iter().map(tell).collect::<Vec<_>>().join(", "))
            }
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
            Deed::Saw { .. } | Deed::Missed { .. } | Deed::Told(_) => {
                if self.allows(act) {
                    vec![self.clone()]
                } else {
                    Vec::new()
                }
            }
            Deed::Done(op, replies) => self.outcomes(act, op, Some(replies)),
            Deed::Maybe(op) => self.outcomes(act, op, None),
        }
    }

    /// Whether an act can happen now.
    pub(super) fn allows(&self, act: &Act) -> bool {
        match &act.deed {
            Deed::Saw { search, hit, .. } => self.shows(search, hit),
            Deed::Missed { key, search, element, worst } => self.hides(key, search, element, *worst),
            Deed::Told(names) => {
                names.iter().all(|(name, there)| self.state.entries.contains_key(name) == *there)
            }
            Deed::Done(..) | Deed::Maybe(_) => !self.after(act).is_empty(),
        }
    }

    /// Whether a search may hit this now. Its index may have got another name since it began.
    fn shows(&self, search: &Op, hit: &Hit) -> bool {
        let Op::Search { query, .. } = search else { return false };
        self.state.entries.values().any(|entry| match &entry.held {
            Held::Index(index) => {
                index.rows.get(&hit.element).is_some_and(|row| hit.is_of(index.metric, query, row))
            }
            Held::Text(_) => false,
        })
    }

    /// Whether an exact search may pass over the element now.
    fn hides(&self, key: &str, search: &Op, element: &str, worst: Option<f32>) -> bool {
        let Op::Search { query, among, .. } = search else { return false };
        let row = self.state.index(key).and_then(|index| Some((index.metric, index.rows.get(element)?)));
        row.filter(|(_, row)| row.len() == query.len()).is_none_or(|(metric, row)| {
            let far = distance(metric, query, row);
            !among.reaches(far) || worst.is_some_and(|worst| far.total_cmp(&worst) != Ordering::Less)
        })
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
