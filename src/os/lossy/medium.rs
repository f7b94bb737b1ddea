//! Names and files as the process sees them, and what of that the medium has.
//!
//! A file lives on the medium from its creation on, under a name that nobody is shown; a name that becomes durable is that file
//! renamed, so that the medium's names change one at a time and never show half a file that was synced whole. Changes
//! of names reach the medium in their order where they share a name, and in any order where they do not.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::inode::Inode;
use super::{Lie, Settings};
use crate::base::rng::Rng;
use crate::env::{Map, Storage};

/// How names begin that nobody is shown.
const HIDDEN: &str = ".lossy-";

/// Most sectors that leak at once.
const FEW: usize = 8;

/// A change of names that the medium has not heard of.
enum Change {
    Create { name: String, inode: u64 },
    Rename { from: String, to: String },
    Remove { name: String },
}

impl Change {
    fn names(&self) -> [&str; 2] {
        match self {
            Self::Create { name, .. } | Self::Remove { name } => [name, name],
            Self::Rename { from, to } => [from, to],
        }
    }
}

/// Everything behind the lock.
pub(super) struct Medium {
    real: Arc<dyn Storage>,
    names: BTreeMap<String, u64>,
    inodes: BTreeMap<u64, Inode>,
    pending: Vec<Change>,
    /// The number of the next file, or of a copy for a map.
    next: u64,
    rng: Rng,
    /// After one call in so many something leaks; 0 for never.
    rate: u64,
    lie: Option<Lie>,
}

impl Medium {
    /// What an earlier life's files were that never had a durable name is removed.
    pub(super) fn new(real: Arc<dyn Storage>, settings: Settings) -> io::Result<Self> {
        let mut rng = Rng::stream(settings.seed, "lossy");
        let rate = [0, 2, 8, 40][rng.index(4)];
        let (names, inodes) = (BTreeMap::new(), BTreeMap::new());
        let lie = settings.lie;
        let mut medium = Self { real, names, inodes, pending: Vec::new(), next: 0, rng, rate, lie };
        for name in medium.real.list()? {
            if name.starts_with(HIDDEN) {
                medium.real.remove(&name)?;
            } else {
                medium.names.insert(name, u64::MAX);
            }
        }
        Ok(medium)
    }

    /// The file called `name`; it is opened on the medium when it is first asked for.
    pub(super) fn find(&mut self, name: &str) -> io::Result<u64> {
        match self.names.get(name).copied() {
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no {name}"))),
            Some(u64::MAX) => {
                let inode = Inode::new(self.real.open(name)?, name.to_owned())?;
                let number = self.enter(inode);
                self.names.insert(name.to_owned(), number);
                Ok(number)
            }
            Some(number) => Ok(number),
        }
    }

