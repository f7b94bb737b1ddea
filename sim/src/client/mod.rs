//! Simulated clients: they connect, send, receive and break off as the plan has it, on the scheduler's agenda.
//!
//! A client is no thread: each thing it does is an entry of the agenda. It keeps replies in the order of its requests,
//! one for one, and hands them to the oracle. One that lost its connection waits until the server has let go of it,
//! comes back, and looks at all of its keys before it goes on. The first client of a life is the inspector: it looks
//! at everything and does nothing else.

mod accounts;
mod auditor;
mod breaks;
mod cut;
mod dialect;
mod entrance;
mod inspection;
mod script;
mod town;
mod visitor;

use std::collections::VecDeque;
use std::sync::Arc;

use engram::base::rng::Rng;
use engram::resp::client::{Value, parse_reply, write_command};

use self::entrance::entered;
use crate::net::{End, LinkId};
use crate::plan::{Break, ClientPlan, Op, WHOLE};
use crate::shared::Shared;

pub(crate) use auditor::Auditor;
pub(crate) use script::{Script, Who};
pub(crate) use town::Town;
pub(crate) use visitor::{Guest, guests};

/// A request that was sent, and the replies to it so far.
#[derive(Debug)]
struct Sent {
    op: Op,
    at: u64,
    replies: Vec<Value>,
    /// How the replies begin that come behind those, before any others.
    enters: Vec<&'static str>,
    /// It tears the connection down once so many bytes of the reply have come.
    cut: Option<usize>,
}

impl Sent {
    /// Where a scan goes on that has not come to its end.
    fn goes_on(&self) -> Option<String> {
        let (Op::Scan { .. }, Some(Value::Array(parts))) = (&self.op, self.replies.last()) else {
            return None;
        };
        let Some(Value::Bulk(cursor)) = parts.first() else { return None };
        (cursor != b"0").then(|| String::from_utf8_lossy(cursor).into_owned())
    }
}

/// What a client does after its last request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    /// It stays.
    No,
    /// It has said that it sends nothing more, or will when all is sent.
    Finish,
    /// It sent garbage, and has heard so many errors about it.
    Garbage(usize),
    /// It has sent, or will, a part of a request, and then resets or half-closes. So many replies are due to what is
    /// whole in that part.
    Cut { resets: bool, owed: usize },
    /// It has said QUIT, and has heard the word for it or not.
    Quit(bool),
    /// It heard that it is one client too many.
    TurnedAway,
    /// It has ordered the server to finish; with a snapshot first, asked for at that time, which may fail.
    Order { saves: Option<u64> },
}

struct State {
    script: Script,
    rng: Rng,
    link: Option<LinkId>,
    /// The connection before, until the server has let go of it.
    old: Option<LinkId>,
    /// Encoded and not sent.
    out: Vec<u8>,
    /// Received and not understood.
    input: Vec<u8>,
    sent: Vec<Sent>,
    /// How the replies begin that come before those to what was sent: to what it says where there is a password.
    entering: VecDeque<&'static str>,
    /// When the connection before was lost: until the server lets go of it, it may still execute what was sent.
    lost: Option<u64>,
    leaving: Leaving,
    finished_sending: bool,
    /// The version of the protocol in which it is answered.
    version: u8,
    active: u64,
    /// Times that it sent or received.
    pieces: u64,
    acting: bool,
    done: bool,
}

impl State {
    /// Most bytes at once, where the plan has so many: after a while a client is done with small pieces, which cost
    /// more than they show.
    fn most(&mut self, planned: usize) -> usize {
        const PIECES: u64 = 1_000;
        self.pieces += 1;
        if self.pieces > PIECES { planned.max(4_096) } else { planned }
    }
}

/// One client of one life. Clones are the same client.
#[derive(Clone)]
pub(crate) struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    town: Town,
    plan: ClientPlan,
    /// Called once, when there is nothing left to do, with whether everything could be looked at.
    done: Box<dyn Fn(bool) + Send + Sync>,
    state: Shared<State>,
}

impl Client {
    /// A client that begins with [`Client::start`] and calls `done` at its end.
    pub(crate) fn new(
        town: &Town,
        plan: ClientPlan,
        script: Script,
        rng: Rng,
        done: impl Fn(bool) + Send + Sync + 'static,
    ) -> Self {
        let state = State {
            script,
            rng,
            link: None,
            old: None,
            out: Vec::new(),
            input: Vec::new(),
            sent: Vec::new(),
            entering: VecDeque::new(),
            lost: None,
            leaving: Leaving::No,
            finished_sending: false,
            version: dialect::FIRST,
            active: 0,
            pieces: 0,
            acting: false,
            done: false,
        };
        let inner = Inner { town: town.clone(), plan, done: Box::new(done), state: Shared::new(state) };
        Self { inner: Arc::new(inner) }
    }

