//! VSEARCH: the nearest of an index, of some of its keys, or within a distance.
//!
//! A list of keys is looked up here, on the loop, so its rows are those of this moment; all else is a worker's.

use std::sync::Arc;

use super::super::job::{Job, Kind, Search};
use super::super::{Call, Engine, Handled, Outcome, Refusal};
use super::glob::Glob;
use super::vectors::{count, expect_set, number, quote};
use crate::base::limits;
use crate::index::{self, RowId, Writer};
use crate::recall::{Among, Everything, Exact, Filter, Listed, Nearest, Prefix, Range, Recall};
use crate::resp::{Args, eq_ignore_case, parse_f64};

/// Width of a search's candidate list unless VSEARCH says otherwise.
const DEFAULT_EF: usize = 100;

/// `VSEARCH index query k [EF n] [WITHIN distance] [PREFIX prefix | MATCH pattern | KEYS n key ...] [WITHVECTORS] [EXACT]`
pub(super) fn vsearch(engine: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    let exact_below = engine.store.options.exact_below;
    let set = expect_set(engine, call, &args[1])?;
    let mut vector = Vec::new();
    index::read_vector(&args[2], set.dim(), &mut vector).map_err(Refusal::err)?;
    let k = count(&args[3], "k")?;
    let wanted = Wanted::read(k, args.skip(4))?;
    let index = Arc::clone(set.writer.index());
    let pin = matches!(wanted.keys, Keys::Listed(_)).then(|| index.pin());
    let with_vectors = wanted.vectors;
    let recall = wanted.recall(&set.writer, exact_below);
    let last = Arc::clone(&set.last);
    let query = index.query(&vector);
    let protocol = call.reply.protocol();
    let search = Search { index, pin, most: k, last, query, recall, with_vectors, protocol };
    Ok(Outcome::Job(Job(Kind::Search(Box::new(search)))))
}

/// What a VSEARCH asks for.
struct Wanted<'a> {
    k: usize,
    ef: usize,
    exact: bool,
    vectors: bool,
    within: Option<f64>,
    keys: Keys<'a>,
}

/// Whose rows may be hits.
enum Keys<'a> {
    All,
    Prefix(&'a [u8]),
    Match(Glob),
    Listed(Args<'a>),
}

/// Keys that match a pattern.
impl Filter for Glob {
    fn accepts(&self, key: &[u8]) -> bool {
        self.matches(key)
    }
}

impl<'a> Wanted<'a> {
    fn read(k: usize, words: Args<'a>) -> Result<Self, Refusal> {
        let mut wanted =
            Self { k, ef: DEFAULT_EF, exact: false, vectors: false, within: None, keys: Keys::All };
        let mut rest = words;
        while let Some(word) = rest.get(0) {
            if eq_ignore_case(word, b"WITHVECTORS") {
                wanted.vectors = true;
                rest = rest.skip(1);
            } else if eq_ignore_case(word, b"EXACT") {
                wanted.exact = true;
                rest = rest.skip(1);
            } else {
                rest = wanted.option(word, rest.skip(1))?;
            }
        }
        if wanted.within.is_some() && k > limits::RANGE_HITS {
            let most = limits::RANGE_HITS;
            return Err(Refusal::err(format_args!(
                "k must be a number from 1 to {most} with WITHIN, not {k}"
            )));
        }
        Ok(wanted)
    }

    /// Reads an option with a value, which comes first in `rest`; returns what comes behind it.
    fn option(&mut self, word: &[u8], rest: Args<'a>) -> Result<Args<'a>, Refusal> {
        let value = || {
            let missing =
                || Refusal::err(format_args!("option {} needs a value", quote(word).to_uppercase()));
            rest.get(0).ok_or_else(missing)
        };
        if eq_ignore_case(word, b"EF") {
            self.ef = number(value()?, "EF", 1, limits::MAX_EF)?;
        } else if eq_ignore_case(word, b"WITHIN") {
            let refusal =
                |word| Refusal::err(format_args!("WITHIN must be a distance, a number, not {}", quote(word)));
            self.within = Some(parse_f64(value()?).ok_or_else(|| refusal(rest.get(0).unwrap_or_default()))?);
        } else if eq_ignore_case(word, b"PREFIX") {
            self.confine(Keys::Prefix(value()?))?;
        } else if eq_ignore_case(word, b"MATCH") {
            self.confine(Keys::Match(Glob::new(value()?).map_err(Refusal::err)?))?;
        } else if eq_ignore_case(word, b"KEYS") {
            let n = number(value()?, "the number of KEYS", 1, limits::FILTER_KEYS)?;
            let listed = rest.skip(1);
            if listed.len() < n {
                let came = listed.len();
                return Err(Refusal::err(format_args!("KEYS says {n} keys, but {came} words follow")));
            }
            self.confine(Keys::Listed(listed.first(n)))?;
            return Ok(listed.skip(n));
        } else {
            return Err(Refusal::err(format_args!(
                "unknown option {}: VSEARCH takes EF, WITHIN, PREFIX, MATCH, KEYS, WITHVECTORS, EXACT",
                quote(word)
            )));
        }
        Ok(rest.skip(1))
    }

    fn confine(&mut self, keys: Keys<'a>) -> Result<(), Refusal> {
        if !matches!(self.keys, Keys::All) {
            return Err(Refusal::err("VSEARCH takes one of PREFIX, MATCH and KEYS, once"));
        }
        self.keys = keys;
        Ok(())
    }

    /// The primitive that answers.
    fn recall(mut self, writer: &Writer, exact_below: usize) -> Box<dyn Recall> {
        let nearest = Nearest { k: self.k, ef: self.ef, exact_below };
        match std::mem::replace(&mut self.keys, Keys::All) {
            Keys::All if self.within.is_none() && !self.exact => Box::new(nearest),
            Keys::All => self.filtered(nearest, Everything),
            Keys::Prefix(prefix) => self.filtered(nearest, Prefix(prefix.to_vec())),
            Keys::Match(glob) => self.filtered(nearest, glob),
            Keys::Listed(keys) => {
                let mut rows: Vec<RowId> = keys.iter().filter_map(|key| writer.get(key)).collect();
                rows.sort_unstable();
                rows.dedup();
                Box::new(Listed { k: self.k, radius: self.radius(), rows })
            }
        }
    }

    fn filtered<F: Filter + 'static>(&self, nearest: Nearest, filter: F) -> Box<dyn Recall> {
        match self.within {
            _ if self.exact => Box::new(Exact { k: self.k, radius: self.radius(), filter }),
            Some(radius) => Box::new(Range { radius, nearest, filter }),
            None => Box::new(Among { nearest, filter }),
        }
    }

    fn radius(&self) -> f64 {
        self.within.unwrap_or(f64::INFINITY)
    }
}

#[cfg(test)]
mod tests;
