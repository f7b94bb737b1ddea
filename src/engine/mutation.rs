//! What a log record says: a list of operations that are applied together or not at all.
//!
//! Operations are effects, not commands: expiry times are absolute, results are spelled out, and replaying a log in
//! order gives the state it was written from without a clock. The byte layout is in `FORMAT.md` beside this file.

use crate::base::bytes::{DecodeError, Put, Reader};

#[doc = include_str!("FORMAT.md")]
#[expect(dead_code, reason = "carries the format into the documentation")]
struct Format;

/// The parameters of a vector set, as VNEW fixed them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SetConfig {
    /// Floats in a vector.
    pub(super) dim: u32,
    /// The metric's code ([`crate::index::Metric::code`]).
    pub(super) metric: u16,
    /// The code of the vectors' compressed form ([`crate::index::Quant::code`]).
    pub(super) quant: u16,
    /// Links a row keeps above the ground layer; twice as many on it.
    pub(super) m: u32,
    /// Width of the candidate list of an insert.
    pub(super) ef_construction: u32,
    /// Decides the levels of rows.
    pub(super) seed: u64,
}

/// One effect on the keyspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op<'a> {
    /// The key holds this string, whatever it held; `expire_at` is in Unix milliseconds, zero for never.
    Set { key: &'a [u8], value: &'a [u8], expire_at: u64 },
    /// The string of this key, empty if there is none, has these bytes behind it now.
    Append { key: &'a [u8], tail: &'a [u8] },
    /// The string of this key, empty if there is none, has these bytes at `offset` now, zeros before them where it
    /// was shorter.
    Overwrite { key: &'a [u8], offset: u32, bytes: &'a [u8] },
    /// The key is gone, whatever it held.
    Delete { key: &'a [u8] },
    /// The key goes at this time (Unix milliseconds; zero: never).
    Expire { key: &'a [u8], at: u64 },
    /// What `from` held, and its expiry, is at `to` now; what `to` held is gone.
    Rename { from: &'a [u8], to: &'a [u8] },
    /// Every key is gone.
    Clear,
    /// The key holds an empty vector set; it held nothing.
    NewSet { key: &'a [u8], config: SetConfig },
    /// The element of this set has this vector (packed little-endian f32).
    PutVector { key: &'a [u8], element: &'a [u8], vector: &'a [u8] },
    /// The element is gone from this set.
    RemoveVector { key: &'a [u8], element: &'a [u8] },
    /// Searches of this set go by the compressed form of this code.
    Quant { key: &'a [u8], quant: u16 },
}

mod tag {
    pub(super) const SET: u8 = 1;
    pub(super) const APPEND: u8 = 2;
    pub(super) const OVERWRITE: u8 = 3;
    pub(super) const DELETE: u8 = 4;
    pub(super) const EXPIRE: u8 = 5;
    pub(super) const RENAME: u8 = 6;
    pub(super) const CLEAR: u8 = 7;
    pub(super) const NEW_SET: u8 = 8;
    pub(super) const PUT_VECTOR: u8 = 9;
    pub(super) const REMOVE_VECTOR: u8 = 10;
    pub(super) const QUANT: u8 = 11;
}

impl SetConfig {
    /// Appends the 24 bytes of a configuration.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32(self.dim);
        out.put_u16(self.metric);
        out.put_u16(self.quant);
        out.put_u32(self.m);
        out.put_u32(self.ef_construction);
        out.put_u64(self.seed);
    }

    /// Reads what [`SetConfig::encode`] wrote.
    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            dim: r.u32()?,
            metric: r.u16()?,
            quant: r.u16()?,
            m: r.u32()?,
            ef_construction: r.u32()?,
            seed: r.u64()?,
        })
    }
}

