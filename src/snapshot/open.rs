//! Opening a snapshot through a read-only map: everything is verified before anything is handed out.
//!
//! The newest published file is the one; when it is damaged that is an error, and never a reason to take an older
//! one: the log behind an older one may be gone.

use std::io;
use std::sync::Arc;

use super::format::{
    Entry, FOOTER, Footer, HEADER, HeaderFault, Stage, aligned, decode_header, name, parse_name,
};
use super::mapped::Unverified;
use crate::base::bytes::Reader;
use crate::base::mark::{Mark, reached};
use crate::env::{Map, MappedBytes, Storage};
use crate::wal::Lsn;

/// One verified section.
#[derive(Clone, Debug)]
pub struct Section {
    /// Whose it is.
    pub kind: u32,
    /// Its inline bytes.
    pub meta: MappedBytes,
    /// Its payload, aligned to 64 bytes.
    pub bytes: MappedBytes,
    /// Where the payload begins in the file.
    pub offset: u64,
}

/// An open snapshot, all of it verified.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The state after this record.
    pub lsn: Lsn,
    /// The file.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    sections: Vec<Section>,
}

impl Snapshot {
    /// The sections, in the order in which they were written.
    pub fn sections(&self) -> impl ExactSizeIterator<Item = &Section> {
        self.sections.iter()
    }

    /// Writes the snapshot's name anew and makes it durable, whatever has become of it before. An earlier life may have
    /// renamed it and failed to sync the directory: then the name may be in the system's cache only, where it is taken
    /// for written, and syncing once more would write nothing. So the file is renamed away and back; a crash between
    /// leaves it under a name that [`open_newest`] knows. Copies nothing, whatever the snapshot's size.
    ///
    /// # Errors
    /// The first error of the disk. The snapshot is as it was, then, under the one name or the other.
    pub fn name_anew(&self, storage: &dyn Storage) -> io::Result<()> {
        let moving = name(self.lsn, Stage::Moving);
        if self.file == moving {
            reached(Mark::SnapshotFoundMoving);
        } else {
            storage.rename(&self.file, &moving)?;
        }
        storage.rename(&moving, &name(self.lsn, Stage::Published))?;
        storage.sync_dir()
    }
}

/// Why a snapshot cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// The disk failed.
    Io {
        /// The file; empty for the directory.
        file: String,
        /// What was tried.
        operation: &'static str,
        /// What the system said.
        error: String,
    },
    /// The file is not what was written.
    Damaged {
        /// The file.
        file: String,
        /// Which part of it.
        part: String,
        /// Where the part begins.
        offset: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The file is of a version that this binary does not know.
    Version {
        /// The file.
        file: String,
        /// Its version.
        version: u32,
    },
}

impl std::fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io { file, operation, error } if file.is_empty() => {
                write!(f, "cannot {operation}: {error}")
            }
            Self::Io { file, operation, error } => write!(f, "cannot {operation} {file}: {error}"),
            Self::Damaged { file, part, offset, what } => write!(
                f,
                "the snapshot {file} is damaged: {part} at offset {offset}: {what}. Restore the directory from a \
                 copy; or move this file away: an older snapshot serves if the log still reaches back to it, and if \
                 it does not the server will say which records are missing"
            ),
            Self::Version { file, version } => write!(
                f,
                "{file} has format version {version}, which this binary does not know. Start the version of engram \
                 that wrote it"
            ),
        }
    }
}

impl std::error::Error for SnapshotError {}

/// Opens the published snapshot with the highest LSN and verifies every byte of it, in one pass. None if there is none.
///
/// # Errors
/// If the directory or the file cannot be read, or the file is damaged or of an unknown version.
pub fn open_newest(storage: &dyn Storage) -> Result<Option<Snapshot>, SnapshotError> {
    open_newest_unless(storage, &mut || false)
}

