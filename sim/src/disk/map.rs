//! Maps of files while their files change.
//!
//! A map shows what its file was when it was made, as the system does that holds the pages, until the plan has
//! something happen to it. A file that is cut takes the process with it at the next touch of its map. Of bytes that
//! change at rest the map shows those of vectors anew: nobody checks these twice, so what comes of them can only be
//! wrong distances. Keys and offsets it shows as they were, for with those a server may as well die.

use std::cell::UnsafeCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engram::env::Map;

use crate::scheduler::Scheduler;

/// The kind of a section of vectors, and the lengths of a snapshot's footer and of a table's entry without its inline
/// bytes, as the formats describe them.
const VECTORS: u64 = 18;
const FOOTER: usize = 32;
const ENTRY: usize = 28;

/// The maps that there are, by the number of the file.
pub(super) type Maps = BTreeMap<u64, Vec<Arc<Room>>>;

/// The bytes of one map.
pub(super) struct Room {
    bytes: Box<[UnsafeCell<u8>]>,
    /// Where the file's bytes begin, at an address divisible by 64.
    start: usize,
    len: usize,
    /// Where the file has vectors.
    vectors: Vec<Range<usize>>,
    /// The file has been cut.
    cut: AtomicBool,
}

// SAFETY: the bytes are written by `Room::change` alone, while the one thread that holds the baton makes them rot.
unsafe impl Sync for Room {}

/// What is told when a map is dropped.
pub(super) type Forget = Box<dyn Fn(&Arc<Room>) + Send + Sync>;

/// A map as the engine has it.
pub(super) struct SimMap {
    pub(super) room: Arc<Room>,
    pub(super) scheduler: Scheduler,
    pub(super) forget: Forget,
}

impl Room {
    pub(super) fn new(content: &[u8]) -> Self {
        const ALIGN: usize = 64;
        let bytes: Box<[UnsafeCell<u8>]> = (0..content.len() + ALIGN).map(|_| UnsafeCell::new(0)).collect();
        let start = bytes.as_ptr().align_offset(ALIGN).min(ALIGN);
        assert!(bytes[start..].as_ptr().addr().is_multiple_of(ALIGN), "a map is not aligned");
        let room = Self { bytes, start, len: content.len(), vectors: vectors(content), cut: false.into() };
        content.iter().enumerate().for_each(|(at, byte)| room.put(at, *byte));
        room
    }

    fn put(&self, at: usize, byte: u8) {
        if let Some(cell) = self.bytes[self.start..].get(at).filter(|_| at < self.len) {
            // SAFETY: see the `Sync` above. That a slice of these bytes may be alive somewhere is what is simulated:
            // pages of a map that change under its readers. They are plain numbers, every one of them valid.
            unsafe { *cell.get() = byte };
        }
    }

    /// The file's bytes are now `content`: what of it are vectors shows. True if any of it has changed.
    pub(super) fn change(&self, content: &[u8]) -> bool {
        let before = self.bytes();
        let differs = |at: &usize| content.get(*at).is_some_and(|byte| before.get(*at) != Some(byte));
        let changed: Vec<usize> = self.vectors.iter().cloned().flatten().filter(differs).collect();
        changed.iter().for_each(|at| self.put(*at, content[*at]));
        !changed.is_empty()
    }

    /// The file has been cut: the next touch is the last.
    pub(super) fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }

    fn bytes(&self) -> &[u8] {
        let first = self.bytes.as_ptr().cast::<u8>().wrapping_add(self.start);
        // SAFETY: `new` placed `len` bytes there; they live as long as `self`, and are changed as `put` says.
        unsafe { std::slice::from_raw_parts(first, self.len) }
    }
}

/// Where a snapshot has vectors, by its own table; nowhere in a file that is no whole snapshot.
fn vectors(file: &[u8]) -> Vec<Range<usize>> {
    let word = |at: usize, len: usize| {
        let bytes = file.get(at..at + len)?;
        Some(bytes.iter().rev().fold(0_u64, |word, byte| word << 8 | u64::from(*byte)))
    };
    let read = || {
        let footer = file.len().checked_sub(FOOTER)?;
        let (mut at, sections) = (word(footer, 8)? as usize, word(footer + 16 + 4, 4)?);
        let mut found = Vec::new();
        for _ in 0..sections {
            let (kind, offset, len) = (word(at, 4)?, word(at + 8, 8)? as usize, word(at + 16, 8)? as usize);
            if kind == VECTORS {
                found.push(offset..offset.checked_add(len)?.min(file.len()));
            }
            at = at.checked_add(ENTRY)?.checked_add(word(at + 24, 4)? as usize)?;
        }
        Some(found)
    };
    read().unwrap_or_default()
}

impl Drop for SimMap {
    fn drop(&mut self) {
        (self.forget)(&self.room);
    }
}

// SAFETY: address and length stay; the bytes stay as well, unless the plan has the medium break that promise for it,
// and then only bytes of vectors change, for which every value is valid.
unsafe impl Map for SimMap {
    fn bytes(&self) -> &[u8] {
        if self.room.cut.load(Ordering::Relaxed) && !self.scheduler.stopped() {
            self.scheduler.note("pages", "touched behind a cut", [0; 3]);
            self.scheduler.crash_after(0, "pages");
        }
        self.room.bytes()
    }
}

/// A map of a file that nobody changes.
pub(super) struct StillMap(Room);

impl StillMap {
    pub(super) fn new(content: &[u8]) -> Self {
        Self(Room::new(content))
    }
}

// SAFETY: nobody calls `Room::change` for it.
unsafe impl Map for StillMap {
    fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }
}
