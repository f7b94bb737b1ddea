//! The one way from the log thread to the disk: it latches the first error.
//!
//! Guaranteed: after the first failed write, sync, creation or directory sync no further operation reaches the disk
//! through here, and every attempt gets that first error again. A failed sync is never called again, since the
//! system may have forgotten by then what it could not write. Interrupted and short writes are no errors: they go on.
//! A write, a new name or a cut for which there is no room is no such error either ([`Trouble::NoRoom`]): it has told at once, no
//! sync stands between, so it is known that nothing but the bytes behind the last good write is in doubt, and those are
//! written again. A sync for which there is no room is one like any other.

use std::io;
use std::sync::Arc;

use crate::base::mark::{Mark, reached};
use crate::base::sync::{AtomicBool, Mutex};
use crate::env::{File, Storage};

/// The operation after whose failure nothing is known about what had been written.
pub(super) const SYNC: &str = "sync";

/// The first error of the log. Writes are refused from then on, until a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poisoned {
    /// The file it happened to; empty for the directory.
    pub file: String,
    /// What was tried: `write`, `sync`, `create`, `sync the directory`, `run` for a panic.
    pub operation: &'static str,
    /// What the system said.
    pub error: String,
}

impl std::fmt::Display for Poisoned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, operation, error } = self;
        let space = if file.is_empty() { "" } else { " " };
        write!(f, "the log failed to {operation}{space}{file}: {error}; no writes until a restart")
    }
}

impl std::error::Error for Poisoned {}

/// Why an operation did not come about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There is no room. It may be tried again.
    NoRoom(Poisoned),
    /// The first error, now or before.
    Failed(Poisoned),
}

impl From<Poisoned> for Trouble {
    fn from(first: Poisoned) -> Self {
        Self::Failed(first)
    }
}

/// Holds the first error.
#[derive(Debug, Default)]
pub(super) struct Latch {
    set: AtomicBool,
    first: Mutex<Option<Poisoned>>,
}

impl Latch {
    pub(super) fn new() -> Self {
        Self { set: AtomicBool::new(false), first: Mutex::new("log error", None) }
    }

    /// True if there was an error.
    pub(super) fn is_set(&self) -> bool {
        self.set.load()
    }

    /// The first error, if there was one.
    pub(super) fn get(&self) -> Option<Poisoned> {
        if self.set.load() { self.first.lock().clone() } else { None }
    }

    /// Fails with the first error, if there was one.
    pub(super) fn check(&self) -> Result<(), Poisoned> {
        self.get().map_or(Ok(()), Err)
    }

    /// Forgets the error. For what is no failure of the log.
    pub(super) fn clear(&self) {
        self.set.store(false);
        *self.first.lock() = None;
    }

    /// Keeps `error` if it is the first; returns the one that was.
    pub(super) fn set(&self, error: Poisoned) -> Poisoned {
        let first = self.first.lock().get_or_insert(error).clone();
        self.set.store(true);
        first
    }
}

/// The data directory as the log thread sees it.
pub(super) struct Guard {
    storage: Arc<dyn Storage>,
    latch: Arc<Latch>,
}

/// A file behind the [`Guard`].
pub(super) struct Guarded {
    name: String,
    file: Box<dyn File>,
    latch: Arc<Latch>,
}

impl Guard {
    pub(super) fn new(storage: Arc<dyn Storage>, latch: Arc<Latch>) -> Self {
        Self { storage, latch }
    }

    /// Creates a file that must not exist.
    pub(super) fn create_new(&self, name: &str) -> Result<Guarded, Trouble> {
        let file = attempt_with_room(&self.latch, name, "create", || self.storage.create_new(name))?;
        Ok(self.adopt(name, file))
    }

    /// Puts a file that is already open behind the guard.
    pub(super) fn adopt(&self, name: &str, file: Box<dyn File>) -> Guarded {
        Guarded { name: name.to_owned(), file, latch: Arc::clone(&self.latch) }
    }

    /// Gives a file another name.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), Trouble> {
        attempt_with_room(&self.latch, from, "rename", || self.storage.rename(from, to))
    }

    /// Makes the names as they stand survive.
    pub(super) fn sync_dir(&self) -> Result<(), Poisoned> {
        attempt(&self.latch, "", "sync the directory", || self.storage.sync_dir())
    }

    /// The bare directory, for what may fail without harm.
    pub(super) fn bare(&self) -> &dyn Storage {
        &*self.storage
    }
}

impl Guarded {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Writes all of `bytes` at `offset`.
    pub(super) fn write_all(&self, bytes: &[u8], offset: u64) -> Result<(), Trouble> {
        attempt_with_room(&self.latch, &self.name, "write", || write_all(&*self.file, bytes, offset))
    }

    /// Writes `bytes` at `offset` if there is room on the disk for them; false if there is not, and then some may be there.
    pub(super) fn try_write(&self, bytes: &[u8], offset: u64) -> Result<bool, Poisoned> {
        attempt(&self.latch, &self.name, "write", || match write_all(&*self.file, bytes, offset) {
            Err(e) if lacks_room(&e) => Ok(false),
            other => other.map(|()| true),
        })
    }

    /// Ends the file at `len`. Where files are copied on writing that needs room as well.
    pub(super) fn set_len(&self, len: u64) -> Result<(), Trouble> {
        attempt_with_room(&self.latch, &self.name, "cut", || self.file.set_len(len))
    }

    /// Fails unless its name leads to the file.
    pub(super) fn look_for_name(&self) -> Result<(), Poisoned> {
        attempt(&self.latch, &self.name, "find", || match self.file.has_name(&self.name) {
            Ok(false) => {
                reached(Mark::SegmentGone);
                Err(io::Error::other(
                    "somebody has removed or moved it, and no start will find what this server writes to it",
                ))
            }
            looked => looked.map(drop),
        })
    }

    /// Makes the file survive.
    pub(super) fn sync(&self) -> Result<(), Poisoned> {
        attempt(&self.latch, &self.name, SYNC, || self.file.sync())
    }

    /// The bare file, for what may fail without harm.
    pub(super) fn bare(&self) -> &dyn File {
        &*self.file
    }
}

/// There is no space on the disk, or none for this user.
pub(super) fn lacks_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn attempt<T>(
    latch: &Latch,
    file: &str,
    operation: &'static str,
    work: impl FnOnce() -> io::Result<T>,
) -> Result<T, Poisoned> {
    latch.check()?;
    work().map_err(|e| latch.set(Poisoned { file: file.to_owned(), operation, error: e.to_string() }))
}

/// As [`attempt`], for what may be tried again where there is no room.
fn attempt_with_room<T>(
    latch: &Latch,
    file: &str,
    operation: &'static str,
    work: impl FnOnce() -> io::Result<T>,
) -> Result<T, Trouble> {
    latch.check()?;
    work().map_err(|e| {
        let error = Poisoned { file: file.to_owned(), operation, error: e.to_string() };
        if lacks_room(&e) {
            reached(Mark::DiskFull);
            return Trouble::NoRoom(error);
        }
        Trouble::Failed(latch.set(error))
    })
}

/// Writes all of `bytes`, over short and interrupted writes.
pub(crate) fn write_all(file: &dyn File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                if n < bytes.len() {
                    reached(Mark::WriteInParts);
                }
                bytes = bytes.get(n..).unwrap_or_default();
                offset += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => reached(Mark::WriteInterrupted),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// A panic of the log thread, as its first error.
pub(super) fn panicked(message: String) -> Poisoned {
    Poisoned { file: String::new(), operation: "run", error: message }
}
