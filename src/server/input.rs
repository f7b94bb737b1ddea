//! A connection's unparsed bytes and the parser that walks them.
//!
//! Guarantees: memory grows with what has come, never with what was announced; taking a command costs no copy.

use crate::resp::{Args, ParseLimits, Parser, Progress, ProtocolError};

/// Input kept allocated between commands.
const KEPT_INPUT: usize = 16 << 10;

#[derive(Debug, Default)]
pub(super) struct Input {
    parser: Parser,
    bytes: Vec<u8>,
    /// Where the command being parsed begins.
    start: usize,
}

impl Input {
    /// Adds what was read.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        if self.start > 0 && self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Parses on.
    pub(super) fn parse(&mut self, limits: &ParseLimits) -> Result<Progress, ProtocolError> {
        self.parser.parse(&self.bytes[self.start..], limits)
    }

    /// The words of the command that was parsed.
    pub(super) fn args(&self) -> Args<'_> {
        self.parser.args(&self.bytes[self.start..])
    }

    /// The command that was parsed has been dealt with.
    pub(super) fn consume(&mut self) {
        self.start += self.parser.consumed();
        assert!(self.start <= self.bytes.len(), "a command ends within the input");
        self.parser.reset();
        if self.start == self.bytes.len() {
            self.start = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEPT_INPUT {
                self.bytes.shrink_to(KEPT_INPUT);
            }
        }
    }

    /// Bytes that wait to be parsed or executed.
    pub(super) fn backlog(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Gives back memory that an idle client does not need; false if there was none.
    pub(super) fn slim(&mut self) -> bool {
        let is_idle = self.backlog() == 0 && self.bytes.capacity() > 0;
        if is_idle {
            self.bytes = Vec::new();
            self.start = 0;
        }
        is_idle
    }

    /// Bytes of memory held.
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity() + self.parser.memory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_cut_anywhere_come_out_whole_and_in_order() {
        let stream = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n";
        for cut in 0..stream.len() {
            let (mut input, mut seen) = (Input::default(), Vec::new());
            for piece in [&stream[..cut], &stream[cut..]] {
                input.receive(piece);
                while let Ok(Progress::Command) = input.parse(&ParseLimits::default()) {
                    seen.push(input.args()[0].to_vec());
                    input.consume();
                }
            }
            assert_eq!(seen, [b"GET".to_vec(), b"PING".to_vec()], "cut at {cut}");
            assert_eq!(input.backlog(), 0);
        }
    }
}
