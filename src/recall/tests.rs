//! The primitives beside a plain map that is compared row by row.

use std::collections::BTreeMap;

use super::*;
use crate::base::hash::HashKey;
use crate::base::rng::Rng;
use crate::index::{Config, Cosine, Dot, L2, Metric, Quant, Writer};
use crate::kernels::Kernels;

const DIM: usize = 6;
const METRICS: [&dyn Metric; 3] = [&L2, &Cosine, &Dot];
/// From one key in a thousand to all.
const SHARES: [f64; 7] = [0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 1.0];

/// A share of the keys, drawn by hashing them.
#[derive(Clone, Copy, Debug)]
struct Share(f64);

impl Filter for Share {
    fn accepts(&self, key: &[u8]) -> bool {
        (HashKey::from_seed(7).hash(key) as f64) < self.0 * u64::MAX as f64
    }
}

fn rows(small: usize, large: usize) -> usize {
    if cfg!(miri) { small } else { large }
}

fn vector(rng: &mut Rng) -> Vec<f32> {
    (0..DIM).map(|_| rng.unit_f32() - 0.5).collect()
}

type Model = BTreeMap<Vec<u8>, Vec<f32>>;

/// An index that keys were added to, overwritten in and removed from, and what it has to hold. The last rows are not
/// linked.
fn churned(metric: &'static dyn Metric, n: usize, seed: u64) -> (Writer, Model) {
    let quant = if seed.is_multiple_of(2) { Quant::F32 } else { Quant::Int8 };
    let config =
        Config { dim: DIM, metric, quant, m: 8, ef_construction: 60, seed, kernels: Kernels::best() };
    let (mut writer, mut model, mut rng) = (Writer::new(config), Model::new(), Rng::new(seed));
    let mut scratch = Scratch::new();
    for step in 0..n + n / 3 {
        let (key, vector) = (rng.below(n as u64).to_string().into_bytes(), vector(&mut rng));
        if rng.below(6) == 0 {
            assert_eq!(writer.remove(&key), model.remove(&key).is_some());
            continue;
        }
        let row = writer.insert(&key, &vector).unwrap().row;
        model.insert(key, vector);
        if step < n + n / 3 - n / 20 {
            writer.index().link(row, &mut scratch);
        }
    }
    writer.validate().unwrap();
    assert!(writer.index().stats().unlinked > 0 && writer.index().stats().tombstones > 0);
    (writer, model)
}

/// How far a vector is, by the scalar kernels.
fn distance(metric: &dyn Metric, query: &[f32], row: &[f32]) -> f32 {
    let padded = |v: &[f32]| v.iter().copied().chain([0.0; 16 - DIM]).collect::<Vec<_>>();
    let (k, query, row) = (Kernels::named("scalar").unwrap(), padded(query), padded(row));
    metric.report(metric.distance(&k, &query, metric.term(&k, &query), &row, metric.term(&k, &row)))
}

/// All that a search may show: key and distance, nearest first.
fn expected(
    model: &Model,
    metric: &dyn Metric,
    query: &[f32],
    filter: &dyn Filter,
    radius: f64,
) -> Vec<(f32, Vec<u8>)> {
    let far = |(key, row): (&Vec<u8>, &Vec<f32>)| (distance(metric, query, row), key.clone());
    let mut all: Vec<_> = model.iter().filter(|(key, _)| filter.accepts(key)).map(far).collect();
    all.retain(|(distance, _)| f64::from(*distance) <= radius);
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all
}

/// Asks, checks that every hit is one of `all` and that they are sorted, and returns how many were found out of the
/// nearest `k`.
fn ask(
    writer: &Writer,
    recall: &dyn Recall,
    query: &[f32],
    all: &[(f32, Vec<u8>)],
    k: usize,
) -> (usize, usize) {
    let index = &writer.index().pin();
    let (mut scratch, mut hits) = (Scratch::new(), vec![]);
    // The second time, the memory has been used before.
    for _ in 0..2 {
        recall.recall(index, &index.query(query), &mut scratch, &mut hits);
    }
    assert!(hits.windows(2).all(|pair| pair[0].distance <= pair[1].distance));
    assert!(hits.len() <= k);
    for hit in &hits {
        let key = index.key(hit.row);
        let same =
            |(distance, other): &(f32, Vec<u8>)| other == key && distance.to_bits() == hit.distance.to_bits();
        assert!(all.iter().any(same), "{hit:?} is no answer to {recall:?}");
        assert_eq!(writer.get(key), Some(hit.row), "each key once, by its living row");
    }
    let wanted = all.len().min(k);
    let worst = wanted.checked_sub(1).map_or(0.0, |last| all[last].0);
    (hits.iter().filter(|hit| hit.distance <= worst).count(), hits.len())
}

