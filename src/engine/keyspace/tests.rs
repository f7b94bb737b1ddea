//! The keyspace beside a model, scans while the table changes size, and the cost of single operations.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::dict::BUCKETS_PER_CHANGE;
use super::*;
use crate::base::limits::TABLE_BITS;
use crate::base::rng::Rng;

impl Held for Vec<u8> {
    fn bytes(&self) -> usize {
        self.capacity()
    }
}

type Model = BTreeMap<Vec<u8>, (Vec<u8>, u64)>;

fn keyspace() -> Keyspace<Vec<u8>> {
    keyspace_of(TABLE_BITS)
}

fn keyspace_of(least: u32) -> Keyspace<Vec<u8>> {
    Keyspace::new(HashKey::from_seed(7), least)
}

fn name(n: usize) -> Vec<u8> {
    format!("key:{n}").into_bytes()
}

fn filled(n: usize) -> Keyspace<Vec<u8>> {
    let mut keys = keyspace();
    fill(&mut keys, n);
    keys
}

fn fill(keys: &mut Keyspace<Vec<u8>>, n: usize) {
    for i in 0..n {
        assert!(keys.insert(&name(i), vec![1; i % 7], 0, 0).is_none());
    }
}

#[derive(Clone, Debug)]
enum Action {
    Insert(usize, usize, u64),
    Remove(usize),
    Expire(usize, u64),
    Rename(usize, usize),
    Grow(usize, usize),
    Overwrite(usize, usize, u64),
    TakeDue,
    TakeAll,
    /// Inserts or removes many, so that the table changes size.
    Many(bool, usize),
}

fn action() -> impl Strategy<Value = Action> {
    let key = 0_usize..60;
    let at = prop_oneof![Just(0_u64), 1_u64..20];
    prop_oneof![
        8 => (key.clone(), 0_usize..40, at.clone()).prop_map(|(k, n, at)| Action::Insert(k, n, at)),
        4 => key.clone().prop_map(Action::Remove),
        4 => (key.clone(), at).prop_map(|(k, at)| Action::Expire(k, at)),
        3 => (key.clone(), key.clone()).prop_map(|(a, b)| Action::Rename(a, b)),
        3 => (key.clone(), 0_usize..100).prop_map(|(k, n)| Action::Grow(k, n)),
        3 => (key, 0_usize..100, 0_u64..20).prop_map(|(k, n, at)| Action::Overwrite(k, n, at)),
        2 => Just(Action::TakeDue),
        1 => Just(Action::TakeAll),
        1 => (any::<bool>(), 100_usize..3000).prop_map(|(add, n)| Action::Many(add, n)),
    ]
}

