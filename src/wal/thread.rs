//! The log thread: the only one that writes, syncs, creates and removes segments.
//!
//! Its order is the promise. A batch is written, then synced, then told as durable. Once a second, and where a segment ends,
//! it is seen before that whether the segment still has a name: one that somebody has removed keeps nothing, and is an error. (For
//! what else has to be there see `missing`.) A segment is synced before the next
//! one is created; the next one's header and name are synced before a record goes into it. Where there is no room for a
//! batch it keeps the batch and tries again, until there is or it is to stop. After the first error it does nothing more
//! but take back what may not survive (`retreat`), and ends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::format::{RecordHeader, SEGMENT_HEADER, SegmentHeader, seal_batch, segment_name};
use super::guard::{Guard, Guarded, SYNC, Trouble, panicked};
use super::recover::{Closed, Recovered};
use super::room::{Spare, end_of};
use super::shared::{Gather, LINGER_BYTES, Shared, Waiting};
use super::{Lsn, Options, Poisoned, Tier};
use crate::base::mark::{Mark, reached};
use crate::base::rng::mix64;
use crate::base::sync::{self, MutexGuard, catch};
use crate::base::time::Mono;
use crate::env::{Clock, Waker};

/// How long written bytes wait for their sync under [`Tier::EverySecond`], and how long the log is idle before a mark (and,
/// under [`Tier::No`], before the sync that goes before it).
pub(super) const SECOND: Duration = Duration::from_secs(1);
/// How long a batch may gather when nobody waits for its sync.
const LINGER: Duration = Duration::from_millis(1);

/// How long a batch waits for room before it is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// The segment that takes the next batch.
pub(super) struct Tail {
    pub(super) file: Guarded,
    header: SegmentHeader,
    /// Its last record.
    last: Lsn,
    /// Its length as far as it was written, and as far as that was synced.
    pub(super) written: u64,
    pub(super) synced: u64,
    /// The file's length at most: what is behind `written` is room.
    pub(super) length: u64,
    /// There was no space for more room.
    pub(super) cramped: bool,
}

impl Tail {
    /// Its first record.
    pub(super) fn first(&self) -> Lsn {
        self.header.first
    }
}

/// The state of the log thread.
pub(super) struct LogThread {
    pub(super) shared: Arc<Shared>,
    pub(super) guard: Guard,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) waker: Arc<dyn Waker>,
    pub(super) options: Options,
    pub(super) tail: Option<Tail>,
    /// A segment that is being created: its name exists, perhaps, but nothing about it is certain.
    pub(super) beginning: Option<String>,
    pub(super) closed: Vec<Closed>,
    /// Those that may be used again.
    pub(super) spares: Vec<Spare>,
    /// The last record written.
    pub(super) written: Lsn,
    batch: Vec<u8>,
    /// When written bytes must be synced: those of a second ([`Tier::EverySecond`]), or those behind which nothing comes
    /// ([`Tier::No`]).
    sync_at: Option<Mono>,
    /// A batch was written in this turn.
    was_busy: bool,
    /// When a mark is due, unless more records come first.
    mark_at: Option<Mono>,
    /// When a batch that found no room is tried again.
    pub(super) retry_at: Option<Mono>,
    /// When it is to be seen whether the segment at hand still has its name.
    look_at: Mono,
    /// When it is to be seen whether the rest of what a start would need is still there.
    pub(super) around_at: Mono,
}

/// What there is to do, besides writing the batch.
struct Errand {
    stop: bool,
    covered: Option<Lsn>,
    /// How much waited for the log when the batch was taken.
    backlog: usize,
}

impl LogThread {
    pub(super) fn new(
        shared: Arc<Shared>,
        guard: Guard,
        clock: Arc<dyn Clock>,
        waker: Arc<dyn Waker>,
        options: Options,
        recovered: &Recovered,
    ) -> io::Result<Self> {
        let tail = recovered.tail.as_ref().map(|tail| {
            let file = guard.adopt(&tail.name, guard.bare().open(&tail.name)?);
            let (header, last, bytes) = (tail.header, tail.last, tail.bytes);
            let (written, synced, length) = (bytes, bytes, bytes);
            io::Result::Ok(Tail { file, header, last, written, synced, length, cramped: false })
        });
        let look_at = clock.now();
        let around_at = look_at.after(SECOND);
        Ok(Self {
            shared,
            guard,
            clock,
            waker,
            options,
            tail: tail.transpose()?,
            beginning: None,
            closed: recovered.closed.clone(),
            spares: Vec::new(),
            written: recovered.last,
            batch: Vec::new(),
            sync_at: None,
            was_busy: false,
            mark_at: None,
            retry_at: None,
            look_at,
            around_at,
        })
    }

