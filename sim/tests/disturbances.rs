//! The engine under stalled and panicking threads, at every passage of a few sites.

use engram_sim::engine;
use engram_sim::plan::{Plan, parse};

const PLAN: &str = "\
plan seed 11
server workers 2 exact-below 0
life 0
  ending shutdown twice false
  client 0 depth 8
    VNEW c0:v0 2 METRIC l2 M 4 EF_CONSTRUCTION 20
    VADD c0:v0 e0 [0,1]
    VADD c0:v0 e1 [1,0]
    VSEARCH c0:v0 [1,1] 2
    VSEARCH c0:v0 [1,1] 2 EXACT
    SET c0:k0 0.0.1
    VADD c0:v0 e2 [1,2]
    VADD c0:v0 e3 [2,1]
    VDEL c0:v0 e1
    VSEARCH c0:v0 [1,1] 2 WITHVECTORS
    GET c0:k0
    VSEARCH c0:v0 [1,1] 2 EXACT
  client 1 depth 2
    SET c1:k0 1.0.1
    GET c1:k0
    PING
";

fn plan(disturbance: &str) -> Plan {
    let (mut plan, remarks) = parse(PLAN);
    assert_eq!(remarks, Vec::<String>::new());
    let disturbance = disturbance.parse().unwrap_or_else(|what: String| panic!("{what}"));
    plan.lives[0].threads.disturbances.push(disturbance);
    plan
}

/// Runs the plan with the disturbance at every passage of the site that there is, and says at how many.
fn at_every_passage(blow: &str, place: &str) -> u64 {
    let rig = engine::rig();
    for passage in 1..2_000 {
        let report = rig.run(&plan(&format!("{blow} {passage} {place}")), false);
        assert_eq!(report.failure, None, "{blow} {passage} {place}");
        if report.schedules[0].unmatched > 0 {
            return passage - 1;
        }
    }
    panic!("there is no end to the passages of {place}");
}

#[test]
fn a_job_that_panics_anywhere_is_answered_with_an_error_and_everything_else_goes_on() {
    // Searches as brief as these are done by the loop, links by workers.
    for (place, least) in
        [("worker@job", 4), ("worker@hop", 2), ("worker@link", 2), ("main@job", 2), ("main@scan", 1)]
    {
        let passages = at_every_passage("panic", place);
        assert!(passages >= least, "only {passages} passages of {place}");
    }
}

#[test]
fn a_thread_that_stalls_anywhere_only_delays() {
    for place in ["worker@job", "worker@hop", "worker@jobs", "worker@answers", "log@log buffer", "main@wait"]
    {
        assert!(at_every_passage("stall:30000000", place) > 0, "{place}");
    }
}

#[test]
fn the_error_of_a_panicked_job_is_seen_by_the_client_that_asked() {
    let rig = engine::rig();
    let report = rig.run(&plan("panic 4 worker@job"), true);
    assert_eq!(report.failure, None);
    let seen = |text: &str| report.trace.events().iter().any(|event| event.to_string().contains(text));
    assert!(seen("disturbed"));
}

#[test]
fn what_a_plan_has_in_store_and_never_comes_is_named() {
    let (mut plan, _) = parse(PLAN);
    let life = &mut plan.lives[0];
    life.faults = ["sync of log 2 slow 1000", "sync of log 9000 io", "rename 1 io"]
        .map(|fault| fault.parse().unwrap_or_else(|what: String| panic!("{what}")))
        .to_vec();
    let disturbances = ["stall:10 1 worker@job", "stall:10 9000 worker@job"];
    life.threads.disturbances =
        disturbances.map(|text| text.parse().unwrap_or_else(|what: String| panic!("{what}"))).to_vec();
    life.threads.crash = Some("call 1000000".parse().unwrap_or_else(|what: String| panic!("{what}")));
    let report = engine::rig().run(&plan, false);
    assert_eq!(report.failure, None);
    let unmet = [
        "fault rename 1 io",
        "fault sync of log 9000 io",
        "disturb stall:10 9000 worker@job",
        "crash call 1000000",
    ];
    assert_eq!(report.schedules[0].unmet, unmet);
    assert!(report.schedules[1].unmet.is_empty(), "the last life has nothing in store");
}
