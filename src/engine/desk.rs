//! The desk where the two halves of a snapshot meet: the loop lays down pieces, the snapshot thread takes and writes them.
//!
//! What lies there is bounded, except for what the loop must hand over at once, and all of it is counted; the thread keeps to
//! the rate that it was given, and leaves as soon as it is told to.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::keyspace::Keyspace;
use super::saving::Saved;
use super::value::Value;
use crate::base::mark::{Mark, reached};
use crate::base::sync::{Condvar, Mutex};
use crate::base::time::Mono;
use crate::env::{Clock, Waker};
use crate::index::{Capture, Index};

/// Bytes handed over but not written, above which the cursor rests.
const AHEAD: usize = 8 << 20;

/// Time whose writing a thread that had nothing to write may make up for.
const CREDIT: Duration = Duration::from_millis(100);

/// Why a snapshot was given up.
pub(super) const FINISHING: &str = "the server is shutting down";

/// Bytes that a snapshot holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// All of them.
    pub(super) all: usize,
    /// Those among them that are there for the snapshot's sake: what changed or went before the cursor came there. What the
    /// cursor hands over is none of it, since there is never more of it than a bound and one value.
    pub(super) kept: usize,
}

impl Held {
    fn add(&mut self, other: Self) {
        self.all += other.all;
        self.kept += other.kept;
    }

    fn subtract(&mut self, other: Self) {
        self.all -= other.all;
        self.kept -= other.kept;
    }
}

/// Where the halves meet.
pub(crate) struct Desk {
    tray: Mutex<Tray>,
    filled: Condvar,
    waker: Arc<dyn Waker>,
    clock: Arc<dyn Clock>,
    begun: Mono,
}

/// How fast is written.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Bytes a second; 0 for as many as the disk takes.
    rate: u64,
    /// From then on the rate allows more.
    due: Mono,
}

impl Pace {
    /// Takes note of so many bytes that are about to be written.
    fn spend(&mut self, bytes: u64, now: Mono) {
        if self.rate > 0 {
            let earliest = Mono(now.0.saturating_sub(CREDIT.as_nanos() as u64));
            self.due = self.due.max(earliest).after(span(bytes, self.rate));
        }
    }

    /// Goes on at another rate; what is still to be waited for is as much in bytes.
    fn change(&mut self, rate: u64, now: Mono) {
        let left = u128::from(self.rate) * self.due.since(now).as_nanos() / 1_000_000_000;
        *self = Self { rate, due: now };
        self.spend(u64::try_from(left).unwrap_or(u64::MAX), now);
    }

    fn left(&self, now: Mono) -> Duration {
        if self.rate == 0 { Duration::ZERO } else { self.due.since(now) }
    }
}

