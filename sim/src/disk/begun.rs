//! The snapshots that were begun in one life, and what the log had taken by then: one that nobody has asked for comes when the
//! log has grown by so many bytes, or by half of the last one's size, be it an earlier life's, if that is more, and not before a while has passed since
//! one that has failed.
//!
//! What the log takes is read from what is written to it, so it is known by record, however late it was written. That a
//! snapshot has failed is known where it was not given its name, or the directory could not be synced then.

use super::reading::payloads;

/// Virtual nanoseconds after a failure before another one comes unasked: twice as many after each further one, ...
const AGAIN: u64 = 60_000_000_000;
/// ... so many times at most.
const DOUBLED: usize = 5;
/// The server's clock may be as coarse as this, in virtual nanoseconds.
const COARSE: u64 = 10_000_000;

/// One that was begun.
#[derive(Clone, Copy, Debug)]
struct Begin {
    at: u64,
    /// The record whose state it holds.
    lsn: u64,
    /// Its size, once it has its name.
    named: Option<u64>,
    /// It is done: its name was made safe.
    done: bool,
    /// Somebody had taken a file away, for which it may have to make up.
    robbed: bool,
}

/// All of one life.
#[derive(Clone, Debug, Default)]
pub(super) struct Begun {
    /// Bytes of log that the life has found.
    pub(super) found: u64,
    /// Bytes of the snapshot that it has found.
    pub(super) found_size: u64,
    /// Records that were written, each with the payload bytes of all up to it.
    taken: Vec<(u64, u64)>,
    /// What was last to be written.
    tried: Vec<u8>,
    begun: Vec<Begin>,
}

impl Begun {
    /// The log has written this, or tried to.
    pub(super) fn logged(&mut self, bytes: &[u8]) {
        // The rest of what was written in part: that of a header may look like anything.
        if bytes.len() < self.tried.len() && self.tried.ends_with(bytes) {
            return;
        }
        bytes.clone_into(&mut self.tried);
        let (last, mut sum) = self.taken.last().map_or((None, 0), |(lsn, sum)| (Some(*lsn), *sum));
        for (lsn, bytes) in payloads(bytes, last) {
            sum += bytes;
            self.taken.push((lsn, sum));
        }
    }

    /// The snapshot of record `lsn` is begun.
    pub(super) fn begin(&mut self, lsn: u64, at: u64, robbed: bool) {
        self.begun.push(Begin { at, lsn, named: None, done: false, robbed });
    }

    /// It has its name, and is so large.
    pub(super) fn named(&mut self, bytes: u64) {
        self.begun.last_mut().into_iter().for_each(|begin| begin.named = Some(bytes));
    }

    /// The directory was synced after that, or could not be.
    pub(super) fn synced(&mut self, well: bool) {
        if let Some(begin) = self.begun.last_mut().filter(|begin| begin.named.is_some() && !begin.done) {
            begin.done = well;
            begin.named = begin.named.filter(|_| well);
        }
    }

    /// Payload bytes of the records behind `from` up to `to`; none where not all of them were written.
    fn grown(&self, from: u64, to: u64) -> Option<u64> {
        let (last, _) = self.taken.last()?;
        let up_to = |lsn: u64| {
            let place = self.taken.partition_point(|(other, _)| *other <= lsn);
            if place == 0 { 0 } else { self.taken[place - 1].1 }
        };
        (to <= *last).then(|| up_to(to).saturating_sub(up_to(from)))
    }

    /// Why the log alone does not call for it: the last one is that of record `since` and has `size` bytes.
    fn is_early(&self, begin: &Begin, since: Option<u64>, log_bytes: u64, size: u64) -> Option<String> {
        if log_bytes == 0 {
            return Some("where none is to be".to_owned());
        }
        let enough = log_bytes.max(size / 2);
        let found = if since.is_none() { self.found } else { 0 };
        let grown = self.grown(since.unwrap_or(0), begin.lsn)? + found;
        (grown < enough).then(|| format!("after {grown} bytes of log instead of {enough}"))
    }

