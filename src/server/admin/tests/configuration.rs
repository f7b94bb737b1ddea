//! CONFIG.

use super::{Desk, conversation, desk};
use crate::server::Options;

fn array(words: &[&str]) -> String {
    let parts: Vec<String> = words.iter().map(|word| super::bulk(word)).collect();
    format!("*{}\r\n{}", words.len(), parts.concat())
}

#[test]
fn what_benchmarks_and_libraries_ask_first_is_answered() {
    let (mut desk, client) = desk();
    let mut get = |words: &str, expected: &[&str]| {
        assert_eq!(desk.ask(client, &format!("CONFIG GET {words}")), array(expected), "{words}");
    };
    get("save", &["save", ""]);
    get("appendonly", &["appendonly", "no"]);
    get("PORT", &["port", "6380"]);
    get("nosuch", &[]);
    get("*fsync", &["fsync", "always", "appendfsync", "always"]);
    get("port p?rt bind", &["bind", "127.0.0.1", "port", "6380"]);
    get("maxmemory*", &["maxmemory", "0", "maxmemory-policy", "noeviction"]);
    get("databases", &["databases", "1"]);
    let all = desk.ask(client, "CONFIG GET *");
    // A build for crash tests has two settings more.
    let words = if cfg!(feature = "lossy") { 70 } else { 66 };
    assert!(all.starts_with(&format!("*{words}\r\n")), "{}", all.lines().next().unwrap());
    assert!(desk.ask(client, "HELLO 3\r\nCONFIG GET save").ends_with("%1\r\n$4\r\nsave\r\n$0\r\n\r\n"));
}

#[test]
fn settings_change_all_or_none() {
    let (mut desk, client) = desk();
    let failed = |what: &str, why: &str| {
        format!("-ERR CONFIG SET failed (possibly related to argument '{what}') - {why}\r\n")
    };
    let fixed = "can't set immutable config";
    conversation(
        &mut desk,
        client,
        &[
            ("CONFIG SET maxmemory 1mb timeout 5", "+OK\r\n"),
            (
                "CONFIG SET timeout 6 maxmemory lots",
                &failed(
                    "maxmemory",
                    "argument must be a memory value (k, kb, m, mb, g or gb behind the number) from 0 to 9223372036854775807",
                ),
            ),
            ("CONFIG GET timeout", &array(&["timeout", "5"])),
            ("CONFIG GET maxmemory", &array(&["maxmemory", "1048576"])),
            ("CONFIG SET x 1", "-ERR Unknown option or number of arguments for CONFIG SET - 'x'\r\n"),
            ("CONFIG SET port 1", &failed("port", fixed)),
            ("CONFIG SET save \"\"", &failed("save", fixed)),
            ("CONFIG SET timeout 1 TIMEOUT 2", &failed("TIMEOUT", "duplicate parameter")),
            ("CONFIG SET fsync no appendfsync always", &failed("appendfsync", "duplicate parameter")),
            ("CONFIG SET timeout \"\\xff\"", &failed("timeout", "argument must be UTF-8 text")),
            ("CONFIG SET timeout", "-ERR wrong number of arguments for 'config|set' command\r\n"),
            ("CONFIG SET timeout 1 port", "-ERR syntax error\r\n"),
            ("CONFIG SET appendfsync everysec", "+OK\r\n"),
            ("CONFIG GET fsync", &array(&["fsync", "everysec"])),
            (
                "CONFIG REWRITE",
                "-ERR this server does not rewrite its config file: change the file itself\r\n",
            ),
        ],
    );
}

#[test]
fn a_password_set_at_run_time_locks_new_clients_only() {
    let (mut desk, old) = desk();
    assert_eq!(desk.ask(old, "CONFIG SET requirepass secret"), "+OK\r\n");
    let new = desk.connect();
    assert_eq!(desk.ask(old, "PING"), "+PONG\r\n");
    assert_eq!(desk.ask(new, "PING"), "-NOAUTH Authentication required.\r\n");
    assert_eq!(desk.ask(new, "AUTH secret\r\nPING"), "+OK\r\n+PONG\r\n");
}

#[test]
fn writes_that_need_memory_are_refused_above_maxmemory() {
    let mut desk = Desk::new(Options { maxmemory: 1, ..Options::default() });
    let client = desk.connect();
    conversation(
        &mut desk,
        client,
        &[
            ("SET a 1", "-OOM command not allowed when used memory > 'maxmemory'.\r\n"),
            ("GET a", "$-1\r\n"),
            ("DEL a", ":0\r\n"),
            ("CONFIG SET maxmemory 0", "+OK\r\n"),
            ("SET a 1", "+OK\r\n"),
        ],
    );
}
