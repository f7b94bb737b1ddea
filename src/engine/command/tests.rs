//! Commands against the engine, reply by reply.
//!
//! `replies.txt` was recorded from Redis 7.0: a line is a command, ` => `, and the reply with `|` for each line end.
//! Where engram means to differ, the tests below say so.

use super::*;
use crate::engine::Outcome;
use crate::resp::{OwnedArgs, Protocol, client};

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
