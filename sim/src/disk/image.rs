//! The two images of a directory: what the process sees, and what would survive a power loss.

use std::collections::BTreeMap;

/// A change to a file that no sync has covered yet.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// Bytes written at an offset.
    Write { offset: u64, bytes: Vec<u8> },
    /// A new length.
    Length(u64),
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
}

impl Content {
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        put(&mut self.seen, offset, bytes);
        self.pending.push(Change::Write { offset, bytes: bytes.to_vec() });
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
            apply(&mut self.durable, &change);
        }
    }

    /// Forgets the pending changes up to `mark`, although the process still sees them.
    pub(super) fn forget(&mut self, mark: usize) {
        self.take(mark);
    }

    fn take(&mut self, mark: usize) -> Vec<Change> {
        let count = mark.saturating_sub(self.past).min(self.pending.len());
        self.past += count;
        self.pending.drain(..count).collect()
    }

    /// The process sees again what is safe.
    pub(super) fn revert(&mut self) {
        self.forget(usize::MAX);
        self.seen.clone_from(&self.durable);
    }
}

/// Changes `bytes` as the process's write or truncation would.
pub(super) fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { offset, bytes: new } => put(bytes, *offset, new),
        Change::Length(len) => bytes.resize(*len as usize, 0),
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

/// One directory.
#[derive(Clone, Debug, Default)]
pub(super) struct Image {
    pub(super) files: BTreeMap<u64, Content>,
    pub(super) names: BTreeMap<String, u64>,
    pub(super) durable_names: BTreeMap<String, u64>,
    pub(super) pending_names: Vec<NameChange>,
    past_names: usize,
    made: u64,
}

impl Image {
    /// A directory without files that numbers new ones as this one would.
    pub(super) fn bare(&self) -> Self {
        Self { made: self.made, ..Self::default() }
    }

    pub(super) fn create(&mut self, name: &str) -> u64 {
        self.made += 1;
        let file = self.made;
        self.files.insert(file, Content::default());
        self.change_name(NameChange::Create { name: name.to_owned(), file });
        file
    }

    /// Changes the names as the process sees them, pending until the directory is synced.
    pub(super) fn change_name(&mut self, change: NameChange) {
        rename(&mut self.names, &change);
        self.pending_names.push(change);
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
        for file in self.names.values().chain(self.durable_names.values()).chain(pending) {
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
