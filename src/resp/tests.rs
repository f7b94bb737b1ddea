//! Tests of the parser as a whole: every error's words, every cut, hostile bytes, and the work it does.

use super::client::{MAX_DEPTH, Value, parse_reply, write_command};
use super::*;
use crate::base::limits::{MAX_BULK, MAX_INLINE, MAX_WORDS};
use crate::base::rng::Rng;
use proptest::prelude::*;

type Words = Vec<Vec<u8>>;

const OPEN: ParseLimits = ParseLimits { max_bulk: MAX_BULK, authenticated: true };
const CLOSED: ParseLimits = ParseLimits { max_bulk: MAX_BULK, authenticated: false };

/// A connection's side of the parser: a growing buffer and the commands that came out of it.
#[derive(Default)]
struct Feed {
    parser: Parser,
    buffer: Vec<u8>,
    commands: Vec<Words>,
    error: Option<ProtocolError>,
}

impl Feed {
    fn push(&mut self, bytes: &[u8], limits: &ParseLimits) {
        self.buffer.extend_from_slice(bytes);
        let mut start = 0;
        while self.error.is_none() {
            let input = &self.buffer[start..];
            match self.parser.parse(input, limits) {
                Ok(Progress::NeedMore) => break,
                Ok(Progress::Command) => {
                    self.commands.push(self.parser.args(input).iter().map(<[u8]>::to_vec).collect());
                }
                Ok(Progress::Skip) => assert!(self.parser.args(input).is_empty()),
                Err(e) => {
                    assert_eq!(self.parser.parse(input, limits), Err(e), "an error stays");
                    self.error = Some(e);
                    break;
                }
            }
            start += self.parser.consumed();
            self.parser.reset();
        }
        self.buffer.drain(..start);
    }

    /// Feeds `bytes` cut at the given lengths, the last one repeated.
    fn cut(bytes: &[u8], pieces: &[usize], limits: &ParseLimits) -> Self {
        let mut feed = Self::default();
        let (mut rest, mut turn) = (bytes, 0);
        while !rest.is_empty() {
            let n = pieces[turn.min(pieces.len() - 1)].clamp(1, rest.len());
            feed.push(&rest[..n], limits);
            (rest, turn) = (&rest[n..], turn + 1);
        }
        feed
    }

    fn outcome(self) -> (Vec<Words>, Option<ProtocolError>, Vec<u8>) {
        (self.commands, self.error, if self.error.is_some() { Vec::new() } else { self.buffer })
    }
}

fn encode(words: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut out = Vec::new();
    write_command(&mut out, words);
    out
}

fn words(list: &[&[u8]]) -> Words {
    list.iter().map(|w| w.to_vec()).collect()
}

#[test]
fn every_error_is_in_the_words_of_redis() {
    let long = vec![b'1'; MAX_INLINE + 1];
    let after = |head: &[u8]| [head, &long[..MAX_INLINE + 1 - head.len().min(1)]].concat();
    let bulk_line = [b"*1\r\n$", &long[..MAX_INLINE]].concat();
    let table: [(&[u8], &ParseLimits, &str); 27] = [
        (b"*20000000\r\n", &OPEN, "invalid multibulk length"),
        (b"*1048577\r\n", &OPEN, "invalid multibulk length"),
        (b"*01\r\n", &OPEN, "invalid multibulk length"),
        (b"*+1\r\n", &OPEN, "invalid multibulk length"),
        (b"* 1\r\n", &OPEN, "invalid multibulk length"),
        (b"*1 \r\n", &OPEN, "invalid multibulk length"),
        (b"*\r\n", &OPEN, "invalid multibulk length"),
        (b"*\0\r\n", &OPEN, "invalid multibulk length"),
        (b"*99999999999999999999\r\n", &OPEN, "invalid multibulk length"),
        (b"*1\r\n$-1\r\n", &OPEN, "invalid bulk length"),
        (b"*1\r\n$\r\n", &OPEN, "invalid bulk length"),
        (b"*1\r\n$2000000000\r\n", &OPEN, "invalid bulk length"),
        (b"*1\r\n$9223372036854775807\r\n", &OPEN, "invalid bulk length"),
        (b"*1\r\n$18446744073709551617\r\n", &OPEN, "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", &CLOSED, "invalid bulk length"),
        (b"*1\r\n$03\r\n", &OPEN, "invalid bulk length"),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", &OPEN, "expected '$', got 'f'"),
        (b"*1\r\n\r\n", &OPEN, "expected '$', got ' '"),
        (b"*1\r\n\xff\r\n", &OPEN, "expected '$', got '\\xff'"),
        (&long, &OPEN, "too big inline request"),
        (&after(b"*"), &OPEN, "too big mbulk count string"),
        (&bulk_line, &OPEN, "too big bulk count string"),
        (b"SET k \"v\r\n", &OPEN, "unbalanced quotes in request"),
        (b"*11\r\n", &CLOSED, "unauthenticated multibulk length"),
        (b"*1048577\r\n", &CLOSED, "invalid multibulk length"),
        (b"*2\r\n$4\r\nAUTH\r\n$16385\r\n", &CLOSED, "unauthenticated bulk length"),
        (b"*-1\r\n*10\r\n$16384\r\n\r\n*", &CLOSED, ""),
    ];
    for (bytes, limits, text) in table {
        for piece in [bytes.len(), 1] {
            let got = Feed::cut(bytes, &[piece], limits).error.map(|e| e.to_string());
            let shown = bytes[..bytes.len().min(40)].escape_ascii();
            assert_eq!(got, (!text.is_empty()).then(|| format!("Protocol error: {text}")), "{shown}");
        }
    }
}

