//! Exhaustive small scope: every crash of a few small workloads, and every image that it can leave.
//!
//! A workload runs once to the end, which gives its input and output calls. Then it runs again for each of them and
//! stops right there: before the call, and in the middle of it where it writes. What the machine may hold then is
//! enumerated ([`images`]): the page cache after a kill, and after a power loss every subset of what was pending, up
//! to a stated bound. Each image is recovered and judged by the oracle, recovered twice and compared, and recovered
//! with a crash at each call that changes something, whose images are judged like the first ones ([`search`]).
//!
//! Not exhaustive: threads take turns in one calm order; requests come from one client; lost sectors hold no garbage.
//! Random plans are for those.

mod case;
mod crashes;
mod images;
mod search;
mod workloads;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::rig::Rig;
use crate::shared::Shared;

pub use case::Case;
pub use search::Violation;
pub use workloads::{Workload, workloads};

/// How far a search goes.
#[derive(Clone, Debug)]
pub struct Scope {
    /// So many pending changes are taken in every subset; of more, at most two are lost or at most two kept.
    pub bound: u32,
    /// Crashes one behind the other: 1 for the workload's alone, 2 for one in each recovery as well.
    pub depth: u32,
    /// Threads of the host; at least 1.
    pub jobs: usize,
    /// Only this case, with its trace.
    pub only: Option<Case>,
}

impl Default for Scope {
    fn default() -> Self {
        Self { bound: 10, depth: 2, jobs: 1, only: None }
    }
}

/// What the search of one workload came to.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The workload's.
    pub name: &'static str,
    /// Input and output calls of the run that nothing disturbs.
    pub calls: usize,
    /// Crashes of the workload: before a call, in the middle of one, behind the last.
    pub points: usize,
    /// Those at which more was pending than is taken in every subset.
    pub bounded: usize,
    /// Images that were built.
    pub tried: u64,
    /// Their fingerprints.
    pub images: BTreeSet<u64>,
    /// Starts of a server on one of them.
    pub recoveries: u64,
    /// What must not be, the fewest crashes first.
    pub violations: Vec<Violation>,
    /// The trace of the only case, if one was asked for.
    pub trace: Vec<String>,
}

impl Row {
    /// Adds what another search came to.
    pub fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.points += other.points;
        self.bounded += other.bounded;
        self.tried += other.tried;
        self.images.extend(other.images);
        self.recoveries += other.recoveries;
        self.violations.extend(other.violations);
        self.trace.extend(other.trace);
    }
}

/// Parts that a workload's crashes are divided into, whatever the number of host threads: what was judged once is
/// remembered within a part, so the counts must not depend on who ran it.
const PARTS: usize = 8;

/// Searches `workload` on rigs that `make` makes, one for each thread of the host.
#[must_use]
pub fn exhaust(workload: &Workload, scope: &Scope, make: &(dyn Fn() -> Rig + Sync)) -> Row {
    let next = AtomicUsize::new(0);
    let rows = Shared::new(Vec::new());
    std::thread::scope(|threads| {
        for _ in 0..scope.jobs.clamp(1, PARTS) {
            threads.spawn(|| {
                let rig = make();
                loop {
                    let part = next.fetch_add(1, Ordering::Relaxed);
                    if part >= PARTS {
                        return;
                    }
                    let row = search::search(&rig, workload, scope, (part, PARTS));
                    rows.lock().push((part, row));
                }
            });
        }
    });
    let mut rows = std::mem::take(&mut *rows.lock());
    rows.sort_unstable_by_key(|(part, _)| *part);
    let mut whole = Row { name: workload.name, ..Row::default() };
    rows.into_iter().for_each(|(_, row)| whole.add(row));
    whole.violations.sort_by_key(|violation| (violation.case.steps.len(), violation.case.steps.clone()));
    whole
}
