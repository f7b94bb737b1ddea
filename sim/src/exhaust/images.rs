//! Every image that a power loss can leave, up to a bound.
//!
//! With `n` pending changes of bytes and names: all 2^n subsets where `n` is within the bound; beyond it, the subsets
//! that keep at most two and those that lose at most two. Then, with everything else kept and with nothing else kept
//! (with every subset of the rest where there are at most [`FEW`]), the last pending write of each file in part: its
//! length alone; its head up to each byte of the first [`FINE`], to each sector and one byte on either side; every
//! subset of its sectors where there are at most [`FEW`], else its head, its tail, and all but one. Then, in files with
//! at most three pending changes, each subset of them in every order. Images are not told apart here.

use std::collections::BTreeMap;

use crate::disk::{Choice, Disk, Fate, PendingChange};

/// So few that every subset is taken.
const FEW: usize = 4;

/// Bytes of a write's head that are cut at each one.
const FINE: usize = 64;

/// Bytes that reach the medium together.
const SECTOR: usize = 512;

/// The choices, and whether there are subsets that are not among them.
pub(super) fn choices(disk: &Disk, bound: u32) -> (Vec<Choice>, bool) {
    let (changes, names) = (disk.pending_changes(), disk.pending_names().len());
    let whole = changes.len() + names;
    let mut found = Vec::new();
    let bounded = whole > bound as usize;
    let sets = if bounded { extremes(whole) } else { subsets(whole) };
    for set in &sets {
        found.push(keeping(set, names));
    }
    for torn in last_writes(&changes) {
        tear(&changes, names, torn, &mut found);
    }
    reorder(&changes, names, &mut found);
    (found, bounded)
}

/// Every subset of `0..n`, in order of size of the number that stands for it: from nothing to all.
fn subsets(n: usize) -> Vec<Vec<usize>> {
    (0_u64..1 << n).map(|mask| (0..n).filter(|i| mask >> i & 1 == 1).collect()).collect()
}

/// Subsets of `0..n` with at most two members, and those that lack at most two.
fn extremes(n: usize) -> Vec<Vec<usize>> {
    let mut small = vec![Vec::new()];
    for i in 0..n {
        small.push(vec![i]);
        small.extend((0..i).map(|j| vec![j, i]));
    }
    let without = |set: &Vec<usize>| (0..n).filter(|i| !set.contains(i)).collect();
    let large: Vec<Vec<usize>> = small.iter().map(without).collect();
    small.extend(large);
    small
}

/// The choice that keeps these whole: names first, then changes of files.
fn keeping(set: &[usize], names: usize) -> Choice {
    let (kept, changes): (Vec<usize>, Vec<usize>) = set.iter().partition(|&&i| i < names);
    Choice { names: kept, changes: changes.into_iter().map(|i| (i - names, Fate::Whole)).collect() }
}

/// The last pending write of each file, by its number.
fn last_writes(changes: &[PendingChange]) -> Vec<usize> {
    let last = changes.iter().enumerate().filter(|(_, change)| change.bytes > 0);
    let last: BTreeMap<u64, usize> = last.map(|(number, change)| (change.file, number)).collect();
    last.into_values().collect()
}

/// Adds the choices in which the write `torn` is there in part.
fn tear(changes: &[PendingChange], names: usize, torn: usize, found: &mut Vec<Choice>) {
    let whole = changes.len() + names;
    let others: Vec<usize> = (0..whole).filter(|&i| i != names + torn).collect();
    let contexts: Vec<Vec<usize>> = if others.len() <= FEW {
        subsets(others.len()).iter().map(|set| set.iter().map(|&i| others[i]).collect()).collect()
    } else {
        vec![others, Vec::new(), (0..names).collect()]
    };
    for fate in fates(&changes[torn]) {
        for context in &contexts {
            let mut choice = keeping(context, names);
            let place = choice.changes.iter().position(|(number, _)| *number > torn);
            choice.changes.insert(place.unwrap_or(choice.changes.len()), (torn, fate));
            found.push(choice);
        }
    }
}

/// The ways in which a write can be there in part.
fn fates(write: &PendingChange) -> Vec<Fate> {
    let mut fates = vec![Fate::Empty];
    let edges = (SECTOR..write.bytes).step_by(SECTOR).flat_map(|edge| [edge - 1, edge, edge + 1]);
    let mut cuts: Vec<usize> = (1..FINE).chain(edges).chain([write.bytes - 1]).collect();
    cuts.retain(|&cut| cut > 0 && cut < write.bytes);
    cuts.sort_unstable();
    cuts.dedup();
    fates.extend(cuts.into_iter().map(Fate::Head));
    let sectors = write.sectors.min(63);
    let all = (1_u64 << sectors) - 1;
    if sectors <= FEW {
        fates.extend((1..all).map(Fate::Sectors));
    } else {
        for k in 1..sectors {
            let head = (1_u64 << k) - 1;
            fates.extend([Fate::Sectors(head), Fate::Sectors(all & !head)]);
        }
        fates.extend((0..sectors).map(|k| Fate::Sectors(all & !(1 << k))));
    }
    fates
}

/// Adds every order of every subset of a file's changes, where they are few; all else is kept as it came.
fn reorder(changes: &[PendingChange], names: usize, found: &mut Vec<Choice>) {
    let mut files: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (number, change) in changes.iter().enumerate() {
        files.entry(change.file).or_default().push(number);
    }
    for own in files.values().filter(|own| (2..=3).contains(&own.len())) {
        for order in orders(own) {
            let others = (0..changes.len()).filter(|number| !own.contains(number));
            let changes = others.chain(order).map(|number| (number, Fate::Whole)).collect();
            found.push(Choice { names: (0..names).collect(), changes });
        }
    }
}

/// Every order of every subset of at least two that is not the order they came in.
fn orders(of: &[usize]) -> Vec<Vec<usize>> {
    let mut orders: Vec<Vec<usize>> = vec![Vec::new()];
    let mut from = 0;
    while from < orders.len() {
        let next: Vec<usize> = of.iter().copied().filter(|i| !orders[from].contains(i)).collect();
        for i in next {
            let mut order = orders[from].clone();
            order.push(i);
            orders.push(order);
        }
        from += 1;
    }
    orders.retain(|order| !order.is_sorted());
    orders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsets_are_complete_within_the_bound_and_extreme_beyond_it() {
        assert_eq!(subsets(3).len(), 8);
        // None, 5 single ones, 10 pairs, and as many that lack so few.
        assert_eq!(extremes(5).len(), 32);
        let choice = keeping(&[0, 2, 3], 2);
        assert_eq!(choice, Choice { names: vec![0], changes: vec![(0, Fate::Whole), (1, Fate::Whole)] });
    }

    #[test]
    fn a_write_is_torn_at_every_sector_and_at_each_byte_of_its_head() {
        let write = PendingChange { file: 1, bytes: 2_000, sectors: 4, text: String::new() };
        let fates = fates(&write);
        for fate in [Fate::Empty, Fate::Head(1), Fate::Head(63), Fate::Head(512), Fate::Head(1_999)] {
            assert!(fates.contains(&fate), "{fate:?}");
        }
        assert_eq!(fates.iter().filter(|fate| matches!(fate, Fate::Sectors(_))).count(), 14);
    }

    #[test]
    fn three_changes_come_in_every_order() {
        // Of pairs 3, of all three 5 that are not the first order.
        assert_eq!(orders(&[4, 5, 6]).len(), 8);
    }
}
