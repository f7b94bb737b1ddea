//! Deaths at a chosen place: the process kills itself with SIGKILL the n-th time it comes by a mark or makes a call.
//!
//! An aim is words with slashes between: a mark's name (`SnapshotBegun`), or a call and the kind of its file (`sync/wal.log`,
//! `rename/snapshot.tmp`, `sync-dir`); `after` for when the call has returned; `start`, `serve` or `finish` for one phase of a
//! server's life only; `backup` for a backup's directory; and which time it is, 1 where nothing says so.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::Lossy;
use crate::base::mark::{MARKS, Mark};
use crate::base::sync::Mutex;
use crate::env::{Clock, File, Map, Storage};
use crate::os::SystemClock;

/// Calls of a storage that can be aimed at.
const CALLS: [&str; 10] =
    ["open", "create", "rename", "remove", "list", "sync-dir", "map", "write", "set-len", "sync"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Start,
    Serve,
    Finish,
}

/// Where the process dies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::os) struct Aim {
    text: String,
    mark: Option<Mark>,
    call: Option<&'static str>,
    kind: Option<String>,
    after: bool,
    phase: Option<Phase>,
    backup: bool,
    nth: u64,
}

impl FromStr for Aim {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut aim = Self { text: text.to_owned(), nth: 1, ..Self::default() };
        for word in text.split('/') {
            match word {
                "after" => aim.after = true,
                "backup" => aim.backup = true,
                "start" => aim.phase = Some(Phase::Start),
                "serve" => aim.phase = Some(Phase::Serve),
                "finish" => aim.phase = Some(Phase::Finish),
                _ => match (word.parse(), CALLS.into_iter().find(|call| *call == word), named(word)) {
                    (Ok(nth), ..) => aim.nth = nth,
                    (_, Some(call), _) => aim.call = Some(call),
                    (.., Some(mark)) => aim.mark = Some(mark),
                    _ if word.contains('.') => aim.kind = Some(word.to_owned()),
                    _ => return Err(format!("{text}: {word} is no mark, call, kind of file or number")),
                },
            }
        }
        if aim.mark.is_some() == aim.call.is_some() {
            return Err(format!("{text}: one mark or one call is to be aimed at"));
        }
        Ok(aim)
    }
}

fn named(name: &str) -> Option<Mark> {
    MARKS.iter().copied().find(|mark| format!("{mark:?}") == name)
}

