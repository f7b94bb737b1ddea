//! Judging the hits of a search against an exact scan of the model.
//!
//! A search runs while later operations of its client are executed, so it may see what they did: rows that they added
//! may be among the hits, rows that they removed may be missing, rows that they replaced may be either. For all other
//! rows there is one answer.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engram::index::metric_named;
use engram::kernels::Kernels;
use engram::resp::client::Value;

use super::context::Context;
use super::index::Index;
use super::names::like;
use crate::plan::{Among, Keys, Op, pack};

/// Candidates that a search keeps unless it says otherwise.
const DEFAULT_EF: usize = 100;

/// One hit as it came.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub(super) element: String,
    pub(super) distance: f32,
    vector: Option<Vec<u8>>,
}

impl Hit {
    /// Whether `row` is what was hit: its distance right to the last bit, and its vector where that came too.
    pub(super) fn is_of(&self, metric: &str, query: &[f32], row: &[f32]) -> bool {
        row.len() == query.len()
            && self.vector.as_ref().is_none_or(|came| *came == pack(row))
            && distance(metric, query, row).to_bits() == self.distance.to_bits()
    }
}

/// The distance of `row` from `query` as the server has to report it, to the last bit.
#[must_use]
pub fn distance(metric: &str, query: &[f32], row: &[f32]) -> f32 {
    let metric = metric_named(metric.as_bytes());
    let (Some(metric), Ok(kernels)) = (metric, Kernels::named("scalar")) else {
        panic!("the metric and the scalar kernel are always there")
    };
    let (query, row) = (Padded::new(query), Padded::new(row));
    let terms = (metric.term(&kernels, query.floats()), metric.term(&kernels, row.floats()));
    metric.report(metric.distance(&kernels, query.floats(), terms.0, row.floats(), terms.1))
}

/// A vector as the metrics want it: padded with zeros, at an address divisible by 64.
struct Padded {
    room: Vec<f32>,
    start: usize,
    len: usize,
}

impl Padded {
    fn new(vector: &[f32]) -> Self {
        let len = vector.len().next_multiple_of(16);
        let mut room = vec![0.0; len + 16];
        let start = room.as_ptr().align_offset(64).min(16);
        room[start..start + vector.len()].copy_from_slice(vector);
        Self { room, start, len }
    }

    fn floats(&self) -> &[f32] {
        &self.room[self.start..self.start + self.len]
    }
}

impl Among {
    /// Whether rows of this element may be shown.
    pub(super) fn has(&self, element: &str) -> bool {
        match &self.keys {
            Keys::All => true,
            Keys::Prefix(prefix) => element.starts_with(prefix),
            Keys::Match(pattern) => like(pattern.as_bytes(), element.as_bytes()),
            Keys::Listed(elements) => elements.iter().any(|listed| listed == element),
        }
    }

    /// Whether a row so far away may be shown.
    pub(super) fn reaches(&self, distance: f32) -> bool {
        self.within.is_none_or(|within| f64::from(distance) <= within)
    }

    /// Whether the elements are listed one by one, so that each of them is looked at.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.keys, Keys::Listed(_))
    }
}

/// Hits are sorted, each element comes once, there are not too many, and all of them are among those that may be shown.
pub(super) fn check_order(hits: &[Hit], k: usize, among: &Among) -> Result<(), String> {
    let unique: BTreeSet<&str> = hits.iter().map(|hit| hit.element.as_str()).collect();
    if unique.len() != hits.len() {
        return Err("an element is among the hits twice".to_owned());
    }
    if hits.windows(2).any(|pair| pair[0].distance > pair[1].distance) {
        return Err("hits are not sorted by distance".to_owned());
    }
    if let Some(hit) = hits.iter().find(|hit| !among.has(&hit.element) || !among.reaches(hit.distance)) {
        return Err(format!("`{}` at {} is none of those that were asked for", hit.element, hit.distance));
    }
    if hits.len() > k { Err(format!("{} hits where {k} were asked for", hits.len())) } else { Ok(()) }
}

/// Checks the reply to a search in `index`.
pub(super) fn check_hits(index: &Index, items: &[Value], context: Context<'_>) -> Result<(), String> {
    let Op::Search { key, query, k, ef, exact, vectors, among } = context.op else {
        return Err("hits, although nothing was searched".to_owned());
    };
    let hits = read_hits(items, *vectors)?;
    // A list of elements is looked up when the command is executed.
    let changed = if among.is_list() { Changed::default() } else { Changed::new(key, context.later) };
    for hit in &hits {
        match context.vectors_rotten {
            false => check_hit(index, &changed, query, hit)?,
            true if changed.knows(index, &hit.element) => {}
            true => return Err(format!("`{}` is among the hits, but not in the index", hit.element)),
        }
    }
    check_order(&hits, *k, among)?;
    if context.vectors_rotten {
        return Ok(());
    }
    let added: usize = changed.added.values().map(Vec::len).sum();
    let width =
        if among.within.is_some() { ef.unwrap_or(DEFAULT_EF) } else { ef.unwrap_or(DEFAULT_EF).max(*k) };
    if *exact || among.is_list() || width >= index.inserted + added {
        return check_complete(index, &changed, (query, *k, among), &hits);
    }
    let sure = |element: &String| among.has(element) && !changed.removed.contains(element.as_str());
    let least = index.rows.keys().filter(|element| sure(element)).count().min(*k);
    if among.within.is_none() && hits.len() < least {
        return Err(format!("{} hits where there are {least}", hits.len()));
    }
    Ok(())
}

