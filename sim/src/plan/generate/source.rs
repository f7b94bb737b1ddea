//! Where one client's operations come from.

mod crowded;
mod keys;
mod narrowed;
mod odd;
mod shared;
mod transactions;

use std::collections::VecDeque;
use std::sync::Arc;

use engram::base::rng::Rng;

use super::super::op_parse::QUANTS;
use super::{Op, Swarm, pick, spread};
use crate::plan::Among;

/// Where one client's operations come from. It owns keys that no other client names, and all know a few shared ones.
pub(super) struct Source {
    client: usize,
    life: usize,
    swarm: Swarm,
    /// Fixed for the client's whole history.
    dim: usize,
    metric: &'static str,
    quant: Option<&'static str>,
    /// Vectors have few distinct coordinates, so that distances tie.
    coarse: bool,
    made: u64,
    /// Which of the operations on shared keys there are.
    common: shared::Common,
    /// What decides which searches are confined.
    narrow: Rng,
    /// What comes next, where several belong together.
    queue: VecDeque<Op>,
}

/// How the indexes of a client are compressed; nothing said: as the engine likes.
fn quant(seed: u64, client: usize) -> Option<&'static str> {
    let mut rng = Rng::stream(seed, &format!("quant {client}"));
    (rng.below(4) > 0).then(|| pick(&mut rng, &QUANTS))
}

impl Source {
    pub(super) fn new((seed, life, client): (u64, usize, usize), swarm: Swarm) -> Self {
        let mut rng = Rng::stream(seed, &format!("client {client}"));
        Self {
            client,
            life,
            swarm,
            dim: 1 + rng.index(20),
            metric: pick(&mut rng, &["l2", "cosine", "dot"]),
            quant: quant(seed, client),
            coarse: rng.below(3) == 0,
            made: 0,
            common: shared::Common::new(seed),
            narrow: Rng::stream(seed, &format!("narrow {client} {life}")),
            queue: VecDeque::new(),
        }
    }

    /// What a client of vectors does before all else, mostly.
    pub(super) fn first(&self, rng: &mut Rng) -> Option<Op> {
        let wanted = self.swarm.vectors && rng.below(4) > 0;
        wanted.then(|| Op::NewIndex {
            key: self.index_key(rng),
            dim: self.dim,
            metric: self.metric,
            quant: self.quant,
        })
    }

    pub(super) fn op(&mut self, rng: &mut Rng) -> Op {
        if let Some(op) = self.queue.pop_front() {
            return op;
        }
        match rng.below(44) {
            0 => Op::Ping((rng.below(2) == 0).then(|| self.value(rng))),
            1 => Op::DbSize,
            2 if self.swarm.saves => pick(rng, &[Op::Save, Op::Save, Op::BackgroundSave, Op::LastSave]),
            3 if self.swarm.clearing => pick(rng, &[Op::FlushAll, Op::FlushDb]),
            4..=6 if self.swarm.transactions => self.transaction(rng),
            7..=13 if self.swarm.shared => self.shared(rng),
            14 | 15 => self.names(rng),
            16 if rng.below(2) == 0 => self.refused(rng),
            _ => self.simple(rng),
        }
    }

    fn simple(&mut self, rng: &mut Rng) -> Op {
        if self.swarm.vectors && rng.below(2) == 0 { self.vector_op(rng) } else { self.key_op(rng) }
    }

    fn vector_op(&mut self, rng: &mut Rng) -> Op {
        let key = self.index_key(rng);
        let element = format!("e{}", rng.below(12));
        match rng.below(25) {
            24 => self.misfit(key, element, rng),
            0..=2 => Op::NewIndex { key, dim: self.dim, metric: self.metric, quant: self.quant },
            3..=12 => Op::Add { key, element, vector: self.vector(rng) },
            13 | 14 => Op::Remove { key, element },
            15..=20 => {
                let search = Op::Search {
                    key,
                    query: self.vector(rng),
                    k: pick(rng, &[1, 3, 10, 100]),
                    ef: (rng.below(2) == 0).then(|| 1 + spread(rng, 200) as usize),
                    exact: rng.below(4) == 0,
                    vectors: rng.below(4) == 0,
                    among: Among::default(),
                };
                self.narrowed(search, self.metric)
            }
            21 => Op::Info(key),
            22 => Op::Rename { from: key, to: self.index_key(rng) },
            _ => Op::Set { key, value: self.value(rng), expire: None },
        }
    }

    fn key(&self, rng: &mut Rng) -> String {
        format!("c{}:k{}", self.client, rng.below(5))
    }

    fn index_key(&self, rng: &mut Rng) -> String {
        format!("c{}:v{}", self.client, rng.below(2))
    }

    /// Mostly a key of strings, at times that of an index or of a number.
    fn any_key(&self, rng: &mut Rng) -> String {
        match rng.below(12) {
            0 | 1 if self.swarm.vectors => self.index_key(rng),
            2 => format!("c{}:{}", self.client, pick(rng, &["n", "f"])),
            _ => self.key(rng),
        }
    }

    /// A value that no other write of the run has.
    fn value(&mut self, rng: &mut Rng) -> String {
        self.made += 1;
        let filler = match rng.below(20) {
            _ if self.swarm.large => rng.index(1_500),
            0 => 2_000,
            1 => 300 + rng.index(1_000),
            2..=4 => rng.index(300),
            _ => 0,
        };
        let tail = if rng.below(12) == 0 { odd::text(rng) } else { "x".repeat(filler) };
        format!("{}.{}.{}{tail}", self.client, self.life, self.made)
    }

    fn vector(&self, rng: &mut Rng) -> Arc<[f32]> {
        (0..self.dim).map(|_| self.coordinate(rng)).collect()
    }

    fn coordinate(&self, rng: &mut Rng) -> f32 {
        if self.coarse { rng.below(3) as f32 - 1.0 } else { rng.unit_f32() * 2.0 - 1.0 }
    }
}
