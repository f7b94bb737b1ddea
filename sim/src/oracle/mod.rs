//! The oracle: what the server may answer, and what must be there after a crash.
//!
//! Each client owns keys that no other names: for those, a plain map and an exact scan ([`Model`]). A few keys are
//! shared by all ([`History`]). It lives longer than the server: a crash leaves it with operations whose effect is
//! unknown, an inspection settles them. It sees only what clients see.

mod context;
mod counts;
mod described;
mod excuses;
mod expect;
mod forms;
mod index;
mod kinds;
mod linear;
mod memory;
mod mirror;
mod model;
mod names;
mod past;
mod prefixes;
mod promise;
mod recall;
mod search;
mod seen;
mod shown;
mod state;
#[cfg(test)]
mod tests;
mod unwritten;
mod weight;

use std::collections::BTreeMap;
use std::sync::Arc;

use engram::resp::client::Value;

use self::context::Context;
use self::kinds::{for_good, is_for_all, refused, saves, searches, short};
use self::linear::History;
use self::mirror::Flight;
use self::model::Model;
use self::past::{Ends, at_one_moment};
use self::promise::{Loss, Promise};
use self::recall::Recall;
use self::state::{Span, clears};
use self::weight::Weights;
use crate::clock::Timeline;
use crate::faults::Faults;
use crate::plan::{Op, Tier};
use crate::shared::Shared;

pub use expect::show;
pub(crate) use kinds::internal;
pub use linear::Effort;
pub use mirror::Mirror;
pub use promise::Death;
pub use search::{distance, read_rows};
pub use seen::{Found, Seen};
pub use state::Span as WallSpan;

/// What is known, over all lives of a run.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    clients: Vec<Model>,
    shared: History,
    /// Where each client's requests may have been cut off, from the inspection under way.
    ends: BTreeMap<usize, Ends>,
    /// Requests so far, and the numbers of those that clear everything and are not answered, by client and asking.
    numbered: u64,
    clearings: BTreeMap<(usize, u64), Vec<u64>>,
    /// The faults of this life: whether the disk has failed.
    faults: Option<Arc<Shared<Faults>>>,
    /// What was acknowledged and may be gone all the same.
    promise: Promise,
    /// The server was asked to finish in this life.
    finishing: bool,
    /// When the first write of this life was refused by a failed log.
    refused: Option<u64>,
    /// Internal errors that were heard of in this life: one for each panic.
    told_of_panics: usize,
    /// How wall-clock time went.
    wall: Timeline,
    /// Memory is limited: a request that needs some may be passed over.
    tight: bool,
    /// For each client how many requests that change something are on their way.
    flying: Vec<usize>,
    /// The same with every request, where backups are asked for, and what is known of those.
    flight: Option<Flight>,
    mirrors: Vec<Mirror>,
    /// It is what is known of a backup, and does not look after others.
    is_copy: bool,
    /// Virtual nanoseconds for which writes may be refused once a disk has room again.
    room_again: u64,
    /// When a file was taken away for the last time, and when that was first told of.
    gone: Option<(u64, u64)>,
    /// How well searches have found what there is.
    recall: Recall,
    /// What indexes weigh.
    weights: Weights,
    /// When snapshots were asked for in this life, and of how many it was heard that they are there.
    saves: (Vec<u64>, usize),
    /// When the server was ordered to make one and finish.
    ordered: Vec<u64>,
    /// How often everything was looked at.
    inspections: u64,
    /// Answers that were judged.
    pub judged: u64,
}

/// Keys that client `number` owns.
#[must_use]
pub fn keys_of(number: usize) -> Vec<String> {
    let names = ["k0", "k1", "k2", "k3", "k4", "n", "f", "v0", "v1"];
    names.iter().map(|name| format!("c{number}:{name}")).collect()
}

/// Keys that all clients name.
#[must_use]
pub fn shared_keys() -> Vec<String> {
    ["shared:r0", "shared:r1", "shared:n", "shared:s", "shared:v", "shared:w"].map(str::to_owned).to_vec()
}

impl Oracle {
    /// An oracle for so many clients.
    #[must_use]
    pub fn new(clients: usize) -> Self {
        Self { clients: vec![Model::default(); clients], flying: vec![0; clients], ..Self::default() }
    }

    /// From now on requests that need memory may be refused, each by itself.
    pub fn tighten(&mut self) {
        self.tight = true;
        self.clients.iter_mut().for_each(|client| client.tight = true);
        self.shared.tight = true;
    }