    /// Whether each was `asked` for at one of these times, or due where they come after `log_bytes` of log. An error says
    /// which was not.
    pub(super) fn judge(&self, log_bytes: u64, asked: &[u64]) -> Result<(), String> {
        let mut asked = asked.iter().peekable();
        let (mut since, mut size, mut failed): (Option<u64>, u64, Vec<u64>) =
            (None, self.found_size, Vec::new());
        for begin in &self.begun {
            let again = failed.last().map_or(0, |at| at + (AGAIN << (failed.len() - 1).min(DOUBLED)));
            let wrong = self.is_early(begin, since, log_bytes, size).or_else(|| {
                let left = again.saturating_sub(begin.at + COARSE);
                (left > 0)
                    .then(|| format!("{left} virtual ns before one may be, after {} failures", failed.len()))
            });
            // One that is due may have been asked for as well; then that request is still to come, as far as can be told.
            if let Some(what) = wrong.filter(|_| !begin.robbed)
                && asked.next_if(|at| **at <= begin.at).is_none()
            {
                return Err(format!("the snapshot of record {} was begun unasked, {what}", begin.lsn));
            }
            if let (true, Some(bytes)) = (begin.done, begin.named) {
                (since, size) = (Some(begin.lsn), bytes);
                failed.clear();
            } else {
                failed.push(begin.at);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many records of 100 bytes each have been written.
    fn life(records: u64) -> Begun {
        let taken = (1..=records).map(|lsn| (lsn, 100 * lsn)).collect();
        Begun { taken, ..Begun::default() }
    }

    fn snapshot(begun: &mut Begun, lsn: u64, at: u64, done: bool) {
        begun.begin(lsn, at, false);
        begun.named(1_000);
        begun.synced(done);
    }

    #[test]
    fn an_unasked_snapshot_comes_after_enough_of_log_and_not_before() {
        let mut begun = life(20);
        snapshot(&mut begun, 3, 10, true);
        begun.judge(300, &[]).unwrap();
        begun.judge(301, &[]).unwrap_err();
        begun.judge(301, &[10]).unwrap();
        begun.judge(0, &[]).unwrap_err();
        let mut robbed = begun.clone();
        robbed.begun[0].robbed = true;
        robbed.judge(0, &[]).unwrap();
        assert!(Begun { found: 1, ..begun.clone() }.judge(301, &[]).is_ok());
        assert!(
            Begun { found_size: 700, ..begun.clone() }.judge(300, &[]).is_err(),
            "half of an earlier life's"
        );
        snapshot(&mut begun, 7, 20, true);
        assert!(begun.judge(300, &[]).unwrap_err().contains("instead of 500"), "half of the last one's size");
        snapshot(&mut begun, 99, 30, true);
        begun.judge(300, &[20]).unwrap();
    }

    #[test]
    fn the_rest_of_a_header_that_was_written_in_part_is_no_record() {
        let mut header = b"engramwl".to_vec();
        header.extend((0..56).map(|n| 200 - n));
        let mut begun = Begun::default();
        begun.logged(&header);
        begun.logged(&header[20..]);
        assert_eq!(begun.taken, []);
    }

    #[test]
    fn after_a_failure_an_unasked_snapshot_waits_longer_and_longer_and_the_log_still_counts() {
        let mut begun = life(20);
        snapshot(&mut begun, 3, 1, false);
        snapshot(&mut begun, 4, 1 + AGAIN, false);
        begun.judge(300, &[]).unwrap();
        let mut early = begun.clone();
        snapshot(&mut early, 5, 1 + 2 * AGAIN, true);
        early.judge(300, &[]).unwrap_err();
        snapshot(&mut begun, 5, 1 + 3 * AGAIN, true);
        begun.judge(300, &[]).unwrap();
    }
}
