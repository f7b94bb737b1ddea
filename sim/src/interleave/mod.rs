//! Bounded exhaustive schedules of tiny plans: every way in which one or two choices of the scheduler differ from what
//! happens by itself.
//!
//! By itself the running thread goes on until it blocks, and the lowest-numbered ready thread is next. After Musuvathi
//! and Qadeer, "Iterative Context Bounding for Systematic Testing of Multithreaded Programs", PLDI 2007: most bugs
//! need few preemptions, so all schedules with one are tried, and as many of those with two as a budget allows, evenly
//! spread. Unlike there, another choice where a thread blocks, ends or is woken counts as one too (delay bounding:
//! Emmi, Qadeer and Rakamaric, "Delay-Bounded Scheduling", POPL 2011), so the number of schedules stays finite.

#[cfg(test)]
mod tests;
mod workloads;

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::plan::Plan;
use crate::rig::Rig;
use crate::scheduler::{Choice, Strategy};
use crate::shared::Shared;

pub use workloads::{Workload, workloads};

/// How far a search goes.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Most runs with two choices.
    pub pairs: u64,
    /// Threads of the host; at least 1.
    pub jobs: usize,
}

/// One run of a schedule.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// The violation, if there was one.
    pub failure: Option<String>,
    /// Scheduling points and blockings.
    pub steps: u64,
    /// Every other choice that could have been made, in order.
    pub others: Vec<Choice>,
}

/// What a search came to.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Steps of the run that nothing disturbs.
    pub steps: u64,
    /// Schedules that differ from it in one choice; all were run.
    pub singles: u64,
    /// Schedules that differ in two choices.
    pub pairs: u64,
    /// Those that were run.
    pub tried: u64,
    /// Schedules with a violation, and what it was.
    pub violations: Vec<(Vec<Choice>, String)>,
}

/// Runs a schedule; each thread of the host has one of its own.
pub type Play<'a> = dyn Fn(&[Choice]) -> Played + 'a;

/// Searches the schedules of a plan's first life.
#[must_use]
pub fn interleave(plan: &Plan, scope: Scope, make: &(dyn Fn() -> Rig + Sync)) -> Row {
    search(scope, &|| {
        let rig = make();
        Box::new(move |choices| play(&rig, plan, choices))
    })
}

/// Runs a plan whose first life has this schedule.
#[must_use]
pub fn play(rig: &Rig, plan: &Plan, choices: &[Choice]) -> Played {
    let mut plan = plan.clone();
    if let Some(life) = plan.lives.first_mut() {
        life.threads.strategy = Strategy::Listed(choices.into());
        life.threads.survey = true;
    }
    let mut report = rig.run(&plan, false);
    let others = report.schedules.first_mut().map(|schedule| std::mem::take(&mut schedule.others));
    Played { failure: report.failure, steps: report.steps, others: others.unwrap_or_default() }
}

/// Searches schedules, however they are run.
#[must_use]
pub fn search<'a>(scope: Scope, make: &(dyn Fn() -> Box<Play<'a>> + Sync)) -> Row {
    let first = make()(&[]);
    let mut row = Row { steps: first.steps, singles: first.others.len() as u64, ..Row::default() };
    row.violations.extend(first.failure.map(|what| (Vec::new(), what)));
    let singles: Vec<(u64, Option<String>)> = spread(scope.jobs, &first.others, make, &|play, &choice| {
        let played = play(&[choice]);
        (behind(&played, choice).count() as u64, played.failure)
    });
    row.pairs = singles.iter().map(|(pairs, _)| pairs).sum();
    let mut before = 0;
    let mut tasks = Vec::new();
    for (&choice, (pairs, failure)) in first.others.iter().zip(singles) {
        row.violations.extend(failure.map(|what| (vec![choice], what)));
        let wanted = Wanted { choice, before, all: row.pairs, budget: scope.pairs };
        if wanted.picks(pairs) {
            tasks.push(wanted);
        }
        before += pairs;
    }
    for (tried, violations) in spread(scope.jobs, &tasks, make, &|play, wanted| wanted.run(play)) {
        row.tried += tried;
        row.violations.extend(violations);
    }
    row
}

/// The choices that could have been made after `choice`.
fn behind(played: &Played, choice: Choice) -> impl Iterator<Item = Choice> + '_ {
    let after = move |other: &Choice| (other.step, other.nth) > (choice.step, choice.nth);
    played.others.iter().copied().filter(after)
}

/// Some of the schedules with two choices, of which this is the first.
struct Wanted {
    choice: Choice,
    /// Pairs of the choices before.
    before: u64,
    /// Pairs there are, and those that may be run.
    all: u64,
    budget: u64,
}

impl Wanted {
    /// Whether pair `number` of all is run: so many of all, evenly spread.
    fn takes(&self, number: u64) -> bool {
        let share =
            |n: u64| u128::from(n) * u128::from(self.budget.min(self.all)) / u128::from(self.all.max(1));
        share(number) < share(number + 1)
    }

    /// Whether any of this choice's pairs is run.
    fn picks(&self, pairs: u64) -> bool {
        (self.before..self.before + pairs).any(|number| self.takes(number))
    }

    fn run(&self, play: &Play<'_>) -> (u64, Vec<(Vec<Choice>, String)>) {
        let played = play(&[self.choice]);
        let (mut tried, mut violations) = (0, Vec::new());
        for (number, second) in (self.before..).zip(behind(&played, self.choice)) {
            if self.takes(number) {
                tried += 1;
                let schedule = [self.choice, second];
                violations.extend(play(&schedule).failure.map(|what| (schedule.to_vec(), what)));
            }
        }
        (tried, violations)
    }
}

/// Does `work` on every task, on so many threads of the host; the results in order of the tasks.
fn spread<'a, T: Sync, R: Send>(
    jobs: usize,
    tasks: &[T],
    make: &(dyn Fn() -> Box<Play<'a>> + Sync),
    work: &(dyn Fn(&Play<'a>, &T) -> R + Sync),
) -> Vec<R> {
    let (next, results) = (AtomicUsize::new(0), Shared::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                let play = make();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(task) = tasks.get(number) else { return };
                    let result = work(&*play, task);
                    results.lock().push((number, result));
                }
            });
        }
    });
    let mut results = std::mem::take(&mut *results.lock());
    results.sort_unstable_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}