    /// A life begins, in which these faults may fire.
    pub fn begin(&mut self, faults: &Arc<Shared<Faults>>) {
        self.note_room();
        self.faults = Some(Arc::clone(faults));
        (self.refused, self.finishing) = (None, false);
        self.told_of_panics = 0;
        self.saves = (Vec::new(), 0);
        self.ordered.clear();
        self.weights.begin();
        self.flying.fill(0);
        self.clients.iter_mut().for_each(Model::begin);
        self.promise.begin();
    }

    /// The life ended at `now`, however late its threads and its disk were: by `slack` virtual nanoseconds at most.
    pub fn ended(&mut self, now: u64, death: Death, slack: u64) {
        self.promise.ended(now, if self.log_failed() { Death::LogFailed } else { death }, slack);
    }

    /// Each life's server begins with `tier`, and one of them has at times the `weakest`.
    pub fn promise(&mut self, tier: Tier, weakest: Tier) {
        self.promise = Promise::new(tier, weakest > Tier::Always);
        if weakest > Tier::Always {
            self.remember();
        }
    }

    /// What was acknowledged may be taken back where the medium lies: keeps what is needed to judge that.
    pub fn remember(&mut self) {
        self.clients.iter_mut().for_each(|client| client.past.remember());
    }

    /// What the medium, or a crash, may have taken back of what was acknowledged.
    fn taken_back(&self) -> Option<Loss> {
        self.promise.taken_back(self.faults.as_ref().and_then(|faults| faults.lock().blame.since))
    }

    /// The wall clock is set at `now`, by so many microseconds. Returns how far it is ahead of virtual time then.
    pub fn clock_set(&mut self, now: u64, micros: i64) -> i64 {
        let (before, after) = self.wall.jump(now, micros);
        self.clients.iter_mut().for_each(|model| model.clock_set(before, after));
        for mirror in &mut self.mirrors {
            mirror.oracle.clock_set(now, micros);
        }
        self.wall.offset()
    }

    /// How far the wall clock is ahead of virtual time, in microseconds.
    #[must_use]
    pub fn clock_offset(&self) -> i64 {
        self.wall.offset()
    }

    /// What the wall clock may have shown from `at` to `now`.
    #[must_use]
    pub fn span(&self, at: u64, now: u64) -> Span {
        let (from, to) = self.wall.range(at, now);
        Span { from, to }
    }

    /// A client is about to send `op`.
    pub fn asked(&mut self, client: usize, op: &Op, at: u64) {
        self.flies(client, op, 1);
        self.saves.0.extend(saves(op).then_some(at));
        self.weights.asked(client, op);
        op.tiers().into_iter().for_each(|tier| self.promise.ordered(tier, at));
        if clears(op) {
            let id = self.next_number();
            self.clearings.entry((client, at)).or_default().push(id);
            let others = self.clients.iter_mut().enumerate().filter(|(other, _)| *other != client);
            others.for_each(|(_, model)| model.clearing((client, id), at));
        }
        self.mirror_asked(client, op, at);
    }

    fn next_number(&mut self) -> u64 {
        self.numbered += 1;
        self.numbered
    }

