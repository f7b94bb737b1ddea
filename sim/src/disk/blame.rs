//! What a server cannot be blamed for, because the medium has changed or has lied.
//!
//! It is worked out from the bytes: what a start finds beside what it should find ([`Image::as_promised`]), read by the
//! simulator's own reader of the formats. Only a suffix of the log that nothing left behind can show may be lost, and
//! only where something else that is missing shows may a start be refused.

use super::Kind;
use super::image::{Damage, Image};
use super::reading::{Files, Reach, reach};

/// What the server cannot be blamed for in the life at hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blame {
    /// What was acknowledged or shown from this virtual time on may be gone, as a suffix: the log's last records are
    /// not what they were, and no byte is left that could tell.
    pub since: Option<u64>,
    /// What that was before this life.
    earlier: Option<u64>,
    /// It may refuse to start: what had been promised is damaged.
    pub refusal: bool,
    /// All was looked at in this life: nothing that happens to the disk from now on is an excuse before the next.
    inspected: bool,
}

impl Blame {
    /// Whether the life at hand has come to where all was looked at.
    pub(super) fn is_inspected(&self) -> bool {
        self.inspected
    }

    /// What this life has met was put right.
    pub(super) fn forgive(&mut self) {
        self.since = self.earlier;
        self.refusal = false;
    }
}

impl Image {
    /// A life begins on this image.
    pub(super) fn begin(&mut self) {
        self.begin_names();
        self.files.values_mut().for_each(|content| content.told = false);
        let unsettled = self.blame.since.filter(|_| !self.blame.inspected);
        self.blame = Blame { since: unsettled, earlier: unsettled, ..Blame::default() };
        self.found = Damage::default();
        if self.is_damaged() {
            self.found = self.damage();
            self.assess(&self.contents(), true);
        }
    }

    /// Cuts the log where it is damaged first, as a server would that takes rot for a torn tail.
    pub(super) fn cut_at_rot(&mut self) {
        let (promised, found) = (self.as_promised(), self.contents());
        let log = |name: &&String| Kind::of(name) == Kind::Log;
        let mut damaged = false;
        for name in found.keys().filter(log) {
            let Some(file) = self.names.get(name).copied() else { continue };
            if damaged {
                self.names.remove(name);
                self.durable_names.remove(name);
                continue;
            }
            let right = promised.get(name).map(Vec::as_slice).unwrap_or_default();
            let same = found[name].iter().zip(right).take_while(|(a, b)| a == b).count();
            if same < right.len().min(found[name].len()) {
                damaged = true;
                self.files.entry(file).or_default().cut(same);
            }
        }
    }

    /// All was looked at: what was damaged when the life began is what is promised from now on.
    pub(super) fn settle_blame(&mut self) {
        let found = std::mem::take(&mut self.found);
        self.accept(&found);
        if !found.files.is_empty() {
            self.keep_names_seen();
        }
        self.blame.since = None;
        self.blame.inspected = true;
    }

    /// A start finds `files`: what may come of it? What will not read the same `again` may only be refused: nothing may
    /// be cut that was not looked at twice.
    pub(super) fn assess(&mut self, files: &Files, again: bool) {
        if self.blame.inspected {
            return;
        }
        let promised = self.as_promised();
        let found = reach(files, &|name| promised.get(name) == files.get(name));
        let lost = match found {
            Reach::Refused(_) => None,
            Reach::UpTo(last) => self.ledger.as_ref().and_then(|ledger| ledger.since(last + 1)),
        };
        self.blame.refusal |= !again || lost.is_some() || matches!(found, Reach::Refused(_));
        if again {
            self.blame.since = [self.blame.since, lost].into_iter().flatten().min();
        }
    }
}
