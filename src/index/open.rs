//! Opening an index from the sections of a snapshot. Vectors and keys stay in the map; everything else is copied and
//! checked once: numbers of rows, lengths, the tree of parents, the key table. What passes satisfies
//! [`super::Index::validate`]; nothing else is ever trusted, and nothing panics.
//!
//! Not checked: that floats are finite. The sections' checksums vouch for what the checked way in let through.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::codec::{CODED_FACTS, DEAD, FACTS, Header, IN_GRAPH, Opened, Section, SectionKind};
use super::codes::Coder;
use super::coding::{ADD, BIRTH, Coding, DEATH, FACTOR, TERM};
use super::graph::{CLAIMED, FAR_TERM, Index, KEPT, LINKED, PARENT, STATE, SWEPT, UPPER};
use super::keys::Keys;
use super::moved::Moved;
use super::rows::Rows;
use super::strips::Strips;
use super::table::Table;
use super::validate::parents_lead_to_root;
use super::{Config, MIN_M, Quant, RowId, Writer, metric_with_code};
use crate::base::bytes::{DecodeError, Reader};
use crate::base::limits::{MAX_DIM, MAX_EF, MAX_M, MAX_ROWS};
use crate::env::MappedBytes;
use crate::kernels::Kernels;

use DecodeError::Invalid;

impl Writer {
    /// The index that `sections` hold, one of each kind, in any order.
    pub fn open(sections: &[Section], kernels: Kernels) -> Result<Opened, DecodeError> {
        let facts = one(sections, SectionKind::Facts)?;
        let header = Header::decode(&facts.meta)?;
        let config = config(&header, kernels)?;
        let payload = |kind| one(sections, kind).map(|section| section.payload.clone());
        let coder = Coder::new(&config, config.quant);
        let moved = Arc::new(Moved::new(header.rows));
        let codes = match &coder {
            Some(coder) => {
                let what = ["length of the codes", "alignment of the codes"];
                let bytes = payload(SectionKind::Codes)?;
                Strips::open(coder.stride(), header.rows, bytes, Arc::clone(&moved), what)?
            }
            None if sections.iter().any(|section| section.kind == SectionKind::Codes) => {
                return Err(SECTIONS);
            }
            None => Strips::new(0),
        };
        let rows = Rows::open(config.dim, header.rows, payload(SectionKind::Vectors)?, moved)?;
        let coding = Coding::with(config.quant, coder, codes);
        let keys = Keys::open(header.rows, payload(SectionKind::Keys)?)?;
        let mut writer = Self::with((config, coding), rows, keys, Table::with_capacity(header.live as usize));
        let index = Arc::clone(&writer.index);
        writer.dead = read_facts(&index, &writer.coding, &header, &facts.payload)?;
        read_ground(&index, header.rows, &payload(SectionKind::Ground)?)?;
        read_upper(&index, header.rows, &payload(SectionKind::Upper)?)?;
        read_entry(&index, &header)?;
        writer.fill_table(&header)?;
        let linked = |row: &u32| index.linked(*row);
        index.floor.store((0..header.rows).find(|row| !linked(row)).unwrap_or(header.rows));
        let unlinked = (index.floor.load()..header.rows).filter(|row| !linked(row)).map(RowId).collect();
        Ok(Opened { writer, unlinked })
    }

    fn fill_table(&mut self, header: &Header) -> Result<(), DecodeError> {
        let keys = &self.index.keys;
        for row in 0..header.rows {
            if self.coding.hot.get(row, DEATH) != 0 {
                continue;
            }
            let key = keys.get(row);
            let hash = self.hash(key);
            if self.table.insert(hash, row, |other| keys.get(other) == key).is_some() {
                return Err(Invalid("key: two living rows share it"));
            }
        }
        if self.table.len() != header.live as usize {
            return Err(Invalid("number of living rows"));
        }
        self.index.live.store(header.live);
        Ok(())
    }
}

