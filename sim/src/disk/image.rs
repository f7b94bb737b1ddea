//! The two images of a directory: what the process sees, and what would survive a power loss.
//!
//! Where the medium lies or changes by itself there is a third, only while it differs: what would survive had it kept
//! its promises. It says what the server cannot be blamed for, and is what an operator's backup holds.

use std::collections::{BTreeMap, BTreeSet};

use super::blame::Blame;
use super::reading::Ledger;

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

/// A change to the directory that no `sync_dir` has covered yet. Files are named by their number.
#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Create { name: String, file: u64 },
    Rename { from: String, to: String, file: u64 },
    Remove { name: String, file: u64 },
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

/// What is not as it was promised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Damage {
    /// The directory.
    pub(super) names: bool,
    /// Files, by their numbers.
    pub(super) files: BTreeSet<u64>,
}

/// One directory.
#[derive(Clone, Debug, Default)]
pub(super) struct Image {
    pub(super) files: BTreeMap<u64, Content>,
    pub(super) names: BTreeMap<String, u64>,
    pub(super) durable_names: BTreeMap<String, u64>,
    pub(super) pending_names: Vec<NameChange>,
    /// The names that should be safe, once they may differ from those that are.
    pub(super) promised_names: Option<BTreeMap<String, u64>>,
    /// An error that the next sync of the directory has to report.
    pub(super) owed: bool,
    /// Names that were removed or given away, and what they had last led to; kept if anybody wants to know.
    pub(super) removed: Option<Vec<(String, Vec<u8>)>>,
    /// When each record of the log became safe; kept if anybody wants to know.
    pub(super) ledger: Option<Ledger>,
    /// What the server cannot be blamed for.
    pub(super) blame: Blame,
    /// What was damaged when the life began, and is no more damaged than the server knows: nothing has touched it
    /// since but the server, and no sync of it has lied.
    pub(super) found: Damage,
    past_names: usize,
    made: u64,
}

/// How many removed names are kept.
const REMOVED: usize = 16;

impl Image {
    /// A directory without files that numbers new ones as this one would.
    pub(super) fn bare(&self) -> Self {
        Self { made: self.made, ..Self::default() }
    }

    pub(super) fn create(&mut self, name: &str) -> u64 {
        let file = self.add(Content::default());
        self.change_name(NameChange::Create { name: name.to_owned(), file });
        file
    }

    /// A file without a name.
    pub(super) fn add(&mut self, content: Content) -> u64 {
        self.made += 1;
        self.files.insert(self.made, content);
        self.made
    }

    /// Changes the names as the process sees them, pending until the directory is synced.
    pub(super) fn change_name(&mut self, change: NameChange) {
        if self.removed.is_some() {
            match &change {
                NameChange::Create { .. } => {}
                NameChange::Rename { from, to, .. } => {
                    self.bury(to);
                    self.bury(from);
                }
                NameChange::Remove { name, .. } => self.bury(name),
            }
        }
        rename(&mut self.names, &change);
        self.pending_names.push(change);
    }

    /// Remembers what a name leads to before it does no longer.
    fn bury(&mut self, name: &str) {
        let bytes = self.names.get(name).and_then(|file| self.files.get(file)).map(|c| c.seen.clone());
        if let (Some(removed), Some(bytes)) = (&mut self.removed, bytes) {
            removed.retain(|(other, _)| other != name);
            removed.push((name.to_owned(), bytes));
            if removed.len() > REMOVED {
                removed.remove(0);
            }
        }
    }

    /// How many changes of names there have been.
    pub(super) fn mark_names(&self) -> usize {
        self.past_names + self.pending_names.len()
    }

    /// Makes the changes of names up to `mark` safe.
    pub(super) fn settle_names(&mut self, mark: usize) {
        let count = mark.saturating_sub(self.past_names).min(self.pending_names.len());
        self.past_names += count;
        for change in self.pending_names.drain(..count) {
            rename(&mut self.durable_names, &change);
            if let Some(promised) = &mut self.promised_names {
                rename_any(promised, &change);
            }
        }
    }

    /// Forgets the pending changes of names up to `mark`, although the process still sees them; if it was `promised`
    /// that they are safe, that is kept in mind.
    pub(super) fn forget_names(&mut self, mark: usize, promised: bool) {
        let count = mark.saturating_sub(self.past_names).min(self.pending_names.len());
        self.past_names += count;
        let changes: Vec<NameChange> = self.pending_names.drain(..count).collect();
        if promised {
            self.promise_names();
            self.found.names = false;
        }
        if let Some(names) = self.promised_names.as_mut().filter(|_| promised) {
            changes.iter().for_each(|change| rename_any(names, change));
        }
    }

    /// The process sees the names again that are safe.
    pub(super) fn revert_names(&mut self) {
        self.forget_names(usize::MAX, false);
        self.names.clone_from(&self.durable_names);
    }

    /// From here on, the names that should be safe are kept apart from those that are.
    pub(super) fn promise_names(&mut self) {
        self.promised_names.get_or_insert_with(|| self.durable_names.clone());
    }

