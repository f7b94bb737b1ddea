//! Vectors on their way in: from packed bytes, checked once, so that nothing behind here meets a NaN or an overflow.

use crate::kernels;

/// The largest squared length of a vector. Two vectors within it are at a squared Euclidean distance of at most
/// `f32::MAX`, and no metric overflows.
pub const MAX_SQUARED_LENGTH: f32 = f32::MAX / 4.0;

/// Why a vector was refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum VectorError {
    /// A blob of the wrong length.
    Bytes {
        /// Its length in bytes.
        came: usize,
        /// Dimensions that the index has.
        dim: usize,
    },
    /// A list of the wrong length.
    Numbers {
        /// How many numbers there were.
        came: usize,
        /// Dimensions that the index has.
        dim: usize,
    },
    /// A number that is NaN or infinite.
    NotFinite {
        /// Its position, from zero.
        at: usize,
        /// The number.
        value: f32,
    },
    /// Longer than distances can be computed for.
    TooLong {
        /// Its squared length.
        squared: f64,
    },
}

impl std::fmt::Display for VectorError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Bytes { came, dim } => {
                let want = dim * size_of::<f32>();
                write!(
                    f,
                    "vector blob is {came} bytes, the index expects {want} ({dim} x f32, little-endian)"
                )
            }
            Self::Numbers { came, dim } => write!(f, "vector has {came} numbers, the index expects {dim}"),
            Self::NotFinite { at, value } => {
                write!(f, "vector element {at} is {value}, every element must be a finite number")
            }
            Self::TooLong { squared } => {
                write!(
                    f,
                    "vector has a squared length of {squared:e}, at most {MAX_SQUARED_LENGTH:e} is allowed"
                )
            }
        }
    }
}

impl std::error::Error for VectorError {}

/// Checks a vector for an index of `dim` dimensions: its length, that every number is finite, and that its squared
/// length is at most [`MAX_SQUARED_LENGTH`].
pub fn check_vector(vector: &[f32], dim: usize) -> Result<(), VectorError> {
    if vector.len() != dim {
        return Err(VectorError::Numbers { came: vector.len(), dim });
    }
    if !kernels::is_finite(vector)
        && let Some((at, value)) = vector.iter().copied().enumerate().find(|(_, x)| !x.is_finite())
    {
        return Err(VectorError::NotFinite { at, value });
    }
    let squared: f64 = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    if squared > f64::from(MAX_SQUARED_LENGTH) {
        return Err(VectorError::TooLong { squared });
    }
    Ok(())
}

/// Reads a blob of packed little-endian `f32` into `out`, which it replaces, and checks it like [`check_vector`].
pub fn read_vector(blob: &[u8], dim: usize, out: &mut Vec<f32>) -> Result<(), VectorError> {
    out.clear();
    let (words, rest) = blob.as_chunks::<4>();
    if words.len() != dim || !rest.is_empty() {
        return Err(VectorError::Bytes { came: blob.len(), dim });
    }
    out.extend(words.iter().map(|word| f32::from_le_bytes(*word)));
    check_vector(out, dim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(vector: &[f32]) -> Vec<u8> {
        vector.iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    fn refused(bytes: &[u8], dim: usize) -> String {
        read_vector(bytes, dim, &mut Vec::new()).unwrap_err().to_string()
    }

    #[test]
    fn a_good_blob_is_read_bit_for_bit() {
        let vector = [1.5, -0.0, f32::from_bits(1), -7.25e-30];
        let mut out = vec![9.0];
        read_vector(&blob(&vector), 4, &mut out).unwrap();
        assert_eq!(out.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), vector.map(f32::to_bits));
    }

    #[test]
    fn a_refusal_says_what_was_expected_and_what_came() {
        let text = "vector blob is 12 bytes, the index expects 1536 (384 x f32, little-endian)";
        assert_eq!(refused(&[0; 12], 384), text);
        assert!(refused(&[0; 17], 4).contains("17 bytes"));
        assert!(refused(&[], 1).contains("is 0 bytes"));
        assert!(refused(&blob(&[0.0, f32::NAN]), 2).starts_with("vector element 1 is NaN"));
        assert!(refused(&blob(&[f32::NEG_INFINITY, f32::NAN]), 2).starts_with("vector element 0 is -inf"));
        assert_eq!(
            check_vector(&[1.0], 2).unwrap_err().to_string(),
            "vector has 1 numbers, the index expects 2"
        );
    }

    #[test]
    fn the_longest_vector_allowed_is_where_the_text_says() {
        let edge = MAX_SQUARED_LENGTH.sqrt();
        assert_eq!(check_vector(&[edge * 0.999_999], 1), Ok(()));
        assert!(refused(&blob(&[edge, edge]), 2).contains("squared length"));
        assert!(refused(&blob(&[f32::MAX; 4]), 4).contains("squared length"));
    }
}
