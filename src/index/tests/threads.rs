//! Several real threads on one index.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::*;
use crate::base::sync::Mutex;

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
                        let pin = index.pin();
                        if exact {
                            index.exact(&query, 10, &mut scratch, &mut hits);
                        } else {
                            index.search(&query, 10, 1, &mut scratch, &mut hits);
                        }
                        let mut keys: Vec<_> = hits.iter().map(|hit| pin.key(hit.row)).collect();
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

/// A vector that tells which key it belongs to, and how often that was overwritten.
fn telling(key: u32, version: u32) -> Vec<f32> {
    let noise = Rng::new(u64::from(key) << 32 | u64::from(version));
    let mut noise = noise;
    let mut vector: Vec<f32> = (0..10).map(|_| noise.unit_f32() - 0.5).collect();
    vector.extend([key as f32, version as f32]);
    vector
}

/// Links what comes.
fn link_what_comes(index: &Index, rows: &Mutex<std::sync::mpsc::Receiver<RowId>>) {
    let mut scratch = Scratch::new();
    loop {
        let next = rows.lock().recv();
        let Ok(row) = next else { return };
        index.link(row, &mut scratch);
    }
}

/// Sweeps until `done`.
fn sweep_on(index: &Index, done: &AtomicBool) {
    let mut scratch = Scratch::new();
    while !done.load(Ordering::Acquire) {
        if index.sweep_is_ready(1) {
            index.sweep_some(sized(50, 300), &mut scratch);
        } else {
            std::hint::spin_loop();
        }
    }
}

/// Looks until `done`, through the graph or exactly, whether all `keys` are there once, each with a vector of its own.
fn look_for_all(index: &Arc<Index>, keys: u32, exactly: bool, done: &AtomicBool) {
    let (mut rng, mut scratch, mut hits) = (Rng::new(1), Scratch::new(), Vec::new());
    while !done.load(Ordering::Acquire) {
        let query = index.query(&telling(rng.below(u64::from(keys)) as u32, 1));
        let pin = index.pin();
        if exactly {
            index.exact(&query, keys as usize, &mut scratch, &mut hits);
        } else {
            index.search(&query, keys as usize, 100_000, &mut scratch, &mut hits);
        }
        let key_of = |hit: &Hit| {
            let vector = pin.vector(hit.row);
            let (key, version) = (vector[10] as u32, vector[11] as u32);
            assert_eq!(vector, telling(key, version));
            assert_eq!(pin.key(hit.row), key.to_le_bytes());
            key
        };
        let mut seen: Vec<u32> = hits.iter().map(key_of).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..keys).collect::<Vec<_>>(), "exactly: {exactly}");
    }
}

/// An index of this form in which each key's vector tells it, all linked.
fn filled(quant: Quant, keys: u32) -> Writer {
    let mut writer = Writer::new(Config { m: 4, quant, ..config(12, &L2) });
    for key in 0..keys {
        let row = writer.insert(&key.to_le_bytes(), &telling(key, 0)).unwrap().row;
        writer.index().link(row, &mut Scratch::new());
    }
    writer
}

/// Writes the slices of each coding in the making, as they come.
fn write_slices(makings: std::sync::mpsc::Receiver<Arc<Making>>) {
    let mut scratch = Scratch::new();
    for making in makings {
        while let Some(part) = making.give_out() {
            part.write(sized(2, 20), &mut scratch);
        }
    }
}

/// What the loop does for a change of form between two requests: begins one, ends one that is made, lets go of what was
/// there before. Returns true when a form has been let go of.
fn go_on_changing(writer: &mut Writer, makings: &std::sync::mpsc::Sender<Arc<Making>>) -> bool {
    if writer.is_retiring() {
        return writer.retire().is_some();
    }
    match writer.making().cloned() {
        Some(making) if making.is_done() => writer.change(making.quant()),
        Some(_) => {}
        None => {
            let at = Quant::ALL.iter().position(|quant| *quant == writer.quant()).unwrap();
            makings.send(writer.begin_making(Quant::ALL[(at + 1) % Quant::ALL.len()])).unwrap();
        }
    }
    false
}

