//! The other end of the wire: commands written and replies read, for tests, tools and simulated clients.
//!
//! Guarantees: foreign bytes never panic, nest at most [`MAX_DEPTH`] deep, and take memory in proportion to the bytes
//! that are there, not to the lengths they announce. It reads a reply from its first byte on each call, so it is not
//! for pulling very large replies through small pieces.

use super::number::{parse_f64, parse_i64, text_i64};
use crate::base::limits;

/// Deepest nesting of a reply; deeper ones are an error.
pub const MAX_DEPTH: usize = 32;
/// Longest line: a status, an error or a number.
const MAX_LINE: usize = limits::MAX_INLINE;

/// One reply, in either protocol version.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `+`: a status.
    Simple(Vec<u8>),
    /// `-` or `!`: an error, its code first.
    Error(Vec<u8>),
    /// `:`: an integer.
    Integer(i64),
    /// `$`: a byte string.
    Bulk(Vec<u8>),
    /// `$-1` or `_`: nothing.
    Null,
    /// `*-1`: nothing, where an array would be.
    NullArray,
    /// `#`: true or false.
    Boolean(bool),
    /// `,`: a double.
    Double(f64),
    /// `(`: the digits of an integer of any size.
    BigNumber(Vec<u8>),
    /// `=`: text, behind the three letters of its format.
    Verbatim([u8; 3], Vec<u8>),
    /// `*`: elements.
    Array(Vec<Value>),
    /// `~`: elements without order.
    Set(Vec<Value>),
    /// `>`: a message that answers no command.
    Push(Vec<Value>),
    /// `%`: pairs.
    Map(Vec<(Value, Value)>),
}

/// Appends a command made of `words` to `out`.
pub fn write_command<W: AsRef<[u8]>>(out: &mut Vec<u8>, words: &[W]) {
    let mut head = |kind: u8, n: usize, bytes: &[u8]| {
        out.push(kind);
        out.extend_from_slice(text_i64(n as i64).as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(bytes);
        out.extend_from_slice(if kind == b'$' { b"\r\n" } else { b"" });
    };
    head(b'*', words.len(), b"");
    for word in words {
        head(b'$', word.as_ref().len(), word.as_ref());
    }
}

/// Reads the reply at the front of `input`: the value and the bytes it took, `None` while its end has not come.
/// An error says what is not the protocol.
pub fn parse_reply(input: &[u8]) -> Result<Option<(Value, usize)>, String> {
    let mut reader = Replies { rest: input };
    match reader.value(0) {
        Ok(value) => Ok(Some((value, input.len() - reader.rest.len()))),
        Err(Stop::More) => Ok(None),
        Err(Stop::Bad(what)) => Err(what),
    }
}

/// Why a value could not be read.
enum Stop {
    More,
    Bad(String),
}

fn bad<T>(what: &str, line: &[u8]) -> Result<T, Stop> {
    Err(Stop::Bad(format!("{what}: {}", line[..line.len().min(64)].escape_ascii())))
}

struct Replies<'a> {
    rest: &'a [u8],
}

impl<'a> Replies<'a> {
    fn line(&mut self) -> Result<&'a [u8], Stop> {
        let window = &self.rest[..self.rest.len().min(MAX_LINE + 2)];
        let Some(end) = window.iter().position(|b| *b == b'\n') else {
            return if window.len() > MAX_LINE { bad("a line without end", window) } else { Err(Stop::More) };
        };
        let Some(line) = window[..end].strip_suffix(b"\r") else {
            return bad("a line that does not end in CRLF", &window[..end]);
        };
        self.rest = &self.rest[end + 1..];
        Ok(line)
    }

    /// `n` bytes and their line end.
    fn bytes(&mut self, n: usize) -> Result<&'a [u8], Stop> {
        let (bytes, rest) = self.rest.split_at_checked(n).ok_or(Stop::More)?;
        let (end, rest) = rest.split_at_checked(2).ok_or(Stop::More)?;
        if end != b"\r\n" {
            return bad("a string that does not end in CRLF", end);
        }
        self.rest = rest;
        Ok(bytes)
    }

    fn value(&mut self, depth: usize) -> Result<Value, Stop> {
        let line = self.line()?;
        let Some((kind, text)) = line.split_first() else { return bad("an empty line", line) };
        Ok(match kind {
            b'+' => Value::Simple(text.to_vec()),
            b'-' => Value::Error(text.to_vec()),
            b':' => match parse_i64(text) {
                Some(n) => Value::Integer(n),
                None => return bad("not an integer", line),
            },
            b'(' => Value::BigNumber(big_number(text)?),
            b',' if text.eq_ignore_ascii_case(b"nan") => Value::Double(f64::NAN),
            b',' => match parse_f64(text) {
                Some(n) => Value::Double(n),
                None => return bad("not a double", line),
            },
            b'#' if text == b"t" => Value::Boolean(true),
            b'#' if text == b"f" => Value::Boolean(false),
            b'_' if text.is_empty() => Value::Null,
            b'$' if text == b"-1" => Value::Null,
            b'*' if text == b"-1" => Value::NullArray,
            b'$' => Value::Bulk(self.string(line)?.to_vec()),
            b'!' => Value::Error(self.string(line)?.to_vec()),
            b'=' => match self.string(line)? {
                [a, b, c, b':', text @ ..] => Value::Verbatim([*a, *b, *c], text.to_vec()),
                other => return bad("verbatim text without its format", other),
            },
            b'*' => Value::Array(self.elements(length(line)?, depth)?),
            b'~' => Value::Set(self.elements(length(line)?, depth)?),
            b'>' => Value::Push(self.elements(length(line)?, depth)?),
            b'%' => {
                let mut flat = self.elements(2 * length(line)?, depth)?.into_iter();
                Value::Map(std::iter::from_fn(|| flat.next().zip(flat.next())).collect())
            }
            _ => return bad("an unknown type", line),
        })
    }

    fn string(&mut self, line: &[u8]) -> Result<&'a [u8], Stop> {
        let n = length(line)?;
        self.bytes(n)
    }

    fn elements(&mut self, n: usize, depth: usize) -> Result<Vec<Value>, Stop> {
        if depth == MAX_DEPTH {
            return bad("nested too deep", b"");
        }
        if n > self.rest.len() / 3 {
            // The shortest element has three bytes. What is there is still checked, but not kept.
            for _ in 0..n {
                self.value(depth + 1)?;
            }
            return Err(Stop::More);
        }
        (0..n).map(|_| self.value(depth + 1)).collect()
    }
}

/// The length in a line such as `$5`.
fn length(line: &[u8]) -> Result<usize, Stop> {
    let n = parse_i64(&line[1..]).and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= limits::MAX_BULK);
    n.map_or_else(|| bad("not a length", line), Ok)
}

fn big_number(text: &[u8]) -> Result<Vec<u8>, Stop> {
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return bad("not a big number", text);
    }
    Ok(text.to_vec())
}
