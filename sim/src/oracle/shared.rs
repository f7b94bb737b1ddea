//! Keys that all clients name: a register holds values that are never written twice, a counter only counts up.
//!
//! Necessary conditions of linearizability, checked at each answer: a read returns a value whose write had begun, no
//! write lies wholly between that write and the read, and no earlier read saw a later value. They hold across
//! restarts too, since time goes on: what was acknowledged or seen cannot be unseen.

use std::collections::BTreeMap;

use engram::resp::client::Value;

use crate::plan::Op;

/// Virtual nanoseconds at which something was asked for, and at which it was answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// First moment.
    pub at: u64,
    /// Last moment; the largest number when no answer came.
    pub answered: u64,
}

impl Asked {
    /// Wholly before `other`.
    fn before(self, other: Self) -> bool {
        self.answered < other.at
    }
}

#[derive(Clone, Debug, Default)]
struct Register {
    writes: BTreeMap<String, Asked>,
    /// What was read: none for a key that was not there.
    reads: Vec<(Option<String>, Asked)>,
}

#[derive(Clone, Debug, Default)]
struct Counter {
    attempts: i64,
    /// Values that were seen; `true` for those that an increment returned.
    seen: Vec<(i64, bool, Asked)>,
}

/// All that is known of the shared keys.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedKeys {
    registers: BTreeMap<String, Register>,
    counters: BTreeMap<String, Counter>,
}

/// Whether a key is one of the shared ones.
#[must_use]
pub(super) fn is_shared(key: &str) -> bool {
    key.starts_with("shared:")
}

impl SharedKeys {
    /// What was acknowledged or seen from `since` on may be gone.
    pub(super) fn take_back(&mut self, since: u64) {
        for register in self.registers.values_mut() {
            register.reads.retain(|(_, read)| read.answered < since);
            for write in register.writes.values_mut().filter(|write| write.answered >= since) {
                write.answered = u64::MAX;
            }
        }
        for counter in self.counters.values_mut() {
            counter.seen.retain(|(_, _, when)| when.answered < since);
        }
    }

    /// An operation on a shared key is on its way.
    pub(super) fn asked(&mut self, op: &Op, at: u64) {
        match op {
            Op::Set { key, value, .. } => {
                let register = self.registers.entry(key.clone()).or_default();
                register.writes.insert(value.clone(), Asked { at, answered: u64::MAX });
            }
            Op::Incr(key) => self.counters.entry(key.clone()).or_default().attempts += 1,
            _ => {}
        }
    }

    /// Its answer has come.
    pub(super) fn answered(&mut self, op: &Op, reply: &Value, asked: Asked) -> Result<(), String> {
        match (op, reply) {
            (Op::Set { key, value, .. }, Value::Simple(_)) => {
                let register = self.registers.entry(key.clone()).or_default();
                register.writes.insert(value.clone(), asked);
                Ok(())
            }
            (Op::Incr(key), Value::Integer(n)) => {
                self.counters.entry(key.clone()).or_default().see(*n, true, asked)
            }
            (Op::Get(key), Value::Null | Value::Bulk(_)) => {
                let text = if let Value::Bulk(bytes) = reply {
                    Some(String::from_utf8_lossy(bytes).into_owned())
                } else {
                    None
                };
                self.read(key, text, asked)
            }
            _ => Err(format!("`{op}` was answered with {reply:?}")),
        }
    }

    /// A shared key was read.
    pub(super) fn read(&mut self, key: &str, text: Option<String>, asked: Asked) -> Result<(), String> {
        if key == "shared:n" {
            let number =
                text.as_deref().unwrap_or("0").parse().map_err(|_| format!("`{key}` is {text:?}"))?;
            return self.counters.entry(key.to_owned()).or_default().see(number, false, asked);
        }
        self.registers.entry(key.to_owned()).or_default().see(key, text, asked)
    }
}

