//! The words of one command: views over bytes that lie elsewhere, and the owned copy kept for queued commands.
//!
//! Guarantees: a view costs no allocation and two words of memory per word of the command. It does not guarantee
//! anything about the bytes: they are the client's, of any value and length, possibly empty.

use std::ops::Index;

/// Longest command name that [`Args::name`] lowers; no command's name is longer.
const NAME: usize = 32;

/// Where one word lies: byte offsets `start..end` into the buffer it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    start: u32,
    end: u32,
}

impl Word {
    /// The word at `start..end`. Panics beyond 4 GiB: the parser refuses commands that long.
    pub(super) fn new(start: usize, end: usize) -> Self {
        assert!(start <= end && u32::try_from(end).is_ok(), "a word at {start}..{end} has no place");
        Self { start: start as u32, end: end as u32 }
    }

    fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }
}

/// The words of a command, borrowed: the name first, then its arguments. Copying the view copies no words.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    bytes: &'a [u8],
    words: &'a [Word],
}

impl<'a> Args<'a> {
    /// The view of `words` as they lie in `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8], words: &'a [Word]) -> Self {
        Self { bytes, words }
    }

    /// How many words there are, the command's name among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// True when there is no word at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Word `i`, if there are that many.
    #[must_use]
    pub fn get(&self, i: usize) -> Option<&'a [u8]> {
        self.words.get(i).map(|w| w.of(self.bytes))
    }

    /// The first `n` words; all when there are fewer.
    #[must_use]
    pub fn first(&self, n: usize) -> Args<'a> {
        Self { bytes: self.bytes, words: self.words.get(..n).unwrap_or(self.words) }
    }

    /// The words from `from` on; none when there are fewer.
    #[must_use]
    pub fn skip(&self, from: usize) -> Args<'a> {
        Self { bytes: self.bytes, words: self.words.get(from..).unwrap_or_default() }
    }

    /// The words in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &'a [u8]> + ExactSizeIterator + Clone + use<'a> {
        let bytes = self.bytes;
        self.words.iter().map(move |w| w.of(bytes))
    }

    /// The first word in lower case; `None` when there is none or it is longer than any command's name.
    #[must_use]
    pub fn name(&self) -> Option<Name> {
        Name::lower(self.get(0)?)
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];

    fn index(&self, i: usize) -> &[u8] {
        self.words[i].of(self.bytes)
    }
}

impl std::fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(|w| w.escape_ascii().to_string())).finish()
    }
}

/// A short word in lower case, held in place: what command tables are looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    bytes: [u8; NAME],
    len: usize,
}

impl Name {
    /// `word` in lower case (ASCII); `None` when it is longer than any command's name (32 bytes).
    #[must_use]
    pub fn lower(word: &[u8]) -> Option<Self> {
        let mut bytes = [0; NAME];
        let lowered = bytes.get_mut(..word.len())?;
        lowered.copy_from_slice(word);
        lowered.make_ascii_lowercase();
        Some(Self { bytes, len: word.len() })
    }

    /// The lowered bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl std::ops::Deref for Name {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// A command that outlives the input it came in: its words back to back in one allocation, their places in another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedArgs {
    bytes: Box<[u8]>,
    words: Box<[Word]>,
}

impl OwnedArgs {
    /// The command made of `words`. Panics when they are 4 GiB together, which the parser never lets through.
    pub fn from_words<'w>(words: impl IntoIterator<Item = &'w [u8], IntoIter: Clone>) -> Self {
        let words = words.into_iter();
        let (count, total) = words.clone().fold((0, 0), |(n, sum), w| (n + 1, sum + w.len()));
        let mut bytes = Vec::with_capacity(total);
        let mut places = Vec::with_capacity(count);
        for word in words {
            let start = bytes.len();
            bytes.extend_from_slice(word);
            places.push(Word::new(start, bytes.len()));
        }
        Self { bytes: bytes.into(), words: places.into() }
    }

    /// The view that commands take.
    #[must_use]
    pub fn args(&self) -> Args<'_> {
        Args::new(&self.bytes, &self.words)
    }

    /// Bytes of memory this command holds.
    #[must_use]
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.bytes.len() + size_of_val::<[Word]>(&self.words)
    }
}

impl From<Args<'_>> for OwnedArgs {
    fn from(args: Args<'_>) -> Self {
        Self::from_words(args.iter())
    }
}

/// Whether two words are equal but for the case of ASCII letters, as option words are compared.
#[must_use]
pub fn eq_ignore_case(a: &[u8], b: &[u8]) -> bool {
    a.eq_ignore_ascii_case(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(words: &[&[u8]]) -> OwnedArgs {
        OwnedArgs::from_words(words.iter().copied())
    }

    #[test]
    fn an_owned_command_reads_as_the_words_it_was_made_of() {
        let command = owned(&[b"SeT", b"", b"\0\r\n"]);
        let args = command.args();
        assert_eq!((args.len(), args.is_empty()), (3, false));
        assert_eq!(
            (&args[0], &args[1], args.get(2), args.get(3)),
            (&b"SeT"[..], &b""[..], Some(&b"\0\r\n"[..]), None)
        );
        assert_eq!(args.iter().rev().map(<[u8]>::len).collect::<Vec<_>>(), [3, 0, 3]);
        assert_eq!(args.skip(2).iter().collect::<Vec<_>>(), [b"\0\r\n"]);
        assert!(args.skip(3).is_empty() && args.skip(9).is_empty());
        assert_eq!(OwnedArgs::from(args), command);
        assert_eq!(command.size(), size_of::<OwnedArgs>() + 6 + 3 * 8);
        assert_eq!(format!("{args:?}"), r#"["SeT", "", "\\x00\\r\\n"]"#);
    }

    #[test]
    fn names_are_lowered_and_bounded() {
        assert_eq!(owned(&[b"GeTrange"]).args().name().unwrap().as_bytes(), b"getrange");
        assert_eq!(&*Name::lower(&[b'X'; 32]).unwrap(), [b'x'; 32]);
        assert_eq!(Name::lower(&[b'X'; 33]), None);
        assert_eq!(owned(&[]).args().name(), None);
        assert!(eq_ignore_case(b"KeepTTL", b"KEEPTTL") && !eq_ignore_case(b"EX", b"EXA"));
    }
}
