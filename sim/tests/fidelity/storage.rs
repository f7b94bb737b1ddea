//! The disk: the same calls in a simulated directory and in a temporary one.

use std::collections::BTreeMap;
use std::io;

use engram::base::crc32c::crc32c;
use engram::env::{File, Map, Storage};
use engram::os::Directory;

use super::storage_script::{Call, FILES, MAPS, script};
use super::{Step, compare, difference, simulated};

/// A script at work on one of the two machines.
struct Player<'a> {
    storage: &'a dyn Storage,
    files: [Option<(Box<dyn File>, u64)>; FILES],
    maps: [Option<(Box<dyn Map>, u64)>; MAPS],
    /// Which file a name leads to, and how many there were: who holds a map of a file must not write under it.
    names: BTreeMap<String, u64>,
    made: u64,
    steps: Vec<Step>,
}

impl<'a> Player<'a> {
    fn new(storage: &'a dyn Storage) -> Self {
        Self {
            storage,
            files: Default::default(),
            maps: Default::default(),
            names: BTreeMap::new(),
            made: 0,
            steps: Vec::new(),
        }
    }

    fn add<T>(&mut self, call: &str, result: &io::Result<T>, show: impl FnOnce(&T) -> String) {
        let result = match result {
            Ok(value) => show(value),
            Err(error) => format!("the error {:?}", error.kind()),
        };
        self.steps.push(Step { call: call.to_owned(), result });
    }

    fn play(mut self, script: &[Call]) -> Vec<Step> {
        script.iter().for_each(|call| self.call(call));
        self.finish()
    }

    fn call(&mut self, call: &Call) {
        let text = format!("{call:?}");
        let done = |_: &()| "done".to_owned();
        match *call {
            Call::Open { name, slot } => {
                let result = self.storage.open(name);
                self.add(&text, &result, |_| "a file".to_owned());
                self.hold(slot, result, name);
            }
            Call::Create { name, slot } => {
                let result = self.storage.create_new(name);
                self.add(&text, &result, |_| "a file".to_owned());
                if result.is_ok() {
                    self.made += 1;
                    self.names.insert(name.to_owned(), self.made);
                }
                self.hold(slot, result, name);
            }
            Call::Rename { from, to } => {
                let result = self.storage.rename(from, to);
                self.add(&text, &result, done);
                if let (Ok(()), Some(file)) = (result, self.names.remove(from)) {
                    self.names.insert(to.to_owned(), file);
                }
            }
            Call::Remove(name) => {
                let result = self.storage.remove(name);
                self.add(&text, &result, done);
                if result.is_ok() {
                    self.names.remove(name);
                }
            }
            Call::List => {
                let result = self.storage.list();
                self.add(&text, &result, |names| format!("{names:?}"));
            }
            Call::SyncDir => {
                let result = self.storage.sync_dir();
                self.add(&text, &result, done);
            }
            Call::Map { name, slot } => {
                let result = self.storage.map(name);
                self.add(&text, &result, |map| shown(map.bytes()));
                let file = self.names.get(name).copied().unwrap_or_default();
                self.maps[slot] = result.ok().map(|map| (map, file));
            }
            Call::CloseFile(slot) => self.files[slot] = None,
            Call::DropMap(slot) => self.maps[slot] = None,
            Call::ReadMap(slot) => {
                let Some((map, _)) = &self.maps[slot] else { return };
                let result = shown(map.bytes());
                self.steps.push(Step { call: text, result });
            }
            _ => self.file_call(call, &text),
        }
    }

    fn hold(&mut self, slot: usize, result: io::Result<Box<dyn File>>, name: &str) {
        if let Ok(file) = result {
            self.files[slot] = Some((file, self.names.get(name).copied().unwrap_or_default()));
        }
    }

    /// A call of an open file; nothing where the slot is empty.
    fn file_call(&mut self, call: &Call, text: &str) {
        let (Call::Size(slot)
        | Call::Read { slot, .. }
        | Call::Write { slot, .. }
        | Call::SetLen { slot, .. }
        | Call::Sync(slot)) = *call
        else {
            return;
        };
        let Some((file, number)) = self.files[slot].take() else { return };
        match *call {
            Call::Size(_) => self.add(text, &file.size(), u64::to_string),
            Call::Read { offset, len, .. } => {
                let mut buf = vec![0xee; len];
                let result = file.read_at(&mut buf, offset);
                self.add(text, &result, |read| format!("{read}: {}", shown(&buf)));
            }
            Call::Write { offset, len, fill, .. } if self.may_change(number, offset) => {
                let bytes: Vec<u8> = (0..len).map(|i| fill.wrapping_add(i as u8)).collect();
                self.add(text, &file.write_at(&bytes, offset), usize::to_string);
            }
            Call::SetLen { len, .. } if self.may_change(number, len) => {
                self.add(text, &file.set_len(len), |()| "done".to_owned());
            }
            Call::Sync(_) => self.add(text, &file.sync(), |()| "done".to_owned()),
            _ => {}
        }
        self.files[slot] = Some((file, number));
    }

