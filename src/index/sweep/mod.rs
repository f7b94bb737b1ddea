//! Taking dead rows out of the graph, and their memory back, beside everything else.
//!
//! A sweep goes over the index in four passes. Before each of the last three everyone has left who was inside when the
//! one before ended (a grace, [`super::epochs`]): who is inside by then has seen all that it did.
//!
//! 1. *Mark*: rows that are dead and linked are condemned. Links under way see that from the next pass on: no list takes
//!    a condemned row's name any more, and a condemned row's own lists stay as they are until the last pass.
//! 2. *Rehome*: the root and the entry point are handed on, and every living child of a condemned row gets a parent that
//!    is not condemned ([`rehome`]). Nothing is taken away, so every search still reaches every row.
//! 3. *Unlink*: every list that names a condemned row gets other links in their places ([`unlink`]): its own choice of the
//!    condemned row's links, as in Singh and others, "FreshDiskANN", 2021 (arXiv:2105.09613), section 4.2. What is
//!    left is a graph and a tree of parents without condemned rows.
//! 4. *Clear*: nobody names the condemned rows, and nobody is left who did. Their lists and keys go, and they are free.
//!
//! Rows that die while a sweep goes on are left to the next. One sweep at a time; whoever drives it
//! ([`Index::sweep_is_ready`], [`Index::sweep_some`]) decides how much is done at once.
//!
//! Not guaranteed: that a sweep ends while somebody stays inside, or while the linking of a row has panicked and is not
//! taken up; or that there is ever another where one has panicked.

mod rehome;
mod unlink;

use std::sync::atomic::Ordering;

use super::epochs::{Grace, Inside, freed};
use super::graph::{CLAIMED, CONDEMNED, Index, LINKED, PARENT, STATE, SWEPT};
use super::scratch::Scratch;
use crate::base::mark::{Mark, reached};
use crate::base::sync::{AtomicBool, AtomicU32, AtomicU64, Mutex, point};

/// One dead row in so many is worth a sweep.
const SHARE: usize = 40;
/// Rows between two scheduling points of a pass that only looks.
const STRIDE: u32 = 256;
/// What a list that is changed costs of a slice's budget, in rows that are looked at; ...
const CHANGE: usize = 64;
/// ... a condemned row whose children are looked for; ...
const ASKED: usize = 4;
/// ... a child that gets another parent; ...
const REHOMED: usize = 32;
/// ... and a row that is cleared.
const CLEARED: usize = 8;

/// Which pass a sweep is in, or waits to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub(super) enum Stage {
    /// There is none.
    Idle,
    /// Condemning.
    Mark,
    /// Giving children other parents.
    Rehome,
    /// Taking links away.
    Unlink,
    /// Clearing.
    Clear,
}

/// A slice under way. Where it panics the sweep stays where it is: every word that it has changed is right by itself.
struct Slice<'a> {
    sweep: &'a Sweep,
    done: bool,
}

impl Drop for Slice<'_> {
    fn drop(&mut self) {
        if !self.done {
            reached(Mark::SweepGivenUp);
            self.sweep.close();
        }
        self.sweep.busy.store(false);
    }
}

/// A sweep of an index, or none.
#[derive(Debug)]
pub(super) struct Sweep {
    /// A slice has been given out and has not come back.
    busy: AtomicBool,
    /// There are no more sweeps: the writer is gone, and nobody has a use for free rows; or a slice has panicked.
    closed: AtomicBool,
    /// It is on the list of who gives out slices, who alone reads and writes this.
    listed: std::sync::atomic::AtomicBool,
    /// The [`Stage`]; changed under the index's settling lock.
    stage: AtomicU32,
    /// Captures that exist; changed under the settling lock.
    captures: AtomicU32,
    /// The highest row that was linked since the sweep began, as in `entry`; changed under the settling lock.
    risen: AtomicU64,
    /// All that was in the graph is condemned, and none of it leads to what comes; changed under the settling lock.
    emptied: AtomicBool,
    /// Rows that are found for good, but not linked yet since that has panicked: their lists are nobody's to change, and
    /// may name rows that are condemned.
    broken: AtomicU32,
    /// How many rows have been swept and were not taken since.
    swept: AtomicU32,
    /// How many rows were ever linked; it wraps.
    linked: AtomicU32,
    /// How many rows are in `freed`.
    waiting: AtomicU32,
    /// Bytes of keys that were cleared and are counted still: what an index takes changes under the writer's hand alone.
    key_bytes: AtomicU64,
    /// Rows that the writer may take.
    freed: Mutex<Vec<u32>>,
    work: Mutex<Work>,
}