    /// Begins.
    pub(crate) fn start(&self) {
        self.inner.state.lock().active = self.inner.town.scheduler.now();
        self.act_later(1);
        self.watch();
    }

    /// The machine is gone: what is on its way stays without an answer.
    pub(crate) fn abandon(&self, now: u64) {
        let mut state = self.inner.state.lock();
        let sent = std::mem::take(&mut state.sent);
        state.script.unanswered(sent.into_iter().map(|sent| (sent.op, sent.at)), now);
        if let Some(since) = state.lost.take() {
            state.script.let_go(since, now);
        }
    }

    /// Looks now and then whether the server has fallen silent.
    fn watch(&self) {
        let this = self.clone();
        self.inner.town.scheduler.later(self.inner.town.patience / 4, move || {
            let now = this.inner.town.scheduler.now();
            let state = this.inner.state.lock();
            let waiting = !state.done && now.saturating_sub(state.active) > this.inner.town.patience;
            let (done, first) = (state.done, state.sent.first().map(|sent| sent.op.to_string()));
            let who = state.script.who;
            drop(state);
            if waiting {
                let what = first.unwrap_or_else(|| "a connection".to_owned());
                this.fail(&format!("{who} waits in vain for {what}\n{}", this.inner.town.scheduler.report()));
            } else if !done {
                this.watch();
            }
        });
    }

    fn fail(&self, what: &str) {
        self.inner.town.scheduler.fail(what);
    }

    /// Acts after about `gap` nanoseconds, unless it is to act anyway.
    fn act_later(&self, gap: u64) {
        let mut state = self.inner.state.lock();
        if state.acting || state.done {
            return;
        }
        state.acting = true;
        let delay = 1 + state.rng.below(2 * gap);
        drop(state);
        let this = self.clone();
        self.inner.town.scheduler.later(delay, move || {
            let mut state = this.inner.state.lock();
            state.acting = false;
            drop(state);
            this.act();
        });
    }

    /// Connects, thinks of requests, sends some bytes.
    fn act(&self) {
        let mut state = self.inner.state.lock();
        let Some(link) = self.connected(&mut state) else {
            drop(state);
            return self.act_later(1_000_000);
        };
        self.think(&mut state);
        let len = state.out.len().min(state.most(self.inner.plan.send));
        if len > 0 {
            let len = if self.inner.plan.send == WHOLE { len } else { 1 + state.rng.index(len) };
            let bytes: Vec<u8> = state.out.drain(..len).collect();
            state.active = self.inner.town.scheduler.now();
            self.inner.town.wire.send(link, &bytes);
        }
        if state.out.is_empty() && state.leaving == Leaving::Finish && !state.finished_sending {
            state.finished_sending = true;
            self.inner.town.wire.finish(link);
        }
        if let (true, Leaving::Cut { resets, .. }, false) =
            (state.out.is_empty(), state.leaving, state.finished_sending)
        {
            state.finished_sending = true;
            self.cut_off(&mut state, link, resets);
        }
        let more = !state.out.is_empty();
        let silent = state.sent.is_empty() && state.entering.is_empty();
        let over = !more && silent && state.leaving == Leaving::No && state.script.is_over();
        state.done |= over;
        let satisfied = !state.script.was_refused();
        drop(state);
        if over {
            (self.inner.done)(satisfied);
        } else if more {
            self.act_later(self.inner.plan.gap);
        }
    }

    /// The connection; a new one where there is none and the server has let go of the one before.
    fn connected(&self, state: &mut State) -> Option<LinkId> {
        if state.link.is_none() {
            if state.old.is_some_and(|old| self.inner.town.wire.held_by_server(old)) {
                return None;
            }
            let now = self.inner.town.scheduler.now();
            if let Some(since) = state.lost.take() {
                state.script.let_go(since, now);
            }
            let this = self.clone();
            let notify = move |id| this.hear(id);
            state.link = Some(self.inner.town.wire.connect(notify));
            state.script.connected(now);
            let due = self.enter(&mut state.out);
            state.entering = due.into();
        }
        state.link
    }

