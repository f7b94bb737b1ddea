//! Who is inside an index, so that a row is not written again while somebody may still read it.
//!
//! Everyone who holds the number of a row, or a slice of one, is inside: two counters and the side that is counted on.
//! Entering is one addition and leaving another; nobody waits. Whoever has taken something out of sight asks, with a
//! [`Grace`], whether all have left who could have seen it: the counter of the far side has to be empty, then the sides
//! change, then the counter of the near side has to be empty. After the sleepable read-copy-update of the Linux kernel
//! (McKenney, "Sleepable RCU", 2006), with read-modify-write operations instead of fences: a counter is asked by adding
//! nothing to it, so whoever enters afterwards sees what the asker did before.

use std::ops::Deref;
use std::sync::Arc;

use super::coding::Coding;
use super::gather::{Gather, Met};
use super::near::Near;
use super::query::Query;
use super::view::View;
use super::{Index, RowId};
use crate::base::mark::{Told, tell};
use crate::base::rng::mix64;
use crate::base::sync::AtomicU64;

/// On a cache line of its own: it is written by every search.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Counter(AtomicU64);

/// Who is inside.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    /// How often sides were changed; its lowest bit is the side on which those who enter are counted.
    side: AtomicU64,
    inside: [Counter; 2],
}

/// Being inside, for a call of one of the index's own functions.
#[derive(Debug)]
pub(super) struct Inside<'a> {
    index: &'a Index,
    side: usize,
}

/// Being inside an index, for who reads rows by their numbers: what lives while this is there stays what it is until it
/// is dropped, even where it dies. No other row can be read: asking for one panics.
#[derive(Debug)]
pub struct Pinned {
    index: Arc<Index>,
    side: usize,
    /// What lived then, or was born later, can be read.
    moment: u32,
}

/// `thing` is given back, or what it was before: everyone has left who was inside when it was hidden.
pub(super) fn freed<T>(thing: &T) {
    tell(Told::Freed { thing: std::ptr::from_ref(thing).addr() });
}

/// Waiting until everyone has left who was inside when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grace {
    /// For those who were counted on the far side.
    Far,
    /// For those on this one, from which the others have turned away: the one before the side of this number.
    Near(u64),
}

impl Epochs {
    fn enter(&self) -> usize {
        let side = self.side.load() as usize & 1;
        self.inside[side].0.fetch_add(1);
        tell(Told::Entered { room: self.room(), door: side });
        side
    }

    fn leave(&self, side: usize) {
        self.inside[side].0.fetch_sub(1);
        tell(Told::Left { room: self.room(), door: side });
    }

    fn room(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Who enters from here on does not come to `thing`. A simulation then sees to it that it is not [`freed`] too early.
    pub(super) fn hidden<T>(&self, thing: &T) {
        tell(Told::Hidden { room: self.room(), thing: std::ptr::from_ref(thing).addr() });
    }

    /// There is no inside any more.
    pub(super) fn closed(&self) {
        tell(Told::Closed { room: self.room() });
    }

    fn is_empty(&self, side: usize) -> bool {
        self.inside[side].0.fetch_add(0) == 0
    }

    /// Whether `grace` is over; carries it on as far as it goes. There may be several, but one thread asks for all.
    pub(super) fn is_over(&self, grace: &mut Grace) -> bool {
        loop {
            let now = self.side.load();
            let far = 1 - (now as usize & 1);
            match *grace {
                Grace::Far if self.is_empty(far) => {
                    self.side.store(now + 1);
                    *grace = Grace::Near(now + 1);
                }
                Grace::Far => return false,
                // Another grace has changed sides again, for which nobody was left on this one.
                Grace::Near(turned) if now > turned => return true,
                Grace::Near(_) => return self.is_empty(far),
            }
        }
    }
}

impl Index {
    /// Enters the index. Whoever uses the rows that a search has found enters before the search, and leaves when it is
    /// done with them.
    #[must_use]
    pub fn pin(self: &Arc<Self>) -> Pinned {
        let side = self.epochs.enter();
        // Only now: what is swept from here on was dead by then.
        Pinned { side, moment: self.moment.load(), index: Arc::clone(self) }
    }

    /// Enters the index for a call of one of its own functions.
    pub(super) fn inside(&self) -> Inside<'_> {
        Inside { side: self.epochs.enter(), index: self }
    }
}

