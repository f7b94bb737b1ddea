//! Scripts of storage calls.

use proptest::prelude::*;

/// Handles that a script holds at once.
pub(crate) const FILES: usize = 3;
/// Maps that a script holds at once.
pub(crate) const MAPS: usize = 2;

/// One call. Where a slot of handles or maps is filled anew, what was in it is dropped.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Open { name: &'static str, slot: usize },
    Create { name: &'static str, slot: usize },
    Rename { from: &'static str, to: &'static str },
    Remove(&'static str),
    List,
    SyncDir,
    Map { name: &'static str, slot: usize },
    CloseFile(usize),
    DropMap(usize),
    ReadMap(usize),
    Size(usize),
    Read { slot: usize, offset: u64, len: usize },
    Write { slot: usize, offset: u64, len: usize, fill: u8 },
    SetLen { slot: usize, len: u64 },
    Sync(usize),
}

/// Names that mean something, the ordinary ones first.
const NAMES: [&str; 5] = ["a", "b", "wal-00000000000000000001.log", "B", "name with blanks \u{fc}\n"];

/// Names that no data file may have, or nearly not.
const WEIRD: [&str; 9] = ["", ".", "..", "a/b", "/a", "LOCK", "lock", "nul\0inside", "..."];

/// As long as a name can be, and one byte longer.
const LONGEST: &str = concat!(
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789012345678901234567890123456789012345678901234"
);
const TOO_LONG: &str = concat!(
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
    "01234567890123456789012345678901234567890123456789012345"
);

fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        30 => prop::sample::select(&NAMES[..2]),
        6 => prop::sample::select(&NAMES[2..]),
        3 => prop::sample::select(&WEIRD[..]),
        1 => prop::sample::select(vec![LONGEST, TOO_LONG]),
    ]
}

fn offset() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0..64_u64,
        3 => 0..10_000_u64,
        2 => prop::sample::select(vec![511_u64, 512, 4_095, 4_096, 4_097]),
    ]
}

/// Offsets that no file reaches, and that no number of the kernel holds.
fn far() -> impl Strategy<Value = u64> {
    prop::sample::select(vec![1 << 40, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX])
}

/// Lengths and offsets that do not fit the kernel's numbers.
fn beyond() -> impl Strategy<Value = u64> {
    prop::sample::select(vec![i64::MAX as u64 + 1, u64::MAX])
}

fn len() -> impl Strategy<Value = usize> {
    prop_oneof![6 => 0..32_usize, 2 => 0..5_000_usize]
}

fn call() -> impl Strategy<Value = Call> {
    let (file, map) = (0..FILES, 0..MAPS);
    prop_oneof![
        6 => (name(), file.clone()).prop_map(|(name, slot)| Call::Open { name, slot }),
        6 => (name(), file.clone()).prop_map(|(name, slot)| Call::Create { name, slot }),
        4 => (name(), name()).prop_map(|(from, to)| Call::Rename { from, to }),
        3 => name().prop_map(Call::Remove),
        2 => Just(Call::List),
        1 => Just(Call::SyncDir),
        4 => (name(), map.clone()).prop_map(|(name, slot)| Call::Map { name, slot }),
        1 => file.clone().prop_map(Call::CloseFile),
        2 => map.clone().prop_map(Call::DropMap),
        4 => map.prop_map(Call::ReadMap),
        4 => file.clone().prop_map(Call::Size),
        8 => (file.clone(), offset(), len()).prop_map(|(slot, offset, len)| Call::Read { slot, offset, len }),
        1 => (file.clone(), far(), len()).prop_map(|(slot, offset, len)| Call::Read { slot, offset, len }),
        12 => (file.clone(), offset(), len(), any::<u8>())
            .prop_map(|(slot, offset, len, fill)| Call::Write { slot, offset, len, fill }),
        1 => (file.clone(), beyond(), len(), any::<u8>())
            .prop_map(|(slot, offset, len, fill)| Call::Write { slot, offset, len, fill }),
        5 => (file.clone(), offset()).prop_map(|(slot, len)| Call::SetLen { slot, len }),
        1 => (file.clone(), beyond()).prop_map(|(slot, len)| Call::SetLen { slot, len }),
        2 => file.prop_map(Call::Sync),
    ]
}

/// Scripts of up to `most` calls.
pub(crate) fn script(most: usize) -> impl Strategy<Value = Vec<Call>> {
    prop::collection::vec(call(), 1..=most)
}
