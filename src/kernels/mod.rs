//! Distance kernels: dot product and squared Euclidean distance of `f32` vectors, the same bits on every machine.
//!
//! # The canonical order
//! A sum has [`LANES`] = 64 accumulators ("lanes"), all starting at +0.0. The inputs count as continued with +0.0 up to
//! a multiple of 64 elements. Going upward, element `i` enters lane `i mod 64` by one fused multiply-add:
//! `lane = fma(a, b, lane)` for the dot product, `d = a - b; lane = fma(d, d, lane)` for the squared distance. Then the
//! lanes are folded in halves: lane `l` takes lane `l + 32` for `l < 32`, then `l + 16` for `l < 16`, then `l + 8`,
//! `l + 4`, `l + 2`, `l + 1`; each step one rounded addition. Lane 0 is the result; a result that is not a number
//! (possible only when a finite input overflows, or an input is not finite) becomes the one NaN `0x7fc0_0000`.
//!
//! The order maps onto four AVX-512 registers, eight of AVX2 or sixteen of NEON: whole registers are folded first, and
//! only the last steps go inside a register. `scalar.rs` spells it out and is the oracle of the others.
//!
//! # What is guaranteed, and what is not
//! Equal inputs give equal bits from every kernel, at any length and any alignment, zero-padded up to a multiple of 64
//! or not. Nothing outside the slices is read. Rounding to nearest and subnormals on (the state Rust requires) are
//! relied on. The sums are rounded: about `len / 64 + 6` roundings lie on the way of an element, none is compensated.
//! Inputs are not checked for NaN or infinity here: see [`is_finite`].

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod codes;
mod hadamard;
mod lanes;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(test)]
mod tests;

use std::fmt;

pub use codes::{BLOCK, Code, planes};

/// How many accumulators a sum has, and to what multiple an input counts as continued with zeros.
pub const LANES: usize = 64;

/// Every kernel this crate knows, slowest first, whether or not this machine can run it.
pub const NAMES: [&str; 4] = ["scalar", "neon", "avx2", "avx512"];

/// One sum over two slices of equal length. Unsafe to call: the CPU must have the instructions it was compiled for.
type Sum = unsafe fn(&[f32], &[f32]) -> f32;

/// One sum of the first slice and each of the rows. Unsafe to call as [`Sum`] is.
type Sums = unsafe fn(&[f32], &[&[f32]], &mut [f32]);

/// A change of a slice in its place. Unsafe to call as [`Sum`] is.
type Transform = unsafe fn(&mut [f32]);

/// One sum of a query and each of the codes. Unsafe to call as [`Sum`] is.
type CodeSums = unsafe fn(&[i8], &[&[u8]], &mut [i32]);

/// The kernels of one instruction set: a small table to be chosen once at start and handed around by value.
///
/// A value exists only for instructions this CPU has: every constructor goes through [`Kernels::available`].
#[derive(Clone, Copy)]
pub struct Kernels {
    name: &'static str,
    dot: Sum,
    l2_squared: Sum,
    dots: Sums,
    l2s_squared: Sums,
    nibbles: CodeSums,
    bytes: CodeSums,
    bits: CodeSums,
    hadamard: Transform,
}

impl Kernels {
    /// The fastest kernels of this CPU.
    #[must_use]
    pub fn best() -> Self {
        Self::available().last().copied().unwrap_or(SCALAR)
    }

    /// The kernels called `name`, one of [`NAMES`].
    ///
    /// # Errors
    /// When no kernel has that name or this CPU lacks its instructions; the message lists what there is.
    pub fn named(name: &str) -> Result<Self, String> {
        let available = Self::available();
        if let Some(found) = available.iter().find(|kernels| kernels.name == name) {
            return Ok(*found);
        }
        let here = available.iter().map(Self::name).collect::<Vec<_>>().join(", ");
        let why = if NAMES.contains(&name) { "does not run on this CPU" } else { "does not exist" };
        Err(format!("the kernel '{name}' {why}; here there are: {here}"))
    }

