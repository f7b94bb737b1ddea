//! Writing a snapshot beside the running server.
//!
//! The loop's half: a cursor walks the keyspace in slices and hands every entry over; an entry about to change is
//! handed over before, with its old value, so the snapshot is the state at one LSN. The thread's half: sections into
//! a temporary file, then publishing it. A large string is shared with the thread, not copied. Hand-over is bounded: the cursor rests while the thread is behind; only
//! entries that are about to change pass regardless. What a snapshot keeps in memory is counted ([`Saving::memory`]): at
//! most what strings, and indexes that are removed meanwhile, took when it was begun. What a capture keeps of an index that
//! stays, dead rows, is part of that index's bytes, and reckoned by [`Saving::dead`]. Where that, and what is there for the snapshot's
//! sake ([`Saving::kept`]), is too much the snapshot hurries, or is given up ([`Saving::bound`]).

use std::sync::Arc;
use std::time::Duration;

use super::backup::Target;
use super::desk::{Desk, FINISHING, Held, Piece};
use super::kept::{self, Kept};
use super::keyspace::{Entry, Keyspace};
use super::value::Value;
use super::writing::write;
use crate::base::bytes::Put;
use crate::base::limits::{BACKUP_LEAVES, SNAPSHOT_SLICE};
use crate::base::mark::{Mark, Work, reached, spent};
use crate::base::sync::{self, JoinHandle};
use crate::index::Index;
use crate::wal::Lsn;

/// Section kinds of the engine (see `FORMAT.md`); an index has its own, from 16 up.
pub(super) mod kind {
    use crate::index::SectionKind;

    pub(in crate::engine) const STRINGS: u32 = 1;
    pub(in crate::engine) const SET: u32 = 2;
    pub(in crate::engine) const END: u32 = 3;
    /// An index's kinds stand behind it.
    const INDEX: u32 = 16;

    /// The kind of a section of an index.
    pub(in crate::engine) fn for_index(kind: SectionKind) -> u32 {
        INDEX + kind.code()
    }

    /// The index's kind that a section's kind stands for.
    pub(in crate::engine) fn of_index(kind: u32) -> Option<SectionKind> {
        kind.checked_sub(INDEX).and_then(SectionKind::with_code)
    }
}

/// Bytes of entries gathered before they are handed over.
pub(super) const CHUNK: usize = 1 << 20;

/// What has become of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Which of this run's snapshots, from 1.
    pub number: u64,
    /// The log position it stands for.
    pub lsn: Lsn,
    /// The backup that it is, if it is one: the log behind it stays then.
    pub backup: Option<String>,
    /// The file's size in bytes, or why there is none.
    pub result: Result<u64, String>,
}

impl Saved {
    /// What it is called: a snapshot, or a backup and its name.
    #[must_use]
    pub fn called(&self) -> String {
        called(self.backup.as_deref())
    }
}

/// A snapshot that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The log position that it will stand for.
    pub lsn: Lsn,
    /// Bytes so far.
    pub written: u64,
    /// How long it has been at work.
    pub took: Duration,
}

/// The loop's half.
pub(crate) struct Saving {
    epoch: u32,
    /// Entries that one slice of the cursor looks at, at most.
    slice: usize,
    running: Option<Running>,
}

struct Running {
    number: u64,
    /// Somebody has asked for it.
    asked: bool,
    /// It keeps to no rate any more.
    hurries: bool,
    /// Indexes that were captured, and how many of their rows were dead then: as long as the snapshot has not written one, rows
    /// that die are kept.
    captured: Kept,
    /// Indexes that were removed since, and which it may hold still, and their bytes then.
    removed: Kept,
    lsn: Lsn,
    backup: Option<String>,
    /// Where the cursor stands; none when it has been everywhere.
    cursor: Option<u64>,
    chunk: Vec<u8>,
    /// Bytes of the chunk that are there for the snapshot's sake.
    chunk_kept: usize,
    /// Bytes that lay on the desk when it was last looked at.
    held: Held,
    entries: u64,
    sets: u64,
    desk: Arc<Desk>,
    thread: JoinHandle,
}

impl Default for Saving {
    fn default() -> Self {
        Self::in_slices(SNAPSHOT_SLICE)
    }
}

