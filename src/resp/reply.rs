//! The reply writer: every shape of an answer, in the protocol version the client asked for.
//!
//! Guarantees: one call writes one whole element (or one aggregate's head); text on a line of its own never breaks
//! the line. It does not count: that `n` elements follow `array(n)` is the caller's duty.

use super::number::{text_f64, text_i64};

/// The version of the protocol a connection speaks; `HELLO` changes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// RESP2, what a connection speaks at first.
    #[default]
    Resp2,
    /// RESP3: maps, sets, doubles, booleans and nulls of their own.
    Resp3,
}

/// Appends replies to a byte vector.
#[derive(Debug)]
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    protocol: Protocol,
}

impl<'a> Reply<'a> {
    /// A writer that appends to `out` in `protocol`.
    pub fn new(out: &'a mut Vec<u8>, protocol: Protocol) -> Self {
        Self { out, protocol }
    }

    /// The version this writer speaks.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Bytes in the vector so far, what was there before included.
    #[must_use]
    pub fn written(&self) -> usize {
        self.out.len()
    }

    /// `+OK`.
    pub fn ok(&mut self) {
        self.raw(b"+OK\r\n");
    }

    /// A status of one line. Line breaks in `text` become spaces.
    pub fn simple(&mut self, text: impl AsRef<[u8]>) {
        self.line(b'+', text.as_ref());
    }

