//! Sweeps: what they take away, what they leave, and what comes in its place.

use std::sync::Arc;

use super::*;
use crate::base::limits::SWEEP_FROM;
use crate::index::sweep::Stage;

/// Sweeps until there is nothing more to sweep, in slices of `budget`, with a look at everything after each.
pub(super) fn sweep(writer: &Writer, budget: usize) {
    let mut scratch = Scratch::new();
    while writer.index().sweep_is_ready(1) {
        writer.index().sweep_some(budget, &mut scratch);
        if budget < 1_000 {
            writer.validate().unwrap();
        }
    }
    assert_eq!(writer.index().sweep.stage(), Stage::Idle);
    writer.validate().unwrap();
}

/// How much of the nearest ten is found.
fn recall(index: &Index, queries: &[Vec<f32>], ef: usize) -> f64 {
    let (mut found, mut asked) = (0, 0);
    for query in queries {
        let truth = scanned(index, query, 10);
        let hits = searched(index, query, 10, ef);
        found += hits.iter().filter(|hit| truth.contains(hit)).count();
        asked += truth.len();
    }
    f64::from(found as u32) / f64::from(asked as u32)
}

#[test]
fn swept_rows_are_named_by_nobody_and_searches_lose_nothing() {
    for (m, budget) in [(MIN_M, 70), (8, 500), (8, usize::MAX)] {
        for vectors in [
            random_vectors(51, sized(16, 400), 6),
            clustered_vectors(52, 4, sized(4, 100), 6, 0.01),
            vec![vec![1.0; 6]; sized(16, 400)],
            (0..sized(16, 400)).map(|i| vec![i as f32, 0.0, 0.0, 0.0, 0.0, 1.0]).collect(),
        ] {
            let mut writer = built(Config { m, ..config(6, &L2) }, &vectors);
            for n in (0..vectors.len() as u32).filter(|n| n % 3 != 1) {
                writer.remove(&n.to_le_bytes());
            }
            sweep(&writer, budget);
            let stats = writer.index().stats();
            assert_eq!((stats.tombstones, stats.free), (0, vectors.len() - writer.len()));
            let all = searched(writer.index(), &vectors[0], vectors.len(), 1);
            assert_eq!(all, scanned(writer.index(), &vectors[0], vectors.len()));
            assert_eq!(all.len(), writer.len());
        }
    }
}

#[test]
fn rows_of_every_form_take_the_places_of_those_that_are_gone() {
    for quant in Quant::ALL {
        let vectors = random_vectors(53, sized(8, 300), 20);
        let mut writer = built(Config { quant, ..config(20, &Cosine) }, &vectors);
        let mut scratch = Scratch::new();
        for round in 0..4_u64 {
            for (n, vector) in random_vectors(60 + round, vectors.len(), 20).iter().enumerate() {
                let row = writer.insert(&(n as u32).to_le_bytes(), vector).unwrap().row;
                assert_eq!(searched(writer.index(), vector, 1, 10)[0].row, row, "before it is linked");
                writer.index().link(row, &mut scratch);
                let found = searched(writer.index(), vector, 10, vectors.len() * 3);
                assert_eq!(found, scanned(writer.index(), vector, 10));
                assert_eq!(
                    (found[0].row, writer.index().pin().key(row)),
                    (row, &(n as u32).to_le_bytes()[..])
                );
                if n % 10 == 0 {
                    sweep(&writer, usize::MAX);
                }
            }
        }
        let rows = writer.index().rows();
        assert!(rows <= vectors.len() + vectors.len() / 10 + 12, "{rows} rows for {}", vectors.len());
    }
}