    /// Puts requests into the output, as many as may be on their way at once.
    fn think(&self, state: &mut State) {
        while state.sent.len() < self.inner.plan.depth && state.leaving == Leaving::No {
            let now = self.inner.town.scheduler.now();
            if self.begin_cut(state) {
                return;
            }
            let Some(op) = state.script.next(now) else { return };
            op.encode(&mut state.out);
            // It is a stranger again.
            let enters = if matches!(op, Op::Reset) { self.enter(&mut state.out) } else { Vec::new() };
            let who = state.script.who.to_string();
            self.inner.town.scheduler.tell("ask", &who, [op.replies() as u64, 0, 0], || op.to_string());
            state.sent.push(Sent { op, at: now, replies: Vec::new(), enters, cut: None });
            let behind = state.script.asked_for();
            for (_, how) in self.inner.plan.breaks.iter().filter(|(number, _)| Some(*number) == behind) {
                self.break_off(state, how);
            }
        }
    }

    /// Something has arrived on the connection.
    fn hear(&self, link: LinkId) {
        let mut state = self.inner.state.lock();
        if state.link != Some(link) {
            return;
        }
        let cut = state.sent.first().and_then(|sent| sent.cut);
        let most = cut.map_or(usize::MAX, |cut| cut.saturating_sub(state.input.len()).max(1));
        let most = most.min(state.most(self.inner.plan.receive));
        let received = self.inner.town.wire.receive(link, most);
        if !received.bytes.is_empty() {
            state.active = self.inner.town.scheduler.now();
        }
        state.input.extend_from_slice(&received.bytes);
        let understood = self.understand(&mut state);
        let more = received.bytes.len() == most;
        let cut = state.sent.first().and_then(|sent| sent.cut).is_some_and(|cut| state.input.len() >= cut);
        drop(state);
        if let Err(what) = understood {
            return self.fail(&what);
        }
        if cut {
            self.inner.town.wire.reset(link);
            return self.disconnected();
        }
        if let Some(end) = received.end {
            return self.ended(end);
        }
        if more {
            let this = self.clone();
            self.inner.town.scheduler.later(self.inner.plan.gap, move || this.hear(link));
        }
        self.act_later(self.inner.plan.gap);
    }

    /// Takes whole replies from the input.
    fn understand(&self, state: &mut State) -> Result<(), String> {
        let mut taken = 0;
        loop {
            let who = state.script.who;
            let parsed = parse_reply(&state.input[taken..])
                .map_err(|what| format!("{who} received what is no reply: {what}"))?;
            let Some((value, len)) = parsed else { break };
            let op = state.sent.first().filter(|_| state.entering.is_empty()).map(|sent| &sent.op);
            let version = dialect::version(state.version, op, &value);
            dialect::check(version, op, &state.input[taken..taken + len])
                .map_err(|what| format!("{who} received {what}"))?;
            state.version = version;
            taken += len;
            self.take(state, dialect::plain(value))?;
        }
        state.input.drain(..taken);
        Ok(())
    }

    fn take(&self, state: &mut State, value: Value) -> Result<(), String> {
        let who = state.script.who;
        if let Some(link) = state.link
            && self.inner.town.is_crowded(link)?
        {
            state.leaving = Leaving::TurnedAway;
            let right =
                matches!(&value, Value::Error(text) if text.starts_with(b"ERR max number of clients"));
            let wrong = || format!("{who} was one too many and heard {}", crate::oracle::show(&value));
            return if right { Ok(()) } else { Err(wrong()) };
        }
        if let Some(due) = state.entering.pop_front() {
            return entered(due, &value).map_err(|what| format!("{who} {what}"));
        }
        let Some(first) = state.sent.first_mut() else {
            return match (&mut state.leaving, &value) {
                (Leaving::Cut { owed, .. }, _) if *owed > 0 => {
                    *owed -= 1;
                    Ok(())
                }
                (Leaving::Quit(heard @ false), Value::Simple(text)) if text == b"OK" => {
                    *heard = true;
                    Ok(())
                }
                (Leaving::Garbage(errors), Value::Error(_)) if *errors == 0 => {
                    *errors = 1;
                    Ok(())
                }
                // There is no snapshot, so the server goes on, and so does the client.
                (Leaving::Order { saves: Some(since) }, Value::Error(_))
                    if state.script.may_not_save(*since) || self.inner.town.wire.was_signalled() =>
                {
                    state.leaving = Leaving::No;
                    self.inner.town.wire.ordered_to_finish(false);
                    Ok(())
                }
                _ => Err(format!(
                    "{who} received {} though it had asked for nothing",
                    crate::oracle::show(&value)
                )),
            };
        };
        let shown = || crate::oracle::show(&value);
        self.inner.town.scheduler.tell("reply", &who.to_string(), [state_hash(&value), 0, 0], shown);
        first.replies.push(value);
        if first.replies.len() < first.op.replies() {
            return Ok(());
        }
        let sent = state.sent.remove(0);
        self.inner.town.check_step(&sent.op, sent.replies.last()).map_err(|what| format!("{who} {what}"))?;
        state.entering.extend(&sent.enters);
        if let Some(cursor) = sent.goes_on().filter(|_| state.leaving == Leaving::No) {
            // A scan is asked for step by step, each behind what is on its way.
            sent.op.encode_scan(&cursor, &mut state.out);
            state.sent.push(sent);
            return Ok(());
        }
        let later: Vec<&Op> = state.sent.iter().map(|sent| &sent.op).collect();
        state.script.server_finishes(self.inner.town.wire.is_shut_down());
        state.script.answered((&sent.op, &later), &sent.replies, (sent.at, self.inner.town.scheduler.now()))
    }

