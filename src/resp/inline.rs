//! Inline commands: one line of words, quoted as in a shell. What a person types into a plain socket.
//!
//! The rules are Redis': words are parted by white space; `"..."` knows `\n \r \t \b \a \xHH` and takes any other
//! escaped byte as itself; `'...'` knows `\'` alone; a closing quote ends its word and must be followed by white
//! space or the end. A NUL is a byte like any other here.

use super::args::Word;
use super::error::ProtocolError;

/// Splits `line` (without its line end): appends the unquoted words to `bytes` and their places there to `words`.
pub(super) fn split(line: &[u8], bytes: &mut Vec<u8>, words: &mut Vec<Word>) -> Result<(), ProtocolError> {
    let mut rest = line;
    loop {
        rest = match rest {
            [] => return Ok(()),
            [b, tail @ ..] if is_space(*b) => tail,
            _ => {
                let start = bytes.len();
                let tail = word(rest, bytes)?;
                words.push(Word::new(start, bytes.len()));
                tail
            }
        };
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 9..=13)
}

/// Takes one word off the front of `rest`; returns what follows it.
fn word<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        rest = match rest {
            [] | [b' ' | b'\t' | b'\r' | b'\n', ..] => return Ok(rest),
            [b'"', tail @ ..] => return double_quoted(tail, out),
            [b'\'', tail @ ..] => return single_quoted(tail, out),
            [byte, tail @ ..] => {
                out.push(*byte);
                tail
            }
        };
    }
}

fn double_quoted<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        let (byte, tail) = match rest {
            [] => return Err(ProtocolError::UnbalancedQuotes),
            [b'"', tail @ ..] => return closed(tail),
            [b'\\', escaped, tail @ ..] => match (escaped, tail) {
                (b'x', [high, low, tail @ ..]) if let (Some(h), Some(l)) = (hex(*high), hex(*low)) => {
                    (h * 16 + l, tail)
                }
                _ => (unescape(*escaped), tail),
            },
            [byte, tail @ ..] => (*byte, tail),
        };
        out.push(byte);
        rest = tail;
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        let (byte, tail) = match rest {
            [] => return Err(ProtocolError::UnbalancedQuotes),
            [b'\'', tail @ ..] => return closed(tail),
            [b'\\', b'\'', tail @ ..] => (b'\'', tail),
            [byte, tail @ ..] => (*byte, tail),
        };
        out.push(byte);
        rest = tail;
    }
}

/// Checks what follows a closing quote.
fn closed(rest: &[u8]) -> Result<&[u8], ProtocolError> {
    match rest {
        [byte, ..] if !is_space(*byte) => Err(ProtocolError::UnbalancedQuotes),
        _ => Ok(rest),
    }
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::super::args::OwnedArgs;
    use super::*;

    fn words(line: &[u8]) -> Result<OwnedArgs, ProtocolError> {
        let (mut bytes, mut words) = (Vec::new(), Vec::new());
        split(line, &mut bytes, &mut words)?;
        Ok(super::super::args::Args::new(&bytes, &words).into())
    }

    #[test]
    fn words_are_split_and_unquoted_as_redis_does() {
        let table: [(&[u8], &[&[u8]]); 14] = [
            (b"", &[]),
            (b" \t\r\x0b ", &[]),
            (b"PING", &[b"PING"]),
            (b"  SET\tk   v  ", &[b"SET", b"k", b"v"]),
            (br#"SET "a b" 'c d'"#, &[b"SET", b"a b", b"c d"]),
            (br#""" '' x"#, &[b"", b"", b"x"]),
            (br#""\n\r\t\b\a\\\"\q""#, &[b"\n\r\t\x08\x07\\\"q"]),
            (br#""\x00\xfF\x4""#, &[b"\x00\xffx4"]),
            (br#""\xg1""#, &[b"xg1"]),
            (br"'\' \n \\ '", &[br"' \n \\ "]),
            (br#"foo"bar baz" x"#, &[b"foobar baz", b"x"]),
            (br"fo'o b'", &[b"foo b"]),
            (br"back\slash \n", &[br"back\slash", br"\n"]),
            (b"nul\0byte \xff\x0bx", &[b"nul\0byte", b"\xff\x0bx"]),
        ];
        for (line, expected) in table {
            let got = words(line).unwrap_or_else(|e| panic!("{:?}: {e}", line.escape_ascii().to_string()));
            assert_eq!(got.args().iter().collect::<Vec<_>>(), expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn unbalanced_quotes_are_refused() {
        let lines: [&[u8]; 9] =
            [b"\"", b"'", b"\"a", b"'a", b"\"a\"b", b"'a'b", b"\"a\"\"b\"", b"\"a\\\"", b"a 'b\\'"];
        for line in lines {
            assert_eq!(words(line), Err(ProtocolError::UnbalancedQuotes), "{}", line.escape_ascii());
        }
    }
}
