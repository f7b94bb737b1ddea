//! What a server leaves on its disk when it has finished in order and nothing has gone wrong: nothing that it does not need.
//!
//! No temporary; and once it has made a snapshot, that one alone, and no segment of the log that lies before it.

use std::collections::BTreeMap;

use crate::disk::Kind;

/// The number in a file's name.
fn number(name: &str) -> u64 {
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// What is too much among these files. The server has made a snapshot, or not; and has removed what the last one covers,
/// or could not be expected to.
pub(super) fn leaked(files: &BTreeMap<String, Vec<u8>>, saved: bool, removed: bool) -> Option<String> {
    let of = |kind: Kind| files.keys().filter(move |name| Kind::of(name) == kind);
    if let Some(name) = of(Kind::Temporary).chain(of(Kind::Copy)).next() {
        return Some(format!("the temporary {name} is left"));
    }
    if saved && of(Kind::Snapshot).count() > 1 {
        return Some(format!("{} snapshots are left", of(Kind::Snapshot).count()));
    }
    let snapshot = of(Kind::Snapshot).map(|name| number(name)).max()?;
    let segments: Vec<&String> = of(Kind::Log).collect();
    let covered = segments.windows(2).find(|pair| number(pair[1]) <= snapshot + 1)?;
    removed.then(|| format!("{} is left, which the snapshot of {snapshot} covers", covered[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_needed_is_a_leak() {
        let leak = |names: &[&str], saved| {
            let files = names.iter().map(|name| ((*name).to_owned(), Vec::new())).collect();
            leaked(&files, saved, saved)
        };
        let (old, new) = ("snapshot-00000000000000000003.snap", "snapshot-00000000000000000007.snap");
        let log =
            ["wal-00000000000000000001.log", "wal-00000000000000000008.log", "wal-00000000000000000009.log"];
        assert_eq!(leak(&[new, log[1], log[2]], true), None);
        assert_eq!(leak(&[old, new, log[0], log[1]], false), None);
        for wrong in [[old, new, log[1]], [new, log[0], log[1]]] {
            assert!(leak(&wrong, true).is_some(), "{wrong:?}");
        }
        for temporary in ["snapshot-00000000000000000007.tmp", "wal-00000000000000000001.log.tmp"] {
            assert!(leak(&[temporary], false).is_some(), "{temporary}");
        }
    }
}
