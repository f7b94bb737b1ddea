//! Patterns of KEYS, SCAN and their like: `*` any bytes, `?` one byte, `[a-z]` and `[^a-z]` a byte of a set, `\x` the byte x.
//!
//! A text is matched from left to right, and where that fails only the last `*` is tried again, which is enough because every
//! other part of a pattern takes exactly one byte. That takes about as many steps as the text is long, save where pattern and
//! text repeat themselves. When it has taken some times as many, the text is matched by an automaton instead, which is
//! in all places of the pattern at once: a word's operations for 64 parts of the pattern and a byte of the text, and never more
//! (Baeza-Yates and Gonnet, "A new approach to text searching", 1992). Patterns have a bounded length, so that a match takes
//! a time that is bounded by the text's length.

use std::sync::OnceLock;

use crate::base::limits;

/// Bytes of a pattern that may be read for each byte of pattern and text before the automaton takes over.
const PATIENCE: usize = 4;
/// Values of a byte.
const BYTES: usize = 256;

/// A pattern to match many texts with.
#[derive(Debug)]
pub struct Glob {
    pattern: Vec<u8>,
    automaton: OnceLock<Automaton>,
}

/// Why a pattern is refused: it has so many bytes, more than `limits::PATTERN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong(usize);

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a pattern takes {} bytes at most, not {}", limits::PATTERN, self.0)
    }
}

impl Glob {
    /// A pattern of at most `limits::PATTERN` bytes.
    pub fn new(pattern: &[u8]) -> Result<Self, TooLong> {
        if pattern.len() > limits::PATTERN {
            return Err(TooLong(pattern.len()));
        }
        Ok(Self { pattern: pattern.to_vec(), automaton: OnceLock::new() })
    }

    /// True if it matches all of `text`.
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        let patience = PATIENCE * (self.pattern.len() + text.len());
        self.tried(text, patience)
            .unwrap_or_else(|| self.automaton.get_or_init(|| Automaton::new(&self.pattern)).matches(text))
    }

    /// Tries the last star again and again, as long as no more than `patience` bytes of the pattern are read for that.
    fn tried(&self, text: &[u8], mut patience: usize) -> Option<bool> {
        let (mut p, mut t) = (&self.pattern[..], text);
        let mut star: Option<(&[u8], &[u8])> = None;
        loop {
            if let [b'*', rest @ ..] = p {
                star = Some((rest, t));
                p = rest;
                continue;
            }
            let Some((&byte, after)) = t.split_first() else {
                return Some(p.iter().all(|b| *b == b'*'));
            };
            let (accepts, rest) = step(p, byte);
            patience = patience.checked_sub(p.len() - rest.len())?;
            if accepts {
                (p, t) = (rest, after);
                continue;
            }
            // Let the last star take one byte more.
            match &mut star {
                Some((rest, taken)) => {
                    *taken = taken.get(1..).unwrap_or_default();
                    (p, t) = (rest, taken);
                }
                None => return Some(false),
            }
        }
    }
}

/// The places of a pattern: one before each part that takes a byte, and one behind the last. A bit each.
#[derive(Debug)]
struct Automaton {
    /// Words of a set of places.
    words: usize,
    /// By byte, the places before whose part it fits.
    fits: Vec<u64>,
    /// Places where a star stands.
    stays: Vec<u64>,
    /// The last place.
    end: usize,
}

impl Automaton {
    fn new(pattern: &[u8]) -> Self {
        let words = (pattern.len() + 1).div_ceil(64);
        let (mut fits, mut stays) = (vec![0_u64; BYTES * words], vec![0_u64; words]);
        let (mut rest, mut end) = (pattern, 0);
        while let [first, behind @ ..] = rest {
            if *first == b'*' {
                stays[end / 64] |= 1 << (end % 64);
                rest = behind;
                continue;
            }
            let part = rest;
            for byte in 0..=u8::MAX {
                let (accepts, behind) = step(part, byte);
                fits[usize::from(byte) * words + end / 64] |= u64::from(accepts) << (end % 64);
                rest = behind;
            }
            end += 1;
        }
        Self { words, fits, stays, end }
    }

    fn matches(&self, text: &[u8]) -> bool {
        let mut at = vec![0_u64; self.words];
        at[0] = 1;
        for byte in text {
            let fits = &self.fits[usize::from(*byte) * self.words..][..self.words];
            let (mut carried, mut any) = (0, 0);
            for ((places, fits), stays) in at.iter_mut().zip(fits).zip(&self.stays) {
                let moved = *places & fits;
                *places = moved << 1 | carried | *places & stays;
                carried = moved >> 63;
                any |= *places;
            }
            if any == 0 {
                return false;
            }
        }
        at[self.end / 64] >> (self.end % 64) & 1 == 1
    }
}

