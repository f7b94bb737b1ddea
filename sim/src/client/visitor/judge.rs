//! What a visitor sends, and what it has to be answered.

use engram::resp::client::{Value, write_command};

use super::show;
use crate::plan::Errand;

/// The question of one who only wants to know whether anyone is there.
pub(super) const PING: &[u8] = b"PING\r\n";
/// Most questions of a probe.
const MOST_QUESTIONS: u32 = 30;
/// A short command with a long reply.
pub(in crate::client) const LONG: &[u8] = b"COMMAND INFO GET SET DEL\r\n";
/// Fewer bytes than its reply has.
pub(in crate::client) const LEAST_LONG_REPLY: usize = 500;

/// What a steward asks for before it has itself disconnected.
const STEWARD: [&str; 7] = [
    "CLIENT ID",
    "CLIENT LIST",
    "CLIENT INFO",
    "SLOWLOG LEN",
    "SLOWLOG GET 2",
    "SLOWLOG RESET",
    "CLIENT PAUSE",
];

/// Bytes of what one who queues commands has each of them say.
const QUEUED: usize = 1_000;
/// What the server may reckon a queued command with so many bytes to be, besides them.
const BESIDES: usize = 200;

/// The replies that are due.
#[derive(Debug)]
pub(super) struct Judge {
    errand: Errand,
    /// Bytes of commands that a transaction may have, where the plan bounds them.
    queue: Option<usize>,
    /// How many commands it sends.
    wanted: u32,
    came: u32,
    /// Its transaction has become too large.
    aborted: bool,
    refused: bool,
    /// The number under which the server has it.
    id: i64,
}

impl Judge {
    /// The judge of an errand, and the bytes to send for it.
    pub(super) fn new(errand: &Errand, queue: Option<usize>) -> (Self, Vec<u8>) {
        let mut out = Vec::new();
        let wanted = match errand {
            Errand::Flood(commands) => {
                (0..*commands).for_each(|i| write_command(&mut out, &["PING", &i.to_string()]));
                *commands
            }
            Errand::Wrong(commands) => {
                (0..*commands).for_each(|i| write_command(&mut out, &[format!("NONE{i}"), "x".to_owned()]));
                *commands
            }
            Errand::Deaf(commands) => {
                (0..*commands).for_each(|_| out.extend_from_slice(LONG));
                *commands
            }
            Errand::Unfinished(bytes) => {
                let body = "x".repeat((*bytes as usize).saturating_sub(1));
                out.extend_from_slice(format!("*2\r\n$4\r\nECHO\r\n${bytes}\r\n{body}").as_bytes());
                0
            }
            Errand::Steward(millis) => {
                let (last, others) = (STEWARD[STEWARD.len() - 1], &STEWARD[..STEWARD.len() - 1]);
                others.iter().for_each(|line| out.extend_from_slice(format!("{line}\r\n").as_bytes()));
                out.extend_from_slice(format!("{last} {millis} WRITE\r\n").as_bytes());
                STEWARD.len() as u32 + 1
            }
            Errand::Queue(commands) => {
                write_command(&mut out, &["MULTI"]);
                (0..*commands).for_each(|_| write_command(&mut out, &["PING", &"q".repeat(QUEUED)]));
                write_command(&mut out, &["EXEC"]);
                *commands + 2
            }
            Errand::Silent | Errand::Crowd { .. } | Errand::Probe(_) => {
                out.extend_from_slice(PING);
                1
            }
            Errand::Garbage(bytes) => {
                out.extend_from_slice(bytes);
                0
            }
            Errand::Line(bytes) => {
                out.extend_from_slice(format!("PING {}\r\n", line(*bytes)).as_bytes());
                1
            }
        };
        (Self { errand: errand.clone(), queue, wanted, came: 0, aborted: false, refused: false, id: 0 }, out)
    }

    /// Judges the next reply.
    pub(super) fn take(&mut self, reply: &Value) -> Result<(), String> {
        let number = self.came;
        self.came += 1;
        let starts = |text: &[u8], start: &str| text.starts_with(start.as_bytes());
        let right = match (&self.errand, reply) {
            (Errand::Garbage(_), Value::Error(_)) => true,
            _ if number >= self.wanted => false,
            (Errand::Steward(_), _) => self.take_account(number, reply),
            (Errand::Queue(_), _) => self.take_queued(number, reply),
            (Errand::Flood(_), Value::Bulk(text)) => *text == number.to_string().as_bytes(),
            (Errand::Wrong(_), Value::Error(text)) => {
                starts(text, &format!("ERR unknown command 'NONE{number}'"))
            }
            (Errand::Deaf(_), Value::Array(items)) => items.len() == 3,
            (Errand::Silent | Errand::Crowd { .. } | Errand::Probe(_), Value::Simple(text)) => {
                text == b"PONG"
            }
            (Errand::Line(bytes), Value::Bulk(text)) => *text == line(*bytes).as_bytes(),
            (Errand::Line(bytes), Value::Error(text))
                if *bytes as usize > engram::base::limits::MAX_INLINE =>
            {
                self.refused = true;
                starts(text, "ERR Protocol error")
            }
            _ => false,
        };
        if right { Ok(()) } else { Err(format!("reply {number} is {}", show(reply))) }
    }

