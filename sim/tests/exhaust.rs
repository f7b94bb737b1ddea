//! Exhaustive small scope: the engine holds, and a disk that lies is found out.

use std::io::Write as _;

use engram_sim::disk::Sabotage;
use engram_sim::engine;
use engram_sim::exhaust::{Row, Scope, exhaust, workloads};

/// Searches the workload `name` on a disk that tells these lies.
fn row(name: &str, scope: &Scope, sabotage: Sabotage) -> Row {
    let workload = workloads().into_iter().find(|workload| workload.name == name);
    let Some(workload) = workload else { panic!("there is no workload {name}") };
    exhaust(&workload, scope, &|| engine::rig().sabotaged(sabotage))
}

fn scope(depth: u32) -> Scope {
    Scope { depth, jobs: 2, ..Scope::default() }
}

/// Past the harness's capture: the figures are to be seen without asking for them.
fn say(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

#[test]
fn every_crash_of_every_workload_is_survived() {
    let mut total = Row::default();
    for workload in workloads() {
        total.add(row(workload.name, &scope(1), Sabotage::default()));
    }
    let Row { calls, points, tried, images, recoveries, violations, .. } = &total;
    say(&format!(
        "exhaustive small scope: {} workloads, {calls} calls, {points} crashes, {tried} images tried, {} distinct, \
         {recoveries} recoveries, {} violations",
        workloads().len(),
        images.len(),
        violations.len()
    ));
    assert!(violations.is_empty(), "{}", violations[0]);
    assert!(images.len() > 3_000, "only {} images", images.len());
}

#[test]
fn a_crash_in_every_recovery_is_survived() {
    let row = row("set", &scope(2), Sabotage::default());
    assert!(row.violations.is_empty(), "{}", row.violations[0]);
    assert!(row.images.len() > 3_000, "only {} images", row.images.len());
}

/// The first violation that the workloads show on a disk that lies, and its replay.
fn caught(lie: &str, names: &[&str], depth: u32, sabotage: Sabotage) {
    for name in names {
        let found = row(name, &scope(depth), sabotage);
        let Some(violation) = found.violations.first() else { continue };
        say(&format!("saboteur {lie}: found in workload {name} after {} images, {violation}", found.tried));
        let only = Scope { only: Some(violation.case.clone()), ..scope(depth) };
        let again = row(name, &only, sabotage);
        assert_eq!(again.violations.len(), 1, "{lie}: case {} alone", violation.case);
        assert_eq!(again.violations[0].what, violation.what);
        assert!(!again.trace.is_empty());
        return;
    }
    panic!("{lie}: not found");
}

#[test]
fn a_disk_that_skips_sync_is_found() {
    caught("skips sync", &["set"], 1, Sabotage { skip_sync: true, ..Sabotage::default() });
}

#[test]
fn a_disk_that_skips_sync_dir_is_found() {
    caught("skips sync_dir", &["set"], 2, Sabotage { skip_sync_dir: true, ..Sabotage::default() });
}

#[test]
fn a_sync_that_is_late_is_found() {
    caught("syncs late", &["set"], 1, Sabotage { late_sync: true, ..Sabotage::default() });
}

/// A start reads on behind what it was to cut, where the next segment goes on with the next record. What needs the cut is a
/// fault beside it, as seeds bring (`saboteurs.rs`).
#[test]
fn a_torn_tail_that_is_not_cut_does_no_harm_by_itself() {
    let sabotage = Sabotage { ignore_set_len: true, no_copies: true, ..Sabotage::default() };
    for name in ["set", "torn", "restart", "rotation"] {
        let row = row(name, &scope(1), sabotage);
        assert!(row.violations.is_empty(), "{name}: {}", row.violations[0]);
    }
}