impl Saving {
    /// Nothing is saved yet; a snapshot's cursor will look at `slice` entries a turn at most.
    pub(crate) fn in_slices(slice: usize) -> Self {
        assert!(slice > 0, "a cursor has to get on");
        Self { epoch: 0, slice, running: None }
    }

    /// New entries carry it: no snapshot that is running needs them.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// True while a snapshot is being written.
    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// True while entries that change must be handed over first.
    pub(crate) fn is_scanning(&self) -> bool {
        self.running.as_ref().is_some_and(|r| r.cursor.is_some())
    }

    /// Begins a snapshot of the present state, which is that of `lsn`; what is gathered for it meets on `desk`.
    pub(crate) fn begin(
        &mut self,
        target: Target,
        desk: Desk,
        lsn: Lsn,
        (number, asked): (u64, bool),
    ) -> std::io::Result<()> {
        assert!(self.running.is_none(), "one snapshot at a time");
        let (desk, name) = (Arc::new(desk), target.backup());
        reached(Mark::SnapshotBegun);
        let theirs = Arc::clone(&desk);
        let thread = sync::spawn("snapshot", move || {
            let result = sync::catch(|| write(&target, lsn, &theirs)).unwrap_or_else(Err);
            // What was not written may be all that FLUSHALL took away: that is not for the loop to drop.
            while let Some(unwritten) =
                theirs.put_down(Saved { number, lsn, backup: target.backup(), result: result.clone() })
            {
                reached(Mark::PiecesDropped);
                drop(unwritten);
            }
            theirs.wake();
        })?;
        self.epoch += 1;
        self.running = Some(Running {
            number,
            asked,
            hurries: false,
            captured: Kept::new(dead),
            removed: Kept::new(whole),
            lsn,
            backup: name,
            cursor: Some(0),
            chunk: Vec::new(),
            chunk_kept: 0,
            held: Held::default(),
            entries: 0,
            sets: 0,
            desk,
            thread,
        });
        Ok(())
    }

    /// Hands `entry` over unless the snapshot has it.
    pub(crate) fn see(&mut self, entry: &mut Entry<Value>) {
        if let Some(running) = &mut self.running
            && entry.epoch < self.epoch
        {
            reached(Mark::ValuePreserved);
            entry.epoch = self.epoch;
            running.hand_over(entry, true);
        }
    }

    /// Takes all entries at once, as FLUSHALL leaves them; gives them back if no snapshot wants them.
    pub(crate) fn take_over(&mut self, keyspace: Keyspace<Value>) -> Option<Keyspace<Value>> {
        let Some(running) = &mut self.running else { return Some(keyspace) };
        let left = match running.cursor {
            Some(_) => running.hand_over_all(keyspace, self.epoch),
            None => Some(keyspace),
        };
        running.captured.clear();
        if left.is_none() {
            reached(Mark::ClearedMeanwhile);
            return None;
        }
        reached(Mark::ClearedTooLate);
        running.removed.clear();
        for index in running.desk.indexes() {
            // In the keyspace, until it is dropped: none goes here.
            let bytes = index.upgrade().map_or(0, |index| index.bytes());
            running.removed.put(index, bytes);
        }
        left
    }

    /// An index is about to go from the keyspace; a snapshot that has captured it keeps it until it has been written.
    pub(crate) fn removes(&mut self, index: &Arc<Index>) {
        if let Some(running) = &mut self.running
            && running.captured.take(index)
        {
            // From now on it counts as a whole.
            running.removed.put(Arc::downgrade(index), index.bytes());
        }
    }

    /// Bytes that only a snapshot keeps: what was handed over and is not written yet, and indexes that are nowhere else.
    pub(crate) fn memory(&self) -> usize {
        let waits = self.running.as_ref().map_or(0, |running| running.held.all + running.chunk.capacity());
        waits + self.gone()
    }

    /// Those of them that the snapshot's rate, or its disk, makes more: all but what the cursor has handed over.
    pub(crate) fn kept(&self) -> usize {
        let waits = self.running.as_ref().map_or(0, |running| running.held.kept + running.chunk_kept);
        waits + self.gone()
    }

    /// Bytes of indexes that were removed and that only a snapshot holds.
    fn gone(&self) -> usize {
        self.running.as_ref().map_or(0, |running| running.removed.bytes())
    }

    /// About how many bytes are dead rows of indexes that are there, which a snapshot keeps from being swept.
    pub(crate) fn dead(&self) -> usize {
        self.running.as_ref().map_or(0, |running| running.captured.bytes())
    }