    /// Whether bytes from `offset` on may change without touching a map: the door's callers see to that.
    fn may_change(&self, file: u64, offset: u64) -> bool {
        let maps = self.maps.iter().flatten();
        maps.filter(|(_, mapped)| *mapped == file).all(|(map, _)| map.bytes().len() as u64 <= offset)
    }

    /// All that is there at the end.
    fn finish(mut self) -> Vec<Step> {
        let names = self.storage.list();
        self.add("the last list", &names, |names| format!("{names:?}"));
        for name in names.unwrap_or_default() {
            let result = self.storage.open(&name).and_then(|file| {
                let mut bytes = vec![0; usize::try_from(file.size()?).unwrap_or_default()];
                let read = file.read_at(&mut bytes, 0)?;
                bytes.truncate(read);
                Ok(bytes)
            });
            self.add(&format!("the contents of {name:?}"), &result, |bytes| shown(bytes));
        }
        self.steps
    }
}

fn shown(bytes: &[u8]) -> String {
    let head = bytes[..bytes.len().min(24)].escape_ascii();
    format!("{} bytes, checksum {:08x}, {head}", bytes.len(), crc32c(bytes))
}

fn both(script: &[Call]) -> (Vec<Step>, Vec<Step>) {
    let home = tempfile::tempdir().expect("a temporary directory");
    let directory = Directory::open(home.path()).expect("an empty directory");
    let real = Player::new(&directory).play(script);
    let theirs = script.to_vec();
    (simulated::on_disk(move |storage| Player::new(storage).play(&theirs)), real)
}

fn same(script: &[Call]) {
    let (simulated, real) = both(script);
    assert_eq!(difference(&simulated, &real), None);
}

#[test]
fn storage_scripts_end_alike_on_both_machines() {
    compare("storage", 400, &script(40), |script| both(script));
}

#[test]
fn names_that_no_data_file_may_have_are_refused_alike() {
    for name in ["", ".", "..", "a/b", "LOCK", "lOcK", "nul\0inside"] {
        same(&[
            Call::Map { name, slot: 0 },
            Call::Open { name, slot: 0 },
            Call::Create { name, slot: 0 },
            Call::Rename { from: name, to: "a" },
            Call::Rename { from: "a", to: name },
            Call::Remove(name),
        ]);
    }
}

#[test]
fn a_name_that_is_too_long_is_refused_after_one_that_is_missing() {
    let long = "x".repeat(256).leak();
    same(&[
        Call::Rename { from: "a", to: long },
        Call::Rename { from: long, to: "" },
        Call::Rename { from: long, to: "a" },
        Call::Create { name: "a", slot: 0 },
        Call::Rename { from: "a", to: long },
        Call::Create { name: long, slot: 0 },
    ]);
}

#[test]
fn an_empty_write_far_behind_the_end_changes_nothing() {
    same(&[
        Call::Create { name: "a", slot: 0 },
        Call::Write { slot: 0, offset: 100, len: 0, fill: 0 },
        Call::Size(0),
    ]);
}

#[test]
fn offsets_and_lengths_that_do_not_fit_are_refused_alike() {
    let mut script = vec![Call::Create { name: "a", slot: 0 }];
    for far in [i64::MAX as u64, 1 << 63, u64::MAX] {
        for len in [0, 1] {
            script.push(Call::Read { slot: 0, offset: far, len });
        }
        script.push(Call::Write { slot: 0, offset: far, len: 1, fill: 0 });
    }
    script.push(Call::SetLen { slot: 0, len: 1 << 63 });
    script.push(Call::Size(0));
    same(&script);
}

#[test]
fn a_handle_and_a_map_stay_with_their_file_whatever_becomes_of_the_name() {
    same(&[
        Call::Create { name: "a", slot: 0 },
        Call::Write { slot: 0, offset: 5, len: 10, fill: 1 },
        Call::Map { name: "a", slot: 0 },
        Call::Create { name: "b", slot: 1 },
        Call::Rename { from: "b", to: "a" },
        Call::Size(0),
        Call::Write { slot: 0, offset: 15, len: 5, fill: 9 },
        Call::Write { slot: 1, offset: 0, len: 3, fill: 5 },
        Call::Remove("a"),
        Call::Read { slot: 0, offset: 0, len: 30 },
        Call::Read { slot: 1, offset: 0, len: 30 },
        Call::ReadMap(0),
        Call::Sync(0),
        Call::List,
    ]);
}