/// The same, unless `stop`, which is asked every few megabytes, says that it is to end with an error.
///
/// # Errors
/// As [`open_newest`], and where it was stopped.
pub fn open_newest_unless(
    storage: &dyn Storage,
    stop: &mut dyn FnMut() -> bool,
) -> Result<Option<Snapshot>, SnapshotError> {
    let newest = names(storage)?.into_iter().filter(|(_, stage, _)| stage.is_published()).max();
    newest.map(|(lsn, _, file)| open(storage, lsn, &file, stop)).transpose()
}

/// What the newest published file stands for, by its name; nothing is read. `Lsn(0)` where there is none.
///
/// # Errors
/// If the directory cannot be read.
pub fn newest(storage: &dyn Storage) -> Result<Lsn, SnapshotError> {
    let published = names(storage)?.into_iter().filter(|(_, stage, _)| stage.is_published());
    Ok(published.map(|(lsn, ..)| lsn).max().unwrap_or_default())
}

/// The same of a directory with these names.
#[must_use]
pub fn newest_among(names: &[String]) -> Lsn {
    let published =
        names.iter().filter_map(|name| parse_name(name)).filter(|(_, stage)| stage.is_published());
    published.map(|(lsn, _)| lsn).max().unwrap_or_default()
}

fn names(storage: &dyn Storage) -> Result<Vec<(Lsn, Stage, String)>, SnapshotError> {
    let all = storage.list().map_err(|e| io_error("", "list the directory", &e))?;
    Ok(all.into_iter().filter_map(|name| parse_name(&name).map(|(lsn, stage)| (lsn, stage, name))).collect())
}

fn io_error(file: &str, operation: &'static str, error: &io::Error) -> SnapshotError {
    SnapshotError::Io { file: file.to_owned(), operation, error: error.to_string() }
}

fn open(
    storage: &dyn Storage,
    lsn: Lsn,
    file: &str,
    stop: &mut dyn FnMut() -> bool,
) -> Result<Snapshot, SnapshotError> {
    let map = storage.map(file).inspect_err(|_| reached(Mark::SnapshotMapLost));
    let map: Arc<dyn Map> = map.map_err(|e| io_error(file, "map", &e))?.into();
    let opening = Opening { file, map: &map };
    opening.header(lsn)?;
    let (footer, table) = opening.table()?;
    let sections = opening.sections(footer, &table, stop);
    let sections = sections.inspect_err(|_| reached(Mark::SnapshotSectionRefused))?;
    Ok(Snapshot { lsn, file: file.to_owned(), bytes: map.bytes().len() as u64, sections })
}

/// A file under verification.
struct Opening<'a> {
    file: &'a str,
    map: &'a Arc<dyn Map>,
}

