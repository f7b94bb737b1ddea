//! Keys that all clients name: is there one order of all that was done to them that explains every answer?
//!
//! The order has to respect time (what was answered before another was asked for comes first) and each connection's
//! own order; what was not answered may have happened or not, and of one connection only if all before it did. What
//! the next inspection finds has to be the world at the order's end. So nothing that was acknowledged or seen is
//! missing, nothing has come back, and there is no hole: not within a connection, and not across connections.
//!
//! A life is one question, asked when the next inspection has seen everything. Where it would take too long for all
//! keys together it is asked for each group of keys that belong together; what takes too long even then is counted.

mod act;
mod effort;
mod explore;
mod hits;
#[cfg(test)]
mod tests;
mod told;

use std::collections::BTreeMap;

use engram::resp::client::Value;

use self::act::{Act, Deed, World, hits_of};
pub use self::effort::Effort;
use self::explore::{Found, Question, explore};
use self::told::told;
use super::context::Context;
use super::names::is_shared;
use super::past::{Ends, Window, at_one_moment};
use super::promise::Loss;
use super::search::check_order;
use super::seen::Seen;
use super::state::Span;
use crate::plan::Op;

/// Steps after which a question about all keys together is split.
const STEPS_TOGETHER: u64 = 5_000;
/// Steps after which a question about one group is given up.
const STEPS_APART: u64 = 20_000;
/// Shared keys go at once or never: no time matters, but that others have passed.
const NEVER: Span = Span { from: 1 << 62, to: 1 << 62 };

/// Where a client's requests may have been cut off by a crash: behind the first number, before or at the second.
pub(super) type Cut = (u64, u64);

/// What a client has done on one connection.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    connection: usize,
    /// The last act, and the last that took place.
    last: Option<usize>,
    last_done: Option<usize>,
}

impl Line {
    fn next(self) -> Self {
        Self { connection: self.connection + 1, ..Self::default() }
    }
}

/// What was done to the shared keys since they were last looked at.
#[derive(Clone, Debug)]
pub(super) struct History {
    start: World,
    /// When that was looked at, in virtual nanoseconds.
    since: u64,
    acts: Vec<Act>,
    /// For each client what it has done on its connection.
    lines: BTreeMap<usize, Line>,
    /// How orders were looked for so far.
    pub(super) effort: Effort,
    /// More was lost than can be judged: the next look at the keys is taken as it is.
    unknown: bool,
    /// Memory is limited: of what was not answered any may have been passed over.
    pub(super) tight: bool,
    /// The disk was full for a while in this life: the same.
    roomless: bool,
}

impl Default for History {
    fn default() -> Self {
        Self {
            start: World { state: Seen::default().as_world(), ..World::default() },
            since: 0,
            acts: Vec::new(),
            lines: BTreeMap::new(),
            effort: Effort::default(),
            unknown: false,
            tight: false,
            roomless: false,
        }
    }
}

impl History {
    /// A client's request was answered; an error says what is wrong with the answer by itself.
    pub(super) fn answered(
        &mut self,
        client: usize,
        op: &Op,
        replies: &[Value],
        (number, asked, answered): (u64, u64, u64),
    ) -> Result<(), String> {
        if let Some((names, at_once)) = told(op, replies) {
            self.told(client, names, at_once, (number, asked, answered));
            return Ok(());
        }
        if !self.concerns(client, op) {
            return Ok(());
        }
        let hits = hits_of(op, replies)?;
        if let Op::Search { k, among, .. } = op {
            check_order(&hits, *k, among)?;
        }
        let deed = Deed::Done(op.clone(), replies.to_vec());
        let place = self.add(client, (number, asked, answered), deed);
        for hit in hits {
            let key = op.keys().first().copied().unwrap_or_default().to_owned();
            let deed = Deed::Saw { key, search: op.clone(), hit };
            let Act { connection, losable, .. } = self.acts[place];
            self.acts.push(Act {
                client,
                connection,
                number,
                asked,
                answered,
                deed,
                after: Some(place),
                losable,
            });
        }
        Ok(())
    }

    /// A client was told which shared names there are. Where none was ever there that is no news.
    fn told(&mut self, client: usize, names: told::Names, at_once: bool, times: (u64, u64, u64)) {
        let nowhere = self.acts.is_empty() && self.start.state.entries.is_empty();
        if names.is_empty() || (nowhere && names.iter().all(|(_, there)| !there)) {
            return;
        }
        if at_once {
            self.add(client, times, Deed::Told(names));
            return;
        }
        // A scan goes on behind what was asked for after it: it has no place among the client's requests.
        let connection = self.lines.get(&client).map_or(0, |line| line.connection);
        let (number, asked, answered) = times;
        self.acts.extend(names.into_iter().map(|name| Act {
            client,
            connection,
            number,
            asked,
            answered,
            deed: Deed::Told(vec![name]),
            after: None,
            losable: false,
        }));
    }

