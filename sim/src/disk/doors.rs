//! The storage door of a simulated machine.

use std::io;
use std::sync::Arc;

use engram::base::crc32c::crc32c;
use engram::base::hash::HashKey;
use engram::base::rng::Rng;
use engram::env::{File, Map, Storage};

use super::image::{Image, NameChange};
use super::{Disk, Kind, Latency, Sabotage, refusals};
use crate::faults::{Call, Fault, Faults};
use crate::scheduler::Scheduler;
use crate::shared::Shared;
use crate::trace::excerpt;

/// A [`Disk`] in use by one life.
pub struct SimStorage {
    inner: Arc<Inner>,
}

struct Inner {
    scheduler: Scheduler,
    faults: Arc<Shared<Faults>>,
    latency: Latency,
    sabotage: Sabotage,
    state: Shared<State>,
}

struct State {
    image: Image,
    rng: Rng,
    /// Calls that still find the disk full.
    full: u32,
    /// Late syncs: the file, and the changes that each covers.
    late: Vec<(u64, usize)>,
}

struct SimFile {
    inner: Arc<Inner>,
    file: u64,
    name: String,
}

struct SimMap {
    /// The file's bytes from `start` on, at an address divisible by 64.
    room: Box<[u8]>,
    start: usize,
    len: usize,
}

impl std::fmt::Debug for SimStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimStorage")
    }
}

impl SimStorage {
    pub(super) fn new(
        image: Image,
        scheduler: Scheduler,
        faults: Arc<Shared<Faults>>,
        latency: Latency,
        sabotage: Sabotage,
        rng: Rng,
    ) -> Self {
        let state = Shared::new(State { image, rng, full: 0, late: Vec::new() });
        Self { inner: Arc::new(Inner { scheduler, faults, latency, sabotage, state }) }
    }

    /// Takes the disk back when the life has ended, `orderly` or in a crash; what is left here is an empty directory.
    #[must_use]
    pub fn take(&self, orderly: bool) -> Disk {
        let mut state = self.inner.state.lock();
        let late = std::mem::take(&mut state.late);
        for (file, mark) in late.into_iter().filter(|_| orderly) {
            state.image.files.entry(file).or_default().settle(mark);
        }
        Disk { image: std::mem::take(&mut state.image) }
    }
}

fn io_error(call: Call) -> io::Error {
    io::Error::other(format!("simulated input/output error on {}", call.name()))
}

fn not_found(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no file `{name}`"))
}