#[test]
fn forms_change_and_are_let_go_of_while_others_search_link_and_sweep() {
    let keys = sized(4, 150) as u32;
    let mut writer = filled(Quant::Int8, keys);
    let index = Arc::clone(writer.index());
    let done = AtomicBool::new(false);
    let (send, receive) = std::sync::mpsc::sync_channel::<RowId>(16);
    let receive = Mutex::new("receive", receive);
    let (slices, wanted) = std::sync::mpsc::sync_channel::<()>(1);
    let (makings, made) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let (index, done) = (&index, &done);
        for exactly in [false, true] {
            scope.spawn(move || look_for_all(index, keys, exactly, done));
        }
        scope.spawn(|| link_what_comes(index, &receive));
        scope.spawn(|| write_slices(made));
        scope.spawn(move || {
            let mut scratch = Scratch::new();
            wanted.iter().for_each(|()| index.sweep_some(sized(50, 300), &mut scratch));
        });
        let (mut rng, mut n, mut gone) = (Rng::new(10), 0, 0);
        // Each form is come to, walked by and let go of, some of them several times.
        while gone < sized(4, 12) {
            if index.stats().tombstones < keys as usize {
                let (key, version) = (rng.below(u64::from(keys)) as u32, 1 + n % 1_000);
                send.send(writer.insert(&key.to_le_bytes(), &telling(key, version)).unwrap().row).unwrap();
                n += 1;
            }
            gone += usize::from(go_on_changing(&mut writer, &makings));
            // One thread asks whether anybody is inside, for a sweep and for a coding.
            if index.sweep_is_ready(1) {
                slices.send(()).unwrap();
            }
        }
        drop((send, slices, makings));
        while index.stats().unlinked > 0 {
            std::hint::spin_loop();
        }
        done.store(true, Ordering::Release);
    });
    drop(writer.give_up_making());
    writer.validate().unwrap();
    assert_eq!(searched(&index, &telling(0, 1), 1_000, 1_000), scanned(&index, &telling(0, 1), 1_000));
}

#[test]
fn a_writer_goes_behind_a_change_of_form_while_others_search_and_link() {
    let keys = sized(4, 60) as u32;
    for _ in 0..sized(3, 40) {
        let mut writer = filled(Quant::Int8, keys);
        let index = Arc::clone(writer.index());
        let late = writer.insert(b"late", &telling(keys, 0)).unwrap().row;
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (index, done) = (&index, &done);
            scope.spawn(move || {
                let (query, mut scratch, mut hits) =
                    (index.query(&telling(0, 1)), Scratch::new(), Vec::new());
                while !done.load(Ordering::Acquire) {
                    index.search(&query, keys as usize, 1_000, &mut scratch, &mut hits);
                    assert!(hits.len() >= keys as usize, "{} hits", hits.len());
                }
            });
            scope.spawn(move || index.link(late, &mut Scratch::new()));
            writer.change(Quant::Bin);
            // What it was walked by before is not the writer's to give back.
            drop(writer);
            done.store(true, Ordering::Release);
        });
    }
}

#[test]
fn rows_are_swept_and_written_again_while_others_search_link_and_capture() {
    let (keys, rounds) = (sized(4, 200) as u32, sized(3, 12) as u32);
    for quant in [Quant::F32, Quant::Int4] {
        let mut writer = filled(quant, keys);
        let index = Arc::clone(writer.index());
        let done = AtomicBool::new(false);
        let (send, receive) = std::sync::mpsc::sync_channel::<RowId>(16);
        let receive = Mutex::new("receive", receive);
        std::thread::scope(|scope| {
            for exactly in [false, true] {
                let (index, receive, done) = (&index, &receive, &done);
                scope.spawn(|| link_what_comes(index, receive));
                scope.spawn(move || look_for_all(index, keys, exactly, done));
            }
            scope.spawn(|| sweep_on(&index, &done));
            let mut rng = Rng::new(9);
            for n in 0..rounds * keys {
                let key = rng.below(u64::from(keys)) as u32;
                let row = writer.insert(&key.to_le_bytes(), &telling(key, 1 + n)).unwrap().row;
                send.send(row).unwrap();
                while index.stats().tombstones > keys as usize {
                    std::hint::spin_loop();
                }
                if n % (2 * keys) == keys / 2 {
                    let capture = writer.capture();
                    scope.spawn(move || {
                        let opened = super::codec::File::of(&capture).open().unwrap();
                        opened.writer.validate().unwrap();
                        assert_eq!(opened.writer.len(), keys as usize);
                    });
                }
            }
            drop(send);
            while index.stats().unlinked > 0 {
                std::hint::spin_loop();
            }
            done.store(true, Ordering::Release);
        });
        writer.validate().unwrap();
        super::sweep::sweep(&writer, usize::MAX);
        let stats = index.stats();
        assert!(stats.tombstones * 40 < stats.tombstones + keys as usize, "too few to be worth a sweep");
        assert_eq!(stats.rows - stats.free - stats.tombstones, keys as usize);
        assert!(stats.rows < (rounds * keys) as usize, "{stats:?}");
    }
}
