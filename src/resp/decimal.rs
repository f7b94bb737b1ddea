//! Floats for people: the fixed notation of INCRBYFLOAT, and its addition.
//!
//! Redis adds in 80-bit floats and prints 17 decimals, so 0.1 + 0.2 is `0.3` there. A 64-bit float cannot promise
//! that; sums of terms below 10^20 are therefore done in decimal, exact to the 17th place, and only others in
//! `f64`. Results never show an exponent.

use super::number::parse_f64;

/// Decimals that are kept, as in Redis' `%.17Lf`.
const DECIMALS: usize = 17;
const ONE: i128 = 10_i128.pow(DECIMALS as u32);
/// Terms below this many units are added exactly: 10^20 with 17 decimals, so that a sum stays within an `i128`.
const EXACT: i128 = 10_i128.pow(20) * ONE;

/// Why two texts have no sum. `Display` is Redis' text after `-ERR `.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SumError {
    /// One of the texts is no float.
    NotAFloat,
    /// The sum is infinite or no number.
    NotFinite,
}

impl std::fmt::Display for SumError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotAFloat => "value is not a valid float",
            Self::NotFinite => "increment would produce NaN or Infinity",
        })
    }
}

impl std::error::Error for SumError {}

/// The sum of two decimal texts in fixed notation, at most 17 decimals, no trailing zeros: `0.1` + `0.2` is `0.3`.
pub fn human_sum(a: &[u8], b: &[u8]) -> Result<String, SumError> {
    let (x, y) = parse_f64(a).zip(parse_f64(b)).ok_or(SumError::NotAFloat)?;
    if let Some((a, b)) = units(a).zip(units(b)) {
        return Ok(units_text(a + b));
    }
    let sum = x + y;
    if sum.is_finite() { Ok(human_f64(sum)) } else { Err(SumError::NotFinite) }
}

/// `value` in fixed notation: the shortest that reads back to it, cut to 17 decimals. `0` has no sign.
#[must_use]
pub fn human_f64(value: f64) -> String {
    let shortest = value.to_string();
    let decimals = shortest.split_once('.').map_or(0, |(_, d)| d.len());
    if decimals <= DECIMALS && value != 0.0 {
        return shortest;
    }
    let cut = format!("{value:.DECIMALS$}");
    match cut.trim_end_matches('0').trim_end_matches('.') {
        "-0" => String::from("0"),
        trimmed => trimmed.to_owned(),
    }
}

/// `text`, a valid float, to the nearest unit of 10^-17; `None` when it has too many digits for that.
fn units(text: &[u8]) -> Option<i128> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let text = std::str::from_utf8(text).ok()?;
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let mut size = 0_i128;
    for digit in whole.bytes().chain(fraction.bytes()) {
        let digit = i128::from(digit.checked_sub(b'0').filter(|d| *d < 10)?);
        size = size.checked_mul(10)?.checked_add(digit)?;
    }
    let shift = i64::from(exponent) + DECIMALS as i64 - i64::try_from(fraction.len()).ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(shift.unsigned_abs()).ok()?)?;
    let size = if shift < 0 { size.checked_add(scale / 2)? / scale } else { size.checked_mul(scale)? };
    if size >= EXACT {
        return None;
    }
    Some(if negative { -size } else { size })
}

fn units_text(units: i128) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let size = units.unsigned_abs();
    let one = ONE.unsigned_abs();
    let text = format!("{sign}{}.{:017}", size / one, size % one);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(a: &str, b: &str) -> Result<String, SumError> {
        human_sum(a.as_bytes(), b.as_bytes())
    }

    #[test]
    fn decimal_sums_are_exact_as_people_expect() {
        let table = [
            ("0.1", "0.2", "0.3"),
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("3", "-3", "0"),
            ("-0.5", "0.25", "-0.25"),
            ("1", "1.5", "2.5"),
            ("17179869184", "1.5", "17179869185.5"),
            ("9007199254740993", "0", "9007199254740993"),
            ("1e-17", "1", "1.00000000000000001"),
            ("+.5", "5.", "5.5"),
            ("1e-18", "0", "0"),
            ("-1e-20", "0", "0"),
            ("0.33333333333333333333", "0", "0.33333333333333333"),
            ("0.66666666666666666666", "0", "0.66666666666666667"),
            ("1e22", "0.5", "10000000000000000000000"),
            ("1e21", "1", "1000000000000000000000"),
            ("-0", "0", "0"),
            ("0e99", "1", "1"),
            ("99999999999999999999.99999999999999999", "0.00000000000000001", "100000000000000000000"),
        ];
        for (a, b, expected) in table {
            assert_eq!(sum(a, b).as_deref(), Ok(expected), "{a} + {b}");
        }
    }

    #[test]
    fn what_has_no_sum_is_told_apart() {
        assert_eq!(sum("a", "1"), Err(SumError::NotAFloat));
        assert_eq!(sum("1", " 1"), Err(SumError::NotAFloat));
        assert_eq!(sum("1", "inf"), Err(SumError::NotFinite));
        assert_eq!(sum("inf", "-inf"), Err(SumError::NotFinite));
        assert_eq!(sum("1.7e308", "1.7e308"), Err(SumError::NotFinite));
        assert_eq!(SumError::NotAFloat.to_string(), "value is not a valid float");
        assert_eq!(SumError::NotFinite.to_string(), "increment would produce NaN or Infinity");
    }

    #[test]
    fn floats_for_people_have_no_exponent_and_no_loose_zeros() {
        let table = [
            (3.0, "3"),
            (10.6, "10.6"),
            (-0.0, "0"),
            (0.0, "0"),
            (1e-7, "0.0000001"),
            (-1e-20, "0"),
            (1e20, "100000000000000000000"),
            (1.0 / 3.0, "0.3333333333333333"),
            (1.0 / 300.0, "0.00333333333333333"),
            (-2.5, "-2.5"),
        ];
        for (value, text) in table {
            assert_eq!(human_f64(value), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn sums_agree_with_integer_arithmetic(a in -10_i64.pow(15)..10_i64.pow(15), b in -10_i64.pow(15)..10_i64.pow(15)) {
            let text = |n: i64| format!("{n}e-6");
            let want = units_text(i128::from(a + b) * 10_i128.pow(11));
            proptest::prop_assert_eq!(sum(&text(a), &text(b)), Ok(want));
        }
    }
}
