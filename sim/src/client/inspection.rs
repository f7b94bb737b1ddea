//! Looking at every key over the wire: its type first, then what that type has to show.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use engram::resp::client::Value;

use crate::oracle::{Found, Seen, WallSpan, read_rows, show};
use crate::plan::{Among, Op};

/// More hits than an index of a plan can have rows.
const ALL: usize = 100_000;

/// A look at some keys: questions to ask, and what the answers were so far.
#[derive(Debug)]
pub(crate) struct Inspection {
    questions: VecDeque<Op>,
    /// Questions asked and not answered.
    open: usize,
    /// Names that there may be; none when the whole keyspace is not asked for.
    known: Option<BTreeSet<String>>,
    seen: Seen,
    /// An index is described before its rows are asked for.
    described: BTreeMap<String, (usize, String, [String; 2])>,
    /// When it began.
    pub(crate) since: u64,
}

/// How an answer was taken.
pub(crate) enum Taken {
    /// There is more to ask or to hear.
    More,
    /// Everything was seen.
    Complete(Seen),
}

impl Inspection {
    /// A look at `keys`; if they are `all` there can be, other names in the keyspace are violations.
    pub(crate) fn new(keys: &[String], all: bool, since: u64) -> Self {
        let mut questions: VecDeque<Op> = keys.iter().cloned().map(Op::Type).collect();
        if all {
            questions.push_front(Op::Keys);
        }
        Self {
            questions,
            open: 0,
            known: all.then(|| keys.iter().cloned().collect()),
            seen: Seen::default(),
            described: BTreeMap::new(),
            since,
        }
    }

    /// The next question.
    pub(crate) fn next(&mut self) -> Option<Op> {
        let op = self.questions.pop_front()?;
        self.open += 1;
        Some(op)
    }

    /// A question's job has panicked: it is asked once more.
    pub(crate) fn again(&mut self, op: &Op) {
        self.open -= 1;
        self.questions.push_back(op.clone());
    }

    /// Takes the answer to a question that the server has read during `span`; an error says what is wrong with it.
    pub(crate) fn take(&mut self, op: &Op, reply: &Value, span: WallSpan) -> Result<Taken, String> {
        self.open -= 1;
        match (op, reply) {
            (Op::Keys, Value::Array(names)) => self.take_names(names)?,
            (Op::Type(key), Value::Simple(kind)) => match kind.as_slice() {
                b"none" => drop(self.seen.keys.insert(key.clone(), None)),
                b"string" => self.questions.push_back(Op::Get(key.clone())),
                b"vectorset" => self.questions.push_back(Op::Info(key.clone())),
                _ => return Err(unexpected(op, reply)),
            },
            // It has expired since it was asked for its type.
            (Op::Get(key) | Op::Info(key), Value::Null | Value::NullArray) => {
                self.seen.keys.insert(key.clone(), None);
            }
            (Op::Search { key, .. }, Value::Error(text)) if text.starts_with(b"ERR no index") => {
                self.seen.keys.insert(key.clone(), None);
            }
            (Op::Get(key), Value::Bulk(text)) => {
                let text = String::from_utf8_lossy(text).into_owned();
                self.found(key, Found::Text(text));
            }
            (Op::Info(key), Value::Array(items)) => {
                self.describe(key, items).ok_or_else(|| unexpected(op, reply))?
            }
            (Op::Search { key, .. }, Value::Array(items)) => {
                let (dim, metric, forms) = self.described.get(key).cloned().unwrap_or_default();
                self.found(key, Found::Index { dim, metric, forms, rows: read_rows(items)? });
            }
            (Op::Pttl(key), Value::Integer(left)) => self.expires(key, *left, span),
            _ => return Err(unexpected(op, reply)),
        }
        let complete = self.questions.is_empty() && self.open == 0;
        Ok(if complete { Taken::Complete(std::mem::take(&mut self.seen)) } else { Taken::More })
    }

    fn take_names(&self, names: &[Value]) -> Result<(), String> {
        let Some(known) = &self.known else { return Ok(()) };
        for name in names {
            let found = if let Value::Bulk(name) = name { std::str::from_utf8(name).ok() } else { None };
            if found.is_none_or(|name| !known.contains(name)) {
                return Err(format!("the keyspace holds {}, which nobody made", show(name)));
            }
        }
        Ok(())
    }

    fn found(&mut self, key: &str, found: Found) {
        self.seen.keys.insert(key.to_owned(), Some((found, None)));
        self.questions.push_back(Op::Pttl(key.to_owned()));
    }

    fn expires(&mut self, key: &str, left: i64, span: WallSpan) {
        let Some(Some((_, deadline))) = self.seen.keys.get_mut(key) else { return };
        if left == -2 {
            self.seen.keys.insert(key.to_owned(), None);
        } else if let Ok(left) = u64::try_from(left) {
            *deadline = Some(WallSpan { from: span.from + left, to: span.to + left });
        }
    }

    fn describe(&mut self, key: &str, items: &[Value]) -> Option<()> {
        let field = |name: &[u8]| {
            let mut pairs = items.as_chunks::<2>().0.iter();
            pairs.find(|[key, _]| *key == Value::Simple(name.to_vec())).map(|[_, value]| value)
        };
        let (Value::Integer(dim), Value::Simple(metric)) = (field(b"vector-dim")?, field(b"metric")?) else {
            return None;
        };
        let (Value::Simple(form), Value::Simple(next)) = (field(b"quant-type")?, field(b"quant-change")?)
        else {
            return None;
        };
        let [metric, form, next] =
            [metric, form, next].map(|text| String::from_utf8_lossy(text).into_owned());
        let dim = usize::try_from(*dim).ok()?;
        self.described.insert(key.to_owned(), (dim, metric, [form, next]));
        let query = Arc::from(vec![0.0; dim]);
        let (key, among) = (key.to_owned(), Among::default());
        let search = Op::Search { key, query, k: ALL, ef: None, exact: true, vectors: true, among };
        self.questions.push_back(search);
        Some(())
    }
}

fn unexpected(op: &Op, reply: &Value) -> String {
    format!("the inspection's `{op}` was answered with {}", show(reply))
}