/// Every row that is not among the hits must be farther than all of them, or as far, and only if `k` were found. Of an
/// element that was overwritten meanwhile the search has seen one of its vectors, so one of them has to be as far.
fn check_complete(
    index: &Index,
    changed: &Changed,
    (query, k, among): (&[f32], usize, &Among),
    hits: &[Hit],
) -> Result<(), String> {
    let worst = hits.last().map(|hit| hit.distance);
    for (element, row) in index.rows.iter().filter(|(element, _)| among.has(element)) {
        if changed.removed.contains(element.as_str()) || hits.iter().any(|hit| hit.element == *element) {
            continue;
        }
        let added = changed.added.get(element.as_str()).into_iter().flatten().copied();
        let rows = std::iter::once(row).chain(added).filter(|row| row.len() == index.dim);
        let near = rows.map(|row| distance(index.metric, query, row)).max_by(f32::total_cmp);
        let farther = |far: f32| worst.is_some_and(|worst| far.total_cmp(&worst) != Ordering::Less);
        if let Some(distance) = near.filter(|far| among.reaches(*far) && (hits.len() < k || !farther(*far))) {
            return Err(format!("`{element}` at distance {distance} is missing among the hits"));
        }
    }
    Ok(())
}

fn check_hit(index: &Index, changed: &Changed, query: &[f32], hit: &Hit) -> Result<(), String> {
    let element = hit.element.as_str();
    let own = index.rows.get(element).into_iter();
    let added = changed.added.get(element).into_iter().flatten().copied();
    let mut seen = Vec::new();
    for row in own.chain(added).filter(|row| row.len() == index.dim) {
        let wanted = distance(index.metric, query, row);
        let same_vector = hit.vector.as_ref().is_none_or(|came| *came == pack(row));
        if wanted.to_bits() == hit.distance.to_bits() && same_vector {
            return Ok(());
        }
        seen.push(wanted);
    }
    if seen.is_empty() {
        return Err(format!("`{element}` is among the hits, but not in the index"));
    }
    Err(format!(
        "`{element}` came at distance {} or with a vector that is not its own; right: {seen:?}",
        hit.distance
    ))
}

/// What later operations may have done to the index before the search saw it.
#[derive(Default)]
struct Changed<'a> {
    added: BTreeMap<&'a str, Vec<&'a Arc<[f32]>>>,
    removed: BTreeSet<&'a str>,
}

impl<'a> Changed<'a> {
    fn new(key: &str, later: &[&'a Op]) -> Self {
        let mut changed = Self::default();
        let mut names = vec![key];
        later.iter().for_each(|op| changed.take(&mut names, op));
        changed
    }

    /// Whether the element may be in the index.
    fn knows(&self, index: &Index, element: &str) -> bool {
        index.rows.contains_key(element) || self.added.contains_key(element)
    }

    /// `names` are those that the index has had.
    fn take<'n>(&mut self, names: &mut Vec<&'n str>, op: &'a Op)
    where
        'a: 'n,
    {
        match op {
            Op::Add { key, element, vector } if names.contains(&key.as_str()) => {
                self.added.entry(element).or_default().push(vector);
            }
            Op::Remove { key, element } if names.contains(&key.as_str()) => {
                self.removed.insert(element);
            }
            Op::Rename { from, to } | Op::RenameNx { from, to } if names.contains(&from.as_str()) => {
                names.push(to);
            }
            Op::Transaction(ops) => ops.iter().for_each(|op| self.take(names, op)),
            Op::Unheard(_, op) => self.take(names, op),
            _ => {}
        }
    }
}

pub(super) fn read_hits(items: &[Value], vectors: bool) -> Result<Vec<Hit>, String> {
    let width = if vectors { 3 } else { 2 };
    if !items.len().is_multiple_of(width) {
        return Err(format!("{} words do not make hits of {width}", items.len()));
    }
    items.chunks(width).map(read_hit).collect()
}

fn read_hit(words: &[Value]) -> Result<Hit, String> {
    let (Value::Bulk(element), Some(distance)) = (&words[0], read_distance(&words[1])) else {
        return Err(format!("no hit: {words:?}"));
    };
    let vector = match words.get(2) {
        None => None,
        Some(Value::Bulk(bytes)) => Some(bytes.clone()),
        Some(other) => return Err(format!("no vector: {other:?}")),
    };
    Ok(Hit { element: String::from_utf8_lossy(element).into_owned(), distance, vector })
}

/// A distance, if the text is the number to the last bit.
fn read_distance(word: &Value) -> Option<f32> {
    let wide = match word {
        Value::Double(wide) => *wide,
        Value::Bulk(text) => std::str::from_utf8(text).ok()?.parse::<f64>().ok()?,
        _ => return None,
    };
    let narrow = wide as f32;
    (f64::from(narrow).to_bits() == wide.to_bits()).then_some(narrow)
}

/// The rows of a reply that was asked for with vectors: element and packed vector.
pub fn read_rows(items: &[Value]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let hits = read_hits(items, true)?;
    Ok(hits.into_iter().map(|hit| (hit.element, hit.vector.unwrap_or_default())).collect())
}