    /// `op` was asked for at `at` and has been answered at `now`; `later` was sent behind it by then. An error says
    /// what is wrong.
    pub fn answered(
        &mut self,
        client: usize,
        (op, later): (&Op, &[&Op]),
        replies: &[Value],
        (at, now): (u64, u64),
    ) -> Result<(), String> {
        self.judged += 1;
        self.note_room();
        self.arrived(client, op, at);
        if let Op::Backup(name) = op {
            self.mirror_done(name, matches!(replies, [Value::Simple(_)]), now);
        }
        let wrong = |what: String| format!("client {client}: `{}` was answered with {what}", short(op));
        if self.tight && memory::refused(replies) {
            memory::check(op, replies).map_err(wrong)?;
            return self.passed_over(client, op, (at, now));
        }
        self.room_is_used(replies, at).and_then(|()| self.file_is_gone(replies, at, now)).map_err(wrong)?;
        if memory::lacks_room(replies) && self.log_failed() {
            return self.passed_over(client, op, (at, now));
        }
        if refused(op, replies) {
            if !self.log_failed() {
                return Err(wrong("a refusal, although the disk has not failed".to_owned()));
            }
            if for_good(replies) && !self.log_died() {
                return Err(wrong("a refusal for good, although no error has killed the log".to_owned()));
            }
            if for_good(replies) {
                self.refused.get_or_insert(now);
            }
            self.clients.iter_mut().for_each(Model::log_failed);
            self.unknown(client, op, at, now);
            return Ok(());
        }
        if internal(replies) > 0 {
            if !self.excuses(op, replies) {
                return Err(wrong("an internal error, although so many panics were not planned".to_owned()));
            }
            self.unknown(client, op, at, now);
            return Ok(());
        }
        // Whether it was refused, nobody has heard.
        if matches!(op, Op::Unheard(..)) && (self.log_failed() || self.job_panicked() || self.tight) {
            self.unknown(client, op, at, now);
            return Ok(());
        }
        let failed = matches!(replies.last(), Some(Value::Error(_)));
        if op.is_write() && !failed && self.refused.is_some_and(|refused| refused < at) {
            return Err(wrong("success after the log had refused a write".to_owned()));
        }
        if let Some(id) = self.clearing_of(client, op, at) {
            self.clients.iter_mut().for_each(|model| model.clearing_answered((client, id), now));
        }
        match (op, replies) {
            (Op::Save, [Value::Simple(_)]) => {
                self.saves.1 += 1;
                self.promise.saved(at);
            }
            (Op::ConfigSet { .. }, [Value::Simple(_)]) => {
                op.tiers().into_iter().for_each(|tier| self.promise.obeyed(tier, at, now));
            }
            _ => {}
        }
        self.note_recall(client, (op, later), replies);
        self.judge(client, (op, later), replies, (at, now)).map_err(wrong)
    }