    /// The thread's whole life.
    pub(super) fn run(mut self) {
        let first = match catch(|| self.work()) {
            Ok(Ok(())) => return,
            Ok(Err(first)) => first,
            Err(message) => self.shared.latch.set(panicked(message)),
        };
        self.retreat(&first);
        self.shared.gather.lock().buffer = Vec::new();
        self.waker.wake();
    }

    fn work(&mut self) -> Result<(), Poisoned> {
        loop {
            let errand = self.wait();
            let mut look = self.shared.gone.is_set();
            if !self.batch.is_empty() {
                match self.write_batch() {
                    Ok(()) => {
                        self.has_room(errand.backlog);
                        look = true;
                    }
                    Err(Trouble::NoRoom(why)) if !errand.stop => self.lack_room(why),
                    Err(Trouble::NoRoom(why)) => return Err(self.shared.latch.set(why)),
                    Err(Trouble::Failed(first)) => return Err(first),
                }
            }
            if self.sync_is_due() || errand.stop {
                self.sync()?;
            }
            if errand.stop || self.mark_at.is_some_and(|due| due <= self.clock.now()) {
                self.mark()?;
            }
            if let Some(lsn) = errand.covered {
                self.drop_covered(lsn)?;
            }
            let again = self.shared.gone.is_set() && errand.covered.is_some();
            if again || (look && self.around_at <= self.clock.now()) {
                self.look_around();
            }
            if errand.stop {
                self.cut_room()?;
                self.drop_spares();
                return Ok(());
            }
        }
    }

    /// The batch has been written.
    fn has_room(&mut self, backlog: usize) {
        if self.retry_at.take().is_some() {
            reached(Mark::RoomAgain);
            self.shared.no_room.clear();
            self.waker.wake();
        }
        if backlog >= self.options.backlog / 2 {
            self.waker.wake();
            reached(Mark::RoomIsTold);
        }
    }

    /// There is no room for the batch. The loop hears of it, and it is tried again in a while: whatever part of it was
    /// written is written once more, at the same place.
    fn lack_room(&mut self, why: Poisoned) {
        if self.retry_at.replace(self.clock.now().after(RETRY)).is_none() {
            self.shared.no_room.set(why);
            self.waker.wake();
        }
        self.drop_spares();
        if let Some(tail) = &mut self.tail {
            // Room for others, and no garbage behind the log's end should the process be killed. It may fail without harm.
            drop(tail.file.bare().set_len(tail.written));
            (tail.length, tail.cramped) = (tail.written, true);
        }
    }

    /// Waits until there is something to do and takes all that has gathered, behind a batch that still waits for room.
    fn wait(&mut self) -> Errand {
        assert!(
            self.batch.is_empty() || self.retry_at.is_some(),
            "a batch is written before the next is taken"
        );
        let around = self.shared.gone.is_set().then_some(self.around_at);
        let due = [self.sync_at, self.mark_at, self.retry_at, around].into_iter().flatten().min();
        let tier = self.shared.tier();
        self.look_for_more();
        let mut gather = self.shared.gather.lock();
        let mut lingered = tier == Tier::Always;
        let retries = self.retry_at.is_some();
        loop {
            let urgent = gather.stop || gather.covered.is_some() || gather.changed;
            let gathered = !retries && !gather.buffer.is_empty();
            let enough = gathered && (gather.buffer.len() >= LINGER_BYTES || lingered);
            let left = due.map(|due| due.since(self.clock.now()));
            if urgent || enough || left == Some(Duration::ZERO) {
                break;
            }
            let (waiting, limit) = if gathered {
                lingered = true;
                (Waiting::ForMore, Some(left.map_or(LINGER, |left| left.min(LINGER))))
            } else {
                (Waiting::ForWork, left)
            };
            gather = self.pause(gather, waiting, limit);
        }
        gather.changed = false;
        if retries {
            self.batch.append(&mut gather.buffer);
        } else {
            std::mem::swap(&mut gather.buffer, &mut self.batch);
        }
        let backlog = self.batch.len();
        Errand { stop: gather.stop, covered: gather.covered.take(), backlog }
    }

    /// After a batch: whoever waited for it may have more to write soon, and being woken takes long beside a sync.
    fn look_for_more(&mut self) {
        if std::mem::take(&mut self.was_busy)
            && !self.options.spin.is_zero()
            && self.shared.tier() == Tier::Always
        {
            let until = self.clock.now().after(self.options.spin);
            while self.shared.kicked.load() <= self.written.0 && self.clock.now() < until {
                sync::relax();
            }
        }
    }

