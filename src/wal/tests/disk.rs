//! A disk in memory for the tests of this floor and of the snapshots: two images, failing calls, power loss.
//!
//! Each effect is kept as an operation that is pending until its sync. A power loss keeps any subset of the pending
//! ones, cuts of writes included. The machine's clock and waker are here, too.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::base::rng::Rng;
use crate::base::sync::{AtomicU64, Mutex};
use crate::base::time::{Mono, Wall};
use crate::env::{Clock, File, Map, Storage, Waker};

/// What happens at one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// The call fails with EIO and has no effect.
    Fail,
    /// The call fails with EIO; a sync leaves what is pending visible and forgets that it is not durable.
    Forget,
    /// A write or a read is cut to one byte.
    Short,
    /// These bits of the last byte that a read returns are wrong.
    Misread(u8),
    /// A write or a read is interrupted.
    Interrupt,
    /// There is no room, if the call needs any.
    Full,
    /// There is none for this user.
    Quota,
    /// The call panics.
    Panic,
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => {
                let at = *offset as usize;
                bytes.resize(bytes.len().max(at + data.len()), 0);
                bytes[at..at + data.len()].copy_from_slice(data);
            }
            Self::SetLen(len) => bytes.resize(*len as usize, 0),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Add(String, usize),
    Rename(String, String, usize),
    Remove(String),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Add(name, inode) => drop(names.insert(name.clone(), *inode)),
            Self::Rename(from, to, inode) => {
                if names.get(from) == Some(inode) {
                    names.remove(from);
                }
                names.insert(to.clone(), *inode);
            }
            Self::Remove(name) => drop(names.remove(name)),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    seen: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    pending: Vec<NameChange>,
    mishaps: BTreeMap<u64, Mishap>,
    calls: u64,
    /// What was called, in order.
    journal: Vec<String>,
    /// Every call from this one on fails: the machine is gone.
    dead_from: Option<u64>,
}

impl State {
    fn enter(&mut self, call: String) -> io::Result<Option<Mishap>> {
        let n = self.calls;
        self.calls += 1;
        let needs_room =
            ["create", "write", "rename", "set_len", "sync "].iter().any(|of| call.starts_with(of));
        self.journal.push(call);
        if self.dead_from.is_some_and(|dead| n >= dead) {
            return Err(io::Error::other("the machine is gone"));
        }
        match self.mishaps.get(&n) {
            Some(Mishap::Fail) => Err(io::Error::other("input/output error")),
            Some(Mishap::Panic) => panic!("the disk is on fire"),
            Some(Mishap::Full) if needs_room => Err(io::ErrorKind::StorageFull.into()),
            Some(Mishap::Quota) if needs_room => Err(io::ErrorKind::QuotaExceeded.into()),
            Some(Mishap::Interrupt) => Err(io::ErrorKind::Interrupted.into()),
            other => Ok(other.copied()),
        }
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        self.seen.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename(&mut self, change: NameChange) {
        change.apply(&mut self.seen);
        self.pending.push(change);
    }
}

/// The disk. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct MemDisk(Arc<Mutex<State>>);

impl Default for MemDisk {
    fn default() -> Self {
        Self::with(State::default())
    }
}

impl MemDisk {
    fn with(state: State) -> Self {
        Self(Arc::new(Mutex::new("disk", state)))
    }

    /// A disk that durably holds one file.
    pub(crate) fn holding(files: &[(&str, &[u8])]) -> Self {
        let disk = Self::default();
        for (name, bytes) in files {
            disk.put(name, bytes);
        }
        disk
    }

    pub(crate) fn arc(&self) -> Arc<dyn Storage> {
        Arc::new(self.clone())
    }

    /// Places a file, durably, without a call.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let mut s = self.0.lock();
        let inode = s.inodes.len();
        s.inodes.push(Inode { seen: bytes.to_vec(), durable: bytes.to_vec(), pending: Vec::new() });
        s.seen.insert(name.to_owned(), inode);
        s.durable.insert(name.to_owned(), inode);
    }

