//! Backups of a running server, in one seed of ten: a client or two asks for some between its other requests, and often the
//! machine stops, or the server is told to finish, while one is written, or right behind its answer.

use engram::base::rng::Rng;

use super::{Break, Ending, Life, Op, ServerPlan};

/// Has backups made, where no disk fails.
pub(super) fn order(rng: &mut Rng, server: &ServerPlan, lives: &mut [Life]) {
    let fails = |life: &Life| {
        let harms =
            |planned: &crate::faults::Planned| planned.harms_storage() || planned.fault.harms_medium();
        !life.rest.is_empty() || life.faults.iter().any(harms)
    };
    if rng.below(10) > 0 || server.limits.maxmemory > 0 || lives.iter().any(fails) {
        return;
    }
    for life in lives {
        let (number, crashes) = (life.number, life.ending != Ending::Shutdown);
        let busy: Vec<usize> = (0..life.clients.len()).filter(|&at| !life.clients[at].is_idle()).collect();
        for name in 0..if busy.is_empty() { 0 } else { rng.below(3) } {
            let client = &mut life.clients[busy[rng.index(busy.len())]];
            let at = rng.index(client.ops.len() + 1);
            client.ops.insert(at, Op::Backup(format!("backup.{number}.{name}")));
            if rng.below(3) == 0 {
                let after = 1 << (10 + rng.below(18));
                let soon = rng.below(after);
                client
                    .breaks
                    .push((at + 1, if crashes { Break::Crash(soon) } else { Break::Shutdown(soon) }));
            }
        }
    }
}
