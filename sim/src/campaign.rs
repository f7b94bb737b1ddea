//! Many seeds, spread over the threads of the host.
//!
//! Each seed's world is its own: which thread of the host runs it, and when, has no say in what happens in it.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::plan::{Plan, generate};
use crate::rig::{Report, Rig};
use crate::shared::Shared;
use crate::trace::first_difference;

/// What a campaign came to.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Seeds that were run.
    pub seeds: u64,
    /// Those with a violation, in order, and what it was.
    pub failures: Vec<(u64, String)>,
    /// Each seed's trace hash, folded in order of the seeds.
    pub hash: u64,
    /// Lives of servers.
    pub lives: u64,
    /// Scheduling points.
    pub steps: u64,
    /// Calls at the doors.
    pub calls: u64,
    /// Answers that were judged.
    pub judged: u64,
    /// Virtual nanoseconds.
    pub nanos: u64,
}

/// How a campaign runs its seeds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// Threads of the host; at least 1.
    pub jobs: usize,
    /// Run every seed twice and compare.
    pub twice: bool,
    /// Stop at the first violation.
    pub stop: bool,
}

/// Runs seeds with rigs that `make` makes, one for each thread of the host. `tell` hears of every seed once it is
/// done: how many are done, and its violation if it had one.
pub fn campaign(
    seeds: Range<u64>,
    manner: Manner,
    make: &(dyn Fn() -> Rig + Sync),
    tell: &(dyn Fn(u64, u64, Option<&str>) + Sync),
) -> Totals {
    let (next, done) = (AtomicU64::new(seeds.start), AtomicU64::new(0));
    let results = Shared::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..manner.jobs.max(1) {
            scope.spawn(|| {
                let rig = make();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let report = judge(&rig, &generate(seed), manner.twice);
                    let count = done.fetch_add(1, Ordering::Relaxed) + 1;
                    tell(count, seed, report.failure.as_deref());
                    if report.failure.is_some() && manner.stop {
                        next.store(seeds.end, Ordering::Relaxed);
                    }
                    results.lock().push((seed, report));
                }
            });
        }
    });
    let mut results = std::mem::take(&mut *results.lock());
    results.sort_unstable_by_key(|(seed, _)| *seed);
    let mut totals = Totals::default();
    results.into_iter().for_each(|(seed, report)| totals.add(seed, report));
    totals
}

impl Totals {
    fn add(&mut self, seed: u64, report: Report) {
        self.seeds += 1;
        self.hash = engram::base::rng::mix64(self.hash ^ report.trace.hash());
        self.failures.extend(report.failure.map(|what| (seed, what)));
        self.lives += report.lives;
        self.steps += report.steps;
        self.calls += report.calls;
        self.judged += report.judged;
        self.nanos += report.nanos;
    }
}

/// Runs a plan; if `twice`, a second time too, and a difference between the two is a violation.
#[must_use]
pub fn judge(rig: &Rig, plan: &Plan, twice: bool) -> Report {
    let mut first = rig.run(plan, false);
    if first.failure.is_none() {
        first.schedules.clear();
    }
    if !twice {
        return first;
    }
    let second = rig.run(plan, false);
    if first.trace.hash() != second.trace.hash() {
        let (a, b) = (rig.run(plan, true), rig.run(plan, true));
        let place =
            first_difference(&a.trace, &b.trace).unwrap_or_else(|| "it did not happen again".to_owned());
        first.failure = Some(format!("two runs of the same plan differ: {place}"));
    }
    first
}
