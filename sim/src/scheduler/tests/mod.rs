//! The scheduler under toy threads.

#[cfg(all(unix, not(miri), any(target_arch = "x86_64", target_arch = "aarch64")))]
mod carriers;
mod disturbed;
mod listed;

use std::sync::Arc;
use std::time::Duration;

use engram::base::rng::Rng;
use engram::base::sync::{AtomicU64, Condvar, Mutex, catch, point, spawn};

use super::*;

fn life(seed: u64, settings: Settings, body: impl FnOnce() + Send + 'static) -> Ended {
    let pool = Pool::default();
    Scheduler::new(settings, Rng::new(seed), Trace::new(true), 0, &pool).run(body)
}

fn strategies() -> [Strategy; 4] {
    [
        Strategy::Calm,
        Strategy::Uniform { one_in: 3 },
        Strategy::Pct { depth: 3, horizon: 200 },
        Strategy::Starve { victim: 1, steps: 100, one_in: 2 },
    ]
}

/// Three threads that count together, under a lock: the total, and how it ended.
fn counting(seed: u64, strategy: Strategy) -> (u64, Ended) {
    let total = Arc::new(Mutex::new("total", 0_u64));
    let seen = Arc::clone(&total);
    let ended = life(seed, Settings { strategy, ..Settings::default() }, move || count_together(&total));
    (*seen.lock(), ended)
}

fn count_together(total: &Arc<Mutex<u64>>) {
    let threads: Vec<_> = (0..3)
        .map(|i| {
            let total = Arc::clone(total);
            let body = move || {
                for _ in 0..20 {
                    let mut held = total.lock();
                    let read = *held;
                    point("between read and write");
                    *held = read + 1;
                }
            };
            spawn(&format!("adder {i}"), body).unwrap()
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn the_same_seed_gives_the_same_schedule_and_a_lock_excludes() {
    for strategy in strategies() {
        for seed in 0..20 {
            let (total, first) = counting(seed, strategy.clone());
            let (_, second) = counting(seed, strategy.clone());
            assert_eq!(total, 60);
            assert_eq!(first.outcome, Outcome::Returned);
            assert_eq!(crate::trace::first_difference(&first.trace, &second.trace), None);
            assert_eq!(first.trace.hash(), second.trace.hash());
        }
    }
}

#[test]
fn different_seeds_give_different_schedules() {
    let strategy = Strategy::Uniform { one_in: 3 };
    assert_ne!(counting(1, strategy.clone()).1.trace.hash(), counting(2, strategy).1.trace.hash());
}

#[test]
fn an_update_without_a_lock_is_lost_under_some_seed() {
    let lost = (0..50).any(|seed| {
        let cell = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&cell);
        life(seed, Settings::default(), move || {
            let theirs = Arc::clone(&cell);
            let other = spawn("other", move || theirs.store(theirs.load() + 1)).unwrap();
            cell.store(cell.load() + 1);
            other.join().unwrap();
        });
        seen.load() == 1
    });
    assert!(lost);
}

#[test]
fn a_lost_wake_up_is_reported_as_a_deadlock_that_names_the_threads() {
    let reports: Vec<String> = (0..50)
        .filter_map(|seed| {
            let ended = life(seed, Settings::default(), || {
                let pair = Arc::new((Mutex::new("flag", false), Condvar::new("flag is set")));
                let theirs = Arc::clone(&pair);
                let setter = spawn("setter", move || {
                    *theirs.0.lock() = true;
                    theirs.1.notify_one();
                });
                // The bug: the flag is looked at under one hold of the lock and waited for under another.
                let set = *pair.0.lock();
                if !set {
                    drop(pair.1.wait(pair.0.lock(), None));
                }
                setter.unwrap().join().unwrap();
            });
            match ended.outcome {
                Outcome::Failed(what) => Some(what),
                _ => None,
            }
        })
        .collect();
    assert!(!reports.is_empty());
    assert!(reports.iter().all(|what| what.contains("`main` waits for `flag is set`")), "{reports:?}");
}

#[test]
fn a_timed_wait_takes_virtual_time_and_no_real_one() {
    let ended = life(1, Settings::default(), || {
        let mutex = Mutex::new("nobody's", ());
        let condition = Condvar::new("never notified");
        drop(condition.wait(mutex.lock(), Some(Duration::from_secs(3_600))));
    });
    assert_eq!(ended.outcome, Outcome::Returned);
    assert!(ended.now >= 3_600_000_000_000);
}

/// Counts its own drops, so that a test sees whether a stack was unwound.
struct Token(Arc<std::sync::atomic::AtomicU64>);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

#[test]
fn a_crash_unwinds_every_thread_wherever_it_stands() {
    for step in 1..120 {
        let dropped = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let tokens = Arc::clone(&dropped);
        let settings = Settings { crash: Some(CrashAt::Step(step)), ..Settings::default() };
        let ended = life(step, settings, move || {
            let _mine = Token(Arc::clone(&tokens));
            let pair = Arc::new((Mutex::new("cell", 0), Condvar::new("never")));
            for i in 0..3 {
                let (pair, token) = (Arc::clone(&pair), Token(Arc::clone(&tokens)));
                let body = move || {
                    let _token = token;
                    let guard = pair.1.wait(pair.0.lock(), Some(Duration::from_micros(i)));
                    drop(pair.1.wait(guard, None));
                };
                drop(spawn("waiter", body).unwrap());
            }
            loop {
                assert!(catch(|| point("main goes round")).is_ok(), "a crash is no panic");
            }
        });
        assert_eq!(ended.outcome, Outcome::Crashed);
        let spawned = ended.trace.events().iter().filter(|event| event.kind == "spawn").count() as u64;
        assert_eq!(dropped.load(std::sync::atomic::Ordering::SeqCst), spawned + 1, "step {step}");
    }
}

#[test]
fn a_panic_is_a_violation_with_its_place_unless_it_was_caught() {
    let caught = life(1, Settings::default(), || assert!(catch(|| panic!("a bad job")).is_err()));
    assert_eq!(caught.outcome, Outcome::Returned);
    let loose = life(1, Settings::default(), || {
        let thread = spawn("worker", || panic!("row {} is gone", 7)).unwrap();
        thread.join().unwrap();
    });
    let Outcome::Failed(what) = loose.outcome else { panic!("the panic went unnoticed") };
    assert!(what.contains("`worker`") && what.contains("row 7 is gone") && what.contains("mod.rs"), "{what}");
}

#[test]
fn endless_running_is_reported() {
    let settings = Settings { step_bound: 1_000, ..Settings::default() };
    let ended = life(1, settings, || {
        loop {
            point("round and round");
        }
    });
    let Outcome::Failed(what) = ended.outcome else { panic!("an endless loop went unnoticed") };
    assert!(what.starts_with("no end after 1000 steps"), "{what}");
}

#[test]
fn the_world_acts_when_its_time_has_come() {
    let pool = Pool::default();
    let scheduler = Scheduler::new(Settings::default(), Rng::new(1), Trace::new(true), 0, &pool);
    let inside = scheduler.clone();
    let ended = scheduler.run(move || {
        let acting = inside.clone();
        inside.later(5_000, move || {
            acting.note("act", "world", [acting.now(), 0, 0]);
            acting.wake_all(99_999);
        });
        assert!(inside.wait(99_999, "the world", None));
        assert!(!inside.wait(99_999, "the world again", Some(10)));
    });
    assert_eq!(ended.outcome, Outcome::Returned);
    let act = ended.trace.events().iter().find(|event| event.kind == "act").unwrap();
    assert_eq!(act.numbers[0], 5_000);
}
