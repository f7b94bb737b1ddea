//! Shrinking against violations that are known to need certain things.

use super::*;
use crate::disk::Loss;
use crate::plan::{Ending, Op, generate};

fn ops(plan: &Plan) -> impl Iterator<Item = &Op> {
    plan.lives.iter().flat_map(|life| &life.clients).flat_map(|client| &client.ops)
}

/// A rig whose "engine" fails whenever the plan has an INCR somewhere, and a power loss somewhere.
fn needs_two_things(plan: &Plan) -> Option<String> {
    fn has(op: &Op) -> bool {
        match op {
            Op::Incr(_) => true,
            Op::Transaction(ops) => ops.iter().any(has),
            _ => false,
        }
    }
    let power = plan.lives.iter().any(|life| matches!(life.ending, Ending::Power(_)));
    (ops(plan).any(has) && power).then(|| format!("life 0: client 3: `INCR` of {}", plan.lives.len()))
}

fn failing(violation: Option<String>) -> Outcome {
    Outcome { violation, ..Outcome::default() }
}

#[test]
fn only_what_the_violation_needs_is_left() {
    let mut shrunk = 0;
    for seed in 0..40 {
        let plan = generate(seed);
        let Some(violation) = needs_two_things(&plan) else { continue };
        let result = shrink(&plan, &violation, Effort::default(), &|plan| failing(needs_two_things(plan)));
        assert!(result.minimal);
        let left = size(&result.plan);
        assert!(left.ops == 1 && left.lives <= 2 && left.switches == 0, "{}", result.plan);
        let power = |life: &crate::plan::Life| life.ending == Ending::Power(Loss::None);
        assert!(result.plan.lives.iter().any(power), "{}", result.plan);
        assert!(result.plan.lives.iter().all(|life| life.faults.is_empty()));
        shrunk += 1;
    }
    assert!(shrunk > 5);
}

#[test]
fn another_violation_is_not_taken_for_the_same() {
    let same = [
        "life 3: client 0: `GET c0:k1` was answered with \"a\" instead of \"b\"",
        "life last: client 1: `GET c1:k2` was answered with \"x12\" instead of \"\"\nmore",
    ];
    assert_eq!(kind_of(same[0]), kind_of(same[1]));
    assert_ne!(kind_of(same[0]), kind_of("life 3: client 0 waits in vain for GET"));
    let plan = (0..).map(generate).find(|plan| ops(plan).count() > 20).unwrap();
    let run = |plan: &Plan| {
        failing(Some(if ops(plan).count() > 10 { "the first" } else { "the second" }.to_owned()))
    };
    let result = shrink(&plan, "the first", Effort::default(), &run);
    assert_eq!(size(&result.plan).ops.min(11), 11, "{}", result.plan);
    assert_eq!(result.violation, "the first");
}

#[test]
fn the_effort_bounds_the_runs() {
    let plan = (0..).map(generate).find(|plan| ops(plan).count() > 20).unwrap();
    let result =
        shrink(&plan, "always", Effort { runs: 3, streams: 1 }, &|_| failing(Some("always".to_owned())));
    assert!(result.runs <= 3);
}
