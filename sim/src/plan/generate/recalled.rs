//! Searches whose recall can be judged: in one seed of forty, one life has one client who fills an index, with nothing going
//! wrong, and then searches it with EF at four times K and more.

use std::sync::Arc;

use engram::base::rng::Rng;

use super::super::QUANTS;
use super::scenes::{alone, ends_at_once};
use super::{Ending, Life, Op, ServerPlan, pick};
use crate::disk::Loss;
use crate::plan::{Among, ClientPlan};
use crate::scheduler::{Settings, Strategy};

/// Fills an index and searches it, in a few seeds.
pub(super) fn search(rng: &mut Rng, server: &mut ServerPlan, lives: &mut [Life]) {
    if rng.below(40) > 0 {
        return;
    }
    server.exact_below = 0;
    let number = rng.index(lives.len());
    let (dim, rows) = (4 + rng.index(12), 40 + rng.index(160));
    let vector = |rng: &mut Rng| -> Arc<[f32]> { (0..dim).map(|_| rng.unit_f32() * 2.0 - 1.0).collect() };
    let key = "c0:v0".to_owned();
    let metric = pick(rng, &["l2", "cosine", "dot"]);
    let mut ops = vec![Op::Del(vec![key.clone()])];
    ops.push(Op::NewIndex { key: key.clone(), dim, metric, quant: None });
    for element in 0..rows {
        ops.push(Op::Add { key: key.clone(), element: format!("r{element}"), vector: vector(rng) });
    }
    for _ in 0..rows / 4 {
        let element = format!("r{}", rng.index(rows));
        match rng.below(4) {
            0 => ops.push(Op::Remove { key: key.clone(), element }),
            1 => ops.push(Op::Add { key: key.clone(), element, vector: vector(rng) }),
            _ => {}
        }
    }
    // A form in which few nearest rows are missed; all of them give the same plan otherwise.
    let forms: Vec<&'static str> = QUANTS.into_iter().filter(|quant| *quant != "bin").collect();
    let mut own = rng.clone();
    if own.below(2) == 0 {
        ops.push(Op::Quant { key: key.clone(), quant: pick(&mut own, &forms) });
    }
    for _ in 0..30 {
        let k = pick(rng, &[1, 3, 5, 10]);
        let (query, ef) = (vector(rng), Some(4 * k));
        let among = Among::default();
        ops.push(Op::Search { key: key.clone(), query, k, ef, exact: false, vectors: false, among });
    }
    let life = &mut lives[number];
    alone(life, ClientPlan { ops, gap: 100_000, ..ClientPlan::default() });
    ends_at_once(life, Loss::All);
    life.ending = Ending::Shutdown;
    life.latency.sync = 10_000;
    let strategy = Strategy::Uniform { one_in: 64 };
    life.threads = Settings { strategy, ..Settings::default() };
}
