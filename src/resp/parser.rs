//! The command parser: bytes as they arrive become the places of a command's words.
//!
//! Guarantees: state survives between reads and no byte is searched twice, so a command costs time linear in its
//! length however it is cut; the result does not depend on the cuts; nothing is allocated for lengths that are only
//! announced; a steady stream of ordinary commands allocates nothing. It does not copy words (inline commands, at
//! most [`limits::MAX_INLINE`] bytes, aside) and does not check the two bytes after a bulk string, as Redis does not.

use super::args::{Args, Word};
use super::error::ProtocolError;
use super::inline;
use super::number::parse_i64;
use crate::base::limits;

/// Words whose places are kept allocated between commands; beyond, the memory is given back.
const KEPT_WORDS: usize = 256;
/// Bytes of unquoted inline words kept allocated between commands.
const KEPT_INLINE: usize = 1 << 10;

/// What a connection may send at this moment. The fixed bounds are in [`limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseLimits {
    /// Longest bulk string, in bytes (`proto-max-bulk-len`).
    pub max_bulk: usize,
    /// False while a password is set and this client has not given it.
    pub authenticated: bool,
}

impl Default for ParseLimits {
    fn default() -> Self {
        Self { max_bulk: limits::MAX_BULK, authenticated: true }
    }
}

/// How far the parser came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// The input ends inside a command: call again when there is more behind it.
    NeedMore,
    /// A command is complete: its words are in [`Parser::args`], its length is [`Parser::consumed`].
    Command,
    /// An empty line or empty array, which asks nothing and is answered by nothing: drop [`Parser::consumed`] bytes.
    Skip,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// At the command's first byte.
    Start,
    /// In a line that is an inline command.
    Inline,
    /// In the line with the number of words.
    Count,
    /// In the line with the next word's length.
    Length,
    /// In a word that ends at this offset, its line end not counted.
    Bulk(usize),
    /// Behind a complete command; the words lie in the input, or unquoted in the parser.
    Done { inline: bool },
}