const SECTIONS: DecodeError = Invalid("set of sections of an index: each kind is there once");

fn one(sections: &[Section], kind: SectionKind) -> Result<&Section, DecodeError> {
    let mut found = sections.iter().filter(|section| section.kind == kind);
    match (found.next(), found.next()) {
        (Some(section), None) => Ok(section),
        _ => Err(SECTIONS),
    }
}

fn config(header: &Header, kernels: Kernels) -> Result<Config, DecodeError> {
    let Header { dim, m, ef_construction, .. } = *header;
    let metric = metric_with_code(header.metric).ok_or(Invalid("metric: this engram does not know it"))?;
    if !(1..=MAX_DIM).contains(&(dim as usize)) {
        return Err(Invalid("number of dimensions"));
    }
    if !(MIN_M..=MAX_M).contains(&(m as usize)) {
        return Err(Invalid("M"));
    }
    if !(1..=MAX_EF).contains(&(ef_construction as usize)) {
        return Err(Invalid("ef_construction"));
    }
    if header.rows as usize > MAX_ROWS || header.live > header.rows {
        return Err(Invalid("number of rows"));
    }
    let quant = Quant::with_code(header.quant).ok_or(Invalid("QUANT: this engram does not know it"))?;
    let (dim, m, ef_construction) = (dim as usize, m as usize, ef_construction as usize);
    Ok(Config { dim, metric, quant, m, ef_construction, seed: header.seed, kernels })
}

/// Fills `hot` and `cold`, and returns the bitmap of the dead.
fn read_facts(
    index: &Index,
    coding: &Coding,
    header: &Header,
    payload: &[u8],
) -> Result<Vec<u64>, DecodeError> {
    let (rows, coded) = (header.rows, coding.coder.is_some());
    if payload.len() != rows as usize * if coded { CODED_FACTS } else { FACTS } {
        return Err(Invalid("length of the facts"));
    }
    coding.hot.grow_all(rows);
    index.cold.grow_all(rows);
    let mut dead = vec![0_u64; (rows as usize).div_ceil(64)];
    let mut reader = Reader::new(payload);
    let (mut upper, mut swept) = (0, Vec::new());
    for row in 0..rows {
        let (term, parent, flags) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let (is_dead, in_graph) = (flags & DEAD != 0, flags & IN_GRAPH != 0);
        let is_root = header.root == row + 1;
        if flags & !(DEAD | IN_GRAPH) != 0 || parent > rows || in_graph != (is_root || parent != 0) {
            return Err(Invalid("facts of a row"));
        }
        if is_root && (parent != 0 || !in_graph) {
            return Err(Invalid("root"));
        }
        index.cold.set(row, FAR_TERM, term);
        coding.hot.set(row, BIRTH, 1);
        if coded {
            let (add, factor) = (reader.u32()?, reader.u32()?);
            coding.hot.set(row, ADD, add);
            coding.hot.set(row, FACTOR, factor);
        } else {
            coding.hot.set(row, TERM, term);
        }
        index.cold.set(row, PARENT, parent);
        if is_dead {
            coding.hot.set(row, DEATH, rows);
            dead[row as usize / 64] |= 1 << (row % 64);
        }
        // A row that died outside the graph, or was swept out of it, needs no linking any more, and nobody names it.
        let state = match (in_graph, is_dead) {
            (true, _) => LINKED | CLAIMED,
            (false, true) => LINKED | CLAIMED | SWEPT,
            (false, false) => 0,
        };
        index.cold.set(row, STATE, state);
        swept.extend((state & SWEPT != 0).then_some(row));
        let level = index.level(row) as u32;
        if level > 0 {
            index.cold.set(row, UPPER, upper);
            upper += level;
        }
    }
    index.upper_used.store(upper);
    index.places.grow_all(rows);
    swept.iter().for_each(|row| index.places.give_back(*row));
    index.sweep.found_swept(swept);
    index.moment.store(rows);
    if header.root > rows {
        return Err(Invalid("root"));
    }
    index.set_root(header.root.checked_sub(1));
    Ok(dead)
}

