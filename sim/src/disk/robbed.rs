//! Files that somebody takes away under a server: whether a start would miss them, by their names, and whether the server, once it
//! has seen what is there, goes on all the same.

use std::collections::{BTreeMap, BTreeSet};

use super::Kind;
use super::reading::number;

/// Whether the newest snapshot and the segments among `names` do not lead to the last segment, where those `taken` away were there
/// as well. That the last one is gone is another matter: it is the one that the log writes to.
pub(super) fn lacks(names: &BTreeMap<String, u64>, taken: &BTreeSet<String>) -> bool {
    let of = |kind: Kind| names.keys().filter(move |name| Kind::of(name) == kind);
    let mut expected = of(Kind::Snapshot).map(|name| number(name)).max().unwrap_or(0) + 1;
    let gone = taken.iter().filter(|name| Kind::of(name) == Kind::Log).map(|name| (number(name), false));
    // A name that is there again counts as that.
    let all: BTreeMap<u64, bool> = gone.chain(of(Kind::Log).map(|name| (number(name), true))).collect();
    let behind = all.keys().skip(1).map(|next| Some(*next)).chain([None]);
    for ((&first, &there), next) in all.iter().zip(behind) {
        if next.is_some_and(|next| next <= expected) {
            continue;
        }
        if first > expected || (!there && next.is_some()) {
            return true;
        }
        expected = next.unwrap_or(expected);
    }
    false
}

/// Whether a start can tell, once `name` is taken away, that it is gone, or needs it for nothing. A snapshot may hold what a log
/// that has failed does not: where all its segments lead up to the last one, and none begins behind the snapshot, they look whole.
pub(super) fn shows(names: &BTreeMap<String, u64>, name: &str) -> bool {
    if Kind::of(name) != Kind::Snapshot {
        return true;
    }
    let behind = names.keys().any(|other| Kind::of(other) == Kind::Log && number(other) > number(name));
    let mut left = names.clone();
    left.remove(name);
    behind || lacks(&left, &BTreeSet::new())
}

/// What the log's thread has done since it could see that something is gone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Noticing {
    /// It has listed the directory, and has not failed to since.
    seen: bool,
    syncs: u32,
}

/// So often it may sync what it had been given before, what is given while it tells the loop, a segment's end and beginning
/// and a mark.
const LAST: u32 = 8;

impl Noticing {
    /// The thread has listed the directory, well or not, where something is gone or not.
    pub(super) fn listed(&mut self, well: bool, lacks: bool) {
        if !well || !lacks {
            *self = Self::default();
        } else {
            self.seen = true;
        }
    }

    /// It has synced a segment; false if it goes on for too long.
    pub(super) fn synced(&mut self, lacks: bool) -> bool {
        if !lacks {
            *self = Self::default();
        }
        self.syncs += u32::from(self.seen);
        self.syncs <= LAST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed(names: &[&str], taken: &[&str]) -> bool {
        let names = names.iter().map(|name| ((*name).to_owned(), 1)).collect();
        lacks(&names, &taken.iter().map(|name| (*name).to_owned()).collect())
    }

    const LOG: [&str; 4] = [
        "wal-00000000000000000001.log",
        "wal-00000000000000000005.log",
        "wal-00000000000000000008.log",
        "wal-00000000000000000011.log",
    ];
    const SNAPSHOT: &str = "snapshot-00000000000000000007.snap";

    #[test]
    fn what_a_snapshot_covers_is_not_missed_and_what_it_does_not_is() {
        assert!(!missed(&LOG, &[]));
        assert!(missed(&[LOG[0], LOG[2], LOG[3]], &[LOG[1]]));
        assert!(missed(&LOG[1..], &[LOG[0]]));
        assert!(!missed(&[SNAPSHOT, LOG[0], LOG[2], LOG[3]], &[LOG[1]]));
        assert!(missed(&[SNAPSHOT, LOG[0], LOG[1], LOG[3]], &[LOG[2]]));
        assert!(!missed(&[SNAPSHOT, LOG[2]], &[LOG[0]]));
        assert!(missed(&[LOG[2], LOG[3]], &[SNAPSHOT]));
        assert!(!missed(&LOG, &[SNAPSHOT]));
        assert!(!missed(&LOG[..3], &[LOG[3]]), "the log's thread looks after the last one otherwise");
        assert!(!missed(&LOG, &[LOG[1]]), "it is there again");
    }

    #[test]
    fn a_snapshot_that_may_hold_what_the_log_does_not_is_left_where_nothing_would_show_that_it_is_gone() {
        let shown = |names: &[&str]| {
            let names: BTreeMap<_, _> =
                names.iter().chain(&[SNAPSHOT]).map(|name| ((*name).to_owned(), 1)).collect();
            shows(&names, SNAPSHOT)
        };
        assert!(!shown(&[]) && !shown(&LOG[..1]) && !shown(&LOG[..2]));
        assert!(shown(&LOG[1..2]), "the first records are in no file");
        assert!(shown(&LOG[..3]), "a later segment was begun");
    }

    #[test]
    fn a_log_that_has_seen_it_comes_to_an_end_and_one_that_has_not_may_go_on() {
        let mut log = Noticing::default();
        assert!((0..99).all(|_| log.synced(true)), "it has not looked");
        log.listed(true, true);
        assert_eq!((0..99).filter(|_| log.synced(true)).count(), LAST as usize);
        assert!(log.synced(false), "it is mended");
        log.listed(true, true);
        log.listed(false, true);
        assert!((0..99).all(|_| log.synced(true)), "who could not look knows nothing");
    }
}
