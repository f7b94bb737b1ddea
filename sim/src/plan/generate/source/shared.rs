//! Operations on the keys that all clients name: registers, a counter, a string that grows, an index.

use std::sync::Arc;

use engram::base::rng::Rng;

use super::super::{Op, pick};
use super::Source;
use crate::plan::{Among, Lifetime, Only};

/// What all clients of a run have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Common {
    dim: usize,
    metric: &'static str,
    quant: Option<&'static str>,
    /// Requests that name several keys, and so tie them together.
    tied: bool,
    /// An index that everyone uses.
    vectors: bool,
}

/// The shared index, and the name that it has at times.
const INDEX: &str = "shared:v";
const OTHER_INDEX: &str = "shared:w";
/// Elements of the shared index: few, so that clients meet.
const ELEMENTS: u64 = 6;

impl Common {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::stream(seed, "shared");
        Self {
            dim: 1 + rng.index(6),
            metric: pick(&mut rng, &["l2", "cosine", "dot"]),
            quant: super::quant(seed, usize::MAX),
            tied: rng.below(3) > 0,
            vectors: rng.below(2) == 0,
        }
    }
}

fn register(rng: &mut Rng) -> String {
    pick(rng, &["shared:r0", "shared:r1"]).to_owned()
}

impl Source {
    pub(super) fn shared(&mut self, rng: &mut Rng) -> Op {
        match rng.below(12) {
            0..=3 if self.common.vectors => self.shared_vector(rng),
            4 | 5 if self.common.tied && self.swarm.transactions => self.shared_transaction(rng),
            6 | 7 if self.common.tied => self.tied(rng),
            _ => self.single(rng),
        }
    }

    /// A request that names one key.
    fn single(&mut self, rng: &mut Rng) -> Op {
        let (key, n) = (register(rng), "shared:n".to_owned());
        match rng.below(18) {
            15 => Op::Exists(vec![key]),
            16 => Op::Type(key),
            17 => Op::ExpireAt { key, at: 1 },
            0..=2 => Op::Incr(n),
            3 => Op::IncrBy { key: n, by: pick(rng, &[-2, 3, 10]) },
            4 => Op::Get(n),
            5 | 6 => Op::Set { key, value: self.brief(), expire: None },
            7 | 8 => Op::Get(key),
            9 => Op::SetNx { key, value: self.brief() },
            10 => Op::GetSet { key, value: self.brief() },
            11 => {
                let only = Some(pick(rng, &[Only::Nx, Only::Xx]));
                Op::SetWith { key, value: self.brief(), only, get: true, life: Lifetime::Plain }
            }
            12 => Op::Del(vec![key]),
            13 => Op::Append { key: "shared:s".to_owned(), value: self.brief() },
            _ => Op::Get("shared:s".to_owned()),
        }
    }

    /// A request that names several.
    fn tied(&mut self, rng: &mut Rng) -> Op {
        let (a, b) = ("shared:r0".to_owned(), "shared:r1".to_owned());
        let (from, to) = if rng.below(2) == 0 { (a.clone(), b.clone()) } else { (b.clone(), a.clone()) };
        match rng.below(7) {
            0 => Op::MsetNx(vec![(a, self.brief()), (b, self.brief())]),
            1 => Op::Mset(vec![(a, self.brief()), (b, self.brief())]),
            2 | 3 => Op::Mget(vec![a, b, "shared:n".to_owned()]),
            4 => Op::Rename { from, to },
            5 => Op::Copy { from, to, replace: true },
            _ => Op::Del(vec![a, b]),
        }
    }

    /// A transaction over shared keys, or the WATCH before it.
    fn shared_transaction(&mut self, rng: &mut Rng) -> Op {
        let count = 1 + rng.index(3);
        let last = Op::Transaction((0..count).map(|_| self.single(rng)).collect());
        if rng.below(3) == 0 {
            return last;
        }
        let watched = pick(rng, &["shared:r0", "shared:r1", "shared:n", "shared:v"]).to_owned();
        if rng.below(2) == 0 {
            let look = if watched == INDEX { self.shared_vector(rng) } else { Op::Get(watched.clone()) };
            self.queue.push_back(look);
        }
        self.queue.push_back(last);
        Op::Watch(vec![watched])
    }

    fn shared_vector(&mut self, rng: &mut Rng) -> Op {
        let (key, other) = (INDEX.to_owned(), OTHER_INDEX.to_owned());
        let (key, other) = if rng.below(5) == 0 { (other, key) } else { (key, other) };
        let element = format!("e{}", rng.below(ELEMENTS));
        match rng.below(30) {
            0..=3 => self.shared_index(),
            4..=13 => Op::Add { key, element, vector: self.shared_row(rng) },
            14..=17 => Op::Remove { key, element },
            18 | 19 => Op::Info(key),
            20 => Op::Del(vec![key]),
            21 => Op::ExpireAt { key, at: 1 },
            22 => Op::Rename { from: key, to: other },
            23 => Op::RenameNx { from: other, to: key },
            _ => {
                let search = Op::Search {
                    key,
                    query: self.shared_row(rng),
                    k: pick(rng, &[1, 3, 10]),
                    ef: (rng.below(2) == 0).then(|| 1 + rng.index(40)),
                    exact: rng.below(2) == 0,
                    vectors: rng.below(4) == 0,
                    among: Among::default(),
                };
                self.narrowed(search, self.common.metric)
            }
        }
    }

    /// The index that all have in common.
    pub(in super::super) fn shared_index(&self) -> Op {
        let common = self.common;
        Op::NewIndex { key: INDEX.to_owned(), dim: common.dim, metric: common.metric, quant: common.quant }
    }

    /// A vector for one of its elements.
    pub(in super::super) fn shared_insert(&self, rng: &mut Rng, element: u64) -> Op {
        Op::Add { key: INDEX.to_owned(), element: format!("e{element}"), vector: self.shared_row(rng) }
    }

    /// A search that shows all of an index.
    pub(in super::super) fn shared_search(&self, rng: &mut Rng, key: String) -> Op {
        Op::Search {
            key,
            query: self.shared_row(rng),
            k: 10,
            ef: None,
            exact: true,
            vectors: false,
            among: Among::default(),
        }
    }

    fn shared_row(&self, rng: &mut Rng) -> Arc<[f32]> {
        (0..self.common.dim).map(|_| rng.unit_f32() * 2.0 - 1.0).collect()
    }

    /// A short value that no other write of the run has.
    fn brief(&mut self) -> String {
        self.made += 1;
        format!("{}.{}.{}", self.client, self.life, self.made)
    }
}
