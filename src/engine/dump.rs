//! `engram dump`: the records of a log as text, a line each.
//!
//! A line: the record's number, `@` where it begins in its file, `+` the bytes of its payload, and its operations, separated by
//! semicolons. Names and values are quoted, with everything but printable ASCII escaped; sizes are of the whole value
//! where it is shown shortened. A line that begins with `#` is about a file. Nothing is changed, and nothing is verified but
//! what is shown: for the rest there is `check`.

use std::fmt::Write;

use super::mutation::Op;
use crate::base::bytes::Reader;
use crate::env::Storage;
use crate::snapshot;
use crate::wal::{self, Item, Lsn, RecoveryError};

/// What to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The first record.
    pub from: Lsn,
    /// The last record.
    pub to: Lsn,
    /// Values and vectors in full.
    pub full: bool,
}

/// Bytes of a value, and elements of a vector, that are shown unless all are.
const SHOWN: (usize, usize) = (64, 4);

/// Gives the lines to `line`, one at a time.
///
/// # Errors
/// The first damage, with file, offset and number of the record that should be there, after all lines before it.
pub fn dump(
    storage: &dyn Storage,
    excerpt: Excerpt,
    line: &mut dyn FnMut(&str),
) -> Result<(), RecoveryError> {
    let listed =
        wal::list(storage, excerpt.from, excerpt.to, &mut |item| line(&describe(item, excerpt.full)));
    // What help it names must not reach into what a snapshot holds.
    listed.map_err(|error| error.above(snapshot::newest(storage).unwrap_or_default()))
}

fn describe(item: Item<'_>, full: bool) -> String {
    match item {
        Item::Segment { file, bytes, first } => format!("# {file}: {bytes} bytes, from record {first} on"),
        Item::Torn { room: true, file, offset, bytes, .. } => {
            format!("# {file}: room for more records, {bytes} bytes at offset {offset}; a start cuts it")
        }
        Item::Torn { file, offset, bytes, lsn, .. } => format!(
            "# {file}: a torn tail of {bytes} bytes at offset {offset}, where record {lsn} would be; a start cuts it"
        ),
        Item::Record { offset, lsn, payload, .. } => {
            let mut text = format!("{lsn} @{offset} +{} ", payload.len());
            operations(payload, full, &mut text);
            text
        }
    }
}

fn operations(payload: &[u8], full: bool, out: &mut String) {
    let mut r = Reader::new(payload);
    let mut before = "";
    while !r.is_empty() {
        out.push_str(before);
        before = "; ";
        let rest = r.rest();
        match Op::decode(&mut r) {
            Ok(op) => operation(&op, full, out),
            Err(e) => {
                put(out, format_args!("no operation that this binary knows ({e}): "));
                return bytes(rest, full, out);
            }
        }
    }
}

fn operation(op: &Op<'_>, full: bool, out: &mut String) {
    let mut show = |kind: &str, key: &[u8], value: Option<&[u8]>| {
        put(out, format_args!("{kind} \"{}\"", key.escape_ascii()));
        if let Some(value) = value {
            out.push(' ');
            bytes(value, full, out);
        }
    };
    match *op {
        Op::Set { key, value, expire_at } => {
            show("SET", key, Some(value));
            if expire_at > 0 {
                put(out, format_args!(" until {expire_at} ms"));
            }
        }
        Op::Append { key, tail } => show("APPEND", key, Some(tail)),
        Op::Overwrite { key, offset, bytes } => {
            show("OVERWRITE", key, Some(bytes));
            put(out, format_args!(" at {offset}"));
        }
        Op::Delete { key } => show("DELETE", key, None),
        Op::Expire { key, at: 0 } => show("PERSIST", key, None),
        Op::Expire { key, at } => {
            show("EXPIRE", key, None);
            put(out, format_args!(" at {at} ms"));
        }
        Op::Rename { from, to } => {
            show("RENAME", from, None);
            put(out, format_args!(" to \"{}\"", to.escape_ascii()));
        }
        Op::Clear => out.push_str("CLEAR"),
        Op::NewSet { key, config: c } => {
            show("NEW INDEX", key, None);
            put(out, format_args!(" dim {} metric {} quant {} m {}", c.dim, c.metric, c.quant, c.m));
            put(out, format_args!(" ef_construction {} seed {}", c.ef_construction, c.seed));
        }
        Op::PutVector { key, element, vector } => {
            show("PUT VECTOR", key, None);
            put(out, format_args!(" \"{}\" ", element.escape_ascii()));
            floats(vector, full, out);
        }
        Op::RemoveVector { key, element } => {
            show("REMOVE VECTOR", key, None);
            put(out, format_args!(" \"{}\"", element.escape_ascii()));
        }
        Op::Quant { key, quant } => {
            show("CHANGE FORM", key, None);
            put(out, format_args!(" quant {quant}"));
        }
    }
}

/// How many bytes, and the first of them.
fn bytes(value: &[u8], full: bool, out: &mut String) {
    let shown = if full { value } else { value.get(..SHOWN.0).unwrap_or(value) };
    let dots = if shown.len() < value.len() { "..." } else { "" };
    put(out, format_args!("{} bytes \"{}\"{dots}", value.len(), shown.escape_ascii()));
}

/// How many floats, and the first of them.
fn floats(vector: &[u8], full: bool, out: &mut String) {
    let (elements, odd) = vector.as_chunks::<4>();
    if !odd.is_empty() {
        return bytes(vector, full, out);
    }
    put(out, format_args!("{} floats [", elements.len()));
    let shown = if full { elements } else { elements.get(..SHOWN.1).unwrap_or(elements) };
    for (i, element) in shown.iter().enumerate() {
        let comma = if i > 0 { ", " } else { "" };
        put(out, format_args!("{comma}{}", f32::from_le_bytes(*element)));
    }
    out.push_str(if shown.len() < elements.len() { ", ...]" } else { "]" });
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    assert!(written.is_ok(), "a string takes all text");
}
