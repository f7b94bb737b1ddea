//! Sums over compressed vectors: a query of signed bytes and codes of four or eight bits an element.
//!
//! # The layout of a code
//! Elements come in blocks of [`BLOCK`] = 128, the last one filled up with zeros. [`Code::Nibble`]: 64 bytes a block;
//! byte `j` holds element `j` in its lower half and element `64 + j` in its upper one. [`Code::Byte`]: 128 bytes a
//! block, an element a byte. Elements are unsigned; whoever encodes knows what zero stands for.
//!
//! # What is guaranteed
//! The sums are integers and exact: at most 255 x 127 x 65,536 elements, which an `i32` holds. So every machine
//! agrees without more ado. This file has the plain forms, the oracle of the others.

/// Elements in a block: codes and queries have whole blocks.
pub const BLOCK: usize = 128;

/// How an element is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// In four bits.
    Nibble,
    /// In eight bits.
    Byte,
}

impl Code {
    /// Bytes of a code of `elements`.
    #[must_use]
    pub fn stride(self, elements: usize) -> usize {
        let padded = elements.next_multiple_of(BLOCK);
        match self {
            Self::Nibble => padded / 2,
            Self::Byte => padded,
        }
    }

    /// The largest element.
    #[must_use]
    pub fn largest(self) -> u8 {
        match self {
            Self::Nibble => 15,
            Self::Byte => 255,
        }
    }

    /// Writes `element` at place `at` of a `code` that was zero there.
    pub fn put(self, code: &mut [u8], at: usize, element: u8) {
        assert!(element <= self.largest(), "an element of a code fits its bits");
        match self {
            Self::Nibble => {
                let (block, place) = (at / BLOCK, at % BLOCK);
                code[block * (BLOCK / 2) + place % 64] |= element << (place / 64 * 4);
            }
            Self::Byte => code[at] = element,
        }
    }
}

/// [`Code::Nibble`] in plain Rust.
pub(super) fn nibbles(query: &[i8], codes: &[&[u8]], out: &mut [i32]) {
    for (code, out) in codes.iter().zip(out) {
        let blocks = code.chunks_exact(BLOCK / 2).zip(query.chunks_exact(BLOCK));
        *out = blocks
            .map(|(code, query)| {
                let (lower, upper) = query.split_at(BLOCK / 2);
                let pair = |j: usize| {
                    i32::from(code[j] & 15) * i32::from(lower[j])
                        + i32::from(code[j] >> 4) * i32::from(upper[j])
                };
                (0..BLOCK / 2).map(pair).sum::<i32>()
            })
            .sum();
    }
}

/// [`Code::Byte`] in plain Rust.
pub(super) fn bytes(query: &[i8], codes: &[&[u8]], out: &mut [i32]) {
    for (code, out) in codes.iter().zip(out) {
        *out = code.iter().zip(query).map(|(c, q)| i32::from(*c) * i32::from(*q)).sum();
    }
}
