//! Several real threads on one index.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::*;

/// Links rows `from..` as they come, until `total` are done.
fn link_all(index: &Index, next: &AtomicU32, total: u32) {
    let mut scratch = Scratch::new();
    loop {
        let row = next.fetch_add(1, Ordering::Relaxed);
        if row >= total {
            return;
        }
        while index.rows() <= row as usize {
            std::hint::spin_loop();
        }
        index.link(RowId(row), &mut scratch);
    }
}

#[test]
fn threads_link_while_others_search_and_one_inserts() {
    let total = sized(60, 2_000);
    let vectors = random_vectors(21, total, 12);
    let mut writer = Writer::new(config(12, &L2));
    let index = Arc::clone(writer.index());
    let (next, done, inserted) = (AtomicU32::new(0), AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| link_all(&index, &next, total as u32));
        }
        for reader in 0..2_u64 {
            let (index, vectors, done, inserted) = (&index, &vectors, &done, &inserted);
            scope.spawn(move || {
                let (mut rng, mut scratch, mut hits) = (Rng::new(reader), Scratch::new(), Vec::new());
                while !done.load(Ordering::Acquire) {
                    let there = inserted.load(Ordering::Acquire) as usize;
                    if there == 0 {
                        std::hint::spin_loop();
                        continue;
                    }
                    let row = rng.index(there);
                    index.search(&index.query(&vectors[row]), 5, 64, &mut scratch, &mut hits);
                    assert_eq!(hits.first().map(|hit| hit.row), Some(RowId(row as u32)), "of {there}");
                    assert!(hits.windows(2).all(|pair| pair[0].distance <= pair[1].distance));
                }
            });
        }
        for (n, vector) in vectors.iter().enumerate() {
            writer.insert(&(n as u32).to_le_bytes(), vector).unwrap();
            inserted.store(n as u32 + 1, Ordering::Release);
        }
        while index.stats().unlinked > 0 {
            std::hint::spin_loop();
        }
        done.store(true, Ordering::Release);
    });
    writer.validate().unwrap();
    assert_eq!(searched(&index, &vectors[0], total, 1).len(), total);
}

#[test]
fn equal_vectors_linked_by_many_threads_all_stay_reachable() {
    let total = sized(40, 1_500) as u32;
    for m in [MIN_M, 16] {
        let mut writer = Writer::new(Config { m, ef_construction: 4, ..config(4, &Cosine) });
        for n in 0..total {
            writer.insert(&n.to_le_bytes(), &[1.0; 4]).unwrap();
        }
        let next = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| link_all(writer.index(), &next, total));
            }
        });
        writer.validate().unwrap();
        assert_eq!(searched(writer.index(), &[1.0; 4], total as usize, 1).len(), total as usize);
    }
}

#[test]
fn a_search_sees_the_old_row_of_a_key_or_the_new_one_but_never_both_and_never_none() {
    let mut writer = built(config(4, &L2), &[vec![1.0; 4], vec![2.0; 4], vec![3.0; 4]]);
    let index = Arc::clone(writer.index());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let (mut scratch, mut hits) = (Scratch::new(), Vec::new());
                let query = index.query(&[2.5; 4]);
                while !done.load(Ordering::Acquire) {
                    for exact in [false, true] {
                        if exact {
                            index.exact(&query, 10, &mut scratch, &mut hits);
                        } else {
                            index.search(&query, 10, 1, &mut scratch, &mut hits);
                        }
                        let mut keys: Vec<_> = hits.iter().map(|hit| index.key(hit.row)).collect();
                        keys.sort_unstable();
                        keys.dedup();
                        assert_eq!((hits.len(), keys.len()), (3, 3), "exact: {exact}");
                    }
                }
            });
        }
        let mut scratch = Scratch::new();
        for n in 0..sized(30, 2_000) as u32 {
            let row = writer.insert(&(n % 3).to_le_bytes(), &[n as f32; 4]).unwrap().row;
            if n % 2 == 0 {
                index.link(row, &mut scratch);
            }
        }
        done.store(true, Ordering::Release);
    });
}
