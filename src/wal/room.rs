//! Room ahead of the log's end: zeros behind the last record, and segments that are used again.
//!
//! A sync of bytes that were overwritten in place costs a disk about half of what one costs that has to note a new length
//! or new blocks, too (`scripts/durable.sh` measures both). So zeros are written ahead, and a segment that a snapshot
//! covers gets a new header and a new name where else it would be removed.
//!
//! What stands in the room is never taken for a record: zeros are none, and the records of the segment's earlier life
//! were sealed with another salt, which is in every checksum. Right behind the last record are zeros always, so that a
//! start can tell room from a torn record. The room is cut off before the next segment is begun and when the log ends;
//! what a crash leaves of it, or a full disk on which nothing can be cut, recovery cuts.

use super::format::{RECORD_HEADER, SegmentHeader};
use super::guard::{Guarded, Trouble};
use super::recover::{Closed, TEMPORARY};
use super::thread::{LogThread, Tail};
use super::{Poisoned, Tier};
use crate::base::mark::{Mark, reached};

/// Zeros that are written by one call.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// A batch larger than this part of the room is appended as it is: the disk has to write its bytes, whatever else.
const LARGE: u64 = 8;

/// So many segments are kept for later, at most.
const SPARES: usize = 4;

/// One that is longer than this many times the size of a segment is not kept: so much room would lie idle.
const LARGEST: u64 = 2;

/// A segment that was used up, under a name that the next start removes.
pub(super) struct Spare {
    name: String,
    bytes: u64,
}

/// What is written behind `bytes` at the end of `tail`, where room follows.
pub(super) fn end_of(tail: &Tail, bytes: u64) -> &'static [u8] {
    if tail.length > tail.written + bytes { &ZEROS[..RECORD_HEADER] } else { &[] }
}

impl LogThread {
    /// Zeros behind what was written, unless there are some left or the last batch, of `batch` bytes, was large.
    pub(super) fn make_room(&self, tail: &mut Tail, batch: u64) -> Result<(), Poisoned> {
        let room = if self.shared.tier() == Tier::Always { self.options.room } else { 0 };
        let ends = tail.written >= self.options.segment_bytes;
        if tail.length > tail.written || ends || tail.cramped || batch.saturating_mul(LARGE) > room {
            return Ok(());
        }
        tail.length = tail.written + room;
        let mut at = tail.written;
        while at < tail.length {
            let zeros = &ZEROS[..usize::try_from(tail.length - at).unwrap_or(usize::MAX).min(ZEROS.len())];
            if !tail.file.try_write(zeros, at)? {
                reached(Mark::NoRoomAhead);
                tail.cramped = true;
                return Ok(());
            }
            at += zeros.len() as u64;
        }
        reached(Mark::RoomAhead);
        Ok(())
    }

    /// Cuts off the room behind the last record: a segment is done, or the log is. What is there has been synced.
    pub(super) fn cut_room(&mut self) -> Result<(), Poisoned> {
        let Some(tail) = self.tail.as_mut().filter(|tail| tail.length > tail.written) else { return Ok(()) };
        assert!(tail.synced == tail.written, "what is before the room has been synced");
        match tail.file.set_len(tail.written) {
            Ok(()) => {}
            // What stands behind a segment's last record does no harm where the next goes on with the next.
            Err(Trouble::NoRoom(_)) => return Ok(()),
            Err(Trouble::Failed(first)) => return Err(first),
        }
        tail.length = tail.written;
        reached(Mark::RoomCut);
        tail.file.sync()
    }

    /// Keeps a segment that is not needed any more for the next one's bytes, instead of removing it. False if it is to be
    /// removed: there are enough already, it is small, or so large that a record of its own must have made it so, the disk is
    /// full, or it could not be renamed.
    pub(super) fn spare(&mut self, segment: &Closed) -> bool {
        let wanted =
            self.shared.tier() == Tier::Always && self.options.room > 0 && self.spares.len() < SPARES;
        let wanted = wanted && self.retry_at.is_none();
        let usual = self.options.segment_bytes..=self.options.segment_bytes.saturating_mul(LARGEST);
        if !wanted || !usual.contains(&segment.bytes) {
            return false;
        }
        let name = format!("{}{TEMPORARY}", segment.name);
        if self.guard.bare().rename(&segment.name, &name).is_err() {
            return false;
        }
        reached(Mark::SegmentSpared);
        self.spares.push(Spare { name, bytes: segment.bytes });
        true
    }

    /// A spare segment as the one called `name`: its header is new and safe before its name is. None if there is no spare
    /// one or it cannot be opened.
    pub(super) fn use_spare(
        &mut self,
        name: &str,
        header: &SegmentHeader,
    ) -> Result<Option<(Guarded, u64)>, Poisoned> {
        let Some(spare) = self.spares.pop() else { return Ok(None) };
        let Ok(file) = self.guard.bare().open(&spare.name) else {
            drop(self.guard.bare().remove(&spare.name));
            return Ok(None);
        };
        let file = self.guard.adopt(name, file);
        let mut start = header.encode().to_vec();
        start.extend(&ZEROS[..RECORD_HEADER]);
        match file.write_all(&start, 0) {
            Ok(()) => {}
            Err(Trouble::NoRoom(_)) => {
                drop(self.guard.bare().remove(&spare.name));
                return Ok(None);
            }
            Err(Trouble::Failed(first)) => return Err(first),
        }
        file.sync()?;
        self.beginning = Some(name.to_owned());
        match self.guard.rename(&spare.name, name) {
            Ok(()) => {}
            Err(Trouble::NoRoom(_)) => {
                self.beginning = None;
                drop(self.guard.bare().remove(&spare.name));
                return Ok(None);
            }
            Err(Trouble::Failed(first)) => return Err(first),
        }
        reached(Mark::SegmentUsedAgain);
        Ok(Some((file, spare.bytes.max(start.len() as u64))))
    }

    /// Removes what was spared: the log ends, or nobody can tell which names a crash would leave. What could not be removed
    /// the next start removes.
    pub(super) fn drop_spares(&mut self) {
        for spare in self.spares.drain(..) {
            drop(self.guard.bare().remove(&spare.name));
        }
    }
}
