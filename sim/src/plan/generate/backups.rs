//! Backups of a running server, in one seed of ten: a client or two asks for some between its other requests, and often the
//! machine stops, or the server is told to finish, while one is written, or right behind its answer.

use engram::base::rng::Rng;

use super::scenes::{SYNC, alone, ends_at_once};
use super::{Break, Ending, Life, Op, ServerPlan, pick};
use crate::disk::Loss;
use crate::plan::{ClientPlan, WHOLE};

/// More than may wait at a time, with the one that is being written.
const MANY: u64 = 20;

/// Has backups made, where no disk fails.
pub(super) fn order(rng: &mut Rng, server: &ServerPlan, lives: &mut [Life]) {
    if rng.below(10) > 0 || !may_be_judged(server, lives) {
        return;
    }
    for life in lives {
        let (number, crashes) = (life.number, life.ending != Ending::Shutdown);
        let busy: Vec<usize> = (0..life.clients.len()).filter(|&at| !life.clients[at].is_idle()).collect();
        let wanted = if busy.is_empty() { 0 } else { rng.below(3) };
        if wanted > 0 && rng.below(24) == 0 {
            let client = &mut life.clients[busy[0]];
            (client.depth, client.send) = (MANY as usize, WHOLE);
            let names = (wanted..wanted + MANY).map(|name| Op::Backup(format!("backup.{number}.{name}")));
            drop(client.ops.splice(0..0, names));
            client.breaks.iter_mut().for_each(|(behind, _)| *behind += MANY as usize);
        }
        for name in 0..wanted {
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

/// In a few seeds the power goes while one is written, in the middle of its syncs, and takes of its names what it can.
pub(super) fn cut_off(rng: &mut Rng, server: &ServerPlan, lives: &mut [Life]) {
    if rng.below(12) > 0 || !may_be_judged(server, lives) {
        return;
    }
    let number = rng.index(lives.len());
    let life = &mut lives[number];
    let set = |key: usize| Op::Set {
        key: format!("c0:k{key}"),
        value: format!("backed.{}.{key}", life.number),
        expire: None,
    };
    let mut ops: Vec<Op> = (0..2 + rng.index(4)).map(set).collect();
    ops.push(Op::Backup(format!("backup.{}.cut", life.number)));
    let breaks = vec![(ops.len(), Break::Crash(rng.below(5 * SYNC)))];
    alone(life, ClientPlan { send: WHOLE, ops, breaks, ..ClientPlan::default() });
    ends_at_once(life, pick(rng, &[Loss::Subset, Loss::Torn, Loss::Garbage]));
}

/// Whether what is in a backup tells something: no disk fails, and all are answered.
fn may_be_judged(server: &ServerPlan, lives: &[Life]) -> bool {
    let fails = |life: &Life| {
        let harms =
            |planned: &crate::faults::Planned| planned.harms_storage() || planned.fault.harms_medium();
        !life.rest.is_empty() || life.faults.iter().any(harms)
    };
    server.limits.maxmemory == 0 && !lives.iter().any(fails)
}