fn nearest(k: usize, ef: usize, exact_below: usize) -> Nearest {
    Nearest { k, ef, exact_below }
}

#[test]
fn a_filter_finds_as_many_as_match_however_few_do() {
    let (mut found, mut wanted) = (0, 0);
    for (metric, seed) in METRICS.into_iter().zip(0..) {
        let (writer, model) = churned(metric, rows(60, 3_000), seed);
        let mut rng = Rng::new(seed + 100);
        for (share, k) in SHARES.iter().flat_map(|share| [1, 10, 200].map(|k| (*share, k))) {
            let (filter, query) = (Share(share), vector(&mut rng));
            let all = expected(&model, metric, &query, &filter, f64::INFINITY);
            for exact_below in [0, 1, EXACT_BELOW] {
                let among = Among { nearest: nearest(k, 60, exact_below), filter };
                let (right, came) = ask(&writer, &among, &query, &all, k);
                assert_eq!(came, all.len().min(k), "{among:?} of {metric:?}");
                (found, wanted) = (found + right, wanted + came);
            }
            for recall in [
                &Among { nearest: nearest(k, 1_000_000, 0), filter } as &dyn Recall,
                &Exact { k, radius: f64::INFINITY, filter },
            ] {
                let (right, _) = ask(&writer, recall, &query, &all, k);
                assert_eq!(right, all.len().min(k), "{recall:?} is exact");
            }
        }
    }
    assert!(found * 100 >= wanted * 98, "{found} of {wanted}");
}

#[test]
fn a_filter_finds_what_lies_far_from_the_query() {
    let (n, side) = (rows(60, 3_000), 100);
    let config = Config {
        dim: DIM,
        metric: &L2,
        quant: Quant::F32,
        m: 8,
        ef_construction: 60,
        seed: 3,
        kernels: Kernels::best(),
    };
    let (mut writer, mut model, mut rng) = (Writer::new(config), Model::new(), Rng::new(3));
    for i in 0..n {
        let (far, mut vector) = (i % side == 7, vector(&mut rng));
        vector[0] += if far { 50.0 } else { 0.0 };
        let key = format!("{}{i}", if far { "far:" } else { "near:" }).into_bytes();
        let row = writer.insert(&key, &vector).unwrap().row;
        writer.index().link(row, &mut Scratch::new());
        model.insert(key, vector);
    }
    let (query, filter) = (vector(&mut rng), Prefix(b"far:".to_vec()));
    let all = expected(&model, &L2, &query, &filter, f64::INFINITY);
    for ef in [1, 10, 100] {
        let among = Among { nearest: nearest(10, ef, 0), filter: filter.clone() };
        assert_eq!(ask(&writer, &among, &query, &all, 10), (all.len().min(10), all.len().min(10)));
    }
}

#[test]
fn all_within_a_distance_are_found() {
    let (mut found, mut wanted) = (0, 0);
    for (metric, seed) in METRICS.into_iter().zip(20..) {
        let (writer, model) = churned(metric, rows(60, 3_000), seed);
        let mut rng = Rng::new(seed + 100);
        for (share, place) in SHARES.iter().flat_map(|share| [0.0, 0.003, 0.05, 0.6].map(|p| (*share, p))) {
            let (filter, query) = (Share(share), vector(&mut rng));
            let every = expected(&model, metric, &query, &Everything, f64::INFINITY);
            // As far as one of the rows is, to the last bit.
            let radius = f64::from(every[(every.len() as f64 * place) as usize].0);
            let all = expected(&model, metric, &query, &filter, radius);
            for (k, exact_below) in [(7, 0), (7, EXACT_BELOW), (100_000, 0), (100_000, EXACT_BELOW)] {
                let range = Range { radius, nearest: nearest(k, 30, exact_below), filter };
                let (right, came) = ask(&writer, &range, &query, &all, k);
                assert_eq!(right, came, "what lies within is told nearest first");
                (found, wanted) = (found + right, wanted + all.len().min(k));
                let wide = Range { nearest: nearest(k, 1_000_000, 0), ..range };
                assert_eq!(ask(&writer, &wide, &query, &all, k).0, all.len().min(k), "{wide:?}");
                let exact = Exact { k, radius, filter };
                assert_eq!(ask(&writer, &exact, &query, &all, k).0, all.len().min(k));
            }
        }
    }
    assert!(found * 1000 >= wanted * 995, "{found} of {wanted}");
}