impl Inner {
    /// Every call begins here: a scheduling point, the crash, and errors that mean that nothing has happened. What is
    /// left of the plan's fault is for the caller to act on.
    fn enter(&self, call: Call, name: &str, numbers: [u64; 3]) -> io::Result<Option<Fault>> {
        if !self.scheduler.door(call.name()) {
            return Err(io::Error::other("the machine has stopped"));
        }
        let fault = self.faults.lock().next_of(call, Kind::of(name));
        self.scheduler.note(call.name(), name, numbers);
        if let Some(fault) = fault {
            self.scheduler.note("fault", &fault.to_string(), [0; 3]);
        }
        match fault {
            Some(Fault::Slow(nanos)) => self.scheduler.sleep(nanos, call.name()),
            Some(Fault::Crash(nanos)) => self.scheduler.crash_after(nanos, call.name()),
            Some(Fault::Interrupted) => return Err(io::ErrorKind::Interrupted.into()),
            Some(Fault::Io) if call != Call::Sync => return Err(io_error(call)),
            Some(Fault::Full(calls)) if needs_room(call) => self.state.lock().full = calls,
            _ => {}
        }
        if needs_room(call) {
            let mut state = self.state.lock();
            if state.full > 0 {
                state.full -= 1;
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        Ok(fault)
    }

    fn pause(&self, mean: u64, call: Call) {
        if mean > 0 {
            let nanos = self.state.lock().rng.below(2 * mean);
            self.scheduler.sleep(nanos, call.name());
        }
    }

    /// The number of the file called `name`.
    fn find(&self, name: &str) -> io::Result<u64> {
        self.state.lock().image.names.get(name).copied().ok_or_else(|| not_found(name))
    }

    fn with_content<T>(&self, file: u64, body: impl FnOnce(&mut super::image::Content) -> T) -> T {
        body(self.state.lock().image.files.entry(file).or_default())
    }

    fn handle(self: &Arc<Self>, file: u64, name: &str) -> Box<dyn File> {
        Box::new(SimFile { inner: Arc::clone(self), file, name: name.to_owned() })
    }
}

fn needs_room(call: Call) -> bool {
    matches!(call, Call::WriteAt | Call::Create)
}

/// How many of `len` bytes are moved.
fn cut(len: usize, fault: Option<Fault>) -> usize {
    match fault {
        Some(Fault::Short(permille) | Fault::CrashShort(permille)) => {
            (len * usize::from(permille) / 1_000).clamp(1.min(len), len)
        }
        _ => len,
    }
}

impl Storage for SimStorage {
    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.inner.enter(Call::Open, name, [0; 3])?;
        refusals::plain(name).and_then(|()| refusals::short(name))?;
        Ok(self.inner.handle(self.inner.find(name)?, name))
    }

    fn create_new(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.inner.enter(Call::Create, name, [0; 3])?;
        refusals::plain(name).and_then(|()| refusals::short(name))?;
        if self.inner.find(name).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if self.inner.sabotage.no_copies && name.ends_with(".log.tmp") {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = self.inner.state.lock().image.create(name);
        Ok(self.inner.handle(file, name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.enter(Call::Rename, from, [HashKey::default().hash(to.as_bytes()), 0, 0])?;
        refusals::plain(from).and_then(|()| refusals::plain(to))?;
        let file = refusals::short(from).and_then(|()| self.inner.find(from))?;
        refusals::short(to)?;
        let change = NameChange::Rename { from: from.to_owned(), to: to.to_owned(), file };
        self.inner.state.lock().image.change_name(change);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.enter(Call::Remove, name, [0; 3])?;
        refusals::plain(name).and_then(|()| refusals::short(name))?;
        let file = self.inner.find(name)?;
        self.inner.state.lock().image.change_name(NameChange::Remove { name: name.to_owned(), file });
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.enter(Call::List, "", [0; 3])?;
        Ok(self.inner.state.lock().image.names.keys().cloned().collect())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.inner.enter(Call::SyncDir, "", [0; 3])?;
        let mark = self.inner.state.lock().image.mark_names();
        self.inner.pause(self.inner.latency.sync, Call::SyncDir);
        if !self.inner.sabotage.skip_sync_dir {
            self.inner.state.lock().image.settle_names(mark);
            self.inner.scheduler.note("durable", "names", [mark as u64, 0, 0]);
        }
        Ok(())
    }

    fn map(&self, name: &str) -> io::Result<Box<dyn Map>> {
        self.inner.enter(Call::Map, name, [0; 3])?;
        refusals::plain(name).and_then(|()| refusals::short(name))?;
        let file = self.inner.find(name)?;
        Ok(Box::new(self.inner.with_content(file, |content| SimMap::new(&content.seen))))
    }
}

impl File for SimFile {
    fn size(&self) -> io::Result<u64> {
        self.inner.enter(Call::Size, &self.name, [0; 3])?;
        Ok(self.inner.with_content(self.file, |content| content.seen.len() as u64))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let fault = self.inner.enter(Call::ReadAt, &self.name, [offset, buf.len() as u64, 0])?;
        refusals::range(offset, buf.len())?;
        Ok(self.inner.with_content(self.file, |content| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.seen.len());
            let available = &content.seen[start..];
            let len = cut(buf.len().min(available.len()), fault);
            buf[..len].copy_from_slice(&available[..len]);
            len
        }))
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let numbers = [offset, buf.len() as u64, u64::from(crc32c(buf))];
        let fault = self.inner.enter(Call::WriteAt, &self.name, numbers)?;
        refusals::range(offset, buf.len())?;
        self.inner.scheduler.explain(|| excerpt(buf));
        self.inner.pause(self.inner.latency.transfer, Call::WriteAt);
        if fault == Some(Fault::IoHalf) {
            let half = &buf[..buf.len() / 2];
            self.inner.with_content(self.file, |content| content.write(offset, half));
            return Err(io_error(Call::WriteAt));
        }
        let len = cut(buf.len(), fault);
        self.inner.with_content(self.file, |content| content.write(offset, &buf[..len]));
        if matches!(fault, Some(Fault::CrashShort(_))) {
            self.inner.scheduler.crash_after(0, Call::WriteAt.name());
        }
        Ok(len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.enter(Call::SetLen, &self.name, [len, 0, 0])?;
        refusals::range(len, 0)?;
        if !self.inner.sabotage.ignore_set_len {
            self.inner.with_content(self.file, |content| content.set_len(len));
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let fault = self.inner.enter(Call::Sync, &self.name, [0; 3])?;
        let mark = self.inner.with_content(self.file, |content| content.mark());
        if self.inner.sabotage.late_sync {
            let (inner, file) = (Arc::clone(&self.inner), self.file);
            inner.state.lock().late.push((file, mark));
            let settle = move || inner.with_content(file, |content| content.settle(mark));
            self.inner.scheduler.later(2 * self.inner.latency.sync, settle);
            return Ok(());
        }
        self.inner.pause(self.inner.latency.sync, Call::Sync);
        match fault {
            Some(Fault::Io | Fault::IoHalf) => return Err(io_error(Call::Sync)),
            Some(Fault::SyncDropped) => {
                self.inner.with_content(self.file, |content| content.forget(mark));
                return Err(io_error(Call::Sync));
            }
            Some(Fault::SyncReverted) => {
                self.inner.with_content(self.file, super::image::Content::revert);
                return Err(io_error(Call::Sync));
            }
            Some(Fault::Full(_)) => return Err(io::ErrorKind::StorageFull.into()),
            _ => {}
        }
        if !self.inner.sabotage.skip_sync {
            let durable = self.inner.with_content(self.file, |content| {
                content.settle(mark);
                content.durable.len()
            });
            self.inner.scheduler.note("durable", &self.name, [durable as u64, 0, 0]);
        }
        Ok(())
    }
}

impl SimMap {
    fn new(bytes: &[u8]) -> Self {
        const ALIGN: usize = 64;
        let mut room = vec![0; bytes.len() + ALIGN].into_boxed_slice();
        let start = room.as_ptr().align_offset(ALIGN).min(ALIGN);
        room[start..start + bytes.len()].copy_from_slice(bytes);
        assert!(room[start..].as_ptr().addr().is_multiple_of(ALIGN), "a map is not aligned");
        Self { room, start, len: bytes.len() }
    }
}

// SAFETY: the bytes lie in a boxed slice that is made in `new` and never changed, moved or resized until it is dropped.
unsafe impl Map for SimMap {
    fn bytes(&self) -> &[u8] {
        &self.room[self.start..self.start + self.len]
    }
}
