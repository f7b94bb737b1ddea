//! Operations on keys that hold text.

use engram::resp::human_sum;

use super::super::expect::Expect;
use super::{ERROR, Held, Span, State, WRONG_TYPE};
use crate::plan::{Form, Lifetime, Only, Op};

/// Longest string that Redis embeds into its object.
const EMBEDDED: usize = 44;

impl Form {
    /// The moments that `time` in this form may mean to a server which reads it during `at`.
    pub(super) fn moments(self, time: i64, at: Span) -> Span {
        let add = |base: u64, millis: i64| u64::try_from(base as i64 + millis).unwrap_or(0);
        let after = |millis: i64| Span { from: add(at.from, millis), to: add(at.to, millis) };
        match self {
            Self::Ex => after(time.saturating_mul(1_000)),
            Self::Px => after(time),
            Self::ExAt => Span::moment(time.saturating_mul(1_000)),
            Self::PxAt => Span::moment(time),
        }
    }
}

impl State {
    /// What a string operation does; none if it is no such operation.
    pub(super) fn strings(&mut self, op: &Op, at: Span) -> Option<Expect> {
        Some(match op {
            Op::Mset(pairs) => {
                pairs.iter().for_each(|(key, value)| self.set(key, value, None));
                Expect::ok()
            }
            Op::MsetNx(pairs) if pairs.iter().any(|(key, _)| self.has(key)) => Expect::Integer(0),
            Op::MsetNx(pairs) => {
                pairs.iter().for_each(|(key, value)| self.set(key, value, None));
                Expect::Integer(1)
            }
            Op::Set { key, value, expire } => {
                self.set(key, value, expire.map(|after| at.later(after)));
                Expect::ok()
            }
            Op::SetWith { key, value, only, get, life } => {
                self.set_with(key, value, (*only, *get, *life), at)
            }
            Op::SetFor { after: 0, .. } => ERROR,
            Op::SetFor { key, millis, after, value } => {
                let after = if *millis { *after } else { after * 1_000 };
                self.set(key, value, Some(at.later(after)));
                Expect::ok()
            }
            Op::SetNx { key, .. } if self.has(key) => Expect::Integer(0),
            Op::SetNx { key, value } => {
                self.set(key, value, None);
                Expect::Integer(1)
            }
            Op::Mget(keys) => Expect::List(keys.iter().map(|key| shown(self.text(key).ok())).collect()),
            Op::Encoding(key) => match self.held(key) {
                None => Expect::Null,
                Some(Held::Text(text)) => Expect::bulk(encoding(text)),
                Some(Held::Index(_)) => Expect::bulk("raw"),
            },
            _ => return self.text_op(op, at),
        })
    }

    /// The text of a key, empty if there is none; an answer if it holds no text.
    fn text(&self, key: &str) -> Result<Option<&str>, Expect> {
        match self.held(key) {
            None => Ok(None),
            Some(Held::Text(text)) => Ok(Some(text)),
            Some(Held::Index(_)) => Err(WRONG_TYPE),
        }
    }

    /// Operations that answer WRONGTYPE where a key holds something else.
    fn text_op(&mut self, op: &Op, at: Span) -> Option<Expect> {
        let key = op.keys().first().copied().unwrap_or_default();
        let there = self.text(key);
        let (old, wrong) = match there {
            Ok(old) => (old.map(str::to_owned), None),
            Err(wrong) => (None, Some(wrong)),
        };
        let text = old.clone().unwrap_or_default();
        let done = match op {
            // There is no such number to add, whatever the key holds.
            Op::DecrBy { by: i64::MIN, .. } => return Some(ERROR),
            Op::Get(_) => shown(Some(old.as_deref())),
            Op::GetDel(_) => {
                if wrong.is_none() {
                    self.remove(key);
                }
                shown(Some(old.as_deref()))
            }
            Op::GetSet { value, .. } => {
                if wrong.is_none() {
                    self.set(key, value, None);
                }
                shown(Some(old.as_deref()))
            }
            Op::GetEx { life, .. } => self.get_ex(key, old.as_deref(), *life, at),
            Op::StrLen(_) => Expect::Integer(text.len() as i64),
            Op::GetRange { start, end, .. } => Expect::bulk(range(&text, *start, *end)),
            Op::Incr(_) | Op::Decr(_) | Op::IncrBy { .. } | Op::DecrBy { .. } if wrong.is_none() => {
                self.add(key, old.as_deref(), step(op))
            }
            Op::IncrByFloat { by, .. } if wrong.is_none() => self.add_float(key, old.as_deref(), by),
            Op::Append { value, .. } if wrong.is_none() => self.write(key, text + value),
            Op::SetRange { value, .. } if wrong.is_none() && value.is_empty() => {
                Expect::Integer(text.len() as i64)
            }
            Op::SetRange { offset, value, .. } if wrong.is_none() => {
                self.write(key, overwritten(text, *offset, value))
            }
            Op::Incr(_)
            | Op::Decr(_)
            | Op::IncrBy { .. }
            | Op::DecrBy { .. }
            | Op::IncrByFloat { .. }
            | Op::Append { .. }
            | Op::SetRange { .. } => WRONG_TYPE,
            _ => return None,
        };
        Some(wrong.unwrap_or(done))
    }