impl<'a> Op<'a> {
    /// Appends this operation to a record.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Op::Set { key, value, expire_at } => {
                out.put_u8(tag::SET);
                out.put_u64(expire_at);
                out.put_string(key);
                out.put_string(value);
            }
            Op::Append { key, tail } => put_strings(out, tag::APPEND, &[key, tail]),
            Op::Overwrite { key, offset, bytes } => {
                out.put_u8(tag::OVERWRITE);
                out.put_u32(offset);
                out.put_string(key);
                out.put_string(bytes);
            }
            Op::Delete { key } => put_strings(out, tag::DELETE, &[key]),
            Op::Expire { key, at } => {
                out.put_u8(tag::EXPIRE);
                out.put_u64(at);
                out.put_string(key);
            }
            Op::Rename { from, to } => put_strings(out, tag::RENAME, &[from, to]),
            Op::Clear => out.put_u8(tag::CLEAR),
            Op::NewSet { key, config } => {
                out.put_u8(tag::NEW_SET);
                config.encode(out);
                out.put_string(key);
            }
            Op::PutVector { key, element, vector } => {
                put_strings(out, tag::PUT_VECTOR, &[key, element, vector])
            }
            Op::RemoveVector { key, element } => put_strings(out, tag::REMOVE_VECTOR, &[key, element]),
            Op::Quant { key, quant } => {
                out.put_u8(tag::QUANT);
                out.put_u16(quant);
                out.put_string(key);
            }
        }
    }

    /// Reads one operation.
    pub(super) fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(match r.u8()? {
            tag::SET => {
                let expire_at = r.u64()?;
                Op::Set { key: r.string()?, value: r.string()?, expire_at }
            }
            tag::APPEND => Op::Append { key: r.string()?, tail: r.string()? },
            tag::OVERWRITE => {
                let offset = r.u32()?;
                Op::Overwrite { key: r.string()?, offset, bytes: r.string()? }
            }
            tag::DELETE => Op::Delete { key: r.string()? },
            tag::EXPIRE => {
                let at = r.u64()?;
                Op::Expire { key: r.string()?, at }
            }
            tag::RENAME => Op::Rename { from: r.string()?, to: r.string()? },
            tag::CLEAR => Op::Clear,
            tag::NEW_SET => {
                let config = SetConfig::decode(r)?;
                Op::NewSet { key: r.string()?, config }
            }
            tag::PUT_VECTOR => Op::PutVector { key: r.string()?, element: r.string()?, vector: r.string()? },
            tag::REMOVE_VECTOR => Op::RemoveVector { key: r.string()?, element: r.string()? },
            tag::QUANT => {
                let quant = r.u16()?;
                Op::Quant { key: r.string()?, quant }
            }
            _ => return Err(DecodeError::Invalid("operation")),
        })
    }

    /// At least the bytes that [`Op::encode`] appends.
    #[must_use]
    pub(super) fn encoded_len(&self) -> usize {
        let strings = match *self {
            Op::Set { key, value: other, .. }
            | Op::Append { key, tail: other }
            | Op::Overwrite { key, bytes: other, .. }
            | Op::Rename { from: key, to: other }
            | Op::RemoveVector { key, element: other } => key.len() + other.len(),
            Op::Delete { key } | Op::Expire { key, .. } | Op::NewSet { key, .. } | Op::Quant { key, .. } => {
                key.len()
            }
            Op::PutVector { key, element, vector } => key.len() + element.len() + vector.len(),
            Op::Clear => 0,
        };
        strings + 64
    }

    /// The names that this operation changes; none for [`Op::Clear`], which changes all.
    #[must_use]
    pub(super) fn keys(&self) -> [Option<&'a [u8]>; 2] {
        match *self {
            Op::Clear => [None, None],
            Op::Rename { from, to } => [Some(from), Some(to)],
            Op::Set { key, .. }
            | Op::Append { key, .. }
            | Op::Overwrite { key, .. }
            | Op::Delete { key }
            | Op::Expire { key, .. }
            | Op::NewSet { key, .. }
            | Op::PutVector { key, .. }
            | Op::RemoveVector { key, .. }
            | Op::Quant { key, .. } => [Some(key), None],
        }
    }
}

fn put_strings(out: &mut Vec<u8>, tag: u8, strings: &[&[u8]]) {
    out.put_u8(tag);
    for string in strings {
        out.put_string(string);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: SetConfig = SetConfig { dim: 3, metric: 1, quant: 2, m: 16, ef_construction: 200, seed: 9 };

    fn every_kind() -> Vec<Op<'static>> {
        vec![
            Op::Set { key: b"k", value: b"v", expire_at: 5 },
            Op::Append { key: b"k", tail: b"w" },
            Op::Overwrite { key: b"k", offset: 7, bytes: b"x" },
            Op::Delete { key: b"k" },
            Op::Expire { key: b"k", at: 6 },
            Op::Rename { from: b"k", to: b"l" },
            Op::Clear,
            Op::NewSet { key: b"s", config: CONFIG },
            Op::PutVector { key: b"s", element: b"e", vector: &[0; 12] },
            Op::RemoveVector { key: b"s", element: b"e" },
            Op::Quant { key: b"s", quant: 3 },
        ]
    }

    #[test]
    fn every_operation_reads_back_as_it_was_written() {
        let mut record = Vec::new();
        every_kind().iter().for_each(|op| op.encode(&mut record));
        let mut r = Reader::new(&record);
        for op in every_kind() {
            assert_eq!(Op::decode(&mut r), Ok(op));
        }
        assert!(r.is_empty());
    }

    #[test]
    fn the_bytes_of_a_set_never_change() {
        let mut record = Vec::new();
        Op::Set { key: b"k", value: b"vw", expire_at: 258 }.encode(&mut record);
        assert_eq!(record, b"\x01\x02\x01\0\0\0\0\0\0\x01\0\0\0k\x02\0\0\0vw");
    }

    #[test]
    fn no_prefix_of_an_operation_is_one() {
        for op in every_kind() {
            let mut record = Vec::new();
            op.encode(&mut record);
            for n in 0..record.len() {
                assert!(Op::decode(&mut Reader::new(&record[..n])).is_err(), "{op:?} cut to {n} bytes");
            }
        }
    }
}
