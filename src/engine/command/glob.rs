//! Patterns of KEYS, SCAN and their like: `*` any bytes, `?` one byte, `[a-z]` and `[^a-z]` a byte of a set, `\x` the byte x.
//!
//! Matching takes at most pattern length times text length steps: only the last `*` is ever tried again, which is
//! enough because every other part of a pattern takes exactly one byte.

/// True if `pattern` matches all of `text`.
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (pattern, text);
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', rest @ ..] = p {
            star = Some((rest, t));
            p = rest;
            continue;
        }
        let Some((&byte, after)) = t.split_first() else {
            return p.iter().all(|b| *b == b'*');
        };
        if let Some(rest) = step(p, byte) {
            (p, t) = (rest, after);
            continue;
        }
        // Let the last star take one byte more.
        match &mut star {
            Some((rest, taken)) => {
                *taken = taken.get(1..).unwrap_or_default();
                (p, t) = (rest, taken);
            }
            None => return false,
        }
    }
}

/// What is left of the pattern when its first part takes `byte`; `None` if it does not.
fn step(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    match pattern {
        [] => None,
        [b'?', rest @ ..] => Some(rest),
        [b'[', rest @ ..] => {
            let (negated, rest) = match rest {
                [b'^', rest @ ..] => (true, rest),
                _ => (false, rest),
            };
            let (found, rest) = class(rest, byte);
            (found != negated).then_some(rest)
        }
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => (*literal == byte).then_some(rest),
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
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = [&b"a*".repeat(500)[..], b"b"].concat();
        assert!(!matches(&pattern, &b"a".repeat(5000)));
    }
}
