//! Changes of the form by which an index is searched (VQUANT): from the request to the record, and what comes after.
//!
//! A change waits until nobody reads the form before the present one any more, and until what a change before it had begun to
//! make has been dropped, so that however often changes replace each other an index has one coding too many; then a coding is made in slices, by workers;
//! then the loop logs the change and switches, in one step; then the old coding is let go of when everyone has left who may
//! read it. Nothing is on the disk before the record: a crash leaves the old form, and nothing else.
//!
//! A change is found again under the name that its index has by then ([`super::store::Store`] keeps that up to date). An index
//! that is gone, a log that takes no writes, and the end of the server end the change, too; whoever waits for it is told. That
//! nobody waits for it any more does not: then somebody may ask for another form, or for the present one, which ends it as well.

use std::sync::{Arc, Weak};

use super::job::{Job, Kind};
use super::mutation::Op;
use super::store::{Garbage, Store};
use super::value::{Value, VectorSet};
use super::{Call, Engine, Handled, Outcome, Refusal};
use crate::base::mark::{Mark, reached};
use crate::index::{Index, Making, Quant};
use crate::wal::Lsn;

/// A change that is under way.
#[derive(Debug)]
pub(super) struct Change {
    number: u64,
    /// Under which its index is found.
    pub(super) key: Vec<u8>,
    index: Arc<Index>,
    quant: Quant,
    /// Bytes of the codes that it replaces.
    before: usize,
    /// Bytes of its own.
    needed: usize,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The form before the present one is there still, or one that was given up.
    Waiting,
    Making(Arc<Making>),
    /// Done, and the form before is there still.
    Retiring,
}

/// A coding that was given up, until a worker has dropped it.
#[derive(Debug)]
pub(super) struct GivenUp {
    making: Weak<Making>,
    index: Weak<Index>,
    bytes: usize,
}

impl GivenUp {
    fn is_there(&self) -> bool {
        self.making.strong_count() > 0
    }
}

/// What has become of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Which of this run's changes, from 1.
    pub number: u64,
    /// The record that says so, or why there is none: an error reply.
    pub result: Result<Lsn, String>,
}

impl Store {
    /// The index of `change`, if it is where it should be.
    fn changing(&self, change: &Change) -> Option<&VectorSet> {
        match &self.keyspace.get(&change.key)?.value {
            Value::Vectors(set) if Arc::ptr_eq(set.writer.index(), &change.index) => Some(set),
            _ => None,
        }
    }

    /// Does something to the index of `change`, which is where it should be.
    fn with_changing<T>(&mut self, change: &Change, edit: impl FnOnce(&mut VectorSet) -> T) -> T {
        let done = self.keyspace.edit(&change.key, |value| match value {
            Value::Vectors(set) => edit(set),
            Value::String(_) | Value::Shared(_) => unreachable!("a change belongs to an index"),
        });
        match done {
            Some(done) => done,
            None => unreachable!("a change belongs to an index that is there"),
        }
    }

    /// Where the change is that is under way on an index.
    fn find_change(&self, index: &Arc<Index>) -> Option<usize> {
        let goes_on = |change: &Change| !matches!(change.stage, Stage::Retiring);
        self.changes.iter().position(|change| goes_on(change) && Arc::ptr_eq(&change.index, index))
    }

    /// The change that is under way on an index: its form, and how far it is.
    pub(super) fn change_of(&self, index: &Arc<Index>) -> Option<(Quant, usize)> {
        let change = &self.changes[self.find_change(index)?];
        let rows = if let Stage::Making(making) = &change.stage { making.progress().0 } else { 0 };
        Some((change.quant, rows))
    }

    /// Bytes of codes that were replaced and are there still.
    pub(super) fn replaced(&self) -> usize {
        let retiring = self.changes.iter().filter(|change| matches!(change.stage, Stage::Retiring));
        retiring.map(|change| change.before).sum()
    }

    /// Bytes of codings that were given up and have not been dropped.
    pub(super) fn given_up(&self) -> usize {
        self.given_up.iter().filter(|coding| coding.is_there()).map(|coding| coding.bytes).sum()
    }

