//! INFO, SLOWLOG, LATENCY, MEMORY: what an operator looks at.

use std::collections::BTreeMap;

use super::{Desk, conversation, desk, unbulk};
use crate::server::Options;

/// INFO's sections: heading to lines.
fn info(desk: &mut Desk, client: u64, words: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let text = unbulk(&desk.ask(client, &format!("INFO {words}")));
    let mut sections = BTreeMap::new();
    for block in text.split("\r\n\r\n").filter(|block| !block.is_empty()) {
        let mut lines = block.trim_end().split("\r\n");
        let title =
            lines.next().and_then(|line| line.strip_prefix("# ")).unwrap_or_else(|| panic!("{block:?}"));
        let pairs = lines.map(|line| line.split_once(':').unwrap_or_else(|| panic!("{line:?}")));
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert!(sections.insert(title.to_owned(), pairs).is_none(), "{title} twice");
    }
    sections
}

#[test]
fn info_is_sections_of_names_and_values() {
    let (mut desk, client) = desk();
    desk.ask(client, "SET a 1\r\nGET a\r\nGET b\r\nEXPIRE a 100");
    let all = info(&mut desk, client, "");
    let value = |section: &str, name: &str| all[section][name].as_str();
    assert_eq!(value("Server", "redis_version"), "7.4.0");
    assert_eq!(value("Server", "tcp_port"), "6380");
    let run_id = value("Server", "run_id");
    assert!(run_id.len() == 40 && run_id.bytes().all(|b| b.is_ascii_hexdigit()), "{run_id}");
    assert_eq!(value("Clients", "connected_clients"), "1");
    assert_eq!(value("Persistence", "loading"), "0");
    assert_eq!(value("Replication", "role"), "master");
    assert_eq!(value("Keyspace", "db0"), "keys=1,expires=1,avg_ttl=0");
    assert_eq!((value("Stats", "keyspace_hits"), value("Stats", "keyspace_misses")), ("1", "1"));
    assert_eq!(value("Stats", "total_commands_processed"), "5");
    assert_eq!(value("Engram", "log_status"), "none");
    let used: usize = value("Memory", "used_memory").parse().unwrap();
    let parts: usize = value("Memory", "used_memory_dataset").parse::<usize>().unwrap()
        + value("Memory", "mem_clients_normal").parse::<usize>().unwrap()
        + value("Memory", "mem_snapshot").parse::<usize>().unwrap();
    assert_eq!(used, parts);
    assert!(!all.contains_key("Commandstats"));
}

#[test]
fn sections_can_be_chosen() {
    let (mut desk, client) = desk();
    desk.ask(client, "PING\r\nPING");
    assert_eq!(info(&mut desk, client, "cpu KEYSPACE").into_keys().collect::<Vec<_>>(), ["CPU", "Keyspace"]);
    assert!(info(&mut desk, client, "nosuch").is_empty());
    let all = info(&mut desk, client, "everything");
    assert_eq!(all.len(), 11);
    assert!(all["Commandstats"]["cmdstat_ping"].starts_with("calls=2,usec=0,usec_per_call=0.00"));
    assert_eq!(desk.ask(client, "CONFIG RESETSTAT"), "+OK\r\n");
    assert!(!info(&mut desk, client, "all")["Commandstats"].contains_key("cmdstat_ping"));
}

#[test]
fn bytes_are_counted_of_clients_that_fail_and_of_those_who_are_turned_away() {
    let mut desk = Desk::new(Options { maxclients: 2, ..Options::default() });
    let (client, failing, crowd) = (desk.connect(), desk.connect(), desk.connect());
    assert!(desk.read(crowd).starts_with("-ERR max number of clients"));
    // All of the server's buffer is filled once, and then there is an error.
    desk.fail_after(failing, 1);
    desk.ask(failing, &"x".repeat(1 << 20));
    assert!(desk.is_closed(failing));
    let reply = desk.ask(client, "INFO stats");
    let (read, written) = desk.moved();
    for counted in [
        format!("total_net_input_bytes:{read}\r\n"),
        format!("total_net_output_bytes:{}\r\n", written - reply.len()),
    ] {
        assert!(reply.contains(&counted), "{counted} {reply}");
    }
}

#[test]
fn rates_are_of_the_last_seconds_and_fade_without_anyone_waking() {
    let (mut desk, client) = desk();
    for _ in 0..30 {
        desk.ask(client, "PING\r\nPING\r\nPING\r\nPING\r\nPING\r\nPING\r\nPING\r\nPING\r\nPING\r\nPING");
        desk.pass(100_000_000);
    }
    let rate = |desk: &mut Desk| -> f64 {
        info(desk, client, "stats")["Stats"]["instantaneous_ops_per_sec"].parse().unwrap()
    };
    assert!((90.0..=110.0).contains(&rate(&mut desk)), "{}", rate(&mut desk));
    desk.pass(60_000_000_000);
    assert!(rate(&mut desk) < 2.0);
}

