//! What a walk reads of rows, in one form (`QUANT`): when each came and went, its code, and what an estimate needs besides.
//!
//! An index has one coding by which it is walked. Another may be in the making ([`super::recode`]), or be there still for those
//! who entered the index before it was replaced. So whoever is inside takes the coding once, by one load, and keeps to it:
//! a search is by one form from beginning to end.
//!
//! The writer writes each row, and each death, into every coding that there is. Hence any of them answers for all rows that
//! are published, for as long as somebody may read it.
//!
//! The invariants behind the unsafe code: a coding that has been replaced is let go of when everyone has left who was inside
//! then ([`super::epochs`]), and only who is inside reads one, who holds the index; so the index keeps it until then, for its
//! writer may be gone before. The strip of a row is written before the row, or the coding, can be read, by one thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::cells::Cells;
use super::codes::Coder;
use super::epochs::freed;
use super::metric::ByDot;
use super::strips::Strips;
use super::{Config, Quant};
use crate::base::sync::{Mutex, point};

/// Words of `hot`: one more than the moment behind which the row is there; zero where none has been.
pub(super) const BIRTH: usize = 0;
/// Zero while the row lives; afterwards, the moment from which on it is dead.
pub(super) const DEATH: usize = 1;
/// What every distance on the row itself needs, where rows have no codes.
pub(super) const TERM: usize = 2;
/// What the row contributes to a distance that is estimated by its code.
pub(super) const ADD: usize = 2;
/// The factor of its code in such a distance.
pub(super) const FACTOR: usize = 3;
const HOT: usize = 4;

/// All rows in one form.
#[derive(Debug)]
pub(super) struct Coding {
    quant: Quant,
    pub(super) coder: Option<Coder>,
    /// What is read of a row with its code.
    pub(super) hot: Cells,
    codes: Strips<u8>,
}

impl Drop for Coding {
    fn drop(&mut self) {
        freed(self);
    }
}

impl Coding {
    /// No rows in the form `quant`.
    pub(super) fn new(config: &Config, quant: Quant) -> Self {
        let coder = Coder::new(config, quant);
        let codes = Strips::new(coder.as_ref().map_or(0, Coder::stride));
        Self::with(quant, coder, codes)
    }

    /// The form `quant`, with these codes where it has codes.
    pub(super) fn with(quant: Quant, coder: Option<Coder>, codes: Strips<u8>) -> Self {
        let hot = Cells::new(if coder.is_some() { HOT } else { FACTOR });
        Self { quant, coder, hot, codes }
    }

    /// Its form.
    pub(super) fn quant(&self) -> Quant {
        self.quant
    }

    /// Its codes.
    pub(super) fn codes(&self) -> &Strips<u8> {
        &self.codes
    }

    /// Bytes of memory for so many rows, of which `taken` lie in places of a map, and its own.
    pub(super) fn bytes(&self, rows: usize, taken: usize) -> usize {
        let own = size_of::<Self>() + self.coder.as_ref().map_or(0, Coder::bytes);
        own + self.hot.bytes(rows) + self.codes.bytes(rows, taken)
    }

    /// Makes sure that there is room for a row. The writer calls this, and beside it whoever writes codes of the rows that
    /// were there before.
    pub(super) fn grow(&self, row: u32) {
        self.hot.grow(row);
        if self.coder.is_some() {
            self.codes.grow(row);
        }
    }

    /// Says when a row dies, for which there may be no room yet.
    pub(super) fn kill(&self, row: u32, moment: u32) {
        self.hot.grow(row);
        self.hot.set(row, DEATH, moment);
    }

    /// Writes what a walk reads of a row besides its life. The row cannot be read by this coding yet, nobody else writes it,
    /// and there is room for it. `vector` may be padded; `term` is its metric's.
    pub(super) fn write(&self, row: u32, vector: &[f32], term: u32, rotated: &mut Vec<f32>) {
        let Some(coder) = &self.coder else { return self.hot.set(row, TERM, term) };
        // SAFETY: nobody reads the strip or writes to it, by this function's contract.
        let code = unsafe { self.codes.to_write(row) };
        code.fill(0);
        let share = coder.encode(vector, rotated, code);
        self.hot.set(row, ADD, share.add.to_bits());
        self.hot.set(row, FACTOR, share.factor.to_bits());
    }

    /// The code of a row; only where rows have codes.
    #[inline]
    pub(super) fn code(&self, row: u32) -> &[u8] {
        assert!(self.codes.stride() > 0, "only rows with codes are asked for them");
        self.codes.get(row)
    }

    /// What an estimated distance needs besides the code.
    pub(super) fn share(&self, row: u32) -> ByDot {
        let share = |word: usize| f32::from_bits(self.hot.get(row, word));
        ByDot { add: share(ADD), factor: share(FACTOR) }
    }

    /// True where the row did not die before the end of a moment. Once false it stays so until the row is another.
    #[inline]
    pub(super) fn lived_after(&self, row: u32, moment: u32) -> bool {
        let death = self.hot.get(row, DEATH);
        death == 0 || death > moment
    }

    /// True where a row was there before `moment`, dead or alive by then.
    #[inline]
    pub(super) fn came_before(&self, row: u32, moment: u32) -> bool {
        // A zero becomes the largest number.
        self.hot.get(row, BIRTH).wrapping_sub(1) < moment
    }

    /// True while a row is there that nobody has overwritten or removed.
    pub(super) fn lives_on(&self, row: u32) -> bool {
        self.hot.get(row, DEATH) == 0 && self.hot.get(row, BIRTH) != 0
    }
}

/// The coding by which an index is walked, and the one before it for as long as somebody may read that.
#[derive(Debug)]
pub(super) struct Current {
    coding: AtomicPtr<Coding>,
    before: Mutex<Option<Arc<Coding>>>,
}

impl Current {
    pub(super) fn new(coding: Arc<Coding>) -> Self {
        Self {
            coding: AtomicPtr::new(Arc::into_raw(coding).cast_mut()),
            before: Mutex::new("coding before", None),
        }
    }

    /// The coding. Only for who is inside the index, for as long as that lasts.
    #[inline]
    pub(super) fn get(&self) -> &Coding {
        point("coding");
        let coding = self.coding.load(Ordering::Acquire);
        // SAFETY: it came from an `Arc` of which `self` holds a count, until it is replaced and beyond, up to `let_go`: until
        // everyone has left who is inside now (the file's invariant).
        unsafe { &*coding }
    }

    /// Puts another coding in its place, and returns it; the one before it has been let go of. Only the one writer calls this.
    pub(super) fn replace(&self, coding: Arc<Coding>) -> Arc<Coding> {
        let mut before = self.before.lock();
        assert!(before.is_none(), "the coding before the last has been let go of");
        point("coding replaced");
        let replaced = self.coding.swap(Arc::into_raw(coding).cast_mut(), Ordering::AcqRel);
        // SAFETY: it came from `Arc::into_raw`, and the count that `self` held is handed on.
        let replaced = unsafe { Arc::from_raw(replaced) };
        Arc::clone(before.insert(replaced))
    }

    /// The coding that was replaced, kept no longer. Only when everyone has left who was inside by then.
    pub(super) fn let_go(&self) -> Option<Arc<Coding>> {
        self.before.lock().take()
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        // SAFETY: as in `replace`; nobody is inside an index that is dropped.
        drop(unsafe { Arc::from_raw(*self.coding.get_mut()) });
    }
}