    /// Bytes that changes of other indexes will take which have not begun.
    fn promised(&self, index: &Arc<Index>) -> usize {
        let waits =
            |change: &&Change| matches!(change.stage, Stage::Waiting) && !Arc::ptr_eq(&change.index, index);
        self.changes.iter().filter(waits).map(|change| change.needed).sum()
    }

    /// Whether a coding of this index was given up and is there still.
    fn has_given_up(&self, index: &Arc<Index>) -> bool {
        let of = |coding: &GivenUp| std::ptr::eq(coding.index.as_ptr(), Arc::as_ptr(index));
        self.given_up.iter().any(|coding| of(coding) && coding.is_there())
    }

    /// What was under `from` is under `to` now.
    pub(super) fn rename_changes(&mut self, from: &[u8], to: &[u8]) {
        for change in self.changes.iter_mut().filter(|change| change.key == from) {
            reached(Mark::ChangeRenamed);
            change.key = to.to_vec();
        }
    }
}

impl Engine {
    /// `VQUANT index form`, where at most `room` bytes of memory are left: none where there is no bound.
    pub fn change_quant(&mut self, call: &mut Call<'_>, room: Option<usize>) -> Handled {
        let args = call.args;
        let key = &args[1];
        let quant = super::command::form(&args[2])?;
        let set = super::command::expect_set(self, call, key)?;
        let (now, needed, index) =
            (set.writer.quant(), set.writer.bytes_of(quant), Arc::clone(set.writer.index()));
        let before = set.writer.bytes_of(now);
        if let Some(other) = self.store.find_change(&index).map(|at| &self.store.changes[at])
            && other.quant == quant
        {
            reached(Mark::ChangeShared);
            return Ok(Outcome::Change(other.number));
        }
        if now == quant {
            self.replace_change(&index, quant);
            return call.ok();
        }
        if room.is_some_and(|room| needed > room.saturating_sub(self.store.promised(&index))) {
            reached(Mark::ChangeTooLarge);
            return Err(Refusal(
                format!(
                    "OOM the vectors take {needed} more bytes as {}, which passes 'maxmemory'",
                    quant.name()
                )
                .into(),
            ));
        }
        self.replace_change(&index, quant);
        self.last_change += 1;
        let number = self.last_change;
        let mut change =
            Change { number, key: key.to_vec(), index, quant, before, needed, stage: Stage::Waiting };
        self.begin_making(&mut change);
        self.store.changes.push(change);
        Ok(Outcome::Change(number))
    }

    /// Gives up the change that is under way on an index, if one is: this form was asked for.
    fn replace_change(&mut self, index: &Arc<Index>, quant: Quant) {
        let Some(at) = self.store.find_change(index) else { return };
        reached(Mark::ChangeReplaced);
        let mut change = self.store.changes.remove(at);
        let (old, new) = (change.quant.name(), quant.name());
        self.give_up(
            &mut change,
            &format!("ERR the change to QUANT {old} is given up: QUANT {new} was asked for"),
        );
        self.store.garbage.push(Garbage::Index(change.index));
    }

    /// One turn's part: begins changes, logs those that are ready, lets go of what they have replaced.
    pub(super) fn tick_changes(&mut self) {
        self.store.given_up.retain(GivenUp::is_there);
        let mut at = 0;
        while at < self.store.changes.len() {
            let mut change = self.store.changes.swap_remove(at);
            if self.carry_on(&mut change) {
                self.store.changes.push(change);
                // Back in its place: the last one took it.
                let last = self.store.changes.len() - 1;
                self.store.changes.swap(at, last);
                at += 1;
            } else {
                // It may be the last to hold them.
                if let Stage::Making(making) = change.stage {
                    self.store.garbage.push(Garbage::Making(making));
                }
                self.store.garbage.push(Garbage::Index(change.index));
            }
        }
    }

