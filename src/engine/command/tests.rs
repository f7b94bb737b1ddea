//! Commands against the engine, reply by reply.
//!
//! `replies.txt` was recorded from Redis 7.0: a line is a command, ` => `, and the reply with `|` for each line end.
//! Where engram means to differ, the tests below say so.

use super::*;
use crate::base::hash::FixedSet;
use crate::engine::Outcome;
use crate::resp::{OwnedArgs, Protocol};

/// Runs one command as the dispatcher does and returns its reply, `|` for each line end.
fn run_in(protocol: Protocol, engine: &mut Engine, words: &[&[u8]]) -> String {
    let owned = OwnedArgs::from_words(words.iter().copied());
    let mut out = Vec::new();
    let command = lookup(words[0]).unwrap();
    if !command.takes(words.len()) {
        return format!("-{}|", wrong_arity(command.name).0);
    }
    let mut call = Call::new(owned.args(), protocol, &mut out);
    let handler = match command.handler {
        Handler::Engine(handler) => handler,
        Handler::Server(ServerCommand::Memory) => memory_usage,
        Handler::Server(ServerCommand::Command) => super::command,
        Handler::Server(other) => panic!("{other:?} is the server's"),
    };
    assert!(matches!(engine.execute(handler, &mut call), Outcome::Done));
    String::from_utf8_lossy(&out).replace("\r\n", "|").replace('\0', "\\x00")
}

fn run(engine: &mut Engine, line: &str) -> String {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    run_in(Protocol::Resp2, engine, &words)
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
    let mut engine = Engine::stub();
    let lines = include_str!("replies.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in lines {
        let (command, expected) = line.split_once(" => ").unwrap();
        let reply = run_in(Protocol::Resp2, &mut engine, &words(command));
        if reply != expected {
            wrong.push(format!("{command}\n   redis {expected}\n  engram {reply}"));
        }
        count += 1;
        assert_eq!(engine.keyspace().validate(), Ok(()), "after {command}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 250, "{count} commands");
}
