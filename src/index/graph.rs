//! What is shared of an index: rows, facts about rows, neighbour lists, and where a search starts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32 as Cell, Ordering};

use super::cells::Cells;
use super::coding::{Coding, Current};
use super::epochs::Epochs;
use super::keys::Keys;
use super::pending::Pending;
use super::places::Places;
use super::query::Query;
use super::rows::Rows;
use super::sweep::Sweep;
use super::{Config, Quant, RowId, level};
use crate::base::mark::{Work, spent};
use crate::base::sync::{AtomicU32, AtomicU64, Mutex};

/// Words of `cold`: the row whose list keeps this one, plus one; zero for the root and for rows outside the graph.
pub(super) const PARENT: usize = 0;
/// [`CLAIMED`], [`LINKED`], [`CONDEMNED`], [`SWEPT`]; from [`PLACE`] up, where it is pending, plus one.
pub(super) const STATE: usize = 1;
/// First group of `upper` that belongs to the row; meaningless where its level is zero.
pub(super) const UPPER: usize = 2;
/// What every distance on the row itself needs; where rows have no codes it lies nearer as well ([`super::coding::TERM`]).
pub(super) const FAR_TERM: usize = 3;
pub(super) const COLD: usize = 4;

/// A thread has begun to link the row.
pub(super) const CLAIMED: u32 = 1;
/// The row is linked, or was left out since it died before anybody could meet it.
pub(super) const LINKED: u32 = 2;
/// The row is dead and is being swept: no list takes its name any more, and its own takes no other.
pub(super) const CONDEMNED: u32 = 4;
/// The row has been swept: nobody names it, it has no key and no links.
pub(super) const SWEPT: u32 = 8;
/// The first bit of a state that tells where the row is pending.
pub(super) const PLACE: u32 = 4;

/// Bit of a link that its list keeps for good: the owner is the row's parent, or was before that was condemned.
pub(super) const KEPT: u32 = 1 << 31;

/// A place of a list that a sweep has left empty. Zero is one behind the last link: nobody looks further.
pub(super) const HOLE: u32 = KEPT;

/// The shared side of an index. [`super::Writer`] is the other.
#[derive(Debug)]
pub struct Index {
    pub(super) config: Config,
    /// By what it is walked. Only for who is inside.
    pub(super) coding: Current,
    pub(super) rows: Arc<Rows>,
    pub(super) cold: Cells,
    /// Neighbour lists of the ground layer by row. A link is a row plus one, and perhaps [`KEPT`]; behind the
    /// last there are zeros, between them perhaps a [`HOLE`].
    pub(super) ground: Cells,
    /// Lists of the layers above: `level` groups in a row for a row, from layer 1 up.
    pub(super) upper: Cells,
    pub(super) keys: Keys,
    pub(super) live: AtomicU32,
    /// Bytes of keys that are held outside a map.
    pub(super) key_bytes: AtomicU64,
    /// Groups of `upper` in use.
    pub(super) upper_used: AtomicU32,
    /// Level in the upper half, row + 1 in the lower; zero while the graph is empty.
    pub(super) entry: AtomicU64,
    /// The row from which every other can be reached, plus one; in the upper half the one before it, plus one.
    root: AtomicU64,
    /// Rows below it are linked, or pending.
    pub(super) floor: AtomicU32,
    /// Rows below the floor that are not linked.
    pub(super) pending: Pending,
    /// Which places are free.
    pub(super) places: Places,
    /// How many rows were ever inserted or removed: what a view sees was there before.
    pub(super) moment: AtomicU32,
    /// Held while `LINKED` is set anywhere, and with it `entry`, `root` and `floor`.
    pub(super) settling: Mutex<()>,
    pub(super) epochs: Epochs,
    pub(super) sweep: Sweep,
}

impl Drop for Index {
    fn drop(&mut self) {
        self.epochs.closed();
        spent(Work::Dropped, self.rows());
    }
}

/// Counts of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Rows that there is room for, whatever they hold.
    pub rows: usize,
    /// Rows that were overwritten or removed and have not been swept yet.
    pub tombstones: usize,
    /// Rows that have been swept and hold nothing. New rows take their places.
    pub free: usize,
    /// Rows that no [`Index::link`] has finished yet.
    pub unlinked: usize,
    /// The highest layer of the graph.
    pub max_level: usize,
    /// Bytes of memory in use by the index itself, rows, links and keys, whole first blocks of them; neither the key table
    /// nor mapped files. What blocks have in store behind that is not in use.
    pub bytes: usize,
    /// Bytes of mapped files that rows are served from.
    pub mapped_bytes: usize,
}