fn act(keys: &mut Keyspace<Vec<u8>>, model: &mut Model, action: &Action) {
    match *action {
        Action::Insert(k, n, at) => {
            let before = keys.insert(&name(k), vec![k as u8; n], at, 3).map(|e| (e.value, e.expire_at));
            assert_eq!(before, model.insert(name(k), (vec![k as u8; n], at)));
        }
        Action::Remove(k) => {
            let before = keys.remove(&name(k)).map(|e| (e.value, e.expire_at));
            assert_eq!(before, model.remove(&name(k)));
        }
        Action::Expire(k, at) => {
            let held = model.get_mut(&name(k));
            assert_eq!(keys.set_expiry(&name(k), at), held.is_some());
            held.into_iter().for_each(|held| held.1 = at);
        }
        Action::Overwrite(k, n, at) => {
            let name = name(k);
            let willing = n % 5 != 0;
            let done = keys.overwrite(keys.hash(&name), &name, at, |value| {
                if willing {
                    *value = vec![9; n];
                }
                willing
            });
            assert_eq!(done, willing && model.contains_key(&name));
            if done {
                model.insert(name, (vec![9; n], at));
            }
        }
        Action::Rename(a, b) if a != b => {
            let displaced = keys.rename(&name(a), &name(b)).map(|e| (e.value, e.expire_at));
            let moved = model.remove(&name(a));
            assert_eq!(displaced, moved.and_then(|moved| model.insert(name(b), moved)));
        }
        Action::Rename(a, b) => assert!(keys.rename(&name(a), &name(b)).is_none()),
        Action::Grow(k, n) => {
            keys.edit(&name(k), |value| value.extend(vec![9; n]));
            model.entry(name(k)).and_modify(|held| held.0.extend(vec![9; n]));
        }
        Action::TakeDue => {
            let due = keys.next_due().map(|(at, key)| (at, key.to_vec()));
            let first = model.values().map(|held| held.1).filter(|&at| at != 0).min();
            assert_eq!(due.as_ref().map(|due| due.0), first);
            if let Some((at, key)) = due {
                assert_eq!(keys.remove(&key).map(|e| e.expire_at), Some(at));
                assert_eq!(model.remove(&key).map(|held| held.1), Some(at));
            }
        }
        Action::TakeAll => {
            assert_eq!(keys.take_all().len(), model.len());
            model.clear();
        }
        Action::Many(true, n) => (0..n).for_each(|i| {
            keys.insert(&name(i + 100), vec![], 0, 0);
            model.insert(name(i + 100), (vec![], 0));
        }),
        Action::Many(false, n) => (0..n).for_each(|i| {
            assert_eq!(keys.remove(&name(i + 100)).is_some(), model.remove(&name(i + 100)).is_some());
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn the_keyspace_agrees_with_a_sorted_map(
        least in 1_u32..=TABLE_BITS,
        actions in prop::collection::vec(action(), 1..80),
    ) {
        let (mut keys, mut model) = (keyspace_of(least), Model::new());
        for action in &actions {
            act(&mut keys, &mut model, action);
            prop_assert_eq!(keys.validate(), Ok(()), "after {:?}", action);
            prop_assert_eq!(keys.len(), model.len());
            prop_assert_eq!(keys.expiring(), model.values().filter(|held| held.1 != 0).count());
        }
        for (key, held) in &model {
            let found = keys.get(key).map(|e| (e.value.clone(), e.expire_at));
            prop_assert_eq!(found.as_ref(), Some(held));
        }
    }

    #[test]
    fn a_scan_meets_what_stays_exactly_once_while_the_table_grows_and_shrinks(
        least in 1_u32..=TABLE_BITS,
        stays in 1_usize..400,
        count in 1_usize..50,
        waves in prop::collection::vec((any::<bool>(), 0_usize..600), 1..60),
    ) {
        let mut keys = keyspace_of(least);
        fill(&mut keys, stays);
        let (mut met, mut cursor, mut extra) = (BTreeMap::new(), 0, 0);
        for turn in 0.. {
            cursor = keys.scan(cursor, count, &mut |entry| *met.entry(entry.key.to_vec()).or_insert(0) += 1);
            if cursor == 0 {
                break;
            }
            let (grow, n) = waves[turn % waves.len()];
            for _ in 0..n {
                if grow && extra < 5000 {
                    keys.insert(&name(1000 + extra), vec![], 0, 0);
                    extra += 1;
                } else if !grow && extra > 0 {
                    extra -= 1;
                    keys.remove(&name(1000 + extra));
                }
            }
        }
        let missed = (0..stays).find(|&i| met.get(&name(i)) != Some(&1));
        prop_assert_eq!(missed, None, "a key that stayed was not met exactly once");
        prop_assert_eq!(keys.validate(), Ok(()));
    }
}

#[test]
fn no_change_moves_more_than_a_few_buckets_and_the_table_follows_its_load() {
    let mut keys = keyspace();
    let mut before = 0;
    let mut check = |keys: &Keyspace<Vec<u8>>| {
        let moved = keys.dict.moved();
        assert!(moved - before <= BUCKETS_PER_CHANGE as u64, "{} buckets in one change", moved - before);
        before = moved;
        assert!(
            keys.len() <= 2 * keys.dict.buckets(),
            "{} keys, {} buckets",
            keys.len(),
            keys.dict.buckets()
        );
        assert!(
            keys.dict.buckets() <= 512.max(16 * keys.len()),
            "{} for {}",
            keys.dict.buckets(),
            keys.len()
        );
    };
    for i in 0..100_000 {
        keys.insert(&name(i), vec![], 0, 0);
        check(&keys);
    }
    for i in 0..100_000 {
        keys.remove(&name(i));
        check(&keys);
    }
    assert!(keys.dict.moved() > 200_000, "the table has grown and shrunk");
    assert_eq!((keys.len(), keys.dict.buckets()), (0, 512));
    assert_eq!(keys.validate(), Ok(()));
}

#[test]
fn keys_that_differ_in_their_last_bytes_only_spread_over_the_buckets() {
    let mut keys = keyspace();
    let key = |i: u32| [&[b'x'; 300][..], &i.to_be_bytes()].concat();
    for i in 0..50_000 {
        keys.insert(&key(i), vec![], 0, 0);
    }
    let (mut cursor, mut longest) = (0, 0);
    loop {
        let mut here = 0;
        cursor = keys.scan(cursor, 1, &mut |_| here += 1);
        longest = longest.max(here);
        if cursor == 0 {
            break;
        }
    }
    assert!(longest <= 12, "{longest} keys in one bucket");
}

#[test]
fn items_of_one_hash_are_told_apart() {
    let mut dict = Dict::new(TABLE_BITS);
    (0..20).for_each(|i| dict.insert(42, i));
    assert_eq!(dict.remove(42, |&i| i == 7), Some(7));
    assert_eq!(dict.remove(42, |&i| i == 7), None);
    assert_eq!(dict.find(42, |&i| i == 8), Some(&8));
    assert_eq!((dict.find(42, |&i| i == 7), dict.find(43, |_| true)), (None, None));
    assert_eq!(dict.validate(|_| 42), Ok(()));
}

#[test]
fn the_last_key_in_hash_order_ends_the_scan() {
    let mut dict = Dict::new(TABLE_BITS);
    dict.insert(u64::MAX, 1);
    dict.insert(0, 2);
    let (mut cursor, mut met) = (0, vec![]);
    loop {
        cursor = dict.scan(cursor, 1, &mut |&i| met.push(i));
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(met, [2, 1]);
}

#[test]
fn a_cursor_is_a_small_number_and_any_number_is_a_cursor() {
    let mut keys = filled(10_000);
    let mut rng = Rng::new(1);
    for _ in 0..1000 {
        let cursor = keys.scan(rng.next_u64(), 10, &mut |_| ());
        assert!(cursor < 32_768, "{cursor}");
        keys.scan_mut(rng.next_u64(), 10, &mut |_| ());
    }
}

#[test]
fn a_scan_that_changes_epochs_meets_every_key() {
    let mut keys = filled(3000);
    let mut cursor = 0;
    loop {
        cursor = keys.scan_mut(cursor, 64, &mut |entry| entry.epoch += 1);
        if cursor == 0 {
            break;
        }
    }
    assert!((0..3000).all(|i| keys.get(&name(i)).is_some_and(|entry| entry.epoch == 1)));
}

#[test]
fn random_keys_come_from_everywhere() {
    let mut rng = Rng::new(2);
    assert!(keyspace().random(&mut rng).is_none());
    let mut keys = filled(600);
    let seen: BTreeSet<_> =
        (0..20_000).filter_map(|_| keys.random(&mut rng)).map(|e| e.key.to_vec()).collect();
    assert_eq!(seen.len(), 600);
    (1..600).for_each(|i| drop(keys.remove(&name(i))));
    assert_eq!(keys.random(&mut rng).map(|entry| &*entry.key), Some(&name(0)[..]));
}

#[test]
fn due_keys_come_in_time_order() {
    let mut keys = keyspace();
    for (i, at) in [50, 10, 0, 30, 10].into_iter().enumerate() {
        keys.insert(&name(i), vec![], at, 0);
    }
    keys.set_expiry(&name(0), 5);
    keys.set_expiry(&name(3), 0);
    let mut times = vec![];
    while let Some((at, key)) = keys.next_due() {
        let key = key.to_vec();
        times.push(at);
        keys.remove(&key);
    }
    assert_eq!((times, keys.len()), (vec![5, 10, 10], 2));
}

#[test]
fn an_empty_keyspace_costs_what_it_did_before_it_was_filled() {
    let mut keys = keyspace();
    let before = keys.bytes();
    keys.insert(b"k", vec![0; 1000], 9, 0);
    assert!(keys.bytes() > before + 1000);
    let old = keys.take_all();
    assert_eq!((keys.bytes(), old.len()), (before, 1));
    assert!(keys.next_due().is_none() && old.next_due().is_some());
}
