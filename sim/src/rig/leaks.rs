//! What a server leaves on its disk when it has come to its end by itself: nothing that it does not need.
//!
//! No temporary; and once it has made a snapshot, that one alone, and no segment of the log that lies before it. Whatever has
//! gone wrong meanwhile: only what could not be removed stays, and what a log that is dead had put aside.

use std::collections::BTreeSet;

use super::{End, Run};
use crate::disk::{Disk, Kind, Told};

impl Run<'_> {
    /// Judges what the life `name` has begun to write and what it has left; false after a violation.
    pub(super) fn judge_files(&mut self, name: &str, disk: &Disk, told: &Told, end: &End) -> bool {
        let unasked = self.plan.server.snapshot_log_bytes;
        let oracle = self.oracle.lock();
        let (asked, (saved, every)) = (oracle.asked_saves(), oracle.saves());
        drop(oracle);
        let ended = matches!(end, End::Finished | End::Failed);
        let left = || leaked(&disk.own_names(), (saved, every && unasked == 0), told, *end == End::Finished);
        let wrong = match (told.judge_snapshots(unasked, &asked), ended) {
            (Err(what), _) => what,
            (Ok(()), true) => match left() {
                Some(what) => format!("the server has finished, and {what}"),
                None => return true,
            },
            (Ok(()), false) => return true,
        };
        self.report.failure = Some(format!("life {name}: {wrong}"));
        false
    }
}

/// The number in a file's name.
fn number(name: &str) -> u64 {
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// What is too much among these files. The server has made a snapshot, or not; and has removed what the last one covers,
/// or could not be expected to. It has `finished` in order, or given up for an error of those that it was `told`.
pub(super) fn leaked(
    files: &BTreeSet<String>,
    (saved, removed): (bool, bool),
    told: &Told,
    finished: bool,
) -> Option<String> {
    let of = |kind: Kind| files.iter().filter(move |name| Kind::of(name) == kind);
    let log_ended = finished && !told.killed_log();
    let stays = |name: &&String| !told.may_stay(name);
    let copies = of(Kind::Copy).filter(|_| log_ended);
    if let Some(name) = of(Kind::Temporary).chain(copies).find(stays) {
        return Some(format!("the temporary {name} is left"));
    }
    if saved && of(Kind::Snapshot).count() > 1 && !told.spares_snapshots() {
        return Some(format!("{} snapshots are left", of(Kind::Snapshot).count()));
    }
    let snapshot = of(Kind::Snapshot).map(|name| number(name)).max()?;
    let segments: Vec<&String> = of(Kind::Log).collect();
    let covered = segments.windows(2).filter(|pair| number(pair[1]) <= snapshot + 1);
    let covered = covered.map(|pair| pair[0]).find(stays)?;
    (removed && log_ended).then(|| format!("{covered} is left, which the snapshot of {snapshot} covers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leak(names: &[&str], saved: bool, told: &Told, finished: bool) -> Option<String> {
        let files = names.iter().map(|name| (*name).to_owned()).collect();
        leaked(&files, (saved, saved), told, finished)
    }

    const OLD: &str = "snapshot-00000000000000000003.snap";
    const NEW: &str = "snapshot-00000000000000000007.snap";
    const LOG: [&str; 3] =
        ["wal-00000000000000000001.log", "wal-00000000000000000008.log", "wal-00000000000000000009.log"];
    const TEMPORARY: &str = "snapshot-00000000000000000007.tmp";
    const COPY: &str = "wal-00000000000000000001.log.tmp";

    #[test]
    fn what_is_not_needed_is_a_leak() {
        let told = Told::default();
        assert_eq!(leak(&[NEW, LOG[1], LOG[2]], true, &told, true), None);
        assert_eq!(leak(&[OLD, NEW, LOG[0], LOG[1]], false, &told, true), None);
        for wrong in [[OLD, NEW, LOG[1]], [NEW, LOG[0], LOG[1]]] {
            assert!(leak(&wrong, true, &told, true).is_some(), "{wrong:?}");
        }
        for temporary in [TEMPORARY, COPY] {
            assert!(leak(&[temporary], false, &told, true).is_some(), "{temporary}");
        }
    }

    #[test]
    fn a_dead_log_leaves_what_it_had_put_aside_and_nothing_else() {
        for (told, finished) in [(Told::of_a_dead_log(), true), (Told::default(), false)] {
            assert_eq!(leak(&[COPY], false, &told, finished), None);
            assert_eq!(leak(&[NEW, LOG[0], LOG[1]], true, &told, finished), None);
            assert!(leak(&[TEMPORARY], false, &told, finished).is_some());
            assert!(leak(&[OLD, NEW], true, &told, finished).is_some());
        }
    }
}