    /// How many shared keys there are, at least and at most; none while they change.
    pub(super) fn count(&self) -> Option<(usize, usize)> {
        let writes = |act: &Act| match &act.deed {
            Deed::Done(op, _) | Deed::Maybe(op) => op.is_write(),
            _ => false,
        };
        let count = self.start.state.entries.len();
        (!self.unknown && !self.acts.iter().any(writes)).then_some((count, count))
    }

    /// A client's request has no answer, or was refused by a log that has failed.
    pub(super) fn unanswered(&mut self, client: usize, op: &Op, (number, asked): (u64, u64)) {
        if self.concerns(client, op) && (op.is_write() || is_about_watching(op)) {
            self.add(client, (number, asked, u64::MAX), Deed::Maybe(op.clone()));
        }
    }

    /// A client comes back on a new connection.
    pub(super) fn reconnected(&mut self, client: usize) {
        let line = self.lines.entry(client).or_default();
        *line = line.next();
    }

    fn concerns(&self, client: usize, op: &Op) -> bool {
        let watching = || {
            let connection = self.lines.get(&client).map_or(0, |line| line.connection);
            let own = self.acts.iter().filter(|act| (act.client, act.connection) == (client, connection));
            own.clone()
                .any(|act| matches!(&act.deed, Deed::Done(Op::Watch(_), _) | Deed::Maybe(Op::Watch(_))))
        };
        let clears = super::state::clears(op);
        clears || op.keys().iter().any(|key| is_shared(key)) || (is_about_watching(op) && watching())
    }

    fn add(&mut self, client: usize, (number, asked, answered): (u64, u64, u64), deed: Deed) -> usize {
        let place = self.acts.len();
        let line = self.lines.entry(client).or_default();
        // What was refused by a failed log and nevertheless seen would have been refused as well: it binds only what
        // was refused behind it.
        let maybe = matches!(deed, Deed::Maybe(_));
        let after = if maybe && !self.tight { line.last } else { line.last_done };
        line.last = Some(place);
        line.last_done = if maybe { line.last_done } else { line.last };
        let connection = line.connection;
        self.acts.push(Act { client, connection, number, asked, answered, deed, after, losable: false });
        place
    }

    /// So much may have been lost of what was acknowledged. Where that reaches back behind the last look at the keys,
    /// nothing is known of them any more.
    pub(super) fn take_back(&mut self, loss: &Loss) {
        if loss.reaches(self.since) {
            self.unknown = true;
        }
        // What only watches leaves nothing behind by which it could be told when it happened: behind what was lost, or before.
        let lost = |act: &&mut Act| loss.may_take(act.asked, act.answered) || act.leaves_no_trace();
        self.acts.iter_mut().filter(lost).for_each(|act| act.losable = true);
    }

    /// The disk was full for a while: what was not answered may have been refused, though later ones were taken.
    pub(super) fn lacked_room(&mut self) {
        self.roomless = true;
        for place in 0..self.acts.len() {
            // In order, so that what an act comes after has been seen to before it.
            let maybe = |act: &Act| matches!(act.deed, Deed::Maybe(_));
            let before = self.acts[place].after.map(|before| &self.acts[before]);
            if maybe(&self.acts[place])
                && let Some(before) = before.filter(|before| maybe(before))
            {
                self.acts[place].after = before.after;
            }
        }
    }

    /// All shared keys were looked at by `now`, after the life ended. `ends` are the places where each client's requests may
    /// have been cut off, as far as its own keys tell.
    pub(super) fn inspected(
        &mut self,
        seen: &Seen,
        ends: &BTreeMap<usize, Ends>,
        now: u64,
    ) -> Result<(), String> {
        let acts = std::mem::take(&mut self.acts);
        let start = std::mem::take(&mut self.start);
        let lines = std::mem::take(&mut self.lines);
        self.start = World { state: seen.as_world(), ..World::default() };
        self.lines = lines.iter().map(|(client, line)| (*client, line.next())).collect();
        self.since = now;
        if std::mem::take(&mut self.unknown) {
            return Ok(());
        }
        // Not before now: what was on its way beside a search is known only when the life is over.
        (0..acts.len()).try_for_each(|place| hits::check_complete(&start.state, &acts, place))?;
        let missed = hits::missed(&start.state, &acts);
        let acts: Vec<Act> = acts.into_iter().chain(missed).collect();
        let passed_over = self.tight || std::mem::take(&mut self.roomless);
        let all: Vec<&Act> = acts.iter().collect();
        let cut_off = |done: &[bool], acts: &[&Act]| {
            ends.iter().all(|(client, Ends { cuts, .. })| {
                let connection = lines.get(client).map_or(0, |line| line.connection);
                let own = |i: &usize| (acts[*i].client, acts[*i].connection) == (*client, connection);
                let maybe = |i: &usize| own(i) && !acts[*i].took_place();
                let last = (0..acts.len()).filter(maybe).filter(|i| done[*i]).map(|i| acts[i].number).max();
                let lost = (0..acts.len()).filter(maybe).filter(|i| !done[*i]).map(|i| acts[i].number).min();
                let fits = |(from, to): &Cut| last.is_none_or(|n| n < *to) && lost.is_none_or(|n| n > *from);
                cuts.is_empty() || passed_over || cuts.iter().any(fits)
            })
        };
        let may_lose = |done: &[bool]| {
            let own = [window(done, &all)];
            let windows = ends.values().map(|ends| ends.windows.as_slice());
            cut_off(done, &all) && at_one_moment(windows.chain([own.as_slice()]))
        };
        let is_end = |world: &World| seen.explained_by(&world.state, NEVER, false).map(drop);
        let question = Question { acts: &all, start: &start, is_end: &is_end, may_lose: &may_lose };
        let (found, steps) = explore(&question, STEPS_TOGETHER);
        self.effort.asked += u64::from(!all.is_empty());
        self.effort.steps += steps;
        match found {
            Found::Order => Ok(()),
            Found::Nothing(why) => {
                Err(format!("no order of what was done to the shared keys explains it; {why}"))
            }
            Found::TooLong => self.inspected_apart(&acts, &start, seen),
        }
    }

