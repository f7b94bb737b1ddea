//! Requests that were refused because memory is limited, or the disk full: they have done nothing.

use engram::resp::client::Value;

use super::Oracle;
use crate::plan::Op;

/// Virtual nanoseconds that a snapshot may take which makes up for a file, beside what makes everything late.
const MADE_UP: u64 = 1_000_000_000;

/// True for an answer that only a lack of memory gives, and not a failed log as well.
pub(super) fn refused(replies: &[Value]) -> bool {
    let by_log = |reply: &Value| matches!(reply, Value::Error(text) if text.starts_with(b"MISCONF "));
    replies.iter().any(is_refusal) && !replies.iter().any(by_log)
}

/// True for an answer that only a full disk gives: the request has done nothing. One that waits for room may have.
pub(super) fn lacks_room(replies: &[Value]) -> bool {
    let mut all = Vec::new();
    spread(replies, &mut all);
    let says = |text: &str, part: &str| text.starts_with("MISCONF ") && text.contains(part);
    all.iter().any(|text| says(text, "nothing was done"))
        && !all.iter().any(|text| says(text, "what this waits for") || says(text, "the log has failed"))
}

/// Every error among `replies`, those in arrays included.
fn spread(replies: &[Value], errors: &mut Vec<String>) {
    for reply in replies {
        match reply {
            Value::Error(text) => errors.push(String::from_utf8_lossy(text).into_owned()),
            Value::Array(parts) => spread(parts, errors),
            _ => {}
        }
    }
}

/// True for an answer that tells of a full disk.
fn tells_of_full(replies: &[Value]) -> bool {
    let mut all = Vec::new();
    spread(replies, &mut all);
    all.iter().any(|text| text.starts_with("MISCONF the disk is full"))
}

impl Oracle {
    /// After this life's disk has room again, nothing may be refused for want of it that is asked for so much later.
    pub fn grant_room(&mut self, nanos: u64) {
        self.room_again = nanos;
    }

    /// What was asked for at `at` was answered so: was there no room for it?
    pub(super) fn room_is_used(&self, replies: &[Value], at: u64) -> Result<(), String> {
        let refused = self.faults.as_ref().and_then(|faults| faults.lock().refused_room());
        let late = refused.is_some_and(|refused| at > refused + self.room_again);
        if !late || !tells_of_full(replies) {
            return Ok(());
        }
        let longer = at - refused.unwrap_or(0);
        Err(format!("that the disk is full, {longer} virtual ns after there was no room for the last time"))
    }

    /// What was asked for at `at` was answered so: does a file lack, and may it still?
    pub(super) fn file_is_gone(&mut self, replies: &[Value], at: u64, now: u64) -> Result<(), String> {
        let mut all = Vec::new();
        spread(replies, &mut all);
        if !all.iter().any(|text| text.starts_with("MISCONF a file that a start needs is gone")) {
            return Ok(());
        }
        let Some(robbed) = self.faults.as_ref().and_then(|faults| faults.lock().robbed_at()) else {
            return Err("that a file is gone, though nobody has taken one".to_owned());
        };
        let since = self.gone.filter(|(of, _)| *of == robbed).map_or(now, |(_, told)| told);
        self.gone = Some((robbed, since));
        let longer = at.saturating_sub(since);
        // A snapshot that has failed is tried again later.
        let excused = self.may_not_save(robbed, false) || self.panics() > 0;
        if excused || longer <= 2 * self.room_again + MADE_UP {
            return Ok(());
        }
        Err(format!("that a file is gone, {longer} virtual ns after that was said first"))
    }

    /// Where the disk was full for a while, a request whose answer nobody heard may have been refused, though later ones were
    /// taken.
    pub(super) fn note_room(&mut self) {
        if self.faults.as_ref().is_some_and(|faults| faults.lock().may_refuse()) {
            self.clients.iter_mut().for_each(|client| client.roomless = true);
            self.shared.lacked_room();
        }
    }

    /// The server has finished in order without an answer to `op`: it has not executed it.
    pub fn unexecuted(&mut self, client: usize, op: &Op, at: u64) {
        self.arrived(client, op, at);
        let number = self.next_number();
        self.clearing_of(client, op, at);
        self.shared.unanswered(client, op, (number, at));
    }
}

fn is_refusal(reply: &Value) -> bool {
    matches!(reply, Value::Error(text) if text.starts_with(b"OOM "))
}

/// Checks what else is said: that of a transaction, from which nothing could be queued or which could not be executed, every
/// other request was queued or refused for its own sake, and all of it discarded.
pub(super) fn check(op: &Op, replies: &[Value]) -> Result<(), String> {
    let (ops, discarded) = match op {
        Op::Transaction(ops) => (ops, false),
        Op::Discarded(ops) => (ops, true),
        _ if replies.len() == 1 => return Ok(()),
        _ => return Err("several replies for want of memory".to_owned()),
    };
    let [first, queued @ .., last] = replies else { return Err("too few replies".to_owned()) };
    let is = |reply: &Value, text: &str| *reply == Value::Simple(text.as_bytes().to_vec());
    let is_error = |reply: &Value, code: &[u8]| matches!(reply, Value::Error(text) if text.starts_with(code));
    let fits = |(op, reply): (&Op, &Value)| match op {
        Op::Wrong(_) | Op::Nested => is_error(reply, b"ERR "),
        _ => is(reply, "QUEUED") || is_refusal(reply),
    };
    let mut both = ops.iter().zip(queued);
    let clean = both.all(|(op, reply)| matches!(op, Op::Nested) || is(reply, "QUEUED"));
    let ended = match last {
        last if discarded => is(last, "OK"),
        last if clean => is_refusal(last),
        last => is_error(last, b"EXECABORT "),
    };
    let right = is(first, "OK") && queued.len() == ops.len() && ops.iter().zip(queued).all(fits) && ended;
    if right { Ok(()) } else { Err(format!("{replies:?} for want of memory")) }
}
