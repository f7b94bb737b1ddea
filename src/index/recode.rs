//! Changing the form (`QUANT`) by which an index is walked, beside everything else.
//!
//! Codes do not depend on the graph, so nothing is linked anew. A coding is made in slices: whoever does one writes the codes
//! of rows that were there when the making began, and the [`Writer`] writes those of rows that come later, as it writes them
//! into the coding at hand. When all slices are done the writer puts the new coding in the old one's place. Who is inside by
//! then keeps the old one, which the writer goes on writing to, and lets go of when all of them have left. Where the writer goes
//! before them the old one goes with the index.
//!
//! Which rows a slice may read is the same question as for a capture. It is inside the index, and knows how far a sweep is:
//! a row that is not swept stays what it is while the slice goes on, save one that is being swept whose grace may have begun
//! before. Such a row is in nobody's list any more, so whoever walks by the new coding does not come to it. A free row has no code
//! and, by this coding, was never born; where the writer takes it, it is the writer's.
//!
//! Not guaranteed: that a making ends where nobody does its slices.

use std::sync::Arc;

use super::coding::{BIRTH, Coding, DEATH};
use super::epochs::Grace;
use super::graph::{CONDEMNED, Index, STATE, SWEPT};
use super::scratch::Scratch;
use super::sweep::Stage;
use super::writer::Writer;
use super::{Config, Quant};
use crate::base::mark::{Mark, reached};
use crate::base::sync::{AtomicBool, AtomicU32, point};

/// A coding beside the one by which an index is walked.
#[derive(Debug)]
pub(super) enum Other {
    /// It will take that one's place.
    Making(Arc<Making>),
    /// That one has taken its place, and there may be who reads it.
    Retired(Arc<Coding>, Grace),
}

impl Other {
    pub(super) fn coding(&self) -> &Coding {
        match self {
            Self::Making(making) => &making.coding,
            Self::Retired(coding, _) => coding,
        }
    }
}

/// A coding in the making, of one index.
#[derive(Debug)]
pub struct Making {
    index: Arc<Index>,
    coding: Arc<Coding>,
    /// The moment at which it began: rows that were born then or later are the writer's.
    began: u32,
    /// How many rows there were.
    rows: u32,
    /// Rows below it are done.
    at: AtomicU32,
    /// A slice has been given out and has not come back.
    busy: AtomicBool,
    /// A slice has panicked.
    failed: AtomicBool,
}

/// A slice that has been given out. Where it is dropped before it is done there will be no more.
#[derive(Debug)]
pub struct Part {
    making: Arc<Making>,
    done: bool,
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.done {
            self.making.failed.store(true);
        }
        self.making.busy.store(false);
    }
}

impl Making {
    /// The form that is being made.
    #[must_use]
    pub fn quant(&self) -> Quant {
        self.coding.quant()
    }

    /// Bytes of memory that it takes, or will when it is done.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.coding.bytes(self.index.rows(), 0)
    }

    /// Rows that are done, and how many there were when it began.
    #[must_use]
    pub fn progress(&self) -> (usize, usize) {
        (self.at.load() as usize, self.rows as usize)
    }

    /// True when all that was there has been written.
    #[must_use]
    pub fn is_done(&self) -> bool {
        !self.busy.load() && self.at.load() == self.rows
    }

    /// True when a slice has panicked: there will be no more.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed.load()
    }

    /// True while a slice is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.busy.load()
    }

    /// A slice to be done, if there is one and none is under way. One thread asks.
    #[must_use]
    pub fn give_out(self: &Arc<Self>) -> Option<Part> {
        let ready = !self.busy.load() && !self.failed.load() && self.at.load() < self.rows;
        ready.then(|| {
            self.busy.store(true);
            Part { making: Arc::clone(self), done: false }
        })
    }

    /// Writes the codes of the next `most` rows.
    fn write_some(&self, most: usize, scratch: &mut Scratch) {
        let index = &*self.index;
        let (inside, clearing) = {
            // Under this lock a sweep goes from one pass to the next: the grace before its last pass waits for this slice,
            // or this slice knows of it.
            let _settling = index.settling.lock();
            (index.inside(), index.sweep.stage() == Stage::Clear)
        };
        let out = if clearing { SWEPT | CONDEMNED } else { SWEPT };
        let (view, from) = (inside.view(), self.at.load());
        let to = self.rows.min(from.saturating_add(most.clamp(1, u32::MAX as usize) as u32));
        for row in from..to {
            point("recode");
            self.coding.grow(row);
            // The state first: a row in a free one's place is born before it is free no longer.
            if index.cold.get(row, STATE) & out != 0 {
                continue;
            }
            if !view.coding.came_before(row, self.began) {
                reached(Mark::RecodeLeavesRow);
                continue;
            }
            self.coding.write(row, view.row(row), index.term(row), &mut scratch.rotated);
            self.coding.hot.set(row, BIRTH, view.coding.hot.get(row, BIRTH));
            // The writer tells both codings of a death from when the making began: it may have done so already, or do it now.
            let death = view.coding.hot.get(row, DEATH);
            if death != 0 {
                self.coding.hot.set(row, DEATH, death);
            }
        }
        drop(inside);
        self.at.store(to);
    }
}

