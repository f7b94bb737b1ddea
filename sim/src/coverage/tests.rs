//! The matrix and the ledger, on events made by hand.

use super::*;

fn seen(events: &[(&str, &str)]) -> Coverage {
    let mut coverage = Coverage::default();
    events.iter().for_each(|(kind, name)| coverage.see(kind, name, [0; 3]));
    coverage
}

fn cell(fault: &str, call: Call, of: Kind, phase: Phase) -> Cell {
    Cell { fault: fault.to_owned(), site: Site { call, of }, phase }
}

#[test]
fn a_fault_counts_once_somebody_has_looked() {
    let events = [("life", "0"), ("sync", "wal-00000000000000000001.log"), ("fault", "io")];
    let io = cell("io", Call::Sync, Kind::Log, Phase::Recovery);
    assert_eq!(seen(&events).fired(&io), 0);
    let looked: Vec<_> = events.into_iter().chain([("life", "1"), ("reply", "client 0")]).collect();
    assert_eq!(seen(&looked).fired(&io), 1);
}

#[test]
fn a_fault_of_the_network_names_its_call() {
    let coverage = seen(&[("life", "0"), ("fault", "accept aborted"), ("reply", "")]);
    assert_eq!(coverage.fired(&cell("aborted", Call::Accept, Kind::Any, Phase::Recovery)), 1);
}

#[test]
fn marks_bound_the_phases_of_a_life() {
    let mut coverage = seen(&[("life", "0")]);
    let mut phases = Vec::new();
    for mark in
        [Mark::Serving, Mark::SnapshotBegun, Mark::SnapshotEnded, Mark::Finishing, Mark::SnapshotEnded]
    {
        coverage.mark(mark);
        phases.push(coverage.phase);
    }
    assert_eq!(phases, [Phase::Serving, Phase::Snapshot, Phase::Serving, Phase::Finishing, Phase::Finishing]);
}

#[test]
fn the_life_behind_a_crash_in_recovery_recovers_again() {
    let mut coverage = seen(&[("life", "0"), ("crash", ""), ("life", "0 recovered once"), ("life", "1")]);
    assert_eq!(coverage.phase, Phase::Again);
    coverage.mark(Mark::Serving);
    coverage.see("crash", "", [0; 3]);
    coverage.see("life", "2", [0; 3]);
    assert_eq!(coverage.phase, Phase::Recovery);
}

#[test]
fn what_is_empty_is_named_and_what_cannot_be_is_not() {
    let mut coverage = Coverage::default();
    coverage.planned.insert(("new-kind".to_owned(), Call::Map), 1);
    let summary = coverage.summary(1);
    assert!(summary.empty.contains(&cell("new-kind", Call::Map, Kind::Snapshot, Phase::Recovery)));
    assert!(!summary.empty.contains(&cell("new-kind", Call::Map, Kind::Snapshot, Phase::Serving)));
    assert!(!summary.is_complete() && summary.is_consistent());
    coverage.fired.insert(cell("io", Call::Map, Kind::Snapshot, Phase::Serving), 1);
    assert!(!coverage.summary(1).is_consistent());
}
