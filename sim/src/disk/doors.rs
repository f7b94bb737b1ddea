//! The storage door of a simulated machine.

mod looks;

use std::io;
use std::sync::Arc;

use engram::base::crc32c::crc32c;
use engram::base::hash::HashKey;
use engram::base::rng::Rng;
use engram::env::{File, Map, Storage};

use super::content::{Content, put};
use super::decay::Place;
use super::image::{Image, NameChange};
use super::map::{Maps, Room, SimMap};
use super::refusals::{io_error, needs_room, not_found};
use super::{Decay, Disk, Kind, Latency, Sabotage, refusals};
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
    /// It is not the data directory: no fault of the plan is meant for it.
    aside: bool,
    state: Shared<State>,
}

struct State {
    image: Image,
    rng: Rng,
    /// Calls that still find the disk full.
    full: u32,
    /// Late syncs: the file, and the changes that each covers.
    late: Vec<(u64, usize)>,
    /// There was no room for a copy of the log's last segment: the server may trust what an earlier sync has dropped.
    no_copy: bool,
    maps: Maps,
}

struct SimFile {
    inner: Arc<Inner>,
    file: u64,
    name: String,
}

impl std::fmt::Debug for SimStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimStorage")
    }
}

impl SimStorage {
    pub(super) fn new(
        mut image: Image,
        scheduler: Scheduler,
        faults: Arc<Shared<Faults>>,
        latency: Latency,
        sabotage: Sabotage,
        rng: Rng,
    ) -> Self {
        image.begin();
        faults.lock().blame = image.blame;
        if sabotage.cut_at_rot && image.is_damaged() {
            image.cut_at_rot();
        }
        let state =
            Shared::new(State { image, rng, full: 0, late: Vec::new(), no_copy: false, maps: Maps::new() });
        Self { inner: Arc::new(Inner { scheduler, faults, latency, sabotage, aside: false, state }) }
    }

