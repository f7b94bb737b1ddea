//! Changing the form of an index that goes on living.

use std::sync::Arc;

use super::codec::File;
use super::*;

/// Makes another coding, `most` rows a slice, and lets `meanwhile` happen between two slices.
fn change(writer: &mut Writer, quant: Quant, most: usize, mut meanwhile: impl FnMut(&mut Writer)) {
    let (making, mut scratch) = (writer.begin_making(quant), Scratch::new());
    meanwhile(writer);
    while let Some(part) = making.give_out() {
        part.write(most, &mut scratch);
        meanwhile(writer);
    }
    writer.change(quant);
}

/// Does all that there is to be done of a sweep.
fn sweep(index: &Index, scratch: &mut Scratch) {
    while index.sweep_is_ready(1) {
        index.sweep_some(7, scratch);
    }
}

/// The index as a snapshot of it is opened.
fn copied(writer: &Writer) -> Writer {
    File::of(&writer.capture()).open().unwrap().writer
}

fn answers(index: &Index, queries: &[Vec<f32>]) -> Vec<Hit> {
    queries.iter().flat_map(|query| searched(index, query, 10, 30)).collect()
}

#[test]
fn after_a_change_an_index_answers_as_one_that_was_opened_in_that_form() {
    let vectors = clustered_vectors(3, 4, sized(10, 100), 20, 4.0);
    let queries = clustered_vectors(4, 4, 2, 20, 4.0);
    for metric in METRICS {
        for from in Quant::ALL {
            for to in Quant::ALL.into_iter().filter(|to| *to != from) {
                let mut writer = built(Config { quant: from, ..config(20, *metric) }, &vectors);
                let (graph, bytes) = (shape(writer.index()), writer.bytes());
                change(&mut writer, to, 13, |_| ());
                assert!(writer.retire().is_some() && writer.retire().is_none());
                assert_eq!((writer.quant(), writer.index().quant()), (to, to));
                assert_eq!(shape(writer.index()), graph, "nothing is linked anew");
                writer.validate().unwrap();
                let there = answers(writer.index(), &queries);
                // The same graph in the form it went to, made on the spot.
                let mut other = built(Config { quant: from, ..config(20, *metric) }, &vectors);
                other.change(to);
                assert_eq!(answers(other.index(), &queries), there);
                let again = copied(&writer);
                assert_eq!(again.quant(), to);
                again.validate().unwrap();
                assert_eq!(answers(again.index(), &queries), there);
                // And back: nothing is left of the way.
                change(&mut writer, from, 1_000, |_| ());
                drop(writer.retire());
                assert_eq!(writer.bytes(), bytes);
                let before = built(Config { quant: from, ..config(20, *metric) }, &vectors);
                assert_eq!(answers(writer.index(), &queries), answers(before.index(), &queries));
            }
        }
    }
}

#[test]
fn rows_that_come_and_go_meanwhile_are_right_by_the_new_form() {
    for (seed, mapped) in (0..sized(1, 6) as u64).flat_map(|seed| [(seed, false), (seed, true)]) {
        let vectors = clustered_vectors(seed, 4, sized(8, 60), 9, 4.0);
        let mut writer = built(Config { quant: Quant::Int8, m: 4, seed, ..config(9, &L2) }, &vectors);
        if mapped {
            writer = copied(&writer);
        }
        let (mut rng, mut scratch) = (Rng::new(seed), Scratch::new());
        for to in [Quant::Bin, Quant::F32, Quant::Int4, Quant::Int8] {
            change(&mut writer, to, 5, |writer| {
                for _ in 0..6 {
                    let key = rng.below(vectors.len() as u64) as u32;
                    if rng.index(3) == 0 {
                        writer.remove(&key.to_le_bytes());
                    } else {
                        let vector = &vectors[rng.index(vectors.len())];
                        let row = writer.insert(&key.to_le_bytes(), vector).unwrap().row;
                        if rng.index(3) > 0 {
                            writer.index().link(row, &mut scratch);
                        }
                    }
                }
                if rng.index(2) == 0 {
                    for row in 0..writer.index().rows() as u32 {
                        writer.index().link(RowId(row), &mut scratch);
                    }
                    sweep(writer.index(), &mut scratch);
                }
            });
            drop(writer.retire());
            writer.validate().unwrap();
            let index = writer.index();
            assert_eq!(scanned(index, &vectors[0], 1_000).len(), writer.len());
            assert_eq!(searched(index, &vectors[0], 1_000, 1_000), scanned(index, &vectors[0], 1_000));
            copied(&writer).validate().unwrap();
        }
    }
}