    /// Whether this is what one has to be told who queues commands: that they are queued, until they are too many, and
    /// what they all come to.
    fn take_queued(&mut self, number: u32, reply: &Value) -> bool {
        let (least, most) = (number as usize * QUEUED, number as usize * (QUEUED + BESIDES));
        let may_be_queued = !self.aborted && self.queue.is_none_or(|queue| least <= queue);
        let may_be_refused = self.aborted || self.queue.is_some_and(|queue| most > queue);
        match reply {
            Value::Simple(text) if number == 0 => text == b"OK",
            Value::Array(parts) if number + 1 == self.wanted => {
                let said = |part: &Value| matches!(part, Value::Bulk(text) if text.len() == QUEUED);
                !self.aborted && parts.len() as u32 + 2 == self.wanted && parts.iter().all(said)
            }
            Value::Error(text) if number + 1 == self.wanted => self.aborted && text.starts_with(b"EXECABORT"),
            Value::Simple(text) => may_be_queued && text == b"QUEUED",
            Value::Error(text) => {
                self.aborted = true;
                may_be_refused && text.starts_with(b"ERR the transaction passed client-query-buffer-limit")
            }
            _ => false,
        }
    }

    /// Whether this is what a steward has to be told.
    fn take_account(&mut self, number: u32, reply: &Value) -> bool {
        let own = format!("id={} ", self.id);
        match (number, reply) {
            (0, Value::Integer(id)) => {
                self.id = *id;
                *id > 0
            }
            (1, Value::Bulk(text)) => {
                let text = String::from_utf8_lossy(text);
                text.lines().filter(|line| line.starts_with(&own)).count() == 1
            }
            (2, Value::Bulk(text)) => text.starts_with(own.as_bytes()),
            (3, Value::Integer(entries)) => *entries >= 0,
            (4, Value::Array(entries)) => entries.len() <= 2,
            (5 | 6, Value::Simple(text)) => text == b"OK",
            (7, Value::Integer(killed)) => *killed == 1,
            _ => false,
        }
    }

    /// What it sends only now, since it could not know it before.
    pub(super) fn follow_up(&self) -> Option<String> {
        let asks = matches!(self.errand, Errand::Steward(_)) && self.came as usize == STEWARD.len();
        asks.then(|| format!("CLIENT KILL ID {} SKIPME no\r\n", self.id))
    }

    /// It is one too many: the reply has to say so.
    pub(super) fn turned_away(&mut self, reply: &Value) -> Result<(), String> {
        self.refused = true;
        match reply {
            Value::Error(text) if text.starts_with(b"ERR max number of clients") => Ok(()),
            other => Err(format!("it was one client too many and heard {}", show(other))),
        }
    }

    /// A probe asks again, unless it has asked often enough: with no end of questions, a schedule that prefers the
    /// loop would never let anyone else run.
    pub(super) fn asks_again(&mut self) -> bool {
        let again = self.came < MOST_QUESTIONS;
        self.wanted += u32::from(again);
        again
    }

    /// How many replies have come.
    pub(super) fn count(&self) -> u32 {
        self.came
    }

    /// How many replies are due.
    pub(super) fn owes(&self) -> u32 {
        if self.refused { 0 } else { self.wanted.saturating_sub(self.came) }
    }

    /// Whether it half-closes as soon as all is sent.
    pub(super) fn finishes(&self) -> bool {
        matches!(self.errand, Errand::Garbage(_))
    }

    /// Whether it has all that it came for.
    pub(super) fn is_satisfied(&self) -> bool {
        let goes = matches!(
            self.errand,
            Errand::Flood(_)
                | Errand::Wrong(_)
                | Errand::Line(_)
                | Errand::Crowd { .. }
                | Errand::Steward(_)
                | Errand::Queue(_)
        );
        goes && self.owes() == 0
    }

    /// Whether the server may end the connection before the visitor does.
    pub(super) fn may_end(&self) -> bool {
        self.refused || matches!(self.errand, Errand::Garbage(_))
    }
}

/// A word that makes an inline PING of so many bytes.
fn line(bytes: u32) -> String {
    "x".repeat((bytes as usize).saturating_sub(7).max(1))
}
