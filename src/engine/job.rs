//! Work for the worker threads: what takes longer than the loop may.

use std::sync::Arc;

use super::store::Garbage;
use super::value::LastWrite;
use crate::base::mark::{Mark, reached};
use crate::index::{Index, Part, Pinned, Query, RowId, Scratch};
use crate::recall::Recall;
use crate::resp::{Protocol, Reply};
use crate::wal::Lsn;

/// Bytes that a brief search looks at at most, or what takes as long: about 100 µs.
const BRIEF: usize = 1 << 20;
/// What a hit of a reply costs besides its key and its vector, most of it the distance's digits: about 0.3 µs.
const HIT: usize = 2_048;

/// One piece of work.
#[derive(Debug)]
pub struct Job(pub(super) Kind);

#[derive(Debug)]
pub(super) enum Kind {
    /// Link a row into its graph; then say what VADD says.
    Link { index: Arc<Index>, row: RowId, barrier: Lsn, reply: Vec<u8> },
    /// Search.
    Search(Box<Search>),
    /// A slice of a sweep.
    Sweep { index: Arc<Index>, budget: usize },
    /// A slice of a change of form.
    Recode { part: Option<Part>, rows: usize },
    /// Drop something.
    Drop(Vec<Garbage>),
}

/// A VSEARCH that has been checked.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) index: Arc<Index>,
    /// Where rows have been looked up already: until the reply has been made of those that are hit they stay what they are.
    /// Others enter the index when they begin, so that no sweep waits for what waits for a worker.
    pub(super) pin: Option<Pinned>,
    /// Most hits.
    pub(super) most: usize,
    pub(super) last: Arc<LastWrite>,
    pub(super) query: Query,
    /// What decides which rows are hits.
    pub(super) recall: Box<dyn Recall>,
    pub(super) with_vectors: bool,
    pub(super) protocol: Protocol,
}

/// A job that has been done.
#[derive(Debug)]
pub struct Finished {
    /// The reply, encoded.
    pub reply: Vec<u8>,
    barrier: Barrier,
    /// It panicked, and nothing came of it.
    pub failed: bool,
}

#[derive(Debug)]
enum Barrier {
    At(Lsn),
    /// What these hits of a set have to wait for.
    Of(Arc<LastWrite>, Vec<RowId>),
}

impl Finished {
    /// The reply may leave when the log is durable up to here. To be asked on the loop, after the job is done: all
    /// that a search can have seen was logged before.
    #[must_use]
    pub fn barrier(&self) -> Lsn {
        match &self.barrier {
            Barrier::At(lsn) => *lsn,
            Barrier::Of(last, hits) => last.lsn(hits),
        }
    }

    fn silent() -> Self {
        Self { reply: Vec::new(), barrier: Barrier::At(Lsn(0)), failed: false }
    }

    /// What a job that panicked comes to.
    #[must_use]
    pub fn failed(message: &str) -> Self {
        let mut reply = Vec::new();
        Reply::new(&mut reply, Protocol::Resp2).error(format!("ERR internal error: {message}"));
        Self { reply, barrier: Barrier::At(Lsn(0)), failed: true }
    }
}

impl Job {
    /// True for work that nobody waits for. Behind it the loop has something to look at all the same: the next slice, or what
    /// waited until everyone had left an index whose captures have been dropped.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        matches!(self.0, Kind::Drop(_) | Kind::Sweep { .. } | Kind::Recode { .. })
    }

    /// True for work that is of use only to who waits for it.
    #[must_use]
    pub fn is_search(&self) -> bool {
        matches!(self.0, Kind::Search(_))
    }

    /// True for work that takes about as long as handing it to another thread and back.
    #[must_use]
    pub fn is_brief(&self) -> bool {
        matches!(&self.0, Kind::Search(search) if search.cost() <= BRIEF)
    }

    /// What is left to drop of a job that was done on the loop, or that nobody will do, if it was the last to hold an index: that takes long.
    #[must_use]
    pub fn into_garbage(self) -> Option<Self> {
        let Kind::Search(search) = self.0 else { return None };
        let Search { index, pin, .. } = *search;
        drop(pin);
        let index = Arc::into_inner(index)?;
        reached(Mark::LastSearchOver);
        Some(Self(Kind::Drop(vec![Garbage::Last(Box::new(index))])))
    }

    /// True for work that may be begun again where it has panicked: it goes on with what it has left.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        matches!(self.0, Kind::Link { .. })
    }

    /// To be called where it has panicked for good: nobody is to wait for what it does not free.
    pub fn give_up(&self) {
        if let Kind::Sweep { index, .. } = &self.0 {
            index.give_up_slice();
        }
    }

    /// Does the work, on a worker thread whose scratch this is. To be called once, or until it does not panic.
    pub fn run(&mut self, scratch: &mut Scratch) -> Finished {
        match &mut self.0 {
            Kind::Link { index, row, barrier, reply } => {
                index.link(*row, scratch);
                Finished { reply: std::mem::take(reply), barrier: Barrier::At(*barrier), failed: false }
            }
            Kind::Search(search) => search.run(scratch),
            Kind::Sweep { index, budget } => {
                index.sweep_some(*budget, scratch);
                Finished::silent()
            }
            Kind::Recode { part, rows } => {
                if let Some(part) = part.take() {
                    part.write(*rows, scratch);
                }
                Finished::silent()
            }
            Kind::Drop(garbage) => {
                drop(std::mem::take(garbage));
                Finished::silent()
            }
        }
    }
}

impl Search {
    /// What it will take, in the measure of [`Recall::looks_at`].
    fn cost(&self) -> usize {
        let index = &self.index;
        let vector = if self.with_vectors { index.row_bytes() } else { 0 };
        let hit = HIT + index.key_bytes() / index.held().max(1) + vector;
        self.recall.looks_at(index).saturating_add(self.most.min(index.live()).saturating_mul(hit))
    }

    fn run(&self, scratch: &mut Scratch) -> Finished {
        let entered;
        let index = match &self.pin {
            Some(pin) => pin,
            None => {
                entered = self.index.pin();
                &entered
            }
        };
        let mut hits = Vec::new();
        self.recall.recall(index, &self.query, scratch, &mut hits);
        let words = if self.with_vectors { 3 } else { 2 };
        let mut bytes = Vec::with_capacity(
            16 + hits.len() * (48 + if self.with_vectors { 4 * index.config().dim } else { 0 }),
        );
        let mut reply = Reply::new(&mut bytes, self.protocol);
        reply.array(hits.len() * words);
        let mut packed = Vec::new();
        for hit in &hits {
            reply.bulk(index.key(hit.row));
            reply.double(f64::from(hit.distance));
            if self.with_vectors {
                packed.clear();
                packed.extend(index.vector(hit.row).iter().flat_map(|x| x.to_le_bytes()));
                reply.bulk(&packed);
            }
        }
        let rows = hits.iter().map(|hit| hit.row).collect();
        Finished { reply: bytes, barrier: Barrier::Of(Arc::clone(&self.last), rows), failed: false }
    }
}