#[test]
fn whoever_is_inside_keeps_the_form_and_sees_what_is_written_after_the_switch() {
    let vectors = clustered_vectors(5, 2, 30, 6, 4.0);
    let mut writer = built(Config { quant: Quant::Int4, ..config(6, &L2) }, &vectors);
    let index = Arc::clone(writer.index());
    let (pin, inside) = (index.pin(), index.inside());
    let capture = writer.capture();
    change(&mut writer, Quant::Bin, 7, |_| ());
    assert!(writer.is_retiring() && writer.retire().is_none(), "somebody is inside");
    let before = inside.view().coding.quant();
    assert_eq!(before, Quant::Bin, "who looks now goes by the new form");
    for n in 0..40_u32 {
        let row = writer.insert(&n.to_le_bytes(), &vectors[n as usize % 7]).unwrap().row;
        index.link(row, &mut Scratch::new());
    }
    let opened = File::of(&capture).open().unwrap().writer;
    assert_eq!((opened.quant(), opened.len()), (Quant::Int4, 60));
    opened.validate().unwrap();
    drop((capture, pin));
    assert!(writer.retire().is_none());
    drop(inside);
    assert!(writer.retire().is_some());
    writer.validate().unwrap();
}

#[test]
fn whoever_is_inside_keeps_the_form_though_the_writer_is_gone() {
    let vectors = clustered_vectors(5, 2, 30, 6, 4.0);
    let mut writer = built(Config { quant: Quant::Int4, ..config(6, &L2) }, &vectors);
    let index = Arc::clone(writer.index());
    let inside = index.inside();
    let view = inside.view();
    let coding = Arc::downgrade(&writer.coding);
    let code = view.coding.code(3).to_vec();
    change(&mut writer, Quant::Bin, 7, |_| ());
    assert!(writer.retire().is_none(), "somebody is inside");
    drop(writer);
    assert!(coding.upgrade().is_some(), "it may be read");
    assert_eq!(view.coding.code(3), code);
    drop(inside);
    drop(index);
    assert!(coding.upgrade().is_none(), "it goes with the index");
}

#[test]
fn a_query_that_was_made_for_another_form_is_made_anew() {
    let vectors = clustered_vectors(6, 2, 40, 12, 4.0);
    for (from, to) in [(Quant::F32, Quant::Int4), (Quant::Int8, Quant::Bin), (Quant::Bin, Quant::F32)] {
        let mut writer = built(Config { quant: from, ..config(12, &Cosine) }, &vectors);
        let early = writer.index().query(&vectors[3]);
        writer.change(to);
        let (mut scratch, mut hits) = (Scratch::new(), Vec::new());
        writer.index().search(&early, 5, 20, &mut scratch, &mut hits);
        assert_eq!(hits, searched(writer.index(), &vectors[3], 5, 20));
    }
}

#[test]
fn what_is_given_up_leaves_nothing() {
    let mut writer = built(Config { quant: Quant::F32, ..config(6, &L2) }, &random_vectors(7, 50, 6));
    let (bytes, mut scratch) = (writer.bytes(), Scratch::new());
    let needed = writer.bytes_of(Quant::Int8);
    let making = writer.begin_making(Quant::Int8);
    assert_eq!(writer.bytes(), bytes + needed);
    making.give_out().unwrap().write(20, &mut scratch);
    assert_eq!(making.progress(), (20, 50));
    drop(writer.give_up_making());
    making.give_out().unwrap().write(20, &mut scratch);
    drop(making.give_out());
    assert!(making.has_failed() && !making.is_busy() && making.give_out().is_none());
    assert_eq!((writer.bytes(), writer.quant()), (bytes, Quant::F32));
    writer.validate().unwrap();
}
