//! The two images of a directory: what the process sees, and what would survive a power loss.
//!
//! Where the medium lies or changes by itself there is a third, only while it differs: what would survive had it kept
//! its promises. It says what the server cannot be blamed for, and is what an operator's backup holds.

use std::collections::{BTreeMap, BTreeSet};

use super::Kind;
use super::blame::Blame;
use super::content::Content;
use super::reading::Ledger;
use super::robbed::lacks;

/// A change to the directory that no `sync_dir` has covered yet. Files are named by their number.
#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Create {
        name: String,
        file: u64,
    },
    Rename {
        from: String,
        to: String,
        file: u64,
    },
    Remove {
        name: String,
        file: u64,
    },
    /// The name was to be taken away, and a file that nobody here has made bears it now.
    Plant {
        name: String,
        file: u64,
    },
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
    /// Files that have come from outside since the life began, by their numbers.
    pub(super) planted: BTreeSet<u64>,
    /// Names that somebody has taken away since the life began.
    taken: BTreeSet<String>,
    /// What the life has found of unfinished writes: names and files' numbers.
    pub(super) unfinished: Vec<(String, u64)>,
    /// Changes of names that a failed sync has dropped: the process sees them, and the medium will never have them.
    dropped_names: Vec<NameChange>,
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
                NameChange::Create { .. } | NameChange::Plant { .. } => {}
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
        self.dropped_names.clear();
        self.names.clone_from(&self.durable_names);
    }

    /// A failed sync drops the pending changes of names up to `mark`.
    pub(super) fn drop_names(&mut self, mark: usize) {
        let count = mark.saturating_sub(self.past_names).min(self.pending_names.len());
        self.dropped_names.extend_from_slice(&self.pending_names[..count]);
        self.forget_names(mark, false);
    }

    /// A sync has succeeded, though names that an earlier one had dropped are nowhere: it lied about those that are seen.
    pub(super) fn promise_dropped_names(&mut self) {
        for change in std::mem::take(&mut self.dropped_names) {
            let seen = match &change {
                NameChange::Create { name: to, file } | NameChange::Rename { to, file, .. } => {
                    self.names.get(to) == Some(file) && self.durable_names.get(to) != Some(file)
                }
                NameChange::Remove { name, .. } => !self.names.contains_key(name),
                NameChange::Plant { .. } => false,
            };
            if seen {
                self.promise_names();
                self.found.names = false;
                self.promised_names.iter_mut().for_each(|names| rename_any(names, &change));
            }
        }
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
            for change in &mut self.pending_names {
                if let NameChange::Plant { name, file } = change {
                    *change = NameChange::Create { name: name.clone(), file: *file };
                }
            }
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
        self.planted.insert(file);
        self.names.insert(name.to_owned(), file);
        self.durable_names.insert(name.to_owned(), file);
        // What took the name away before and is not safe yet does not take it away again.
        for change in &mut self.pending_names {
            match change {
                NameChange::Remove { name: gone, .. } if gone == name => {
                    *change = NameChange::Plant { name: name.to_owned(), file };
                }
                NameChange::Rename { from, to, file } if from == name => {
                    *change = NameChange::Create { name: to.clone(), file: *file };
                }
                _ => {}
            }
        }
    }

    /// Takes a name away that nobody here has taken away, and that was safe. It is not among those that may return: a start that
    /// has gone on without it would be told of what it could not know.
    pub(super) fn take_away(&mut self, name: &str) {
        self.promise_names();
        // What has come from outside in this life the server does not know of.
        if !self.is_stranger(name) {
            self.taken.insert(name.to_owned());
        }
        self.names.remove(name);
        self.durable_names.remove(name);
    }

    /// Whether what was taken away since the life began is missed.
    pub(super) fn lacks(&self) -> bool {
        !self.taken.is_empty() && lacks(&self.names, &self.taken)
    }

    /// Whether `name` was given to a file and is not safe yet.
    pub(super) fn is_being_named(&self, name: &str) -> bool {
        self.pending_names.iter().any(|change| match change {
            NameChange::Create { name: to, .. }
            | NameChange::Rename { to, .. }
            | NameChange::Plant { name: to, .. } => to == name,
            NameChange::Remove { .. } => false,
        })
    }

    /// A start looks at the names: what comes from outside later, and what earlier lives have not finished.
    pub(super) fn begin_names(&mut self) {
        self.planted.clear();
        self.taken.clear();
        let unfinished = |name: &str| matches!(Kind::of(name), Kind::Temporary | Kind::Copy);
        let left = self.names.iter().filter(|(name, _)| unfinished(name));
        self.unfinished = left.map(|(name, file)| (name.clone(), *file)).collect();
    }

    /// What was found unfinished and is still there.
    pub(super) fn still_unfinished(&self) -> Option<&str> {
        let mut left = self.unfinished.iter().filter(|(name, file)| self.names.get(name) == Some(file));
        left.next().map(|(name, _)| name.as_str())
    }

    /// Whether what this name leads to has come from outside since the life began.
    pub(super) fn is_stranger(&self, name: &str) -> bool {
        self.names.get(name).is_some_and(|file| self.planted.contains(file))
    }

    /// Drops the files that no name leads to and nobody can have open any more.
    pub(super) fn collect(&mut self) {
        let mut kept = BTreeMap::new();
        let pending = self.pending_names.iter().map(|change| match change {
            NameChange::Create { file, .. }
            | NameChange::Rename { file, .. }
            | NameChange::Remove { file, .. }
            | NameChange::Plant { file, .. } => file,
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
        NameChange::Create { name, file } | NameChange::Plant { name, file } => {
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
            // A name is promised to lead on to what it led to, whatever has been put in that one's place.
            let moved = names.remove(from).unwrap_or(*file);
            names.insert(to.clone(), moved);
        }
        NameChange::Remove { name, .. } | NameChange::Plant { name, .. } => drop(names.remove(name)),
    }
}
