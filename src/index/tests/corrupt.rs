//! Sections that are not what was written.

use super::codec::File;
use super::*;

fn file() -> File {
    let mut writer = built(Config { m: 2, ..config(3, &L2) }, &random_vectors(41, 30, 3));
    writer.remove(&3_u32.to_le_bytes());
    writer.insert(b"unlinked", &[0.5; 3]).unwrap();
    File::of(&writer.capture())
}

/// The error of opening `file` after `change` to the payload (or, with `None`, the meta) of a section.
fn refused(section: usize, meta: bool, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut file = file();
    let (_, head, payload) = &mut file.sections[section];
    change(if meta { head } else { payload });
    file.open().expect_err("refused").to_string()
}

fn set(at: usize, word: u32) -> impl FnOnce(&mut Vec<u8>) {
    move |bytes| bytes[at..at + 4].copy_from_slice(&word.to_le_bytes())
}

#[test]
fn a_header_that_cannot_be_is_refused_with_its_reason() {
    for (at, word, reason) in [
        (0, 3, "version"),
        (44, 4, "QUANT"),
        (44, 1, "set of sections"),
        (4, 0, "dimensions"),
        (4, 65_537, "dimensions"),
        (8, 99, "metric"),
        (12, 1, "M"),
        (12, 4_096, "neighbour lists"),
        (16, 0, "ef_construction"),
        (28, 32, "rows"),
        (28, u32::MAX, "rows"),
        (32, 29, "living rows"),
        (32, 77, "number of rows"),
        (36, 0, "entry point"),
        (36, 31, "entry point"),
        (36, 900, "entry point"),
        (40, 0, "facts"),
        (40, 2, "facts"),
        (40, 900, "facts"),
    ] {
        let text = refused(0, true, set(at, word));
        assert!(text.contains(reason), "{word} at {at}: {text}");
    }
    assert!(refused(0, true, |meta| meta.truncate(40)).contains("end in the middle"));
    assert!(refused(0, true, |meta| meta.push(0)).contains("header"));
}

#[test]
fn every_section_of_the_wrong_length_is_refused() {
    for section in 0..5 {
        refused(section, false, |payload| payload.push(0));
        refused(section, false, |payload| payload.truncate(payload.len() - 1));
        refused(section, false, Vec::clear);
    }
    for section in 0..5 {
        let mut file = file();
        file.sections.remove(section);
        assert!(file.open().unwrap_err().to_string().contains("set of sections"));
    }
    let mut file = file();
    file.sections.push(file.sections[4].clone());
    assert!(file.open().is_err());
}

#[test]
fn a_link_that_leads_nowhere_is_refused() {
    // Row 0's first link: a row that is not there, itself, the unlinked row, nothing before something, twice.
    for word in [32, u32::MAX, 1, 31, 0] {
        assert!(refused(2, false, set(0, word)).contains("link"), "{word}");
    }
    assert!(refused(2, false, |lists| lists.copy_within(4..8, 0)).contains("link"));
    // A link of a row that is not in the graph.
    assert!(refused(2, false, set(30 * 16, 1)).contains("link"));
    // A link on an upper layer to a row that does not reach it.
    let ground_only = (0..30).find(|row| level::level(1, *row, 2) == 0).unwrap();
    assert!(refused(3, false, set(0, ground_only + 1)).contains("link"));
}

#[test]
fn parents_that_go_in_circles_are_refused() {
    let mut file = file();
    let parent = |file: &File, row: usize| file.sections[0].2[row * 12 + 4..row * 12 + 8].to_vec();
    let child =
        (1..30).find(|row| parent(&file, *row) != [1, 0, 0, 0]).expect("a row below another than the root");
    let above = u32::from_le_bytes(parent(&file, child).try_into().unwrap()) as usize - 1;
    // The parent becomes its child's child, and the child's list is made to say so.
    file.sections[0].2[above * 12 + 4..above * 12 + 8].copy_from_slice(&(child as u32 + 1).to_le_bytes());
    file.sections[2].2[child * 16..child * 16 + 4].copy_from_slice(&(above as u32 + 1).to_le_bytes());
    assert!(file.open().is_err());
}

#[test]
fn keys_that_overlap_or_repeat_are_refused() {
    assert!(refused(4, false, |keys| keys[0] = 1).contains("key"));
    assert!(refused(4, false, |keys| keys[8] = 200).contains("key"));
    // Row 1's key becomes row 0's.
    assert!(refused(4, false, |keys| keys.copy_within(32 * 8..32 * 8 + 4, 32 * 8 + 4)).contains("share"));
}

#[test]
fn no_flipped_bit_makes_opening_panic() {
    let whole = file();
    let step = sized(211, 3);
    for section in 0..5 {
        for meta in [true, false] {
            let (_, head, payload) = &whole.sections[section];
            let bits = (if meta { head } else { payload }).len() * 8;
            for bit in (0..bits).step_by(step) {
                let mut file = whole.clone();
                let (_, head, payload) = &mut file.sections[section];
                let bytes = if meta { head } else { payload };
                bytes[bit / 8] ^= 1 << (bit % 8);
                if let Ok(Opened { writer, unlinked }) = file.open() {
                    // A different float, key or seed; whatever was taken has to be sound.
                    writer.validate().unwrap();
                    unlinked.iter().for_each(|row| writer.index().link(*row, &mut Scratch::new()));
                    assert_eq!(
                        searched(writer.index(), &vec![0.0; writer.index().config().dim], 100, 1).len(),
                        writer.len()
                    );
                }
            }
        }
    }
}