/// Parser of one connection's commands, one at a time: `parse` until it says `Command` or `Skip`, use the words, drop
/// `consumed` bytes from the input, `reset`.
#[derive(Debug)]
pub struct Parser {
    stage: Stage,
    /// Offset behind what is parsed; where the current line or word begins.
    at: usize,
    /// Offset up to which the current line has been searched for its end.
    searched: usize,
    /// Length of the input at the last call.
    seen: usize,
    /// Words still to come.
    missing: usize,
    words: Vec<Word>,
    unquoted: Vec<u8>,
    /// Bytes looked at in search of line ends since the parser was made.
    #[cfg(test)]
    pub(super) work: usize,
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

impl Parser {
    /// A parser before the first byte. It holds no memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            stage: Stage::Start,
            at: 0,
            searched: 0,
            seen: 0,
            missing: 0,
            words: Vec::new(),
            unquoted: Vec::new(),
            #[cfg(test)]
            work: 0,
        }
    }

    /// Parses on. `input` holds the unconsumed bytes from the start of the current command: what earlier calls saw,
    /// unchanged, and whatever came since. After an error the same call gives the same error.
    ///
    /// Panics when a command is complete and `reset` was not called, or when the input has shrunk.
    pub fn parse(&mut self, input: &[u8], limits: &ParseLimits) -> Result<Progress, ProtocolError> {
        assert!(input.len() >= self.seen, "the input shrank from {} to {} bytes", self.seen, input.len());
        self.seen = input.len();
        if self.stage == Stage::Start {
            self.stage = match input.first() {
                None => return Ok(Progress::NeedMore),
                Some(b'*') => Stage::Count,
                Some(_) => Stage::Inline,
            };
        }
        match self.stage {
            Stage::Inline => self.inline(input),
            Stage::Count => match self.count(input, limits)? {
                Progress::Command => self.bulks(input, limits),
                other => Ok(other),
            },
            Stage::Length | Stage::Bulk(_) => self.bulks(input, limits),
            Stage::Start | Stage::Done { .. } => panic!("a parsed command was not taken: reset is missing"),
        }
    }

    /// The words of the complete command. `input` is what `parse` saw.
    #[must_use]
    pub fn args<'a>(&'a self, input: &'a [u8]) -> Args<'a> {
        match self.stage {
            Stage::Done { inline: true } => Args::new(&self.unquoted, &self.words),
            Stage::Done { inline: false } => Args::new(input, &self.words),
            _ => panic!("the words of a command were asked for before its end"),
        }
    }

    /// Bytes the complete command (or what is to be skipped) took from the front of the input; zero before its end.
    #[must_use]
    pub fn consumed(&self) -> usize {
        if matches!(self.stage, Stage::Done { .. }) { self.at } else { 0 }
    }

    /// Bytes the word being read still lacks, its line end included; zero when that is not known. A hint for growing
    /// the input buffer: it is only what the client announced, so the caller caps it.
    #[must_use]
    pub fn wanted(&self) -> usize {
        match self.stage {
            Stage::Bulk(end) => (end + 2).saturating_sub(self.seen),
            _ => 0,
        }
    }

    /// Makes ready for the next command, whose first byte is the first of the next input. Keeps little memory.
    pub fn reset(&mut self) {
        self.stage = Stage::Start;
        (self.at, self.searched, self.seen, self.missing) = (0, 0, 0, 0);
        self.words.clear();
        self.unquoted.clear();
        if self.words.capacity() > KEPT_WORDS {
            self.words.shrink_to(KEPT_WORDS);
        }
        if self.unquoted.capacity() > KEPT_INLINE {
            self.unquoted.shrink_to(KEPT_INLINE);
        }
    }

    /// Bytes of memory the parser holds beside itself.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.words.capacity() * size_of::<Word>() + self.unquoted.capacity()
    }

    /// The offset of the first `end` byte of the current line; `None` when it has not come yet.
    fn line_end(
        &mut self,
        input: &[u8],
        end: u8,
        else_err: ProtocolError,
    ) -> Result<Option<usize>, ProtocolError> {
        let bound = self.at + limits::MAX_INLINE + 1;
        let window = &input[self.searched..input.len().min(bound)];
        let found = window.iter().position(|b| *b == end);
        #[cfg(test)]
        {
            self.work += found.map_or(window.len(), |i| i + 1);
        }
        match found {
            Some(i) => {
                self.searched += i;
                Ok(Some(self.searched))
            }
            None if input.len() >= bound => Err(else_err),
            None => {
                self.searched = input.len();
                Ok(None)
            }
        }
    }

    /// The current line from its second byte to its carriage return, and the offset behind its line feed.
    fn header<'a>(
        &mut self,
        input: &'a [u8],
        else_err: ProtocolError,
    ) -> Result<Option<&'a [u8]>, ProtocolError> {
        match self.line_end(input, b'\r', else_err)? {
            Some(end) if end + 1 < input.len() => Ok(Some(&input[self.at..end])),
            _ => Ok(None),
        }
    }

    fn next_line(&mut self, start: usize) {
        self.at = start;
        self.searched = start;
    }

    fn inline(&mut self, input: &[u8]) -> Result<Progress, ProtocolError> {
        let Some(end) = self.line_end(input, b'\n', ProtocolError::TooBigInline)? else {
            return Ok(Progress::NeedMore);
        };
        let line = &input[self.at..end];
        self.words.clear();
        self.unquoted.clear();
        inline::split(line.strip_suffix(b"\r").unwrap_or(line), &mut self.unquoted, &mut self.words)?;
        self.at = end + 1;
        self.stage = Stage::Done { inline: true };
        Ok(if self.words.is_empty() { Progress::Skip } else { Progress::Command })
    }

    /// Reads the number of words. `Command` says that words are to follow.
    fn count(&mut self, input: &[u8], limits: &ParseLimits) -> Result<Progress, ProtocolError> {
        let Some(line) = self.header(input, ProtocolError::TooBigMultibulkCount)? else {
            return Ok(Progress::NeedMore);
        };
        let n = parse_i64(&line[1..]).ok_or(ProtocolError::InvalidMultibulkLength)?;
        let n = usize::try_from(n).unwrap_or(0);
        if n > limits::MAX_WORDS {
            return Err(ProtocolError::InvalidMultibulkLength);
        }
        if n > limits::MAX_WORDS_UNAUTHENTICATED && !limits.authenticated {
            return Err(ProtocolError::UnauthenticatedMultibulkLength);
        }
        self.next_line(self.searched + 2);
        self.missing = n;
        if n == 0 {
            self.stage = Stage::Done { inline: false };
            return Ok(Progress::Skip);
        }
        self.stage = Stage::Length;
        Ok(Progress::Command)
    }

    /// Reads words until none is missing.
    fn bulks(&mut self, input: &[u8], limits: &ParseLimits) -> Result<Progress, ProtocolError> {
        while self.missing > 0 {
            let end = match self.stage {
                Stage::Bulk(end) => end,
                _ => match self.bulk_end(input, limits)? {
                    Some(end) => end,
                    None => return Ok(Progress::NeedMore),
                },
            };
            if input.len() < end + 2 {
                self.stage = Stage::Bulk(end);
                return Ok(Progress::NeedMore);
            }
            self.words.push(Word::new(self.at, end));
            self.missing -= 1;
            self.next_line(end + 2);
            self.stage = Stage::Length;
        }
        self.stage = Stage::Done { inline: false };
        Ok(Progress::Command)
    }

    /// Reads a word's length line; returns the offset at which the word will end.
    fn bulk_end(&mut self, input: &[u8], limits: &ParseLimits) -> Result<Option<usize>, ProtocolError> {
        let Some(line) = self.header(input, ProtocolError::TooBigBulkCount)? else {
            return Ok(None);
        };
        let length = match line {
            [b'$', digits @ ..] => parse_i64(digits).and_then(|n| usize::try_from(n).ok()),
            [other, ..] => return Err(ProtocolError::ExpectedBulk(*other)),
            [] => return Err(ProtocolError::ExpectedBulk(b'\r')),
        };
        let start = self.searched + 2;
        let fits = |n: &usize| *n <= limits.max_bulk && start + n <= u32::MAX as usize - 2;
        let length = length.filter(fits).ok_or(ProtocolError::InvalidBulkLength)?;
        if length > limits::MAX_BULK_UNAUTHENTICATED && !limits.authenticated {
            return Err(ProtocolError::UnauthenticatedBulkLength);
        }
        self.next_line(start);
        Ok(Some(start + length))
    }
}
