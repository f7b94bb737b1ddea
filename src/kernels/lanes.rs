//! The canonical order once, for vector registers of any width.
//!
//! An instruction set is a zero-sized token implementing [`Isa`]: whoever holds one has proved that the CPU has the
//! instructions, so everything here is safe code. All of it is `#[inline(always)]`, since instructions are only chosen
//! well inside the `#[target_feature]` function of the instruction set that calls [`sum`].

use super::{LANES, canonical};

/// The few operations of an instruction set. Each one rounds once per element, to nearest.
pub(super) trait Isa: Copy {
    /// A vector register of [`Isa::WIDTH`] elements.
    type Register: Copy;

    /// A block that ends early: the bare slice where loads can be masked, a padded copy where they cannot.
    type Tail<'t>;

    /// Elements in a register: a power of two that divides [`LANES`].
    const WIDTH: usize;

    /// All +0.0.
    fn zero(self) -> Self::Register;

    /// Register number `register` of a whole block: its elements from `register * WIDTH` on.
    fn load(self, block: &[f32; LANES], register: usize) -> Self::Register;

    /// Makes a block that ends early ready for [`Isa::load_tail`].
    fn tail(self, tail: &[f32]) -> Self::Tail<'_>;

    /// Register number `register` of a block that ends early: elements behind its end are +0.0.
    fn load_tail(self, tail: &Self::Tail<'_>, register: usize) -> Self::Register;

    /// `a + b`.
    fn add(self, a: Self::Register, b: Self::Register) -> Self::Register;

    /// `a - b`.
    fn sub(self, a: Self::Register, b: Self::Register) -> Self::Register;

    /// `a * b + sum`, rounded once.
    fn fma(self, a: Self::Register, b: Self::Register, sum: Self::Register) -> Self::Register;

    /// Folds the elements of one register in halves, the upper onto the lower, until one is left.
    fn fold(self, a: Self::Register) -> f32;
}

/// What a pair of elements adds to its lane.
pub(super) trait Term {
    /// `sum` and the term of `a` and `b`.
    fn accumulate<I: Isa>(isa: I, a: I::Register, b: I::Register, sum: I::Register) -> I::Register;
}

/// The product: the sum is the dot product.
pub(super) struct Product;

impl Term for Product {
    #[inline(always)]
    fn accumulate<I: Isa>(isa: I, a: I::Register, b: I::Register, sum: I::Register) -> I::Register {
        isa.fma(a, b, sum)
    }
}

/// The squared difference: the sum is the squared Euclidean distance.
pub(super) struct SquaredDifference;

impl Term for SquaredDifference {
    #[inline(always)]
    fn accumulate<I: Isa>(isa: I, a: I::Register, b: I::Register, sum: I::Register) -> I::Register {
        let d = isa.sub(a, b);
        isa.fma(d, d, sum)
    }
}

/// The sum of the terms of `a` and `b` in the canonical order, the lanes held in `N` registers.
#[inline(always)]
pub(super) fn sum<T: Term, I: Isa, const N: usize>(isa: I, a: &[f32], b: &[f32]) -> f32 {
    const { assert!(N.is_power_of_two() && N * I::WIDTH == LANES) }
    // The callers have equal lengths; so the optimiser knows too, and needs no road to a panic.
    let len = a.len().min(b.len());
    let (a, b) = (&a[..len], &b[..len]);
    let mut lanes = [isa.zero(); N];
    let (a_blocks, a_tail) = a.as_chunks::<LANES>();
    let (b_blocks, b_tail) = b.as_chunks::<LANES>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for (r, lane) in lanes.iter_mut().enumerate() {
            *lane = T::accumulate(isa, isa.load(a, r), isa.load(b, r), *lane);
        }
    }
    if !a_tail.is_empty() {
        let (a, b) = (isa.tail(a_tail), isa.tail(b_tail));
        for (r, lane) in lanes.iter_mut().enumerate() {
            *lane = T::accumulate(isa, isa.load_tail(&a, r), isa.load_tail(&b, r), *lane);
        }
    }
    let mut half = N;
    while half > 1 {
        half /= 2;
        for l in 0..half {
            lanes[l] = isa.add(lanes[l], lanes[l + half]);
        }
    }
    isa.fold(lanes[0])
}

/// [`sum`] of `a` and each of `rows`, in `sums`.
#[inline(always)]
pub(super) fn sums<T: Term, I: Isa, const N: usize>(isa: I, a: &[f32], rows: &[&[f32]], sums: &mut [f32]) {
    for (row, out) in rows.iter().zip(sums) {
        *out = canonical(sum::<T, I, N>(isa, a, row));
    }
}
