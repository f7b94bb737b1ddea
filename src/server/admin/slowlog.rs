//! SLOWLOG: the commands that took long.
//!
//! Guarantees: at most `slowlog-max-len` entries, each of at most 32 words of 128 bytes, as Redis cuts them; no
//! password enters it. The time of a search is the time until its answer was there.

use std::collections::VecDeque;
use std::time::Duration;

use super::sub::Runners;
use super::{Answer, Ran, Request};
use crate::base::time::Wall;
use crate::engine::Refusal;
use crate::resp::{Args, eq_ignore_case, parse_i64};
use crate::server::connection::Connection;

/// Words kept of a command; the last one tells of those left out.
const WORDS: usize = 32;
/// Bytes kept of a word.
const BYTES: usize = 128;

/// One slow command.
#[derive(Debug)]
pub(super) struct Entry {
    id: i64,
    at: Wall,
    took: Duration,
    words: Vec<Vec<u8>>,
    peer: String,
    name: Vec<u8>,
}

impl Entry {
    /// A command of `connection`, its words as [`cut`] leaves them, that took this long and has just ended.
    pub(super) fn new(at: Wall, took: Duration, words: Vec<Vec<u8>>, connection: &Connection) -> Self {
        let (peer, name) = (connection.peer.clone(), connection.session.name.clone());
        Self { id: 0, at, took, words, peer, name }
    }
}

/// The words as they are kept.
pub(super) fn cut(args: Args<'_>) -> Vec<Vec<u8>> {
    let kept = if args.len() > WORDS { WORDS - 1 } else { args.len() };
    let hidden = secrets(args);
    let mut words: Vec<Vec<u8>> = Vec::with_capacity(kept + 1);
    for (i, word) in args.iter().take(kept).enumerate() {
        words.push(if i >= hidden { b"(redacted)".to_vec() } else { shorten(word) });
    }
    if kept < args.len() {
        words.push(format!("... ({} more arguments)", args.len() - kept).into_bytes());
    }
    words
}

fn shorten(word: &[u8]) -> Vec<u8> {
    match word.get(..BYTES) {
        Some(head) if word.len() > BYTES => {
            let mut head = head.to_vec();
            head.extend_from_slice(format!("... ({} more bytes)", word.len() - BYTES).as_bytes());
            head
        }
        _ => word.to_vec(),
    }
}

/// The number of the first word from which on there may be passwords.
fn secrets(args: Args<'_>) -> usize {
    let is = |i: usize, text: &[u8]| args.get(i).is_some_and(|word| eq_ignore_case(word, text));
    if is(0, b"auth") {
        1
    } else if is(0, b"hello") || (is(0, b"config") && is(1, b"set")) {
        2
    } else {
        usize::MAX
    }
}

/// The entries, oldest first.
#[derive(Debug, Default)]
pub(super) struct Slowlog {
    entries: VecDeque<Entry>,
    next: i64,
}

impl Slowlog {
    /// Adds an entry and keeps the last `most`.
    pub(super) fn push(&mut self, entry: Entry, most: usize) {
        self.entries.push_back(Entry { id: self.next, ..entry });
        self.next += 1;
        self.keep(most);
    }

    /// Forgets all but the last `most`.
    pub(super) fn keep(&mut self, most: usize) {
        let gone = self.entries.len().saturating_sub(most);
        self.entries.drain(..gone);
    }
}

/// What runs its subcommands.
pub(super) static RUNNERS: &Runners = &[("get", get), ("len", len), ("reset", reset)];

fn get(r: &mut Request<'_>) -> Answer {
    let count = match (r.args.len(), r.args.get(2).map(parse_i64)) {
        (2, _) => 10,
        (3, Some(Some(-1))) => usize::MAX,
        (3, Some(Some(n))) if n >= 0 => usize::try_from(n).unwrap_or(usize::MAX),
        (3, _) => return Err(Refusal::err("count should be greater than or equal to -1")),
        _ => return Err(Request::wrong_arity("slowlog|get")),
    };
    let entries = &r.server.ledger.slowlog.entries;
    let mut reply = crate::resp::Reply::new(r.out, r.connection.session.protocol);
    reply.array(entries.len().min(count));
    for entry in entries.iter().rev().take(count) {
        reply.array(6);
        reply.integer(entry.id);
        reply.integer((entry.at.0 / 1_000_000) as i64);
        reply.integer(i64::try_from(entry.took.as_micros()).unwrap_or(i64::MAX));
        reply.array(entry.words.len());
        entry.words.iter().for_each(|word| reply.bulk(word));
        reply.bulk(&entry.peer);
        reply.bulk(&entry.name);
    }
    Ok(Ran::DONE)
}

fn len(r: &mut Request<'_>) -> Answer {
    let entries = r.server.ledger.slowlog.entries.len();
    r.integer(entries as i64)
}

fn reset(r: &mut Request<'_>) -> Answer {
    r.server.ledger.slowlog.keep(0);
    r.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Mono;
    use crate::env::ConnId;
    use crate::resp::OwnedArgs;

    fn words(words: &[&[u8]]) -> OwnedArgs {
        OwnedArgs::from_words(words.iter().copied())
    }

    #[test]
    fn no_more_entries_are_kept_than_asked_for_and_numbers_go_on() {
        let connection = Connection::new(ConnId(1), "127.0.0.1:9".to_owned(), Wall(0), Mono(0), true);
        let (mut log, ping) = (Slowlog::default(), words(&[b"PING"]));
        for _ in 0..1_000 {
            log.push(Entry::new(Wall(5), Duration::ZERO, cut(ping.args()), &connection), 7);
        }
        assert_eq!(log.entries.iter().map(|e| e.id).collect::<Vec<_>>(), (993..1_000).collect::<Vec<_>>());
        log.keep(2);
        assert_eq!((log.entries.len(), log.entries.front().map(|e| e.id)), (2, Some(998)));
        log.push(Entry::new(Wall(5), Duration::ZERO, cut(ping.args()), &connection), 0);
        assert!(log.entries.is_empty());
    }

    #[test]
    fn entries_keep_thirty_two_words_of_a_hundred_and_twenty_eight_bytes() {
        let long = [b'x'; 200];
        let many: Vec<&[u8]> = vec![&long; 40];
        let kept = cut(words(&many).args());
        assert_eq!((kept.len(), kept.last().unwrap().as_slice()), (32, &b"... (9 more arguments)"[..]));
        let shown = [&long[..128], b"... (72 more bytes)"].concat();
        assert!(kept.iter().take(31).all(|word| *word == shown));
        let exact: Vec<&[u8]> = vec![&long[..128]; 32];
        assert_eq!(cut(words(&exact).args()), exact);
    }

    #[test]
    fn passwords_are_not_kept() {
        let redacted = b"(redacted)";
        assert_eq!(cut(words(&[b"auth", b"u", b"p"]).args()), [&b"auth"[..], redacted, redacted]);
        let hello: [&[u8]; 5] = [b"HELLO", b"3", b"AUTH", b"u", b"p"];
        assert_eq!(cut(words(&hello).args()), [&b"HELLO"[..], b"3", redacted, redacted, redacted]);
        let config: [&[u8]; 4] = [b"config", b"SET", b"requirepass", b"p"];
        assert_eq!(cut(words(&config).args()), [&b"config"[..], b"SET", redacted, redacted]);
    }
}
