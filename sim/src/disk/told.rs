//! What the doors of the data directory have told the server, and what each error excuses: what the engine's contract says
//! of that call, and nothing else.
//!
//! A log is dead when its thread was told that it could not write, sync, cut, begin or rename what is to hold records. It
//! is not when a segment could not be put aside or removed, when what was held ahead could not be given back while the disk is
//! full, or when a directory could not be synced after removals. The directory's first failed sync is its last: every later
//! snapshot fails, and so does the log, once it wants to begin a segment. Any other error of a snapshot's file excuses
//! the snapshot that was under way.
//!
//! A start or a log that ends because of an error has to tell of one that it was told and that may end it ([`Told::ends`]).
//! A file stays that nobody needs where its removal has failed, or what would have come before that ([`Told::may_stay`]).

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use engram::env::{File, Map, Storage};

use super::begun::Begun;
use super::failure::Failure;
use super::reading::{RECORD_HEADER, number};
use super::robbed::Noticing;
use super::{Kind, SimStorage};
use crate::faults::{Call, Faults};
use crate::scheduler::Scheduler;
use crate::shared::Shared;

/// The thread that writes the log, the one that writes snapshots, and the one that starts.
const LOG: &str = "log";
const SNAPSHOT: &str = "snapshot";
const MAIN: &str = "main";

/// What was told in one life.
#[derive(Clone, Debug, Default)]
pub struct Told {
    log: bool,
    /// The directory could not be synced.
    directory: bool,
    /// The log has a segment whose name is not synced.
    naming: bool,
    /// There was no room for the log's last batch.
    roomless: bool,
    /// When a snapshot's file met an error for the last time, in virtual nanoseconds.
    snapshot: Option<u64>,
    /// Errors that may end a start, and those that may end the log.
    start: Vec<Failure>,
    ends_log: Vec<Failure>,
    /// Files that could not be removed.
    unremoved: BTreeSet<String>,
    /// Since a snapshot's thread has looked at the directory for the last time, what it was to remove was not.
    unswept: bool,
    /// Snapshots that were begun.
    begun: Begun,
    /// Whether the log notices what somebody takes away.
    noticing: Noticing,
}

/// A call that has come back.
struct Made<'a> {
    call: Call,
    of: Kind,
    /// The files that it is about; none for the directory.
    names: &'a [&'a str],
    /// The thread that has made it.
    by: &'a str,
    /// What it has written, or was to write.
    bytes: &'a [u8],
    /// It met a file that has come from outside meanwhile.
    stranger: bool,
    /// The length of a file that has a new name.
    len: u64,
}

impl Made<'_> {
    /// Whether records were written: neither a mark, nor zeros.
    fn is_batch(&self) -> bool {
        let zeros = self.bytes.iter().all(|byte| *byte == 0);
        !zeros && ![RECORD_HEADER, 2 * RECORD_HEADER].contains(&self.bytes.len())
    }
}

impl Told {
    /// What is told where the log is dead.
    #[cfg(test)]
    pub(crate) fn of_a_dead_log() -> Self {
        Self { log: true, ..Self::default() }
    }

    /// Whether the log may be dead, for good.
    #[must_use]
    pub fn killed_log(&self) -> bool {
        self.log || (self.directory && self.naming)
    }

    /// Whether a snapshot may fail that was asked for at `since`: none is begun before it is asked for.
    #[must_use]
    pub fn fails_snapshot(&self, since: u64) -> bool {
        self.directory || self.killed_log() || self.snapshot.is_some_and(|last| last >= since)
    }

    /// Whether a start may have ended with this reason, or, where it is none of a start, the log.
    #[must_use]
    pub fn ends(&self, what: &str, starting: bool) -> bool {
        let failures = if starting { &self.start } else { &self.ends_log };
        failures.iter().any(|failure| failure.is_told_by(what))
    }

    /// Whether this file may stay though nobody needs it.
    #[must_use]
    pub fn may_stay(&self, name: &str) -> bool {
        // Where a sync of the directory fails, names may come back.
        self.directory || self.unremoved.contains(name)
    }

    /// Whether snapshots may stay though there is a newer one.
    #[must_use]
    pub fn spares_snapshots(&self) -> bool {
        self.directory || self.unswept
    }

    /// Whether each snapshot was `asked` for at one of these times, or due where they come unasked after `log_bytes` of log.
    pub fn judge_snapshots(&self, log_bytes: u64, asked: &[u64]) -> Result<(), String> {
        self.begun.judge(log_bytes, asked)
    }

