//! What VINFO says of an index: its form and its counts, some exactly and some within bounds, since sweeps and links that are
//! under way decide the rest.

use engram::resp::client::Value;

use super::index::Index;
use crate::plan::WIDTHS;

/// The highest layer that a graph may have.
const MAX_LEVEL: i64 = 15;

/// An answer to VINFO.
pub(super) struct Described<'a>(pub(super) &'a [Value]);

impl Described<'_> {
    fn field(&self, name: &str) -> Option<&Value> {
        let mut pairs = self.0.as_chunks::<2>().0.iter();
        pairs.find(|[key, _]| *key == Value::Simple(name.as_bytes().to_vec())).map(|[_, value]| value)
    }

    pub(super) fn number(&self, name: &str) -> Result<i64, String> {
        match self.field(name) {
            Some(Value::Integer(number)) => Ok(*number),
            other => Err(format!("VINFO's {name} is {other:?}, which is no number")),
        }
    }

    fn within(&self, name: &str, least: i64, most: i64) -> Result<(), String> {
        let number = self.number(name)?;
        let right = (least..=most).contains(&number);
        if right {
            Ok(())
        } else {
            Err(format!("VINFO's {name} is {number}, not a number from {least} to {most}"))
        }
    }

    pub(super) fn word(&self, name: &str) -> Result<String, String> {
        match self.field(name) {
            Some(Value::Simple(word)) => Ok(String::from_utf8_lossy(word).into_owned()),
            other => Err(format!("VINFO's {name} is {other:?}, which is no word")),
        }
    }
}

/// Checks what VINFO says of `index`; it was asked for at `asked`.
pub(super) fn check_info(index: &Index, items: &[Value], asked: u64) -> Result<(), String> {
    let described = Described(items);
    let form = described.word("quant-type")?;
    if !index.forms.may_be(&form, asked) {
        return Err(format!("VINFO's quant-type is {form} instead of {}", index.forms));
    }
    let metric = described.word("metric")?;
    if metric != index.metric {
        return Err(format!("VINFO's metric is {metric} instead of {}", index.metric));
    }
    let exact = [
        ("vector-dim", index.dim),
        ("hnsw-m", WIDTHS.0),
        ("ef-construction", WIDTHS.1),
        ("size", index.rows.len()),
        ("count", index.rows.len()),
        ("attributes-count", 0),
        ("projection-input-dim", 0),
    ];
    exact.into_iter().try_for_each(|(name, number)| described.within(name, number as i64, number as i64))?;
    check_rows(index, &described)
}

/// Each row that was ever inserted is live, dead or free, unless its place was taken again.
fn check_rows(index: &Index, described: &Described<'_>) -> Result<(), String> {
    let live = index.rows.len() as i64;
    let inserted = i64::try_from(index.inserted).unwrap_or(i64::MAX);
    let (rows, tombstones) = (described.number("rows")?, described.number("tombstones")?);
    described.within("rows", live, inserted)?;
    described.within("hnsw-max-node-uid", rows, rows)?;
    described.within("tombstones", 0, (rows - live).min(inserted - live))?;
    // A sweep may free some between the counts.
    described.within("free", rows - live - tombstones, rows - live)?;
    described.within("unlinked", 0, rows)?;
    described.within("max-level", 0, if rows == 0 { 0 } else { MAX_LEVEL })?;
    let changing = described.word("quant-change")? != "none";
    described.within("quant-change-rows", 0, if changing { rows } else { 0 })?;
    let vectors = if described.number("mapped-bytes")? == 0 { rows * index.dim as i64 * 4 } else { 0 };
    described.within("bytes", vectors, i64::MAX)
}