    /// What a file shows.
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        let s = self.0.lock();
        s.inodes[s.seen[name]].seen.clone()
    }

    /// All files as they show themselves.
    pub(crate) fn image(&self) -> BTreeMap<String, Vec<u8>> {
        let s = self.0.lock();
        s.seen.iter().map(|(name, inode)| (name.clone(), s.inodes[*inode].seen.clone())).collect()
    }

    pub(crate) fn mishap(&self, call: u64, mishap: Mishap) {
        self.0.lock().mishaps.insert(call, mishap);
    }

    pub(crate) fn die_at(&self, call: u64) {
        self.0.lock().dead_from = Some(call);
    }

    pub(crate) fn calls(&self) -> u64 {
        self.0.lock().calls
    }

    pub(crate) fn journal(&self) -> Vec<String> {
        self.0.lock().journal.clone()
    }

    /// What the next life finds after a kill: everything that was seen, nothing more durable than before.
    pub(crate) fn after_kill(&self) -> Self {
        let mut state = self.0.lock().clone();
        (state.mishaps, state.calls, state.dead_from) = (BTreeMap::new(), 0, None);
        state.journal.clear();
        Self::with(state)
    }

    /// What the next life finds after a power loss: the synced bytes and a subset of the pending changes.
    pub(crate) fn after_power_loss(&self, rng: &mut Rng) -> Self {
        let old = self.0.lock().clone();
        let mut state = State::default();
        for inode in &old.inodes {
            let mut bytes = inode.durable.clone();
            let all = rng.one_in(4);
            for change in inode.pending.iter().filter(|_| all || rng.one_in(2)).collect::<Vec<_>>() {
                let torn = tear(change, rng);
                torn.apply(&mut bytes);
            }
            state.inodes.push(Inode { seen: bytes.clone(), durable: bytes, pending: Vec::new() });
        }
        state.durable = old.durable;
        for change in old.pending.iter().filter(|_| rng.one_in(2)).collect::<Vec<_>>() {
            change.apply(&mut state.durable);
        }
        state.seen = state.durable.clone();
        Self::with(state)
    }
}

fn tear(change: &Change, rng: &mut Rng) -> Change {
    match change {
        Change::Write(offset, data) if !data.is_empty() && rng.one_in(2) => {
            let cut = rng.index(data.len());
            match rng.below(3) {
                0 => Change::Write(*offset, data[..cut].to_vec()),
                1 => Change::Write(offset + cut as u64, data[cut..].to_vec()),
                _ => {
                    let mut garbage = data.clone();
                    rng.fill(&mut garbage[cut..]);
                    Change::Write(*offset, garbage)
                }
            }
        }
        other => other.clone(),
    }
}