    /// Notes what tells when snapshots are due, and when they are begun.
    fn note_snapshots(&mut self, made: &Made<'_>, well: bool, (now, robbed): (u64, bool)) {
        let name = made.names.first().copied().unwrap_or_default();
        match (made.by, made.call) {
            (LOG, Call::WriteAt) => self.begun.logged(made.bytes),
            (SNAPSHOT, Call::Create) => self.begun.begin(number(name), now, robbed),
            (SNAPSHOT, Call::Rename) if well => self.begun.named(made.len),
            (SNAPSHOT, Call::SyncDir) => self.begun.synced(well),
            _ => {}
        }
    }

    fn succeeded(&mut self, made: &Made<'_>) {
        if made.by == SNAPSHOT && made.call == Call::List {
            self.unswept = false;
        }
        if made.by != LOG {
            return;
        }
        match (made.call, made.of) {
            (Call::Create, Kind::Log) | (Call::Rename, Kind::Copy) => self.naming = true,
            (Call::SyncDir, _) => self.naming = false,
            (Call::WriteAt, _) => self.roomless = false,
            _ => {}
        }
    }

    fn failed(&mut self, made: &Made<'_>, error: &io::Error, now: u64) {
        let (error, failure) = (error.kind(), Failure::new(made.call, made.names, error));
        let moves = matches!(made.call, Call::ReadAt | Call::WriteAt);
        if moves && error == io::ErrorKind::Interrupted {
            return;
        }
        self.note_what_stays(made, error);
        let full = error == io::ErrorKind::StorageFull;
        let lacks_room = full && !matches!(made.call, Call::Sync | Call::SyncDir);
        // A copy for which there is no room is not made, and what is there, or is not, is no fault of the disk.
        let ends = match error {
            io::ErrorKind::NotFound => false,
            io::ErrorKind::AlreadyExists => made.stranger,
            _ => !(full && made.of == Kind::Copy),
        };
        if made.by == MAIN && ends {
            self.start.push(failure.clone());
        }
        if made.call == Call::SyncDir || (made.by == LOG && made.call != Call::Remove) {
            self.ends_log.push(failure.of_the_log(made.of));
        }
        match (made.call, made.of) {
            (Call::SyncDir, _) => self.directory = true,
            (Call::Remove, Kind::Temporary) if error == io::ErrorKind::NotFound => {}
            (Call::List | Call::Open | Call::Map | Call::Size | Call::ReadAt, _) => {}
            (_, Kind::Temporary) => self.snapshot = Some(now),
            (call, Kind::Log | Kind::Copy) if made.by == LOG => match call {
                _ if lacks_room => {
                    self.roomless |= call == Call::WriteAt && made.is_batch();
                }
                Call::Rename if made.of == Kind::Log => {}
                Call::Remove => {}
                Call::SetLen if self.roomless => {}
                _ => self.log = true,
            },
            _ => {}
        }
    }

    fn note_what_stays(&mut self, made: &Made<'_>, error: io::ErrorKind) {
        if made.call == Call::Remove && error != io::ErrorKind::NotFound {
            self.unremoved.extend(made.names.iter().map(|name| (*name).to_owned()));
        }
        let sweeps = matches!(made.call, Call::List | Call::Remove | Call::SyncDir);
        self.unswept |= made.by == SNAPSHOT && sweeps && error != io::ErrorKind::NotFound;
    }

    /// What the log's thread sees of files that somebody takes away, and what it does then; false if it goes on as before.
    fn notices(&mut self, made: &Made<'_>, well: bool, lacks: bool) -> bool {
        match (made.by, made.call) {
            (LOG, Call::List) => self.noticing.listed(well, lacks),
            (LOG, Call::Sync) if well => return self.noticing.synced(lacks),
            _ => {}
        }
        true
    }

    /// Errors of which nothing is told that a start or a log could repeat.
    fn nameless(&mut self, name: &str, by: &str) {
        if by == LOG {
            self.log = true;
            self.ends_log.push(Failure::nameless(name));
        }
    }
}

/// The data directory with one who listens.
#[derive(Clone)]
pub struct Listened {
    storage: Arc<SimStorage>,
    scheduler: Scheduler,
    faults: Arc<Shared<Faults>>,
}

struct ListenedFile {
    file: Box<dyn File>,
    name: Box<str>,
    directory: Listened,
}

impl std::fmt::Debug for Listened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listened")
    }
}

