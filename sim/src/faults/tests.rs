//! Faults fire where they are planned, once, and go through text and back.

use super::*;

#[test]
fn a_fault_fires_at_its_call_and_once() {
    let planned = Planned::new(Call::Sync, 2, Fault::Io);
    let mut faults = Faults::new(&[planned]);
    assert_eq!(faults.next(Call::Sync, Phase::Serving), None);
    assert_eq!(faults.next(Call::WriteAt, Phase::Serving), None);
    assert_eq!(faults.next(Call::Sync, Phase::Serving), Some(Fault::Io));
    assert_eq!(faults.next(Call::Sync, Phase::Serving), None);
    assert_eq!(faults.fired(), [planned]);
}

#[test]
fn a_fault_for_a_kind_of_file_counts_calls_for_that_kind() {
    let planned = Planned { of: Kind::Log, ..Planned::new(Call::Sync, 2, Fault::Io) };
    let mut faults = Faults::new(&[planned, Planned::new(Call::Sync, 2, Fault::SyncDropped)]);
    assert_eq!(faults.next_of(Call::Sync, Kind::Log, Phase::Serving), None);
    assert_eq!(faults.next_of(Call::Sync, Kind::Temporary, Phase::Serving), Some(Fault::SyncDropped));
    assert_eq!(faults.next_of(Call::Sync, Kind::Log, Phase::Serving), Some(Fault::Io));
    let hit: Vec<String> = faults.fired().iter().map(Planned::to_string).collect();
    assert_eq!(hit, ["sync of temporary 2 sync-dropped", "sync of log 2 io"]);
}

#[test]
fn a_full_disk_excuses_the_log_only_where_the_log_has_met_it() {
    let planned = Planned { of: Kind::Temporary, ..Planned::new(Call::WriteAt, 1, Fault::Full(3)) };
    let mut faults = Faults::new(&[planned]);
    assert_eq!(faults.next_of(Call::WriteAt, Kind::Temporary, Phase::Serving), Some(Fault::Full(3)));
    faults.ran_out_of_room(Kind::Temporary, 1);
    assert!(!faults.harmed_log());
    faults.ran_out_of_room(Kind::Log, 2);
    assert!(faults.harmed_log());
}

#[test]
fn a_planned_fault_is_one_line_that_reads_back() {
    for text in [
        "sync of log 3 io",
        "sync of log in recovery-again 3 io",
        "sync_dir in finishing 1 io",
        "write_at 7 short 250",
        "sync_dir 1 sync-dropped",
        "accept 1 aborted",
        "write_at of log 2 stray snapshot 500",
        "map 1 rot-once 20 7",
        "sync of log 4 decay rot log -3 bit 1",
        "sync_dir 1 sync-late",
    ] {
        assert_eq!(text.parse::<Planned>().unwrap().to_string(), text);
    }
    for wrong in ["", "sync", "sync 1", "sync of log io", "sync of door 1 io", "sync of log 1 oi"] {
        assert!(wrong.parse::<Planned>().is_err(), "{wrong}");
    }
}

#[test]
fn the_table_of_calls_is_in_the_order_of_their_numbers() {
    assert!(CALLS.iter().enumerate().all(|(i, &call)| call as usize == i));
}

#[test]
fn a_fault_in_a_phase_counts_calls_of_that_phase() {
    let planned = Planned::new(Call::Sync, 2, Fault::Io).of(Kind::Log).during(Phase::Finishing);
    let mut faults = Faults::new(&[planned, Planned::new(Call::Sync, 4, Fault::SyncDropped)]);
    let phases = [Phase::Serving, Phase::Finishing, Phase::Serving, Phase::Finishing];
    let met = phases.map(|phase| faults.next_of(Call::Sync, Kind::Log, phase));
    assert_eq!(met, [None, None, None, Some(Fault::Io)]);
    assert!(faults.unmet(&[]).is_empty(), "the other one has had its turn");
}