impl Register {
    fn see(&mut self, key: &str, text: Option<String>, asked: Asked) -> Result<(), String> {
        const BEGINNING: Asked = Asked { at: 0, answered: 0 };
        let written = |text: &Option<String>| match text {
            None => Some(BEGINNING),
            Some(text) => self.writes.get(text).copied(),
        };
        let shown = text.as_deref().unwrap_or("nothing").to_owned();
        let Some(write) = written(&text) else {
            return Err(format!("`{key}` holds {shown}, which nobody wrote"));
        };
        let between = self.writes.iter().find(|(_, other)| write.before(**other) && other.before(asked));
        if let Some((value, _)) = between {
            return Err(format!("`{key}` holds {shown} although {value} was acknowledged after it"));
        }
        for (earlier, read) in &self.reads {
            if read.before(asked) && written(earlier).is_some_and(|other| write.before(other)) {
                return Err(format!(
                    "`{key}` holds {shown} although {earlier:?}, which is newer, had been seen"
                ));
            }
        }
        self.reads.push((text, asked));
        Ok(())
    }
}

impl Counter {
    fn see(&mut self, n: i64, increment: bool, asked: Asked) -> Result<(), String> {
        if n > self.attempts {
            return Err(format!("the shared counter is {n} after {} increments", self.attempts));
        }
        for &(other, other_increment, when) in &self.seen {
            let twice = increment && other_increment && n == other;
            let back = when.before(asked) && (n < other || (increment && n == other));
            let ahead = asked.before(when) && (n > other || (other_increment && n == other));
            if twice || back || ahead {
                return Err(format!("the shared counter gave {n} although it had given {other}"));
            }
        }
        self.seen.push((n, increment, asked));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(at: u64, answered: u64) -> Asked {
        Asked { at, answered }
    }

    fn set(value: &str) -> Op {
        Op::Set { key: "shared:r0".to_owned(), value: value.to_owned(), expire: None }
    }

    fn ok() -> Value {
        Value::Simple(b"OK".to_vec())
    }

    #[test]
    fn a_register_may_not_go_back() {
        let mut keys = SharedKeys::default();
        for (i, value) in ["a", "b"].iter().enumerate() {
            let at = 10 * i as u64 + 1;
            keys.asked(&set(value), at);
            keys.answered(&set(value), &ok(), span(at, at + 2)).unwrap();
        }
        let mut read = |value: Option<&str>| keys.read("shared:r0", value.map(str::to_owned), span(20, 21));
        assert!(read(Some("a")).is_err(), "an overwritten value came back");
        assert!(read(None).is_err(), "an acknowledged value is gone");
        assert!(read(Some("c")).is_err(), "a value came from nowhere");
        assert!(read(Some("b")).is_ok());
    }

    #[test]
    fn what_was_seen_stays_seen_though_its_write_was_never_answered() {
        let mut keys = SharedKeys::default();
        keys.asked(&set("a"), 1);
        keys.answered(&set("a"), &ok(), span(1, 2)).unwrap();
        keys.asked(&set("b"), 5);
        keys.read("shared:r0", Some("b".to_owned()), span(6, 7)).unwrap();
        assert!(keys.read("shared:r0", Some("a".to_owned()), span(8, 9)).is_err());
    }

    #[test]
    fn a_counter_counts_up_and_gives_no_number_twice() {
        let mut keys = SharedKeys::default();
        let incr = Op::Incr("shared:n".to_owned());
        keys.asked(&incr, 1);
        keys.asked(&incr, 1);
        keys.answered(&incr, &Value::Integer(1), span(1, 3)).unwrap();
        assert!(keys.answered(&incr, &Value::Integer(1), span(1, 4)).is_err());
        assert!(keys.answered(&incr, &Value::Integer(3), span(1, 4)).is_err());
        keys.answered(&incr, &Value::Integer(2), span(4, 5)).unwrap();
        assert!(keys.read("shared:n", Some("1".to_owned()), span(6, 7)).is_err());
        assert!(keys.read("shared:n", None, span(6, 7)).is_err());
    }
}
