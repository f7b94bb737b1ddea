//! The search over toy threads with a race that needs one choice, and one that needs two.

use std::sync::Arc;

use engram::base::rng::Rng;
use engram::base::sync::{AtomicU64, point, spawn};

use super::*;
use crate::scheduler::{Outcome, Pool, Scheduler, Settings};
use crate::trace::Trace;

/// Runs `threads` at once, one behind the other where nobody chooses otherwise, and then `check`.
fn toy(choices: &[Choice], bodies: [fn(&AtomicU64); 2], wrong: fn(u64) -> bool) -> Played {
    let settings =
        Settings { strategy: Strategy::Listed(choices.into()), survey: true, ..Settings::default() };
    let scheduler = Scheduler::new(settings, Rng::new(1), Trace::new(false), 0, &Pool::default());
    let inside = scheduler.clone();
    let ended = scheduler.run(move || {
        let cell = Arc::new(AtomicU64::new(0));
        let threads = bodies.map(|body| {
            let cell = Arc::clone(&cell);
            spawn("toy", move || body(&cell)).unwrap()
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        if wrong(cell.load()) {
            inside.fail("it went wrong");
        }
    });
    let failure = if let Outcome::Failed(what) = ended.outcome { Some(what) } else { None };
    Played { failure, steps: ended.steps, others: ended.others }
}

/// Adds one without a lock: two at once lose one, if one is interrupted and the other is not.
fn add(cell: &AtomicU64) {
    let read = cell.load();
    cell.store(read + 1);
}

fn scope(pairs: u64) -> Scope {
    Scope { pairs, jobs: 2 }
}

#[test]
fn one_choice_finds_a_lost_update() {
    let row = search(scope(0), &|| Box::new(|choices| toy(choices, [add, add], |sum| sum != 2)));
    assert!(row.violations.iter().any(|(choices, _)| choices.len() == 1), "{row:?}");
    assert!(row.singles > 5 && row.tried == 0);
}

/// Puts 10 in, and then takes it out again.
fn flash(cell: &AtomicU64) {
    cell.store(10);
    point("for a moment");
    cell.store(0);
}

/// Sees 10, then 0: only if it interrupts the other after its first store and is interrupted before its own second look.
fn look_twice(cell: &AtomicU64) {
    let first = cell.load();
    point("between two looks");
    let second = cell.load();
    if (first, second) == (10, 0) {
        cell.store(99);
    }
}

#[test]
fn what_needs_two_choices_is_found_with_two_and_not_with_one() {
    let row =
        search(scope(u64::MAX), &|| Box::new(|choices| toy(choices, [flash, look_twice], |sum| sum == 99)));
    let needed: Vec<usize> = row.violations.iter().map(|(choices, _)| choices.len()).collect();
    assert!(!needed.is_empty() && needed.iter().all(|&count| count == 2), "{row:?}");
    assert_eq!(row.tried, row.pairs);
}

#[test]
fn a_budget_is_spread_evenly_and_kept() {
    let all = search(scope(u64::MAX), &|| Box::new(|choices| toy(choices, [add, add], |_| false)));
    for budget in [0, 1, 7, all.pairs - 1, all.pairs] {
        let row = search(scope(budget), &|| Box::new(|choices| toy(choices, [add, add], |_| false)));
        assert_eq!(row.tried, budget);
        assert_eq!((row.pairs, row.singles), (all.pairs, all.singles));
    }
}

#[test]
fn no_schedule_is_run_twice() {
    let seen = Arc::new(Shared::new(std::collections::BTreeSet::new()));
    let row = search(scope(u64::MAX), &|| {
        let seen = Arc::clone(&seen);
        Box::new(move |choices| {
            let new = seen.lock().insert(choices.to_vec());
            // The first of two choices is run again for what can follow it.
            assert!(new || choices.len() == 1, "{choices:?}");
            toy(choices, [add, add], |_| false)
        })
    });
    assert_eq!(seen.lock().len() as u64, 1 + row.singles + row.pairs);
}