#[test]
fn places_of_a_map_are_taken_too_from_one_start_to_the_next() {
    for quant in [Quant::F32, Quant::Int8] {
        let n = sized(6, 200);
        let mut writer = built(Config { quant, ..config(20, &L2) }, &random_vectors(54, n, 20));
        let mut scratch = Scratch::new();
        for start in 0..sized(2, 3) as u64 {
            (writer, _) = codec::reopened(&writer);
            assert_eq!(writer.index().rows.mapped() as usize, writer.index().rows());
            let pin = writer.index().pin();
            let old: Vec<_> =
                writer.rows(RowId(0)).take(5).map(|row| (row, pin.vector(row).to_vec())).collect();
            let vectors = random_vectors(60 + start, n, 20);
            for (key, vector) in vectors.iter().enumerate() {
                while writer.index().sweep_is_ready(n / 3) {
                    writer.index().sweep_some(1 << 20, &mut scratch);
                }
                let row = writer.insert(&(key as u32).to_le_bytes(), vector).unwrap().row;
                assert!(old.iter().all(|(old, _)| *old != row), "somebody is inside who may read it");
                writer.index().link(row, &mut scratch);
            }
            assert!(old.iter().all(|(row, vector)| pin.vector(*row) == &vector[..]));
            drop((old, pin));
            sweep(&writer, usize::MAX);
            for (key, vector) in vectors.iter().enumerate() {
                let row = writer.insert(&(key as u32).to_le_bytes(), vector).unwrap().row;
                writer.index().link(row, &mut scratch);
                let found = searched(writer.index(), vector, 10, n * 4);
                assert_eq!((found[0].row, &found), (row, &scanned(writer.index(), vector, 10)));
                assert_eq!(writer.index().pin().key(row), (key as u32).to_le_bytes());
                if key % 5 == 0 {
                    sweep(&writer, usize::MAX);
                }
            }
            sweep(&writer, usize::MAX);
            let rows = writer.index().rows();
            assert!(
                writer.index().rows.within() > 0 && rows <= 2 * n + n / 10 + 12,
                "{rows} rows at start {start}"
            );
            let (opened, unlinked) = codec::reopened(&writer);
            assert_eq!((opened.len(), unlinked), (n, Vec::new()));
            assert_eq!(scanned(opened.index(), &vectors[0], n), scanned(writer.index(), &vectors[0], n));
        }
    }
}

#[test]
fn recall_and_memory_hold_while_every_vector_is_replaced_three_times() {
    let n = sized(16, 3_000);
    let mut writer = built(config(16, &L2), &random_vectors(54, n, 16));
    let (before, mut rng, mut scratch) = (writer.bytes(), Rng::new(3), Scratch::new());
    let mut last = Vec::new();
    for round in 0..3_u64 {
        last = random_vectors(70 + round, n, 16);
        let mut order: Vec<usize> = (0..n).collect();
        (1..n).for_each(|i| order.swap(i, rng.index(i + 1)));
        for i in order {
            let row = writer.insert(&(i as u32).to_le_bytes(), &last[i]).unwrap().row;
            writer.index().link(row, &mut scratch);
            if writer.index().sweep_is_ready(SWEEP_FROM) {
                writer.index().sweep_some(1 << 12, &mut scratch);
            }
        }
    }
    writer.validate().unwrap();
    let fresh = built(config(16, &L2), &last);
    let queries = random_vectors(80, sized(2, 200), 16);
    for ef in [20, 60] {
        let (churned, built) = (recall(writer.index(), &queries, ef), recall(fresh.index(), &queries, ef));
        assert!(churned >= built - 0.01, "recall {churned} after churn, {built} of a fresh build at {ef}");
    }
    let after = writer.bytes();
    assert!(cfg!(miri) || after * 10 <= before * 11, "{after} bytes, {before} before");
}

#[test]
fn the_root_and_the_entry_point_may_die_and_so_may_all() {
    let vectors = random_vectors(55, sized(14, 200), 4);
    let mut writer = built(Config { m: 2, ..config(4, &L2) }, &vectors);
    let mut scratch = Scratch::new();
    for _ in 0..sized(3, 15) {
        let root = writer.index().root().unwrap();
        let (entry, _) = writer.index().entry().unwrap();
        let others = writer.rows(RowId(0)).map(|row| row.0).filter(|row| *row != root && *row != entry);
        for row in [root, entry].into_iter().chain(others.take(writer.len() / 15).collect::<Vec<_>>()) {
            if writer.index().is_live(RowId(row)) {
                let key = writer.index().pin().key(RowId(row)).to_vec();
                writer.remove(&key);
            }
        }
        sweep(&writer, 70);
        assert!(writer.index().is_live(RowId(writer.index().root().unwrap())));
        assert_eq!(searched(writer.index(), &vectors[0], 1_000, 1).len(), writer.len());
    }
    for n in 0..vectors.len() as u32 {
        writer.remove(&n.to_le_bytes());
    }
    sweep(&writer, 7);
    assert_eq!((writer.index().root(), writer.index().entry()), (None, None));
    assert_eq!(writer.index().stats().free, vectors.len());
    for (n, vector) in vectors.iter().enumerate() {
        let row = writer.insert(&(n as u32).to_le_bytes(), vector).unwrap().row;
        writer.index().link(row, &mut scratch);
        assert_eq!(searched(writer.index(), vector, 1, 500)[0].row, row);
    }
    writer.validate().unwrap();
    assert_eq!(writer.index().rows(), vectors.len());
}

