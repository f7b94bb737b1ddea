//! An index at one moment, to be written while it goes on changing.
//!
//! A capture is inside the index, so rows and their keys do not change: their number and a bitmap of the dead are enough
//! to fix them. Neighbour lists are written as they stand when the writing comes to them, minus rows that the capture
//! does not hold as linked. A parent's link does not go away while anyone is inside who may need it, so the tree that
//! makes every row reachable is whole in every capture. Rows that are swept, or that a sweep has begun to unlink, are
//! written as dead rows outside the graph, full of zeros: others may take their places meanwhile.

use std::io;
use std::sync::Arc;

use super::Writer;
use super::codec::{DEAD, Header, IN_GRAPH, SectionKind, Sink};
use super::coding::Coding;
use super::epochs::Pinned;
use super::graph::{COLD, CONDEMNED, Index, STATE, SWEPT, links};
use super::keys::SLOT;
use super::sweep::Stage;
use crate::base::bytes::Put;
use crate::base::mark::{Mark, reached};

/// Bytes gathered before they are handed to the sink.
const CHUNK: usize = 64 << 10;

/// The index as it was when [`Writer::capture`] was called.
#[derive(Debug)]
pub struct Capture {
    pin: Pinned,
    /// By what the index was walked then.
    coding: Arc<Coding>,
    rows: u32,
    live: u32,
    dead: Vec<u64>,
    /// A bit a row that is to be linked again when the snapshot is opened.
    unlinked: Vec<u64>,
    /// A bit a row that is written as zeros.
    gone: Vec<u64>,
    entry: Option<u32>,
    root: Option<u32>,
}

impl Writer {
    /// The index as it is now. Takes time for a bit a row.
    #[must_use]
    pub fn capture(&self) -> Capture {
        let index = &self.index;
        let rows = index.rows() as u32;
        let words = (rows as usize).div_ceil(64);
        let (mut unlinked, mut gone) = (vec![0_u64; words], vec![0_u64; words]);
        let (pin, entry, root) = {
            // While this is held no row becomes linked: a linked row's parent cannot be missed. And no sweep goes from
            // one pass to the next: it sees this capture, or this sees where it stands.
            let _settling = index.settling.lock();
            let pin = index.pin();
            index.sweep.captured(true);
            for row in index.unlinked(index.floor.load(), rows) {
                reached(Mark::CaptureLeavesRows);
                set(&mut unlinked, row);
            }
            let out = if index.sweep.is_unlinking() { SWEPT | CONDEMNED } else { SWEPT };
            for row in self.dead_rows(rows).filter(|row| index.cold.get(*row, STATE) & out != 0) {
                set(&mut gone, row);
            }
            // Once the entry point has been handed on, higher rows are still in the graph.
            let entry = index.entry().filter(|_| index.sweep.stage() != Stage::Rehome);
            (pin, entry.map(|(row, _)| row), index.root())
        };
        // What hangs below a row that is not linked yet has to be linked again as well.
        let mut above: Vec<u32> = (0..rows).filter(|row| has(&unlinked, *row)).collect();
        while let Some(parent) = above.pop() {
            for child in links(index.list(parent, 0)) {
                if child < rows && index.parent(child) == Some(parent) && !has(&unlinked, child) {
                    reached(Mark::CaptureUnlinksChild);
                    set(&mut unlinked, child);
                    above.push(child);
                }
            }
        }
        let (coding, dead) = (Arc::clone(&self.coding), self.dead.clone());
        Capture { pin, coding, rows, live: self.len() as u32, dead, unlinked, gone, entry, root }
    }

    /// The rows that are dead, of the first `rows`.
    fn dead_rows(&self, rows: u32) -> impl Iterator<Item = u32> {
        let words = (0_u32..).step_by(64).zip(&self.dead);
        let bits = words
            .flat_map(|(first, word)| (first..first + 64).filter(move |row| word >> (row % 64) & 1 == 1));
        bits.filter(move |row| *row < rows)
    }
}

impl Index {
    /// Dead rows that have not been swept, and about how many bytes of memory a row takes: as long as there is a capture, those
    /// that die are kept.
    pub(crate) fn dead(&self) -> (usize, usize) {
        let words = self.rows.stride() + self.ground.stride() + COLD;
        let inside = self.inside();
        let (codes, hot) = (inside.coding().codes().stride(), inside.coding().hot.stride());
        (self.tombstones(), (words + hot) * size_of::<u32>() + SLOT + codes)
    }

    /// True while there is a capture of it.
    pub(crate) fn is_captured(&self) -> bool {
        self.sweep.is_captured()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.index().sweep.captured(false);
    }
}

