//! What a search of a shared index has to show, as far as the acts around it are certain.
//!
//! That each hit was there is for the order to explain, and that each element which an exact search has missed was not, or
//! was too far: both were so at some moment while the search was on its way. What needs no order is judged here: an
//! element that was added for good before the search was asked for, and that nobody removed or may have removed until it
//! was answered, is among the hits of an exact search; and every search finds as many as surely were there.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engram::resp::client::Value;

use super::super::search::{Hit, distance};
use super::super::state::{Held, State};
use super::act::{Act, Deed};
use crate::plan::Op;

/// A vector that an element had, and when it was put there.
struct Version<'a> {
    vector: &'a Arc<[f32]>,
    asked: u64,
    answered: u64,
}

/// What is known of one element up to a search's end.
#[derive(Default)]
struct Element<'a> {
    versions: Vec<Version<'a>>,
    /// When it may last have been taken out.
    removed: Option<u64>,
}

/// Checks that a search at `place` shows all that it must: each element if it is exact, or else as many as there were.
pub(super) fn check_complete(start: &State, acts: &[Act], place: usize) -> Result<(), String> {
    let search = &acts[place];
    let Deed::Done(Op::Search { key, query, k, exact, among, .. }, _) = &search.deed else { return Ok(()) };
    let hits: Vec<&Hit> = acts[place + 1..]
        .iter()
        .map_while(|act| if let Deed::Saw { hit, .. } = &act.deed { Some(hit) } else { None })
        .collect();
    let metric = acts.iter().find_map(|act| made(act, key)).or_else(|| Some(start.index(key)?.metric));
    let Some(metric) = metric.filter(|_| matches!(&search.deed, Deed::Done(_, replies) if is_array(replies)))
    else {
        return Ok(());
    };
    let worst = hits.last().map(|hit| hit.distance);
    let mut sure = elements(start, acts, key, search.answered);
    sure.retain(|name, element| among.has(name) && element.is_sure(search.asked));
    if !exact && !among.is_list() {
        let least = sure.len().min(*k);
        let enough = among.within.is_some() || hits.len() >= least;
        return if enough { Ok(()) } else { Err(format!("{} hits where there were {least}", hits.len())) };
    }
    for (name, element) in sure {
        if hits.iter().any(|hit| hit.element == name) {
            continue;
        }
        let near = |version: &Version<'_>| {
            let distance = distance(metric, query, version.vector);
            if !among.reaches(distance) {
                return false;
            }
            hits.len() < *k || worst.is_some_and(|worst| distance.total_cmp(&worst) == Ordering::Less)
        };
        if element.candidates(search.asked).all(near) {
            return Err(format!("hits without `{name}`, which was there all the while"));
        }
    }
    Ok(())
}

fn is_array(replies: &[Value]) -> bool {
    matches!(replies, [Value::Array(_)])
}

/// The metric of an index that an act makes.
fn made(act: &Act, key: &str) -> Option<&'static str> {
    let (Deed::Done(op, _) | Deed::Maybe(op)) = &act.deed else { return None };
    match op {
        Op::NewIndex { key: made, metric, .. } if made == key => Some(metric),
        _ => None,
    }
}

impl<'a> Element<'a> {
    fn add(&mut self, vector: &'a Arc<[f32]>, asked: u64, answered: u64) {
        self.versions.push(Version { vector, asked, answered });
    }

    fn remove(&mut self, answered: u64) {
        self.removed = Some(self.removed.map_or(answered, |removed| removed.max(answered)));
    }

    /// True if it was there from `since` on, in whichever version.
    fn is_sure(&self, since: u64) -> bool {
        let first = |version: &Version<'_>| {
            version.answered < since && self.removed.is_none_or(|removed| removed < version.asked)
        };
        self.versions.iter().any(first)
    }

    /// The versions that it may have had from `since` on.
    fn candidates(&self, since: u64) -> impl Iterator<Item = &Version<'a>> {
        let over = move |version: &Version<'_>| {
            self.versions.iter().any(|other| version.answered < other.asked && other.answered < since)
        };
        self.versions.iter().filter(move |version| !over(version))
    }
}

