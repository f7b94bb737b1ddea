//! Schedules as data: what was recorded can be played again, edited, and written down.

use super::*;

/// Workers that take jobs from a queue and wait for more: choices at points, at blocking, at wake-ups and at ends.
fn queueing(seed: u64, strategy: Strategy) -> Ended {
    life(seed, Settings { strategy, ..Settings::default() }, || {
        let shared = Arc::new((Mutex::new("jobs", Vec::new()), Condvar::new("jobs filled")));
        let threads: Vec<_> = (0..3)
            .map(|number| {
                let shared = Arc::clone(&shared);
                let work = move || loop {
                    let mut jobs = shared.0.lock();
                    while jobs.is_empty() {
                        jobs = shared.1.wait(jobs, Some(Duration::from_micros(50)));
                    }
                    match jobs.pop() {
                        Some(Some(job)) => (0..job).for_each(|_| point("hop")),
                        _ => return,
                    }
                };
                spawn(&format!("worker {number}"), work).unwrap()
            })
            .collect();
        for job in 0..12 {
            shared.0.lock().push(Some(job));
            shared.1.notify_one();
        }
        for _ in 0..3 {
            shared.0.lock().insert(0, None);
            shared.1.notify_all();
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    })
}

#[test]
fn a_recorded_schedule_gives_the_same_run_when_it_is_listed() {
    let mut made = 0;
    for strategy in strategies() {
        for seed in 0..100 {
            let first = queueing(seed, strategy.clone());
            assert_eq!(first.outcome, Outcome::Returned);
            made += first.choices.len();
            let listed = Strategy::Listed(first.choices.clone().into());
            let second = queueing(seed + 1_000, listed);
            assert_eq!(
                crate::trace::first_difference(&first.trace, &second.trace),
                None,
                "{strategy} {seed}"
            );
            assert_eq!(first.trace.hash(), second.trace.hash());
            assert_eq!(second.choices, first.choices);
            assert_eq!(second.unmatched, 0);
        }
    }
    assert!(made > 10_000, "{made}");
}

#[test]
fn choices_that_cannot_be_made_are_counted_and_passed_over() {
    let never = [(3, 0, 77), (9, 5, 1), (1_000_000, 0, 1)];
    let choices = never.map(|(step, nth, thread)| Choice { step, nth, thread });
    let ended = queueing(1, Strategy::Listed(choices.into()));
    assert_eq!(ended.outcome, Outcome::Returned);
    assert_eq!(ended.unmatched, 3);
    assert_eq!(ended.choices, []);
}

#[test]
fn a_schedule_survives_the_loss_of_any_choice() {
    let whole = queueing(7, Strategy::Uniform { one_in: 3 });
    let mut listed = Strategy::Listed(whole.choices.into());
    while listed.switches() > 0 {
        listed.drop_switch(listed.switches() / 2);
        assert_eq!(queueing(7, listed.clone()).outcome, Outcome::Returned);
    }
}

#[test]
fn a_strategy_goes_through_text_and_back() {
    let listed = queueing(7, Strategy::Uniform { one_in: 3 }).choices;
    assert!(listed.iter().any(|choice| choice.nth > 0) && listed.iter().any(|choice| choice.nth == 0));
    let listed = [Strategy::Listed(listed.into()), Strategy::Listed(Arc::from([]))];
    for strategy in strategies().into_iter().chain(listed) {
        let text = strategy.to_string();
        assert!(!text.contains(' '), "a strategy is one word: {text}");
        assert_eq!(text.parse(), Ok(strategy));
    }
    for wrong in ["listed:1", "listed:1>x", "listed:a>1", "listed:1.>2"] {
        assert!(wrong.parse::<Strategy>().is_err(), "{wrong}");
    }
}