#[test]
fn slow_commands_are_remembered_newest_first() {
    let mut desk =
        Desk::new(Options { slowlog_log_slower_than: 0, slowlog_max_len: 3, ..Options::default() });
    let client = desk.connect();
    desk.ask(client, "CLIENT SETNAME me\r\nPING a\r\nPING b\r\nPING c");
    assert_eq!(desk.ask(client, "SLOWLOG LEN"), ":3\r\n");
    let reply = desk.ask(client, "SLOWLOG GET 1");
    assert!(
        reply.starts_with("*1\r\n*6\r\n:4\r\n:1700000000\r\n:0\r\n*2\r\n$7\r\nSLOWLOG\r\n$3\r\nLEN\r\n"),
        "{reply:?}"
    );
    assert!(reply.ends_with("$14\r\n127.0.0.1:5001\r\n$2\r\nme\r\n"), "{reply:?}");
    conversation(
        &mut desk,
        client,
        &[
            ("SLOWLOG GET -2", "-ERR count should be greater than or equal to -1\r\n"),
            ("SLOWLOG GET x", "-ERR count should be greater than or equal to -1\r\n"),
            ("CONFIG SET slowlog-log-slower-than -1", "+OK\r\n"),
            ("SLOWLOG RESET", "+OK\r\n"),
            ("SLOWLOG GET -1", "*0\r\n"),
        ],
    );
}

#[test]
fn what_workers_do_is_counted_and_remembered_too() {
    let mut desk = Desk::new(Options { slowlog_log_slower_than: 0, ..Options::default() });
    let client = desk.connect();
    let two = "\"\\x00\\x00\\x00\\x40\"";
    assert_eq!(desk.ask(client, "VNEW i 1 METRIC l2"), "+OK\r\n");
    desk.ask_until(client, &format!("VADD i a {two}"), ":1\r\n");
    desk.ask(client, "SLOWLOG RESET");
    desk.ask_until(client, &format!("VSEARCH i {two} 1"), "*2\r\n$1\r\na\r\n$1\r\n0\r\n");
    let reply = desk.ask(client, "SLOWLOG GET 1");
    assert!(reply.contains("*4\r\n$7\r\nVSEARCH\r\n$1\r\ni\r\n$4\r\n"), "{reply:?}");
    let lines = format!("MULTI\r\nVADD i b {two}\r\nGET x\r\nEXEC");
    desk.ask_until(client, &lines, "*2\r\n:1\r\n$-1\r\n");
    let stats = &info(&mut desk, client, "commandstats")["Commandstats"];
    for (name, calls) in [("vnew", 1), ("vadd", 2), ("vsearch", 1), ("get", 1), ("exec", 1)] {
        assert!(
            stats[&format!("cmdstat_{name}")].starts_with(&format!("calls={calls},")),
            "{name}: {stats:?}"
        );
    }
}

#[test]
fn latency_is_watched_when_asked_to() {
    let (mut desk, client) = desk();
    assert!(unbulk(&desk.ask(client, "LATENCY DOCTOR")).contains("latency-monitor-threshold"));
    conversation(
        &mut desk,
        client,
        &[
            ("LATENCY LATEST", "*0\r\n"),
            ("LATENCY HISTORY command", "*0\r\n"),
            ("LATENCY RESET", ":0\r\n"),
            (
                "LATENCY HISTOGRAM latency",
                "*2\r\n$7\r\nlatency\r\n*4\r\n$5\r\ncalls\r\n:4\r\n$14\r\nhistogram_usec\r\n*2\r\n:1\r\n:4\r\n",
            ),
            ("LATENCY HISTOGRAM get", "*0\r\n"),
            ("LATENCY WHAT", "-ERR unknown subcommand 'WHAT'. Try LATENCY HELP.\r\n"),
        ],
    );
}

#[test]
fn memory_is_told_in_numbers_and_words() {
    let (mut desk, client) = desk();
    desk.ask(client, "SET a 1");
    assert!(desk.ask(client, "MEMORY USAGE a").starts_with(':'));
    conversation(&mut desk, client, &[("MEMORY USAGE b", "$-1\r\n"), ("MEMORY PURGE", "+OK\r\n")]);
    let stats = desk.ask(client, "MEMORY STATS");
    assert!(stats.starts_with("*18\r\n") && stats.contains("$10\r\nkeys.count\r\n:1\r\n"), "{stats:?}");
    assert_eq!(unbulk(&desk.ask(client, "MEMORY DOCTOR")), "Nothing stands out.\n");
}