    /// Weighs some of the indexes that it holds anew.
    pub(crate) fn look(&mut self) {
        if let Some(running) = &mut self.running {
            running.captured.look();
            running.removed.look();
        }
    }

    /// A running snapshot makes the server keep so many bytes, where `bound` are allowed: above half of them it keeps to no
    /// rate any more, and above all of them it is given up, unless somebody has asked for it.
    pub(crate) fn bound(&mut self, kept: usize, bound: usize) {
        if kept <= bound / 2 {
            return;
        }
        self.hurry();
        let Some(running) = &mut self.running else { return };
        if kept > bound && !running.asked && !running.desk.has_ended() {
            reached(Mark::SnapshotTooLarge);
            running.desk.cancel(&format!(
                "it made the server keep {kept} bytes, and snapshot-memory allows {bound}: it is tried again later"
            ));
        }
    }

    /// A running snapshot keeps to no rate from now on: too much rests on it.
    pub(crate) fn hurry(&mut self) {
        if let Some(running) = self.running.as_mut().filter(|running| !running.hurries) {
            reached(Mark::SnapshotHurries);
            running.hurries = true;
            running.desk.set_rate(0);
        }
    }

    /// One slice of the walk. True while there is more to do at once.
    pub(crate) fn step(&mut self, keyspace: &mut Keyspace<Value>) -> bool {
        let epoch = self.epoch;
        let Some(running) = &mut self.running else { return false };
        let Some(cursor) = running.cursor else { return false };
        if running.desk.is_full() {
            return false;
        }
        let (mut next, mut bytes, mut seen) = (cursor, 0, 0);
        for _ in 0..self.slice {
            // One after the other: each may be large.
            next = keyspace.scan_mut(next, 1, &mut |entry| {
                seen += 1;
                if entry.epoch < epoch {
                    entry.epoch = epoch;
                    bytes += running.hand_over(entry, false);
                }
            });
            if next == 0 || bytes >= CHUNK {
                break;
            }
        }
        spent(Work::Saved, seen);
        running.cursor = (next != 0).then_some(next);
        if next == 0 {
            running.end();
        } else {
            reached(Mark::SliceEnded);
        }
        next != 0
    }

    /// How far a snapshot that is running has come.
    pub(crate) fn progress(&self) -> Option<Progress> {
        self.running.as_ref().map(|running| Progress {
            lsn: running.lsn,
            written: running.desk.written(),
            took: running.desk.took(),
        })
    }

    /// What has become of the snapshot, once.
    pub(crate) fn finished(&mut self) -> Option<Saved> {
        let running = self.running.as_mut()?;
        let saved;
        (saved, running.held) = running.desk.look();
        let saved = saved?;
        reached(Mark::SnapshotEnded);
        if let Some(running) = self.running.take() {
            // The thread has nothing left to do, and whatever it met is in `saved`.
            drop(running.thread.join());
        }
        Some(saved)
    }

    /// Tells the thread of a running snapshot to leave, unless its number is among those `kept`; returns what it is called.
    /// What has become of it is told as ever ([`Saving::finished`]): it may be published already.
    pub(crate) fn give_up(&mut self, kept: &[u64]) -> Option<String> {
        let running = self.running.as_ref()?;
        if kept.contains(&running.number) || running.desk.has_ended() {
            return None;
        }
        reached(Mark::SnapshotCancelled);
        running.desk.cancel(FINISHING);
        Some(format!("{} at LSN {}", called(running.backup.as_deref()), running.lsn.0))
    }

    /// A running snapshot writes so many bytes a second from now on; 0 for as many as the disk takes.
    pub(crate) fn set_rate(&self, rate: u64) {
        if let Some(running) = self.running.as_ref().filter(|running| !running.hurries) {
            running.desk.set_rate(rate);
        }
    }

    /// Tells the thread of a running snapshot to leave.
    pub(crate) fn cancel(&self) {
        if let Some(running) = &self.running {
            running.desk.cancel(FINISHING);
        }
    }

    /// Gives up a running snapshot and waits until its thread has gone; where it is a backup, whose disk is another one and may
    /// hang, not for long.
    pub(crate) fn end(&mut self) {
        self.cancel();
        if let Some(running) = self.running.take() {
            if running.backup.is_some() && !running.desk.await_end(BACKUP_LEAVES) {
                return;
            }
            drop(running.thread.join());
        }
    }
}