    /// Compares an answer with what is known of the keys that it is about.
    fn judge(
        &mut self,
        client: usize,
        (op, later): (&Op, &[&Op]),
        replies: &[Value],
        (at, now): (u64, u64),
    ) -> Result<(), String> {
        let number = self.next_number();
        if self.vectors_rotten() && searches(op) {
            self.shared.unanswered(client, op, (number, at));
        } else {
            self.shared.answered(client, op, replies, (number, at, now))?;
        }
        if is_for_all(op) {
            return Ok(());
        }
        self.counted(client, op, replies, (at, now))?;
        self.named(client, op, replies, at);
        let context = Context {
            op,
            later,
            times: (at, now),
            number,
            client,
            may_not_save: self.may_not_save(at, matches!(op, Op::Backup(_))),
            finishing: self.finishing,
            backups_abound: self.backups_abound(at),
            vectors_rotten: self.vectors_rotten(),
            log_failed: self.log_failed(),
            may_lose: self.clients[client].past.is_kept(),
        };
        let span = self.span(at, now);
        self.clients[client].answered(replies, span, context)?;
        self.set_back(client, at, now);
        match (op, replies) {
            (Op::Info(key), [Value::Array(items)]) => match self.clients[client].index(key) {
                Some(index) => self.weights.told(client, (key, index), items),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// The number under which others know a request that clears everything.
    fn clearing_of(&mut self, client: usize, op: &Op, at: u64) -> Option<u64> {
        let ids = self.clearings.get_mut(&(client, at)).filter(|ids| clears(op) && !ids.is_empty())?;
        Some(ids.remove(0))
    }

    /// A request is not on its way any more.
    fn arrived(&mut self, client: usize, op: &Op, at: u64) {
        self.mirror_arrived(client, op, at);
        self.flies(client, op, -1);
    }

    fn flies(&mut self, client: usize, op: &Op, change: isize) {
        if let Some(flying) = self.flying.get_mut(client).filter(|_| op.is_write()) {
            *flying = flying.saturating_add_signed(change);
        }
    }

    /// DBSIZE counts all keys: those of which all is known, and of the others some, or none. Where the log has failed,
    /// what has expired stays.
    fn counted(
        &mut self,
        client: usize,
        op: &Op,
        replies: &[Value],
        (at, now): (u64, u64),
    ) -> Result<(), String> {
        let (Op::DbSize, [Value::Integer(count)], false) = (op, replies, self.log_failed()) else {
            return Ok(());
        };
        let (least, most) = self.count(Some(client), at, now);
        let right = usize::try_from(*count).is_ok_and(|count| (least..=most).contains(&count));
        if right { Ok(()) } else { Err(format!("{count} instead of a number from {least} to {most}")) }
    }

    /// The connection or the machine is gone, and `op` has no answer.
    pub fn unanswered(&mut self, client: usize, op: &Op, at: u64, now: u64) {
        self.arrived(client, op, at);
        self.unknown(client, op, at, now);
    }

    /// There was no memory for `op`: all that it did is that nothing is watched any more, if it was to end a transaction.
    fn passed_over(&mut self, client: usize, op: &Op, times: (u64, u64)) -> Result<(), String> {
        self.clearing_of(client, op, times.0);
        if let Op::Quant { key, .. } = op {
            self.clients[client].tried_to_form(key, times.1);
        }
        if !matches!(op, Op::Transaction(_) | Op::Discarded(_)) {
            return Ok(());
        }
        let replies = [Value::Simple(b"OK".to_vec())];
        self.judge(client, (&Op::Unwatch, &[]), &replies, times)
    }

    /// Whether `op` has taken place is not known.
    fn unknown(&mut self, client: usize, op: &Op, at: u64, now: u64) {
        let number = self.next_number();
        if let Some(id) = self.clearing_of(client, op, at) {
            self.clients.iter_mut().for_each(|model| model.clearing_unanswered((client, id)));
        }
        self.shared.unanswered(client, op, (number, at));
        if !is_for_all(op) {
            let span = self.span(at, now);
            self.clients[client].unanswered(op.clone(), span, number);
            self.set_back(client, at, now);
        }
    }

    /// A client's connection was lost at `since`, and the server may have gone on with what came from it until `now`.
    pub fn let_go(&mut self, client: usize, since: u64, now: u64) {
        self.mirror_spoil();
        let span = self.span(since, now);
        self.clients[client].let_go(span);
        self.set_back(client, since, now);
    }

    /// The clock may have been set behind an operation that was on its way from `at` to `now`.
    fn set_back(&mut self, client: usize, at: u64, now: u64) {
        for (before, after) in self.wall.jumps(at, now) {
            self.clients[client].clock_set(before, after);
        }
    }

    /// A client has come back on a new connection, and looked at its keys between `at` and `now`.
    pub fn returned(&mut self, client: usize, seen: &Seen, at: u64, now: u64) -> Result<(), String> {
        self.shared.reconnected(client);
        self.inspected(client, seen, at, now)
    }

    /// All of a client's keys were looked at, between `at` and `now`.
    pub fn inspected(&mut self, client: usize, seen: &Seen, at: u64, now: u64) -> Result<(), String> {
        let mut own = Seen::default();
        for key in keys_of(client) {
            let found = seen.keys.get(&key).cloned().flatten();
            own.keys.insert(key, found);
        }
        let lost = self.taken_back();
        let span = self.span(at, now);
        let ends = self.clients[client].inspected(&own, span, (at, now), lost.as_ref());
        self.ends.insert(client, ends.map_err(|what| format!("client {client}: {what}"))?);
        self.set_back(client, at, now);
        Ok(())
    }

    /// A new life begins with everything looked at: each client's keys first, then the shared ones.
    pub fn inspected_shared(&mut self, seen: &Seen, now: u64) -> Result<(), String> {
        if let Some(loss) = self.taken_back() {
            self.shared.take_back(&loss);
        }
        self.clients.iter_mut().for_each(Model::settled);
        self.clearings.clear();
        let mut shared = Seen::default();
        for key in shared_keys() {
            let found = seen.keys.get(&key).cloned().flatten();
            shared.keys.insert(key, found);
        }
        self.promise.inspected(now);
        self.inspections += 1;
        let ends = std::mem::take(&mut self.ends);
        if !at_one_moment(ends.values().map(|ends| ends.windows.as_slice())) {
            let windows: Vec<_> = ends.iter().map(|(client, ends)| (client, &ends.windows)).collect();
            return Err(format!(
                "there was no one moment until which everybody's requests survived: {windows:?}"
            ));
        }
        self.shared.inspected(&shared, &ends, now)
    }

    /// How orders were looked for.
    #[must_use]
    pub fn effort(&self) -> Effort {
        self.shared.effort
    }

    /// Answers that were judged, and requests whose effect is unknown: how far a run with one plan has come.
    #[must_use]
    pub fn progress(&self) -> (u64, usize) {
        (self.judged, self.clients.iter().map(Model::pending).sum())
    }

    /// How many clients there are.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }
}
