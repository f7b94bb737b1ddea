//! Numbers as text: strict readers for what clients send, and short writers for what they get.
//!
//! Guarantees: the readers accept exactly one spelling's grammar and never allocate; the writers need no heap. A
//! double's text is the shortest that reads back to the same bits; it is not `%.17g` padded to the letter.

use std::fmt::Write;

/// Reads a decimal integer with Redis' strictness: an optional `-`, no `+`, no spaces, no leading zeros, no `-0`.
#[must_use]
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let (first, rest) = digits.split_first()?;
    match first {
        b'0' if rest.is_empty() && !negative => return Some(0),
        b'1'..=b'9' if rest.len() < 19 => {}
        _ => return None,
    }
    // At most 19 digits: below 10^19, which a u64 holds.
    let mut size = u64::from(first - b'0');
    for digit in rest {
        if !digit.is_ascii_digit() {
            return None;
        }
        size = size * 10 + u64::from(digit - b'0');
    }
    if negative { 0_i64.checked_sub_unsigned(size) } else { i64::try_from(size).ok() }
}

/// Reads a decimal float as `strtod` would, the whole text or nothing: `1`, `-1.5`, `.5`, `5.`, `1e5`, `inf`,
/// `+inf`, `-infinity` in any case. No NaN, no hexadecimal, no spaces; and like Redis no number too large or too
/// small (other than zero) for a double.
#[must_use]
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let mut mantissa = text.iter().take_while(|b| !matches!(b, b'e' | b'E'));
    let out_of_range = match value {
        v if v.is_nan() => true,
        v if v.is_infinite() => text.iter().any(u8::is_ascii_digit),
        0.0 => mantissa.any(|b| matches!(b, b'1'..=b'9')),
        _ => false,
    };
    (!out_of_range).then_some(value)
}

/// A number's text, in place: at most 32 bytes of ASCII.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    bytes: [u8; 32],
    start: usize,
    end: usize,
}

impl Text {
    /// The text's bytes.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }
}

impl Write for Text {
    fn write_str(&mut self, s: &str) -> std::fmt::Result {
        let free = self.bytes.get_mut(self.end..self.end + s.len()).ok_or(std::fmt::Error)?;
        free.copy_from_slice(s.as_bytes());
        self.end += s.len();
        Ok(())
    }
}

/// The decimal digits of `value`.
#[must_use]
#[inline]
pub fn text_i64(value: i64) -> Text {
    let mut text = Text { bytes: [0; 32], start: 32, end: 32 };
    let mut rest = value.unsigned_abs();
    loop {
        text.start -= 1;
        text.bytes[text.start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        text.start -= 1;
        text.bytes[text.start] = b'-';
    }
    text
}

/// The shortest text that reads back to `value`: `1`, `0.1`, `1e-7`, `1.5e300`, `inf`, `-inf`, `nan`. Exponents
/// appear where `%.17g` has them: below 1e-4 and from 1e17.
#[must_use]
pub fn text_f64(value: f64) -> Text {
    let mut text = Text { bytes: [0; 32], start: 0, end: 0 };
    let size = value.abs();
    let wrote = if value.is_nan() {
        text.write_str("nan")
    } else if size == 0.0 || size.is_infinite() || (1e-4..1e17).contains(&size) {
        write!(text, "{value}")
    } else {
        write!(text, "{value:e}")
    };
    assert!(wrote.is_ok(), "a double's text is at most 25 bytes");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn f64_text(value: f64) -> String {
        String::from_utf8(text_f64(value).as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn integers_are_read_strictly() {
        let good = [("0", 0), ("7", 7), ("-1", -1), ("1234567890123456789", 1_234_567_890_123_456_789)];
        for (text, value) in good {
            assert_eq!(parse_i64(text.as_bytes()), Some(value), "{text}");
        }
        assert_eq!(parse_i64(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(parse_i64(b"-9223372036854775808"), Some(i64::MIN));
        let bad = [
            "",
            "-",
            "+1",
            " 1",
            "1 ",
            "01",
            "-0",
            "-01",
            "00",
            "1a",
            "a",
            "0x1",
            "--1",
            "1.0",
            "1e3",
            "\0",
            "1\0",
            "9223372036854775808",
            "-9223372036854775809",
            "9999999999999999999",
            "10000000000000000000",
            "18446744073709551616",
            "99999999999999999999999999",
        ];
        for text in bad {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn floats_are_read_as_strtod_reads_them() {
        let good = [
            ("1e5", 1e5),
            (".5", 0.5),
            ("5.", 5.0),
            ("+5", 5.0),
            ("-0.25E-1", -0.025),
            ("inf", f64::INFINITY),
            ("+Inf", f64::INFINITY),
            ("-INF", f64::NEG_INFINITY),
            ("infinity", f64::INFINITY),
            ("007", 7.0),
            ("0e999999", 0.0),
            ("0.000", 0.0),
            ("4.9e-324", 5e-324),
            ("1e40", 1e40),
        ];
        for (text, value) in good {
            assert_eq!(parse_f64(text.as_bytes()), Some(value), "{text}");
        }
        let bad = [
            "", " ", " 1", "1 ", "1\n", "nan", "-NaN", "nan(1)", "0x1p3", "1e", "e5", ".", "+", "-", "1,5",
            "1_0", "infin", "1e400", "-1e400", "1e-400", "--1", "\u{661}", "1\0", "1.2.3", "1d5",
        ];
        for text in bad {
            assert_eq!(parse_f64(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse_f64(b"\xff1"), None);
    }

    #[test]
    fn doubles_are_written_short() {
        let table = [
            (1.0, "1"),
            (-1.0, "-1"),
            (0.0, "0"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (0.8535533845424652, "0.8535533845424652"),
            (1e-4, "0.0001"),
            (9.5e-5, "9.5e-5"),
            (1e-7, "1e-7"),
            (1e16, "10000000000000000"),
            (1e17, "1e17"),
            (1.5e300, "1.5e300"),
            (f64::MAX, "1.7976931348623157e308"),
            (5e-324, "5e-324"),
            (100.5, "100.5"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
            (-f64::NAN, "nan"),
            (-2.5e-300, "-2.5e-300"),
        ];
        for (value, text) in table {
            assert_eq!(f64_text(value), text);
        }
    }

    proptest! {
        #[test]
        fn every_integer_reads_back(value: i64) {
            let text = text_i64(value);
            prop_assert_eq!(text.as_bytes().to_vec(), value.to_string().into_bytes());
            prop_assert_eq!(parse_i64(text.as_bytes()), Some(value));
        }

        #[test]
        fn every_double_reads_back_to_the_same_bits(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            prop_assert_eq!(parse_f64(text_f64(value).as_bytes()).map(f64::to_bits), Some(bits));
        }

        #[test]
        fn an_integer_has_one_spelling(text in "[-+0-9 ]{0,22}") {
            if let Some(value) = parse_i64(text.as_bytes()) {
                prop_assert_eq!(value.to_string(), text);
            }
        }
    }
}