impl Listened {
    /// Listens to what `storage` tells, for the faults of the same life.
    #[must_use]
    pub fn new(storage: &Arc<SimStorage>, scheduler: &Scheduler, faults: &Arc<Shared<Faults>>) -> Self {
        {
            let begun = &mut faults.lock().told.begun;
            (begun.found, begun.found_size) = (storage.log_bytes(), storage.snapshot_bytes());
        }
        Self { storage: Arc::clone(storage), scheduler: scheduler.clone(), faults: Arc::clone(faults) }
    }

    fn hear<T>(&self, call: Call, names: &[&str], bytes: &[u8], result: io::Result<T>) -> io::Result<T> {
        // As a real directory does, the error says what could not be done, and with which file.
        let result = result.map_err(|error| {
            let about = if names.is_empty() { String::new() } else { format!(" {}", names.join(" to ")) };
            io::Error::new(error.kind(), format!("cannot {}{about}: {error}", call.name()))
        });
        // A machine that has stopped tells nobody anything.
        if !self.scheduler.stopped() {
            let by = self.scheduler.running();
            let of = names.first().map_or(Kind::Any, |name| Kind::of(name));
            let stranger = call == Call::Create && names.iter().any(|name| self.storage.is_stranger(name));
            let renamed = if call == Call::Rename { names.get(1) } else { None };
            let len = renamed.map_or(0, |name| self.storage.len_of(name));
            let made = Made { call, of, names, by: &by, bytes, stranger, len };
            let (now, lacks) = (self.scheduler.now(), made.by == LOG && self.storage.lacks());
            let mut faults = self.faults.lock();
            let robbed = faults.robbed_at().is_some();
            let told = &mut faults.told;
            told.note_snapshots(&made, result.is_ok(), (now, robbed));
            match &result {
                Ok(_) => told.succeeded(&made),
                Err(error) => told.failed(&made, error, now),
            }
            let goes_on = !told.notices(&made, result.is_ok(), lacks);
            drop(faults);
            if goes_on {
                self.scheduler
                    .fail("the log goes on, though it has seen that a file is gone which a start needs");
            }
        }
        result
    }

    fn file(&self, name: &str, file: Box<dyn File>) -> Box<dyn File> {
        Box::new(ListenedFile { file, name: name.into(), directory: self.clone() })
    }
}