    pub(super) fn inode(&mut self, number: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&number).ok_or_else(|| io::Error::other("a file that nobody has open"))
    }

    /// Whether `name` leads to the file `number`.
    pub(super) fn leads(&self, name: &str, number: u64) -> bool {
        self.names.get(name) == Some(&number)
    }

    pub(super) fn create(&mut self, name: &str) -> io::Result<u64> {
        if self.names.contains_key(name) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("there is {name} already")));
        }
        let place = self.hidden();
        let inode = Inode::new(self.real.create_new(&place)?, place)?;
        let number = self.enter(inode);
        self.names.insert(name.to_owned(), number);
        self.change(Change::Create { name: name.to_owned(), inode: number })?;
        Ok(number)
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let number = self.find(from)?;
        if from == to {
            return Ok(());
        }
        if self.names.contains_key(to) {
            self.find(to)?;
        }
        self.names.remove(from);
        self.names.insert(to.to_owned(), number);
        self.change(Change::Rename { from: from.to_owned(), to: to.to_owned() })
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        self.find(name)?;
        self.names.remove(name);
        self.change(Change::Remove { name: name.to_owned() })
    }

    pub(super) fn list(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    pub(super) fn map(&mut self, name: &str) -> io::Result<Box<dyn Map>> {
        let number = self.find(name)?;
        let copy = self.hidden();
        let real = Arc::clone(&self.real);
        let inode = self.inode(number)?;
        match &inode.place {
            Some(place) if inode.is_clean() => real.map(place),
            _ => {
                inode.copy(&*real, &copy)?;
                let map = real.map(&copy);
                real.remove(&copy)?;
                map
            }
        }
    }

    pub(super) fn sync(&mut self, number: u64) -> io::Result<()> {
        if self.lie == Some(Lie::Sync) { Ok(()) } else { self.inode(number)?.sync() }
    }

    pub(super) fn sync_dir(&mut self) -> io::Result<()> {
        if self.lie == Some(Lie::SyncDir) {
            return Ok(());
        }
        for change in std::mem::take(&mut self.pending) {
            self.apply(change)?;
        }
        self.inodes.retain(|_, inode| inode.place.is_some() || Arc::strong_count(&inode.open) > 1);
        Ok(())
    }

    /// A file was written: now and then the medium gets a few sectors of it, or of another.
    pub(super) fn written(&mut self, number: u64) -> io::Result<()> {
        if !self.rng.one_in(self.rate) {
            return Ok(());
        }
        let number = if self.rng.one_in(4) { self.any_dirty().unwrap_or(number) } else { number };
        let most = 1 + self.rng.index(FEW);
        match self.inodes.get_mut(&number) {
            Some(inode) => inode.leak_few(&mut self.rng, most),
            None => Ok(()),
        }
    }

    /// What a system may have written by itself when the power goes: any sectors, lengths and names.
    pub(super) fn tear(&mut self) -> io::Result<()> {
        for inode in self.inodes.values_mut() {
            let eighths = [0, 2, 4, 6, 8][self.rng.index(5)];
            inode.leak(&mut self.rng, eighths)?;
        }
        let names = self.rng.below(self.pending.len() as u64 + 1);
        (0..names).try_for_each(|_| self.leak_name())
    }

    fn any_dirty(&mut self) -> Option<u64> {
        let dirty: Vec<u64> = self.inodes.iter().filter(|(_, i)| i.has_dirty()).map(|(n, _)| *n).collect();
        dirty.get(self.rng.index(dirty.len())).copied()
    }

    fn enter(&mut self, inode: Inode) -> u64 {
        self.next += 1;
        self.inodes.insert(self.next, inode);
        self.next
    }

    fn hidden(&mut self) -> String {
        self.next += 1;
        format!("{HIDDEN}{}", self.next)
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        self.pending.push(change);
        if self.rng.one_in(self.rate) { self.leak_name() } else { Ok(()) }
    }

    /// One of the pending changes reaches the medium, and before it those that it shares a name with, be it through others.
    fn leak_name(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let last = self.rng.index(self.pending.len());
        let mut names: Vec<String> = Vec::new();
        let mut chosen = vec![false; self.pending.len()];
        for (at, change) in self.pending.iter().enumerate().take(last + 1).rev() {
            if at == last || change.names().iter().any(|name| names.iter().any(|known| known == name)) {
                chosen[at] = true;
                names.extend(change.names().map(str::to_owned));
            }
        }
        let mut chosen = chosen.into_iter();
        let (now, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending).into_iter().partition(|_| chosen.next() == Some(true));
        self.pending = later;
        now.into_iter().try_for_each(|change| self.apply(change))
    }

    fn apply(&mut self, change: Change) -> io::Result<()> {
        match change {
            Change::Create { name, inode } => {
                let from = self.inode(inode)?.place.clone();
                from.map_or(Ok(()), |from| self.rename_on_medium(&from, &name))
            }
            Change::Rename { from, to } => self.rename_on_medium(&from, &to),
            Change::Remove { name } => {
                self.real.remove(&name)?;
                self.displace(&name);
                Ok(())
            }
        }
    }

    fn rename_on_medium(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.real.rename(from, to)?;
        self.displace(to);
        for inode in self.inodes.values_mut().filter(|inode| inode.place.as_deref() == Some(from)) {
            inode.place = Some(to.to_owned());
        }
        Ok(())
    }

    /// The file that bore this name on the medium bears none any more.
    fn displace(&mut self, name: &str) {
        for inode in self.inodes.values_mut().filter(|inode| inode.place.as_deref() == Some(name)) {
            inode.place = None;
        }
    }
}