impl Index {
    pub(super) fn new(config: Config, coding: Arc<Coding>, rows: Arc<Rows>, keys: Keys) -> Self {
        let line = |links: usize| links.next_multiple_of(16);
        Self {
            rows,
            coding: Current::new(coding),
            cold: Cells::new(COLD),
            ground: Cells::new(line(2 * config.m)),
            upper: Cells::new(line(config.m)),
            keys,
            live: AtomicU32::new(0),
            key_bytes: AtomicU64::new(0),
            upper_used: AtomicU32::new(0),
            entry: AtomicU64::new(0),
            root: AtomicU64::new(0),
            floor: AtomicU32::new(0),
            pending: Pending::new(),
            places: Places::new(),
            moment: AtomicU32::new(0),
            settling: Mutex::new("settling", ()),
            epochs: Epochs::default(),
            sweep: Sweep::new(),
            config,
        }
    }

    /// What the index is.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Rows that can be found.
    #[must_use]
    pub fn live(&self) -> usize {
        self.live.load() as usize
    }

    /// Rows that there is room for, whatever they hold: their numbers are below this.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.published().count() as usize
    }

    /// Rows that a walk can come to: those that live, and the dead that have not been swept.
    #[must_use]
    pub fn held(&self) -> usize {
        self.rows().saturating_sub(self.sweep.swept())
    }

    /// Rows that a walk compares one by one, since they may not be linked yet, at most.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let floor = self.floor.load() as usize;
        self.rows().saturating_sub(floor) + self.pending.waiting()
    }

    /// Bytes of the keys, those of dead rows too that have not been swept.
    #[must_use]
    pub fn key_bytes(&self) -> usize {
        self.key_bytes.load() as usize + self.keys.mapped_bytes()
    }

    /// Bytes that comparing a row exactly looks at.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.rows.stride() * size_of::<f32>()
    }

    /// Bytes that comparing a row on the way through the graph looks at.
    #[must_use]
    pub fn walk_bytes(&self) -> usize {
        let inside = self.inside();
        let coding = inside.coding();
        if coding.coder.is_some() { coding.codes().stride() } else { self.row_bytes() }
    }

    /// How vectors are compressed for walks.
    #[must_use]
    pub fn quant(&self) -> Quant {
        self.inside().coding().quant()
    }

    /// A query for `vector`, which [`super::check_vector`] has passed.
    #[must_use]
    pub fn query(&self, vector: &[f32]) -> Query {
        assert_eq!(vector.len(), self.config.dim, "a query has the dimensions of the index");
        let Config { metric, kernels, .. } = &self.config;
        let mut query = Query::new(vector, self.rows.stride(), |padded| metric.term(kernels, padded));
        if let Some(coder) = &self.inside().coding().coder {
            coder.query(vector, &mut query.coded);
        }
        query
    }

    /// True while the row was neither overwritten nor removed. Panics on a number that no row has.
    #[must_use]
    pub fn is_live(&self, row: RowId) -> bool {
        let inside = self.inside();
        let view = inside.view();
        assert!(row.0 < view.count(), "only published rows are asked about");
        view.lives(row.0)
    }

    /// True when [`Index::link`] has nothing left to do for the row.
    #[must_use]
    pub fn is_linked(&self, row: RowId) -> bool {
        self.linked(row.0)
    }

    /// The links of a row on a layer, in no order; none where the row does not reach that layer.
    pub fn links(&self, row: RowId, layer: usize) -> impl Iterator<Item = RowId> {
        let reaches = layer <= self.level(row.0);
        let list = if reaches { self.list(row.0, layer) } else { &[] };
        links(list).map(RowId)
    }

    /// The highest layer of a row.
    #[must_use]
    pub fn level_of(&self, row: RowId) -> usize {
        self.level(row.0)
    }

    /// Counts, each right at some moment during the call.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let inside = self.inside();
        let (floor, rows) = (self.floor.load(), self.rows());
        let unlinked = self.unlinked(floor, rows as u32).count();
        let coding = inside.coding();
        Stats {
            rows,
            tombstones: self.tombstones(),
            free: self.sweep.swept(),
            unlinked,
            max_level: self.entry().map_or(0, |(_, level)| level),
            bytes: self.own_bytes() + coding.bytes(rows, self.rows.within() as usize),
            mapped_bytes: self.rows.mapped_bytes() + coding.codes().mapped_bytes(),
        }
    }

    /// [`Stats::bytes`].
    pub(crate) fn bytes(&self) -> usize {
        let (rows, taken) = (self.rows(), self.rows.within() as usize);
        self.own_bytes() + self.inside().coding().bytes(rows, taken)
    }

    /// [`Stats::bytes`] without the coding, in constant time: every change of a key is weighed with it.
    pub(super) fn own_bytes(&self) -> usize {
        let rows = self.rows();
        let keys = self.keys.bytes(rows, self.rows.within() as usize) + self.key_bytes.load() as usize;
        let lists = self.ground.bytes(rows) + self.upper.bytes(self.upper_used.load() as usize);
        let facts = self.cold.bytes(rows) + self.places.bytes(rows) + self.pending.bytes();
        size_of::<Self>() + size_of::<Rows>() + self.rows.bytes(rows) + lists + facts + keys
    }

    /// Dead rows that have not been swept.
    pub(super) fn tombstones(&self) -> usize {
        self.held().saturating_sub(self.live())
    }

    /// The term of a row, as the bits of a float.
    pub(super) fn term(&self, row: u32) -> u32 {
        self.cold.get(row, FAR_TERM)
    }

    /// True for a row that is being swept.
    pub(super) fn condemned(&self, row: u32) -> bool {
        self.cold.get(row, STATE) & CONDEMNED != 0
    }

    /// True for a row that others can lead to.
    pub(super) fn in_graph(&self, row: u32) -> bool {
        self.parent(row).is_some() || self.root() == Some(row)
    }

    pub(super) fn level(&self, row: u32) -> usize {
        level::level(self.config.seed, row, self.config.m)
    }

    pub(super) fn linked(&self, row: u32) -> bool {
        self.cold.get(row, STATE) & LINKED != 0
    }

    /// The row whose list keeps `row`.
    pub(super) fn parent(&self, row: u32) -> Option<u32> {
        self.cold.get(row, PARENT).checked_sub(1)
    }

    /// Where every ground search starts as well.
    pub(super) fn root(&self) -> Option<u32> {
        (self.root.load() as u32).checked_sub(1)
    }

    /// Makes another row the root, or none. Under the settling lock.
    pub(super) fn set_root(&self, row: Option<u32>) {
        let before = self.root.load() << 32;
        self.root.store(before | row.map_or(0, |row| u64::from(row) + 1));
    }

    /// The root of the rows `0..count`. It does not change twice while anyone is inside: see [`super::sweep`].
    pub(super) fn root_within(&self, count: u32) -> Option<u32> {
        let roots = self.root.load();
        let (now, before) = ((roots as u32).checked_sub(1), ((roots >> 32) as u32).checked_sub(1));
        now.filter(|root| *root < count).or(before).filter(|root| now.is_some() && *root < count)
    }

    /// The row where a search starts, and its level.
    pub(super) fn entry(&self) -> Option<(u32, usize)> {
        let word = self.entry.load();
        (word as u32).checked_sub(1).map(|row| (row, (word >> 32) as usize))
    }

    /// Links that a list of `layer` holds at most.
    pub(super) fn capacity(&self, layer: usize) -> usize {
        if layer == 0 { 2 * self.config.m } else { self.config.m }
    }

    /// The list of `row` on `layer`, which the row must reach.
    #[inline]
    pub(super) fn list(&self, row: u32, layer: usize) -> &[Cell] {
        let group = if layer == 0 {
            self.ground.group(row)
        } else {
            self.upper.group(self.cold.get(row, UPPER) + layer as u32 - 1)
        };
        &group[..self.capacity(layer)]
    }
}

/// The rows that a list names.
#[inline]
pub(super) fn links(list: &[Cell]) -> impl Iterator<Item = u32> {
    let words = list.iter().map(|link| link.load(Ordering::Acquire)).take_while(|word| *word != 0);
    words.filter_map(|word| (word & !KEPT).checked_sub(1))
}

/// The rows that a list keeps for good.
pub(super) fn kept(list: &[Cell]) -> impl Iterator<Item = u32> {
    let words = list.iter().map(|link| link.load(Ordering::Acquire));
    words.filter(|word| word & KEPT != 0).filter_map(|word| (word & !KEPT).checked_sub(1))
}
