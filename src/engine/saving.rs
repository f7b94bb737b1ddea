//! Writing a snapshot beside the running server.
//!
//! The loop's half: a cursor walks the keyspace in slices and hands every entry over; an entry about to change is
//! handed over before, with its old value, so the snapshot is the state at one LSN. The thread's half: sections into
//! a temporary file, then publishing it. Hand-over is bounded: the cursor rests while the thread is behind; only
//! entries that are about to change pass regardless. What a snapshot keeps in memory is counted ([`Saving::memory`]): at
//! most what strings, and indexes that are removed meanwhile, took when it was begun. What a capture keeps of an index that
//! stays, dead rows and a coding that was replaced, is part of that index's bytes, and not bounded here.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::backup::Target;
use super::desk::{Desk, FINISHING, Piece};
use super::keyspace::{Entry, Keyspace};
use super::value::Value;
use crate::base::bytes::Put;
use crate::base::limits::SNAPSHOT_SLICE;
use crate::base::mark::{Mark, Work, reached, spent};
use crate::base::sync::{self, JoinHandle};
use crate::env::Storage;
use crate::index::{Capture, Index, SectionKind, Sink};
use crate::snapshot::{self, SnapshotWriter};
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
const CHUNK: usize = 1 << 20;
/// Bytes that are written between two looks at the rate, and at whether to go on.
const PIECE: usize = 64 << 10;

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
    /// Indexes that were removed while a snapshot was being written, which may hold them still, and their bytes then.
    removed: Vec<(Weak<Index>, usize)>,
}

struct Running {
    number: u64,
    lsn: Lsn,
    backup: Option<String>,
    /// Where the cursor stands; none when it has been everywhere.
    cursor: Option<u64>,
    chunk: Vec<u8>,
    /// Bytes that lay on the desk when it was last looked at.
    held: usize,
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
        Self { epoch: 0, slice, running: None, removed: Vec::new() }
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
    pub(crate) fn begin(&mut self, target: Target, desk: Desk, lsn: Lsn, number: u64) -> std::io::Result<()> {
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
            lsn,
            backup: name,
            cursor: Some(0),
            chunk: Vec::new(),
            held: 0,
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
            running.hand_over(entry);
        }
    }

    /// Takes all entries at once, as FLUSHALL leaves them; gives them back if no snapshot wants them.
    pub(crate) fn take_over(&mut self, keyspace: Keyspace<Value>) -> Option<Keyspace<Value>> {
        match &mut self.running {
            Some(running) if running.cursor.is_some() && !running.desk.has_ended() => {
                reached(Mark::ClearedMeanwhile);
                running.put_chunk();
                let bytes = keyspace.bytes();
                running.held = running.desk.put(Piece::Rest { keyspace, epoch: self.epoch }, bytes);
                running.cursor = None;
                running.end();
                None
            }
            Some(running) => {
                reached(Mark::ClearedTooLate);
                let captured = running.desk.indexes().into_iter();
                self.removed =
                    captured.filter_map(|index| weighed(&index).map(|bytes| (index, bytes))).collect();
                Some(keyspace)
            }
            None => Some(keyspace),
        }
    }

    /// An index is about to go from the keyspace; a snapshot that has captured it keeps it until it has been written.
    pub(crate) fn removes(&mut self, index: &Arc<Index>) {
        if self.running.is_some() {
            self.removed.push((Arc::downgrade(index), index.bytes()));
        }
    }

    /// Bytes that only a snapshot keeps: what was handed over and is not written yet, and indexes that are nowhere else.
    pub(crate) fn memory(&self) -> usize {
        let waits = self.running.as_ref().map_or(0, |running| running.held + running.chunk.capacity());
        let removed = self.removed.iter().filter(|(index, _)| index.strong_count() > 0);
        waits + removed.map(|(_, bytes)| bytes).sum::<usize>()
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
                    bytes += running.hand_over(entry);
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
        self.removed.retain(|(index, _)| index.strong_count() > 0);
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
        if let Some(running) = &self.running {
            running.desk.set_rate(rate);
        }
    }

    /// Gives up a running snapshot and waits until its thread has gone.
    pub(crate) fn cancel(&mut self) {
        if let Some(running) = self.running.take() {
            running.desk.cancel(FINISHING);
            drop(running.thread.join());
        }
    }
}

impl Running {
    /// Hands an entry to the thread; returns how many bytes that took.
    fn hand_over(&mut self, entry: &Entry<Value>) -> usize {
        match &entry.value {
            Value::String(bytes) => {
                self.entries += 1;
                put_string_entry(&mut self.chunk, entry, bytes);
                if self.chunk.len() >= CHUNK {
                    self.put_chunk();
                }
                bytes.len()
            }
            Value::Vectors(set) => {
                self.sets += 1;
                let (meta, capture) = (set_meta(entry), set.writer.capture());
                // A capture has three bits a row.
                let bytes = size_of::<Piece>() + meta.len() + capture.rows() * 3 / 8;
                self.held = self.desk.put(Piece::Set { meta, capture }, bytes);
                bytes
            }
        }
    }

    fn put_chunk(&mut self) {
        if !self.chunk.is_empty() {
            let mut chunk = std::mem::take(&mut self.chunk);
            chunk.shrink_to_fit();
            let bytes = chunk.capacity();
            self.held = self.desk.put(Piece::Strings(chunk), bytes);
        }
    }

    fn end(&mut self) {
        self.put_chunk();
        self.held = self.desk.put(Piece::End { entries: self.entries, sets: self.sets }, 0);
    }
}

