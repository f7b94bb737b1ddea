//! The auditor comes when all are through, and looks whether the server's own accounts have come to rest.
//!
//! It asks INFO again and again: what is still on its way may need a while, but not for ever ([`Accounts`]). Then it takes
//! the memory away, to see writes refused and everything else served.

use std::sync::Arc;

use engram::resp::client::{Value, parse_reply};

use super::accounts::Accounts;
use super::town::Town;
use crate::net::{End, LinkId};
use crate::shared::{Held, Shared};

/// Virtual nanoseconds between two questions.
const EVERY: u64 = 100_000_000;
/// Questions after which what is not at rest never will be, but for what the plan makes late.
const QUESTIONS: u64 = 100;
/// At last the memory runs out: commands, each on the first connection or on another, and what each has to be answered
/// with.
const OUT_OF_MEMORY: [(usize, &str, &str); 18] = [
    (0, "CONFIG SET maxmemory 0", "+OK"),
    (1, "MULTI", "+OK"),
    (1, "SET audit:key value", "+QUEUED"),
    (0, "CONFIG SET maxmemory 1", "+OK"),
    (1, "EXEC", "-OOM "),
    (1, "SET audit:key value", "-OOM "),
    (0, "SET audit:key value", "-OOM "),
    (0, "APPEND audit:key value", "-OOM "),
    (0, "GET audit:key", "$-1"),
    (0, "DEL audit:key", ":0"),
    (0, "MULTI", "+OK"),
    (0, "SET audit:key value", "-OOM "),
    (0, "EXEC", "-EXECABORT "),
    (0, "VNEW audit:index 2", "-OOM "),
    (0, "EXISTS audit:key audit:index", ":0"),
    (0, "CONFIG SET maxmemory 0", "+OK"),
    (0, "PING", "+PONG"),
    (1, "PING", "+PONG"),
];

struct State {
    link: Option<LinkId>,
    /// Another one, for what takes two.
    second: Option<LinkId>,
    input: Vec<u8>,
    asked: u64,
    /// A question has no answer yet, and when the last one was sent.
    waits: bool,
    sent: u64,
    /// Commands that the server had counted at the question before.
    commands: Option<u64>,
    /// The accounts are right, and so many answers have come since.
    refusals: Option<usize>,
}

/// The auditor of one life. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Auditor {
    town: Town,
    done: Arc<dyn Fn() + Send + Sync>,
    state: Arc<Shared<State>>,
}

impl Auditor {
    /// An auditor who calls `done` when the accounts are right.
    pub(crate) fn new(town: &Town, done: impl Fn() + Send + Sync + 'static) -> Self {
        let state = State {
            link: None,
            second: None,
            input: Vec::new(),
            asked: 0,
            waits: false,
            sent: 0,
            commands: None,
            refusals: None,
        };
        Self { town: town.clone(), done: Arc::new(done), state: Arc::new(Shared::new(state)) }
    }

    fn questions(&self) -> u64 {
        QUESTIONS + self.town.slack / EVERY
    }

    /// Asks, on a new connection if there is none.
    pub(crate) fn ask(&self) {
        let mut state = self.state.lock();
        if self.town.wire.is_shut_down() {
            return;
        }
        state.asked += 1;
        if state.asked > self.questions() {
            return self.town.scheduler.fail("the auditor gets no answer");
        }
        let this = self.clone();
        let link = *state.link.get_or_insert_with(|| self.town.wire.connect(move |id| this.hear(id)));
        let waits = std::mem::replace(&mut state.waits, true);
        if !waits && state.refusals.is_none() {
            state.sent = self.town.scheduler.now();
            drop(state);
            self.town.wire.send(link, b"INFO clients memory persistence stats keyspace engram\r\n");
        } else {
            drop(state);
        }
        let this = self.clone();
        self.town.scheduler.later(EVERY, move || this.ask());
    }

    fn hear(&self, link: LinkId) {
        let mut state = self.state.lock();
        if state.link != Some(link) && state.second != Some(link) {
            return;
        }
        let received = self.town.wire.receive(link, usize::MAX);
        state.input.extend_from_slice(&received.bytes);
        if received.end.is_some_and(|end| end != End::Unread) {
            // A fault, or one client too many: the next question comes on another connection.
            (state.link, state.second) = (None, None);
            state.input.clear();
            state.waits = false;
            let over = state.refusals.is_some();
            drop(state);
            return if over {
                (self.done)()
            };
        }
        if state.refusals.is_some() {
            return self.hear_refusals(state);
        }
        let (text, came) = match parse_reply(&state.input) {
            Ok(Some((Value::Bulk(text), len))) => (text, len),
            Ok(Some((Value::Error(_), _))) => {
                // One client too many, which is told before the connection ends.
                (state.link, state.second) = (None, None);
                state.input.clear();
                state.waits = false;
                return;
            }
            _ => return,
        };
        state.input.clear();
        state.waits = false;
        let (asked, sent, text) = (state.asked, state.sent, String::from_utf8_lossy(&text).into_owned());
        let accounts = Accounts::new(&self.town, &text, came, sent);
        let before = std::mem::replace(&mut state.commands, accounts.number("total_commands_processed"));
        drop(state);
        match accounts.judge(before) {
            Ok(()) => {
                let mut state = self.state.lock();
                state.refusals = Some(0);
                self.ask_next(&mut state);
            }
            Err(what) if asked >= self.questions() => {
                self.town.scheduler.fail(&format!("all are through, but {what}"))
            }
            Err(_) => {}
        }
    }

    /// Asks for the next of what is refused, or not.
    fn ask_next(&self, state: &mut State) {
        let Some((which, line, _)) = state.refusals.and_then(|number| OUT_OF_MEMORY.get(number)) else {
            return;
        };
        let this = self.clone();
        let second = || self.town.wire.connect(move |id| this.hear(id));
        let link = if *which == 0 { state.link } else { Some(*state.second.get_or_insert_with(second)) };
        if let Some(link) = link {
            self.town.wire.send(link, format!("{line}\r\n").as_bytes());
        }
    }

    /// Out of memory, writes are refused and nothing else is.
    fn hear_refusals(&self, mut state: Held<'_, State>) {
        while let Ok(Some((_, len))) = parse_reply(&state.input) {
            let reply: Vec<u8> = state.input.drain(..len).collect();
            let number = state.refusals.unwrap_or(0);
            state.refusals = Some(number + 1);
            let (_, line, wanted) = OUT_OF_MEMORY.get(number).copied().unwrap_or((0, "nothing", "nothing"));
            if reply.starts_with(b"-MISCONF ") || reply.starts_with(b"-ERR max number of clients") {
                drop(state);
                return (self.done)();
            }
            if !reply.starts_with(wanted.as_bytes()) {
                let came = reply.escape_ascii();
                return self.town.scheduler.fail(&format!("`{line}` was answered with {came}, not {wanted}"));
            }
            self.ask_next(&mut state);
        }
        let over = state.refusals == Some(OUT_OF_MEMORY.len());
        drop(state);
        if over {
            (self.done)();
        }
    }
}
