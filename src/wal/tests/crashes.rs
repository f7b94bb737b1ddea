//! The machine stops at every call, of the log's life and of the recovery after it, by a kill or by a power loss.
//!
//! What must hold: acknowledged ⊆ recovered ⊆ attempted, as a prefix; and what a recovered server has shown stays.

use super::disk::{MemDisk, Mishap};
use super::{Rig, recover_all};
use crate::base::rng::Rng;
use crate::wal::Tier;

/// What must be there, and what may be.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    acknowledged: u64,
    attempted: u64,
    /// A snapshot of the state after this record is on the disk, durably.
    snapshot: u64,
}

/// One life: recovers, appends records in bursts, and ends, in order or by the crash that is to come. Returns the disk of
/// the next life.
fn live(disk: &MemDisk, tier: Tier, rng: &mut Rng, bounds: &mut Bounds) -> MemDisk {
    let Ok(recovered) = recover_all(disk, bounds.snapshot) else {
        return crash(disk, rng);
    };
    *bounds = bounds.tighten(recovered.last.0);
    let room = [0, 40, 500][rng.below(3) as usize];
    let Some(rig) = Rig::try_start(disk, &recovered, tier, (150, room)) else {
        return crash(disk, rng);
    };
    if rng.one_in(4) {
        // The disk is full for a while.
        let from = disk.calls() + rng.below(12);
        (from..from + rng.below(6) + 1).for_each(|call| disk.mishap(call, Mishap::Full));
    }
    let (writes, burst) = (rng.below(12), rng.below(4) + 1);
    for i in 0..writes {
        rig.append();
        if i % burst == 0 {
            rig.settle_written();
        }
        if rng.one_in(8) {
            // A snapshot holds what memory holds, which may be ahead of what has been synced.
            bounds.snapshot = rig.wal.appended().0;
            rig.wal.drop_covered(rig.wal.appended());
        }
    }
    bounds.attempted = rig.wal.appended().0;
    if rng.one_in(3) {
        let all = rig.wal.appended().0;
        bounds.acknowledged = acknowledged(&rig, tier).max(bounds.snapshot);
        if rig.wal.shutdown().is_ok() {
            bounds.acknowledged = all;
        }
        return crash(disk, rng);
    }
    bounds.acknowledged = acknowledged(&rig, tier).max(bounds.snapshot);
    let next = crash(disk, rng);
    let _ = rig.wal.shutdown();
    next
}

/// What a client may rely on after a power loss.
fn acknowledged(rig: &Rig, tier: Tier) -> u64 {
    if tier == Tier::Always { rig.wal.durable().0 } else { rig.wal.synced().0 }
}

impl Bounds {
    /// What was recovered has been shown: from now on it must be there, and nothing else may be.
    fn tighten(self, last: u64) -> Self {
        assert!(self.acknowledged <= last, "{last} recovered: {self:?}");
        assert!(last <= self.attempted, "{last} recovered: {self:?}");
        Self { acknowledged: last, attempted: last, ..self }
    }
}

fn crash(disk: &MemDisk, rng: &mut Rng) -> MemDisk {
    if rng.one_in(2) { disk.after_kill() } else { disk.after_power_loss(rng) }
}

fn campaign(tier: Tier, seed: u64) {
    let mut rng = Rng::new(seed);
    let mut disk = MemDisk::default();
    let mut bounds = Bounds { acknowledged: 0, attempted: 0, snapshot: 0 };
    for _ in 0..30 {
        if rng.below(4) > 0 {
            disk.die_at(rng.below(40));
        }
        disk = live(&disk, tier, &mut rng, &mut bounds);
        for _ in 0..rng.below(3) {
            disk.die_at(rng.below(8));
            if let Ok(found) = recover_all(&disk, bounds.snapshot) {
                bounds = bounds.tighten(found.last.0);
            }
            disk = crash(&disk, &mut rng);
        }
        let found = recover_all(&disk, bounds.snapshot).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        bounds = bounds.tighten(found.last.0);
        let image = disk.image();
        assert_eq!(recover_all(&disk, bounds.snapshot).unwrap().last, found.last);
        assert_eq!(disk.image(), image, "seed {seed}: recovering twice gives the same bytes");
        disk = disk.after_kill();
    }
    assert!(bounds.attempted > 0, "seed {seed} wrote something");
}

#[test]
fn acknowledged_records_survive_crashes_at_any_call() {
    for seed in 0..60 {
        campaign(Tier::Always, seed);
    }
}

#[test]
fn weaker_tiers_lose_only_what_was_not_synced_and_leave_no_holes() {
    for seed in 0..30 {
        campaign(Tier::No, 1_000 + seed);
        campaign(Tier::EverySecond, 2_000 + seed);
    }
}