#[test]
fn lines_at_the_limit_pass() {
    let mut line = vec![b'a'; MAX_INLINE - 1];
    line.extend_from_slice(b"\r\n");
    let feed = Feed::cut(&line, &[1000], &OPEN);
    assert_eq!((feed.commands.len(), feed.error), (1, None));
    line.insert(0, b'a');
    assert_eq!(Feed::cut(&line, &[line.len()], &OPEN).error, Some(ProtocolError::TooBigInline));
}

#[test]
fn empty_lines_and_empty_arrays_ask_nothing() {
    let input = b"\r\n\n*0\r\n*-1\r\n*-10\r\n   \r\nPING\r\n*1\r\n$4\r\nPING\r\n\r\nECHO 'a b'\n";
    let (commands, error, rest) = Feed::cut(input, &[input.len()], &OPEN).outcome();
    assert_eq!(commands, [words(&[b"PING"]), words(&[b"PING"]), words(&[b"ECHO", b"a b"])]);
    assert_eq!((error, rest), (None, vec![]));
}

#[test]
fn the_two_bytes_behind_a_word_are_not_looked_at() {
    let (commands, error, _) = Feed::cut(b"*2\r\n$3\r\nGETxx$1\r\nk\n\r", &[1], &OPEN).outcome();
    assert_eq!((commands, error), (vec![words(&[b"GET", b"k"])], None));
}

#[test]
fn the_limit_on_words_is_the_one_that_was_set() {
    let limits = ParseLimits { max_bulk: 5, authenticated: true };
    assert_eq!(Feed::cut(&encode(&[b"12345"]), &[3], &limits).commands, [words(&[b"12345"])]);
    assert_eq!(Feed::cut(&encode(&[b"123456"]), &[3], &limits).error, Some(ProtocolError::InvalidBulkLength));
    let wide = ParseLimits { max_bulk: usize::MAX, authenticated: true };
    let beyond = Feed::cut(b"*1\r\n$4294967296\r\n", &[99], &wide);
    assert_eq!(beyond.error, Some(ProtocolError::InvalidBulkLength), "offsets have 32 bits");
}

#[test]
fn announced_lengths_take_no_memory() {
    let mut parser = Parser::new();
    assert_eq!(parser.memory(), 0);
    let input = b"*1048576\r\n$536870912\r\nabc";
    assert_eq!(parser.parse(input, &OPEN), Ok(Progress::NeedMore));
    assert_eq!((parser.memory(), parser.wanted(), parser.consumed()), (0, MAX_BULK + 2 - 3, 0));
}

#[test]
fn wanted_says_what_the_word_lacks() {
    let input = b"*1\r\n$10\r\n0123456789\r\n";
    let mut parser = Parser::new();
    for n in 0..input.len() {
        assert_eq!(parser.parse(&input[..n], &OPEN), Ok(Progress::NeedMore));
        assert_eq!(parser.wanted(), if n < 9 { 0 } else { input.len() - n }, "after {n} bytes");
    }
    assert_eq!(parser.parse(input, &OPEN), Ok(Progress::Command));
    assert_eq!((parser.wanted(), parser.consumed()), (0, input.len()));
}

