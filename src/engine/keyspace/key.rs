//! A name, kept inside its entry where it is short: finding it costs a cache miss less, making it an allocation less.
//! Names are never changed.

/// Longest name that is kept in place.
const SHORT: usize = 22;

/// The bytes of a name.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key(Bytes);

#[derive(Clone, PartialEq, Eq)]
enum Bytes {
    /// The length and the bytes, zeros behind them.
    Short(u8, [u8; SHORT]),
    Long(Box<[u8]>),
}

impl Key {
    /// Bytes on the heap.
    pub(super) fn heap(&self) -> usize {
        match &self.0 {
            Bytes::Short(..) => 0,
            Bytes::Long(bytes) => bytes.len() + super::ALLOCATOR_BYTES,
        }
    }
}

impl From<&[u8]> for Key {
    fn from(name: &[u8]) -> Self {
        let mut short = [0; SHORT];
        match short.get_mut(..name.len()) {
            Some(place) => {
                place.copy_from_slice(name);
                Self(Bytes::Short(name.len() as u8, short))
            }
            None => Self(Bytes::Long(name.into())),
        }
    }
}

impl std::ops::Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Short(length, bytes) => &bytes[..usize::from(*length)],
            Bytes::Long(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_as_the_bytes_it_was_made_of() {
        for length in [0, 1, SHORT - 1, SHORT, SHORT + 1, 300] {
            let bytes: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let key = Key::from(&bytes[..]);
            assert_eq!(&*key, &bytes[..]);
            assert_eq!(key.heap() > 0, length > SHORT, "{length} bytes");
        }
        assert_ne!(Key::from(&b"a"[..]), Key::from(&b"a\0"[..]));
        assert_eq!(size_of::<Key>(), 24, "no larger than a vector's three words");
    }
}
