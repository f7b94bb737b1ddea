//! The engine under fixed seeds and some fresh ones, each twice.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use engram_sim::campaign::{Manner, campaign};
use engram_sim::engine;

fn none_fails(seeds: std::ops::Range<u64>) {
    let manner = Manner { jobs: 2, twice: true, stop: false };
    let totals = campaign(seeds, manner, &engine::rig, &|_, _, _| {});
    for (seed, what) in &totals.failures {
        println!("FAIL seed={seed}: {what} (replay: cargo run --release -p engram-sim -- replay {seed})");
    }
    println!("seeds={} failures={}", totals.seeds, totals.failures.len());
    assert!(totals.failures.is_empty(), "{} seeds with violations", totals.failures.len());
    assert!(totals.judged > totals.seeds, "hardly anything was judged");
}

#[test]
fn three_hundred_fixed_seeds_hold_and_repeat() {
    none_fails(0..300);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "fresh seeds have to come from outside")]
fn fresh_seeds_hold_and_repeat() {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = engram::base::rng::mix64(since.as_nanos() as u64 ^ u64::from(std::process::id())) >> 16;
    // Not `println!`: the test harness would keep it to itself.
    writeln!(std::io::stderr(), "fresh seeds from {seed}").unwrap();
    // Several, since one may have little to judge.
    none_fails(seed..seed + 20);
}