impl Opening<'_> {
    fn damaged(&self, part: &str, offset: u64, what: &'static str) -> SnapshotError {
        SnapshotError::Damaged { file: self.file.to_owned(), part: part.to_owned(), offset, what }
    }

    fn len(&self) -> u64 {
        self.map.bytes().len() as u64
    }

    fn header(&self, lsn: Lsn) -> Result<(), SnapshotError> {
        match decode_header(self.map.bytes()) {
            Ok(said) if said == lsn => Ok(()),
            Ok(_) => Err(self.damaged("the header", 0, "its LSN is not the one in the file's name")),
            Err(HeaderFault::Version(version)) => {
                reached(Mark::SnapshotVersionRefused);
                Err(SnapshotError::Version { file: self.file.to_owned(), version })
            }
            Err(HeaderFault::Damaged) => {
                reached(Mark::SnapshotHeaderRefused);
                Err(self.damaged("the header", 0, "its checksum is wrong"))
            }
        }
    }

    fn table(&self) -> Result<(Footer, MappedBytes), SnapshotError> {
        let end = self.len();
        let at = end.checked_sub(FOOTER as u64).filter(|at| *at >= HEADER as u64);
        let at = at.ok_or_else(|| self.damaged("the footer", end, "the file is too short to have one"))?;
        let footer = Unverified::new(self.map, at..end).and_then(|bytes| Footer::decode(bytes.bytes()));
        let footer = footer.ok_or_else(|| {
            reached(Mark::SnapshotFooterRefused);
            self.damaged("the footer", at, "its checksum is wrong; the file may have been cut short")
        })?;
        if footer.table.checked_add(footer.len) != Some(at) {
            return Err(self.damaged("the footer", at, "the table does not end where the footer begins"));
        }
        let table = Unverified::new(self.map, footer.table..at).and_then(|bytes| bytes.verify(footer.crc));
        let table = table.ok_or_else(|| {
            reached(Mark::SnapshotTableRefused);
            self.damaged("the table", footer.table, "its checksum is wrong")
        })?;
        Ok((footer, table))
    }

    fn sections(
        &self,
        footer: Footer,
        table: &MappedBytes,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Section>, SnapshotError> {
        let mut rest = Reader::new(table);
        let mut sections = Vec::new();
        let mut end = HEADER as u64;
        for i in 0..footer.sections {
            let entry = Entry::decode(&mut rest)
                .map_err(|_| self.damaged("the table", footer.table, "it ends inside an entry"))?;
            let part = format!("section {i} (kind {})", entry.kind);
            let begin = self.gap(end, &part)?;
            if entry.offset != begin {
                return Err(self.damaged(
                    &part,
                    entry.offset,
                    "it does not begin where the one before it ends",
                ));
            }
            end = begin
                .checked_add(entry.len)
                .filter(|end| *end <= footer.table)
                .ok_or_else(|| self.damaged(&part, begin, "it reaches into the table"))?;
            let bytes = Unverified::new(self.map, begin..end);
            let bytes = bytes.and_then(|bytes| bytes.verify_unless(entry.crc, stop));
            if bytes.is_none() && stop() {
                return Err(io_error(self.file, "verify", &io::Error::other("it was told to stop")));
            }
            let bytes = bytes.ok_or_else(|| self.damaged(&part, begin, "its checksum is wrong"))?;
            let after = table.len() - rest.rest().len();
            let meta = table.slice(after - entry.meta.len()..after);
            let meta =
                meta.ok_or_else(|| self.damaged(&part, begin, "its inline bytes are outside the table"))?;
            sections.push(Section { kind: entry.kind, meta, bytes, offset: begin });
        }
        if !rest.is_empty() || self.gap(end, "the table")? != footer.table {
            return Err(self.damaged(
                "the table",
                footer.table,
                "there is more in it, or before it, than sections",
            ));
        }
        Ok(sections)
    }

    /// Checks that there are zeros from `end` to where the next part begins; returns that place.
    fn gap(&self, end: u64, part: &str) -> Result<u64, SnapshotError> {
        let begin = aligned(end);
        match Unverified::new(self.map, end..begin) {
            Some(gap) if gap.is_zero() => Ok(begin),
            _ => Err(self.damaged(part, end, "the bytes before it are not zero")),
        }
    }
}

/// What one section of a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionReport {
    /// Its kind.
    pub kind: u32,
    /// Where its payload begins.
    pub offset: u64,
    /// How long its payload is.
    pub bytes: u64,
}

/// What one file of the directory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotReport {
    /// The file.
    pub file: String,
    /// The LSN its name says.
    pub lsn: Lsn,
    /// True under its final name; a temporary is never read.
    pub published: bool,
    /// Its sections, or why it cannot be opened; none for a temporary.
    pub sections: Result<Vec<SectionReport>, SnapshotError>,
}

/// Verifies every snapshot in the directory, oldest first, and changes nothing.
///
/// # Errors
/// If the directory cannot be read.
pub fn inspect(storage: &dyn Storage) -> Result<Vec<SnapshotReport>, SnapshotError> {
    let report = |(lsn, stage, file): (Lsn, Stage, String)| {
        let published = stage.is_published();
        let sections = if published {
            open(storage, lsn, &file, &mut || false).map(|s| described(&s))
        } else {
            Ok(Vec::new())
        };
        SnapshotReport { file, lsn, published, sections }
    };
    Ok(names(storage)?.into_iter().map(report).collect())
}

fn described(snapshot: &Snapshot) -> Vec<SectionReport> {
    let describe =
        |s: &Section| SectionReport { kind: s.kind, offset: s.offset, bytes: s.bytes.len() as u64 };
    snapshot.sections().map(describe).collect()
}
