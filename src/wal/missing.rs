//! Whether the directory still has what a start would need beside the segment at hand: somebody may have removed or moved it.
//!
//! Looked at by names, once a second at most, behind a batch or its sync. What is missing is no error of the log: all of it is in memory,
//! and a snapshot makes up for it. But until one has, nothing more should be written. A file that has another content under
//! its name is not noticed, nor is a directory that cannot be listed.

use std::collections::BTreeSet;

use super::Lsn;
use super::format::parse_segment_name;
use super::guard::Poisoned;
use super::recover::Closed;
use super::thread::{LogThread, SECOND};
use crate::base::mark::{Mark, reached};

/// What stands where no segment is missing, and yet no start finds its way to the first of them.
const SNAPSHOT: &str = "the snapshot behind which the log goes on";

impl LogThread {
    /// Looks at the directory, and tells the loop where that changes something.
    pub(super) fn look_around(&mut self) {
        self.around_at = self.clock.now().after(SECOND);
        let Ok(mut found) = self.missing() else { return };
        if found.is_some() {
            // Who lists a directory while a file in it gets its name may be shown neither the old nor the new one.
            let Ok(again) = self.missing() else { return };
            found = again;
        }
        match found {
            Some(file) if !self.shared.gone.is_set() => {
                reached(Mark::FileMissing);
                self.shared.gone.set(Poisoned { file, operation: "find", error: String::new() });
            }
            None if self.shared.gone.is_set() => {
                reached(Mark::NothingMissing);
                self.shared.gone.clear();
            }
            _ => return,
        }
        self.waker.wake();
    }

    /// The first file that a start would miss.
    fn missing(&self) -> std::io::Result<Option<String>> {
        let names = self.guard.bare().list()?;
        let covered = (self.options.covers)(&names);
        // The segment at hand, or the next one where there is none.
        let first = self.tail.as_ref().map_or(self.written.next(), |tail| tail.first());
        Ok(first_missing(&names, &self.closed, covered, first))
    }
}

/// The first file missing among `names`, where a snapshot holds the records up to `covered`, these segments are closed and
/// the next one begins with `first`. Costs little more than to read the names once: there may be thousands.
fn first_missing(names: &[String], closed: &[Closed], covered: Lsn, first: Lsn) -> Option<String> {
    let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let mut expected = covered.next();
    for segment in closed.iter().filter(|segment| segment.last > covered) {
        if !names.contains(&*segment.name) {
            return Some(segment.name.clone());
        }
        if parse_segment_name(&segment.name).is_some_and(|first| first > expected) {
            return Some(SNAPSHOT.to_owned());
        }
        expected = segment.last.next();
    }
    (first > expected).then(|| SNAPSHOT.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::format::segment_name;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test is about time")]
    fn to_look_through_very_many_segments_takes_no_square_of_them() {
        let closed = (1..=100_000).map(|n| Closed { name: segment_name(Lsn(n)), last: Lsn(n), bytes: 100 });
        let closed: Vec<Closed> = closed.collect();
        let mut names: Vec<String> = closed.iter().map(|segment| segment.name.clone()).collect();
        names.reverse();
        let start = std::time::Instant::now();
        assert_eq!(first_missing(&names, &closed, Lsn(0), Lsn(100_001)), None);
        assert!(start.elapsed().as_secs() < 10, "it took {:?}", start.elapsed());
    }

    #[test]
    fn a_snapshot_s_name_may_say_the_last_number_there_is() {
        let closed = [Closed { name: segment_name(Lsn(1)), last: Lsn(9), bytes: 100 }];
        let names = [segment_name(Lsn(1)), segment_name(Lsn(10))];
        assert_eq!(first_missing(&names, &closed, Lsn(u64::MAX), Lsn(10)), None);
    }
}