    /// The same, as a directory beside that of the data; nobody else has it yet.
    pub(super) fn aside(mut self: Arc<Self>) -> Arc<Self> {
        let inner = Arc::get_mut(&mut self).and_then(|storage| Arc::get_mut(&mut storage.inner));
        inner.into_iter().for_each(|inner| inner.aside = true);
        self
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

impl Inner {
    /// Every call begins here: a scheduling point, the crash, and errors that mean that nothing has happened. What is
    /// left of the plan's fault is for the caller to act on.
    fn enter(&self, call: Call, name: &str, numbers: [u64; 3]) -> io::Result<Option<Fault>> {
        if !self.scheduler.door(call.name()) {
            return Err(io::Error::other("the machine has stopped"));
        }
        let phase = self.scheduler.phase();
        let fault = self.faults.lock().next_of(call, Kind::of(name), phase);
        self.scheduler.note(if self.aside { "aside" } else { call.name() }, name, numbers);
        if let Some(fault) = fault {
            self.scheduler.note("fault", &fault.to_string(), [0; 3]);
        }
        match fault {
            Some(Fault::Slow(nanos)) => self.scheduler.sleep(nanos, call.name()),
            Some(Fault::Crash(nanos)) => self.scheduler.crash_after(nanos, call.name()),
            Some(Fault::Interrupted) => return Err(io::ErrorKind::Interrupted.into()),
            Some(Fault::Io) if call != Call::Sync => return Err(io_error(call)),
            Some(Fault::Decay(decay)) => self.decay(decay),
            Some(Fault::Full(calls)) if needs_room(call) => self.state.lock().full = calls,
            _ => {}
        }
        if needs_room(call) {
            let mut state = self.state.lock();
            if state.full > 0 {
                state.full -= 1;
                state.no_copy |= Kind::of(name) == Kind::Copy;
                drop(state);
                self.faults.lock().ran_out_of_room(Kind::of(name), self.scheduler.now());
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        Ok(fault)
    }

    /// Something happens to the medium at a call, and to those who have the file mapped.
    fn decay(&self, decay: Decay) {
        let mut state = self.state.lock();
        let hit = decay.happen(&mut state.image);
        let mapped = self.show(&state, decay, hit);
        drop(state);
        let taken = hit.filter(|_| matches!(decay, Decay::Remove(_)));
        taken.into_iter().for_each(|_| self.faults.lock().robbed(self.scheduler.now()));
        self.scheduler.note("decay", &decay.to_string(), [hit.unwrap_or(0), mapped.into(), 0]);
        // What was read before may have been right: what changes under a start's hands may be refused, too.
        self.change(|image| {
            image.assess(&image.contents(), true);
            image.assess(&image.contents(), false);
        });
    }

    /// Lets the maps of a file show what has become of it; false if nobody can see that. While a start is not over,
    /// the system still has the pages that it has checked.
    fn show(&self, state: &State, decay: Decay, hit: Option<u64>) -> bool {
        let Some((file, rooms)) = hit.and_then(|file| state.maps.get_key_value(&file)) else { return false };
        let content = state.image.files.get(file).filter(|_| state.image.blame.is_inspected());
        let mut seen = false;
        for room in rooms {
            seen |= match decay {
                Decay::Cut(_) => {
                    room.cut();
                    self.scheduler.note("pages", "cut", [*file, 0, 0]);
                    true
                }
                Decay::Bit(..) | Decay::Sector(_) => {
                    content.is_some_and(|content| room.change(&content.seen))
                }
                Decay::Replace(_) | Decay::Remove(_) | Decay::Double(_) | Decay::Return(_) => false,
            };
        }
        if seen && !matches!(decay, Decay::Cut(_)) {
            self.faults.lock().map_changed = true;
            self.scheduler.note("pages", "changed", [*file, 0, 0]);
        }
        seen
    }

    /// The server is shown `bytes` as the file `name`: what may come of that?
    fn assess_as(&self, name: &str, bytes: Vec<u8>) {
        self.change(|image| {
            let mut files = image.contents();
            files.insert(name.to_owned(), bytes);
            image.assess(&files, false);
        });
    }

    /// Changes the image in what concerns the blame, and tells what comes of it.
    fn change(&self, body: impl FnOnce(&mut Image)) {
        let mut state = self.state.lock();
        body(&mut state.image);
        let blame = state.image.blame;
        drop(state);
        self.faults.lock().blame = blame;
    }

    /// A sync of `file` has reported success: what it covers is promised, whatever else has become of the file since.
    fn note_sync(&self, file: u64, name: &str) {
        if !matches!(Kind::of(name), Kind::Log | Kind::Copy) {
            return;
        }
        let now = self.scheduler.now();
        let image = &mut self.state.lock().image;
        if let (Some(ledger), Some(content)) = (&mut image.ledger, image.files.get(&file)) {
            ledger.note(&content.as_promised(), now);
        }
    }

    /// A write of which the medium gets nothing at its place, but at another one, if `place` says which.
    fn misdirect(&self, file: u64, offset: u64, bytes: &[u8], place: Option<Place>) {
        let image = &mut self.state.lock().image;
        image.found.files.remove(&file);
        image.files.entry(file).or_default().write_as(offset, bytes, true);
        let target = place.and_then(|place| place.find(image));
        if let Some((_, target, at)) = target
            && let Some(content) = image.files.get_mut(&target)
        {
            content.promise();
            put(&mut content.durable, at as u64, bytes);
            image.found.files.remove(&target);
        }
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

    fn with_content<T>(&self, file: u64, body: impl FnOnce(&mut Content) -> T) -> T {
        body(self.state.lock().image.files.entry(file).or_default())
    }

    /// A map of a file, which is known until it is dropped.
    fn mapped(self: &Arc<Self>, file: u64, bytes: &[u8]) -> SimMap {
        let room = Arc::new(Room::new(bytes));
        self.state.lock().maps.entry(file).or_default().push(Arc::clone(&room));
        let inner = Arc::clone(self);
        let forget = move |gone: &Arc<Room>| {
            let maps = &mut inner.state.lock().maps;
            maps.values_mut().for_each(|rooms| rooms.retain(|room| !Arc::ptr_eq(room, gone)));
            maps.retain(|_, rooms| !rooms.is_empty());
        };
        SimMap { room, scheduler: self.scheduler.clone(), forget: Box::new(forget) }
    }

    fn handle(self: &Arc<Self>, file: u64, name: &str) -> Box<dyn File> {
        Box::new(SimFile { inner: Arc::clone(self), file, name: name.to_owned() })
    }
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

/// One bit of what a call returns is wrong.
fn rot_once(bytes: &mut [u8], part: u16, bit: u8) {
    let at = bytes.len() * usize::from(part.min(999)) / 1_000;
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << (bit % 8);
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
        if !self.inner.sabotage.ignore_remove {
            self.inner.state.lock().image.change_name(NameChange::Remove { name: name.to_owned(), file });
        }
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.enter(Call::List, "", [0; 3])?;
        Ok(self.inner.state.lock().image.names.keys().cloned().collect())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let fault = self.inner.enter(Call::SyncDir, "", [0; 3])?;
        let mark = self.inner.state.lock().image.mark_names();
        self.inner.pause(self.inner.latency.sync, Call::SyncDir);
        let State { image, no_copy, .. } = &mut *self.inner.state.lock();
        if std::mem::take(&mut image.owed) {
            image.settle_names(mark);
            return Err(io_error(Call::SyncDir));
        }
        match fault {
            Some(Fault::SyncDropped) => image.drop_names(mark),
            Some(Fault::SyncFull) => {
                image.drop_names(mark);
                return Err(io::ErrorKind::StorageFull.into());
            }
            Some(Fault::SyncReverted) => image.revert_names(),
            Some(Fault::SyncLate | Fault::Lost) => {
                image.forget_names(mark, true);
                image.owed = fault == Some(Fault::SyncLate);
                return Ok(());
            }
            _ => {
                if !self.inner.sabotage.skip_sync_dir {
                    image.settle_names(mark);
                    if *no_copy {
                        image.promise_dropped_names();
                    }
                    self.inner.scheduler.note("durable", "names", [mark as u64, 0, 0]);
                }
                return Ok(());
            }
        }
        Err(io_error(Call::SyncDir))
    }

    fn map(&self, name: &str) -> io::Result<Box<dyn Map>> {
        let fault = self.inner.enter(Call::Map, name, [0; 3])?;
        refusals::plain(name).and_then(|()| refusals::short(name))?;
        let file = self.inner.find(name)?;
        let mut bytes = self.inner.with_content(file, |content| content.seen.clone());
        if let Some(Fault::RotOnce(part, bit)) = fault {
            rot_once(&mut bytes, part, bit);
            self.inner.assess_as(name, bytes.clone());
        }
        Ok(Box::new(self.inner.mapped(file, &bytes)))
    }
}

impl File for SimFile {
    fn size(&self) -> io::Result<u64> {
        self.inner.enter(Call::Size, &self.name, [0; 3])?;
        Ok(self.inner.with_content(self.file, |content| content.seen.len() as u64))
    }

    fn has_name(&self, name: &str) -> io::Result<bool> {
        if !self.inner.scheduler.door("has_name") {
            return Err(io::Error::other("the machine has stopped"));
        }
        Ok(self.inner.state.lock().image.names.get(name) == Some(&self.file))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let fault = self.inner.enter(Call::ReadAt, &self.name, [offset, buf.len() as u64, 0])?;
        refusals::range(offset, buf.len())?;
        let len = self.inner.with_content(self.file, |content| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.seen.len());
            let available = &content.seen[start..];
            let len = cut(buf.len().min(available.len()), fault);
            buf[..len].copy_from_slice(&available[..len]);
            len
        });
        if let Some(Fault::RotOnce(part, bit)) = fault {
            rot_once(&mut buf[..len], part, bit);
            let mut bytes = self.inner.with_content(self.file, |content| content.seen.clone());
            put(&mut bytes, offset, &buf[..len]);
            self.inner.assess_as(&self.name, bytes);
        }
        Ok(len)
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
        match fault {
            Some(Fault::Lost) => self.inner.misdirect(self.file, offset, buf, None),
            Some(Fault::Stray(place)) => self.inner.misdirect(self.file, offset, buf, Some(place)),
            _ => {}
        }
        if matches!(fault, Some(Fault::Lost | Fault::Stray(_))) {
            return Ok(buf.len());
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
        let kept = !self.inner.sabotage.skip_sync;
        if fault == Some(Fault::SyncFull) {
            self.inner.state.lock().no_copy |= Kind::of(&self.name) == Kind::Copy;
        }
        let (result, durable) = self.inner.with_content(self.file, |content| {
            (sync(content, mark, fault, kept), content.durable.len() as u64)
        });
        if matches!(fault, Some(Fault::SyncLate | Fault::Lost)) {
            self.inner.state.lock().image.found.files.remove(&self.file);
        }
        if result.is_ok() && kept && self.inner.state.lock().no_copy && Kind::of(&self.name) == Kind::Log {
            let lied = self.inner.with_content(self.file, Content::promise_dropped);
            if lied {
                self.inner.state.lock().image.found.files.remove(&self.file);
            }
        }
        if result.is_ok() {
            if kept {
                self.inner.scheduler.note("durable", &self.name, [durable, 0, 0]);
            }
            self.inner.note_sync(self.file, &self.name);
        }
        result
    }
}

/// What a sync of the changes up to `mark` comes to; one that is not `kept` does nothing and succeeds.
fn sync(content: &mut Content, mark: usize, fault: Option<Fault>, kept: bool) -> io::Result<()> {
    if std::mem::take(&mut content.owed) {
        content.settle(mark);
        return Err(io_error(Call::Sync));
    }
    match fault {
        Some(Fault::Io | Fault::IoHalf) => {}
        Some(Fault::SyncDropped) => content.forget(mark),
        Some(Fault::SyncReverted) => content.revert(),
        Some(Fault::SyncFull) => {
            content.forget(mark);
            return Err(io::ErrorKind::StorageFull.into());
        }
        Some(Fault::SyncLate | Fault::Lost) => {
            content.lie(mark);
            content.owed = fault == Some(Fault::SyncLate);
            return Ok(());
        }
        _ => {
            if kept {
                content.settle(mark);
            }
            return Ok(());
        }
    }
    Err(io_error(Call::Sync))
}
