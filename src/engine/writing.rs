//! The thread's half of a snapshot: what lies on the desk into the sections of a temporary file, which is then published.
//!
//! Written in pieces: between two of them the thread keeps to its rate, and leaves if it is told to.

use std::sync::Arc;

use super::backup::Target;
use super::desk::{Desk, Piece};
use super::keyspace::Keyspace;
use super::saving::{CHUNK, kind, put_string_entry, set_meta};
use super::value::Value;
use crate::base::bytes::Put;
use crate::base::limits::SNAPSHOT_SLICE;
use crate::base::mark::{Mark, reached};
use crate::env::Storage;
use crate::index::{Capture, SectionKind, Sink};
use crate::snapshot::{self, SnapshotWriter};
use crate::wal::Lsn;

/// Bytes that are written between two looks at the rate, and at whether to go on.
const PIECE: usize = 64 << 10;

/// The thread's half: everything from the desk into the file; the size of what was published.
pub(super) fn write(target: &Target, lsn: Lsn, desk: &Desk) -> Result<u64, String> {
    let storage = target.open().map_err(|e| e.to_string())?;
    write_into(&storage, target, lsn, desk).inspect_err(|_| target.abandon(&*storage))
}

fn write_into(storage: &Arc<dyn Storage>, target: &Target, lsn: Lsn, desk: &Desk) -> Result<u64, String> {
    let mut writer = SnapshotWriter::create(Arc::clone(storage), lsn).map_err(|e| e.to_string())?;
    if let Err(why) = fill(&mut writer, desk) {
        writer.abandon();
        return Err(why);
    }
    let published = writer.publish().map_err(|e| e.to_string())?;
    if target.backup().is_none() && snapshot::remove_stale(&**storage, lsn).is_err() {
        // What is left over is only disk space: the next snapshot or start removes it.
        reached(Mark::SweepFailed);
    }
    target.close(&**storage).map_err(|e| e.to_string())?;
    Ok(published.bytes)
}

fn fill(writer: &mut SnapshotWriter, desk: &Desk) -> Result<(), String> {
    let (mut rest_entries, mut rest_sets) = (0, 0);
    loop {
        match desk.take()? {
            Piece::Strings(chunk) => section(writer, desk, kind::STRINGS, &[], &chunk)?,
            Piece::Large { head, value } => section_of(writer, desk, kind::STRINGS, &[], (&head, &value))?,
            Piece::Set { meta, capture } => set_sections(writer, desk, &meta, &capture)?,
            Piece::Rest { keyspace, epoch } => {
                reached(Mark::RestWritten);
                (rest_entries, rest_sets) = write_rest(writer, desk, &keyspace, epoch)?;
            }
            Piece::End { entries, sets } => {
                let mut meta = Vec::new();
                meta.put_u64(entries + rest_entries);
                meta.put_u64(sets + rest_sets);
                return section(writer, desk, kind::END, &meta, &[]);
            }
        }
    }
}

fn write_rest(
    writer: &mut SnapshotWriter,
    desk: &Desk,
    rest: &Keyspace<Value>,
    epoch: u32,
) -> Result<(u64, u64), String> {
    let (mut entries, mut sets, mut chunk) = (0, 0, Vec::new());
    let (mut cursor, mut failed) = (0, Ok(()));
    loop {
        cursor = rest.scan(cursor, SNAPSHOT_SLICE, &mut |entry| {
            if entry.epoch >= epoch || failed.is_err() {
                return;
            }
            if let Some(bytes) = entry.value.as_string() {
                entries += 1;
                put_string_entry(&mut chunk, entry, bytes);
                // At once: those of a whole slice may be as many large ones.
                if chunk.len() >= CHUNK {
                    failed = section(writer, desk, kind::STRINGS, &[], &chunk);
                    chunk = Vec::new();
                }
            } else if let Value::Vectors(set) = &entry.value {
                sets += 1;
                failed = set_sections(writer, desk, &set_meta(entry), &set.writer.capture());
            }
        });
        std::mem::replace(&mut failed, Ok(()))?;
        if cursor == 0 && !chunk.is_empty() {
            section(writer, desk, kind::STRINGS, &[], &chunk)?;
        }
        if cursor == 0 {
            return Ok((entries, sets));
        }
    }
}

fn section(
    writer: &mut SnapshotWriter,
    desk: &Desk,
    kind: u32,
    meta: &[u8],
    payload: &[u8],
) -> Result<(), String> {
    section_of(writer, desk, kind, meta, payload.split_at(payload.len().min(PIECE)))
}

/// A section whose payload is in two parts.
fn section_of(
    writer: &mut SnapshotWriter,
    desk: &Desk,
    kind: u32,
    meta: &[u8],
    (first, rest): (&[u8], &[u8]),
) -> Result<(), String> {
    desk.advance((meta.len() + first.len()) as u64)?;
    let mut whole = || {
        writer.begin(kind, meta)?;
        writer.write(first)?;
        for piece in rest.chunks(PIECE) {
            desk.advance(piece.len() as u64).map_err(std::io::Error::other)?;
            writer.write(piece)?;
        }
        writer.end()
    };
    whole().map_err(|e: std::io::Error| e.to_string())
}

fn set_sections(
    writer: &mut SnapshotWriter,
    desk: &Desk,
    meta: &[u8],
    capture: &Capture,
) -> Result<(), String> {
    section(writer, desk, kind::SET, meta, &[])?;
    capture.write(&mut Sections { writer, desk }).map_err(|e| e.to_string())
}

/// A snapshot as the index sees it. Writing a large index takes long, so it ends early when the server does.
struct Sections<'a> {
    writer: &'a mut SnapshotWriter,
    desk: &'a Desk,
}

impl Sink for Sections<'_> {
    fn begin(&mut self, kind: SectionKind, meta: &[u8]) -> std::io::Result<()> {
        self.writer.begin(kind::for_index(kind), meta)
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.desk.advance(bytes.len() as u64).map_err(std::io::Error::other)?;
        self.writer.write(bytes)
    }

    fn end(&mut self) -> std::io::Result<()> {
        self.writer.end()
    }
}
