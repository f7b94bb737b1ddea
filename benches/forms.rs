//! How long it takes to change the form by which an index is searched, on one thread, in slices as the server has it done.
//!
//! `cargo bench --bench forms -- [ROWS DIM]` (30,000 x 384 without arguments). Rows are not linked: codes do not depend on the
//! graph. For each change: milliseconds, rows a second, the longest slice, and how long the switch takes.

use std::time::{Duration, Instant};

use engram::base::rng::Rng;
use engram::index::{Config, Cosine, Quant, Scratch, Writer};
use engram::kernels::Kernels;

/// Rows a slice.
const SLICE: usize = 512;

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let (rows, dim) = match numbers.as_slice() {
        [rows, dim] => (*rows, *dim),
        _ => (30_000, 384),
    };
    let (metric, kernels) = (&Cosine, Kernels::best());
    let config = Config { dim, metric, m: 16, quant: Quant::F32, ef_construction: 200, seed: 1, kernels };
    let (mut writer, mut rng) = (Writer::new(config), Rng::new(1));
    for row in 0..rows as u32 {
        let vector: Vec<f32> = (0..dim).map(|_| rng.unit_f32() - 0.5).collect();
        assert!(writer.insert(&row.to_le_bytes(), &vector).is_ok(), "there is room for all rows");
    }
    println!("{rows} rows x {dim}, kernel {}", kernels.name());
    for to in [Quant::Int8, Quant::Int4, Quant::Bin, Quant::F32] {
        change(&mut writer, to, rows);
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn change(writer: &mut Writer, to: Quant, rows: usize) {
    let (from, begun, mut scratch) = (writer.quant(), Instant::now(), Scratch::new());
    let (making, mut longest) = (writer.begin_making(to), Duration::ZERO);
    let began = begun.elapsed();
    while let Some(part) = making.give_out() {
        let slice = Instant::now();
        part.write(SLICE, &mut scratch);
        longest = longest.max(slice.elapsed());
    }
    let switch = Instant::now();
    writer.change(to);
    let (switched, took) = (switch.elapsed(), begun.elapsed());
    drop(writer.retire());
    println!(
        "{} to {}: {:.1} ms, {:.0} rows a second; begun in {:.3} ms, longest slice {:.3} ms, switched in {:.4} ms",
        from.name(),
        to.name(),
        took.as_secs_f64() * 1e3,
        rows as f64 / took.as_secs_f64(),
        began.as_secs_f64() * 1e3,
        longest.as_secs_f64() * 1e3,
        switched.as_secs_f64() * 1e3,
    );
}
