//! How many of the nearest rows searches find that walk the graph.
//!
//! A single search may miss some, so what is judged is the mean over a plan, and only over searches that are wide enough
//! ([`WIDE`]), of an index that nothing else touches meanwhile, while nothing goes wrong.

use engram::resp::client::Value;

use super::Oracle;
use super::index::Index;
use super::search::{distance, read_hits};
use crate::plan::{Among, Op};

/// EF is at least so many times K.
const WIDE: usize = 4;
/// Searches below which a mean says little.
const FEW: u64 = 20;
/// Of a hundred nearest rows so many have to be found.
const PERCENT: u64 = 86;

/// Rows that were found, of those that were to be found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recall {
    searches: u64,
    found: u64,
    wanted: u64,
}

impl Recall {
    /// A search in `index` has been answered.
    pub(super) fn note(&mut self, index: &Index, op: &Op, reply: &Value) {
        let Op::Search { query, k, ef: Some(ef), exact: false, vectors, among, .. } = op else { return };
        let Value::Array(items) = reply else { return };
        let (Ok(hits), true) = (read_hits(items, *vectors), *among == Among::default()) else { return };
        if *ef < WIDE * *k || *ef >= index.rows.len() || query.len() != index.dim {
            return;
        }
        let mut exact: Vec<f32> = index.rows.values().map(|row| distance(index.metric, query, row)).collect();
        exact.sort_by(f32::total_cmp);
        let Some(farthest) = exact.get(k - 1) else { return };
        let near = |far: &f32| far.total_cmp(farthest) != std::cmp::Ordering::Greater;
        self.searches += 1;
        self.wanted += *k as u64;
        self.found += hits.iter().filter(|hit| near(&hit.distance)).count() as u64;
    }

    /// An error says that too few were found.
    pub(super) fn judge(&self) -> Result<(), String> {
        let Self { searches, found, wanted } = *self;
        if searches < FEW || found * 100 >= wanted * PERCENT {
            return Ok(());
        }
        Err(format!("{searches} searches have found {found} of the {wanted} nearest rows"))
    }
}

impl Oracle {
    /// Counts what a search has found, where it is known what there is.
    pub(super) fn note_recall(&mut self, client: usize, (op, later): (&Op, &[&Op]), replies: &[Value]) {
        let (Op::Search { key, .. }, [reply]) = (op, replies) else { return };
        let calm = later.is_empty() && self.panics() == 0 && !self.vectors_rotten();
        if let Some(index) = self.clients[client].sole_index(key).filter(|_| calm) {
            self.recall.note(&index, op, reply);
        }
    }

    /// All lives are over: whether searches have found enough.
    pub fn recalled(&self) -> Result<(), String> {
        self.recall.judge()
    }
}