    fn pause<'a>(
        &self,
        mut gather: MutexGuard<'a, Gather>,
        waiting: Waiting,
        limit: Option<Duration>,
    ) -> MutexGuard<'a, Gather> {
        gather.waiting = waiting;
        let mut gather = self.shared.work.wait(gather, limit);
        gather.waiting = Waiting::No;
        gather
    }

    fn sync_is_due(&mut self) -> bool {
        let unsynced = self.tail.as_ref().is_some_and(|tail| tail.synced < tail.written);
        match self.shared.tier() {
            Tier::EverySecond | Tier::No if unsynced => {
                let now = self.clock.now();
                *self.sync_at.get_or_insert(now.after(SECOND)) <= now
            }
            tier => {
                self.sync_at = None;
                tier == Tier::Always
            }
        }
    }

    /// Writes the batch at the end of the log. Where there is no room for it, it stays as it was.
    fn write_batch(&mut self) -> Result<(), Trouble> {
        let mut tail = self.take_tail()?;
        let durable = Lsn(self.shared.synced.load());
        let records = seal_batch(&mut self.batch, tail.header.seal(), durable);
        if records > 1 {
            reached(Mark::RecordsShareSync);
        }
        let bytes = self.batch.len() as u64;
        self.batch.extend(end_of(&tail, bytes));
        let mut written = tail.file.write_all(&self.batch, tail.written);
        if written.is_ok() {
            tail.length = tail.length.max(tail.written + self.batch.len() as u64);
            tail.written += bytes;
            tail.last = Lsn(tail.last.0 + records);
            self.written = tail.last;
            written = self.make_room(&mut tail, bytes).map_err(Trouble::from);
        } else {
            self.batch.truncate(bytes as usize);
        }
        self.tail = Some(tail);
        written?;
        self.shared.backlog.fetch_sub(bytes);
        self.shared.bytes.fetch_add(bytes);
        Shared::recycle(&mut self.batch);
        self.mark_at = None;
        if self.shared.tier() == Tier::No {
            // Who leaves it to the system is not to wait for a sync under load: the second begins anew.
            self.sync_at = None;
        }
        self.was_busy = true;
        let mut stats = self.shared.stats.lock();
        stats.batches += 1;
        stats.records += records;
        stats.batch_records.count(records);
        stats.bytes += bytes;
        Ok(())
    }

    /// The segment for the next batch: the one at hand unless it is full.
    fn take_tail(&mut self) -> Result<Tail, Trouble> {
        if self.tail.as_ref().is_some_and(|tail| tail.written >= self.options.segment_bytes) {
            reached(Mark::SegmentClosed);
            self.close_tail()?;
        }
        match self.tail.take() {
            Some(tail) => Ok(tail),
            None => self.begin_segment(),
        }
    }

    /// Syncs the segment at hand, whatever the tier, so that the next may be begun.
    fn close_tail(&mut self) -> Result<(), Poisoned> {
        self.sync()?;
        self.cut_room()?;
        self.tail.as_ref().map_or(Ok(()), |tail| tail.file.look_for_name())?;
        if let Some(Tail { file, last, written, .. }) = self.tail.take() {
            self.closed.push(Closed { name: file.name().to_owned(), last, bytes: written });
        }
        Ok(())
    }

    fn begin_segment(&mut self) -> Result<Tail, Trouble> {
        if let Some(name) = self.beginning.take() {
            // It found no room for its header.
            drop(self.guard.bare().remove(&name));
        }
        let first = self.written.next();
        let header = SegmentHeader { first, salt: mix64(self.options.seed ^ mix64(first.0)) };
        let name = segment_name(first);
        let (file, length) = match self.use_spare(&name, &header)? {
            Some(used) => used,
            None => (self.create_segment(&name, &header)?, SEGMENT_HEADER as u64),
        };
        self.guard.sync_dir()?;
        self.beginning = None;
        self.shared.bytes.fetch_add(SEGMENT_HEADER as u64);
        self.shared.stats.lock().segments_begun += 1;
        let bytes = SEGMENT_HEADER as u64;
        Ok(Tail { file, header, last: self.written, written: bytes, synced: bytes, length, cramped: false })
    }

    fn create_segment(&mut self, name: &str, header: &SegmentHeader) -> Result<Guarded, Trouble> {
        let file = self.guard.create_new(name)?;
        self.beginning = Some(name.to_owned());
        file.write_all(&header.encode(), 0)?;
        file.sync()?;
        Ok(file)
    }

    /// Makes what was written survive, and tells so.
    fn sync(&mut self) -> Result<(), Poisoned> {
        if self.sync_at.take().is_some_and(|due| due <= self.clock.now()) {
            reached(Mark::SecondIsOver);
        }
        let Some(tail) = self.tail.as_mut().filter(|tail| tail.synced < tail.written) else {
            return Ok(());
        };
        let before = self.clock.now();
        tail.file.sync()?;
        let now = self.clock.now();
        if self.look_at <= now {
            tail.file.look_for_name()?;
            self.look_at = now.after(SECOND);
        }
        tail.synced = tail.written;
        // With `no` nothing has come for a second already.
        let idle = if self.shared.tier() == Tier::No { Duration::ZERO } else { SECOND };
        self.mark_at = Some(now.after(idle));
        {
            let mut stats = self.shared.stats.lock();
            stats.syncs += 1;
            stats.last_sync = now.since(before);
            stats.longest_sync = stats.longest_sync.max(stats.last_sync);
            let micros = stats.last_sync.as_nanos().div_ceil(1_000);
            stats.sync_micros.count(u64::try_from(micros).unwrap_or(u64::MAX));
        }
        self.shared.synced.store(self.written.0);
        self.waker.wake();
        if self.around_at <= now {
            self.look_around();
        }
        Ok(())
    }

    /// Writes and syncs a mark behind records that have been synced, unless one stands there.
    fn mark(&mut self) -> Result<(), Poisoned> {
        let due = self.mark_at.take().is_some();
        let Some(tail) = self.tail.as_mut().filter(|_| due) else {
            return Ok(());
        };
        assert!(tail.synced == tail.written, "a mark says that everything before it has been synced");
        reached(Mark::LogMarkWritten);
        let mut mark = RecordHeader::mark(tail.last).encode(tail.header.seal()).to_vec();
        let bytes = mark.len() as u64;
        mark.extend(end_of(tail, bytes));
        match tail.file.write_all(&mark, tail.written) {
            Ok(()) => {}
            Err(Trouble::NoRoom(_)) => {
                // It says nothing that would be missed: a later one says it, too.
                reached(Mark::NoRoomForMark);
                return Ok(());
            }
            Err(Trouble::Failed(first)) => return Err(first),
        }
        tail.length = tail.length.max(tail.written + mark.len() as u64);
        tail.written += bytes;
        tail.file.sync()?;
        tail.synced = tail.written;
        self.shared.bytes.fetch_add(bytes);
        Ok(())
    }

    /// Removes the segments that a snapshot covers: the one at hand, too, if the snapshot covers all of it. Only
    /// closing that one can fail; what cannot be removed is harmless and stays for the next time.
    fn drop_covered(&mut self, lsn: Lsn) -> Result<(), Poisoned> {
        if self.tail.as_ref().is_some_and(|tail| tail.last <= lsn && tail.written > SEGMENT_HEADER as u64) {
            reached(Mark::TailCovered);
            self.close_tail()?;
            self.mark_at = None;
        }
        let mut error = None;
        let (mut removed, mut freed) = (0, 0);
        for segment in std::mem::take(&mut self.closed) {
            if segment.last > lsn {
                self.closed.push(segment);
                continue;
            }
            if !self.spare(&segment)
                && let Err(e) = self.guard.bare().remove(&segment.name)
                && e.kind() != io::ErrorKind::NotFound
            {
                reached(Mark::RemovalFailed);
                error = Some(format!("cannot remove {}: {e}", segment.name));
                self.closed.push(segment);
                continue;
            }
            reached(Mark::SegmentsRemoved);
            removed += 1;
            freed += segment.bytes;
        }
        if removed > 0
            && let Err(e) = self.guard.bare().sync_dir()
        {
            reached(Mark::RemovalNotSynced);
            self.drop_spares();
            error = Some(format!("cannot sync the directory: {e}"));
        }
        self.shared.bytes.fetch_sub(freed);
        let mut stats = self.shared.stats.lock();
        stats.segments_removed += removed;
        stats.removal_error = error;
        Ok(())
    }

    /// After the first error: takes back what nobody was promised and what may not be what it seems. A system whose
    /// sync failed may go on showing bytes that it will never write; were the process restarted, recovery would take
    /// them for good and build on them. Whatever fails here leaves things as they were.
    fn retreat(&mut self, first: &Poisoned) {
        if let Some(name) = &self.beginning {
            reached(Mark::RetreatFromSegment);
            let _ = self.guard.bare().remove(name);
        }
        if let Some(tail) = &self.tail {
            let synced = first.operation == SYNC;
            reached(if synced { Mark::RetreatFromSync } else { Mark::RetreatFromWrite });
            let certain = if synced { tail.synced } else { tail.written };
            if tail.file.bare().set_len(certain).is_err() {
                reached(Mark::RetreatFailed);
            }
        }
    }
}
