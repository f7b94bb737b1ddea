//! The index beside a plain map, under random operations.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::base::rng::Rng;

const DIM: usize = 3;

#[derive(Clone, Debug)]
enum Op {
    Insert(u8, Vec<f32>),
    Remove(u8),
    Link,
    Search(Vec<f32>, usize),
    /// So many slices of so many rows.
    Sweep(u8, u8),
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    // Few values, so that equal vectors and equal distances are common.
    let vector = proptest::collection::vec((-3_i8..=3).prop_map(f32::from), DIM);
    prop_oneof![
        6 => (0_u8..40, vector.clone()).prop_map(|(key, vector)| Op::Insert(key, vector)),
        3 => (0_u8..40).prop_map(Op::Remove),
        4 => Just(Op::Link),
        3 => (vector, 0_usize..50).prop_map(|(vector, k)| Op::Search(vector, k)),
        3 => (1_u8..30, 1_u8..100).prop_map(|(slices, budget)| Op::Sweep(slices, budget)),
        1 => Just(Op::Reopen),
    ]
}

/// Distances of the map's vectors, the nearest `k`, and the keys of each distance.
fn expected(model: &BTreeMap<u8, Vec<f32>>, metric: &dyn Metric, query: &[f32], k: usize) -> Vec<f32> {
    let kernels = Kernels::best();
    let padded = |v: &[f32]| v.iter().copied().chain([0.0; 16 - DIM]).collect::<Vec<_>>();
    let query = padded(query);
    let mut distances: Vec<f32> = model
        .values()
        .map(|v| {
            let row = padded(v);
            let (a, b) = (metric.term(&kernels, &query), metric.term(&kernels, &row));
            metric.report(metric.distance(&kernels, &query, a, &row, b))
        })
        .collect();
    distances.sort_unstable_by(f32::total_cmp);
    distances.truncate(k);
    distances
}

fn check(metric: &'static dyn Metric, quant: Quant, ops: &[Op]) {
    let mut writer = Writer::new(Config { m: 2, quant, ef_construction: 8, ..config(DIM, metric) });
    let (mut model, mut waiting) = (BTreeMap::new(), Vec::new());
    let mut scratch = Scratch::new();
    for op in ops {
        match op {
            Op::Insert(key, vector) => {
                let inserted = writer.insert(&[*key], vector).unwrap();
                assert_eq!(inserted.replaced, model.insert(*key, vector.clone()).is_some());
                waiting.push(inserted.row);
            }
            Op::Remove(key) => assert_eq!(writer.remove(&[*key]), model.remove(key).is_some()),
            Op::Link => waiting.drain(..).for_each(|row| writer.index().link(row, &mut scratch)),
            Op::Search(query, k) => {
                let exact = scanned(writer.index(), query, *k);
                let distances: Vec<f32> = exact.iter().map(|hit| hit.distance).collect();
                assert_eq!(distances, expected(&model, metric, query, *k));
                assert_eq!(searched(writer.index(), query, *k, 1_000), exact);
            }
            Op::Sweep(slices, budget) => {
                for _ in 0..*slices {
                    if writer.index().sweep_is_ready(1) {
                        writer.index().sweep_some(usize::from(*budget), &mut scratch);
                    }
                }
                writer.validate().unwrap();
            }
            Op::Reopen => {
                (writer, waiting) = codec::reopened(&writer);
            }
        }
        assert_eq!(writer.len(), model.len());
    }
    writer.validate().unwrap();
    for key in 0..40_u8 {
        let found = writer.get(&[key]).map(|row| writer.index().pin().vector(row).to_vec());
        assert_eq!(found.as_ref(), model.get(&key), "key {key}");
    }
    let mut keys: Vec<_> = writer.keys().map(|key| key[0]).collect();
    keys.sort_unstable();
    assert!(keys.iter().eq(model.keys()));
    let drawn = writer.random_key(&mut Rng::new(1)).map(|key| key[0]);
    assert!(drawn.map_or(model.is_empty(), |key| model.contains_key(&key)));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 150 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn answers_like_a_map_with_an_exact_scan(
        metric in 0..METRICS.len(),
        quant in 0..Quant::ALL.len(),
        ops in proptest::collection::vec(op(), 1..if cfg!(miri) { 30 } else { 200 }),
    ) {
        check(METRICS[metric], Quant::ALL[quant], &ops);
    }
}
