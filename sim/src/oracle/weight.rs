//! What rows of an index weigh: between two looks of its client at it, VINFO's bytes have grown by what the new rows take at
//! least, their codes included. The first row counts with the whole block that it begins.
//!
//! Only where nothing else has changed what it takes: no other form was ever asked for, no row was swept or has taken the place
//! of another, and none is served from a snapshot's map.

use std::collections::{BTreeMap, BTreeSet};

use engram::resp::client::Value;

use super::described::Described;
use super::index::Index;
use crate::plan::{Op, WIDTHS};

/// Bytes of a cache line: vectors and lists of links take whole ones.
const LINE: usize = 64;
/// Bytes of a row's key slot, of what is rarely read of it, and of its birth, its death and a term.
const REST: usize = 16 + 16 + 12;
/// Rows of the first block of each table of an index.
const FIRST: usize = 16;

/// What was told of one index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Weight {
    /// Tells it from another one that had the name before.
    uid: i64,
    rows: usize,
    inserted: usize,
    bytes: usize,
}

/// What was told last of each index, in one life.
#[derive(Clone, Debug, Default)]
pub(super) struct Weights {
    last: BTreeMap<String, Weight>,
    /// Clients that have asked for another form: the one before may stay for a while.
    forming: BTreeSet<usize>,
}

impl Weights {
    /// A life begins.
    pub(super) fn begin(&mut self) {
        *self = Self::default();
    }

    /// A client asks for something.
    pub(super) fn asked(&mut self, client: usize, op: &Op) {
        if changes_form(op) {
            self.forming.insert(client);
        }
    }

    /// VINFO has told this of the index at `key`. An error says what it should weigh.
    pub(super) fn told(
        &mut self,
        client: usize,
        (key, index): (&str, &Index),
        items: &[Value],
    ) -> Result<(), String> {
        if self.forming.contains(&client) {
            return Ok(());
        }
        let told = Described(items);
        let number = |name: &str| told.number(name).ok().and_then(|number| usize::try_from(number).ok());
        let weight = || Some((number("rows")?, number("bytes")?, told.number("vset-uid").ok()?));
        let (Some((rows, bytes, uid)), Ok(form)) = (weight(), told.word("quant-type")) else { return Ok(()) };
        let bare = ["mapped-bytes", "free"].iter().all(|name| number(name) == Some(0));
        if !index.forms.is_the_only_one() || !bare {
            self.last.remove(key);
            return Ok(());
        }
        let now = Weight { uid, rows, inserted: index.inserted, bytes };
        let Some(before) = self.last.insert(key.to_owned(), now) else { return Ok(()) };
        let grown = rows.checked_sub(before.rows).filter(|_| before.uid == uid);
        let Some(grown) = grown.filter(|grown| before.inserted.checked_add(*grown) == Some(index.inserted))
        else {
            return Ok(());
        };
        let least = before.bytes + (touched(rows) - touched(before.rows)) * row(index.dim, &form);
        if bytes >= least {
            return Ok(());
        }
        Err(format!(
            "VINFO's bytes are {bytes}, where {grown} rows came to {}: {least} at least",
            before.bytes
        ))
    }
}

/// Rows that count where there are so many: all of the first block of a table, once there is one.
fn touched(rows: usize) -> usize {
    if rows == 0 { 0 } else { rows.max(FIRST) }
}

fn changes_form(op: &Op) -> bool {
    match op {
        Op::Quant { .. } => true,
        Op::Transaction(ops) => ops.iter().any(changes_form),
        Op::Unheard(_, op) => changes_form(op),
        _ => false,
    }
}

/// Bytes that a row takes at least: its vector, its links, its code.
fn row(dim: usize, form: &str) -> usize {
    let lines = |bytes: usize| bytes.next_multiple_of(LINE);
    let (bits, own) = match form {
        "int8" => (8, 4),
        "int4" => (4, 4),
        "bin" => (1, 4),
        _ => (0, 0),
    };
    lines(4 * dim) + lines(4 * 2 * WIDTHS.0) + REST + own + (bits * dim).div_ceil(8)
}

#[cfg(test)]
mod tests {
    use super::super::forms::Forms;
    use super::*;

    fn told(uid: i64, rows: i64, bytes: i64) -> Vec<Value> {
        let field = |name: &str, value| [Value::Simple(name.as_bytes().to_vec()), value];
        let form = Value::Simple(b"int8".to_vec());
        let number = |name, number| field(name, Value::Integer(number));
        [
            number("rows", rows),
            number("bytes", bytes),
            number("vset-uid", uid),
            number("mapped-bytes", 0),
            number("free", 0),
            field("quant-type", form),
        ]
        .concat()
    }

    #[test]
    fn rows_that_weigh_too_little_are_noticed() {
        let forms = || Forms::of("int8");
        let index =
            |inserted| Index { dim: 3, metric: "l2", rows: BTreeMap::new(), inserted, forms: forms() };
        let least = row(3, "int8") as i64;
        assert_eq!(least, 64 + 64 + 44 + 4 + 3);
        let mut weights = Weights::default();
        let mut tell = |inserted, said: &[Value]| weights.told(0, ("k", &index(inserted)), said);
        tell(0, &told(7, 0, 500)).unwrap();
        tell(3, &told(7, 3, 500 + 16 * least)).unwrap();
        tell(16, &told(7, 16, 500 + 16 * least)).unwrap();
        tell(18, &told(7, 18, 500 + 18 * least)).unwrap();
        tell(19, &told(7, 19, 499 + 19 * least)).unwrap_err();
        tell(20, &told(8, 0, 500)).unwrap();
        tell(21, &told(8, 1, 499 + 16 * least)).unwrap_err();
        tell(22, &told(9, 5, 500)).unwrap();
        tell(24, &told(9, 6, 500)).unwrap();
    }
}
