//! Writing a snapshot and publishing it.
//!
//! Everything goes into a temporary through one buffer; the first error is kept, and every call after it gets it again.
//! [`SnapshotWriter::publish`] syncs the file, gives it its name, and syncs the directory, in this order: only when it
//! returns may what the snapshot replaces be removed.

use std::io;
use std::sync::Arc;

use super::format::{ALIGN, Entry, Footer, HEADER, Stage, VERSION, aligned, encode_header, name};
use crate::base::crc32c::{crc32c, extend};
use crate::base::mark::{Mark, reached};
use crate::env::{File, Storage};
use crate::wal::{Lsn, write_all};

/// Bytes gathered before they are written.
const BUFFER: usize = 1 << 20;

/// Bytes after which the temporary is synced on the way. One sync at the end of gigabytes would keep the disk from the
/// log for as long.
const SYNC_EVERY: u64 = 32 << 20;

/// A snapshot that is being written. Dropping it leaves the temporary behind, to be removed by
/// [`super::remove_stale`] or by the next writer at the same LSN.
pub struct SnapshotWriter {
    storage: Arc<dyn Storage>,
    lsn: Lsn,
    sink: Sink,
    entries: Vec<Entry<Vec<u8>>>,
    open: bool,
}

/// A snapshot under its final name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The file.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

impl std::fmt::Debug for SnapshotWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "SnapshotWriter(lsn {}, {} sections, {} bytes)",
            self.lsn,
            self.entries.len(),
            self.written()
        )
    }
}

impl SnapshotWriter {
    /// Begins the snapshot of the state after record `lsn`. A temporary of that name is an earlier life's: it goes.
    ///
    /// # Errors
    /// If the temporary cannot be created.
    pub fn create(storage: Arc<dyn Storage>, lsn: Lsn) -> io::Result<Self> {
        let temporary = name(lsn, Stage::Temporary);
        match storage.remove(&temporary) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            Ok(()) => reached(Mark::TemporaryInTheWay),
            Err(_) => {}
        }
        let file = storage.create_new(&temporary)?;
        let mut sink = Sink { file, buffer: Vec::with_capacity(BUFFER), drained: 0, synced: 0, failed: None };
        sink.put(&encode_header(lsn, VERSION))?;
        Ok(Self { storage, lsn, sink, entries: Vec::new(), open: false })
    }

    /// Begins a section. `meta` are small bytes that a reader gets without reading the payload.
    ///
    /// # Errors
    /// The first error of the disk.
    pub fn begin(&mut self, kind: u32, meta: &[u8]) -> io::Result<()> {
        assert!(!self.open, "a section ends before the next begins");
        self.open = true;
        let offset = self.sink.align()?;
        self.entries.push(Entry { kind, crc: crc32c(&[]), offset, len: 0, meta: meta.to_vec() });
        Ok(())
    }

    /// Appends to the section's payload.
    ///
    /// # Errors
    /// The first error of the disk.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sink.check()?;
        assert!(self.open, "a payload belongs to a section");
        if let Some(entry) = self.entries.last_mut() {
            entry.crc = extend(entry.crc, bytes);
            entry.len += bytes.len() as u64;
        }
        self.sink.put(bytes)
    }

    /// Ends the section.
    ///
    /// # Errors
    /// The first error of the disk, as far as it is known yet.
    pub fn end(&mut self) -> io::Result<()> {
        self.sink.check()?;
        assert!(self.open, "only a section that has begun can end");
        self.open = false;
        Ok(())
    }

    /// Bytes so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.sink.at()
    }

    /// Writes table and footer, syncs, renames, and syncs the directory.
    ///
    /// # Errors
    /// The first error of the disk. The temporary is removed then, if it still bears that name. If the last step
    /// failed the snapshot may be there, now or after a crash, and it is whole; but nothing may be removed for its sake,
    /// and who finds it does not know whether its name is durable ([`super::Snapshot::name_anew`]).
    pub fn publish(mut self) -> io::Result<Published> {
        let published = name(self.lsn, Stage::Published);
        match self.finish().and_then(|()| self.storage.rename(&name(self.lsn, Stage::Temporary), &published))
        {
            Ok(()) => {
                self.storage.sync_dir().inspect_err(|_| reached(Mark::SnapshotNotSynced))?;
                Ok(Published { name: published, bytes: self.written() })
            }
            Err(e) => {
                reached(Mark::SnapshotNotPublished);
                self.abandon();
                Err(e)
            }
        }
    }

    /// Gives up and removes the temporary, as far as the disk lets it.
    pub fn abandon(self) {
        let _ = self.storage.remove(&name(self.lsn, Stage::Temporary));
    }

    /// Brings the temporary to its end and makes it durable.
    fn finish(&mut self) -> io::Result<()> {
        self.sink.check()?;
        assert!(!self.open, "every section has ended before a snapshot is published");
        assert!(u32::try_from(self.entries.len()).is_ok(), "a snapshot has fewer than 2^32 sections");
        let mut table = Vec::new();
        for entry in &self.entries {
            entry.encode(&mut table);
        }
        let footer = Footer {
            table: self.sink.align()?,
            len: table.len() as u64,
            crc: crc32c(&table),
            sections: self.entries.len() as u32,
        };
        self.sink.put(&table)?;
        self.sink.put(&footer.encode())?;
        self.sink.drain()?;
        self.sink.attempt(|file| file.sync())
    }
}

/// The temporary behind a buffer that latches the first error.
struct Sink {
    file: Box<dyn File>,
    buffer: Vec<u8>,
    drained: u64,
    /// How much had been drained when it was last synced.
    synced: u64,
    failed: Option<(io::ErrorKind, String)>,
}

impl Sink {
    fn at(&self) -> u64 {
        self.drained + self.buffer.len() as u64
    }

    fn check(&self) -> io::Result<()> {
        match &self.failed {
            None => Ok(()),
            Some((kind, message)) => Err(io::Error::new(*kind, message.clone())),
        }
    }

    fn attempt(&mut self, work: impl FnOnce(&dyn File) -> io::Result<()>) -> io::Result<()> {
        self.check()?;
        work(&*self.file).inspect_err(|e| self.failed = Some((e.kind(), e.to_string())))
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.drain()?;
        }
        if bytes.len() > BUFFER {
            self.drain_all(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn drain(&mut self) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = self.drain_all(&buffer);
        buffer.clear();
        self.buffer = buffer;
        result
    }

    fn drain_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(SYNC_EVERY as usize) {
            let at = self.drained;
            self.attempt(|file| write_all(file, piece, at))?;
            self.drained += piece.len() as u64;
            if self.drained - self.synced >= SYNC_EVERY {
                self.attempt(|file| file.sync())?;
                self.synced = self.drained;
            }
        }
        Ok(())
    }

    /// Fills up with zeros to where a part may begin, and returns that place.
    fn align(&mut self) -> io::Result<u64> {
        let at = self.at();
        let gap = (aligned(at) - at) as usize;
        self.put(&[0; ALIGN as usize][..gap])?;
        assert!(self.at().is_multiple_of(ALIGN) && self.at() >= HEADER as u64, "parts are aligned");
        Ok(self.at())
    }
}