impl Running {
    /// Hands over all that the cursor has not seen; gives it back if the thread takes nothing more.
    fn hand_over_all(&mut self, keyspace: Keyspace<Value>, epoch: u32) -> Option<Keyspace<Value>> {
        self.put_chunk();
        let bytes = keyspace.bytes();
        let held = Held { all: bytes, kept: bytes };
        if let Some(Piece::Rest { keyspace, .. }) = self.put(Piece::Rest { keyspace, epoch }, held) {
            return Some(keyspace);
        }
        self.cursor = None;
        self.end();
        None
    }

    /// Lays a piece on the desk; returns it where it is too late for that.
    fn put(&mut self, piece: Piece, bytes: Held) -> Option<Piece> {
        let back;
        (self.held, back) = self.desk.put(piece, bytes);
        back
    }

    /// Hands an entry to the thread, because the cursor has come there, or because it is about to change and is `kept`;
    /// returns how many bytes that took.
    fn hand_over(&mut self, entry: &mut Entry<Value>, kept: bool) -> usize {
        if let Some(value) = entry.value.share() {
            self.entries += 1;
            let mut head = Vec::new();
            put_head(&mut head, entry, &value);
            let bytes = head.capacity() + value.capacity();
            let held = Held { all: bytes, kept: if kept { bytes } else { 0 } };
            self.put(Piece::Large { head, value }, held);
            return bytes;
        }
        match &entry.value {
            Value::Shared(_) => unreachable!("it was handed over"),
            Value::String(bytes) => {
                self.entries += 1;
                let before = self.chunk.len();
                put_string_entry(&mut self.chunk, entry, bytes);
                self.chunk_kept += if kept { self.chunk.len() - before } else { 0 };
                if self.chunk.len() >= CHUNK {
                    self.put_chunk();
                }
                bytes.len()
            }
            Value::Vectors(set) => {
                self.sets += 1;
                let (meta, capture) = (set_meta(entry), set.writer.capture());
                let index = set.writer.index();
                self.captured.put(Arc::downgrade(index), index.dead().0);
                // A capture has three bits a row.
                let bytes = size_of::<Piece>() + meta.len() + capture.rows() * 3 / 8;
                let held = Held { all: bytes, kept: if kept { bytes } else { 0 } };
                self.put(Piece::Set { meta, capture }, held);
                bytes
            }
        }
    }

    fn put_chunk(&mut self) {
        if !self.chunk.is_empty() {
            let mut chunk = std::mem::take(&mut self.chunk);
            chunk.shrink_to_fit();
            let held = Held { all: chunk.capacity(), kept: std::mem::take(&mut self.chunk_kept) };
            self.put(Piece::Strings(chunk), held);
        }
    }

    fn end(&mut self) {
        self.put_chunk();
        let end = Piece::End { entries: self.entries, sets: self.sets };
        self.put(end, Held::default());
    }
}

/// What a snapshot is called.
pub(super) fn called(backup: Option<&str>) -> String {
    backup.map_or_else(|| "snapshot".to_owned(), |name| format!("backup {name}"))
}

/// The bytes of the rows that have died since an index was captured, until it has been written.
fn dead(held: &kept::Held) -> Option<usize> {
    // An index that leaves the keyspace leaves the list first: none is dropped here.
    let index = held.index.upgrade().filter(|index| index.is_captured())?;
    let (now, row) = index.dead();
    Some(now.saturating_sub(held.known) * row)
}

/// The bytes of an index that somebody still holds.
fn whole(held: &kept::Held) -> Option<usize> {
    (held.index.strong_count() > 0).then_some(held.known)
}

pub(super) fn put_string_entry(out: &mut Vec<u8>, entry: &Entry<Value>, value: &[u8]) {
    put_head(out, entry, value);
    out.extend_from_slice(value);
}

/// All of it but its value.
fn put_head(out: &mut Vec<u8>, entry: &Entry<Value>, value: &[u8]) {
    out.put_u64(entry.expire_at);
    out.put_string(&entry.key);
    out.put_length(value);
}

pub(super) fn set_meta(entry: &Entry<Value>) -> Vec<u8> {
    let mut meta = Vec::with_capacity(12 + entry.key.len());
    meta.put_u64(entry.expire_at);
    meta.put_string(&entry.key);
    meta
}