/// What a snapshot is called.
pub(super) fn called(backup: Option<&str>) -> String {
    backup.map_or_else(|| "snapshot".to_owned(), |name| format!("backup {name}"))
}

/// The bytes of an index that is still there.
fn weighed(index: &Weak<Index>) -> Option<usize> {
    index.upgrade().map(|index| index.bytes())
}

fn put_string_entry(out: &mut Vec<u8>, entry: &Entry<Value>, value: &[u8]) {
    out.put_u64(entry.expire_at);
    out.put_string(&entry.key);
    out.put_string(value);
}

fn set_meta(entry: &Entry<Value>) -> Vec<u8> {
    let mut meta = Vec::with_capacity(12 + entry.key.len());
    meta.put_u64(entry.expire_at);
    meta.put_string(&entry.key);
    meta
}

/// The thread's half: everything from the desk into the file; the size of what was published.
fn write(target: &Target, lsn: Lsn, desk: &Desk) -> Result<u64, String> {
    let storage = target.open().map_err(|e| e.to_string())?;
    write_into(&storage, target, lsn, desk).inspect_err(|_| target.abandon(&*storage))
}

fn write_into(storage: &Arc<dyn Storage>, target: &Target, lsn: Lsn, desk: &Desk) -> Result<u64, String> {
    let mut writer = SnapshotWriter::create(Arc::clone(storage), lsn).map_err(|e| e.to_string())?;
    if let Err(why) = fill(&mut writer, desk) {
        writer.abandon();
        return Err(why);
    }
    let published = writer.publish().map_err(|e| e.to_string())?;
    if target.backup().is_none() && snapshot::remove_stale(&**storage, lsn).is_err() {
        // What is left over is only disk space: the next snapshot or start removes it.
        reached(Mark::SweepFailed);
    }
    target.close(&**storage).map_err(|e| e.to_string())?;
    Ok(published.bytes)
}

fn fill(writer: &mut SnapshotWriter, desk: &Desk) -> Result<(), String> {
    let (mut rest_entries, mut rest_sets) = (0, 0);
    loop {
        match desk.take()? {
            Piece::Strings(chunk) => section(writer, desk, kind::STRINGS, &[], &chunk)?,
            Piece::Set { meta, capture } => set_sections(writer, desk, &meta, &capture)?,
            Piece::Rest { keyspace, epoch } => {
                reached(Mark::RestWritten);
                (rest_entries, rest_sets) = write_rest(writer, desk, &keyspace, epoch)?;
            }
            Piece::End { entries, sets } => {
                let mut meta = Vec::new();
                meta.put_u64(entries + rest_entries);
                meta.put_u64(sets + rest_sets);
                return section(writer, desk, kind::END, &meta, &[]);
            }
        }
    }
}

fn write_rest(
    writer: &mut SnapshotWriter,
    desk: &Desk,
    rest: &Keyspace<Value>,
    epoch: u32,
) -> Result<(u64, u64), String> {
    let (mut entries, mut sets, mut chunk) = (0, 0, Vec::new());
    let (mut cursor, mut failed) = (0, Ok(()));
    loop {
        cursor = rest.scan(cursor, SNAPSHOT_SLICE, &mut |entry| {
            if entry.epoch >= epoch || failed.is_err() {
                return;
            }
            match &entry.value {
                Value::String(bytes) => {
                    entries += 1;
                    put_string_entry(&mut chunk, entry, bytes);
                    // At once: those of a whole slice may be as many large ones.
                    if chunk.len() >= CHUNK {
                        failed = section(writer, desk, kind::STRINGS, &[], &chunk);
                        chunk = Vec::new();
                    }
                }
                Value::Vectors(set) => {
                    sets += 1;
                    failed = set_sections(writer, desk, &set_meta(entry), &set.writer.capture());
                }
            }
        });
        std::mem::replace(&mut failed, Ok(()))?;
        if cursor == 0 && !chunk.is_empty() {
            section(writer, desk, kind::STRINGS, &[], &chunk)?;
        }
        if cursor == 0 {
            return Ok((entries, sets));
        }
    }
}

fn section(
    writer: &mut SnapshotWriter,
    desk: &Desk,
    kind: u32,
    meta: &[u8],
    payload: &[u8],
) -> Result<(), String> {
    let (first, rest) = payload.split_at(payload.len().min(PIECE));
    desk.advance((meta.len() + first.len()) as u64)?;
    let mut whole = || {
        writer.begin(kind, meta)?;
        writer.write(first)?;
        for piece in rest.chunks(PIECE) {
            desk.advance(piece.len() as u64).map_err(std::io::Error::other)?;
            writer.write(piece)?;
        }
        writer.end()
    };
    whole().map_err(|e: std::io::Error| e.to_string())
}

fn set_sections(
    writer: &mut SnapshotWriter,
    desk: &Desk,
    meta: &[u8],
    capture: &Capture,
) -> Result<(), String> {
    section(writer, desk, kind::SET, meta, &[])?;
    capture.write(&mut Sections { writer, desk }).map_err(|e| e.to_string())
}

/// A snapshot as the index sees it. Writing a large index takes long, so it ends early when the server does.
struct Sections<'a> {
    writer: &'a mut SnapshotWriter,
    desk: &'a Desk,
}

impl Sink for Sections<'_> {
    fn begin(&mut self, kind: SectionKind, meta: &[u8]) -> std::io::Result<()> {
        self.writer.begin(kind::for_index(kind), meta)
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.desk.advance(bytes.len() as u64).map_err(std::io::Error::other)?;
        self.writer.write(bytes)
    }

    fn end(&mut self) -> std::io::Result<()> {
        self.writer.end()
    }
}