#[test]
fn links_made_at_every_stage_of_a_sweep_hold() {
    let vectors = random_vectors(56, sized(12, 120), 4);
    for dead in [sized(4, 10), vectors.len()] {
        let mut writer = built(Config { m: 2, ..config(4, &L2) }, &vectors);
        let mut scratch = Scratch::new();
        (0..dead as u32).for_each(|n| assert!(writer.remove(&n.to_le_bytes())));
        let mut n = 1_000_u32;
        while writer.index().sweep_is_ready(1) {
            writer.index().sweep_some(1, &mut scratch);
            if writer.index().sweep.stage() == Stage::Idle {
                break;
            }
            n += 1;
            let vector = &vectors[n as usize % vectors.len()];
            let row = writer.insert(&n.to_le_bytes(), vector).unwrap().row;
            writer.index().link(row, &mut scratch);
            writer.validate().unwrap();
            let all = searched(writer.index(), vector, usize::MAX, 1);
            assert_eq!(all, scanned(writer.index(), vector, 10_000));
        }
        sweep(&writer, usize::MAX);
    }
}

#[test]
fn bytes_change_under_the_writers_hand_alone() {
    let mut writer = built(config(4, &L2), &random_vectors(62, sized(16, 200), 4));
    for n in 0..writer.len() as u32 - 1 {
        writer.remove(&n.to_le_bytes());
    }
    let counted = writer.bytes();
    let mut scratch = Scratch::new();
    while writer.index().sweep_is_ready(1) {
        writer.index().sweep_some(100, &mut scratch);
        assert_eq!(writer.bytes(), counted);
    }
    assert!(writer.index().stats().free > 0);
    writer.insert(b"", &[1.0; 4]).unwrap();
    let (keys, free) = (writer.index().key_bytes.load(), writer.index().stats().free);
    assert_eq!((keys, free), (4, writer.index().rows() - 2));
}

#[test]
fn however_many_rows_wait_to_be_linked_free_places_are_taken() {
    let n = sized(40, 3_000);
    let mut writer = built(config(4, &L2), &random_vectors(63, n, 4));
    let mut scratch = Scratch::new();
    for round in 0..3 {
        let vectors = random_vectors(64 + round, n, 4);
        let put = |writer: &mut Writer, key: usize| {
            writer.insert(&(key as u32).to_le_bytes(), &vectors[key]).unwrap().row
        };
        let rows: Vec<RowId> = (0..n).map(|key| put(&mut writer, key)).collect();
        assert!(writer.index().rows() <= 2 * n, "{} rows for {n} in round {round}", writer.index().rows());
        writer.validate().unwrap();
        assert_eq!(searched(writer.index(), &vectors[n - 1], 1, 10)[0].row, rows[n - 1], "it waits");
        rows.into_iter().for_each(|row| writer.index().link(row, &mut scratch));
        assert_eq!(writer.index().stats().unlinked, 0);
        sweep(&writer, usize::MAX);
    }
}

#[test]
fn a_row_that_dies_unlinked_while_nobody_reads_is_free_at_once() {
    let n = sized(20, 300);
    let built = built(config(4, &L2), &random_vectors(67, n, 4));
    let (mut reopened, _) = super::codec::reopened(&built);
    for writer in [&mut Writer::new(config(4, &L2)), &mut reopened] {
        let before = writer.index().rows();
        writer.alone(true);
        for (round, vectors) in (0..4).map(|round| (round, random_vectors(70 + round, n, 4))) {
            for (key, vector) in vectors.iter().enumerate() {
                writer.insert(&(key as u32).to_le_bytes(), vector).unwrap();
                if round == 2 && key % 3 == 0 {
                    assert!(writer.remove(&(key as u32).to_le_bytes()));
                }
            }
            writer.validate().unwrap();
            let rows = writer.index().rows();
            assert!(rows <= before + n + 1, "{rows} rows in round {round}");
        }
        writer.alone(false);
        let unlinked: Vec<u32> =
            (0..writer.index().rows() as u32).filter(|row| !writer.index().linked(*row)).collect();
        assert_eq!(unlinked.len(), n, "what has died needs no linking");
        let mut scratch = Scratch::new();
        unlinked.into_iter().for_each(|row| writer.index().link(RowId(row), &mut scratch));
        assert_eq!(writer.index().floor.load() as usize, writer.index().rows());
        sweep(writer, usize::MAX);
        let all = searched(writer.index(), &[0.0; 4], n, n);
        assert_eq!((all.len(), all), (n, scanned(writer.index(), &[0.0; 4], n)));
    }
}

