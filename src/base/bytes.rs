//! Byte cursors for the on-disk formats: little-endian, bounded, never panicking on foreign input.

/// Why bytes could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The input ended before the value did.
    Short,
    /// A value was outside what the format allows; the word says which.
    Invalid(&'static str),
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Short => f.write_str("the bytes end in the middle of a value"),
            Self::Invalid(what) => write!(f, "invalid {what}"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Reads values from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader over all of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// True when everything has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self.rest.split_at_checked(n).ok_or(DecodeError::Short)?;
        self.rest = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Short)?;
        self.rest = tail;
        Ok(*head)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[b]| b)
    }

    /// A little-endian 16-bit word.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_le_bytes)
    }

    /// A little-endian 32-bit word.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    /// A little-endian 64-bit word.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A byte string: a 32-bit length, then that many bytes.
    pub fn string(&mut self) -> Result<&'a [u8], DecodeError> {
        let n = self.u32()?;
        self.take(n as usize)
    }
}

/// Appends values to a byte vector; the mirror of [`Reader`].
pub trait Put {
    /// Appends one byte.
    fn put_u8(&mut self, v: u8);
    /// Appends a little-endian 16-bit word.
    fn put_u16(&mut self, v: u16);
    /// Appends a little-endian 32-bit word.
    fn put_u32(&mut self, v: u32);
    /// Appends a little-endian 64-bit word.
    fn put_u64(&mut self, v: u64);
    /// Appends a 32-bit length and the bytes. The caller keeps strings below 4 GiB (`limits::MAX_BULK`).
    fn put_string(&mut self, v: &[u8]);
    /// Appends the length only; the bytes are to follow.
    fn put_length(&mut self, v: &[u8]);
}

impl Put for Vec<u8> {
    fn put_u8(&mut self, v: u8) {
        self.push(v);
    }

    fn put_u16(&mut self, v: u16) {
        self.extend_from_slice(&v.to_le_bytes());
    }

    fn put_u32(&mut self, v: u32) {
        self.extend_from_slice(&v.to_le_bytes());
    }

    fn put_u64(&mut self, v: u64) {
        self.extend_from_slice(&v.to_le_bytes());
    }

    fn put_string(&mut self, v: &[u8]) {
        self.put_length(v);
        self.extend_from_slice(v);
    }

    fn put_length(&mut self, v: &[u8]) {
        assert!(u32::try_from(v.len()).is_ok(), "a string of {} bytes does not fit its length word", v.len());
        self.put_u32(v.len() as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_read_back() {
        let mut out = Vec::new();
        out.put_u8(7);
        out.put_u16(0x0102);
        out.put_u32(0x0102_0304);
        out.put_u64(u64::MAX - 1);
        out.put_string(b"key");
        assert_eq!(&out[1..3], [2, 1], "little-endian");
        let mut r = Reader::new(&out);
        assert_eq!((r.u8(), r.u16(), r.u32()), (Ok(7), Ok(0x0102), Ok(0x0102_0304)));
        assert_eq!((r.u64(), r.string()), (Ok(u64::MAX - 1), Ok(&b"key"[..])));
        assert!(r.is_empty());
    }

    #[test]
    fn every_prefix_of_a_value_is_short() {
        let mut out = Vec::new();
        out.put_string(b"hello");
        for n in 0..out.len() {
            assert_eq!(Reader::new(&out[..n]).string(), Err(DecodeError::Short), "{n} bytes");
        }
    }
}
