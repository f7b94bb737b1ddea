//! Every kernel of this machine against the scalar oracle, bit for bit, and the oracle against `f64`.
//!
//! The pinned checksum ties machines together: x86-64 and (emulated) aarch64 must both arrive at it.

use std::io::Write;

use super::*;
use crate::base::crc32c;
use crate::base::rng::Rng;

const LONGEST: usize = 2048;
const OFFSETS: usize = 16;

type Distance = fn(&Kernels, &[f32], &[f32]) -> f32;
const DISTANCES: [(&str, Distance); 2] = [("dot", Kernels::dot), ("l2_squared", Kernels::l2_squared)];

/// Room for the longest vector at any offset from a cache line, NaN outside it: what is read too far shows.
#[repr(align(64))]
struct Shelf([f32; LONGEST + OFFSETS + LANES]);

impl Shelf {
    fn new() -> Box<Self> {
        Box::new(Self([f32::NAN; LONGEST + OFFSETS + LANES]))
    }

    fn place(&mut self, v: &[f32], offset: usize) -> &[f32] {
        self.0.fill(f32::NAN);
        let place = &mut self.0[offset..offset + v.len()];
        place.copy_from_slice(v);
        place
    }
}

/// Finite values whose exponents are drawn from 127 plus or minus `spread`; zero of either sign and subnormals among them.
fn wide(rng: &mut Rng, len: usize, spread: u64) -> Vec<f32> {
    let value = |rng: &mut Rng| {
        let word = rng.next_u64();
        let (sign, fraction) = ((word >> 63 << 31) as u32, word as u32 & 0x007f_ffff);
        match rng.below(16) {
            0 => f32::from_bits(sign),
            1 => f32::from_bits(sign | fraction),
            _ => f32::from_bits(sign | ((127 - spread + rng.below(2 * spread + 1)) as u32) << 23 | fraction),
        }
    };
    (0..len).map(|_| value(rng)).collect()
}

fn say(line: &str) {
    // Past the capture of the test harness: what was not tested must be seen when all is green.
    writeln!(std::io::stdout(), "{line}").unwrap();
}

fn fast_kernels() -> Vec<Kernels> {
    Kernels::available().into_iter().filter(|kernels| kernels.name() != "scalar").collect()
}

#[test]
fn what_this_machine_cannot_test_is_said() {
    let available = Kernels::available();
    for name in NAMES {
        if !available.iter().any(|kernels| kernels.name() == name) {
            say(&format!("kernels: '{name}' NOT TESTED, this CPU does not have it"));
        }
    }
    assert_eq!(available[0].name(), "scalar");
    assert_eq!(Kernels::best().name(), available[available.len() - 1].name());
    #[cfg(target_arch = "aarch64")]
    assert_eq!(Kernels::best().name(), "neon");
}

#[test]
fn a_kernel_is_found_by_its_name_or_the_error_lists_what_there_is() {
    for kernels in Kernels::available() {
        assert_eq!(Kernels::named(kernels.name()).unwrap().name(), kernels.name());
    }
    let unknown = Kernels::named("avx9").unwrap_err();
    assert!(unknown.contains("'avx9' does not exist; here there are: scalar"), "{unknown}");
    let foreign = if cfg!(target_arch = "aarch64") { "avx2" } else { "neon" };
    let missing = Kernels::named(foreign).unwrap_err();
    assert!(missing.contains("does not run on this CPU; here there are: scalar"), "{missing}");
}

#[test]
fn every_kernel_gives_the_bits_of_the_oracle_at_every_length_and_offset() {
    let mut rng = Rng::new(0x0e16_7a33);
    let (mut shelf_a, mut shelf_b) = (Shelf::new(), Shelf::new());
    for len in 0..=LONGEST {
        let spread = [4, 60, 126][len % 3];
        let (a, b) = (wide(&mut rng, len, spread), wide(&mut rng, len, spread));
        let expected = DISTANCES.map(|(_, distance)| distance(&SCALAR, &a, &b).to_bits());
        for offset in 0..OFFSETS {
            let a = shelf_a.place(&a, offset);
            let b = shelf_b.place(&b, (offset * 7 + len) % OFFSETS);
            for kernels in fast_kernels() {
                for ((name, distance), expected) in DISTANCES.iter().zip(expected) {
                    let bits = distance(&kernels, a, b).to_bits();
                    assert_eq!(bits, expected, "{} {name}, len {len}, offset {offset}", kernels.name());
                }
            }
        }
    }
}