/// How long so many bytes take at a rate.
fn span(bytes: u64, rate: u64) -> Duration {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[derive(Debug)]
struct Tray {
    /// What is to be written, and how many bytes it occupies until then.
    pieces: VecDeque<(Piece, Held)>,
    lying: Held,
    /// The bytes of the piece that the thread has in hand, and the index that it holds.
    writing: Held,
    index: Option<Weak<Index>>,
    /// Why the thread is to leave.
    cancelled: Option<String>,
    pace: Pace,
    /// The cursor rests until the thread has caught up.
    resting: bool,
    /// Bytes that the thread has written or is about to.
    written: u64,
    saved: Option<Saved>,
}

/// A part of the snapshot.
#[derive(Debug)]
pub(super) enum Piece {
    Strings(Vec<u8>),
    /// One string, its value apart from what stands before it.
    Large {
        head: Vec<u8>,
        value: Arc<Vec<u8>>,
    },
    Set {
        meta: Vec<u8>,
        capture: Capture,
    },
    /// What FLUSHALL took away before the cursor had seen it: entries older than `epoch` are to be written.
    Rest {
        keyspace: Keyspace<Value>,
        epoch: u32,
    },
    End {
        entries: u64,
        sets: u64,
    },
}

impl Piece {
    /// The index that it holds.
    fn index(&self) -> Option<Weak<Index>> {
        match self {
            Self::Set { capture, .. } => Some(Arc::downgrade(capture.index())),
            Self::Strings(_) | Self::Large { .. } | Self::Rest { .. } | Self::End { .. } => None,
        }
    }
}

impl Tray {
    fn new(pace: Pace) -> Self {
        Self {
            pieces: VecDeque::new(),
            lying: Held::default(),
            writing: Held::default(),
            index: None,
            cancelled: None,
            pace,
            resting: false,
            written: 0,
            saved: None,
        }
    }

    /// Fails where the thread is to leave.
    fn goes_on(&self) -> Result<(), String> {
        self.cancelled.clone().map_or(Ok(()), Err)
    }

    fn held(&self) -> Held {
        let mut held = self.lying;
        held.add(self.writing);
        held
    }
}

/// The loop's side.
impl Desk {
    /// An empty one; the thread writes `rate` bytes a second at most, or as fast as it can where that is zero.
    pub(super) fn new(waker: Arc<dyn Waker>, clock: Arc<dyn Clock>, rate: u64) -> Self {
        let begun = clock.now();
        Self {
            tray: Mutex::new("snapshot tray", Tray::new(Pace { rate, due: begun })),
            filled: Condvar::new("snapshot filled"),
            waker,
            begun,
            clock,
        }
    }

    /// The thread writes so many bytes a second from now on, or as fast as it can where that is zero.
    pub(super) fn set_rate(&self, rate: u64) {
        let mut tray = self.tray.lock();
        if tray.pace.rate != rate {
            reached(Mark::SnapshotRepaced);
            tray.pace.change(rate, self.clock.now());
            drop(tray);
            self.filled.notify_all();
        }
    }

    /// Lays a piece down, which occupies so many bytes; returns how many all occupy now, and the piece where the thread has
    /// given up, or is done. Nobody else would take it, and it may be all that FLUSHALL took away.
    pub(super) fn put(&self, piece: Piece, bytes: Held) -> (Held, Option<Piece>) {
        let mut tray = self.tray.lock();
        if tray.saved.is_some() {
            return (tray.held(), Some(piece));
        }
        tray.pieces.push_back((piece, bytes));
        tray.lying.add(bytes);
        let held = tray.held();
        drop(tray);
        self.filled.notify_one();
        (held, None)
    }

    /// The indexes that are captured here.
    pub(super) fn indexes(&self) -> Vec<Weak<Index>> {
        let tray = self.tray.lock();
        let lying = tray.pieces.iter().filter_map(|(piece, _)| piece.index());
        lying.chain(tray.index.clone()).collect()
    }

    /// True while so much lies here that the loop is to wait; it is woken when that is over.
    pub(super) fn is_full(&self) -> bool {
        let mut tray = self.tray.lock();
        tray.resting = tray.lying.all > AHEAD;
        tray.resting
    }

    /// Tells the thread to leave, and why.
    pub(super) fn cancel(&self, why: &str) {
        self.tray.lock().cancelled.get_or_insert_with(|| why.to_owned());
        self.filled.notify_all();
    }

    /// True when the thread has given up, or is done, and takes nothing more.
    pub(super) fn has_ended(&self) -> bool {
        self.tray.lock().saved.is_some()
    }

    /// Waits until the thread has given up or is done, so long at most; true when it has.
    pub(super) fn await_end(&self, limit: Duration) -> bool {
        let until = self.clock.now().after(limit);
        let mut tray = self.tray.lock();
        while tray.saved.is_none() {
            let left = until.since(self.clock.now());
            if left.is_zero() {
                return false;
            }
            tray = self.filled.wait(tray, Some(left));
        }
        true
    }

    /// What has become of the snapshot, once, and how many bytes what is not written yet occupies.
    pub(super) fn look(&self) -> (Option<Saved>, Held) {
        let mut tray = self.tray.lock();
        assert!(tray.saved.is_none() || tray.pieces.is_empty(), "a piece that nobody takes");
        (tray.saved.take(), tray.held())
    }

    /// Bytes so far.
    pub(super) fn written(&self) -> u64 {
        self.tray.lock().written
    }

    /// How long it has been at work.
    pub(super) fn took(&self) -> Duration {
        self.clock.now().since(self.begun)
    }
}

/// The thread's side.
impl Desk {
    /// The next piece; waits for it.
    pub(super) fn take(&self) -> Result<Piece, String> {
        let mut tray = self.tray.lock();
        (tray.writing, tray.index) = (Held::default(), None);
        loop {
            tray.goes_on()?;
            if let Some((piece, bytes)) = tray.pieces.pop_front() {
                tray.lying.subtract(bytes);
                (tray.writing, tray.index) = (bytes, piece.index());
                if tray.resting && tray.lying.all <= AHEAD / 2 {
                    tray.resting = false;
                    self.waker.wake();
                }
                return Ok(piece);
            }
            tray = self.filled.wait(tray, None);
        }
    }

    /// Called before so many bytes are written: waits as long as the rate demands, whatever it becomes meanwhile.
    pub(super) fn advance(&self, bytes: u64) -> Result<(), String> {
        let mut tray = self.tray.lock();
        tray.pace.spend(bytes, self.clock.now());
        loop {
            tray.goes_on()?;
            let left = tray.pace.left(self.clock.now());
            if left.is_zero() {
                tray.written += bytes;
                return Ok(());
            }
            reached(Mark::SnapshotPaced);
            tray = self.filled.wait(tray, Some(left));
        }
    }

    /// Lays out what has become of the snapshot, unless there are pieces left, which are returned.
    pub(super) fn put_down(&self, saved: Saved) -> Option<VecDeque<(Piece, Held)>> {
        let mut tray = self.tray.lock();
        if tray.pieces.is_empty() {
            tray.saved = Some(saved);
            self.filled.notify_all();
            return None;
        }
        (tray.lying, tray.writing, tray.index) = (Held::default(), Held::default(), None);
        Some(std::mem::take(&mut tray.pieces))
    }

    /// Tells the loop to look here.
    pub(super) fn wake(&self) {
        self.waker.wake();
    }
}