    /// The names that the process would see if every promise had been kept.
    fn names_as_promised(&self) -> BTreeMap<String, u64> {
        let Some(promised) = &self.promised_names else { return self.names.clone() };
        let mut names = promised.clone();
        self.pending_names.iter().for_each(|change| rename_any(&mut names, change));
        names
    }

    /// Every file as the process would see it if every promise had been kept.
    pub(super) fn as_promised(&self) -> BTreeMap<String, Vec<u8>> {
        let content = |file| self.files.get(file).map(Content::as_promised).unwrap_or_default();
        self.names_as_promised().iter().map(|(name, file)| (name.clone(), content(file))).collect()
    }

    /// True once a promise was broken and nobody has put that right or lived with it.
    pub(super) fn is_damaged(&self) -> bool {
        self.promised_names.is_some() || self.files.values().any(|content| content.promised.is_some())
    }

    /// The operator puts everything right, from a backup that is as new as the last promise.
    pub(super) fn restore(&mut self) {
        self.names = self.names_as_promised();
        if let Some(promised) = self.promised_names.take() {
            self.durable_names = promised;
        }
        self.files.values_mut().for_each(Content::restore);
        self.blame.forgive();
    }

    /// What of `damage` the process still sees is what is promised from now on.
    pub(super) fn accept(&mut self, damage: &Damage) {
        if damage.names {
            self.promised_names = None;
        }
        for file in &damage.files {
            if let Some(content) = self.files.get_mut(file) {
                content.promised = None;
            }
        }
    }

    /// The names that the process sees are safe, where they are those that were promised: what rot has taken from a file
    /// does not come back with an older one that had its name, because a sync has lied.
    pub(super) fn keep_names_seen(&mut self) {
        if self.names_as_promised() == self.names {
            self.settle_names(usize::MAX);
            self.promised_names = None;
            self.durable_names.clone_from(&self.names);
        }
    }

    /// What the process can see that is not what was promised.
    pub(super) fn damage(&self) -> Damage {
        let wrong = |content: &Content| content.promised.is_some() && content.as_promised() != content.seen;
        let files = self.files.iter().filter(|(_, content)| wrong(content)).map(|(file, _)| *file).collect();
        Damage { names: self.promised_names.is_some() && self.names_as_promised() != self.names, files }
    }

    /// Every file as the process sees it.
    pub(super) fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let seen = |file| self.files.get(file).map(|content| content.seen.clone()).unwrap_or_default();
        self.names.iter().map(|(name, file)| (name.clone(), seen(file))).collect()
    }

    /// Puts a file under `name` that nobody here has made, and that is safe.
    pub(super) fn plant(&mut self, name: &str, bytes: Vec<u8>) {
        self.promise_names();
        let file = self.add(Content { seen: bytes.clone(), durable: bytes, ..Content::default() });
        self.names.insert(name.to_owned(), file);
        self.durable_names.insert(name.to_owned(), file);
        // What took the name away before and is not safe yet does not take it away again.
        for change in &mut self.pending_names {
            match change {
                NameChange::Remove { name: gone, .. } if gone == name => {
                    *change = NameChange::Create { name: name.to_owned(), file };
                }
                NameChange::Rename { from, to, file } if from == name => {
                    *change = NameChange::Create { name: to.clone(), file: *file };
                }
                _ => {}
            }
        }
    }

    /// Drops the files that no name leads to and nobody can have open any more.
    pub(super) fn collect(&mut self) {
        let mut kept = BTreeMap::new();
        let pending = self.pending_names.iter().map(|change| match change {
            NameChange::Create { file, .. }
            | NameChange::Rename { file, .. }
            | NameChange::Remove { file, .. } => file,
        });
        let promised = self.promised_names.iter().flat_map(BTreeMap::values);
        for file in self.names.values().chain(self.durable_names.values()).chain(promised).chain(pending) {
            if let Some(content) = self.files.remove(file) {
                kept.insert(*file, content);
            }
        }
        self.files = kept;
    }
}

/// Changes `names` by one pending change. What does not fit any more (a name that was never there) changes nothing.
pub(super) fn rename(names: &mut BTreeMap<String, u64>, change: &NameChange) {
    match change {
        NameChange::Create { name, file } => {
            names.insert(name.clone(), *file);
        }
        NameChange::Rename { from, to, file } => {
            if names.get(from) == Some(file) {
                names.remove(from);
            }
            names.insert(to.clone(), *file);
        }
        NameChange::Remove { name, file } => {
            if names.get(name) == Some(file) {
                names.remove(name);
            }
        }
    }
}

/// The same for promised names, which may lead to another file than the one that was changed.
pub(super) fn rename_any(names: &mut BTreeMap<String, u64>, change: &NameChange) {
    match change {
        NameChange::Create { .. } => rename(names, change),
        NameChange::Rename { from, to, file } => {
            names.remove(from);
            names.insert(to.clone(), *file);
        }
        NameChange::Remove { name, .. } => drop(names.remove(name)),
    }
}
