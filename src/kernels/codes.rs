//! Sums over compressed vectors: a query of signed bytes and codes of four or eight bits an element.
//!
//! # The layout of a code
//! Elements come in blocks of [`BLOCK`] = 128, the last one filled up with zeros. [`Code::Nibble`]: 64 bytes a block;
//! byte `j` holds element `j` in its lower half and element `64 + j` in its upper one. [`Code::Byte`]: 128 bytes a
//! block, an element a byte. [`Code::Bit`]: 16 bytes a block; element `i` is bit `i mod 8` of byte `i / 8`, and the query
//! comes in planes ([`planes`]). Elements are unsigned; whoever encodes knows what zero stands for.
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
    /// In one bit.
    Bit,
}

impl Code {
    /// Bytes of a code of `elements`.
    #[must_use]
    pub fn stride(self, elements: usize) -> usize {
        let padded = elements.next_multiple_of(BLOCK);
        match self {
            Self::Nibble => padded / 2,
            Self::Byte => padded,
            Self::Bit => padded / 8,
        }
    }

    /// The largest element.
    #[must_use]
    pub fn largest(self) -> u8 {
        match self {
            Self::Nibble => 15,
            Self::Byte => 255,
            Self::Bit => 1,
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
            Self::Bit => code[at / 8] |= element << (at % 8),
        }
    }
}

/// Turns each block of a query into eight planes of 16 bytes: plane `p` holds bit `p` of every element, in the order of
/// [`Code::Bit`]. Bit 7 counts -128, since elements are signed.
pub fn planes(query: &mut [i8]) {
    for block in query.as_chunks_mut::<BLOCK>().0 {
        let mut planes = [0_u8; BLOCK];
        for (at, element) in block.iter().enumerate() {
            for plane in 0..8 {
                planes[plane * PLANE + at / 8] |= (*element as u8 >> plane & 1) << (at % 8);
            }
        }
        *block = planes.map(|byte| byte as i8);
    }
}

/// Bytes of a plane of a block.
const PLANE: usize = BLOCK / 8;

/// [`Code::Bit`] in plain Rust.
#[inline(always)]
pub(super) fn bits(query: &[i8], codes: &[&[u8]], out: &mut [i32]) {
    for (code, out) in codes.iter().zip(out) {
        let mut counts = [0_u32; 8];
        for (code, query) in code.as_chunks::<PLANE>().0.iter().zip(query.as_chunks::<BLOCK>().0) {
            let code = u128::from_le_bytes(*code);
            for (count, plane) in counts.iter_mut().zip(query.as_chunks::<PLANE>().0) {
                *count += (u128::from_le_bytes(plane.map(|byte| byte as u8)) & code).count_ones();
            }
        }
        *out = weigh(counts.map(|count| count as i32));
    }
}

/// The sum that the counts of the eight planes stand for.
#[inline(always)]
pub(super) fn weigh(counts: [i32; 8]) -> i32 {
    let [rest @ .., sign] = counts;
    rest.iter().enumerate().map(|(plane, count)| count << plane).sum::<i32>() - (sign << 7)
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