    /// Takes a change as far as it goes now; false where it has come to its end.
    fn carry_on(&mut self, change: &mut Change) -> bool {
        if self.store.changing(change).is_none() {
            self.give_up(change, "ERR the index is gone, and with it the change of its form");
            return false;
        }
        self.begin_making(change);
        if let Stage::Making(making) = &change.stage {
            if making.has_failed() && !making.is_busy() {
                self.give_up(change, "ERR internal error: a part of the change of form panicked");
                return false;
            }
            if !making.is_done() {
                return true;
            }
            if let Some(why) = self.refuses().map(str::to_owned) {
                self.give_up(change, &why);
                return false;
            }
            let lsn = self.log_change(change);
            self.changed.push_back(Changed { number: change.number, result: Ok(lsn) });
            change.stage = Stage::Retiring;
        }
        if let Stage::Retiring = change.stage {
            let retired = self.store.with_changing(change, |set| set.writer.retire());
            let is_gone = retired.is_some();
            self.store.garbage.extend(retired.map(Garbage::Coding));
            return !is_gone;
        }
        true
    }

    /// Begins to make a coding, if a change waits for that and may.
    fn begin_making(&mut self, change: &mut Change) {
        let Stage::Waiting = change.stage else { return };
        if self.store.has_given_up(&change.index) {
            return reached(Mark::ChangeWaitsForDrop);
        }
        let quant = change.quant;
        let begin = |set: &mut VectorSet| (!set.writer.is_retiring()).then(|| set.writer.begin_making(quant));
        match self.store.with_changing(change, begin) {
            Some(making) => change.stage = Stage::Making(making),
            None => reached(Mark::ChangeWaits),
        }
    }

    /// The record and the switch, in one step.
    fn log_change(&mut self, change: &Change) -> Lsn {
        self.begin();
        if self.store.saving.is_running() {
            reached(Mark::ChangedMeanwhile);
        }
        let op = Op::Quant { key: &change.key, quant: change.quant.code() as u16 };
        let lsn = self.next_lsn();
        let applied = self.store.apply(&op, lsn);
        assert!(applied.is_ok(), "a change that is ready applies");
        self.log(&op, lsn);
        self.end();
        lsn
    }

    fn give_up(&mut self, change: &mut Change, why: &str) {
        if let Stage::Retiring = change.stage {
            return;
        }
        reached(Mark::ChangeGivenUp);
        if self.store.changing(change).is_some() {
            let making = self.store.with_changing(change, |set| set.writer.give_up_making());
            if let Some(making) = making {
                let (of, index) = (Arc::downgrade(&making), Arc::downgrade(&change.index));
                self.store.given_up.push(GivenUp { making: of, index, bytes: making.bytes() });
                self.store.garbage.push(Garbage::Making(making));
            }
        }
        self.changed.push_back(Changed { number: change.number, result: Err(why.to_owned()) });
    }

    /// Gives up what is under way: the server finishes.
    pub fn give_up_changes(&mut self) {
        for mut change in std::mem::take(&mut self.store.changes) {
            self.give_up(&mut change, "ERR the server is shutting down, and the change of form is given up");
        }
    }

    /// A change that has come to its end, in order, each once.
    pub fn take_changed(&mut self) -> Option<Changed> {
        self.changed.pop_front()
    }

    /// A slice of a change that a worker is to do. While one is under way its index is not to be checked; when it is done
    /// there may be another.
    pub fn take_recoding(&mut self) -> Option<Job> {
        let rows = (self.store.options.sweep_slice / SHARE).max(1);
        let ready = self.store.changes.iter().find_map(|change| match &change.stage {
            Stage::Making(making) => making.give_out(),
            _ => None,
        });
        ready.map(|part| Job(Kind::Recode { part: Some(part), rows }))
    }

    /// True while a slice of a change is under way.
    #[must_use]
    pub fn is_recoding(&self) -> bool {
        let busy = |change: &Change| matches!(&change.stage, Stage::Making(making) if making.is_busy());
        self.store.changes.iter().any(busy)
    }
}

/// A code costs as much as looking at so many rows.
const SHARE: usize = 8;
