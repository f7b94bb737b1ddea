//! A backup that fails, at whichever call, leaves nothing that a start would serve, and no name that is taken.

use std::io;
use std::sync::Arc;

use super::{Doors, Engine, SetClock, Silent, await_durable, barrier, options, options_for, snapshots};
use crate::base::rng::Rng;
use crate::base::sync::Mutex;
use crate::engine::backup;
use crate::env::{Backups, Storage};
use crate::wal::HALF_COPIED;
use crate::wal::tests::disk::{MemDisk, Mishap};

/// Directories in memory, calls of which may fail.
struct MemBackups(Mutex<State>);

#[derive(Default)]
struct State {
    made: Vec<(String, MemDisk)>,
    calls: u64,
    /// The calls that fail.
    failing: std::ops::Range<u64>,
    /// The next directory has this happen at these of its calls.
    mishap: Option<(std::ops::Range<u64>, Mishap)>,
}

impl Default for MemBackups {
    fn default() -> Self {
        Self(Mutex::new("backups", State::default()))
    }
}

impl State {
    fn enter(&mut self) -> io::Result<()> {
        self.calls += 1;
        if self.failing.contains(&self.calls) { Err(io::Error::other("input/output error")) } else { Ok(()) }
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        self.made.iter().position(|(made, _)| made == name).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Backups for MemBackups {
    fn exists(&self, name: &str) -> io::Result<bool> {
        let mut state = self.0.lock();
        state.enter()?;
        Ok(state.find(name).is_ok())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn Storage>> {
        let mut state = self.0.lock();
        state.enter()?;
        if state.find(name).is_err() {
            state.made.push((name.to_owned(), MemDisk::default()));
        }
        let at = state.find(name)?;
        let disk = state.made[at].1.after_kill();
        if let Some((calls, mishap)) = state.mishap.take() {
            calls.for_each(|call| disk.mishap(call, mishap));
        }
        state.made[at].1 = disk.clone();
        Ok(disk.arc())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.enter()?;
        let at = state.find(from)?;
        state.made[at].0 = to.to_owned();
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.enter()?;
        let at = state.find(name)?;
        if !state.made[at].1.image().is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        state.made.remove(at);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.lock().enter()
    }
}

/// An engine with a key, and these backups.
fn engine(backups: &Arc<MemBackups>) -> Engine {
    engine_on(&MemDisk::default(), &snapshots::clock(), backups, 1 << 20)
}

/// The same on a disk, with segments of a size.
fn engine_on(disk: &MemDisk, clock: &Arc<SetClock>, backups: &Arc<MemBackups>, segment_bytes: u64) -> Engine {
    let doors = Doors {
        storage: Some(disk.arc()),
        backups: Some(Arc::clone(backups) as Arc<dyn Backups>),
        clock: clock.clone(),
        console: Arc::new(Silent),
        waker: Arc::new(Silent),
    };
    let (mut engine, _) = Engine::open(doors, &options_for((segment_bytes, 0)), &mut || false).unwrap();
    barrier(&mut engine, "SET a 1");
    engine
}

fn back_up(engine: &mut Engine) -> Result<u64, String> {
    engine.request_backup("monday").unwrap();
    loop {
        engine.tick();
        if let Some(saved) = engine.take_saved() {
            return saved.result;
        }
    }
}

/// What a start on the directory comes to: how many keys it serves.
fn keys(disk: &MemDisk) -> Option<usize> {
    let engine = Engine::try_on(Some(disk.arc()), snapshots::clock(), (1 << 20, 0)).ok()?;
    let keys = engine.keys();
    engine.close().unwrap();
    Some(keys)
}

/// Whatever has failed: under its own name is all of it, and under the other nothing that would pass for it.
fn nothing_half_is_served(backups: &MemBackups, all: usize, done: bool) {
    for (name, disk) in backups.0.lock().made.clone() {
        let mut images: Vec<_> = (0..8).map(|seed| disk.after_power_loss(&mut Rng::new(seed))).collect();
        images.push(disk.after_kill());
        for image in images {
            match name.as_str() {
                "monday" => assert_eq!(keys(&image), Some(all)),
                "monday.tmp" => {
                    assert!(!done);
                    let is_empty = image.image().is_empty();
                    assert!(
                        is_empty || keys(&image).is_none_or(|keys| keys == all),
                        "{:?}",
                        image.image().keys()
                    );
                }
                other => panic!("{other}"),
            }
        }
    }
}

/// Makes a backup called monday among these.
type Make<'a> = &'a dyn Fn(&Arc<MemBackups>) -> Result<(), String>;

/// A backup of so many keys that meets what `prepare` has in store, and then one that meets nothing. False where the first met
/// nothing, too.
fn twice(make: Make<'_>, all: usize, prepare: impl FnOnce(&mut State)) -> bool {
    let backups = Arc::new(MemBackups::default());
    prepare(&mut backups.0.lock());
    let first = make(&backups);
    nothing_half_is_served(&backups, all, first.is_ok());
    backups.0.lock().failing = 0..0;
    let named = backups.0.lock().find("monday").is_ok();
    if first.is_err() && named {
        // All of it is there, but nobody could say so for sure, nor give it another name.
    } else if first.is_err() {
        if let Err(why) = make(&backups) {
            // What no backup says of that it has not ended is left alone: it was whole, and could be given no name.
            assert!(why.contains("monday.tmp is not empty: there is "), "{why}");
            let disk = backups.0.lock().made.remove(0).1;
            assert_eq!(keys(&disk.after_kill()), Some(all));
            make(&backups).unwrap();
        }
        nothing_half_is_served(&backups, all, true);
    } else {
        assert!(make(&backups).unwrap_err().contains("there is something called monday already"));
    }
    let names: Vec<String> = backups.0.lock().made.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, ["monday"]);
    first.is_err()
}

fn fails_at_any_call(make: Make<'_>, all: usize) {
    for far in [1, 1_000] {
        let mut failed = 0;
        for call in 0.. {
            if !twice(make, all, |state| state.mishap = Some((call..call + far, Mishap::Fail))) {
                break;
            }
            failed += 1;
        }
        assert!(failed >= 10, "{failed} calls of the directory, {far} of them at a time");
        let mut failed = 0;
        for call in 1.. {
            if !twice(make, all, |state| state.failing = call..call + far) {
                break;
            }
            failed += 1;
        }
        assert!(failed >= 4, "{failed} calls of the directory above");
    }
}

#[test]
fn a_backup_that_fails_at_any_call_leaves_nothing_half_and_its_name_free() {
    fails_at_any_call(
        &|backups| {
            let mut engine = engine(backups);
            let made = back_up(&mut engine).map(drop);
            engine.close().unwrap();
            made
        },
        1,
    );
}

/// A directory that nobody serves, with a snapshot and a log of several segments behind it; six keys.
fn at_rest() -> MemDisk {
    let disk = MemDisk::default();
    let mut engine = Engine::try_on(Some(disk.arc()), snapshots::clock(), (100, 0)).unwrap();
    for n in 0..6 {
        let lsn = barrier(&mut engine, &format!("SET k{n} {}", "x".repeat(80)));
        await_durable(&mut engine, lsn);
        if n == 2 {
            engine.request_snapshot().unwrap();
            while engine.take_saved().is_none() {
                engine.tick();
            }
        }
    }
    engine.close().unwrap();
    disk
}

#[test]
fn a_copy_of_a_directory_at_rest_that_fails_at_any_call_leaves_nothing_half_and_its_name_free() {
    let disk = at_rest();
    assert!(disk.image().len() >= 4, "{:?}", disk.image().keys());
    let copy = |backups: &Arc<MemBackups>| {
        let (from, to) = (disk.after_kill().arc(), Arc::clone(backups) as Arc<dyn Backups>);
        backup(&*from, to, "monday", options()).map(drop)
    };
    fails_at_any_call(&copy, 6);
    let backups = Arc::new(MemBackups::default());
    let why = backup(&*disk.arc(), backups.clone(), "monday.tmp", options()).unwrap_err();
    assert!(why.contains("monday.tmp is no name for a backup"), "{why}");
    disk.remove(disk.image().keys().last().unwrap()).unwrap();
    disk.put(disk.image().keys().next().unwrap(), b"no snapshot");
    let why = backup(&*disk.arc(), backups.clone(), "monday", options()).unwrap_err();
    assert!(why.contains("it is damaged") && backups.0.lock().made.is_empty(), "{why}");
}

#[test]
fn bytes_that_are_misread_once_are_in_no_backup() {
    let disk = at_rest();
    let (mut refused, mut calls) = (0, 0);
    loop {
        let (from, backups) = (disk.after_kill(), Arc::new(MemBackups::default()));
        from.mishap(from.calls() + calls, Mishap::Misread(1));
        let before = from.calls();
        let done = backup(&*from.arc(), backups.clone(), "monday", options());
        nothing_half_is_served(&backups, 6, done.is_ok());
        refused += usize::from(done.is_err());
        if from.calls() - before <= calls {
            break;
        }
        calls += 1;
    }
    assert!(refused > 6, "{refused} of {calls}");
}

#[test]
fn what_a_crash_leaves_of_a_backup_that_had_hardly_begun_is_in_nobodys_way() {
    let half = ("snapshot-00000000000000000009.tmp", &b"half"[..]);
    for files in [&[][..], &[(HALF_COPIED, &b""[..])], &[(HALF_COPIED, b""), half]] {
        for fails in [false, true] {
            let backups = Arc::new(MemBackups::default());
            let mut engine = engine(&backups);
            backups.0.lock().made.push(("monday.tmp".to_owned(), MemDisk::holding(files)));
            backups.0.lock().mishap = fails.then_some((8..9, Mishap::Fail));
            assert_eq!(back_up(&mut engine).is_err(), fails, "{files:?}");
            let names: Vec<String> = backups.0.lock().made.iter().map(|(name, _)| name.clone()).collect();
            assert_eq!(names, if fails { &[][..] } else { &["monday"] }, "{files:?}");
            engine.close().unwrap();
        }
    }
}

#[test]
fn a_backup_removes_nothing_that_it_has_not_made() {
    let backups = Arc::new(MemBackups::default());
    let mut engine = engine(&backups);
    let theirs = MemDisk::holding(&[("letters", b"dear"), (HALF_COPIED, b"")]);
    backups.0.lock().made.push(("monday.tmp".to_owned(), theirs.clone()));
    let why = back_up(&mut engine).unwrap_err();
    assert!(why.contains("monday.tmp is not empty: there is letters in it"), "{why}");
    assert_eq!(backups.0.lock().made[0].1.image(), theirs.image());
    // Nor what may be a directory that is served: no backup has said of its log that it has not ended.
    let served = at_rest();
    backups.0.lock().made[0].1 = served.clone();
    let why = back_up(&mut engine).unwrap_err();
    assert!(why.contains("monday.tmp is not empty: there is "), "{why}");
    assert_eq!(backups.0.lock().made[0].1.image(), served.image());
    // Nor a whole backup that somebody has put aside.
    backups.0.lock().made.clear();
    back_up(&mut engine).unwrap();
    backups.0.lock().made[0].0 = "monday.tmp".to_owned();
    let whole = backups.0.lock().made[0].1.image();
    let why = back_up(&mut engine).unwrap_err();
    assert!(why.contains("monday.tmp is not empty: there is "), "{why}");
    assert_eq!(backups.0.lock().made[0].1.image(), whole);
    engine.close().unwrap();
}

#[test]
fn a_snapshot_that_makes_up_for_a_file_goes_before_backups_that_wait() {
    let (disk, clock, backups) = (MemDisk::default(), snapshots::clock(), Arc::new(MemBackups::default()));
    let mut engine = engine_on(&disk, &clock, &backups, 100);
    for n in 0..4 {
        let lsn = barrier(&mut engine, &format!("SET k{n} {}", "x".repeat(80)));
        await_durable(&mut engine, lsn);
    }
    snapshots::rob(&mut engine, &disk, &clock);
    engine.request_backup("monday").unwrap();
    engine.request_backup("tuesday").unwrap();
    let mut order = Vec::new();
    while order.len() < 3 {
        engine.tick();
        order.extend(engine.take_saved().map(|saved| (saved.backup, saved.result.is_ok())));
    }
    let named = |name: &str| (Some(name.to_owned()), true);
    assert_eq!(order, [(None, true), named("monday"), named("tuesday")]);
    engine.close().unwrap();
}

#[test]
fn a_backup_whose_disk_hangs_keeps_neither_the_log_from_its_last_sync_nor_the_server_from_its_end() {
    let (backups, disk, clock) = (Arc::new(MemBackups::default()), MemDisk::default(), snapshots::clock());
    let mut engine = engine_on(&disk, &clock, &backups, 1 << 20);
    engine.set_tier(crate::wal::Tier::EverySecond);
    engine.request_backup("monday").unwrap();
    let hangs = backups.0.lock();
    engine.tick();
    assert!(engine.is_saving());
    barrier(&mut engine, "SET b 2");
    let closing = crate::base::sync::spawn("closing", move || assert!(engine.close().is_ok())).unwrap();
    let survives = |seed| {
        let engine = Engine::on(Some(disk.after_power_loss(&mut Rng::new(seed)).arc()), Arc::clone(&clock));
        let keys = engine.keys();
        engine.close().unwrap();
        keys == 2
    };
    for turn in 0.. {
        if (0..16).all(survives) {
            break;
        }
        assert!(turn < 1_000, "the log is not synced while the backup's disk hangs");
        crate::base::sync::spawn("yield", || ()).unwrap().join().unwrap();
    }
    clock.0.fetch_add(10_000);
    closing.join().unwrap();
    drop(hangs);
}