impl Inside<'_> {
    /// By what the index is walked.
    #[inline]
    pub(super) fn coding(&self) -> &Coding {
        self.index.coding.get()
    }

    /// The index now.
    #[inline]
    pub(super) fn view(&self) -> View<'_> {
        View::new(self.index)
    }
}

impl Deref for Inside<'_> {
    type Target = Index;

    #[inline]
    fn deref(&self) -> &Index {
        self.index
    }
}

impl Pinned {
    /// The index.
    #[must_use]
    pub fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// The index now.
    pub(super) fn view(&self) -> View<'_> {
        View::new(&self.index)
    }

    /// `row`, which has to be there still. Panics where it was dead before this one entered, and on a number that no row
    /// has.
    fn held(&self, RowId(row): RowId) -> u32 {
        assert!(
            self.index.coding.get().lived_after(row, self.moment),
            "a row is read by who was inside while it lived"
        );
        row
    }

    /// The key of a row.
    #[must_use]
    pub fn key(&self, row: RowId) -> &[u8] {
        self.index.keys.get(self.held(row))
    }

    /// The vector of a row, bit for bit as it was inserted.
    #[must_use]
    pub fn vector(&self, row: RowId) -> &[f32] {
        &self.index.rows.published().row(self.held(row))[..self.index.config.dim]
    }

    /// How far a row is from `query`, whether it lives still or not.
    #[must_use]
    pub fn near(&self, query: &Query, row: RowId) -> Near {
        self.view().near(query.target(), self.held(row))
    }

    /// How far two rows are from each other.
    #[must_use]
    pub fn between(&self, from: RowId, to: RowId) -> Near {
        let view = self.view();
        view.near(view.target(self.held(from)), self.held(to))
    }

    /// Brings these rows, those too that have died meanwhile.
    pub fn compare<G: Gather + ?Sized>(&self, query: &Query, rows: &[RowId], gather: &mut G) {
        self.index.compare(query, rows.iter().map(|row| self.held(*row)), gather);
    }

    /// At most `most` living rows from all over the index, always the same ones of the same rows.
    pub fn sample(&self, most: usize) -> impl Iterator<Item = Met<'_>> {
        let view = self.view();
        let (rows, most) = (u64::from(view.count()), (most as u64).max(1));
        // One row out of each of `most` stretches, which one being drawn: keys that come in turns are no trouble.
        let drawn = move |n: u64| {
            let (from, to) = (n * rows / most, (n + 1) * rows / most);
            (from < to).then(|| (from + mix64(self.index.config.seed ^ to) % (to - from)) as u32)
        };
        (0..most).filter_map(drawn).filter(move |row| view.lives(*row)).map(|row| Met::new(&self.index, row))
    }
}

impl Deref for Pinned {
    type Target = Index;

    fn deref(&self) -> &Index {
        &self.index
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.index.epochs.leave(self.side);
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.index.epochs.leave(self.side);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Entered<'a>(&'a Epochs, usize);

    impl Drop for Entered<'_> {
        fn drop(&mut self) {
            self.0.leave(self.1);
        }
    }

    fn pin(epochs: &Epochs) -> Entered<'_> {
        Entered(epochs, epochs.enter())
    }

    #[test]
    fn a_grace_waits_for_who_is_inside_and_for_nobody_who_comes_later() {
        let epochs = Epochs::default();
        let mut first = Grace::Far;
        assert!(epochs.is_over(&mut first), "nobody is inside");
        let (early, mut second) = (pin(&epochs), Grace::Far);
        assert!(!epochs.is_over(&mut second));
        let late = pin(&epochs);
        drop(early);
        assert!(epochs.is_over(&mut second), "the late one entered on the other side");
        let mut third = Grace::Far;
        let later = pin(&epochs);
        assert!(!epochs.is_over(&mut third));
        drop(late);
        assert!(!epochs.is_over(&mut third));
        drop(later);
        assert!(epochs.is_over(&mut third));
    }

    #[test]
    fn who_was_counted_on_a_side_that_has_changed_meanwhile_is_waited_for() {
        let epochs = Epochs::default();
        // It has read the side and is counted only after everybody else has turned away from it.
        let side = epochs.side.load() as usize & 1;
        assert!(epochs.is_over(&mut Grace::Far));
        epochs.inside[side].0.fetch_add(1);
        let mut grace = Grace::Far;
        assert!(!epochs.is_over(&mut grace));
        epochs.leave(side);
        assert!(epochs.is_over(&mut grace));
    }
}
