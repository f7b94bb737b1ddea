//! One dot product, and how fast this machine reads: in turns with other libraries, for `scripts/kernels.sh`.
//!
//! Reads lines: `dot KERNEL DIM ROWS PASSES` -> `dot NANOSECONDS`, one query against all rows, in order, so many times;
//! `read BYTES PASSES` -> `read GIGABYTES_PER_SECOND`, the best of several plain loops over that much memory;
//! `kernels` -> `kernels NAME ...`, the best one last. Times are processor time, so that waiting for a core is not in them.

use std::hint::black_box;
use std::io::BufRead as _;

use engram::base::rng::Rng;
use engram::kernels::Kernels;

/// Sixty-four bytes, aligned: a vector of them is the arena of the rows.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "read through the flat view")] [f32; 16]);

fn main() {
    // `cargo bench` runs every bench: without this word it is not the script that asks.
    if !std::env::args().any(|word| word == "serve") {
        println!("dots: scripts/kernels.sh runs it");
        return;
    }
    let mut arena = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap_or_else(|error| panic!("input: {error}"));
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["dot", kernel, dim, rows, passes] => {
                let dim = number(dim);
                fill(&mut arena, number(rows) * dim.div_ceil(16));
                println!("dot {:.3}", dot(named(kernel), dim, &arena, number(passes)));
            }
            ["read", bytes, passes] => {
                fill(&mut arena, number(bytes) / 64);
                println!("read {:.3}", read(&arena, number(passes)));
            }
            ["kernels"] => {
                let mut names: Vec<_> = Kernels::available().iter().map(Kernels::name).collect();
                names.sort_by_key(|name| *name == Kernels::best().name());
                println!("kernels {}", names.join(" "));
            }
            _ => println!("error '{line}'"),
        }
    }
}

/// So many lines of numbers; the same memory again where that is what there is.
fn fill(arena: &mut Vec<Line>, lines: usize) {
    if arena.len() != lines {
        let mut rng = Rng::new(1);
        *arena = (0..lines).map(|_| Line(std::array::from_fn(|_| rng.unit_f32() - 0.5))).collect();
    }
}

/// Nanoseconds a dot product.
fn dot(kernels: Kernels, dim: usize, arena: &[Line], passes: usize) -> f64 {
    let query: Vec<Line> = arena[..dim.div_ceil(16)].to_vec();
    let (query, arena) = (&flat(&query)[..dim], flat(arena));
    let begun = cpu_seconds();
    for _ in 0..passes {
        black_box(pass(kernels, query, arena));
    }
    let rows = arena.len() / dim.next_multiple_of(16);
    (cpu_seconds() - begun) * 1e9 / (passes * rows) as f64
}

/// The sum of the products of `query` with all rows. A function of its own, so that the loop around the kernel keeps
/// its few values in registers.
#[inline(never)]
fn pass(kernels: Kernels, query: &[f32], arena: &[f32]) -> f32 {
    let rows = arena.chunks_exact(query.len().next_multiple_of(16));
    rows.fold(0.0, |total, row| total + kernels.dot(query, &row[..query.len()]))
}

/// Gigabytes a second, of the fastest loop.
fn read(arena: &[Line], passes: usize) -> f64 {
    let mut loops: Vec<fn(&[f32]) -> u32> = vec![fold];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            loops.push(|floats| unsafe { fold_avx2(floats) });
        }
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has AVX-512.
            loops.push(|floats| unsafe { fold_avx512(floats) });
        }
    }
    let speed = |fold: fn(&[f32]) -> u32| {
        let begun = cpu_seconds();
        (0..passes).for_each(|_| {
            black_box(fold(black_box(flat(arena))));
        });
        (passes * size_of_val(arena)) as f64 / (cpu_seconds() - begun) / 1e9
    };
    loops.into_iter().map(speed).fold(0.0, f64::max)
}

/// Reads everything and does next to nothing with it.
#[inline(always)]
fn fold(floats: &[f32]) -> u32 {
    let mut sums = [0_u32; 128];
    for chunk in floats.as_chunks::<128>().0 {
        for (sum, float) in sums.iter_mut().zip(chunk) {
            *sum ^= float.to_bits();
        }
    }
    sums.iter().fold(0, |all, sum| all ^ sum)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn fold_avx2(floats: &[f32]) -> u32 {
    fold(floats)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn fold_avx512(floats: &[f32]) -> u32 {
    use std::arch::x86_64::{__m512i, _mm512_reduce_or_epi32, _mm512_setzero_si512, _mm512_xor_si512};
    // SAFETY: every pattern of bits is a `__m512i`, and the middle part is aligned for it.
    let (_, lines, _) = unsafe { floats.align_to::<__m512i>() };
    let mut sums = [_mm512_setzero_si512(); 8];
    for chunk in lines.as_chunks::<8>().0 {
        for (sum, line) in sums.iter_mut().zip(chunk) {
            *sum = _mm512_xor_si512(*sum, *line);
        }
    }
    sums.iter().fold(0, |all, sum| all ^ _mm512_reduce_or_epi32(*sum) as u32)
}

fn named(name: &str) -> Kernels {
    let all = Kernels::available();
    all.into_iter()
        .find(|kernels| kernels.name() == name)
        .unwrap_or_else(|| panic!("no kernel '{name}' here"))
}

/// Processor time that this process has used.
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one timespec, which lives on this stack.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert!(answer == 0, "the process has a clock");
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn flat(lines: &[Line]) -> &[f32] {
    // SAFETY: a `Line` is sixteen floats without padding, so its rows lie one after the other.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * 16) }
}

fn number(word: &str) -> usize {
    word.parse().unwrap_or_else(|_| panic!("'{word}' is not a number"))
}
