//! What the graph promises on one thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::*;
use crate::index::graph::PARENT;

#[test]
fn a_graph_of_many_rows_finds_most_of_the_nearest_in_every_form() {
    let vectors = random_vectors(3, sized(120, 3_000), 24);
    for quant in Quant::ALL {
        let writer = built(Config { quant, ..config(24, &Cosine) }, &vectors);
        writer.validate().unwrap();
        let index = writer.index();
        let (mut found, mut asked) = (0, 0);
        for query in random_vectors(4, sized(3, 100), 24) {
            let truth = scanned(index, &query, 10);
            let hits = searched(index, &query, 10, 100);
            found += hits.iter().filter(|hit| truth.contains(hit)).count();
            asked += truth.len();
        }
        // Few random dimensions are the hardest data for one bit each.
        let least = if quant == Quant::Bin { 75 } else { 97 };
        assert!(found * 100 >= asked * least, "{quant:?}: {found} of {asked}");
    }
}

#[test]
fn a_search_as_wide_as_the_index_is_exact_on_every_metric_and_hard_data() {
    let n = sized(12, 70);
    let mut copies = random_vectors(5, 3, 6);
    copies = (0..sized(60, 900)).map(|i| copies[i % 3].clone()).collect();
    let line: Vec<Vec<f32>> = (0..sized(60, 600)).map(|i| vec![i as f32, 0.0, 0.0, 0.0, 0.0, 1.0]).collect();
    let data = [
        clustered_vectors(6, 8, n, 6, 0.01),
        copies,
        line,
        random_vectors(7, 8 * n, 6),
        vec![vec![0.0; 6]; 8 * n],
    ];
    for metric in METRICS {
        for (case, vectors) in data.iter().enumerate() {
            let writer = built(config(6, *metric), vectors);
            writer.validate().unwrap();
            let all = vectors.len();
            let hits = searched(writer.index(), &vectors[all / 2], all, 1);
            assert_eq!(hits, scanned(writer.index(), &vectors[all / 2], all), "{metric:?}, case {case}");
            assert_eq!(hits.len(), all, "{metric:?}, case {case}");
        }
    }
}

#[test]
fn every_linked_row_is_found_by_its_own_vector_in_groups_that_came_one_after_the_other() {
    for radius in [0.05, 0.5, 2.0] {
        let vectors = clustered_vectors(8, sized(4, 20), sized(12, 150), 16, radius);
        let writer = built(config(16, &L2), &vectors);
        writer.validate().unwrap();
        for (row, vector) in vectors.iter().enumerate() {
            let hits = searched(writer.index(), vector, 1, 20);
            assert_eq!(hits[0].distance, 0.0, "row {row}, radius {radius}");
        }
    }
}

/// How many of a hundred of `others` a search finds by their own vectors where many equal ones are there too, which come
/// before them, behind them, and between them.
fn found_beside_equals(equals: &[f32], others: &[Vec<f32>], config: Config) -> [usize; 3] {
    let before: Vec<&[f32]> =
        std::iter::repeat_n(equals, 5 * others.len() / 2).chain(others.iter().map(Vec::as_slice)).collect();
    let behind: Vec<&[f32]> = before.iter().rev().copied().collect();
    // No common divisor with the number: each comes once.
    let between = (0..before.len()).map(|at| before[at * 1_009 % before.len()]).collect();
    [before, behind, between].map(|vectors| {
        let writer = built(config, &vectors.iter().map(|vector| vector.to_vec()).collect::<Vec<_>>());
        writer.validate().unwrap();
        let hits = others.iter().take(100).map(|other| searched(writer.index(), other, 1, 30)[0].row);
        hits.zip(others).filter(|(row, other)| writer.index().pin().vector(*row) == &other[..]).count()
    })
}

