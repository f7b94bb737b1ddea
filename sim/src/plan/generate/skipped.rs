//! Requests whose reply a client has skipped, in one seed of six: a few of those that write or search.

use engram::base::rng::Rng;

use super::{Life, ServerPlan};
use crate::faults::Fault;
use crate::plan::{Op, Silence};

/// Most of them on one client in one life: where the disk was full, or memory, each may have been passed over.
const MOST: usize = 3;

/// Has some requests skipped.
pub(super) fn skip(rng: &mut Rng, server: &ServerPlan, lives: &mut [Life]) {
    let full = |life: &Life| life.faults.iter().any(|planned| matches!(planned.fault, Fault::Full(_)));
    if rng.below(6) > 0 || server.limits.maxmemory > 0 || lives.iter().any(full) {
        return;
    }
    for client in lives.iter_mut().flat_map(|life| &mut life.clients) {
        // What was done to its first key is all that is known to last when the answer to that comes.
        let may = |op: &Op| match op {
            Op::Del(keys) => keys.len() == 1,
            op => {
                matches!(
                    op,
                    Op::Set { .. } | Op::Incr(_) | Op::Append { .. } | Op::Add { .. } | Op::Search { .. }
                )
            }
        };
        let places: Vec<usize> = (0..client.ops.len()).filter(|&at| may(&client.ops[at])).collect();
        for _ in 0..if places.is_empty() { 0 } else { rng.index(MOST + 1) } {
            let op = &mut client.ops[places[rng.index(places.len())]];
            if may(op) {
                *op = Op::Unheard(Silence::Skip, Box::new(op.clone()));
            }
        }
    }
}
