//! What a power loss leaves.
//!
//! Of every file, its synced bytes and any part of what was written since, in any order, each write torn at sector
//! boundaries; of the directory, the synced names and any subset of the changes since. A sector that was being
//! written may hold garbage, but bytes that a sync covered and nobody has written since never change.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::content::{Change, Content};
use super::image::{Image, rename, rename_any};

/// Bytes that reach the medium together or not at all.
const SECTOR: u64 = 512;

/// How much of what was pending survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nothing.
    All,
    /// Everything: the cut came late.
    None,
    /// A random subset of whole changes.
    Subset,
    /// A random subset, and writes are torn.
    Torn,
    /// As torn, and sectors that were lost may hold garbage.
    Garbage,
    /// Data survives, changes of names do not.
    Names,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::None => "none",
            Self::Subset => "subset",
            Self::Torn => "torn",
            Self::Garbage => "garbage",
            Self::Names => "names",
        })
    }
}

impl FromStr for Loss {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [Self::All, Self::None, Self::Subset, Self::Torn, Self::Garbage, Self::Names];
        all.into_iter().find(|loss| loss.to_string() == name).ok_or_else(|| format!("no loss `{name}`"))
    }
}

/// Where the decisions of a loss come from: a number below `n`, for `n` of at least 1. An exhaustive search answers
/// with every combination in turn, a seed with draws.
pub type Decide<'a> = &'a mut dyn FnMut(u64) -> u64;

impl Image {
    /// Turns the image into one that survives a power loss now.
    pub(super) fn lose(&mut self, loss: Loss, decide: Decide) {
        let mut names = std::mem::take(&mut self.durable_names);
        for change in self.pending_names.drain(..) {
            let kept = match loss {
                Loss::All | Loss::Names => false,
                Loss::None => true,
                Loss::Subset | Loss::Torn | Loss::Garbage => decide(2) == 1,
            };
            if kept {
                rename(&mut names, &change);
                if let Some(promised) = &mut self.promised_names {
                    rename_any(promised, &change);
                }
            }
        }
        self.promised_names.take_if(|promised| *promised == names);
        let mut files = BTreeMap::new();
        for file in names.values().chain(self.promised_names.iter().flat_map(BTreeMap::values)) {
            if let Some(content) = self.files.remove(file) {
                files.insert(*file, survive(content, loss, decide));
            }
        }
        names.retain(|_, file| files.contains_key(file));
        self.files = files;
        self.owed = false;
        self.durable_names.clone_from(&names);
        self.names = names;
    }
}

fn survive(mut content: Content, loss: Loss, decide: Decide) -> Content {
    let mut pending = std::mem::take(&mut content.pending);
    match loss {
        Loss::All => {}
        Loss::None | Loss::Names => pending.iter().for_each(|change| content.land(change)),
        Loss::Subset | Loss::Torn | Loss::Garbage => {
            if decide(4) == 0 {
                shuffle(&mut pending, decide);
            }
            for change in &pending {
                keep_some(&mut content, change, loss, decide);
            }
        }
    }
    let Content { durable, mut promised, .. } = content;
    promised.take_if(|promised| *promised == durable);
    Content { seen: durable.clone(), durable, promised, ..Content::default() }
}

fn shuffle(changes: &mut [Change], decide: Decide) {
    for i in (1..changes.len()).rev() {
        changes.swap(i, decide(i as u64 + 1) as usize);
    }
}

/// Applies one pending change wholly, in part, or not at all.
fn keep_some(content: &mut Content, change: &Change, loss: Loss, decide: Decide) {
    let &Change::Write { offset, ref bytes, end } = change else {
        if decide(2) == 1 {
            content.land(change);
        }
        return;
    };
    let mut keep = |offset: u64, bytes: &[u8]| {
        content.land(&Change::Write { offset, bytes: bytes.to_vec(), end });
    };
    match decide(if loss == Loss::Subset { 3 } else { 7 }) {
        0 => {}
        1 => keep(offset, bytes),
        // Only the length reached the medium: the room reads as zeros.
        2 => content.land(&Change::Room(offset + bytes.len() as u64)),
        // The file ended up shorter than the write would have made it.
        3 => {
            let len = decide(bytes.len() as u64) as usize;
            keep(offset, &bytes[..len]);
        }
        // Head, tail, or sectors at random.
        how => tear(&mut keep, (offset, bytes), how - 4, loss, decide),
    }
}

fn tear(
    keep: &mut dyn FnMut(u64, &[u8]),
    (offset, bytes): (u64, &[u8]),
    how: u64,
    loss: Loss,
    decide: Decide,
) {
    let pieces = pieces(offset, bytes);
    let cut = decide(pieces.len() as u64) as usize;
    for (i, (at, piece)) in pieces.iter().enumerate() {
        let kept = match how {
            0 => i < cut,
            1 => i >= cut,
            _ => decide(2) == 1,
        };
        if kept {
            keep(*at, piece);
        } else if loss == Loss::Garbage && decide(4) == 0 {
            let garbage: Vec<u8> = piece.iter().map(|_| decide(256) as u8).collect();
            keep(*at, &garbage);
        }
    }
}

/// The write, cut where sectors meet.
pub(super) fn pieces(offset: u64, mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut pieces = Vec::new();
    let mut at = offset;
    while !bytes.is_empty() {
        let room = (SECTOR - at % SECTOR) as usize;
        let (piece, rest) = bytes.split_at(room.min(bytes.len()));
        pieces.push((at, piece));
        at += piece.len() as u64;
        bytes = rest;
    }
    pieces
}
