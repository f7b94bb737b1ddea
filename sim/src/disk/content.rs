//! One file: what the process sees of it, what would survive a power loss, and what was promised to.

/// A change to a file that no sync has covered yet.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// Bytes written at an offset; those at `end` and behind it the medium will never have, whatever a sync says.
    Write { offset: u64, bytes: Vec<u8>, end: u64 },
    /// A new length.
    Length(u64),
    /// Room up to here, of which nothing was written.
    Room(u64),
}

impl Change {
    /// What the medium will have of it, where that is less than all of it.
    fn remnant(&self) -> Option<Self> {
        let Self::Write { offset, bytes, end } = self else { return None };
        let left = end.saturating_sub(*offset) as usize;
        let kept = bytes.get(..left).filter(|kept| kept.len() < bytes.len())?;
        Some(Self::Write { offset: *offset, bytes: kept.to_vec(), end: *end })
    }

    /// Whether it writes the byte at `place`.
    fn covers(&self, place: usize) -> bool {
        let Self::Write { offset, bytes, .. } = self else { return false };
        (*offset as usize..*offset as usize + bytes.len()).contains(&place)
    }
}

/// A file's contents, whatever its name.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// What the process reads.
    pub(super) seen: Vec<u8>,
    /// What the last sync made safe.
    pub(super) durable: Vec<u8>,
    /// What was changed since.
    pub(super) pending: Vec<Change>,
    /// Changes that are not pending any more, so that [`Content::mark`] counts all there ever were.
    pub(super) past: usize,
    /// Changes that a failed sync has dropped: the process sees them, and the medium will never have them.
    pub(super) dropped: Vec<Change>,
    /// The life at hand has heard of that.
    pub(super) told: bool,
    /// What should be safe, once it may differ from what is.
    pub(super) promised: Option<Vec<u8>>,
    /// An error that the next sync has to report.
    pub(super) owed: bool,
}

impl Content {
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.write_as(offset, bytes, false);
    }

    /// A write that the process sees and the medium, if `lost`, never gets.
    pub(super) fn write_as(&mut self, offset: u64, bytes: &[u8], lost: bool) {
        if bytes.is_empty() {
            return;
        }
        put(&mut self.seen, offset, bytes);
        let end = if lost { 0 } else { u64::MAX };
        self.pending.push(Change::Write { offset, bytes: bytes.to_vec(), end });
    }

    pub(super) fn set_len(&mut self, len: u64) {
        if self.told {
            // Whoever has heard that a sync failed and cuts the file answers for what it leaves.
            self.dropped.clear();
        }
        self.seen.resize(len as usize, 0);
        self.pending.push(Change::Length(len));
    }

    /// How many changes there have been: what a sync that begins now will cover.
    pub(super) fn mark(&self) -> usize {
        self.past + self.pending.len()
    }

    /// Makes the changes up to `mark` safe.
    pub(super) fn settle(&mut self, mark: usize) {
        for change in self.take(mark) {
            self.land(&change);
        }
    }

    /// Brings a change to the medium, unless that loses it.
    pub(super) fn land(&mut self, change: &Change) {
        if let Some(remnant) = change.remnant() {
            apply(self.promise(), change);
            apply(&mut self.durable, &remnant);
            return;
        }
        apply(&mut self.durable, change);
        if let Some(promised) = &mut self.promised {
            apply(promised, change);
        }
    }

    /// Makes nothing safe although it was promised: the changes up to `mark` are gone, and the process still sees them.
    pub(super) fn lie(&mut self, mark: usize) {
        for change in self.take(mark) {
            apply(self.promise(), &change);
        }
    }

    /// A sync has succeeded, though pages that an earlier one had dropped are nowhere: it lied about them. True if so.
    pub(super) fn promise_dropped(&mut self) -> bool {
        if !self.pending.is_empty() || self.dropped.is_empty() {
            return false;
        }
        // What was written over them since is what is seen there.
        let before = self.promise().clone();
        for change in std::mem::take(&mut self.dropped) {
            let seen = match &change {
                Change::Write { offset, bytes, .. } => {
                    let start = (*offset as usize).min(self.seen.len());
                    let end = (start + bytes.len()).min(self.seen.len());
                    self.seen[start..end].to_vec()
                }
                Change::Length(_) | Change::Room(_) => Vec::new(),
            };
            let promised = self.promised.get_or_insert_default();
            match change {
                Change::Write { offset, .. } => put(promised, offset, &seen),
                Change::Length(_) => promised.resize(self.seen.len(), 0),
                Change::Room(end) => promised.resize(promised.len().max(end as usize), 0),
            }
        }
        self.promised.as_ref() != Some(&before)
    }

    /// From here on, what should be safe is kept apart from what is.
    pub(super) fn promise(&mut self) -> &mut Vec<u8> {
        self.promised.get_or_insert_with(|| self.durable.clone())
    }

    /// What the process would see if every promise had been kept.
    pub(super) fn as_promised(&self) -> Vec<u8> {
        let Some(promised) = &self.promised else { return self.seen.clone() };
        let mut bytes = promised.clone();
        self.pending.iter().for_each(|change| apply(&mut bytes, change));
        bytes
    }

    /// Every promise counts as kept again: the file is what it should be.
    pub(super) fn restore(&mut self) {
        self.seen = self.as_promised();
        if let Some(promised) = self.promised.take() {
            self.durable = promised;
        }
    }

    /// The file ends at `len`, whoever has it open.
    pub(super) fn cut(&mut self, len: usize) {
        self.promise();
        self.durable.truncate(len);
        self.seen.truncate(len);
        // What is on its way was written all the same: a sync will promise all of it.
        for change in &mut self.pending {
            match change {
                Change::Write { end, .. } => *end = (*end).min(len as u64),
                Change::Length(_) | Change::Room(_) => {}
            }
        }
    }

    /// A byte changes at rest, under every cached page that is clean.
    pub(super) fn rot(&mut self, place: usize, mask: u8) {
        let dirty = self.pending.iter().any(|change| change.covers(place));
        if place < self.durable.len() {
            self.promise();
            flip(&mut self.durable, place, mask);
        }
        if !dirty {
            flip(&mut self.seen, place, mask);
        }
    }

    /// Forgets the pending changes up to `mark`, although the process still sees them.
    pub(super) fn forget(&mut self, mark: usize) {
        let dropped = self.take(mark);
        self.dropped.extend(dropped);
        self.told = true;
    }

    fn take(&mut self, mark: usize) -> Vec<Change> {
        let count = mark.saturating_sub(self.past).min(self.pending.len());
        self.past += count;
        self.pending.drain(..count).collect()
    }

    /// The process sees again what is safe.
    pub(super) fn revert(&mut self) {
        self.take(usize::MAX);
        self.dropped.clear();
        self.seen.clone_from(&self.durable);
    }
}

fn flip(bytes: &mut [u8], place: usize, mask: u8) {
    if let Some(byte) = bytes.get_mut(place) {
        *byte ^= mask;
    }
}

/// Changes `bytes` as the process's write or truncation would.
pub(super) fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { offset, bytes: new, .. } => put(bytes, *offset, new),
        Change::Length(len) => bytes.resize(*len as usize, 0),
        Change::Room(end) => bytes.resize(bytes.len().max(*end as usize), 0),
    }
}

/// Puts `new` at `offset`; a hole before it reads as zeros. Nothing, put anywhere, changes nothing.
pub(super) fn put(bytes: &mut Vec<u8>, offset: u64, new: &[u8]) {
    if new.is_empty() {
        return;
    }
    let start = offset as usize;
    let end = start + new.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[start..end].copy_from_slice(new);
}