#[test]
fn nothing_is_taken_away_from_who_is_inside() {
    let n = sized(10, 100);
    let vectors = random_vectors(57, n, 4);
    let mut writer = built(config(4, &L2), &vectors);
    let index = Arc::clone(writer.index());
    let mut scratch = Scratch::new();
    let pin = index.pin();
    let hit = searched(&index, &vectors[7], 1, 10)[0];
    let (key, vector) = (pin.key(hit.row), pin.vector(hit.row));
    for (n, vector) in random_vectors(58, n, 4).iter().enumerate() {
        let row = writer.insert(&(n as u32).to_le_bytes(), vector).unwrap().row;
        index.link(row, &mut scratch);
        while index.sweep_is_ready(1) {
            index.sweep_some(usize::MAX, &mut scratch);
        }
    }
    assert_eq!((index.rows(), index.stats().free), (2 * n, 0));
    assert_eq!((key, vector), (&7_u32.to_le_bytes()[..], &vectors[7][..]));
    drop(pin);
    sweep(&writer, usize::MAX);
    assert_eq!((index.rows(), index.stats().free), (2 * n, n));
}

#[test]
fn an_index_is_captured_and_opened_at_every_stage_of_a_sweep() {
    let vectors = random_vectors(59, sized(12, 100), 5);
    for dead in [sized(4, 30), vectors.len()] {
        let mut writer = built(Config { m: 2, quant: Quant::Int8, ..config(5, &L2) }, &vectors);
        let mut scratch = Scratch::new();
        (0..dead.min(vectors.len()) as u32).for_each(|n| assert!(writer.remove(&n.to_le_bytes())));
        let mut slices = 0;
        while writer.index().sweep_is_ready(1) {
            writer.index().sweep_some(1, &mut scratch);
            slices += 1;
            let (mut opened, unlinked) = codec::reopened(&writer);
            assert_eq!((opened.len(), unlinked), (writer.len(), Vec::new()));
            let all = searched(opened.index(), &vectors[0], 1_000, 1);
            assert_eq!(all, scanned(writer.index(), &vectors[0], 1_000));
            sweep(&opened, usize::MAX);
            let row = opened.insert(b"new", &vectors[1]).unwrap().row;
            opened.index().link(row, &mut scratch);
            opened.validate().unwrap();
        }
        assert!(slices > 10);
    }
}

#[test]
fn a_capture_can_be_opened_whatever_a_sweep_does_with_rows_that_come_meanwhile() {
    let vectors = random_vectors(67, sized(20, 80), 3);
    let (old, new) = vectors.split_at(vectors.len() / 2);
    let mut scratch = Scratch::new();
    let mut before = 0;
    loop {
        let mut writer = built(Config { m: 2, ..config(3, &L2) }, old);
        (0..old.len() as u32).step_by(2).for_each(|n| assert!(writer.remove(&n.to_le_bytes())));
        for _ in 0..before {
            if writer.index().sweep_is_ready(1) {
                writer.index().sweep_some(1, &mut scratch);
            }
        }
        let capture = writer.capture();
        for (n, vector) in new.iter().enumerate() {
            let row = writer.insert(format!("new {n}").as_bytes(), vector).unwrap().row;
            writer.index().link(row, &mut scratch);
        }
        while writer.index().sweep_is_ready(1) {
            writer.index().sweep_some(1, &mut scratch);
        }
        codec::File::of(&capture).open().unwrap().writer.validate().unwrap();
        drop(capture);
        before += 1;
        if writer.index().sweep.stage() == Stage::Idle {
            break;
        }
    }
    assert!(before > 10);
}

#[test]
fn a_capture_can_be_opened_where_a_sweep_has_emptied_the_graph_and_a_row_has_begun_another() {
    let vectors = random_vectors(68, sized(8, 40), 3);
    let (old, new) = vectors.split_at(vectors.len() - 4);
    let mut scratch = Scratch::new();
    let (mut before, mut begun) = (0, false);
    loop {
        let mut writer = built(Config { m: 2, ..config(3, &L2) }, old);
        (0..old.len() as u32).for_each(|n| assert!(writer.remove(&n.to_le_bytes())));
        for _ in 0..before {
            if writer.index().sweep_is_ready(1) {
                writer.index().sweep_some(1, &mut scratch);
            }
        }
        let emptied = writer.index().root().is_none();
        for (n, vector) in new.iter().enumerate() {
            let row = writer.insert(format!("new {n}").as_bytes(), vector).unwrap().row;
            writer.index().link(row, &mut scratch);
            writer.validate().unwrap();
            let opened = codec::File::of(&writer.capture()).open().unwrap();
            opened.writer.validate().unwrap();
            assert_eq!(opened.writer.len(), n + 1);
        }
        begun |= emptied && writer.index().sweep.stage() == Stage::Rehome;
        sweep(&writer, usize::MAX);
        before += 1;
        if writer.index().sweep.stage() == Stage::Idle && before > 4 * old.len() {
            break;
        }
    }
    assert!(begun, "a graph was emptied before its links were taken away");
}