    /// The same for each group of keys by itself.
    fn inspected_apart(&mut self, acts: &[Act], start: &World, seen: &Seen) -> Result<(), String> {
        for group in groups(acts, seen) {
            let within = |key: &str| group.iter().any(|other| other == key);
            let (start, seen) = (start.only(&within), seen.only(&within));
            let part = part_of(acts, &within);
            let part: Vec<&Act> = part.iter().collect();
            let is_end =
                |world: &World| seen.explained_by(&world.state.only(&within), NEVER, false).map(drop);
            let question = Question { acts: &part, start: &start, is_end: &is_end, may_lose: &|_| true };
            let (found, steps) = explore(&question, STEPS_APART);
            self.effort.asked += 1;
            self.effort.steps += steps;
            match found {
                Found::Order => {}
                Found::Nothing(why) => {
                    return Err(format!(
                        "no order of what was done to {} explains it; {why}",
                        group.join(" ")
                    ));
                }
                Found::TooLong => self.effort.given_up += 1,
            }
        }
        Ok(())
    }
}

/// When the log was cut off if these acts have survived, and all others have not.
fn window(done: &[bool], acts: &[&Act]) -> Window {
    let writes = |act: &Act| matches!(&act.deed, Deed::Done(op, _) if op.is_write());
    let of = |wanted: bool| (0..acts.len()).filter(move |&i| done[i] == wanted && writes(acts[i]));
    let survived = of(true).map(|i| acts[i].asked).max();
    (survived.unwrap_or(0), of(false).map(|i| acts[i].answered).min().unwrap_or(u64::MAX))
}

/// The acts that are about some of the keys, each tied to the one before it on its connection.
fn part_of(acts: &[Act], within: &dyn Fn(&str) -> bool) -> Vec<Act> {
    let about = |act: &Act| act.keys().is_empty() || act.keys().iter().any(|key| within(key));
    let mut places = BTreeMap::new();
    let mut part: Vec<Act> = Vec::new();
    for (place, act) in acts.iter().enumerate().filter(|(_, act)| about(act)) {
        let mut after = act.after;
        while let Some(before) = after.filter(|before| !places.contains_key(before)) {
            after = acts[before].after;
        }
        places.insert(place, part.len());
        part.push(Act { after: after.map(|before| places[&before]), ..act.only(within) });
    }
    part
}

/// Keys that are named together, directly or by way of others. What a connection watches decides about its next transaction.
fn groups(acts: &[Act], seen: &Seen) -> Vec<Vec<String>> {
    let mut groups: Vec<Vec<String>> = seen.keys.keys().map(|key| vec![key.clone()]).collect();
    let mut watched: BTreeMap<(usize, usize), Vec<&str>> = BTreeMap::new();
    for act in acts {
        let mut keys = act.tied();
        let watched = watched.entry((act.client, act.connection)).or_default();
        if let Deed::Done(Op::Watch(_), _) | Deed::Maybe(Op::Watch(_)) = &act.deed {
            watched.extend(keys);
            keys = watched.clone();
        } else if act.changes_watching() {
            keys.append(watched);
        }
        let (mut together, apart): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| group.iter().any(|key| keys.contains(&key.as_str())));
        groups = apart;
        let joined: Vec<String> = together.drain(..).flatten().collect();
        groups.extend((!joined.is_empty()).then_some(joined));
    }
    groups
}

/// True for what changes what a connection watches.
fn is_about_watching(op: &Op) -> bool {
    matches!(op, Op::Watch(_) | Op::Unwatch | Op::Reset | Op::Discarded(_) | Op::Transaction(_))
}

impl World {
    /// Only some of the keys.
    fn only(&self, within: &dyn Fn(&str) -> bool) -> Self {
        Self { state: self.state.only(within), ..Self::default() }
    }
}

/// What answers about shared keys are judged by, beside the world.
fn context<'a>(act: &Act, op: &'a Op) -> Context<'a> {
    Context {
        op,
        later: &[],
        times: (act.asked, act.answered),
        number: act.number,
        client: act.client,
        may_not_save: true,
        finishing: true,
        backups_abound: true,
        vectors_rotten: false,
        may_lose: true,
        log_failed: true,
    }
}