#[test]
fn a_command_of_a_million_words_in_small_pieces_is_linear_work() {
    let mut list: Words = vec![b"MSET".to_vec()];
    list.extend((1..1_000_000).map(|i: u32| i.to_string().into_bytes()));
    let input = encode(&list);
    for piece in [4096, 61] {
        let mut parser = Parser::new();
        let mut seen = 0;
        while parser.parse(&input[..seen], &OPEN) == Ok(Progress::NeedMore) {
            assert!(seen < input.len());
            seen = (seen + piece).min(input.len());
        }
        assert!(parser.work <= input.len(), "{} bytes searched of {}", parser.work, input.len());
        assert_eq!((parser.args(&input).len(), parser.consumed()), (1_000_000, input.len()));
        assert_eq!(&parser.args(&input)[999_999], b"999999");
        assert!(parser.memory() <= 16 * MAX_WORDS);
        parser.reset();
        assert!(parser.memory() <= 4096, "{} bytes kept", parser.memory());
    }
}

#[test]
fn a_line_without_end_is_searched_once_and_never_beyond_its_limit() {
    let input = vec![b'x'; 1 << 20];
    let mut parser = Parser::new();
    for n in 0..=MAX_INLINE {
        assert_eq!(parser.parse(&input[..n], &OPEN), Ok(Progress::NeedMore));
    }
    assert_eq!(parser.work, MAX_INLINE);
    assert_eq!(parser.parse(&input, &OPEN), Err(ProtocolError::TooBigInline));
    assert_eq!(parser.work, MAX_INLINE + 1);
}

#[test]
fn ordinary_commands_take_no_new_memory() {
    let command = encode(&[&b"SET"[..], b"key", &[7; 3000]]);
    let mut parser = Parser::new();
    let mut once = || {
        assert_eq!(parser.parse(&command, &OPEN), Ok(Progress::Command));
        parser.reset();
        parser.memory()
    };
    let first = once();
    assert!(first > 0 && (0..100).all(|_| once() == first));
}

#[test]
#[should_panic(expected = "reset is missing")]
fn parsing_on_without_a_reset_is_a_broken_invariant() {
    let mut parser = Parser::new();
    assert_eq!(parser.parse(b"PING\r\n", &OPEN), Ok(Progress::Command));
    let _ = parser.parse(b"PING\r\nPING\r\n", &OPEN);
}

#[test]
fn random_bytes_never_panic_and_memory_stays_in_proportion() {
    let seeds: [&[u8]; 4] = [b"*3\r\n$3\r\nSET\r\n", b"*2\r\n$1\r\n", b"$5\r\n\"'\\x", b"%1\r\n,_#:-1\r\n"];
    let mut rng = Rng::new(7);
    for round in 0..20_000 {
        let mut bytes = vec![0; rng.index(200)];
        rng.fill(&mut bytes);
        if round % 2 == 0 {
            let alphabet = seeds[rng.index(4)];
            bytes.iter_mut().for_each(|b| *b = alphabet[usize::from(*b) % alphabet.len()]);
        }
        let input = [seeds[rng.index(4)], &bytes].concat();
        let pieces: Vec<usize> = (0..8).map(|_| 1 + rng.index(40)).collect();
        let limits = if rng.one_in(2) { OPEN } else { CLOSED };
        let feed = Feed::cut(&input, &pieces, &limits);
        assert!(feed.parser.memory() <= 16 * input.len() + 64, "{}", input.escape_ascii());
        assert_eq!(
            feed.outcome(),
            Feed::cut(&input, &[usize::MAX], &limits).outcome(),
            "{}",
            input.escape_ascii()
        );
        let _ = parse_reply(&input);
    }
}

fn any_words() -> impl Strategy<Value = Words> {
    let word = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..20),
        proptest::collection::vec(proptest::sample::select(&b"\r\n$*0123456789"[..]), 0..40),
        proptest::collection::vec(any::<u8>(), 5000..5001),
    ];
    proptest::collection::vec(word, 1..12)
}