/// Copies and checks the lists of layer 0: each names rows of the graph, each once, not itself; a parent's names its
/// children.
fn read_ground(index: &Index, rows: u32, payload: &MappedBytes) -> Result<(), DecodeError> {
    let mut lists = Lists::new(index, rows, 0, u64::from(rows), payload)?;
    index.ground.grow_all(rows);
    let mut kept = 0;
    for row in 0..rows {
        lists.copy(row, 0)?;
        kept +=
            super::graph::links(index.list(row, 0)).filter(|link| index.parent(*link) == Some(row)).count();
    }
    let children = (0..rows).filter(|row| index.parent(*row).is_some()).count();
    if kept != children || !parents_lead_to_root(index, 0..rows) {
        return Err(Invalid("parent of a row"));
    }
    Ok(())
}

/// Copies and checks the lists of the layers above: each names rows that reach its layer.
fn read_upper(index: &Index, rows: u32, payload: &MappedBytes) -> Result<(), DecodeError> {
    let used = index.upper_used.load();
    let mut lists = Lists::new(index, rows, 1, u64::from(used), payload)?;
    index.upper.grow_all(used);
    for row in 0..rows {
        for layer in 1..=index.level(row) {
            lists.copy(row, layer)?;
        }
    }
    Ok(())
}

fn read_entry(index: &Index, header: &Header) -> Result<(), DecodeError> {
    let (Some(entry), Some(_)) = (header.entry.checked_sub(1), index.root()) else {
        let empty = header.entry == 0 && header.root == 0;
        return if empty { Ok(()) } else { Err(Invalid("entry point")) };
    };
    let highest = (0..header.rows).filter(|row| index.in_graph(*row)).map(|row| index.level(row)).max();
    if entry >= header.rows || !index.in_graph(entry) || Some(index.level(entry)) != highest {
        return Err(Invalid("entry point"));
    }
    index.entry.store((index.level(entry) as u64) << 32 | u64::from(header.entry));
    Ok(())
}

struct Lists<'a> {
    index: &'a Index,
    rows: u32,
    reader: Reader<'a>,
    /// The last list in which a row was seen.
    seen: Vec<u32>,
    now: u32,
}

impl<'a> Lists<'a> {
    /// `lists` lists of `layer` in `payload`: the length is checked before memory is taken for them.
    fn new(
        index: &'a Index,
        rows: u32,
        layer: usize,
        lists: u64,
        payload: &'a [u8],
    ) -> Result<Self, DecodeError> {
        let expected = lists * (index.capacity(layer) * size_of::<u32>()) as u64;
        if payload.len() as u64 != expected {
            return Err(Invalid("length of the neighbour lists"));
        }
        Ok(Self { index, rows, reader: Reader::new(payload), seen: vec![0; rows as usize], now: 0 })
    }

    /// Copies the next list of the payload, that of `row` on `layer`.
    fn copy(&mut self, row: u32, layer: usize) -> Result<(), DecodeError> {
        let bytes = self.reader.take(self.index.capacity(layer) * size_of::<u32>())?;
        let words = bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
        self.now += 1;
        let mut ended = false;
        for (cell, word) in self.index.list(row, layer).iter().zip(words) {
            let Some(link) = word.checked_sub(1) else {
                ended = true;
                continue;
            };
            if ended || link >= self.rows || link == row || !self.index.in_graph(row) {
                return Err(Invalid("link of a row"));
            }
            let twice = std::mem::replace(&mut self.seen[link as usize], self.now) == self.now;
            if twice || !self.index.in_graph(link) || (layer > 0 && self.index.level(link) < layer) {
                return Err(Invalid("link of a row"));
            }
            let keeps = layer == 0 && self.index.parent(link) == Some(row);
            cell.store(if keeps { word | KEPT } else { word }, Ordering::Release);
        }
        Ok(())
    }
}
