//! What is wrong with input that is not the protocol, in Redis' words.

use crate::base::mark::Mark;

/// Input that is not the protocol. The text after `-ERR ` is its `Display`; the connection is closed after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// The number of words is not a number or above [`crate::base::limits::MAX_WORDS`].
    InvalidMultibulkLength,
    /// The length of a word is not a number, negative or above the limit.
    InvalidBulkLength,
    /// A word began with this byte instead of its length.
    ExpectedBulk(u8),
    /// No line end within [`crate::base::limits::MAX_INLINE`] bytes of an inline command.
    TooBigInline,
    /// No line end within that many bytes of a number of words.
    TooBigMultibulkCount,
    /// No line end within that many bytes of a word's length.
    TooBigBulkCount,
    /// An inline command whose quotes do not close.
    UnbalancedQuotes,
    /// More words than a client may send before AUTH.
    UnauthenticatedMultibulkLength,
    /// A longer word than a client may send before AUTH.
    UnauthenticatedBulkLength,
}

impl ProtocolError {
    /// Its mark.
    #[must_use]
    pub fn mark(self) -> Mark {
        match self {
            Self::InvalidMultibulkLength => Mark::InvalidMultibulkLength,
            Self::InvalidBulkLength => Mark::InvalidBulkLength,
            Self::ExpectedBulk(_) => Mark::ExpectedBulk,
            Self::TooBigInline => Mark::TooBigInline,
            Self::TooBigMultibulkCount => Mark::TooBigMultibulkCount,
            Self::TooBigBulkCount => Mark::TooBigBulkCount,
            Self::UnbalancedQuotes => Mark::UnbalancedQuotes,
            Self::UnauthenticatedMultibulkLength => Mark::UnauthenticatedMultibulkLength,
            Self::UnauthenticatedBulkLength => Mark::UnauthenticatedBulkLength,
        }
    }
}

impl std::fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self {
            Self::InvalidMultibulkLength => "invalid multibulk length",
            Self::InvalidBulkLength => "invalid bulk length",
            Self::ExpectedBulk(b'\r' | b'\n') => "expected '$', got ' '",
            Self::ExpectedBulk(b @ b' '..=b'~') => {
                return write!(f, "Protocol error: expected '$', got '{}'", char::from(*b));
            }
            Self::ExpectedBulk(b) => return write!(f, "Protocol error: expected '$', got '\\x{b:02x}'"),
            Self::TooBigInline => "too big inline request",
            Self::TooBigMultibulkCount => "too big mbulk count string",
            Self::TooBigBulkCount => "too big bulk count string",
            Self::UnbalancedQuotes => "unbalanced quotes in request",
            Self::UnauthenticatedMultibulkLength => "unauthenticated multibulk length",
            Self::UnauthenticatedBulkLength => "unauthenticated bulk length",
        };
        write!(f, "Protocol error: {what}")
    }
}

impl std::error::Error for ProtocolError {}
