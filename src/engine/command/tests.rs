//! Commands against the engine, reply by reply.
//!
//! `replies.txt` was recorded from Redis 7.0: a line is a command, ` => `, and the reply with `|` for each line end.
//! Where engram means to differ, the tests below say so.

use std::sync::Arc;

use super::super::tests::SetClock;
use super::*;
use crate::base::sync::AtomicU64;
use crate::engine::Outcome;
use crate::resp::{OwnedArgs, Protocol, client};

/// An engine that keeps nothing, and its clock.
fn engine() -> (Engine, Arc<SetClock>) {
    let clock = Arc::new(SetClock(AtomicU64::new(1_700_000_000_000)));
    (Engine::at(Arc::clone(&clock)), clock)
}

/// Runs one command as the dispatcher does and returns its reply.
fn run_words(protocol: Protocol, engine: &mut Engine, words: &[&[u8]]) -> Vec<u8> {
    let owned = OwnedArgs::from_words(words.iter().copied());
    let mut out = Vec::new();
    let command = lookup(words[0]).unwrap();
    if !command.takes(words.len()) {
        return format!("-{}\r\n", wrong_arity(command.name).0).into_bytes();
    }
    let mut call = Call::new(owned.args(), protocol, &mut out);
    let handler = match command.handler {
        Handler::Engine(handler) => handler,
        Handler::Server(ServerCommand::Memory) => memory_usage,
        Handler::Server(ServerCommand::Command) => super::command,
        Handler::Server(other) => panic!("{other:?} is the server's"),
    };
    assert!(matches!(engine.execute(handler, &mut call), Outcome::Done));
    out
}

/// Runs a line and returns the reply, `|` for each line end.
fn run_in(protocol: Protocol, engine: &mut Engine, line: &str) -> String {
    let reply = run_words(protocol, engine, &words(line));
    String::from_utf8_lossy(&reply).replace("\r\n", "|").replace('\0', "\\x00")
}

fn run(engine: &mut Engine, line: &str) -> String {
    run_in(Protocol::Resp2, engine, line)
}

/// Runs a line and returns the reply as a value.
fn value(engine: &mut Engine, line: &str) -> client::Value {
    let reply = run_words(Protocol::Resp3, engine, &words(line));
    let (value, used) = client::parse_reply(&reply).unwrap().unwrap();
    assert_eq!(used, reply.len(), "one reply to {line}");
    value
}

/// Splits at spaces, but not within single quotes.
fn words(line: &str) -> Vec<&[u8]> {
    let mut quoted = false;
    let split = line.split(|c| {
        quoted ^= c == '\'';
        c == ' ' && !quoted
    });
    split.map(|word| word.trim_matches('\'').as_bytes()).collect()
}

