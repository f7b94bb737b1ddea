//! A server that is told to finish while it starts, by a signal: in one seed of twelve. Most come in recovery, where it looks for
//! one now and then; some when it serves already, and its clients have just come.

use engram::base::rng::Rng;

use super::{Life, ServerPlan, pick};

/// Sends a signal early in some lives of a few seeds.
pub(super) fn turn_back(rng: &mut Rng, server: &mut ServerPlan, lives: &mut [Life]) {
    if rng.below(12) > 0 {
        return;
    }
    server.lookout = pick(rng, &[0, 0, 1_000, 20_000]);
    // Of the first life there is nothing to recover.
    for life in lives.iter_mut().skip(1) {
        if rng.below(3) > 0 {
            let most = 1 << (8 + rng.below(16));
            life.signal = Some(rng.below(most));
        }
    }
}