#[test]
fn a_crowd_of_equal_vectors_does_not_hide_the_others() {
    let others = random_vectors(31, sized(20, 400), 32);
    let (one, zero) = (random_vectors(32, 1, 32).remove(0), vec![0.0; 32]);
    for quant in [Quant::F32, Quant::Int8] {
        for (metric, equals) in [(&L2 as &'static dyn Metric, &one), (&Cosine, &one), (&Cosine, &zero)] {
            let config = Config { quant, ..config(32, metric) };
            let found = found_beside_equals(equals, &others, config);
            let least = if cfg!(miri) { 0 } else { 95 };
            assert!(
                found.iter().all(|found| *found >= least),
                "{metric:?} {quant:?}, {}: {found:?}",
                equals[0]
            );
        }
    }
}

#[test]
fn smallest_m_keeps_every_row_reachable() {
    for vectors in [vec![vec![1.0; 4]; sized(60, 700)], clustered_vectors(9, 5, sized(12, 100), 4, 0.01)] {
        let writer = built(Config { m: MIN_M, ef_construction: 1, ..config(4, &L2) }, &vectors);
        writer.validate().unwrap();
        assert_eq!(searched(writer.index(), &vectors[0], usize::MAX, 1).len(), vectors.len());
    }
}

#[test]
fn the_graph_is_the_same_on_every_kernel() {
    let vectors = random_vectors(10, sized(60, 500), 50);
    for quant in Quant::ALL {
        let shapes: Vec<_> = Kernels::available()
            .into_iter()
            .map(|kernels| shape(built(Config { kernels, quant, ..config(50, &Cosine) }, &vectors).index()))
            .collect();
        assert!(shapes.windows(2).all(|pair| pair[0] == pair[1]));
        assert!(shapes[0].iter().any(|list| list.len() == 16));
    }
}

#[test]
fn the_seed_decides_the_graph() {
    let vectors = random_vectors(11, sized(60, 300), 8);
    let of = |seed| shape(built(Config { seed, ..config(8, &L2) }, &vectors).index());
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
}

#[test]
fn a_row_is_found_before_it_is_linked_and_only_once_after() {
    let mut writer = built(config(4, &L2), &random_vectors(12, 40, 4));
    let far = [9.0; 4];
    let row = writer.insert(b"far", &far).unwrap().row;
    for linked in [false, true] {
        let hits = searched(writer.index(), &far, 5, 5);
        assert_eq!(hits[0], Hit { distance: 0.0, row }, "linked: {linked}");
        assert_eq!(hits.iter().filter(|hit| hit.row == row).count(), 1);
        assert_eq!(writer.index().is_linked(row), linked);
        assert_eq!(writer.index().stats().unlinked, usize::from(!linked));
        writer.index().link(row, &mut Scratch::new());
    }
    writer.validate().unwrap();
}

#[test]
fn rows_linked_out_of_order_keep_the_floor_where_it_belongs() {
    let mut writer = Writer::new(config(3, &L2));
    let rows: Vec<_> = random_vectors(13, 30, 3)
        .iter()
        .map(|v| writer.insert(&v[0].to_le_bytes(), v).unwrap().row)
        .collect();
    let mut scratch = Scratch::new();
    for row in rows.iter().rev() {
        assert_eq!(searched(writer.index(), &[0.0; 3], 30, 30).len(), 30);
        writer.index().link(*row, &mut scratch);
        writer.index().link(*row, &mut scratch);
        writer.validate().unwrap();
    }
    assert_eq!(searched(writer.index(), &[0.0; 3], 30, 30), scanned(writer.index(), &[0.0; 3], 30));
}

#[test]
fn the_dead_are_never_returned_and_never_crowd_out_the_living() {
    let total = sized(60, 1_000);
    let vectors = random_vectors(14, total, 8);
    let mut writer = built(config(8, &Cosine), &vectors);
    for n in (0..total as u32).filter(|n| n % 20 != 0) {
        assert!(writer.remove(&n.to_le_bytes()));
    }
    writer.validate().unwrap();
    for vector in &vectors[..sized(5, 50)] {
        let hits = searched(writer.index(), vector, 10, 10);
        assert_eq!(hits.len(), 10.min(total / 20));
        assert!(hits.iter().all(|hit| writer.index().is_live(hit.row)));
    }
    assert_eq!(searched(writer.index(), &vectors[1], total, 1).len(), total / 20);
}

#[test]
fn an_index_of_which_all_died_fills_again() {
    let mut writer = built(config(5, &L2), &random_vectors(15, 50, 5));
    (0..50_u32).for_each(|n| assert!(writer.remove(&n.to_le_bytes())));
    assert_eq!(searched(writer.index(), &[0.0; 5], 3, 10), []);
    let mut scratch = Scratch::new();
    for (n, vector) in random_vectors(16, 50, 5).iter().enumerate() {
        let row = writer.insert(&(n as u32).to_le_bytes(), vector).unwrap().row;
        writer.index().link(row, &mut scratch);
        assert_eq!(searched(writer.index(), vector, 1, 1)[0].row, row);
    }
    writer.validate().unwrap();
}

#[test]
fn a_key_that_is_overwritten_for_ever_is_found_in_its_last_place() {
    let mut writer = built(config(4, &L2), &random_vectors(17, 20, 4));
    let mut scratch = Scratch::new();
    for (n, vector) in random_vectors(18, sized(40, 400), 4).iter().enumerate() {
        let inserted = writer.insert(b"again", vector).unwrap();
        assert_eq!(inserted.replaced, n > 0);
        if n % 3 > 0 {
            writer.index().link(inserted.row, &mut scratch);
        }
        assert_eq!(searched(writer.index(), vector, 1, 8)[0], Hit { distance: 0.0, row: inserted.row });
        assert_eq!(searched(writer.index(), vector, 100, 8).len(), 21);
    }
    writer.validate().unwrap();
}

#[test]
fn any_k_and_ef_give_what_there_is() {
    let empty = Writer::new(config(2, &Dot));
    assert_eq!(searched(empty.index(), &[1.0, 2.0], usize::MAX, usize::MAX), []);
    let writer = built(config(2, &Dot), &[vec![1.0, 0.0], vec![0.0, 1.0]]);
    for (k, ef, expected) in [(0, 0, 0), (1, 0, 1), (0, 9, 0), (usize::MAX, 0, 2), (1, usize::MAX, 1)] {
        assert_eq!(searched(writer.index(), &[1.0, 2.0], k, ef).len(), expected, "k {k}, ef {ef}");
        assert_eq!(scanned(writer.index(), &[1.0, 2.0], k).len(), k.min(2));
    }
    assert_eq!(searched(writer.index(), &[1.0, 2.0], 1, 1)[0], Hit { distance: -2.0, row: RowId(1) });
}

#[test]
fn a_broken_graph_does_not_validate() {
    let writer = built(config(3, &L2), &random_vectors(19, 60, 3));
    let index = writer.index();
    let first = &index.list(5, 0)[0];
    // Row 5 links to a row that is not there, to itself.
    for wrong in [61, 6] {
        let before = first.swap(wrong, Ordering::AcqRel);
        assert!(index.validate().is_err(), "{wrong}");
        first.store(before, Ordering::Release);
    }
    index.validate().unwrap();
    index.live.fetch_add(1);
    assert!(index.validate().unwrap_err().contains("60 rows live, 61 are counted"));
    index.live.fetch_sub(1);
    index.floor.store(59);
    assert!(index.validate().unwrap_err().contains("floor"));
    index.floor.store(60);
    index.validate().unwrap();
    index.cold.set(7, PARENT, 0);
    assert!(index.validate().unwrap_err().contains("row 7"));
}

#[test]
fn a_search_that_began_on_an_empty_graph_does_not_look_at_a_root_that_came_later() {
    let mut writer = Writer::new(config(2, &L2));
    let index = Arc::clone(writer.index());
    let mut scratch = Scratch::new();
    let inside = index.inside();
    let view = inside.view();
    let row = writer.insert(b"first", &[1.0, 2.0]).unwrap().row;
    index.link(row, &mut scratch);
    scratch.found.clear();
    let query = index.query(&[1.0, 2.0]);
    index.seed_root(&view, view.measure(&query, &mut Default::default()), &mut scratch);
    assert!(scratch.found.is_empty());
    index.seed_root(&inside.view(), view.measure(&query, &mut Default::default()), &mut scratch);
    assert_eq!(scratch.found.len(), 1);
}
