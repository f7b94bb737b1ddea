//! The index as a whole; what a single file promises is tested in that file.

mod between;
mod codec;
mod corrupt;
mod forms;
mod graph;
mod model;
mod panics;
mod recode;
mod sweep;
mod threads;

use super::*;
use crate::base::rng::Rng;

/// `small` under Miri, which is slow, else `large`.
fn sized(small: usize, large: usize) -> usize {
    if cfg!(miri) { small } else { large }
}

fn config(dim: usize, metric: &'static dyn Metric) -> Config {
    Config { dim, metric, quant: Quant::F32, m: 8, ef_construction: 60, seed: 1, kernels: Kernels::best() }
}

fn random_vectors(seed: u64, n: usize, dim: usize) -> Vec<Vec<f32>> {
    let mut rng = Rng::new(seed);
    (0..n).map(|_| (0..dim).map(|_| rng.unit_f32() - 0.5).collect()).collect()
}

/// `groups` groups of vectors, `radius` wide and some ten apart, one group after the other.
fn clustered_vectors(seed: u64, groups: usize, each: usize, dim: usize, radius: f32) -> Vec<Vec<f32>> {
    let mut rng = Rng::new(seed);
    let mut out = Vec::new();
    for _ in 0..groups {
        let centre: Vec<f32> = (0..dim).map(|_| (rng.unit_f32() - 0.5) * 10.0).collect();
        let mut member = |_| centre.iter().map(|x| x + rng.unit_f32() * radius).collect::<Vec<f32>>();
        out.extend((0..each).map(&mut member));
    }
    out
}

/// An index with a row a vector, keys being the rows' numbers, all linked.
fn built(config: Config, vectors: &[Vec<f32>]) -> Writer {
    let mut writer = Writer::new(config);
    let mut scratch = Scratch::new();
    for (n, vector) in vectors.iter().enumerate() {
        let row = writer.insert(&(n as u32).to_le_bytes(), vector).unwrap().row;
        writer.index().link(row, &mut scratch);
    }
    writer
}

fn searched(index: &Index, vector: &[f32], k: usize, ef: usize) -> Vec<Hit> {
    let mut hits = Vec::new();
    index.search(&index.query(vector), k, ef, &mut Scratch::new(), &mut hits);
    hits
}

fn scanned(index: &Index, vector: &[f32], k: usize) -> Vec<Hit> {
    let mut hits = Vec::new();
    index.exact(&index.query(vector), k, &mut Scratch::new(), &mut hits);
    hits
}

/// All links of an index, layer by layer, as something to compare.
fn shape(index: &Index) -> Vec<Vec<u32>> {
    let rows = 0..index.rows() as u32;
    let lists = rows.flat_map(|row| (0..=index.level_of(RowId(row))).map(move |layer| (row, layer)));
    lists.map(|(row, layer)| index.links(RowId(row), layer).map(|link| link.0).collect()).collect()
}
