//! How threads and network of one life behave.

use engram::base::rng::Rng;

use super::{Swarm, pick, spread};
use crate::clock;
use crate::net::{self, Cut};
use crate::scheduler::{self, Blow, Disturbance, Strategy};

pub(super) fn threads(rng: &mut Rng) -> scheduler::Settings {
    let one_in = 1 << rng.below(8);
    let strategy = match rng.below(8) {
        0 => Strategy::Calm,
        1 | 2 => Strategy::Pct { depth: 1 + rng.below(3), horizon: 1 << (8 + rng.below(8)) },
        3 => Strategy::Starve { victim: rng.index(5), steps: 1 << (6 + rng.below(8)), one_in },
        _ => Strategy::Uniform { one_in },
    };
    scheduler::Settings { strategy, tick: 20 << rng.below(8), ..scheduler::Settings::default() }
}

/// Threads that stall or panic; in most lives none.
pub(super) fn disturbances(rng: &mut Rng) -> Vec<Disturbance> {
    if rng.below(6) > 0 {
        return Vec::new();
    }
    (0..1 + rng.below(3)).map(|_| disturbance(rng)).collect()
}

fn disturbance(rng: &mut Rng) -> Disturbance {
    /// What is passed while panics are contained: by a worker in all of its jobs, by the loop in brief ones.
    const JOBS: [(&str, &str); 6] = [
        ("worker", "job"),
        ("worker", "job"),
        ("worker", "hop"),
        ("worker", "scan"),
        ("worker", "link"),
        ("main", "job"),
    ];
    const STALLS: [(&str, &str); 14] = [
        ("worker", "job"),
        ("worker", "hop"),
        ("worker", "link"),
        ("worker", "jobs"),
        ("worker", "answers"),
        ("worker", "wake"),
        ("log", "log buffer"),
        ("log", "log work"),
        ("log", "write_at"),
        ("log", "sync"),
        ("snapshot", "write_at"),
        ("snapshot", "rename"),
        ("linker", "link"),
        ("main", "wait"),
    ];
    let (blow, (thread, site)) = if rng.below(3) == 0 {
        (Blow::Panic, pick(rng, &JOBS))
    } else {
        (Blow::Stall(spread(rng, 1_000_000_000)), pick(rng, &STALLS))
    };
    let passage = 1 + spread(rng, 60);
    Disturbance { blow, passage, thread: thread.to_owned(), site: site.to_owned() }
}

pub(super) fn network(rng: &mut Rng, swarm: Swarm) -> net::Settings {
    let mut settings = net::Settings { latency: 1_000 << rng.below(10), ..net::Settings::default() };
    if swarm.rough_net {
        let cuts = [Cut::Whole, Cut::Some, Cut::Some, Cut::Single];
        settings.reads = pick(rng, &cuts);
        settings.writes = pick(rng, &cuts);
        settings.capacity = pick(rng, &[1, 16, 256, 64 << 10]);
        settings.would_block_one_in = pick(rng, &[0, 2, 5, 20]);
        settings.spurious_one_in = pick(rng, &[0, 2, 5, 20]);
        settings.wake_delay = pick(rng, &[0, 1_000, 1_000_000]);
        settings.batch = pick(rng, &[1, 2, 64]);
        settings.rough = pick(rng, &[100, 300, 1_000, 3_000]);
    }
    settings
}

/// Time is disturbed in some lives: the wall clock set forward or back, the monotonic one coarse, waits late, the whole
/// machine standing still.
pub(super) fn clock(rng: &mut Rng) -> clock::Settings {
    let mut settings = clock::Settings::default();
    if rng.below(4) > 0 {
        return settings;
    }
    settings.grain = pick(rng, &[0, 0, 1_000, 1_000_000]);
    settings.late = pick(rng, &[0, 0, 100_000, 50_000_000]);
    for _ in 0..pick(rng, &[0, 1, 1, 3]) {
        let micros = 1_000 * (1 + spread(rng, 10_000_000)) as i64;
        let back = rng.below(2) == 0;
        settings.jumps.push((spread(rng, 1_000_000_000), if back { -micros } else { micros }));
    }
    for _ in 0..pick(rng, &[0, 0, 1, 2]) {
        settings.pauses.push((spread(rng, 1_000_000_000), spread(rng, 3_000_000_000)));
    }
    settings
}