    /// An error, its code first: `ERR syntax error`. Line breaks in `text` become spaces.
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        self.line(b'-', text.as_ref());
    }

    /// An integer.
    pub fn integer(&mut self, value: i64) {
        self.head(b':', value);
    }

    /// A byte string.
    pub fn bulk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.out.reserve(bytes.len() + 16);
        self.count(b'$', bytes.len());
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// A byte string holding the decimal digits of `value`, as GET answers for a counter.
    pub fn bulk_integer(&mut self, value: i64) {
        self.bulk(text_i64(value).as_bytes());
    }

    /// A byte string, or null where there is none.
    pub fn bulk_or_null(&mut self, bytes: Option<impl AsRef<[u8]>>) {
        match bytes {
            Some(bytes) => self.bulk(bytes),
            None => self.null(),
        }
    }

    /// Nothing, where a value would be.
    pub fn null(&mut self) {
        self.raw(self.either(b"$-1\r\n", b"_\r\n"));
    }

    /// Nothing, where an array would be.
    pub fn null_array(&mut self) {
        self.raw(self.either(b"*-1\r\n", b"_\r\n"));
    }

    /// True or false; `:1` or `:0` in RESP2.
    pub fn boolean(&mut self, value: bool) {
        let (two, three): (&[u8], &[u8]) =
            if value { (b":1\r\n", b"#t\r\n") } else { (b":0\r\n", b"#f\r\n") };
        self.raw(self.either(two, three));
    }

    /// A double in the shortest text that reads back to it; a byte string in RESP2.
    pub fn double(&mut self, value: f64) {
        let text = text_f64(value);
        match self.protocol {
            Protocol::Resp2 => self.bulk(text.as_bytes()),
            Protocol::Resp3 => self.line(b',', text.as_bytes()),
        }
    }

    /// The head of an array of `n` elements.
    pub fn array(&mut self, n: usize) {
        self.count(b'*', n);
    }

    /// The head of a map of `n` pairs, key and value in turn; an array of `2 * n` in RESP2.
    pub fn map(&mut self, n: usize) {
        match self.protocol {
            Protocol::Resp2 => self.count(b'*', 2 * n),
            Protocol::Resp3 => self.count(b'%', n),
        }
    }

    /// The head of a set of `n` elements; an array in RESP2.
    pub fn set(&mut self, n: usize) {
        self.count(if self.protocol == Protocol::Resp2 { b'*' } else { b'~' }, n);
    }

    /// The head of a message of `n` elements that answers no command; an array in RESP2.
    pub fn push(&mut self, n: usize) {
        self.count(if self.protocol == Protocol::Resp2 { b'*' } else { b'>' }, n);
    }

    /// Text for people, such as INFO's; a byte string in RESP2.
    pub fn verbatim(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        if self.protocol == Protocol::Resp2 {
            return self.bulk(text);
        }
        self.out.reserve(text.len() + 16);
        self.count(b'=', text.len() + 4);
        self.out.extend_from_slice(b"txt:");
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\r\n");
    }

    /// Replies that were written before, in the same protocol.
    pub fn raw(&mut self, replies: &[u8]) {
        self.out.extend_from_slice(replies);
    }

    fn either(&self, two: &'static [u8], three: &'static [u8]) -> &'static [u8] {
        if self.protocol == Protocol::Resp2 { two } else { three }
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.out.reserve(text.len() + 3);
        self.out.push(kind);
        self.out.extend(text.iter().map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { *b }));
        self.out.extend_from_slice(b"\r\n");
    }

    fn count(&mut self, kind: u8, n: usize) {
        assert!(i64::try_from(n).is_ok(), "a reply of {n} elements");
        self.head(kind, n as i64);
    }

    fn head(&mut self, kind: u8, value: i64) {
        if let Ok(digit @ 0..=9) = u8::try_from(value) {
            return self.out.extend_from_slice(&[kind, b'0' + digit, b'\r', b'\n']);
        }
        self.out.push(kind);
        self.out.extend_from_slice(text_i64(value).as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks what `write` appends, in both protocols, behind bytes that were there before.
    fn golden(write: impl Fn(&mut Reply<'_>), two: &[u8], three: &[u8]) {
        for (protocol, expected) in [(Protocol::Resp2, two), (Protocol::Resp3, three)] {
            let mut out = b"before".to_vec();
            let mut reply = Reply::new(&mut out, protocol);
            write(&mut reply);
            assert_eq!((reply.protocol(), reply.written()), (protocol, 6 + expected.len()));
            assert_eq!(out[6..].escape_ascii().to_string(), expected.escape_ascii().to_string());
        }
    }

    #[test]
    fn golden_bytes_of_every_shape_in_both_protocols() {
        let same = |write: fn(&mut Reply<'_>), bytes: &[u8]| golden(write, bytes, bytes);
        same(|r| r.ok(), b"+OK\r\n");
        same(|r| r.simple("PONG"), b"+PONG\r\n");
        same(|r| r.error("ERR syntax error"), b"-ERR syntax error\r\n");
        same(|r| r.error(b"ERR unknown command '\r\n+OK\xff'"), b"-ERR unknown command '  +OK\xff'\r\n");
        same(|r| r.simple("a\nb"), b"+a b\r\n");
        same(|r| r.integer(0), b":0\r\n");
        same(|r| r.integer(-1), b":-1\r\n");
        same(|r| r.integer(10), b":10\r\n");
        same(|r| r.integer(i64::MIN), b":-9223372036854775808\r\n");
        same(|r| r.bulk(b"a\r\n\0"), b"$4\r\na\r\n\0\r\n");
        same(|r| r.bulk(""), b"$0\r\n\r\n");
        same(|r| r.bulk_integer(-42), b"$3\r\n-42\r\n");
        same(|r| r.bulk_or_null(Some("v")), b"$1\r\nv\r\n");
        same(|r| r.array(0), b"*0\r\n");
        same(|r| r.array(1_000_000), b"*1000000\r\n");
        same(|r| r.raw(b":1\r\n+x\r\n"), b":1\r\n+x\r\n");
        golden(|r| r.null(), b"$-1\r\n", b"_\r\n");
        golden(|r| r.bulk_or_null(None::<&[u8]>), b"$-1\r\n", b"_\r\n");
        golden(|r| r.null_array(), b"*-1\r\n", b"_\r\n");
        golden(|r| r.boolean(true), b":1\r\n", b"#t\r\n");
        golden(|r| r.boolean(false), b":0\r\n", b"#f\r\n");
        golden(|r| r.double(0.25), b"$4\r\n0.25\r\n", b",0.25\r\n");
        golden(|r| r.double(1.0), b"$1\r\n1\r\n", b",1\r\n");
        golden(|r| r.double(f64::NEG_INFINITY), b"$4\r\n-inf\r\n", b",-inf\r\n");
        golden(|r| r.double(f64::NAN), b"$3\r\nnan\r\n", b",nan\r\n");
        golden(|r| r.map(7), b"*14\r\n", b"%7\r\n");
        golden(|r| r.set(3), b"*3\r\n", b"~3\r\n");
        golden(|r| r.push(2), b"*2\r\n", b">2\r\n");
        golden(|r| r.verbatim("# Server\r\n"), b"$10\r\n# Server\r\n\r\n", b"=14\r\ntxt:# Server\r\n\r\n");
    }
}
