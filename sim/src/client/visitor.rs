//! Visitors at work: a connection each, no keys, and something that the server owes them.
//!
//! A visitor that is treated wrongly is a violation, one that the plan's limits turn away is not. It knows exactly what
//! its replies have to be, but nothing of what the others do.

pub(super) mod judge;

use std::sync::Arc;

use engram::base::rng::Rng;
use engram::resp::client::{Value, parse_reply};

use self::judge::Judge;
use super::town::Town;
use crate::net::{End, LinkId};
use crate::plan::{Errand, Visitor};
use crate::shared::Shared;

/// Most bytes that a visitor sends or takes at once.
pub(super) const PIECE: usize = 16 << 10;
/// Virtual nanoseconds between two things that it does.
const GAP: u64 = 20_000;

struct State {
    rng: Rng,
    link: Option<LinkId>,
    out: Vec<u8>,
    input: Vec<u8>,
    judge: Judge,
    finished: bool,
    leaving: bool,
    done: bool,
    active: u64,
    /// A probe's question: when it was asked, and how long the machine had idled by then.
    asked: Option<(u64, u64)>,
}

struct Inner {
    town: Town,
    name: String,
    errand: Errand,
    /// Called once, when it is through.
    done: Box<dyn Fn() + Send + Sync>,
    state: Shared<State>,
}

/// One connection of a visitor. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Guest {
    inner: Arc<Inner>,
}

/// The guests that a visitor stands for: each with the time when it comes.
pub(crate) fn guests(visitor: &Visitor) -> Vec<(u64, Errand)> {
    let Errand::Crowd { come, leave } = visitor.errand else {
        return vec![(visitor.at, visitor.errand.clone())];
    };
    let one = |number: u32| Errand::Crowd { come: 1, leave: u32::from(number < leave) };
    (0..come).map(|number| (visitor.at, one(number))).collect()
}

impl Guest {
    pub(crate) fn new(
        town: &Town,
        name: String,
        errand: Errand,
        rng: Rng,
        done: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let queue = Some(town.server.limits.query_buffer).filter(|bytes| *bytes > 0);
        let (judge, out) = Judge::new(&errand, queue);
        let state = State {
            rng,
            link: None,
            out,
            input: Vec::new(),
            judge,
            finished: false,
            leaving: false,
            done: false,
            active: 0,
            asked: None,
        };
        let (town, done) = (town.clone(), Box::new(done));
        Self { inner: Arc::new(Inner { town, name, errand, done, state: Shared::new(state) }) }
    }

    /// Comes after `delay` virtual nanoseconds.
    pub(crate) fn come(&self, delay: u64) {
        let this = self.clone();
        self.inner.town.scheduler.later(delay, move || this.connect());
    }

    fn connect(&self) {
        let mut state = self.inner.state.lock();
        if state.leaving {
            drop(state);
            return self.finish();
        }
        state.active = self.now();
        let this = self.clone();
        let link = self.inner.town.wire.connect(move |_| this.hear());
        state.link = Some(link);
        let leaves = matches!(self.inner.errand, Errand::Crowd { leave: 1, .. });
        let soon = if leaves { Some(state.rng.below(GAP)) } else { None };
        drop(state);
        if let Some(soon) = soon {
            let this = self.clone();
            self.inner.town.scheduler.later(soon, move || this.tear_down());
        }
        self.send();
        self.watch();
    }

    fn now(&self) -> u64 {
        self.inner.town.scheduler.now()
    }

    fn fail(&self, what: &str) {
        self.inner.town.scheduler.fail(&format!("visitor {}: {what}", self.inner.name));
    }

    /// It does not stay any longer, now that everyone else is through.
    pub(crate) fn leave(&self) {
        let mut state = self.inner.state.lock();
        state.leaving = true;
        let (link, done) = (state.link, state.done);
        drop(state);
        if let (Errand::Silent, Some(link)) = (&self.inner.errand, link)
            && let Err(what) = self.inner.town.check_silent(link)
        {
            self.fail(&what);
        }
        let Some(link) = link.filter(|_| !done) else { return };
        if matches!(self.inner.errand, Errand::Deaf(_))
            && let Err(what) = self.inner.town.check_deaf(link)
        {
            self.fail(&what);
        }
        if matches!(self.inner.errand, Errand::Unfinished(_))
            && let Err(what) = self.inner.town.check_unfinished(link)
        {
            self.fail(&what);
        }
        // Half of a command is no command: it is closed without a word.
        if matches!(self.inner.errand, Errand::Unfinished(_)) {
            self.inner.town.wire.finish(link);
        } else {
            self.tear_down();
        }
    }

    fn tear_down(&self) {
        let state = self.inner.state.lock();
        let link = state.link.filter(|_| !state.done);
        drop(state);
        if let Some(link) = link {
            self.inner.town.wire.reset(link);
            self.finish();
        }
    }

    fn finish(&self) {
        let mut state = self.inner.state.lock();
        let first = !std::mem::replace(&mut state.done, true);
        drop(state);
        if first {
            (self.inner.done)();
        }
    }

