//! Every mark stands at one place of the source, and every place is a mark that is listed.

use super::*;
use std::path::Path;

/// Counts `needle` in every source below `dir` but this folder's own.
fn placed(dir: &Path, needle: &dyn Fn(&str)) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            placed(&path, needle);
        } else if path.extension().is_some_and(|e| e == "rs") {
            needle(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn each_mark_stands_at_exactly_one_place() {
    let places = std::cell::RefCell::new(std::collections::BTreeMap::<String, usize>::new());
    placed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &|text| {
        for (at, _) in text.match_indices("Mark::") {
            let name: String = text[at + 6..].chars().take_while(|c| c.is_alphanumeric()).collect();
            *places.borrow_mut().entry(name).or_default() += 1;
        }
    });
    let places = places.into_inner();
    let wrong: Vec<_> =
        MARKS.iter().map(|mark| format!("{mark:?}")).filter(|name| places.get(name) != Some(&1)).collect();
    assert!(wrong.is_empty(), "marks that stand nowhere, or more than once: {wrong:?}");
}

#[test]
fn the_table_of_marks_is_in_the_order_of_their_numbers_and_says_nothing_twice() {
    assert!(MARKS.iter().enumerate().all(|(number, mark)| *mark as usize == number));
    let said: std::collections::BTreeSet<_> = MARKS.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), MARKS.len());
}

#[test]
fn a_mark_outside_a_simulation_does_nothing() {
    MARKS.iter().copied().for_each(reached);
}