#[test]
fn a_capture_goes_on_holding_what_a_sweep_behind_it_takes_away() {
    let vectors = random_vectors(61, sized(20, 150), 5);
    let mut writer = built(Config { m: 2, ..config(5, &L2) }, &vectors);
    let mut scratch = Scratch::new();
    for first in (0..vectors.len() as u32).step_by(10) {
        let capture = writer.capture();
        let expected = codec::File::of(&capture);
        (first..first + 5).for_each(|n| assert!(writer.remove(&n.to_le_bytes())));
        while writer.index().sweep_is_ready(1) {
            writer.index().sweep_some(usize::MAX, &mut scratch);
        }
        let file = codec::File::of(&capture);
        file.open().unwrap().writer.validate().unwrap();
        assert_eq!(file.sections[1], expected.sections[1]);
        assert_eq!(file.sections[4], expected.sections[4]);
        drop(capture);
        sweep(&writer, usize::MAX);
    }
}

#[test]
fn an_index_that_has_used_up_its_moments_takes_removals_and_after_it_was_opened_again_all() {
    let mut writer = built(config(4, &L2), &random_vectors(71, 20, 4));
    writer.index().moment.store(u32::MAX - 2 - 20);
    assert!(!writer.insert(b"new", &[1.0; 4]).unwrap().replaced);
    for key in [&b"newer"[..], b"new"] {
        assert_eq!(writer.insert(key, &[1.0; 4]), Err(IndexError::Writes));
    }
    (0..20_u32).for_each(|n| assert!(writer.remove(&n.to_le_bytes())));
    assert_eq!(writer.insert(b"new", &[1.0; 4]), Err(IndexError::Writes));
    assert!(writer.remove(b"new"));
    writer.validate().unwrap();
    let (mut opened, _) = super::codec::reopened(&writer);
    assert!(!opened.insert(b"newer", &[1.0; 4]).unwrap().replaced);
}

#[test]
fn a_scan_of_an_index_that_shrank_and_grew_again_finds_what_lives() {
    let vectors = random_vectors(72, sized(60, 700), 4);
    let mut writer = built(config(4, &L2), &vectors);
    for n in (0..vectors.len()).filter(|n| n % 97 != 5) {
        assert!(writer.remove(&(n as u32).to_le_bytes()));
    }
    let mut scratch = Scratch::new();
    while writer.index().sweep_is_ready(1) {
        writer.index().sweep_some(1 << 20, &mut scratch);
    }
    let passed = |index: &Index| index.rows() - index.places.taken(index.rows() as u32).count();
    for grown in [0, 3, 40] {
        for n in 0..grown {
            writer.insert(&[7, n], &vectors[usize::from(n)]).unwrap();
        }
        assert_eq!(passed(writer.index()), writer.index().stats().free);
        assert_eq!(scanned(writer.index(), &vectors[0], usize::MAX).len(), writer.len());
        let (opened, _) = super::codec::reopened(&writer);
        assert_eq!(scanned(opened.index(), &vectors[0], 9), scanned(writer.index(), &vectors[0], 9));
        assert_eq!(passed(opened.index()), opened.index().stats().free);
    }
}

#[test]
fn an_empty_index_is_cheap_and_the_first_row_counts_with_its_block() {
    let quant = Quant::Int8;
    let dim = crate::base::limits::MAX_DIM;
    let mut writer = Writer::new(Config { quant, ..config(dim, &L2) });
    let empty = writer.bytes();
    assert!((size_of::<Index>() + dim / 2..64 << 10).contains(&empty), "{empty} bytes");
    writer.insert(b"", &vec![1.0; dim]).unwrap();
    let first = writer.bytes() - empty;
    assert!((16 * 5 * dim..17 * 5 * dim).contains(&first), "{first} bytes");
    writer.insert(b"a", &vec![1.0; dim]).unwrap();
    assert!(writer.bytes() - empty - first < 2_000, "there was room for it");
}
