//! The loop's end of the log: appending, and asking how far it is. Nothing here waits for the disk but
//! [`Wal::shutdown`].
//!
//! Two buffers take turns: one gathers while the log thread writes the other, so that a steady state allocates nothing.

use std::io;
use std::sync::Arc;

use super::format::{RECORD_HEADER, push_record};
use super::guard::{Guard, Latch};
use super::recover::Recovered;
use super::shared::{Gather, LINGER_BYTES, Shared, Stats, Waiting};
use super::thread::LogThread;
use super::{Lsn, Options, Poisoned, Tier};
use crate::base::sync::{AtomicU32, AtomicU64, Condvar, JoinHandle, Mutex, spawn};
use crate::env::{Clock, Storage, Waker};

/// The log, as its only writer sees it. Dropping it without [`Wal::shutdown`] leaves the log thread behind, which
/// writes what had been appended.
#[derive(Debug)]
pub struct Wal {
    shared: Arc<Shared>,
    thread: JoinHandle,
}

impl Wal {
    /// Starts the log thread, which goes on where `recovered` ends.
    ///
    /// # Errors
    /// If the segment to go on with cannot be opened or the thread cannot be started.
    pub fn start(
        storage: Arc<dyn Storage>,
        recovered: &Recovered,
        options: Options,
        clock: Arc<dyn Clock>,
        waker: Arc<dyn Waker>,
    ) -> io::Result<Self> {
        let latch = Arc::new(Latch::new());
        let closed: u64 = recovered.closed.iter().map(|segment| segment.bytes).sum();
        let tail = recovered.tail.as_ref().map_or(0, |tail| tail.bytes);
        let shared = Arc::new(Shared {
            gather: Mutex::new("log buffer", Gather::default()),
            work: Condvar::new("log work"),
            latch: Arc::clone(&latch),
            no_room: Latch::new(),
            gone: Latch::new(),
            appended: AtomicU64::new(recovered.last.0),
            kicked: AtomicU64::new(recovered.last.0),
            synced: AtomicU64::new(recovered.last.0),
            backlog: AtomicU64::new(0),
            bytes: AtomicU64::new(closed + tail),
            stats: Mutex::new("log stats", Stats::default()),
            tier: AtomicU32::new(0),
        });
        shared.set_tier(options.tier);
        let guard = Guard::new(storage, latch);
        let log = LogThread::new(Arc::clone(&shared), guard, clock, waker, options, recovered)?;
        Ok(Self { shared, thread: spawn("log", move || log.run())? })
    }

    /// Gives a record its LSN and puts it into the buffer. Memory only. Called by one thread. The log thread may not
    /// look at it before the next [`Wal::kick`].
    ///
    /// # Errors
    /// If the log has failed; the record does not exist then.
    ///
    /// # Panics
    /// If the payload is longer than `limits::MAX_RECORD`.
    pub fn append(&self, payload: &[u8]) -> Result<Lsn, Poisoned> {
        self.shared.latch.check()?;
        let mut gather = self.shared.gather.lock();
        let lsn = self.appended().next();
        push_record(&mut gather.buffer, lsn, payload);
        self.shared.appended.store(lsn.0);
        self.shared.backlog.fetch_add((RECORD_HEADER + payload.len()) as u64);
        if gather.buffer.len() >= LINGER_BYTES {
            self.wake(&mut gather);
        }
        Ok(lsn)
    }

    /// Sets the log thread to work on what was appended, if it waits for that. To be called when nothing more is about
    /// to be appended: a pipeline's records then share one sync instead of the first having one of its own.
    pub fn kick(&self) {
        self.shared.kicked.store(self.shared.appended.load());
        let mut gather = self.shared.gather.lock();
        if gather.waiting == Waiting::ForWork && !gather.buffer.is_empty() {
            self.wake(&mut gather);
        }
    }

    fn wake(&self, gather: &mut Gather) {
        if gather.waiting != Waiting::No {
            gather.waiting = Waiting::No;
            self.shared.work.notify_one();
        }
    }

    /// The last record that was appended, or the last one recovered.
    #[must_use]
    pub fn appended(&self) -> Lsn {
        Lsn(self.shared.appended.load())
    }

    /// How far replies may be released: [`Wal::synced`] under [`Tier::Always`], [`Wal::appended`] otherwise. It goes
    /// back when the tier is changed to [`Tier::Always`], until the next sync.
    #[must_use]
    pub fn durable(&self) -> Lsn {
        match self.shared.tier() {
            Tier::Always => self.synced(),
            Tier::EverySecond | Tier::No => self.appended(),
        }
    }

    /// The last record that survives a power loss.
    #[must_use]
    pub fn synced(&self) -> Lsn {
        Lsn(self.shared.synced.load())
    }

    /// Bytes that were appended and have not been written. Zero once the log has failed. The loop is woken when a
    /// batch of [`Options::backlog`]` / 2` bytes or more has been written: of what is too much, one batch or the next has half.
    #[must_use]
    pub fn backlog(&self) -> usize {
        if self.has_failed() { 0 } else { self.shared.backlog.load() as usize }
    }

    /// True once there was an error, after which nothing is acknowledged. One load.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.shared.latch.is_set()
    }

    /// True while what was appended waits for room on the disk: nothing more should be appended, and what waits may be
    /// lost in a crash. It ends by itself, and then all that waited is written. One load.
    #[must_use]
    pub fn lacks_room(&self) -> bool {
        self.shared.no_room.is_set()
    }

    /// True while somebody has taken a file away that a start would need: what is written then rests on it, and only a
    /// snapshot makes up for it. It ends by itself when there is one, or the file is back. One load.
    #[must_use]
    pub fn lacks_file(&self) -> bool {
        self.shared.gone.is_set()
    }

    /// Which file that is.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        self.shared.gone.get().map(|gone| gone.file)
    }

    /// The first error, after which nothing is acknowledged.
    #[must_use]
    pub fn poisoned(&self) -> Option<Poisoned> {
        self.shared.latch.get()
    }

    /// Asks the log thread to remove the segments whose records are all `lsn` or below. The caller has published, and
    /// made durable, a snapshot that covers them. A failure is told by [`Wal::stats`] and harms nothing.
    pub fn drop_covered(&self, lsn: Lsn) {
        self.tell(|gather| gather.covered = gather.covered.max(Some(lsn)));
    }

    /// Changes when a record counts as durable. What has been appended is synced soon if it is to be now.
    pub fn set_tier(&self, tier: Tier) {
        self.shared.set_tier(tier);
        self.tell(|gather| gather.changed = true);
    }

    /// Size of the log on disk, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load()
    }

    /// What the log thread has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats.lock().clone()
    }

    /// Writes and syncs all that was appended, whatever the tier, and ends the log thread. Waits for the disk.
    ///
    /// # Errors
    /// If the log has failed, now or before.
    pub fn shutdown(self) -> Result<(), Poisoned> {
        self.tell(|gather| gather.stop = true);
        let joined = self.thread.join();
        self.shared.latch.check()?;
        joined.map_err(super::guard::panicked)
    }

    fn tell(&self, change: impl FnOnce(&mut Gather)) {
        let mut gather = self.shared.gather.lock();
        change(&mut gather);
        gather.waiting = Waiting::No;
        self.shared.work.notify_one();
    }
}
