//! Many seeds, spread over the threads of the host.
//!
//! Each seed's world is its own: which thread of the host runs it, and when, has no say in what happens in it.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use engram::base::rng::mix64;

use crate::coverage::Coverage;
use crate::oracle::Effort;
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
    /// How the oracle has looked for orders.
    pub orders: Effort,
    /// Virtual nanoseconds.
    pub nanos: u64,
    /// What was covered.
    pub coverage: Coverage,
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
    let total = Shared::new((Totals::default(), Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..manner.jobs.max(1) {
            scope.spawn(|| {
                let mut rig = make();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let report = contained(&mut rig, make, &generate(seed), manner.twice);
                    let count = done.fetch_add(1, Ordering::Relaxed) + 1;
                    tell(count, seed, report.failure.as_deref());
                    if report.failure.is_some() && manner.stop {
                        next.store(seeds.end, Ordering::Relaxed);
                    }
                    let mut total = total.lock();
                    total.1.push((seed, report.trace.hash()));
                    total.0.add(seed, report);
                }
            });
        }
    });
    let (mut totals, mut hashes) = std::mem::take(&mut *total.lock());
    totals.failures.sort_unstable();
    hashes.sort_unstable();
    totals.hash = hashes.into_iter().fold(0, |all, (_, hash)| mix64(all ^ hash));
    totals
}

/// [`judge`], and a panic of the rig itself is a violation: the next seed gets a rig that is new.
fn contained(rig: &mut Rig, make: &dyn Fn() -> Rig, plan: &Plan, twice: bool) -> Report {
    let judged = catch_unwind(AssertUnwindSafe(|| judge(rig, plan, twice)));
    let mut report = judged.unwrap_or_else(|payload| {
        *rig = make();
        let said = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let said = said.or_else(|| payload.downcast_ref::<String>().cloned());
        Report::failed(format!("the rig panicked: {}", said.unwrap_or_else(|| "no message".to_owned())))
    });
    if let Some(coverage) = report.trace.coverage_mut() {
        coverage.plan(plan);
    }
    report
}

impl Totals {
    fn add(&mut self, seed: u64, report: Report) {
        self.seeds += 1;
        if let Some(coverage) = report.trace.coverage() {
            self.coverage.add(coverage);
        }
        self.failures.extend(report.failure.map(|what| (seed, what)));
        self.lives += report.lives;
        self.steps += report.steps;
        self.calls += report.calls;
        self.judged += report.judged;
        self.orders = self.orders.and(report.orders);
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