/// What a sweep knows between two slices.
#[derive(Debug, Default)]
struct Work {
    /// What has to be over before the pass begins.
    grace: Option<Grace>,
    /// How far the pass has come: a row, or a place in `condemned`.
    at: u32,
    /// Where it ends.
    end: u32,
    condemned: Vec<u32>,
    /// A bit a row.
    bits: Vec<u64>,
    /// The highest row of the graph that is not condemned, of those linked before the sweep, and its level.
    heir: Option<(usize, u32)>,
    /// The tombstones of which a sweep could take none, and how many rows had been linked.
    barren: (usize, u32),
}

impl Work {
    fn is_condemned(&self, row: u32) -> bool {
        self.bits.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// What is left to do in this pass, at most `most` and at least one step of it.
    fn take(&mut self, most: u32) -> std::ops::Range<u32> {
        let from = self.at;
        self.at = self.end.min(from.saturating_add(most.max(1)));
        from..self.at
    }
}

impl Sweep {
    pub(super) fn new() -> Self {
        Self {
            busy: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            listed: std::sync::atomic::AtomicBool::new(false),
            stage: AtomicU32::new(Stage::Idle as u32),
            captures: AtomicU32::new(0),
            risen: AtomicU64::new(0),
            emptied: AtomicBool::new(false),
            broken: AtomicU32::new(0),
            swept: AtomicU32::new(0),
            linked: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            key_bytes: AtomicU64::new(0),
            freed: Mutex::new("freed", Vec::new()),
            work: Mutex::new("sweep", Work::default()),
        }
    }

    pub(super) fn stage(&self) -> Stage {
        let stage = self.stage.load();
        let all = [Stage::Idle, Stage::Mark, Stage::Rehome, Stage::Unlink, Stage::Clear];
        all[stage as usize]
    }

    /// Rows that are swept.
    pub(super) fn swept(&self) -> usize {
        self.swept.load() as usize
    }

    /// Takes in rows of a snapshot that are swept.
    pub(super) fn found_swept(&self, rows: Vec<u32>) {
        self.swept.fetch_add(rows.len() as u32);
        self.waiting.store(rows.len() as u32);
        *self.freed.lock() = rows;
    }

    /// A row has been swept, and may be taken.
    fn free(&self, row: u32) {
        self.swept.fetch_add(1);
        let mut freed = self.freed.lock();
        freed.push(row);
        self.waiting.store(freed.len() as u32);
    }

    /// Takes the rows that are free, if there are any.
    pub(super) fn take_freed(&self, out: &mut Vec<u32>) {
        if self.waiting.load() > 0 {
            let mut freed = self.freed.lock();
            self.waiting.store(0);
            out.append(&mut freed);
        }
    }

    /// Bytes of keys that were cleared and that nobody has taken off yet.
    pub(super) fn key_bytes_given_back(&self) -> u64 {
        self.key_bytes.load()
    }

    /// Bytes of keys that were cleared since this was last asked.
    pub(super) fn take_key_bytes(&self) -> u64 {
        if self.key_bytes.load() == 0 { 0 } else { self.key_bytes.swap(0) }
    }

    /// A row is as those that were swept.
    pub(super) fn left_out(&self) {
        self.swept.fetch_add(1);
    }

    /// A row that was swept is taken.
    pub(super) fn reused(&self) {
        self.swept.fetch_sub(1);
    }

    /// The linking of a row has been broken off; called inside the index.
    pub(super) fn broken_off(&self) {
        self.broken.fetch_add(1);
    }

    /// The linking of a row goes on that had been broken off; called inside the index.
    pub(super) fn resumed(&self) {
        self.broken.fetch_sub(1);
    }

    /// Rows whose linking has been broken off.
    pub(super) fn broken(&self) -> usize {
        self.broken.load() as usize
    }

    /// There will be no more writes.
    pub(super) fn close(&self) {
        self.closed.store(true);
    }