impl Capture {
    /// How many rows it holds, dead ones included.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows as usize
    }

    /// How many of them live.
    #[must_use]
    pub fn live(&self) -> usize {
        self.live as usize
    }

    /// Writes the sections of the index. Any thread may do this, while searches, inserts and links go on.
    ///
    /// # Errors
    /// The sink's; and where the map that rows are served from has changed since it was checked: what is written would
    /// carry the damage on under a checksum of its own.
    pub fn write(&self, sink: &mut dyn Sink) -> io::Result<()> {
        let view = self.pin.view();
        self.write_facts(sink)?;
        self.section(sink, SectionKind::Vectors, |row, out| {
            if has(&self.gone, row) {
                return out.resize(out.len() + self.index().rows.stride() * size_of::<f32>(), 0);
            }
            out.extend(view.row(row).iter().flat_map(|x| x.to_le_bytes()));
        })?;
        self.section(sink, SectionKind::Ground, |row, out| self.put_list(row, 0, out))?;
        self.section(sink, SectionKind::Upper, |row, out| {
            (1..=self.index().level(row)).for_each(|layer| self.put_list(row, layer, out));
        })?;
        self.write_keys(sink)?;
        if self.coding.coder.is_some() {
            self.section(sink, SectionKind::Codes, |row, out| {
                if has(&self.gone, row) {
                    out.resize(out.len() + self.coding.codes().stride(), 0);
                } else {
                    out.extend_from_slice(self.coding.code(row));
                }
            })?;
        }
        let codes = self.coding.codes();
        if self.index().rows.are_intact() && codes.are_intact() && self.index().keys.are_intact() {
            return Ok(());
        }
        reached(Mark::MapChanged);
        Err(io::Error::other(
            "the snapshot that vectors are served from has changed on the disk since the start",
        ))
    }

    pub(crate) fn index(&self) -> &Arc<Index> {
        self.pin.index()
    }

    fn write_facts(&self, sink: &mut dyn Sink) -> io::Result<()> {
        let config = self.index().config();
        let header = Header {
            dim: config.dim as u32,
            metric: config.metric.code(),
            m: config.m as u32,
            ef_construction: config.ef_construction as u32,
            seed: config.seed,
            rows: self.rows,
            live: self.live,
            entry: self.entry().map_or(0, |row| row + 1),
            root: self.root.filter(|root| *root < self.rows).map_or(0, |row| row + 1),
            quant: self.coding.quant().code(),
        };
        self.section_with(sink, SectionKind::Facts, &header.encode(), |row, out| {
            let in_graph = self.in_graph(row);
            // The root of this capture may have a parent by now.
            let parent = self.index().parent(row).filter(|_| in_graph && self.root != Some(row));
            let (index, gone) = (self.index(), has(&self.gone, row));
            let fact = |word: u32| if gone { 0 } else { word };
            out.put_u32(fact(index.term(row)));
            out.put_u32(parent.map_or(0, |parent| parent + 1));
            out.put_u32(if has(&self.dead, row) { DEAD } else { 0 } | if in_graph { IN_GRAPH } else { 0 });
            if self.coding.coder.is_some() {
                let share = self.coding.share(row);
                out.put_u32(fact(share.add.to_bits()));
                out.put_u32(fact(share.factor.to_bits()));
            }
        })
    }

    fn write_keys(&self, sink: &mut dyn Sink) -> io::Result<()> {
        sink.begin(SectionKind::Keys, &[])?;
        let mut out = Vec::new();
        let mut end = 0_u64;
        out.put_u64(end);
        self.each(sink, &mut out, |row, out| {
            end += self.key(row).len() as u64;
            out.put_u64(end);
        })?;
        self.each(sink, &mut out, |row, out| out.extend_from_slice(self.key(row)))?;
        sink.end()
    }

    fn section(
        &self,
        sink: &mut dyn Sink,
        kind: SectionKind,
        put: impl FnMut(u32, &mut Vec<u8>),
    ) -> io::Result<()> {
        self.section_with(sink, kind, &[], put)
    }

    fn section_with(
        &self,
        sink: &mut dyn Sink,
        kind: SectionKind,
        meta: &[u8],
        put: impl FnMut(u32, &mut Vec<u8>),
    ) -> io::Result<()> {
        sink.begin(kind, meta)?;
        self.each(sink, &mut Vec::new(), put)?;
        sink.end()
    }

    /// Writes what `put` makes of each row, in order.
    fn each(
        &self,
        sink: &mut dyn Sink,
        out: &mut Vec<u8>,
        mut put: impl FnMut(u32, &mut Vec<u8>),
    ) -> io::Result<()> {
        for row in 0..self.rows {
            put(row, out);
            if out.len() >= CHUNK {
                sink.write(out)?;
                out.clear();
            }
        }
        if !out.is_empty() {
            sink.write(out)?;
            out.clear();
        }
        Ok(())
    }

    fn key(&self, row: u32) -> &[u8] {
        if has(&self.dead, row) { &[] } else { self.index().keys.get(row) }
    }

    fn in_graph(&self, row: u32) -> bool {
        row < self.rows
            && !has(&self.unlinked, row)
            && !has(&self.gone, row)
            && (self.root == Some(row) || self.index().parent(row).is_some())
    }

    /// The entry point, or the highest row where that is not part of the capture.
    fn entry(&self) -> Option<u32> {
        let fallback = || {
            let highest =
                (0..self.rows).filter(|row| self.in_graph(*row)).max_by_key(|row| self.index().level(*row));
            highest.inspect(|_| reached(Mark::CaptureMovesEntry))
        };
        self.entry.filter(|entry| self.in_graph(*entry)).or_else(fallback)
    }

    fn put_list(&self, row: u32, layer: usize, out: &mut Vec<u8>) {
        let end = out.len() + self.index().capacity(layer) * size_of::<u32>();
        if self.in_graph(row) {
            for link in links(self.index().list(row, layer)) {
                if self.in_graph(link) {
                    out.put_u32(link + 1);
                } else {
                    reached(Mark::CaptureDropsLink);
                }
            }
        }
        out.resize(end, 0);
    }
}

fn has(bits: &[u64], row: u32) -> bool {
    bits[row as usize / 64] >> (row % 64) & 1 == 1
}

fn set(bits: &mut [u64], row: u32) {
    bits[row as usize / 64] |= 1 << (row % 64);
}