    /// Every table this CPU can run, slowest first; the scalar one is always there.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut tables = vec![SCALAR];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("popcnt")
            {
                tables.push(AVX2);
            }
            if tables.len() == 2 && is_x86_feature_detected!("avx512f") {
                // The compressed forms need more extensions; without them those of AVX2 serve.
                let vnni = is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vnni");
                let popcnt = is_x86_feature_detected!("avx512vpopcntdq");
                tables.push(if vnni && popcnt { AVX512_VNNI } else { AVX512 });
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            tables.push(NEON);
        }
        tables
    }

    /// The name by which [`Kernels::named`] finds this table.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The dot product of `a` and `b`, in the canonical order.
    ///
    /// # Panics
    /// When the lengths differ.
    #[inline]
    #[must_use]
    pub fn dot(&self, a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len(), "vectors of different dimensions");
        // SAFETY: this table exists, so `available` has found the instructions of its functions on this CPU.
        canonical(unsafe { (self.dot)(a, b) })
    }

    /// The squared Euclidean distance of `a` and `b`, in the canonical order; never negative.
    ///
    /// # Panics
    /// When the lengths differ.
    #[inline]
    #[must_use]
    pub fn l2_squared(&self, a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len(), "vectors of different dimensions");
        // SAFETY: this table exists, so `available` has found the instructions of its functions on this CPU.
        canonical(unsafe { (self.l2_squared)(a, b) })
    }

    /// The dot product of `a` and each of `rows`, in `out`: bit for bit what [`Kernels::dot`] gives, for one call.
    ///
    /// # Panics
    /// When the lengths differ, or `out` has another length than `rows`.
    pub fn dots(&self, a: &[f32], rows: &[&[f32]], out: &mut [f32]) {
        assert!(rows.len() == out.len() && rows.iter().all(|row| row.len() == a.len()), "lengths differ");
        // SAFETY: this table exists, so `available` has found the instructions of its functions on this CPU.
        unsafe { (self.dots)(a, rows, out) }
    }

    /// The squared Euclidean distance of `a` to each of `rows`, as [`Kernels::dots`].
    ///
    /// # Panics
    /// As [`Kernels::dots`].
    pub fn l2s_squared(&self, a: &[f32], rows: &[&[f32]], out: &mut [f32]) {
        assert!(rows.len() == out.len() && rows.iter().all(|row| row.len() == a.len()), "lengths differ");
        // SAFETY: this table exists, so `available` has found the instructions of its functions on this CPU.
        unsafe { (self.l2s_squared)(a, rows, out) }
    }

    /// The dot product of `query` and each of the `codes`, in `out`; the sums are exact. For [`Code::Bit`] the query comes
    /// in [`planes`].
    ///
    /// # Panics
    /// When a code or the query is not of one length in whole blocks ([`Code::stride`]), or `out` has another length
    /// than `codes`.
    pub fn code_dots(&self, code: Code, query: &[i8], codes: &[&[u8]], out: &mut [i32]) {
        let stride = code.stride(query.len());
        assert!(query.len().is_multiple_of(BLOCK), "a query has whole blocks");
        assert!(codes.len() == out.len() && codes.iter().all(|code| code.len() == stride), "lengths differ");
        let sums = match code {
            Code::Nibble => self.nibbles,
            Code::Byte => self.bytes,
            Code::Bit => self.bits,
        };
        // SAFETY: this table exists, so `available` has found the instructions of its functions on this CPU.
        unsafe { sums(query, codes, out) }
    }

    /// The Walsh-Hadamard transform of `v` in its place, unscaled.
    ///
    /// # Panics
    /// When the length is not a power of two.
    pub fn hadamard(&self, v: &mut [f32]) {
        // SAFETY: this table exists, so `available` has found the instructions of its functions on this CPU.
        unsafe { (self.hadamard)(v) }
    }

    /// The dot product of `v` with itself: the square of its Euclidean length.
    #[inline]
    #[must_use]
    pub fn squared_norm(&self, v: &[f32]) -> f32 {
        self.dot(v, v)
    }

    /// Asks the CPU to bring the cache lines of `row` near. A hint: it changes no result, and does nothing on machines
    /// it is not written for. A long row may be cut by the caller; the hardware follows a stream by itself.
    #[inline]
    pub fn prefetch<T>(row: &[T]) {
        #[cfg(not(miri))]
        for line in row.chunks(CACHE_LINE / size_of::<T>()) {
            fetch(line.as_ptr());
        }
        #[cfg(miri)]
        let _ = row;
    }
}

