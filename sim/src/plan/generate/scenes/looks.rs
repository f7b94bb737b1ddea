//! What one client changes another looks at before it is durable, in any of the ways in which it shows, and the power goes.

use engram::base::rng::Rng;

use super::{REGISTER, SYNC, Scene, alone, beside, ends_at_once};
use crate::disk::Loss;
use crate::plan::generate::pick;
use crate::plan::{Break, ClientPlan, Life, Op, WHOLE};
use crate::scheduler::{Blow, Disturbance};

/// The other names that take part.
const OTHER: &str = "shared:r1";
const INDEX: &str = "shared:v";
const OTHER_INDEX: &str = "shared:w";
/// How often the other client looks while one change is on its way, and how long it waits before it looks again.
const LOOKS: usize = 60;
const GAP: u64 = SYNC / 100;

impl Scene {
    /// One client changes what all share, another looks at it meanwhile, again and again.
    pub(super) fn looked_at(mut self, rng: &mut Rng, life: &mut Life) {
        let (ops, looks) = if rng.below(2) == 0 { self.register(rng) } else { self.index(rng) };
        let count = ops.len();
        let breaks = vec![(count, Break::Crash(1_000_000 + rng.below(SYNC / 2)))];
        let searches = matches!(looks.as_slice(), [Op::Search { .. }]);
        // A transaction waits for nothing that it does not see: one after the other they last until the change comes.
        let gap = if matches!(looks.as_slice(), [Op::Watch(_), ..]) { 5 * GAP } else { GAP };
        let looks = looks.into_iter().cycle().take(LOOKS * count).collect();
        alone(life, ClientPlan { ops, breaks, ..ClientPlan::default() });
        // Several searches at once wait for each other, and some for a worker that stands still: what they see then was
        // done behind them.
        let depth = if searches { 8 } else { 1 };
        beside(life, ClientPlan { depth, gap, send: WHOLE, ops: looks, ..ClientPlan::default() });
        ends_at_once(life, pick(rng, &[Loss::All, Loss::All, Loss::Torn]));
        if searches {
            let stall = |_| Disturbance {
                blow: Blow::Stall(GAP * (1 + rng.below(8))),
                passage: 1 + rng.below((LOOKS * count) as u64),
                thread: "worker".to_owned(),
                site: "job".to_owned(),
            };
            life.threads.disturbances.extend((0..8).map(stall));
        }
    }

    /// What is done to a string, and how one looks at it.
    fn register(&mut self, rng: &mut Rng) -> (Vec<Op>, Vec<Op>) {
        let (key, other) = (REGISTER.to_owned(), OTHER.to_owned());
        let set = self.write();
        let change = match rng.below(5) {
            0 => vec![Op::Del(vec![key.clone()]), set],
            1 => vec![set, Op::Del(vec![key.clone()])],
            2 => vec![set, Op::ExpireAt { key: key.clone(), at: 1 }],
            3 => vec![set, Op::Rename { from: key.clone(), to: other.clone() }],
            _ => vec![set, self.write()],
        };
        let watch = vec![Op::Watch(vec![key.clone()]), Op::Transaction(vec![Op::Get(other.clone())])];
        let looks = match rng.below(8) {
            0..=2 => watch,
            3 => vec![Op::Get(key)],
            4 => vec![Op::Mget(vec![key, other])],
            5 => vec![Op::Type(key), Op::Exists(vec![other])],
            _ => self.names_told(rng),
        };
        (change, looks)
    }

    /// What is done to an index, and how one looks at it.
    fn index(&mut self, rng: &mut Rng) -> (Vec<Op>, Vec<Op>) {
        let (key, other) = (INDEX.to_owned(), OTHER_INDEX.to_owned());
        let mut ops = vec![self.source.shared_index(), self.source.shared_insert(rng, 0)];
        let moved = rng.below(3) == 0;
        ops.push(match rng.below(5) {
            _ if moved => Op::Rename { from: key.clone(), to: other.clone() },
            0 => self.source.shared_insert(rng, 1),
            1 => Op::Del(vec![key.clone()]),
            _ => Op::Remove { key: key.clone(), element: "e0".to_owned() },
        });
        let at = if moved { other } else { key };
        let looks = match rng.below(5) {
            0 => vec![Op::Info(at)],
            1 => self.names_told(rng),
            _ => vec![self.source.shared_search(rng, at)],
        };
        (ops, looks)
    }

    /// Ways to hear of names.
    fn names_told(&mut self, rng: &mut Rng) -> Vec<Op> {
        let scan = Op::Scan { pattern: None, count: Some(100), kind: None };
        vec![pick(rng, &[Op::Keys, Op::KeysLike("shared:*".to_owned()), Op::RandomKey, Op::DbSize, scan])]
    }
}