#[test]
fn every_reply_is_the_one_that_redis_gave() {
    let mut engine = Engine::in_memory();
    let lines = include_str!("replies.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in lines {
        let (command, expected) = line.split_once(" => ").unwrap();
        let reply = run(&mut engine, command);
        if reply != expected {
            wrong.push(format!("{command}\n   redis {expected}\n  engram {reply}"));
        }
        count += 1;
        assert_eq!(engine.keyspace().validate(), Ok(()), "after {command}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 250, "{count} commands");
}

/// The words in a reply, sorted and joined by commas; `-` for none.
fn joined(value: &client::Value) -> String {
    let client::Value::Set(words) = value else { panic!("{value:?} is no set") };
    let mut words: Vec<String> = words.iter().map(shown).collect();
    words.sort();
    if words.is_empty() { "-".to_owned() } else { words.join(",") }
}

fn shown(value: &client::Value) -> String {
    match value {
        client::Value::Simple(text) | client::Value::Bulk(text) => String::from_utf8_lossy(text).into_owned(),
        client::Value::Integer(n) => n.to_string(),
        other => joined(other),
    }
}

#[test]
fn the_table_agrees_with_redis_on_arity_flags_keys_and_categories() {
    let mut engine = Engine::in_memory();
    let sorted = |words: &str| {
        let mut words: Vec<&str> = words.split(',').collect();
        words.sort_unstable();
        words.join(",")
    };
    let mut wrong = Vec::new();
    for line in include_str!("rows.txt").lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<String> = line.split(' ').map(sorted).collect();
        let client::Value::Array(rows) = value(&mut engine, &format!("COMMAND INFO {}", fields[0])) else {
            panic!("COMMAND INFO is an array")
        };
        let row: Vec<String> = match &rows[..] {
            [client::Value::Array(row)] => row.iter().take(7).map(shown).collect(),
            _ => vec![],
        };
        if row != fields {
            wrong.push(format!("{}\n  {}", fields.join(" "), row.join(" ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_row_is_found_by_its_name_and_its_words_fit_its_arity() {
    for (i, command) in all().enumerate() {
        assert_eq!(number(command), i, "{}", command.name);
        let found = lookup(command.name.to_ascii_uppercase().as_bytes()).unwrap();
        assert!(std::ptr::eq(found, command), "{} is there twice", command.name);
        assert!(command.summary.ends_with('.') && !command.since.is_empty(), "{}", command.name);
        let subs = command.subcommands.iter().map(|sub| (sub.name, sub.arity, sub.syntax, 2));
        let rows = std::iter::once((command.name, command.arity, command.syntax, 1)).chain(subs);
        for (name, arity, text, names) in rows.filter(|row| row.3 == 2 || command.subcommands.is_empty()) {
            let args = syntax::parse(text);
            let least: usize =
                args.iter().filter(|arg| !arg.optional).map(|arg| arg.parts.len().max(1)).sum();
            let open = args.iter().any(|arg| arg.optional || arg.multiple);
            let known_to_differ = matches!(name, "kill" | "reply" | "setinfo" | "no-evict" | "no-touch")
                || matches!(name, "tracking" | "unblock" | "quit" | "getkeys" | "getkeysandflags");
            let expected = if open { -((least + names) as i32) } else { (least + names) as i32 };
            assert!(known_to_differ || arity == expected, "{name}: {arity} words, but {text}");
        }
    }
    for unknown in ["", "ge", "gett", "\0get", &"x".repeat(100)] {
        assert!(lookup(unknown.as_bytes()).is_none(), "{unknown:?}");
    }
}

#[test]
fn keys_go_when_their_time_has_come_and_not_before() {
    let (mut engine, clock) = engine();
    run(&mut engine, "SET k v PX 100");
    run(&mut engine, "SET other v");
    clock.0.store(1_700_000_000_099);
    assert_eq!(run(&mut engine, "PTTL k"), ":1|");
    assert_eq!(run(&mut engine, "GET k"), "$1|v|");
    clock.0.store(1_700_000_000_100);
    assert_eq!(run(&mut engine, "SCAN 0"), "*2|$1|0|*1|$5|other|", "not shown, though it is still there");
    assert_eq!(run(&mut engine, "DBSIZE"), ":2|");
    assert_eq!(run(&mut engine, "GET k"), "$-1|");
    assert_eq!(run(&mut engine, "DBSIZE"), ":1|", "the read has deleted it");
    clock.0.store(0);
    assert_eq!(run(&mut engine, "EXISTS k"), ":0|", "a clock that jumps back wakes nothing");
}

#[test]
fn commands_see_a_key_whose_time_has_come_as_gone() {
    let (mut engine, clock) = engine();
    let writes = ["SETNX k 2", "MSETNX k 2 m 3", "INCR k", "APPEND k x", "RENAMENX other k", "COPY other k"];
    for write in writes {
        clock.0.store(1_700_000_000_000);
        run(&mut engine, "FLUSHALL");
        run(&mut engine, "SET k 41 PX 1");
        run(&mut engine, "SET other v");
        clock.0.store(1_700_000_000_001);
        assert_eq!(run(&mut engine, write), ":1|", "{write}");
        assert_eq!(run(&mut engine, "TTL k"), ":-1|", "{write} has made a new key");
    }
    for (read, reply) in
        [("SET k v XX", "$-1|"), ("GETSET k v", "$-1|"), ("EXPIRE k 5", ":0|"), ("DEL k", ":0|")]
    {
        clock.0.store(1_700_000_000_000);
        run(&mut engine, "SET k 41 PX 1");
        clock.0.store(1_700_000_000_001);
        assert_eq!(run(&mut engine, read), reply, "{read}");
    }
}

#[test]
fn a_vector_set_is_no_string_but_a_key_like_any_other() {
    let mut engine = Engine::in_memory();
    assert_eq!(run(&mut engine, "VNEW v 3"), "+OK|");
    let wrong = format!("-{}|", Refusal::WRONG_TYPE.0);
    let strings = [
        "GET v",
        "STRLEN v",
        "GETRANGE v 0 1",
        "GETDEL v",
        "GETEX v",
        "GETSET v x",
        "SET v x GET",
        "APPEND v x",
        "SETRANGE v 0 x",
        "INCR v",
        "DECRBY v 2",
        "INCRBYFLOAT v 1",
    ];
    for command in strings {
        assert_eq!(run(&mut engine, command), wrong, "{command}");
    }
    let others = [
        ("TYPE v", "+vectorset|"),
        ("MGET v", "*1|$-1|"),
        ("OBJECT ENCODING v", "$3|raw|"),
        ("COPY v w", "-ERR not supported for this module key|"),
        ("SCAN 0 TYPE vectorset", "*2|$1|0|*1|$1|v|"),
        ("EXPIRE v 100", ":1|"),
        ("TTL v", ":100|"),
        ("RENAME v w", "+OK|"),
        ("EXISTS v w", ":1|"),
        ("SETNX w x", ":0|"),
        ("SET w x", "+OK|"),
        ("TYPE w", "+string|"),
    ];
    for (command, reply) in others {
        assert_eq!(run(&mut engine, command), reply, "{command}");
    }
    assert_eq!(engine.keyspace().validate(), Ok(()));
}

#[test]
fn memory_usage_counts_key_value_and_expiry() {
    let mut engine = Engine::in_memory();
    let mut usage = |commands: &[&str]| {
        for command in commands {
            run(&mut engine, command);
        }
        let reply = run(&mut engine, "MEMORY USAGE k");
        reply.trim_matches([':', '|']).parse::<usize>().unwrap()
    };
    let small = usage(&["SET k v"]);
    assert!((64..256).contains(&small), "{small}");
    assert_eq!(usage(&[&format!("SET k {}", "x".repeat(10_001))]), small + 10_000);
    assert!(usage(&["SET k v EX 10"]) > small);
}

#[test]
fn replies_have_their_own_shapes_in_resp3() {
    let mut engine = Engine::in_memory();
    assert_eq!(run_in(Protocol::Resp3, &mut engine, "GET nothing"), "_|");
    assert_eq!(run_in(Protocol::Resp3, &mut engine, "SET k v XX"), "_|");
    assert_eq!(run_in(Protocol::Resp3, &mut engine, "MGET k"), "*1|_|");
    assert_eq!(run_in(Protocol::Resp3, &mut engine, "RANDOMKEY"), "_|");
    let info = run_in(Protocol::Resp3, &mut engine, "COMMAND INFO rename nothing");
    let spec = |flags: &str, place: u8| {
        format!(
            "%3|$5|flags|{flags}$12|begin_search|%2|$4|type|$5|index|$4|spec|%1|$5|index|:{place}|$9|find_keys|%2|$4|\
             type|$5|range|$4|spec|%3|$7|lastkey|:0|$7|keystep|:1|$5|limit|:0|"
        )
    };
    let specs = [spec("~3|+RW|+access|+delete|", 1), spec("~2|+OW|+update|", 2)].concat();
    let row = format!("*10|$6|rename|:3|~1|+write|:1|:2|:1|~3|+@keyspace|+@write|+@slow|~0|~2|{specs}~0|");
    assert_eq!(info, format!("*2|{row}_|"));
}

#[test]
fn command_docs_tell_the_words_of_a_command() {
    let mut engine = Engine::in_memory();
    let docs = run_in(Protocol::Resp3, &mut engine, "COMMAND DOCS strlen nothing");
    let arguments = "%3|$4|name|$3|key|$4|type|$3|key|$14|key_spec_index|:0|";
    let head =
        "%1|$6|strlen|%4|$7|summary|$27|Tells how long a string is.|$5|since|$5|2.2.0|$5|group|$6|string|";
    assert_eq!(docs, format!("{head}$9|arguments|*1|{arguments}"));
    let client::Value::Map(all_docs) = value(&mut engine, "COMMAND DOCS") else { panic!("a map") };
    assert_eq!(all_docs.len(), all().count());
    for command in all() {
        let reply = run_words(Protocol::Resp2, &mut engine, &[b"COMMAND", b"DOCS", command.name.as_bytes()]);
        let (_, used) = client::parse_reply(&reply).unwrap().unwrap();
        assert_eq!(used, reply.len(), "the docs of {} are one reply", command.name);
    }
}

#[test]
fn command_tells_keys_and_lists() {
    let mut engine = Engine::in_memory();
    let table = [
        ("COMMAND GETKEYS SET k v", "*1|$1|k|"),
        ("COMMAND GETKEYS MSET a 1 b 2", "*2|$1|a|$1|b|"),
        ("COMMAND GETKEYS DEL a b c", "*3|$1|a|$1|b|$1|c|"),
        ("COMMAND GETKEYS OBJECT ENCODING k", "*1|$1|k|"),
        ("COMMAND GETKEYS VSEARCH i q 3", "*1|$1|i|"),
        ("COMMAND GETKEYS PING", "-ERR The command has no key arguments|"),
        ("COMMAND GETKEYS nope x", "-ERR Invalid command specified|"),
        ("COMMAND GETKEYS GET a b", "-ERR Invalid number of arguments specified for command|"),
        ("COMMAND GETKEYS", "-ERR wrong number of arguments for 'command|getkeys' command|"),
        ("COMMAND GETKEYSANDFLAGS GET k", "*1|*2|$1|k|*2|+RO|+access|"),
        ("COMMAND GETKEYSANDFLAGS RENAME a b", "*2|*2|$1|a|*3|+RW|+access|+delete|*2|$1|b|*2|+OW|+update|"),
        ("COMMAND LIST FILTERBY PATTERN MSE*", "*2|$4|mset|$6|msetnx|"),
        ("COMMAND LIST FILTERBY ACLCAT transaction", "*5|$7|discard|$4|exec|$5|multi|$7|unwatch|$5|watch|"),
        ("COMMAND LIST FILTERBY MODULE x", "*0|"),
        ("COMMAND LIST FILTERBY x y", "-ERR syntax error|"),
        ("COMMAND LIST x y z", "-ERR syntax error|"),
        ("COMMAND BOGUS", "-ERR unknown subcommand 'BOGUS'. Try COMMAND HELP.|"),
        ("COMMAND COUNT x", "-ERR wrong number of arguments for 'command|count' command|"),
    ];
    for (command, reply) in table {
        assert_eq!(run(&mut engine, command), reply, "{command}");
    }
    let count = all().count();
    assert_eq!(run(&mut engine, "COMMAND COUNT"), format!(":{count}|"));
    let client::Value::Array(rows) = value(&mut engine, "COMMAND") else { panic!("an array") };
    assert_eq!(rows.len(), count);
    assert!(
        run(&mut engine, "OBJECT HELP")
            .starts_with("*11|+OBJECT <subcommand> [<arg> [value] [opt] ...]. Sub")
    );
}