    /// A row has been linked; called under the settling lock.
    pub(super) fn settled(&self, level: usize, row: u32) {
        if self.risen.load() >> 32 < level as u64 + 1 {
            self.risen.store((level as u64 + 1) << 32 | u64::from(row));
        }
    }

    /// A row has been linked, or need not be.
    pub(super) fn note_linked(&self) {
        self.linked.fetch_add(1);
    }

    /// True while there is a capture.
    pub(super) fn is_captured(&self) -> bool {
        self.captures.load() > 0
    }

    /// True where what is condemned is out of the graph already: links to it are being taken away, or all that was in the
    /// graph is condemned, and what comes begins another. Asked under the settling lock, or at rest.
    pub(super) fn is_unlinking(&self) -> bool {
        self.stage() >= Stage::Unlink || self.emptied.load()
    }

    /// A capture comes into being, or goes; called under the settling lock where it comes.
    pub(super) fn captured(&self, there: bool) {
        if there {
            self.captures.fetch_add(1)
        } else {
            self.captures.fetch_sub(1)
        };
    }
}

impl Index {
    /// True when [`Index::sweep_some`] has something to do: to be called by one thread, which then sees to it that it is
    /// called, once. `from` is how many rows have to be dead for a sweep to begin, `limits::SWEEP_FROM` where nothing
    /// speaks for less.
    #[must_use]
    pub fn sweep_is_ready(&self, from: usize) -> bool {
        if self.sweep.busy.load() || self.sweep.closed.load() {
            return false;
        }
        let mut work = self.sweep.work.lock();
        let ready = match self.sweep.stage() {
            Stage::Idle => self.begin_sweep(&mut work, from),
            stage => self.may_go_on(&mut work, stage),
        };
        if ready {
            self.sweep.busy.store(true);
        }
        ready
    }

    /// True while a sweep is under way, or one is due, and the index can be written to.
    #[must_use]
    pub fn sweep_is_wanted(&self, from: usize) -> bool {
        !self.sweep.closed.load() && (self.sweep.stage() != Stage::Idle || self.sweep_is_due(from))
    }

    /// True while a sweep is on its way to its end and there are more dead rows than live ones, by more than `room`. One that has
    /// to wait for a capture, or for a link that has panicked, may wait for long.
    #[must_use]
    pub fn is_overgrown(&self, room: usize) -> bool {
        let sweep = &self.sweep;
        self.tombstones() > self.live().saturating_add(room)
            && sweep.stage() != Stage::Idle
            && !sweep.closed.load()
            && !sweep.is_captured()
            && sweep.broken.load() == 0
    }

    /// Says whether the index is on the list of those that are swept; true where it was before.
    pub fn list_for_sweep(&self, listed: bool) -> bool {
        self.sweep.listed.swap(listed, Ordering::Relaxed)
    }

    /// True while a slice is under way.
    #[must_use]
    pub fn sweep_is_busy(&self) -> bool {
        self.sweep.busy.load()
    }

    fn sweep_is_due(&self, from: usize) -> bool {
        let dead = self.tombstones();
        dead >= from.max(1) && dead * SHARE >= self.live() + dead
    }

    fn begin_sweep(&self, work: &mut Work, from: usize) -> bool {
        // Read first: what is linked from here on may count for the next sweep.
        let now = (self.tombstones(), self.sweep.linked.load());
        if !self.sweep_is_due(from) || now == work.barren {
            return false;
        }
        let rows = self.rows() as u32;
        *work =
            Work { end: rows, bits: vec![0; (rows as usize).div_ceil(64)], barren: now, ..Work::default() };
        let _settling = self.settling.lock();
        self.sweep.risen.store(0);
        self.sweep.emptied.store(false);
        self.sweep.stage.store(Stage::Mark as u32);
        true
    }

    /// Whether the present pass may go on, or begin.
    fn may_go_on(&self, work: &mut Work, stage: Stage) -> bool {
        let Some(mut grace) = work.grace else {
            // A capture knows which parents there were: another one may be newer than the capture.
            return stage != Stage::Rehome || !self.sweep.is_captured();
        };
        // Under this lock a capture comes into being.
        let _settling = self.settling.lock();
        let over = self.epochs.is_over(&mut grace);
        work.grace = Some(grace);
        // A capture knows who the root was.
        let crown = stage == Stage::Rehome && self.root().is_some_and(|root| self.condemned(root));
        let broken = self.sweep.broken.load() > 0;
        if !over || broken || (crown && self.sweep.is_captured()) {
            reached(Mark::SweepWaits);
            return false;
        }
        work.grace = None;
        work.at = 0;
        work.end = if stage == Stage::Unlink { self.rows() as u32 } else { work.condemned.len() as u32 };
        if stage == Stage::Rehome {
            self.inside().hand_on(work);
        }
        true
    }