impl Storage for Listened {
    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        let opened = self.hear(Call::Open, &[name], &[], self.storage.open(name));
        opened.map(|file| self.file(name, file))
    }

    fn create_new(&self, name: &str) -> io::Result<Box<dyn File>> {
        let created = self.hear(Call::Create, &[name], &[], self.storage.create_new(name));
        created.map(|file| self.file(name, file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.hear(Call::Rename, &[from, to], &[], self.storage.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.hear(Call::Remove, &[name], &[], self.storage.remove(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.hear(Call::List, &[], &[], self.storage.list())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.hear(Call::SyncDir, &[], &[], self.storage.sync_dir())
    }

    fn map(&self, name: &str) -> io::Result<Box<dyn Map>> {
        self.hear(Call::Map, &[name], &[], self.storage.map(name))
    }
}

impl ListenedFile {
    fn hear<T>(&self, call: Call, bytes: &[u8], result: io::Result<T>) -> io::Result<T> {
        self.directory.hear(call, &[&*self.name], bytes, result)
    }
}

impl File for ListenedFile {
    fn size(&self) -> io::Result<u64> {
        self.hear(Call::Size, &[], self.file.size())
    }

    fn has_name(&self, name: &str) -> io::Result<bool> {
        let named = self.file.has_name(name);
        // To the log that is as if it could not sync: what it writes to such a file is kept nowhere.
        if matches!(named, Ok(false)) && !self.directory.scheduler.stopped() {
            let by = self.directory.scheduler.running();
            self.directory.faults.lock().told.nameless(name, &by);
        }
        named
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.file.read_at(buf, offset);
        self.hear(Call::ReadAt, &[], read)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.hear(Call::WriteAt, buf, self.file.write_at(buf, offset))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.hear(Call::SetLen, &[], self.file.set_len(len))
    }

    fn sync(&self) -> io::Result<()> {
        self.hear(Call::Sync, &[], self.file.sync())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call for a kind of file, by a thread, with these bytes, and its error.
    type Heard<'a> = (Call, Kind, &'a str, &'a [u8], Option<io::ErrorKind>);

    fn told(calls: &[Heard<'_>]) -> Told {
        let mut told = Told::default();
        for (number, &(call, of, by, bytes, error)) in calls.iter().enumerate() {
            let made = Made { call, of, names: &[], by, bytes, stranger: false, len: 0 };
            match error {
                None => told.succeeded(&made),
                Some(error) => told.failed(&made, &error.into(), number as u64),
            }
        }
        told
    }

    const OTHER: Option<io::ErrorKind> = Some(io::ErrorKind::Other);
    const FULL: Option<io::ErrorKind> = Some(io::ErrorKind::StorageFull);
    const BATCH: &[u8] = b"records";
    const MARK: &[u8] = &[7; RECORD_HEADER];

    #[test]
    fn what_holds_records_kills_the_log_and_what_is_put_aside_does_not() {
        for (call, of) in [
            (Call::WriteAt, Kind::Log),
            (Call::Sync, Kind::Copy),
            (Call::Create, Kind::Log),
            (Call::Rename, Kind::Copy),
            (Call::SetLen, Kind::Log),
        ] {
            assert!(told(&[(call, of, LOG, BATCH, OTHER)]).killed_log(), "{call:?}");
            assert!(!told(&[(call, of, "main", BATCH, OTHER)]).killed_log(), "{call:?} of a start");
        }
        for (call, of) in [(Call::Rename, Kind::Log), (Call::Remove, Kind::Log), (Call::Open, Kind::Copy)] {
            assert!(!told(&[(call, of, LOG, &[], OTHER)]).killed_log(), "{call:?}");
        }
        assert!(
            !told(&[(Call::WriteAt, Kind::Log, LOG, BATCH, Some(io::ErrorKind::Interrupted))]).killed_log()
        );
    }

    #[test]
    fn room_that_could_not_be_given_back_kills_no_log() {
        let lacking = (Call::WriteAt, Kind::Log, LOG, BATCH, FULL);
        let cut = (Call::SetLen, Kind::Log, LOG, &[][..], OTHER);
        assert!(!told(&[lacking, cut]).killed_log());
        assert!(told(&[lacking, (Call::WriteAt, Kind::Log, LOG, BATCH, None), cut]).killed_log());
        assert!(
            told(&[(Call::WriteAt, Kind::Log, LOG, MARK, FULL), cut]).killed_log(),
            "a mark's room is cut"
        );
    }

    #[test]
    fn a_directory_that_could_not_be_synced_kills_the_log_at_its_next_segment() {
        let failed = (Call::SyncDir, Kind::Any, "snapshot", &[][..], OTHER);
        let begun = (Call::Create, Kind::Log, LOG, &[][..], None);
        let named = (Call::SyncDir, Kind::Any, LOG, &[][..], None);
        assert!(!told(&[begun, named, failed]).killed_log());
        assert!(told(&[begun, named, failed, begun]).killed_log());
        assert!(told(&[begun, failed]).killed_log());
        assert!(told(&[failed]).fails_snapshot(u64::MAX));
    }

    #[test]
    fn a_start_may_end_for_what_has_failed_and_not_for_want_of_room_for_a_copy() {
        let ends = |call, of, error| told(&[(call, of, MAIN, &[][..], error)]).start.len();
        assert_eq!(ends(Call::WriteAt, Kind::Log, FULL), 1);
        assert_eq!(ends(Call::Create, Kind::Copy, OTHER), 1);
        assert_eq!(ends(Call::Create, Kind::Copy, FULL), 0);
        assert_eq!(ends(Call::ReadAt, Kind::Log, Some(io::ErrorKind::Interrupted)), 0);
        assert_eq!(ends(Call::Create, Kind::Copy, Some(io::ErrorKind::AlreadyExists)), 0);
    }

    #[test]
    fn what_a_snapshot_could_not_sweep_stays_until_the_next_has_swept() {
        let failed = (Call::Remove, Kind::Snapshot, SNAPSHOT, &[][..], OTHER);
        let swept = (Call::List, Kind::Any, SNAPSHOT, &[][..], None);
        assert!(told(&[swept, failed]).spares_snapshots());
        assert!(!told(&[failed, swept]).spares_snapshots());
    }

    #[test]
    fn an_error_excuses_the_snapshot_under_way_and_no_later_one() {
        let told = told(&[
            (Call::Sync, Kind::Temporary, "snapshot", &[], None),
            (Call::WriteAt, Kind::Temporary, "snapshot", BATCH, FULL),
            (Call::Remove, Kind::Snapshot, "snapshot", &[], OTHER),
        ]);
        assert!(told.fails_snapshot(1) && !told.fails_snapshot(2) && !told.killed_log());
    }
}