/// Whether the first part of the pattern, which is no star, takes `byte`, and what is left of the pattern behind it.
fn step(pattern: &[u8], byte: u8) -> (bool, &[u8]) {
    match pattern {
        [] => (false, pattern),
        [b'?', rest @ ..] => (true, rest),
        [b'[', rest @ ..] => {
            let (negated, rest) = match rest {
                [b'^', rest @ ..] => (true, rest),
                _ => (false, rest),
            };
            let (found, rest) = class(rest, byte);
            (found != negated, rest)
        }
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => (*literal == byte, rest),
    }
}

/// Whether the set that starts here has `byte`, and what follows its `]`. A set without one goes to the end.
fn class(mut set: &[u8], byte: u8) -> (bool, &[u8]) {
    let mut found = false;
    loop {
        set = match set {
            [] => return (found, set),
            [b'\\', literal, rest @ ..] => {
                found |= *literal == byte;
                rest
            }
            [b']', rest @ ..] => return (found, rest),
            [from, b'-', to, rest @ ..] => {
                found |= (*from.min(to)..=*from.max(to)).contains(&byte);
                rest
            }
            [literal, rest @ ..] => {
                found |= *literal == byte;
                rest
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    #[test]
    fn patterns_match_as_redis_has_them() {
        let table: [(&str, &str, bool); 36] = [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("**", "abc", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbcd", false),
            ("*a*b*c*", "xxaxxbxxcxx", true),
            ("*a*b*c*", "xxaxxcxxbxx", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("?", "", false),
            ("h[ae]llo", "hello", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("h[a-b]llo", "hcllo", false),
            ("[]a", "a", false),
            ("[^]a", "xa", true),
            ("[a\\]]", "]", true),
            ("[\\-a]", "-", true),
            ("[a-", "a", true),
            ("[a-", "-", true),
            ("[a", "a", true),
            ("[", "a", false),
            ("[^", "a", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a\\", "a\\", true),
            ("\\", "\\", true),
            ("a[", "a", false),
            ("*[0-9]", "key:7", true),
            ("*[0-9]", "key:x", false),
            ("a*?", "a", false),
            ("a*?", "ab", true),
        ];
        for (pattern, text, expected) in table {
            let (glob, text) = (Glob::new(pattern.as_bytes()).unwrap(), text.as_bytes());
            assert_eq!(glob.matches(text), expected, "{pattern:?} on {text:?}");
            assert_eq!(Automaton::new(&glob.pattern).matches(text), expected, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn the_automaton_agrees_with_trying() {
        let mut rng = Rng::new(11);
        let mut draw = |letters: &[u8], most: u64| -> Vec<u8> {
            (0..rng.below(most)).map(|_| letters[rng.index(letters.len())]).collect()
        };
        let mut found = 0;
        for _ in 0..if cfg!(miri) { 300 } else { 30_000 } {
            let (pattern, text) = (draw(b"aab***??[]^-\\", 12), draw(b"aab-]", 12));
            let glob = Glob::new(&pattern).unwrap();
            let tried = glob.tried(&text, usize::MAX);
            assert_eq!(Some(Automaton::new(&pattern).matches(&text)), tried, "{pattern:?} on {text:?}");
            found += usize::from(tried == Some(true));
        }
        assert!(found > if cfg!(miri) { 3 } else { 1_000 }, "{found} matched");
    }

    #[test]
    fn places_are_carried_from_word_to_word() {
        let text: Vec<u8> = (0..200).map(|n| 128 + n % 128).collect();
        let pattern = [&text[..100], b"*", &text[150..]].concat();
        assert!(Automaton::new(&text[..]).matches(&text) && Automaton::new(&pattern).matches(&text));
        assert!(
            !Automaton::new(&pattern).matches(&text[..199]) && !Automaton::new(&text[..]).matches(&text[1..])
        );
    }

    #[test]
    fn no_pattern_and_no_text_take_longer_than_both_are_long() {
        let stars = [&b"a*".repeat(500)[..], b"b"].concat();
        let tail = [&b"*"[..], &b"a".repeat(1_022), b"b"].concat();
        let sets = [&b"*"[..], &b"[a-z]".repeat(200), b"b"].concat();
        for pattern in [stars, tail, sets] {
            let glob = Glob::new(&pattern).unwrap();
            // Trying takes some 10^9 steps with each of these.
            let text = b"a".repeat(if cfg!(miri) { 2_000 } else { 1_000_000 });
            assert!(!glob.matches(&text));
            assert!(glob.matches(&[&text[..], b"b"].concat()));
            assert!(glob.automaton.get().is_some() || pattern.starts_with(b"a"));
        }
        let long = [b'a'; limits::PATTERN + 1];
        let refusal = Glob::new(&long).unwrap_err().to_string();
        assert_eq!(refusal, "a pattern takes 1024 bytes at most, not 1025");
    }
}