/// `word` as a person could type it.
fn quoted(word: &[u8]) -> Vec<u8> {
    let escaped: String = word.iter().map(|b| format!("\\x{b:02x}")).collect();
    format!("\"{escaped}\"").into_bytes()
}

proptest! {
    #[test]
    fn commands_cut_anywhere_parse_to_the_same_words(
        commands in proptest::collection::vec((any_words(), any::<bool>()), 1..6),
        pieces in proptest::collection::vec(1_usize..300, 1..20),
    ) {
        let short = |list: &Words| list.iter().map(Vec::len).sum::<usize>() < 10_000;
        let input: Vec<u8> = commands.iter().flat_map(|(list, inline)| match inline {
            true if short(list) => {
                [list.iter().map(|w| quoted(w)).collect::<Vec<_>>().join(&b' '), b"\r\n".to_vec()].concat()
            }
            _ => encode(list),
        }).collect();
        let (parsed, error, rest) = Feed::cut(&input, &pieces, &OPEN).outcome();
        let sent: Vec<Words> = commands.into_iter().map(|(list, _)| list).collect();
        prop_assert_eq!((parsed, error, rest), (sent, None, vec![]));
    }
}

#[test]
fn every_reply_shape_reads_back() {
    let mut out = Vec::new();
    let mut reply = Reply::new(&mut out, Protocol::Resp3);
    reply.push(12);
    reply.ok();
    reply.error("ERR no");
    reply.integer(-5);
    reply.bulk("b\r\n");
    reply.null();
    reply.boolean(true);
    reply.double(0.5);
    reply.verbatim("text");
    reply.array(1);
    reply.double(f64::INFINITY);
    reply.set(0);
    reply.map(1);
    reply.simple("k");
    reply.array(0);
    reply.raw(b"(-123456789012345678901234567890\r\n");
    let value = Value::Push(vec![
        Value::Simple(b"OK".to_vec()),
        Value::Error(b"ERR no".to_vec()),
        Value::Integer(-5),
        Value::Bulk(b"b\r\n".to_vec()),
        Value::Null,
        Value::Boolean(true),
        Value::Double(0.5),
        Value::Verbatim(*b"txt", b"text".to_vec()),
        Value::Array(vec![Value::Double(f64::INFINITY)]),
        Value::Set(vec![]),
        Value::Map(vec![(Value::Simple(b"k".to_vec()), Value::Array(vec![]))]),
        Value::BigNumber(b"-123456789012345678901234567890".to_vec()),
    ]);
    for n in 0..out.len() {
        assert_eq!(parse_reply(&out[..n]), Ok(None), "{n} bytes");
    }
    let len = out.len();
    out.extend_from_slice(b"+next");
    assert_eq!(parse_reply(&out), Ok(Some((value, len))));
    assert_eq!(parse_reply(b"*-1\r\n$-1\r\n"), Ok(Some((Value::NullArray, 5))));
    assert_eq!(parse_reply(b"$-1\r\n"), Ok(Some((Value::Null, 5))));
    assert_eq!(parse_reply(b"!5\r\nERR x\r\n"), Ok(Some((Value::Error(b"ERR x".to_vec()), 11))));
}

#[test]
fn replies_that_are_not_the_protocol_are_refused() {
    let deep = b"*1\r\n".repeat(MAX_DEPTH + 1);
    let long = vec![b'+'; MAX_INLINE + 2];
    let table: [(&[u8], &str); 13] = [
        (b"\r\n", "an empty line"),
        (b"?1\r\n", "an unknown type"),
        (b"+OK\n", "CRLF"),
        (b"$1\r\nabc", "CRLF"),
        (b":1.5\r\n", "not an integer"),
        (b",x\r\n", "not a double"),
        (b"#x\r\n", "unknown type"),
        (b"$-2\r\n", "not a length"),
        (b"*9999999999\r\n", "not a length"),
        (b"=3\r\ntxt\r\n", "format"),
        (b"(12x\r\n", "big number"),
        (&deep, "too deep"),
        (&long, "without end"),
    ];
    for (bytes, what) in table {
        let error = parse_reply(bytes).unwrap_err();
        assert!(error.contains(what), "{error:?} does not say {what:?}");
    }
    assert_eq!(parse_reply(&deep[..4 * MAX_DEPTH]), Ok(None));
    assert_eq!(parse_reply(b"*536870912\r\n:1\r\n"), Ok(None), "an announced length takes no memory");
}