#[test]
fn sums_over_many_rows_are_those_over_each() {
    let mut rng = Rng::new(9);
    for (len, count) in [(1, 0), (5, 1), (64, 3), (100, 33), (384, 70)] {
        let query = wide(&mut rng, len, 4);
        let rows: Vec<Vec<f32>> = (0..count).map(|_| wide(&mut rng, len, 4)).collect();
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        for kernels in Kernels::available() {
            let mut out = vec![0.0; count];
            kernels.dots(&query, &rows, &mut out);
            assert!(rows.iter().zip(&out).all(|(row, x)| kernels.dot(&query, row).to_bits() == x.to_bits()));
            kernels.l2s_squared(&query, &rows, &mut out);
            assert!(
                rows.iter()
                    .zip(&out)
                    .all(|(row, x)| kernels.l2_squared(&query, row).to_bits() == x.to_bits())
            );
        }
    }
}

/// Codes and queries at their extremes, where narrow sums would overflow, and at random.
#[test]
fn every_kernel_sums_codes_as_the_oracle_does_and_as_the_elements_say() {
    let mut rng = Rng::new(10);
    for blocks in (0..=16).chain([512]) {
        for code in [Code::Bit, Code::Nibble, Code::Byte] {
            for case in 0..6 {
                let len = blocks * BLOCK;
                let largest = u64::from(code.largest());
                let mut query: Vec<i8> = (0..len).map(|_| rng.below(255) as u8 as i8).collect();
                let mut elements: Vec<u8> = (0..len).map(|_| rng.below(largest + 1) as u8).collect();
                if case < 4 {
                    query.fill([127, -128][case % 2]);
                    elements.fill([largest as u8, 1][case / 2]);
                }
                let mut bytes = vec![0; code.stride(len)];
                elements.iter().enumerate().for_each(|(at, element)| code.put(&mut bytes, at, *element));
                let expected: i64 =
                    elements.iter().zip(&query).map(|(c, q)| i64::from(*c) * i64::from(*q)).sum();
                if code == Code::Bit {
                    planes(&mut query);
                }
                for kernels in Kernels::available() {
                    let mut out = [0; 3];
                    kernels.code_dots(code, &query, &[&bytes, &vec![0; bytes.len()], &bytes], &mut out);
                    let seen = out.map(i64::from);
                    assert_eq!(seen, [expected, 0, expected], "{} {code:?}, {blocks}", kernels.name());
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "lengths differ")]
fn codes_of_another_length_are_refused() {
    Kernels::best().code_dots(Code::Byte, &[0; BLOCK], &[&[0; BLOCK - 1]], &mut [0]);
}

/// Room for floats that ends where the address space has a hole: reading one byte too far kills the test.
#[cfg(not(miri))]
fn before_a_hole(room: usize) -> &'static mut [f32] {
    const PAGE: usize = 65_536; // A multiple of every page size in use.
    assert!(room * size_of::<f32>() <= PAGE);
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANON);
    // SAFETY: a fresh anonymous mapping, wherever the system likes; it is never unmapped.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), 2 * PAGE, access, kind, -1, 0) };
    assert_ne!(start, libc::MAP_FAILED);
    let hole = start.wrapping_byte_add(PAGE);
    // SAFETY: the second half of the mapping above, which nothing refers to.
    assert_eq!(unsafe { libc::mprotect(hole, PAGE, libc::PROT_NONE) }, 0);
    // SAFETY: `room` zeroed floats at the end of the first half, aligned, and handed out this once.
    unsafe { std::slice::from_raw_parts_mut(hole.cast::<f32>().wrapping_sub(room), room) }
}

#[cfg(not(miri))]
#[test]
fn no_kernel_reads_beyond_the_end_of_a_vector() {
    let mut rng = Rng::new(9);
    let room = 3 * LANES;
    let (a, b) = (before_a_hole(room), before_a_hole(room));
    a.copy_from_slice(&wide(&mut rng, room, 30));
    b.copy_from_slice(&wide(&mut rng, room, 30));
    for start in 0..=room {
        let (a, b) = (&a[start..], &b[start..]);
        Kernels::prefetch(a);
        assert!(is_finite(a));
        for kernels in fast_kernels() {
            for (name, distance) in DISTANCES {
                let (got, expected) = (distance(&kernels, a, b), distance(&SCALAR, a, b));
                assert_eq!(got.to_bits(), expected.to_bits(), "{} {name}, {} left", kernels.name(), a.len());
            }
        }
    }
}

#[test]
fn overflow_gives_one_nan_and_the_same_infinities_everywhere() {
    let huge = |sign_at: usize| -> Vec<f32> {
        (0..192).map(|i| if i / 64 == sign_at { -f32::MAX } else { f32::MAX }).collect()
    };
    let mixed: Vec<f32> = (0..192).map(|i| if i % 2 == 0 { f32::MAX } else { -f32::MAX }).collect();
    for kernels in Kernels::available() {
        assert_eq!(kernels.dot(&huge(9), &huge(9)), f32::INFINITY);
        assert_eq!(kernels.dot(&huge(9), &mixed).to_bits(), 0x7fc0_0000, "{}", kernels.name());
        // A fused product is not rounded to infinity by itself: the lane stays at the infinity it reached first.
        assert_eq!(kernels.dot(&huge(1), &huge(9)), f32::INFINITY);
        assert_eq!(kernels.l2_squared(&huge(1), &huge(9)), f32::INFINITY);
        assert_eq!(kernels.dot(&[-f32::NAN], &[1.0]).to_bits(), 0x7fc0_0000, "{}", kernels.name());
    }
}

#[test]
fn zero_padding_up_to_a_block_changes_no_bit_even_of_a_negative_zero() {
    let mut rng = Rng::new(5);
    for len in 1..=200 {
        let tiny = (vec![-1e-30_f32; len], vec![1e-30_f32; len]);
        let any = (wide(&mut rng, len, 100), wide(&mut rng, len, 100));
        for (a, b) in [tiny, any] {
            for padded in (len..=len.next_multiple_of(LANES)).step_by(5) {
                let (mut more_a, mut more_b) = (a.clone(), b.clone());
                more_a.resize(padded, 0.0);
                more_b.resize(padded, 0.0);
                for kernels in Kernels::available() {
                    for (name, distance) in DISTANCES {
                        let (bare, full) = (distance(&kernels, &a, &b), distance(&kernels, &more_a, &more_b));
                        let what = kernels.name();
                        assert_eq!(bare.to_bits(), full.to_bits(), "{what} {name}, {len} to {padded}");
                    }
                }
            }
        }
    }
}

/// Checks `got` against the sum of `terms` in `f64`: the standard bound for `roundings` roundings on the way of every
/// term (Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., section 3.1), with room for underflow.
fn assert_close(got: f32, terms: &[f64], roundings: usize, what: &str) {
    let unit = f64::from(f32::EPSILON) / 2.0;
    let gamma = roundings as f64 * unit / (1.0 - roundings as f64 * unit);
    let (exact, magnitude) = terms.iter().fold((0.0, 0.0), |(sum, abs), t| (sum + t, abs + t.abs()));
    let bound = 1.01 * gamma * magnitude + terms.len() as f64 * f64::from(f32::from_bits(1));
    assert!((f64::from(got) - exact).abs() <= bound, "{what}: {got:e}, exact {exact:e}, bound {bound:e}");
}

#[test]
fn every_kernel_is_within_the_rounding_bound_of_the_exact_sum() {
    let mut rng = Rng::new(0xf64);
    for len in (1..=130).chain([384, 768, 1000, LONGEST]) {
        let (a, b) = (wide(&mut rng, len, 20), wide(&mut rng, len, 20));
        let pairs = || a.iter().zip(&b).map(|(x, y)| (f64::from(*x), f64::from(*y)));
        let products: Vec<f64> = pairs().map(|(x, y)| x * y).collect();
        let squares: Vec<f64> = pairs().map(|(x, y)| (x - y) * (x - y)).collect();
        let roundings = len.div_ceil(LANES) + 6;
        for kernels in Kernels::available() {
            let what = format!("{}, len {len}", kernels.name());
            assert_close(kernels.dot(&a, &b), &products, roundings, &what);
            assert_close(kernels.l2_squared(&a, &b), &squares, roundings + 2, &what);
            assert_eq!(kernels.squared_norm(&a).to_bits(), kernels.dot(&a, &a).to_bits());
        }
    }
}

#[test]
fn the_fold_takes_the_lanes_in_the_documented_order() {
    // Lane 0 holds 2^24: a 1 added to it is lost, unless it has met another 1 before.
    let with_ones_at = |ones: [usize; 2]| {
        let mut v = [0.0_f32; LANES];
        v[0] = 16_777_216.0;
        for at in ones {
            v[at] = 1.0;
        }
        v
    };
    for kernels in Kernels::available() {
        for half in [32, 16, 8, 4, 2] {
            // Each of the two meets lane 0 alone, one step after the other.
            let apart = kernels.dot(&with_ones_at([half, half / 2]), &[1.0; LANES]);
            assert_eq!(apart, 16_777_216.0, "{} {half}", kernels.name());
        }
        for (l, m) in [(1, 33), (1, 17), (1, 9), (1, 5), (1, 3)] {
            let together = kernels.dot(&with_ones_at([l, m]), &[1.0; LANES]);
            assert_eq!(together, 16_777_218.0, "{} {l} {m}", kernels.name());
        }
    }
}

#[test]
fn all_machines_arrive_at_the_pinned_checksum() {
    for kernels in Kernels::available() {
        let mut rng = Rng::new(0x601d);
        let mut sum = 0;
        for round in 0..2000_usize {
            let len = if round < 300 { round } else { rng.index(LONGEST) + 1 };
            let spread = [3, 30, 90, 126][round % 4];
            let (a, b) = (wide(&mut rng, len, spread), wide(&mut rng, len, spread));
            for (_, distance) in DISTANCES {
                sum = crc32c::extend(sum, &distance(&kernels, &a, &b).to_le_bytes());
            }
        }
        assert_eq!(sum, 0x644b_69e4, "{}: {sum:#010x}", kernels.name());
    }
}

#[test]
#[should_panic(expected = "vectors of different dimensions")]
fn vectors_of_different_lengths_are_refused() {
    let _ = Kernels::best().dot(&[1.0; 65], &[1.0; 64]);
}

#[test]
fn one_bad_element_anywhere_is_not_finite() {
    assert!(is_finite(&[]));
    for len in [1, 7, 64, 100] {
        let mut v = vec![f32::MAX; len];
        assert!(is_finite(&v));
        for at in 0..len {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                v[at] = bad;
                assert!(!is_finite(&v), "{bad} at {at} of {len}");
            }
            v[at] = -0.0;
        }
    }
}