    fn send(&self) {
        let mut state = self.inner.state.lock();
        let Some(link) = state.link.filter(|_| !state.done) else { return };
        let len = state.out.len().min(PIECE);
        let bytes: Vec<u8> = state.out.drain(..len).collect();
        let more = !state.out.is_empty();
        if len > 0 {
            state.active = self.now();
            self.inner.town.wire.send(link, &bytes);
        }
        if matches!(self.inner.errand, Errand::Probe(_)) && len > 0 {
            state.asked = Some((self.now(), self.inner.town.scheduler.idled()));
        }
        if !more && state.judge.finishes() && !std::mem::replace(&mut state.finished, true) {
            self.inner.town.wire.finish(link);
        }
        drop(state);
        if more {
            self.send_later(GAP);
        }
    }

    fn send_later(&self, delay: u64) {
        let this = self.clone();
        self.inner.town.scheduler.later(delay, move || this.send());
    }

    fn hear(&self) {
        let mut state = self.inner.state.lock();
        let Some(link) = state.link.filter(|_| !state.done) else { return };
        if matches!(self.inner.errand, Errand::Deaf(_)) && !self.inner.town.was_closed(link) {
            return;
        }
        let received = self.inner.town.wire.receive(link, PIECE);
        if !received.bytes.is_empty() {
            state.active = self.now();
        }
        state.input.extend_from_slice(&received.bytes);
        let understood = self.understand(&mut state, link);
        let satisfied = state.judge.is_satisfied() && !std::mem::replace(&mut state.finished, true);
        drop(state);
        match (understood, received.end) {
            (Err(what), _) => self.fail(&what),
            (Ok(()), Some(end)) => self.ended(link, end),
            (Ok(()), None) => {
                // Who has asked for that is hung up on.
                if satisfied && !matches!(self.inner.errand, Errand::Steward(_)) {
                    self.inner.town.wire.finish(link);
                }
                if received.bytes.len() == PIECE {
                    let this = self.clone();
                    self.inner.town.scheduler.later(GAP, move || this.hear());
                }
            }
        }
    }

    fn understand(&self, state: &mut State, link: LinkId) -> Result<(), String> {
        let mut taken = 0;
        loop {
            let parsed = parse_reply(&state.input[taken..])
                .map_err(|what| format!("it received what is no reply: {what}"))?;
            let Some((value, len)) = parsed else { break };
            taken += len;
            if self.inner.town.is_crowded(link)? {
                state.judge.turned_away(&value)?;
                continue;
            }
            state.judge.take(&value)?;
            if let Some(more) = state.judge.follow_up() {
                state.out.extend_from_slice(more.as_bytes());
                self.send_later(GAP);
            }
            self.probed(state)?;
        }
        state.input.drain(..taken);
        Ok(())
    }

    /// A probe has its answer: it came soon, or not. Time in which no thread could run counts, since then the loop
    /// waited for something; time in which threads ran depends on who was chosen.
    fn probed(&self, state: &mut State) -> Result<(), String> {
        let Errand::Probe(every) = self.inner.errand else { return Ok(()) };
        let Some((at, idled)) = state.asked.take() else { return Ok(()) };
        let idle = self.inner.town.scheduler.idled() - idled;
        let most = self.inner.town.longest_delivery(b"+PONG\r\n".len());
        // The first one may have waited to be accepted.
        if state.judge.count() > 1 && idle > most + self.inner.town.lapses {
            return Err(format!(
                "PING was answered after {} virtual ns, of which the machine idled {idle}; at most {most} are due",
                self.now() - at
            ));
        }
        if state.judge.asks_again() {
            state.out.extend_from_slice(judge::PING);
            self.send_later(every);
        }
        Ok(())
    }

    fn ended(&self, link: LinkId, end: End) {
        let state = self.inner.state.lock();
        let (leaving, owed) = (state.leaving, state.judge.owes());
        let early = !state.finished && !state.judge.may_end();
        drop(state);
        let town = &self.inner.town;
        let excused =
            end == End::Reset || town.wire.is_shut_down() || town.was_dropped(link, &self.inner.errand);
        if !excused && !leaving && (early || owed > 0) {
            return self.fail(&format!("it was disconnected with {owed} answers due"));
        }
        self.finish();
    }

    /// Looks now and then whether the server has fallen silent.
    fn watch(&self) {
        let town = &self.inner.town;
        let this = self.clone();
        town.scheduler.later(town.patience, move || {
            let state = this.inner.state.lock();
            let silent = this.now().saturating_sub(state.active);
            let waits = state.judge.owes() > 0 || state.finished;
            let (done, reads) = (state.done, !matches!(this.inner.errand, Errand::Deaf(_)));
            drop(state);
            if !done && reads && waits && silent > this.inner.town.patience {
                return this.fail(&format!("it waits in vain\n{}", this.inner.town.scheduler.report()));
            }
            if !done {
                this.watch();
            }
        });
    }
}

/// A reply for a report.
fn show(value: &Value) -> String {
    crate::oracle::show(value)
}
