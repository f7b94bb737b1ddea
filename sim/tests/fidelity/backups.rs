//! The directory for backups: the same calls of a simulated one and of a temporary one.

use std::io;
use std::sync::Arc;

use engram::base::rng::Rng;
use engram::env::{Backups, Storage};
use engram::os::BackupRoot;
use engram_sim::disk::{Latency, Sabotage, SimBackups};
use proptest::prelude::*;

use super::{Step, compare, difference, simulated};

/// Directories that a script holds at once.
const HELD: usize = 2;

/// One call. Where a slot is filled anew, what was in it is let go of.
#[derive(Clone, Debug)]
enum Call {
    Exists(&'static str),
    Create {
        name: &'static str,
        slot: usize,
    },
    Rename {
        from: &'static str,
        to: &'static str,
    },
    Remove(&'static str),
    Sync,
    LetGo(usize),
    /// A file is made in the directory in a slot, or removed from it.
    Fill(usize),
    Clear(usize),
}

fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        30 => prop::sample::select(vec!["monday", "monday.tmp"]),
        2 => prop::sample::select(vec!["", ".", "..", ".hidden", "a/b", "a b", "nul\0inside"]),
    ]
}

fn script() -> impl Strategy<Value = Vec<Call>> {
    let slot = 0..HELD;
    let call = prop_oneof![
        3 => name().prop_map(Call::Exists),
        6 => (name(), slot.clone()).prop_map(|(name, slot)| Call::Create { name, slot }),
        4 => (name(), name()).prop_map(|(from, to)| Call::Rename { from, to }),
        4 => name().prop_map(Call::Remove),
        1 => Just(Call::Sync),
        3 => slot.clone().prop_map(Call::LetGo),
        2 => slot.clone().prop_map(Call::Fill),
        2 => slot.prop_map(Call::Clear),
    ];
    prop::collection::vec(call, 0..30)
}

/// A script at work on one of the two machines.
struct Player<'a> {
    backups: &'a dyn Backups,
    /// Directories, by the names that they have.
    held: [Option<(Arc<dyn Storage>, String)>; HELD],
    steps: Vec<Step>,
}

impl Player<'_> {
    fn add<T>(&mut self, call: &Call, result: &io::Result<T>, show: impl FnOnce(&T) -> String) {
        let result = match result {
            Ok(value) => show(value),
            Err(error) => format!("the error {:?}", error.kind()),
        };
        self.steps.push(Step { call: format!("{call:?}"), result });
    }

    fn play(mut self, script: &[Call]) -> Vec<Step> {
        script.iter().for_each(|call| self.call(call));
        self.steps
    }

    fn call(&mut self, call: &Call) {
        let done = |_: &()| "done".to_owned();
        match *call {
            Call::Exists(name) => self.add(call, &self.backups.exists(name), bool::to_string),
            Call::Create { name, slot } => {
                self.held[slot] = None;
                let result = self.backups.create(name);
                self.add(call, &result, |_| "a directory".to_owned());
                self.held[slot] = result.ok().map(|made| (made, name.to_owned()));
                self.list(call, slot);
            }
            Call::Rename { from, to } => {
                let result = self.backups.rename(from, to);
                self.add(call, &result, done);
                if result.is_ok() {
                    let moved = self.held.iter_mut().flatten().filter(|(_, name)| name == from);
                    moved.for_each(|(_, name)| *name = to.to_owned());
                }
            }
            Call::Remove(name) => {
                let result = self.backups.remove(name);
                self.add(call, &result, done);
                if result.is_ok() {
                    self.held.iter_mut().for_each(|held| drop(held.take_if(|(_, called)| called == name)));
                }
            }
            Call::Sync => self.add(call, &self.backups.sync(), done),
            Call::LetGo(slot) => self.held[slot] = None,
            Call::Fill(slot) | Call::Clear(slot) => {
                let Some((storage, _)) = &self.held[slot] else { return };
                let result = match call {
                    Call::Fill(_) => storage.create_new("file").map(drop),
                    _ => storage.remove("file"),
                };
                self.add(call, &result, done);
                self.list(call, slot);
            }
        }
    }

    fn list(&mut self, call: &Call, slot: usize) {
        let Some((storage, _)) = &self.held[slot] else { return };
        self.add(call, &storage.list(), |names| format!("{names:?}"));
    }
}

fn both(script: &[Call]) -> (Vec<Step>, Vec<Step>) {
    let home = tempfile::tempdir().expect("a temporary directory");
    let root = BackupRoot::new(home.path().to_owned(), None).expect("an empty directory");
    let player = |backups| Player { backups, held: Default::default(), steps: Vec::new() };
    let real = player(&root).play(script);
    let scheduler = simulated::scheduler();
    let backups = SimBackups::new(&scheduler, Latency::default(), Sabotage::default(), Rng::new(2));
    let theirs = script.to_vec();
    let play =
        move || Player { backups: &*backups, held: Default::default(), steps: Vec::new() }.play(&theirs);
    (simulated::within(&scheduler, play), real)
}

#[test]
fn scripts_of_backups_end_alike_on_both_machines() {
    compare("place for backups", 300, &script(), |script| both(script));
}

#[test]
fn a_backup_made_given_its_name_and_asked_for_again_goes_alike_on_both_machines() {
    let (first, second) = ("monday.tmp", "monday");
    let script = [
        Call::Exists(second),
        Call::Create { name: first, slot: 0 },
        Call::Create { name: first, slot: 1 },
        Call::Fill(0),
        Call::Remove(first),
        Call::Rename { from: first, to: second },
        Call::Sync,
        Call::Create { name: first, slot: 1 },
        Call::Rename { from: first, to: second },
        Call::Remove(first),
        Call::LetGo(0),
        Call::Create { name: second, slot: 0 },
        Call::Exists(first),
    ];
    let (simulated, real) = both(&script);
    assert_eq!(difference(&simulated, &real), None);
}