#[test]
fn a_distance_that_no_row_can_have_costs_nothing_and_one_that_all_have_takes_all() {
    let (writer, model) = churned(&Cosine, rows(60, 300), 5);
    let query = vector(&mut Rng::new(1));
    for (radius, count) in
        [(-0.001, 0), (f64::NEG_INFINITY, 0), (2.0, model.len()), (f64::INFINITY, model.len())]
    {
        for exact_below in [0, EXACT_BELOW] {
            let all = expected(&model, &Cosine, &query, &Everything, radius);
            let range = Range { radius, nearest: nearest(10_000, 10, exact_below), filter: Everything };
            assert_eq!(ask(&writer, &range, &query, &all, 10_000), (count, count), "{range:?}");
        }
    }
}

#[test]
fn listed_rows_answer_as_they_were_when_they_were_listed() {
    let (mut writer, model) = churned(&L2, rows(60, 500), 6);
    let query = vector(&mut Rng::new(2));
    let keys: Vec<&Vec<u8>> = model.keys().step_by(3).collect();
    let rows: Vec<_> = keys.iter().map(|key| writer.get(key).unwrap()).collect();
    let listed = Listed { k: 10, radius: f64::INFINITY, rows };
    let list: Model = keys.iter().map(|key| ((*key).clone(), model[*key].clone())).collect();
    let all = expected(&list, &L2, &query, &Everything, f64::INFINITY);
    assert_eq!(ask(&writer, &listed, &query, &all, 10), (10, 10));
    let near = Listed { radius: f64::from(all[3].0), ..listed.clone() };
    assert_eq!(ask(&writer, &near, &query, &all[..4], 10), (4, 4));
    let index = &writer.index().pin();
    let (mut scratch, mut hits) = (Scratch::new(), vec![]);
    for n in 0..keys.len() as u32 * 2 {
        if let Some(key) = keys.get(n as usize) {
            assert!(writer.remove(key));
        }
        if index.sweep_is_ready(1) {
            index.sweep_some(1_000, &mut scratch);
        }
        if n % 2 == 0 {
            let row = writer
                .insert(format!("later {n}").as_bytes(), &query.iter().map(|x| x + 9.0).collect::<Vec<_>>());
            index.link(row.unwrap().row, &mut scratch);
        }
    }
    listed.recall(index, &index.query(&query), &mut scratch, &mut hits);
    assert!(hits.iter().map(|hit| hit.distance).eq(all[..10].iter().map(|(distance, _)| *distance)));
    Exact::new(10).recall(index, &index.query(&query), &mut scratch, &mut hits);
    assert!(hits.iter().all(|hit| index.is_live(hit.row)) && hits.len() == 10);
}

#[test]
fn an_empty_index_has_no_answers() {
    let config = Config {
        dim: DIM,
        metric: &L2,
        quant: Quant::F32,
        m: 8,
        ef_construction: 60,
        seed: 3,
        kernels: Kernels::best(),
    };
    let writer = Writer::new(config);
    let nearest = nearest(5, 10, 0);
    let recalls: [&dyn Recall; 5] = [
        &nearest,
        &Among { nearest, filter: Prefix(vec![]) },
        &Range { radius: 1.0, nearest, filter: Everything },
        &Exact::new(5),
        &Listed { k: 5, radius: 1.0, rows: vec![] },
    ];
    for recall in recalls {
        assert_eq!(ask(&writer, recall, &[0.0; DIM], &[], 5), (0, 0));
    }
}

#[test]
fn what_an_answer_costs_goes_by_the_lists_and_the_places_of_the_index() {
    let of = |m: usize| {
        let config = Config {
            dim: DIM,
            metric: &L2,
            quant: Quant::Int8,
            m,
            ef_construction: 4,
            seed: 1,
            kernels: Kernels::best(),
        };
        let (mut writer, mut rng, mut scratch) = (Writer::new(config), Rng::new(3), Scratch::new());
        for n in 0..2_000_u32 {
            let row = writer.insert(&n.to_le_bytes(), &vector(&mut rng)).unwrap().row;
            writer.index().link(row, &mut scratch);
        }
        writer
    };
    let nearest = Nearest { k: 10, ef: 100, exact_below: EXACT_BELOW };
    let [short, mut long] = [16, 256].map(of);
    assert_eq!(nearest.way(2_000, 2_000), Way::Graph);
    assert!(nearest.looks_at(long.index()) > 4 * nearest.looks_at(short.index()));
    // All but a few die: until they have been swept a scan looks at each.
    let before = Exact::new(10).looks_at(long.index());
    (500..2_000_u32).for_each(|n| assert!(long.remove(&n.to_le_bytes())));
    assert_eq!(Exact::new(10).looks_at(long.index()), before);
    assert_eq!(nearest.way(long.index().live(), long.index().held()), Way::Exact);
    assert_eq!(nearest.looks_at(long.index()), before);
}
