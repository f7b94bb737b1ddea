//! Changes of the form by which searches go, in half of the seeds: a few on each index that a client has, between its other
//! requests, and now and then two close together, a snapshot beside one, many searches behind one that a worker comes to late,
//! or the end of the machine.

use engram::base::rng::Rng;

use super::super::QUANTS;
use super::{Break, Ending, Life, Op, ServerPlan, pick};
use crate::scheduler::{Blow, Disturbance};

/// Searches that are asked for at once, more than the loop does itself in one turn.
const MANY: usize = 12;

/// A worker that has taken a job and rests before it begins.
fn late_worker(rng: &mut Rng) -> Disturbance {
    let (thread, site) = ("worker 0".to_owned(), "job".to_owned());
    Disturbance { blow: Blow::Stall(2_000_000), passage: 1 + rng.below(30), thread, site }
}

/// Has forms changed.
pub(super) fn change(rng: &mut Rng, server: &ServerPlan, lives: &mut [Life]) {
    if rng.below(2) > 0 {
        return;
    }
    // Where memory is scarce, so often that some of them just do not fit.
    let often = if server.limits.maxmemory > 0 { 12 } else { 4 };
    for life in lives {
        let mut late = Vec::new();
        let crashes = life.ending != Ending::Shutdown;
        for (number, client) in life.clients.iter_mut().enumerate() {
            let own = format!("c{number}:v");
            let of = |op: &Op| op.keys().into_iter().find(|key| key.starts_with(&own)).map(str::to_owned);
            let places: Vec<(usize, String)> = client
                .ops
                .iter()
                .enumerate()
                .filter_map(|(at, op)| of(op).map(|key| (at + 1, key)))
                .collect();
            let most = if places.is_empty() { 0 } else { rng.below(often) };
            // From the back, so that places stay what they are.
            let mut chosen: Vec<&(usize, String)> =
                (0..most).map(|_| &places[rng.index(places.len())]).collect();
            chosen.sort();
            for (at, key) in chosen.into_iter().rev() {
                let quant = |rng: &mut Rng| Op::Quant { key: key.clone(), quant: pick(rng, &QUANTS) };
                client.ops.insert(*at, quant(rng));
                match rng.below(10) {
                    0 => client.ops.insert(*at, quant(rng)),
                    1 => client.ops.insert(*at, Op::BackgroundSave),
                    2 => client.ops.insert(*at + 1, Op::Info(key.clone())),
                    3 | 4 if server.limits.maxmemory == 0 => {
                        let of = |op: &&Op| matches!(op, Op::Search { .. }) && op.keys() == [key.as_str()];
                        let there: Vec<Op> = client.ops.iter().filter(of).cloned().collect();
                        let searches: Vec<Op> = there.into_iter().cycle().take(MANY).collect();
                        client.depth = client.depth.max(searches.len() + 1);
                        client.ops.splice(*at + 1..*at + 1, searches);
                        late.push(late_worker(rng));
                    }
                    5 if crashes => {
                        let most = 1 << (10 + rng.below(14));
                        client.breaks.push((*at + 1, Break::Crash(rng.below(most))));
                    }
                    _ => {}
                }
            }
        }
        life.threads.disturbances.extend(late);
    }
}