/// All elements of an index that acts asked for before `until` tell of.
fn elements<'a>(start: &'a State, acts: &'a [Act], key: &str, until: u64) -> BTreeMap<&'a str, Element<'a>> {
    let mut elements: BTreeMap<&str, Element<'_>> = BTreeMap::new();
    for (name, vector) in start.index(key).iter().flat_map(|index| &index.rows) {
        elements.entry(name).or_default().add(vector, 0, 0);
    }
    let mut cleared = None;
    for act in acts.iter().filter(|act| act.asked <= until) {
        let op = match &act.deed {
            Deed::Done(_, replies) if matches!(replies.as_slice(), [Value::Error(_)]) => continue,
            Deed::Done(op, _) | Deed::Maybe(op) => op,
            Deed::Saw { .. } | Deed::Missed { .. } | Deed::Told(_) => continue,
        };
        let parts = if let Op::Transaction(parts) = op { parts.as_slice() } else { std::slice::from_ref(op) };
        for part in parts {
            match part {
                Op::Add { key: at, element, vector } if at == key => {
                    elements.entry(element).or_default().add(vector, act.asked, act.answered);
                }
                Op::Remove { key: at, element } if at == key => {
                    elements.entry(element).or_default().remove(act.answered);
                }
                Op::FlushAll | Op::FlushDb => cleared = cleared.max(Some(act.answered)),
                Op::NewIndex { .. } => {}
                other if other.is_write() && other.keys().contains(&key) => {
                    cleared = cleared.max(Some(act.answered));
                }
                _ => {}
            }
        }
    }
    if let Some(cleared) = cleared {
        elements.values_mut().for_each(|element| element.remove(cleared));
    }
    elements
}

/// For each exact search among the acts and each element that it might have hit and has not, an act that says so. Elements
/// that nobody may have added by then are left out.
pub(super) fn missed(start: &State, acts: &[Act]) -> Vec<Act> {
    let mut missed = Vec::new();
    for (place, search) in acts.iter().enumerate() {
        let Deed::Done(op, replies) = &search.deed else { continue };
        let (Op::Search { key, k, exact: true, among, .. }, [Value::Array(_)]) = (op, replies.as_slice())
        else {
            continue;
        };
        let hit = |act: &'_ Act| if let Deed::Saw { hit, .. } = &act.deed { Some(hit.clone()) } else { None };
        let hits: Vec<Hit> = acts[place + 1..].iter().map_while(hit).collect();
        let worst = hits.last().filter(|_| hits.len() >= *k).map(|hit| hit.distance);
        for element in known(start, acts, search.answered) {
            if among.has(element) && !hits.iter().any(|hit| hit.element == element) {
                let element = element.to_owned();
                let deed = Deed::Missed { key: key.clone(), search: op.clone(), element, worst };
                missed.push(Act { deed, after: Some(place), ..search.clone() });
            }
        }
    }
    missed
}

/// Elements that were there at the start, or that somebody asked to add before `until`.
fn known<'a>(start: &'a State, acts: &'a [Act], until: u64) -> BTreeSet<&'a str> {
    let rows = |held: &'a Held| if let Held::Index(index) = held { Some(index.rows.keys()) } else { None };
    let there = start.entries.values().filter_map(|entry| rows(&entry.held)).flatten();
    let mut elements: BTreeSet<&str> = there.map(String::as_str).collect();
    for act in acts.iter().filter(|act| act.asked <= until) {
        let (Deed::Done(op, _) | Deed::Maybe(op)) = &act.deed else { continue };
        let parts = if let Op::Transaction(parts) = op { parts.as_slice() } else { std::slice::from_ref(op) };
        elements.extend(parts.iter().filter_map(|part| match part {
            Op::Add { element, .. } => Some(element.as_str()),
            _ => None,
        }));
    }
    elements
}
