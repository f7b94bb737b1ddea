//! What an inspection found under a client's keys, and whether a state of the model explains it.

use std::collections::BTreeMap;
use std::sync::Arc;

use engram::index::metric_named;

use super::forms::Forms;
use super::index::Index;
use super::state::{Entry, Held, Span, State};
use crate::plan::pack;

/// What was found under a key that is there.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// A string.
    Text(String),
    /// An index: dimensions, metric, packed vectors by element.
    Index {
        /// Dimensions.
        dim: usize,
        /// The metric's name.
        metric: String,
        /// By what searches go, and by what they will if a change is under way.
        forms: [String; 2],
        /// Packed vectors by element.
        rows: BTreeMap<String, Vec<u8>>,
    },
}

/// Everything that an inspection found.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// For every key that was looked at, what it holds and when it expires; none for a key that is not there.
    pub keys: BTreeMap<String, Option<(Found, Option<Span>)>>,
}

/// As in the model: who counts the first or the last millisecond may differ.
const SLACK: u64 = 1;

impl Seen {
    /// Only some of the keys.
    pub(super) fn only(&self, within: &dyn Fn(&str) -> bool) -> Self {
        let keys = self.keys.iter().filter(|(key, _)| within(key));
        Self { keys: keys.map(|(key, found)| (key.clone(), found.clone())).collect() }
    }

    /// What was seen as the state of the shared keys.
    pub(super) fn as_world(&self) -> State {
        let mut state = State { world: true, ..State::default() };
        for (key, found) in &self.keys {
            let held = match found {
                None => continue,
                Some((Found::Text(text), _)) => Held::Text(text.clone()),
                Some((Found::Index { dim, metric, rows, .. }, _)) => {
                    let Some(metric) = metric_named(metric.as_bytes()) else { continue };
                    let rows = rows.iter().map(|(element, row)| (element.clone(), unpack(row))).collect();
                    Held::Index(Arc::new(Index {
                        dim: *dim,
                        metric: metric.name(),
                        rows,
                        inserted: usize::MAX,
                        forms: Forms::any(),
                    }))
                }
            };
            state.entries.insert(key.clone(), Entry { held, deadline: None });
        }
        state
    }

    /// The state, sharpened by what was seen during `at`; an error names the first key that contradicts it.
    ///
    /// Where others may have cleared everything meanwhile (`cleared`), any key may be gone.
    pub fn explained_by(&self, state: &State, at: Span, cleared: bool) -> Result<State, String> {
        let mut sharp = state.clone();
        for (key, found) in &self.keys {
            match (state.entries.get(key), found) {
                (None, None) => {}
                (None, Some((found, _))) => {
                    return Err(format!("`{key}` holds {found}, which should not be there"));
                }
                (Some(entry), None) => {
                    if !cleared && entry.deadline.is_none_or(|deadline| at.to + SLACK < deadline.from) {
                        return Err(format!("`{key}` is gone; it held {}", entry.held));
                    }
                    sharp.entries.remove(key);
                }
                (Some(entry), Some((found, deadline))) => {
                    let deadline = compare(key, entry, found, *deadline, at)?;
                    let mut held = entry.held.clone();
                    if let (Held::Index(index), Found::Index { forms: [now, next], .. }) = (&mut held, found)
                    {
                        Arc::make_mut(index).forms.found(now, next);
                    }
                    sharp.entries.insert(key.clone(), Entry { held, deadline });
                }
            }
        }
        Ok(sharp)
    }
}

/// A vector that came packed.
fn unpack(bytes: &[u8]) -> Arc<[f32]> {
    bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect()
}

/// The deadline, as narrowly as both know it.
fn compare(
    key: &str,
    entry: &Entry,
    found: &Found,
    deadline: Option<Span>,
    at: Span,
) -> Result<Option<Span>, String> {
    if !same(&entry.held, found) {
        return Err(format!("`{key}` holds {found} instead of {}", entry.held));
    }
    match (entry.deadline, deadline) {
        (None, None) => Ok(None),
        (Some(own), Some(seen)) => {
            let both = Span { from: own.from.max(seen.from), to: own.to.min(seen.to) };
            if both.from > both.to + 2 * SLACK || own.to + SLACK < at.from {
                return Err(format!("`{key}` expires at {seen:?} instead of {own:?}, seen at {at:?}"));
            }
            Ok(Some(if both.from <= both.to { both } else { own }))
        }
        (own, seen) => Err(format!("`{key}` expires at {seen:?} instead of {own:?}")),
    }
}

fn same(held: &Held, found: &Found) -> bool {
    match (held, found) {
        (Held::Text(own), Found::Text(seen)) => own == seen,
        (Held::Index(own), Found::Index { dim, metric, forms, rows }) => {
            let packed = |(element, row): (&String, &std::sync::Arc<[f32]>)| (element.clone(), pack(row));
            let formed = own.forms.may_be(&forms[0], u64::MAX);
            formed && own.dim == *dim && own.metric == metric && own.rows.iter().map(packed).eq(rows.clone())
        }
        _ => false,
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{:?}", &text[..text.len().min(60)]),
            Self::Index(index) => {
                let elements: Vec<&str> = index.rows.keys().map(String::as_str).collect();
                write!(f, "an index {}x{} {} of {}", index.metric, index.dim, index.forms, elements.join(" "))
            }
        }
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{:?}", &text[..text.len().min(60)]),
            Self::Index { dim, metric, forms: [form, _], rows } => {
                let elements: Vec<&str> = rows.keys().map(String::as_str).collect();
                write!(f, "an index {metric}x{dim} {form} of {}", elements.join(" "))
            }
        }
    }
}