impl Storage for MemDisk {
    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        let mut s = self.0.lock();
        s.enter(format!("open {name}"))?;
        Ok(Box::new(MemFile { disk: self.clone(), inode: s.find(name)?, name: name.to_owned() }))
    }

    fn create_new(&self, name: &str) -> io::Result<Box<dyn File>> {
        let mut s = self.0.lock();
        s.enter(format!("create {name}"))?;
        if s.seen.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = s.inodes.len();
        s.inodes.push(Inode::default());
        s.rename(NameChange::Add(name.to_owned(), inode));
        Ok(Box::new(MemFile { disk: self.clone(), inode, name: name.to_owned() }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut s = self.0.lock();
        s.enter(format!("rename {from} {to}"))?;
        let inode = s.find(from)?;
        s.rename(NameChange::Rename(from.to_owned(), to.to_owned(), inode));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut s = self.0.lock();
        s.enter(format!("remove {name}"))?;
        s.find(name)?;
        s.rename(NameChange::Remove(name.to_owned()));
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut s = self.0.lock();
        s.enter("list".to_owned())?;
        Ok(s.seen.keys().cloned().collect())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut s = self.0.lock();
        let mishap = s.enter("sync_dir".to_owned())?;
        let pending = std::mem::take(&mut s.pending);
        if mishap == Some(Mishap::Forget) {
            return Err(io::Error::other("input/output error"));
        }
        for change in pending {
            change.apply(&mut s.durable);
        }
        Ok(())
    }

    fn map(&self, name: &str) -> io::Result<Box<dyn Map>> {
        let mut s = self.0.lock();
        s.enter(format!("map {name}"))?;
        let inode = s.find(name)?;
        Ok(Box::new(MemMap::new(&s.inodes[inode].seen)))
    }
}

struct MemFile {
    disk: MemDisk,
    inode: usize,
    name: String,
}

impl MemFile {
    fn change(&self, s: &mut State, change: Change) {
        let inode = &mut s.inodes[self.inode];
        change.apply(&mut inode.seen);
        inode.pending.push(change);
    }
}

impl File for MemFile {
    fn size(&self) -> io::Result<u64> {
        let mut s = self.disk.0.lock();
        s.enter(format!("size {}", self.name))?;
        Ok(s.inodes[self.inode].seen.len() as u64)
    }

    fn has_name(&self, name: &str) -> io::Result<bool> {
        Ok(self.disk.0.lock().seen.get(name) == Some(&self.inode))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut s = self.disk.0.lock();
        let mishap = s.enter(format!("read {}", self.name))?;
        let rest = s.inodes[self.inode].seen.get(offset as usize..).unwrap_or_default();
        let most = if mishap == Some(Mishap::Short) { 1 } else { usize::MAX };
        let n = buf.len().min(rest.len()).min(most);
        buf[..n].copy_from_slice(&rest[..n]);
        if let (Some(byte), Some(Mishap::Misread(bits))) = (buf[..n].last_mut(), mishap) {
            *byte ^= bits;
        }
        Ok(n)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let mut s = self.disk.0.lock();
        let mishap = s.enter(format!("write {}", self.name))?;
        let n = if mishap == Some(Mishap::Short) { buf.len().min(1) } else { buf.len() };
        self.change(&mut s, Change::Write(offset, buf[..n].to_vec()));
        Ok(n)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut s = self.disk.0.lock();
        s.enter(format!("set_len {}", self.name))?;
        self.change(&mut s, Change::SetLen(len));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut s = self.disk.0.lock();
        let mishap = s.enter(format!("sync {}", self.name))?;
        let inode = &mut s.inodes[self.inode];
        let pending = std::mem::take(&mut inode.pending);
        if mishap == Some(Mishap::Forget) {
            return Err(io::Error::other("input/output error"));
        }
        for change in pending {
            change.apply(&mut inode.durable);
        }
        Ok(())
    }
}

struct MemMap {
    room: Vec<u8>,
    start: usize,
    len: usize,
}

impl MemMap {
    fn new(bytes: &[u8]) -> Self {
        let mut room = vec![0; bytes.len() + 64];
        let start = room.as_ptr().align_offset(64);
        room[start..start + bytes.len()].copy_from_slice(bytes);
        Self { room, start, len: bytes.len() }
    }
}

// SAFETY: the bytes are a private copy that nothing changes or moves until the map is dropped.
unsafe impl Map for MemMap {
    fn bytes(&self) -> &[u8] {
        &self.room[self.start..self.start + self.len]
    }
}

/// A clock that stands still until it is told to go on.
#[derive(Debug, Default)]
pub(crate) struct StillClock(pub(crate) AtomicU64);

impl Clock for StillClock {
    fn now(&self) -> Mono {
        Mono(self.0.load())
    }

    fn wall(&self) -> Wall {
        Wall(0)
    }
}

/// Counts how often the loop was woken.
#[derive(Debug, Default)]
pub(crate) struct CountingWaker(pub(crate) AtomicU64);

impl Waker for CountingWaker {
    fn wake(&self) {
        self.0.fetch_add(1);
    }
}
