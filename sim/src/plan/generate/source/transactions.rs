//! Transactions: watched or not, executed or discarded.

use engram::base::rng::Rng;

use super::super::Op;
use super::Source;

impl Source {
    /// A transaction, or the first of what leads to one.
    pub(super) fn transaction(&mut self, rng: &mut Rng) -> Op {
        let count = 1 + rng.index(4);
        let mut ops: Vec<Op> = (0..count).map(|_| self.simple(rng)).collect();
        if rng.below(12) == 0 {
            ops.push(self.wrong(rng));
        }
        let last = match rng.below(10) {
            0 => Op::Discarded(ops),
            _ => Op::Transaction(ops),
        };
        if rng.below(2) == 0 {
            return last;
        }
        let watched = (0..1 + rng.below(2)).map(|_| self.any_key(rng)).collect();
        // What happens between the two decides.
        for _ in 0..rng.below(3) {
            let op = match rng.below(8) {
                0 => Op::Unwatch,
                _ => self.simple(rng),
            };
            self.queue.push_back(op);
        }
        self.queue.push_back(last);
        Op::Watch(watched)
    }
}