    fn write(&mut self, key: &str, value: String) -> Expect {
        let len = value.len() as i64;
        self.replace(key, value);
        Expect::Integer(len)
    }

    fn set_with(
        &mut self,
        key: &str,
        value: &str,
        (only, get, life): (Option<Only>, bool, Lifetime),
        at: Span,
    ) -> Expect {
        let deadline = match life {
            Lifetime::Until(_, ..=0) => return ERROR,
            Lifetime::Until(form, time) => Some(form.moments(time, at)),
            Lifetime::Keep => self.deadline(key),
            Lifetime::Plain | Lifetime::Persist => None,
        };
        let old = match self.text(key) {
            Err(wrong) if get => return wrong,
            Ok(Some(old)) => Some(old.to_owned()),
            _ => None,
        };
        let stays = match only {
            Some(Only::Nx) => self.has(key),
            Some(Only::Xx) => !self.has(key),
            _ => false,
        };
        if !stays {
            self.set(key, value, deadline);
        }
        match (get, stays) {
            (true, _) => shown(Some(old.as_deref())),
            (false, true) => Expect::Null,
            (false, false) => Expect::ok(),
        }
    }

    fn get_ex(&mut self, key: &str, old: Option<&str>, life: Lifetime, at: Span) -> Expect {
        let deadline = match life {
            _ if old.is_none() => return Expect::Null,
            Lifetime::Until(_, ..=0) => return ERROR,
            Lifetime::Until(form, time) => Some(form.moments(time, at)),
            Lifetime::Persist => None,
            Lifetime::Plain | Lifetime::Keep => self.deadline(key),
        };
        if let Some(entry) = self.entries.get_mut(key) {
            entry.deadline = deadline;
        }
        shown(Some(old))
    }

    fn add(&mut self, key: &str, old: Option<&str>, step: Option<i64>) -> Expect {
        let old = old.unwrap_or("0");
        let number = old.parse::<i64>().ok().filter(|number| number.to_string() == old);
        let Some(sum) = number.zip(step).and_then(|(number, step)| number.checked_add(step)) else {
            return ERROR;
        };
        self.replace(key, sum.to_string());
        Expect::Integer(sum)
    }

    fn add_float(&mut self, key: &str, old: Option<&str>, by: &str) -> Expect {
        let old = old.unwrap_or("0");
        let Some(sum) = sum(old, by) else { return ERROR };
        self.replace(key, sum.clone());
        Expect::bulk(&sum)
    }
}

/// What is added; none if that does not fit.
fn step(op: &Op) -> Option<i64> {
    match op {
        Op::Incr(_) => Some(1),
        Op::Decr(_) => Some(-1),
        Op::IncrBy { by, .. } => Some(*by),
        Op::DecrBy { by, .. } => by.checked_neg(),
        _ => None,
    }
}

/// Two decimal texts added. Quarters are exact; only for other numbers the engine's own sum is believed.
fn sum(a: &str, b: &str) -> Option<String> {
    let exact = |text: &str| {
        let number = text.parse::<f64>().ok()?;
        let quarters = number * 4.0;
        (quarters.fract() == 0.0 && quarters.abs() < (1_u64 << 50) as f64).then_some(number)
    };
    match exact(a).zip(exact(b)) {
        Some((a, b)) => Some((a + b + 0.0).to_string()),
        None => human_sum(a.as_bytes(), b.as_bytes()).ok(),
    }
}

fn shown(text: Option<Option<&str>>) -> Expect {
    text.flatten().map_or(Expect::Null, Expect::bulk)
}

fn encoding(text: &str) -> &'static str {
    if text.parse::<i64>().is_ok_and(|number| number.to_string() == text) {
        "int"
    } else if text.len() <= EMBEDDED {
        "embstr"
    } else {
        "raw"
    }
}

/// The text with `value` written over it at `offset`, after zero bytes where it was shorter.
fn overwritten(mut text: String, offset: usize, value: &str) -> String {
    while text.len() < offset {
        text.push('\0');
    }
    let tail = text.get(offset + value.len()..).unwrap_or_default().to_owned();
    text.truncate(offset);
    text + value + &tail
}

/// The part from `start` to `end`, both included, negative ones counted from the end.
fn range(text: &str, start: i64, end: i64) -> &str {
    let len = text.len() as i64;
    let place = |bound: i64| if bound < 0 { (len + bound).max(0) } else { bound };
    let (from, to) = (place(start), place(end).min(len - 1));
    if from > to || (start < 0 && end < 0 && start > end) {
        return "";
    }
    text.get(from as usize..=to as usize).unwrap_or_default()
}