impl Part {
    /// Writes the codes of the next `most` rows.
    pub fn write(mut self, most: usize, scratch: &mut Scratch) {
        self.making.write_some(most, scratch);
        self.done = true;
    }
}

impl Writer {
    /// How vectors are compressed for walks.
    #[must_use]
    pub fn quant(&self) -> Quant {
        self.coding.quant()
    }

    /// The form that walks go by: [`Quant::F32`] where the metric has no use for codes, whatever was asked for.
    #[must_use]
    pub fn walked_by(&self) -> Quant {
        if self.coding.coder.is_some() { self.coding.quant() } else { Quant::F32 }
    }

    /// The coding that is being made.
    #[must_use]
    pub fn making(&self) -> Option<&Arc<Making>> {
        match &self.other {
            Some(Other::Making(making)) => Some(making),
            _ => None,
        }
    }

    /// True while the coding before this one is still there: no other can be made.
    #[must_use]
    pub fn is_retiring(&self) -> bool {
        matches!(self.other, Some(Other::Retired(..)))
    }

    /// Bytes of memory that another coding would take, beside the one there is.
    #[must_use]
    pub fn bytes_of(&self, quant: Quant) -> usize {
        Coding::new(&Config { quant, ..*self.index.config() }, quant).bytes(self.index.rows(), 0)
    }

    /// Bytes of the codings that there are.
    pub(super) fn coding_bytes(&self) -> usize {
        let (rows, taken) = (self.index.rows(), self.index.rows.within() as usize);
        let codings = [Some(&*self.coding), self.other.as_ref().map(Other::coding)];
        codings.into_iter().flatten().map(|coding| coding.bytes(rows, taken)).sum()
    }

    /// Begins to make another coding. There is none but the current one.
    pub fn begin_making(&mut self, quant: Quant) -> Arc<Making> {
        assert!(self.other.is_none(), "one coding is made at a time, when the one before the last has gone");
        let index = Arc::clone(&self.index);
        let (rows, began) = (index.rows() as u32, index.moment.load());
        let coding = Arc::new(Coding::new(index.config(), quant));
        let (busy, failed) = (AtomicBool::new(false), AtomicBool::new(false));
        let making = Arc::new(Making { index, coding, began, rows, at: AtomicU32::new(0), busy, failed });
        self.other = Some(Other::Making(Arc::clone(&making)));
        making
    }

    /// Gives up the coding that is being made, if one is. A slice under way comes to its end.
    pub fn give_up_making(&mut self) -> Option<Arc<Making>> {
        let other = self.other.take_if(|other| matches!(other, Other::Making(_)))?;
        match other {
            Other::Making(making) => Some(making),
            Other::Retired(..) => unreachable!("what is given up is in the making"),
        }
    }

    /// Walks go by this form from now on: by the coding that has been made, or by one that is made on the spot, all of it.
    pub fn change(&mut self, quant: Quant) {
        if self.quant() == quant {
            return;
        }
        let made = self.give_up_making().filter(|making| making.is_done() && making.quant() == quant);
        let making = made.unwrap_or_else(|| {
            drop(self.retire());
            assert!(self.other.is_none(), "a coding is made on the spot while nobody is inside");
            let making = self.begin_making(quant);
            let mut scratch = Scratch::new();
            while let Some(part) = making.give_out() {
                part.write(usize::MAX, &mut scratch);
            }
            self.other = None;
            making
        });
        assert!(!making.has_failed(), "a coding is whole before walks go by it");
        let before = self.index.coding.replace(Arc::clone(&making.coding));
        self.index.epochs.hidden(&*before);
        self.coding = Arc::clone(&making.coding);
        self.other = Some(Other::Retired(before, Grace::Far));
    }

    /// Lets go of the coding before this one if everyone has left who may read it, and returns what is to be dropped then.
    /// On the thread that asks whether a sweep is ready.
    pub fn retire(&mut self) -> Option<Retired> {
        let Some(Other::Retired(_, grace)) = &mut self.other else { return None };
        if !self.index.epochs.is_over(grace) {
            reached(Mark::CodingInUse);
            return None;
        }
        self.other = None;
        self.index.coding.let_go().map(Retired)
    }
}

/// A coding that nobody reads any more: memory to be given back.
#[derive(Debug)]
pub struct Retired(#[expect(dead_code, reason = "held only to be dropped")] Arc<Coding>);