    /// The server, or a fault, has ended the connection: was that to be expected?
    fn ended(&self, end: End) {
        let state = self.inner.state.lock();
        let (who, open) = (state.script.who, state.sent.len());
        let closed = state.link.and_then(|link| self.inner.town.closed_at(link));
        // It has asked for something, but only when it had been hung up on.
        let late = state.sent.first().is_some_and(|sent| closed.is_some_and(|closed| closed <= sent.at));
        let idle = open == 0 || end == End::Unread || late;
        let timed_out = idle && state.link.is_some_and(|link| self.inner.town.timed_out(link));
        // The word for one client too many may be cut short.
        let crowded = state.link.is_some_and(|link| self.inner.town.is_crowded(link) == Ok(true));
        let wrong = match state.leaving {
            _ if end == End::Reset || self.inner.town.wire.is_shut_down() || timed_out || crowded => None,
            _ if self.inner.town.may_drop(open) => None,
            Leaving::TurnedAway | Leaving::Order { .. } => None,
            Leaving::No => Some("although it had not asked for it".to_owned()),
            Leaving::Finish | Leaving::Quit(_) | Leaving::Garbage(_) | Leaving::Cut { .. } if open > 0 => {
                Some(format!("with {open} requests unanswered"))
            }
            Leaving::Garbage(0) => Some("without a word about its garbage".to_owned()),
            Leaving::Quit(false) => Some("without a word about its QUIT".to_owned()),
            Leaving::Cut { owed, .. } if owed > 0 => Some(format!("with {owed} replies due")),
            Leaving::Finish | Leaving::Quit(_) | Leaving::Garbage(_) | Leaving::Cut { .. } => None,
        };
        let in_order = end != End::Reset
            && state.leaving == Leaving::No
            && !timed_out
            && !crowded
            && state.link.is_some_and(|link| self.inner.town.was_closed_in_order(link));
        drop(state);
        if in_order {
            self.unexecuted();
        }
        match wrong {
            Some(what) => self.fail(&format!("{who} was disconnected {what}")),
            None => self.disconnected(),
        }
    }

    /// A server that finishes answers all that it has executed: the rest has not taken place.
    fn unexecuted(&self) {
        let mut state = self.inner.state.lock();
        let sent = std::mem::take(&mut state.sent);
        let now = self.inner.town.scheduler.now();
        state.script.unexecuted(sent.into_iter().map(|sent| (sent.op, sent.at)), now);
    }

    /// The connection is gone, whoever ended it.
    fn disconnected(&self) {
        let now = self.inner.town.scheduler.now();
        let mut state = self.inner.state.lock();
        state.old = state.link.take();
        state.active = now;
        let leaving = std::mem::replace(&mut state.leaving, Leaving::No);
        state.finished_sending = false;
        state.version = dialect::FIRST;
        state.out.clear();
        state.input.clear();
        state.entering.clear();
        state.lost = Some(now);
        let sent = std::mem::take(&mut state.sent);
        state.script.unanswered(sent.into_iter().map(|sent| (sent.op, sent.at)), now);
        let who = state.script.who;
        drop(state);
        self.inner.town.scheduler.note(
            "disconnected",
            &who.to_string(),
            [matches!(leaving, Leaving::No).into(), 0, 0],
        );
        self.act_later(self.inner.plan.gap);
    }
}

fn state_hash(value: &Value) -> u64 {
    engram::base::hash::HashKey::default().hash(crate::oracle::show(value).as_bytes())
}
