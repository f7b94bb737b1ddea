//! Whether the directory still has what a start would need beside the segment at hand: somebody may have removed or moved it.
//!
//! Looked at by names, once a second at most, behind a sync. What is missing is no error of the log: all of it is in memory,
//! and a snapshot makes up for it. But until one has, nothing more should be written. A file that has another content under
//! its name is not noticed, nor is a directory that cannot be listed.

use super::format::parse_segment_name;
use super::guard::Poisoned;
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
        let mut expected = covered.next();
        for segment in self.closed.iter().filter(|segment| segment.last > covered) {
            if !names.contains(&segment.name) {
                return Ok(Some(segment.name.clone()));
            }
            if parse_segment_name(&segment.name).is_some_and(|first| first > expected) {
                return Ok(Some(SNAPSHOT.to_owned()));
            }
            expected = segment.last.next();
        }
        // The segment at hand, or the next one where there is none.
        let first = self.tail.as_ref().map_or(self.written.next(), |tail| tail.first());
        Ok((first > expected).then(|| SNAPSHOT.to_owned()))
    }
}
