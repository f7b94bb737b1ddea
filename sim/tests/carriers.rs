//! The whole rig on fibers and on threads of the host: the same runs.

use engram_sim::engine;
use engram_sim::plan::generate;
use engram_sim::rig::Report;
use engram_sim::scheduler::Carry;
use engram_sim::trace::first_difference;

#[test]
fn a_seed_gives_the_same_trace_on_fibers_and_on_threads_of_the_host() {
    let (fibers, threads) = (engine::rig(), engine::rig().carried(Carry::Threads));
    for seed in 0..25 {
        let plan = generate(seed);
        let (left, right) = (fibers.run(&plan, false), threads.run(&plan, false));
        assert_eq!(left.failure, None);
        assert_eq!(left.trace.hash(), right.trace.hash(), "seed {seed}");
    }
}

#[test]
fn a_recorded_seed_gives_the_same_trace_when_its_schedules_are_listed() {
    let rig = engine::rig();
    for seed in 0..60 {
        let plan = generate(seed);
        let first = rig.run(&plan, true);
        let second = rig.run(&first.listed(&plan), true);
        assert_eq!(first_difference(&first.trace, &second.trace), None, "seed {seed}");
        assert_eq!(first.trace.hash(), second.trace.hash(), "seed {seed}");
        // What does not come to pass is a disturbance, and the same ones both times.
        let unmatched = |report: &Report| -> Vec<u64> {
            report.schedules.iter().map(|schedule| schedule.unmatched).collect()
        };
        assert_eq!(unmatched(&first), unmatched(&second), "seed {seed}");
    }
}

#[test]
fn passing_quiet_points_unseen_changes_nothing() {
    let rig = engine::rig();
    for seed in 0..60 {
        let mut plan = generate(seed);
        let first = rig.run(&plan, false);
        // Whoever lists what else could have been chosen looks at every point.
        plan.lives.iter_mut().for_each(|life| life.threads.survey = true);
        let second = rig.run(&plan, false);
        assert_eq!((first.trace.hash(), first.steps), (second.trace.hash(), second.steps), "seed {seed}");
    }
}