impl fmt::Debug for Kernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kernels").field(&self.name).finish()
    }
}

/// True when no element of `v` is infinite or NaN.
#[must_use]
pub fn is_finite(v: &[f32]) -> bool {
    // No early way out: so the loop is vectorised, and nearly every vector is finite.
    v.iter().fold(true, |finite, x| finite & x.is_finite())
}

const SCALAR: Kernels = Kernels {
    name: "scalar",
    dot: scalar::dot,
    l2_squared: scalar::l2_squared,
    dots: scalar::dots,
    l2s_squared: scalar::l2s_squared,
    nibbles: codes::nibbles,
    bytes: codes::bytes,
    bits: codes::bits,
    hadamard: hadamard::hadamard,
};

#[cfg(target_arch = "x86_64")]
const AVX2: Kernels = Kernels {
    name: "avx2",
    dot: avx2::dot,
    l2_squared: avx2::l2_squared,
    dots: avx2::dots,
    l2s_squared: avx2::l2s_squared,
    nibbles: avx2::nibbles,
    bytes: avx2::bytes,
    bits: avx2::bits,
    hadamard: avx2::hadamard,
};

#[cfg(target_arch = "x86_64")]
const AVX512: Kernels = Kernels {
    name: "avx512",
    dot: avx512::dot,
    l2_squared: avx512::l2_squared,
    dots: avx512::dots,
    l2s_squared: avx512::l2s_squared,
    nibbles: avx2::nibbles,
    bytes: avx2::bytes,
    bits: avx2::bits,
    hadamard: avx512::hadamard,
};

#[cfg(target_arch = "x86_64")]
const AVX512_VNNI: Kernels =
    Kernels { nibbles: avx512::nibbles, bytes: avx512::bytes, bits: avx512::bits, ..AVX512 };

#[cfg(target_arch = "aarch64")]
const NEON: Kernels = Kernels {
    name: "neon",
    dot: neon::dot,
    l2_squared: neon::l2_squared,
    dots: neon::dots,
    l2s_squared: neon::l2s_squared,
    nibbles: neon::nibbles,
    bytes: neon::bytes,
    bits: codes::bits,
    hadamard: hadamard::hadamard,
};

/// Bytes between two prefetches; a machine with longer lines only sees a few hints more than it needs.
#[cfg(not(miri))]
const CACHE_LINE: usize = 64;

/// One NaN for all machines: the sign and payload of a fresh NaN differ between instruction sets.
#[inline]
fn canonical(sum: f32) -> f32 {
    if sum.is_nan() { the_nan() } else { sum }
}

/// A call that is never taken, so that the check stays a predicted branch: a select costs a tenth of a dot product.
#[cold]
#[inline(never)]
fn the_nan() -> f32 {
    f32::from_bits(0x7fc0_0000)
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
fn fetch<T>(line: *const T) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: every x86-64 has SSE; a prefetch never faults, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) }
}

#[cfg(all(target_arch = "aarch64", not(miri)))]
#[inline]
fn fetch<T>(line: *const T) {
    // SAFETY: PRFM never faults, whatever the address, and writes no register, flag or memory.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) line, options(nostack, preserves_flags, readonly));
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", miri)))]
#[inline]
fn fetch<T>(_line: *const T) {}
