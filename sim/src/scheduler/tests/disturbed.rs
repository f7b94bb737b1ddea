//! Stalls and panics of the plan.

use super::*;

fn disturbed(text: &str, body: impl FnOnce() + Send + 'static) -> Ended {
    let disturbances = vec![text.parse().unwrap()];
    life(1, Settings { strategy: Strategy::Uniform { one_in: 2 }, disturbances, ..Settings::default() }, body)
}

#[test]
fn a_stalled_thread_keeps_what_it_holds_while_others_go_on() {
    let ended = disturbed("stall:5000000 2 worker@held", || {
        let (lock, passed) = (Arc::new(Mutex::new("lock", 0)), Arc::new(AtomicU64::new(0)));
        let (theirs, seen) = (Arc::clone(&lock), Arc::clone(&passed));
        let worker = spawn("worker 7", move || {
            for _ in 0..3 {
                let mut held = theirs.lock();
                point("held");
                *held += 1;
                seen.fetch_add(1);
            }
        });
        while passed.load() == 0 {
            point("waiting for the worker");
        }
        (0..100).for_each(|_| point("going on"));
        assert_eq!(passed.load(), 1, "the stall has not ended");
        assert!(*lock.lock() >= 2, "the lock was held through the stall");
        worker.unwrap().join().unwrap();
    });
    assert_eq!(ended.outcome, Outcome::Returned);
    assert!(ended.now >= 5_000_000);
    assert_eq!(ended.unmatched, 0);
}

#[test]
fn a_planned_panic_is_an_ordinary_one_at_its_passage_and_happens_once() {
    let ended = disturbed("panic 3 main@job", || {
        let fell: Vec<bool> = (0..5).map(|_| catch(|| point("job")).is_err()).collect();
        assert_eq!(fell, [false, false, true, false, false]);
    });
    assert_eq!(ended.outcome, Outcome::Returned);
    let loose = disturbed("panic 1 main@job", || point("job"));
    let Outcome::Failed(what) = loose.outcome else { panic!("the panic went unnoticed") };
    assert!(what.contains("the plan has it panic at `job`"), "{what}");
}

#[test]
fn who_hears_of_disturbances_hears_each_when_it_happens() {
    let planned: Disturbance = "panic 2 main@job".parse().unwrap();
    let settings = Settings { disturbances: vec![planned.clone()], ..Settings::default() };
    let scheduler = Scheduler::new(settings, Rng::new(1), Trace::new(true), 0, &Pool::default());
    let heard = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let count = Arc::clone(&heard);
    scheduler.when_disturbed(move |disturbance| {
        assert_eq!((disturbance.blow, &*disturbance.site), (Blow::Panic, "job"));
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    });
    let ended = scheduler.run(|| (0..4).for_each(|_| drop(catch(|| point("job")))));
    assert_eq!(ended.outcome, Outcome::Returned);
    assert_eq!(heard.load(std::sync::atomic::Ordering::SeqCst), 1);
    assert_eq!(ended.trace.events().iter().filter(|event| event.kind == "disturbed").count(), 1);
}

#[test]
fn a_disturbance_that_never_comes_is_counted() {
    let ended = disturbed("stall:10 3 worker@nowhere", || point("somewhere"));
    assert_eq!((ended.outcome, ended.unmatched), (Outcome::Returned, 1));
}

#[test]
fn a_disturbance_goes_through_text_and_back() {
    for text in ["stall:500 3 worker 1@jobs filled", "panic 1 worker@hop", "stall:0 7 log@sync"] {
        assert_eq!(text.parse::<Disturbance>().unwrap().to_string(), text);
    }
    for wrong in
        ["", "panic", "panic 1 worker", "stall 3 worker@hop", "stall:x 3 a@b", "panic:3 1 a@b", "fly 1 a@b"]
    {
        assert!(wrong.parse::<Disturbance>().is_err(), "{wrong}");
    }
}

#[test]
fn a_panic_of_the_simulated_world_is_no_panic_of_the_engine() {
    let pool = Pool::default();
    let scheduler = Scheduler::new(Settings::default(), Rng::new(1), Trace::new(true), 0, &pool);
    let inside = scheduler.clone();
    let ended = scheduler.run(move || {
        inside.later(500, || panic!("the oracle is confused"));
        drop(catch(|| (0..100).for_each(|_| point("busy"))));
    });
    let Outcome::Failed(what) = ended.outcome else { panic!("it went unnoticed") };
    assert!(what.contains("world panicked") && what.contains("the oracle is confused"), "{what}");
}