#[test]
fn prefetching_any_slice_is_harmless() {
    Kernels::prefetch::<f32>(&[]);
    Kernels::prefetch(&[1.0; 1000]);
}

#[test]
fn every_kernel_transforms_with_the_same_bits_and_twice_is_once_times_the_length() {
    let mut rng = Rng::new(11);
    for len in (0..12).map(|bits| 1 << bits) {
        let v = wide(&mut rng, len, 4);
        let mut expected = v.clone();
        SCALAR.hadamard(&mut expected);
        for kernels in Kernels::available() {
            let mut once = v.clone();
            kernels.hadamard(&mut once);
            assert!(
                once.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits()),
                "{}",
                kernels.name()
            );
        }
        let largest = v.iter().fold(0.0_f32, |largest, x| largest.max(x.abs())) * len as f32;
        SCALAR.hadamard(&mut expected);
        assert!(expected.iter().zip(&v).all(|(a, b)| (a - b * len as f32).abs() <= largest * 1e-5), "{len}");
    }
    let mut unit = vec![0.0; 16];
    unit[5] = 1.0;
    SCALAR.hadamard(&mut unit);
    assert!((0..16_u32).all(|i| unit[i as usize] == if (i & 5).count_ones() % 2 == 0 { 1.0 } else { -1.0 }));
}
