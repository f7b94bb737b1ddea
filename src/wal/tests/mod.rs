//! Tests of the log as a whole, and the disk they run on.
//!
//! [`disk`] serves the snapshot's tests, too. [`cases`] is the case table, a test a row; [`exhaustive`] cuts and flips
//! every byte; [`living`] drives the log thread; [`crashes`] stops the machine at every call.

mod cases;
mod crashes;
pub(crate) mod disk;
mod exhaustive;
mod full;
mod living;
mod removed;
mod room;
mod truncate;

use std::sync::Arc;
use std::time::Duration;

use self::disk::{CountingWaker, MemDisk, StillClock};
use super::format::{RecordHeader, SegmentHeader, push_record, seal_batch, segment_name};
use super::{Lsn, Options, Recovered, RecoveryError, Tier, Wal, recover};

/// The payload of record `lsn` in these tests: recognisable, of uneven lengths, empty now and then.
pub(super) fn payload(lsn: u64) -> Vec<u8> {
    let len = (lsn * 5 % 13) as usize;
    (0..len).map(|i| (lsn as u8).wrapping_mul(31).wrapping_add(i as u8)).collect()
}

/// One entry of a segment under construction.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry {
    /// A record that was written when `durable` had been synced.
    Record {
        durable: u64,
    },
    Mark,
}

/// A segment with a record an entry, from `first` on. Returns the bytes and where each entry begins.
pub(super) fn segment(first: u64, entries: &[Entry]) -> (Vec<u8>, Vec<usize>) {
    let header = SegmentHeader { first: Lsn(first), salt: first.wrapping_mul(0x1234_5678_9abc_def1) };
    let mut bytes = header.encode().to_vec();
    let (mut offsets, mut lsn) = (Vec::new(), first);
    for entry in entries {
        offsets.push(bytes.len());
        match *entry {
            Entry::Mark => bytes.extend_from_slice(&RecordHeader::mark(Lsn(lsn - 1)).encode(header.seal())),
            Entry::Record { durable } => {
                let mut batch = Vec::new();
                push_record(&mut batch, Lsn(lsn), &payload(lsn));
                seal_batch(&mut batch, header.seal(), Lsn(durable));
                bytes.extend_from_slice(&batch);
                lsn += 1;
            }
        }
    }
    (bytes, offsets)
}

/// A segment of `n` records, each written when the one before it had been synced.
pub(super) fn acknowledged(first: u64, n: u64) -> (Vec<u8>, Vec<usize>) {
    let entries: Vec<Entry> = (first..first + n).map(|lsn| Entry::Record { durable: lsn - 1 }).collect();
    segment(first, &entries)
}

/// A segment of `n` records written in one batch: none of them had been synced.
pub(super) fn one_batch(first: u64, n: u64) -> (Vec<u8>, Vec<usize>) {
    segment(first, &vec![Entry::Record { durable: first - 1 }; n as usize])
}

pub(super) fn name(first: u64) -> String {
    segment_name(Lsn(first))
}

/// Recovers and checks that what was applied is `after + 1 ..= last`, each with its payload.
pub(super) fn recover_all(disk: &MemDisk, after: u64) -> Result<Recovered, RecoveryError> {
    let mut next = after + 1;
    let recovered = recover(disk, Lsn(after), &mut |lsn, bytes| {
        assert_eq!((lsn.0, bytes), (next, &payload(next)[..]), "records come in order and whole");
        next += 1;
        Ok(())
    })?;
    assert_eq!((recovered.last.0, recovered.records), (next - 1, next - 1 - after));
    Ok(recovered)
}

/// Lets the log thread run.
#[expect(clippy::disallowed_methods, reason = "these tests wait for a real thread")]
pub(super) fn pause() {
    std::thread::yield_now();
}

/// What stands for a snapshot at that record, among these names.
pub(super) fn covers(names: &[String]) -> Lsn {
    let snapshots = names.iter().filter_map(|name| name.strip_prefix("covered up to ")?.parse().ok());
    Lsn(snapshots.max().unwrap_or(0))
}

/// Bytes above which whoever appends to a [`Rig`]'s log would wait.
pub(super) const BACKLOG: usize = 1_000;

/// A running log on `disk`.
pub(super) struct Rig {
    pub(super) wal: Wal,
    pub(super) clock: Arc<StillClock>,
    pub(super) waker: Arc<CountingWaker>,
    tier: Tier,
}

impl Rig {
    pub(super) fn start(disk: &MemDisk, recovered: &Recovered, tier: Tier, segment_bytes: u64) -> Self {
        Self::try_start(disk, recovered, tier, (segment_bytes, 0)).unwrap()
    }

    pub(super) fn try_start(
        disk: &MemDisk,
        found: &Recovered,
        tier: Tier,
        (segment_bytes, room): (u64, u64),
    ) -> Option<Self> {
        let (clock, waker) = (Arc::new(StillClock::default()), Arc::new(CountingWaker::default()));
        let (backlog, spin, covers) = (BACKLOG, Duration::ZERO, covers as fn(&[String]) -> Lsn);
        let options = Options { tier, segment_bytes, room, backlog, spin, covers, seed: 7 };
        let wal = Wal::start(disk.arc(), found, options, clock.clone(), waker.clone()).ok()?;
        Some(Self { wal, clock, waker, tier })
    }

    /// Appends the next record, if the log takes it.
    pub(super) fn append(&self) -> Option<u64> {
        let next = self.wal.appended().0 + 1;
        let lsn = self.wal.append(&payload(next)).ok()?;
        self.wal.kick();
        assert_eq!(lsn.0, next);
        Some(next)
    }

    /// Waits until everything appended is durable, or the log has failed.
    pub(super) fn settle(&self) {
        while self.wal.synced() < self.wal.appended() && self.wal.poisoned().is_none() {
            self.pass_time();
            pause();
        }
    }

    /// Waits until everything appended is written, and synced under [`Tier::Always`], or the log has failed.
    pub(super) fn settle_written(&self) {
        while (self.wal.backlog() > 0 || self.wal.synced() < self.wal.appended())
            && self.wal.poisoned().is_none()
        {
            if self.wal.backlog() == 0 && self.wal.durable() == self.wal.appended() {
                break;
            }
            self.pass_time();
            pause();
        }
    }

    /// Lets the time come in which a batch that found no room is tried again.
    fn pass_time(&self) {
        if self.wal.lacks_room() {
            self.clock.0.fetch_add(100_000_000);
            // What changes nothing wakes the log thread, which looks at its clock then.
            self.wal.set_tier(self.tier);
        }
    }
}
