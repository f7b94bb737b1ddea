//! Fibers and threads of the host: the same runs on both, and what only fibers could get wrong.

use std::hint::black_box;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use super::*;

fn carried(carry: Carry, seed: u64, strategy: Strategy, crash: Option<CrashAt>) -> Ended {
    let settings = Settings { strategy, crash, ..Settings::default() };
    let scheduler = Scheduler::new(settings, Rng::new(seed), Trace::new(true), 0, &Pool::new(carry));
    scheduler.run(|| count_together(&Arc::new(Mutex::new("total", 0))))
}

#[test]
fn fibers_and_threads_of_the_host_give_the_same_runs() {
    for strategy in strategies() {
        for seed in 0..20 {
            let crash = (seed % 2 == 1).then_some(CrashAt::Step(seed * 17));
            let fibers = carried(Carry::Fibers, seed, strategy.clone(), crash);
            let threads = carried(Carry::Threads, seed, strategy.clone(), crash);
            assert_eq!(fibers.outcome, threads.outcome);
            assert_eq!(crate::trace::first_difference(&fibers.trace, &threads.trace), None);
            assert_eq!((fibers.steps, fibers.now), (threads.steps, threads.now));
            assert_eq!(fibers.choices, threads.choices);
        }
    }
}

#[test]
fn panics_are_contained_while_other_fibers_wait_and_registers_survive() {
    let ended =
        life(3, Settings { strategy: Strategy::Uniform { one_in: 1 }, ..Settings::default() }, || {
            let threads: Vec<_> = (0..6_u32)
                .map(|number| {
                    let body = move || {
                        let mut sum = f64::from(number);
                        for round in 0..50_u32 {
                            let caught = catch(|| -> u32 {
                                point("before a panic");
                                if (round + number) % 3 == 0 {
                                    std::panic::panic_any(format!("{number} in {round}"));
                                }
                                round
                            });
                            point("after a panic");
                            match caught {
                                Ok(went) => assert_eq!(went, round),
                                Err(what) => assert_eq!(what, format!("{number} in {round}")),
                            }
                            sum += f64::from(round);
                            assert!(!std::thread::panicking());
                        }
                        assert_eq!(sum, f64::from(number) + 1_225.0);
                    };
                    spawn(&format!("thread {number}"), body).unwrap()
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
    assert_eq!(ended.outcome, Outcome::Returned);
}

#[test]
fn a_fiber_has_room_for_deep_calls() {
    let ended = life(1, Settings::default(), || {
        spawn("deep", || assert_eq!(deep(300), 300)).unwrap().join().unwrap();
    });
    assert_eq!(ended.outcome, Outcome::Returned);
}

/// Calls itself `left` times with a kilobyte on the stack each time, and passes a point at the bottom.
fn deep(left: usize) -> usize {
    let room = black_box([left; 128]);
    if left == 0 {
        point("bottom");
        return 0;
    }
    deep(left - 1) + room.len() / 128
}

#[test]
#[ignore = "ends the process; run by the test after it"]
fn recursion_without_end() {
    drop(life(1, Settings::default(), || {
        spawn("deep", || assert_eq!(deep(usize::MAX), 0)).unwrap().join().unwrap();
    }));
}

#[test]
fn endless_recursion_of_a_fiber_ends_the_process() {
    let name = "scheduler::tests::carriers::recursion_without_end";
    let me = std::env::current_exe().unwrap();
    let output = Command::new(me).args(["--exact", name, "--ignored"]).output().unwrap();
    assert!(output.status.signal().is_some(), "{output:?}");
}
