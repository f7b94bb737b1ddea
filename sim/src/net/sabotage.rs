//! Lies that a network may tell, to see whether the rig notices.

use engram::resp::client::parse_reply;

use super::State;
use super::link::LinkId;

/// Which lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sabotage {
    /// Of a write that carries several replies, the first two change places.
    pub swap_replies: bool,
    /// Now and then what is written to one client goes to another.
    pub misdeliver: bool,
    /// Now and then a use of the waker is forgotten.
    pub drop_wakes: bool,
    /// A use of the waker that finds the self-pipe full takes with it what is in there.
    pub full_pipe_forgets: bool,
    /// An answer to PING arrives this many virtual nanoseconds too late.
    pub slow_pongs: u64,
    /// The server's accounts tell of a job that is under way for ever.
    pub cooked_books: bool,
    /// An index is asked for with half as many links, and a search as narrow as it can be.
    pub thin_graphs: bool,
}

/// One in so many is lied about.
const ONE_IN: u64 = 10;

impl State {
    /// What arrives of a write.
    pub(super) fn sabotaged(&self, bytes: &[u8]) -> Vec<u8> {
        if self.sabotage.cooked_books {
            let mut bytes = bytes.to_vec();
            replace(&mut bytes, b"jobs_in_flight:0", b"jobs_in_flight:7");
            return bytes;
        }
        let length = |bytes: &[u8]| parse_reply(bytes).ok().flatten().map(|(_, len)| len);
        let lengths = length(bytes).and_then(|first| Some((first, length(&bytes[first..])?)));
        match lengths.filter(|_| self.sabotage.swap_replies) {
            None => bytes.to_vec(),
            Some((first, second)) => {
                let (one, rest) = bytes.split_at(first);
                let (two, rest) = rest.split_at(second);
                [two, one, rest].concat()
            }
        }
    }

    /// What the server reads where this was sent.
    pub(super) fn misread(&self, bytes: &mut [u8]) {
        const EF: &[u8] = b"$2\r\nEF\r\n$";
        const LIES: [(&[u8], &[u8]); 2] = [
            (b"$1\r\nM\r\n$1\r\n4\r\n", b"$1\r\nM\r\n$1\r\n2\r\n"),
            (b"$15\r\nEF_CONSTRUCTION\r\n$2\r\n20\r\n", b"$15\r\nEF_CONSTRUCTION\r\n$2\r\n10\r\n"),
        ];
        if !self.sabotage.thin_graphs {
            return;
        }
        LIES.iter().for_each(|(text, other)| replace(bytes, text, other));
        // As many digits, and the least number that they can be; EF is never less than K.
        let Some(at) = bytes.windows(EF.len()).position(|part| part == EF) else { return };
        if let [digits @ b'1'..=b'2', b'\r', b'\n', rest @ ..] = &mut bytes[at + EF.len()..] {
            let least: &[u8] = if *digits == b'1' { b"1" } else { b"10" };
            rest.iter_mut().zip(least).for_each(|(byte, digit)| *byte = *digit);
        }
    }

    /// How much longer than usual a write is on its way.
    pub(super) fn delays(&self, bytes: &[u8]) -> u64 {
        if bytes == b"+PONG\r\n" { self.sabotage.slow_pongs } else { 0 }
    }

    /// Whether this write goes astray.
    pub(super) fn misdelivers(&mut self) -> bool {
        self.sabotage.misdeliver && self.is_next()
    }

    /// Whether this use of the waker is forgotten.
    pub(super) fn drops_wake(&mut self) -> bool {
        self.sabotage.drop_wakes && self.is_next()
    }

    /// Another connection that the server has, if it has one.
    pub(super) fn someone_else(&self, id: LinkId) -> LinkId {
        self.conns.values().copied().find(|other| *other != id).unwrap_or(id)
    }

    fn is_next(&mut self) -> bool {
        self.deeds += 1;
        self.deeds.is_multiple_of(ONE_IN)
    }
}

/// Puts another text of the same length in the place of `text`.
fn replace(bytes: &mut [u8], text: &[u8], other: &[u8]) {
    if let Some(at) = bytes.windows(text.len()).position(|part| part == text) {
        bytes[at..at + text.len()].copy_from_slice(other);
    }
}
