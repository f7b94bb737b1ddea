//! Saboteurs: a machine that lies must be caught, and soon.

use std::io::Write as _;

use engram_sim::campaign::judge;
use engram_sim::disk::Sabotage;
use engram_sim::engine;
use engram_sim::net;
use engram_sim::plan::generate;
use engram_sim::rig::Rig;

/// Where the seeds begin.
const FIRST: u64 = 500_000;

/// Runs seeds until the saboteur is caught, at most `bound`.
fn seeds_until_caught(name: &str, sabotage: Sabotage, bound: u64) {
    rig_until_caught(name, &engine::rig().sabotaged(sabotage), bound);
}

fn net_until_caught(name: &str, sabotage: net::Sabotage, bound: u64) {
    rig_until_caught(name, &engine::rig().net_sabotaged(sabotage), bound);
}

fn rig_until_caught(name: &str, rig: &Rig, bound: u64) {
    let caught =
        (FIRST..FIRST + bound).find_map(|seed| Some((seed, judge(rig, &generate(seed), false).failure?)));
    let Some((seed, what)) = caught else { panic!("{name}: not caught within {bound} seeds") };
    let first = what.lines().collect::<Vec<_>>().join(" | ");
    // Past the harness's capture: the table is to be seen without asking for it.
    drop(writeln!(std::io::stderr(), "saboteur {name}: caught after {} seeds: {first}", seed - FIRST + 1));
}

/// Runs seeds until the saboteur is caught by the check that says this, at most `bound`; what others find is passed over.
fn seeds_until_told(name: &str, rig: &Rig, words: &str, bound: u64) {
    let told = |seed| judge(rig, &generate(seed), false).failure.filter(|what| what.contains(words));
    let caught = (FIRST..FIRST + bound).find_map(|seed| Some((seed, told(seed)?)));
    let Some((seed, what)) = caught else { panic!("{name}: not caught within {bound} seeds") };
    let first = what.lines().next().unwrap_or_default().to_owned();
    drop(writeln!(std::io::stderr(), "saboteur {name}: told after {} seeds: {first}", seed - FIRST + 1));
}

#[test]
fn a_late_answer_to_ping_is_caught() {
    let rig = engine::rig().net_sabotaged(net::Sabotage { slow_pongs: 1_000_000_000, ..Default::default() });
    seeds_until_told("delays PING's answer", &rig, "PING was answered after", 300);
}

#[test]
fn accounts_that_never_come_to_rest_are_caught() {
    let rig = engine::rig().net_sabotaged(net::Sabotage { cooked_books: true, ..Default::default() });
    seeds_until_told("cooks the books", &rig, "all are through, but jobs_in_flight", 50);
}

#[test]
fn searches_that_find_too_little_are_caught() {
    let rig = engine::rig().net_sabotaged(net::Sabotage { thin_graphs: true, ..Default::default() });
    seeds_until_told("thins graphs", &rig, "searches have found", 500);
}

#[test]
fn backups_that_are_not_synced_are_caught() {
    let rig = engine::rig().sabotaged(Sabotage { unsynced_backups: true, ..Sabotage::default() });
    seeds_until_told("does not sync backups", &rig, "backup", 500);
}

#[test]
fn a_disk_that_removes_nothing_is_caught() {
    let rig = engine::rig().sabotaged(Sabotage { ignore_remove: true, ..Sabotage::default() });
    seeds_until_told("removes nothing", &rig, "is left", 100);
}

#[test]
fn a_check_that_does_not_see_a_file_is_caught() {
    let rig = engine::rig().sabotaged(Sabotage { hidden_file: true, ..Sabotage::default() });
    seeds_until_told("hides a file from check", &rig, "where check had found", 200);
}

#[test]
fn a_repair_that_does_nothing_is_caught() {
    let rig = engine::rig().sabotaged(Sabotage { idle_repair: true, ..Sabotage::default() });
    seeds_until_told("repairs nothing", &rig, "the repair --truncate-after", 1_000);
}

#[test]
fn a_disk_that_skips_sync_is_caught() {
    seeds_until_caught("skips sync", Sabotage { skip_sync: true, ..Sabotage::default() }, 100);
}

#[test]
fn a_disk_that_skips_sync_dir_is_caught() {
    seeds_until_caught("skips sync_dir", Sabotage { skip_sync_dir: true, ..Sabotage::default() }, 100);
}

#[test]
fn rot_that_is_taken_for_a_torn_tail_is_caught() {
    seeds_until_caught("cuts at rot", Sabotage { cut_at_rot: true, ..Sabotage::default() }, 500);
}

#[test]
fn replies_that_leave_before_their_barrier_are_caught() {
    seeds_until_caught(
        "acknowledges before the sync",
        Sabotage { late_sync: true, ..Sabotage::default() },
        300,
    );
}

#[test]
fn a_log_whose_torn_tail_is_not_cut_is_caught() {
    seeds_until_caught(
        "does not cut the torn tail",
        Sabotage { ignore_set_len: true, no_copies: true, ..Sabotage::default() },
        1_000,
    );
}

#[test]
fn a_net_that_swaps_two_replies_is_caught() {
    net_until_caught(
        "swaps two replies",
        net::Sabotage { swap_replies: true, ..net::Sabotage::default() },
        20,
    );
}

#[test]
fn a_net_that_gives_replies_to_another_client_is_caught() {
    net_until_caught(
        "misdelivers a reply",
        net::Sabotage { misdeliver: true, ..net::Sabotage::default() },
        20,
    );
}

#[test]
fn a_waker_that_drops_wake_ups_is_caught() {
    net_until_caught("drops wake-ups", net::Sabotage { drop_wakes: true, ..net::Sabotage::default() }, 100);
}

#[test]
fn a_full_self_pipe_that_forgets_its_wake_ups_is_caught() {
    let sabotage = net::Sabotage { full_pipe_forgets: true, ..net::Sabotage::default() };
    net_until_caught("forgets what is in a full self-pipe", sabotage, 1_000);
}