    /// Does a slice of the sweep, as [`Index::sweep_is_ready`] has asked for: about as much as looking at `budget` rows.
    pub fn sweep_some(&self, budget: usize, scratch: &mut Scratch) {
        assert!(self.sweep.busy.load(), "a slice is asked for before it is done");
        let mut slice = Slice { sweep: &self.sweep, done: false };
        let mut work = self.sweep.work.lock();
        assert!(work.grace.is_none(), "a pass begins when its grace is over");
        freed(&self.sweep);
        let inside = self.inside();
        match self.sweep.stage() {
            Stage::Idle => unreachable!("a slice belongs to a sweep"),
            Stage::Mark => inside.mark_some(&mut work, budget),
            Stage::Rehome => inside.rehome_some(&mut work, budget, scratch),
            Stage::Unlink => inside.unlink_some(&mut work, budget, scratch),
            Stage::Clear => self.clear_some(&mut work, budget),
        }
        if work.at < work.end {
            reached(Mark::SweepInSlices);
        } else {
            self.end_pass(&mut work);
        }
        drop((work, inside));
        slice.done = true;
    }

    /// A slice that was asked for will not be done: there will be no more of this index.
    pub fn give_up_slice(&self) {
        if self.sweep.busy.load() {
            drop(Slice { sweep: &self.sweep, done: false });
        }
    }

    fn end_pass(&self, work: &mut Work) {
        let next = match self.sweep.stage() {
            Stage::Mark if !work.condemned.is_empty() => Stage::Rehome,
            Stage::Rehome => Stage::Unlink,
            Stage::Unlink => Stage::Clear,
            Stage::Idle | Stage::Mark | Stage::Clear => Stage::Idle,
        };
        if next == Stage::Idle {
            // What was dead had not been linked yet.
            let barren = if work.condemned.is_empty() { work.barren } else { (0, 0) };
            *work = Work { barren, ..Work::default() };
        } else {
            work.grace = Some(Grace::Far);
        }
        // Under this lock a capture comes into being: it knows of the stage, or the grace waits for it.
        let _settling = self.settling.lock();
        self.sweep.stage.store(next as u32);
        if next != Stage::Idle {
            self.epochs.hidden(&self.sweep);
        }
    }

    fn clear_some(&self, work: &mut Work, budget: usize) {
        for at in work.take((budget / CLEARED) as u32) {
            point("sweep: clear");
            let row = work.condemned[at as usize];
            for layer in 0..=self.level(row) {
                self.list(row, layer).iter().for_each(|link| link.store(0, Ordering::Relaxed));
            }
            self.sweep.key_bytes.fetch_add(self.keys.clear(row) as u64);
            self.cold.set(row, PARENT, 0);
            self.cold.set(row, STATE, CLAIMED | LINKED | SWEPT);
            self.places.give_back(row);
            if row < self.rows.mapped() {
                reached(Mark::SweptInMap);
            }
            // One by one: where the slice panics what is cleared is free, and counted.
            self.sweep.free(row);
        }
    }
}

impl Inside<'_> {
    fn mark_some(&self, work: &mut Work, budget: usize) {
        // Who enters from now on sees none of what was dead by then.
        let view = self.view();
        for row in work.take(budget as u32) {
            if row.is_multiple_of(STRIDE) {
                point("sweep: mark");
            }
            let state = self.cold.get(row, STATE);
            if state & LINKED == 0 || state & SWEPT != 0 {
                continue;
            }
            if view.coding.lived_after(row, view.moment()) {
                let level = self.level(row);
                if work.heir.is_none_or(|(highest, _)| level > highest) && self.in_graph(row) {
                    work.heir = Some((level, row));
                }
            } else {
                self.cold.group(row)[STATE].fetch_or(CONDEMNED, Ordering::AcqRel);
                work.condemned.push(row);
                work.bits[row as usize / 64] |= 1 << (row % 64);
            }
        }
    }
}