/// The kind of a file by its name: what is left without its number (`wal.log`, `snapshot.tmp`).
fn kind_of(name: &str) -> String {
    let (stem, suffix) = name.split_once('.').unwrap_or((name, ""));
    format!("{}.{suffix}", stem.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-'))
}

/// Waits for the place, and kills.
pub(in crate::os) struct Killer {
    aim: Aim,
    state: Mutex<(Phase, u64)>,
    /// The marks that end the first two phases.
    bounds: [Option<Mark>; 2],
    /// What loses power then.
    media: Mutex<Vec<Lossy>>,
}

impl Killer {
    pub(in crate::os) fn new(aim: Aim) -> Arc<Self> {
        let state = Mutex::new("kill state", (Phase::Start, 0));
        let bounds = ["Serving", "Finishing"].map(named);
        Arc::new(Self { aim, state, bounds, media: Mutex::new("lossy media", Vec::new()) })
    }

    /// `medium` loses power when the process dies here.
    pub(in crate::os) fn tears(&self, medium: Lossy) {
        self.media.lock().push(medium);
    }

    /// The process has come by a mark.
    pub(in crate::os) fn reached(&self, mark: Mark) {
        match self.bounds.map(|bound| bound == Some(mark)) {
            [true, _] => self.state.lock().0 = Phase::Serve,
            [_, true] => self.state.lock().0 = Phase::Finish,
            _ => {}
        }
        if self.aim.mark == Some(mark) {
            self.count();
        }
    }

    fn called(&self, call: &str, kind: &str, after: bool, backup: bool) {
        let aim = &self.aim;
        let is_it = aim.call == Some(call) && aim.after == after && aim.backup == backup;
        if is_it && aim.kind.as_ref().is_none_or(|wanted| wanted == kind) {
            self.count();
        }
    }

    fn count(&self) {
        let mut state = self.state.lock();
        if self.aim.phase.is_some_and(|phase| phase != state.0) {
            return;
        }
        state.1 += 1;
        if state.1 == self.aim.nth {
            self.die();
        }
    }

    /// Holds on to the state, so that no other thread dies as well. Says when it was: in seconds since 1970.
    fn die(&self) {
        let now = Duration::from_micros(SystemClock.wall().0);
        for medium in self.media.lock().iter() {
            if let Err(e) = medium.tear() {
                say(&format!("tearing: {e}\n"));
            }
        }
        say(&format!("killed at {}, {:.6} s\n", self.aim.text, now.as_secs_f64()));
        crate::os::process::kill_now();
    }
}

/// A line, by one call: others write theirs at the same time.
fn say(line: &str) {
    drop(io::stderr().write_all(line.as_bytes()));
}

/// A directory whose calls are counted.
pub(in crate::os) struct Aimed {
    inner: Arc<dyn Storage>,
    killer: Arc<Killer>,
    backup: bool,
    /// The kinds of files by their names, each shared with whoever has the file open.
    kinds: Mutex<BTreeMap<String, Arc<Mutex<String>>>>,
}

impl Aimed {
    pub(in crate::os) fn new(inner: Arc<dyn Storage>, killer: Arc<Killer>, backup: bool) -> Self {
        Self { inner, killer, backup, kinds: Mutex::new("kinds of files", BTreeMap::new()) }
    }

    fn around<T>(&self, call: &str, name: &str, work: impl FnOnce() -> T) -> T {
        let kind = kind_of(name);
        self.killer.called(call, &kind, false, self.backup);
        let done = work();
        self.killer.called(call, &kind, true, self.backup);
        done
    }

    fn file(&self, name: &str, inner: Box<dyn File>) -> Box<dyn File> {
        let fresh = || Arc::new(Mutex::new("kind of a file", kind_of(name)));
        let kind = Arc::clone(self.kinds.lock().entry(name.to_owned()).or_insert_with(fresh));
        Box::new(AimedFile { inner, kind, killer: Arc::clone(&self.killer), backup: self.backup })
    }
}

impl Storage for Aimed {
    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.around("open", name, || self.inner.open(name)).map(|file| self.file(name, file))
    }

    fn create_new(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.around("create", name, || self.inner.create_new(name)).map(|file| self.file(name, file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.around("rename", from, || self.inner.rename(from, to))?;
        let mut kinds = self.kinds.lock();
        if let Some(kind) = kinds.remove(from) {
            *kind.lock() = kind_of(to);
            kinds.insert(to.to_owned(), kind);
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.around("remove", name, || self.inner.remove(name))?;
        self.kinds.lock().remove(name);
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.around("list", "", || self.inner.list())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.around("sync-dir", "", || self.inner.sync_dir())
    }

    fn map(&self, name: &str) -> io::Result<Box<dyn Map>> {
        self.around("map", name, || self.inner.map(name))
    }
}

/// An open file of it.
struct AimedFile {
    inner: Box<dyn File>,
    kind: Arc<Mutex<String>>,
    killer: Arc<Killer>,
    backup: bool,
}

impl AimedFile {
    fn around<T>(&self, call: &str, work: impl FnOnce() -> T) -> T {
        let kind = self.kind.lock().clone();
        self.killer.called(call, &kind, false, self.backup);
        let done = work();
        self.killer.called(call, &kind, true, self.backup);
        done
    }
}

impl File for AimedFile {
    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn has_name(&self, name: &str) -> io::Result<bool> {
        self.inner.has_name(name)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.around("write", || self.inner.write_at(buf, offset))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.around("set-len", || self.inner.set_len(len))
    }

    fn sync(&self) -> io::Result<()> {
        self.around("sync", || self.inner.sync())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_says_what_it_is_and_nonsense_is_refused() {
        let aim: Aim = "start/sync/wal.log/after/3".parse().unwrap();
        let wanted = (Some("sync"), Some("wal.log"), true, Some(Phase::Start), 3);
        assert_eq!((aim.call, aim.kind.as_deref(), aim.after, aim.phase, aim.nth), wanted);
        assert_eq!("SnapshotBegun".parse::<Aim>().unwrap().mark, named("SnapshotBegun"));
        assert!(["Serving", "Finishing", "SnapshotBegun"].iter().all(|name| named(name).is_some()));
        for wrong in ["", "start", "sync/SnapshotBegun", "SnapshotBegan", "sync/backup/nothing"] {
            assert!(wrong.parse::<Aim>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_kind_of_a_file_is_its_name_without_its_number() {
        let names = ["wal-00000000000000000001.log", "wal-00000000000000000001.log.tmp", "snapshot-07.tmp"];
        assert_eq!(names.map(kind_of), ["wal.log", "wal.log.tmp", "snapshot.tmp"]);
        assert_eq!(kind_of("backup.begun"), "backup.begun");
    }
}
