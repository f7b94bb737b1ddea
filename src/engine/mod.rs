//! The engine: the keyspace and everything that changes it.
//!
//! One thread (the loop) calls it; it never blocks, never waits for the disk and never walks a graph. A command is
//! executed between [`Engine::begin`] and [`Engine::end`]; all that it changed goes into the log as one record, so it
//! survives wholly or not at all. The engine guarantees that each reply knows its barrier ([`Call::barrier`]); holding
//! the reply back until then is the server's part.

mod backup;
mod call;
mod changes;
mod check;
pub mod command;
mod desk;
mod directory;
mod dump;
mod expiry;
mod facts;
mod job;
mod kept;
mod keyspace;
mod lookout;
mod mutation;
mod names;
mod recovery;
mod repair;
mod saving;
mod snapshots;
mod store;
#[cfg(test)]
mod tests;
mod unsynced;
mod value;
mod watch;
mod writing;

pub use backup::backup;
pub use call::{Call, Handled, Handler, Outcome, Refusal};
pub use changes::Changed;
pub use check::{Check, check};
pub use dump::{Excerpt, dump};
pub use facts::LogFacts;
pub use watch::Watches;

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use crate::base::mark::{Mark, reached};
use crate::base::rng::Rng;
use crate::base::time::Mono;
use crate::env::{Backups, Clock, Storage, Waker};
use crate::wal::{Lsn, Wal};
use keyspace::{Entry, Keyspace};
use mutation::Op;
use store::{Applied, Store};
use unsynced::Unsynced;
use value::Value;

pub use job::{Finished, Job};
pub use recovery::{Doors, OpenError, Options, Report};
pub use repair::repair;
pub use saving::{Progress, Saved};
pub use snapshots::SnapshotPlan;
pub use store::StoreOptions;

/// The LSN of a record that will never be durable.
pub const NEVER: Lsn = Lsn(u64::MAX);

/// The keyspace, its log and its snapshots.
pub struct Engine {
    store: Store,
    durability: Option<Durability>,
    clock: Arc<dyn Clock>,
    rng: Rng,
    /// Unix milliseconds, fixed while a command runs.
    now: u64,
    /// The operations of the command (or transaction) being executed.
    record: Vec<u8>,
    /// Its most bytes (`limits::MAX_RECORD`).
    max_record: usize,
    /// How deep [`Engine::begin`] is nested: a transaction's commands share its record.
    depth: u32,
    /// Why there are no writes. Looked up when a command begins and not within one: a log that fails in the middle of a
    /// transaction must not halve it.
    failed: Option<String>,
    log_backlog: usize,
    expiries_per_turn: usize,
    /// Changes so far, each a new number; WATCH compares them.
    changes: u64,
    watched: watch::Watched,
    stats: Stats,
    /// How many changes of a form were begun, and those that have come to their end.
    last_change: u64,
    changed: VecDeque<Changed>,
}

/// What only a server with a directory has.
struct Durability {
    storage: Arc<dyn Storage>,
    wal: Wal,
    waker: Arc<dyn Waker>,
    unsynced: Unsynced,
    backups: Option<Arc<dyn Backups>>,
    /// Snapshots and backups that have been asked for and not begun: one at a time.
    wanted: VecDeque<snapshots::Wanted>,
    /// Bytes of log since the last snapshot was begun that has not failed.
    logged: u64,
    /// What a snapshot that fails gives back.
    before: snapshots::Before,
    /// When another is made unasked after some that have failed.
    retry: snapshots::Retry,
    /// Bytes of the last one, be it an earlier life's.
    saved_bytes: u64,
    plan: SnapshotPlan,
    /// When to look again what a running one makes the server keep.
    weighed: Mono,
    /// How many snapshots and backups of this run were asked for.
    snapshots: u64,
    last_saved: Option<Saved>,
    finished: VecDeque<Saved>,
    /// Records were appended that the log thread has not been told of.
    appended: bool,
    /// Memory holds a change that the log has refused.
    lost: bool,
    /// The server finishes: nothing is begun unasked any more.
    finishing: bool,
    /// What [`Engine::poisoned`] says.
    failure: OnceLock<String>,
}

/// Counters that INFO shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Keys that went because their time had come.
    pub expired: u64,
    /// Reads of keys that were there.
    pub hits: u64,
    /// Reads of keys that were not.
    pub misses: u64,
    /// Operations since the last snapshot.
    pub dirty: u64,
}

/// The error reply for writes while there is no room for the log.
const NO_ROOM: &str =
    "MISCONF the disk is full: writes are refused until there is room for the log; nothing was done";
/// The same while a file is gone that a start would need.
const GONE: &str = "MISCONF a file that a start needs is gone from the directory: writes are refused until a snapshot makes up for \
                    it; nothing was done";
/// What replies become meanwhile that wait for the log.
const WAITS_FOR_ROOM: &str = "MISCONF the disk is full: what this waits for is written when there is room for the log, or gone \
                              after a restart";

/// Bytes kept allocated for the next record.
const KEPT_RECORD: usize = 1 << 20;

impl Engine {
    /// Begins a command: whatever changes until [`Engine::end`] is one record. Nests.
    pub fn begin(&mut self) {
        if self.depth == 0 {
            self.now = self.clock.wall().millis();
            self.failed = self.refuses().map(str::to_owned);
            assert!(self.record.is_empty(), "the last command's record was not ended");
        }
        self.depth += 1;
    }

    /// Ends a command: its record goes to the log.
    pub fn end(&mut self) {
        self.depth -= 1;
        if self.depth == 0 && !self.record.is_empty() {
            let lsn = self.next_lsn();
            if let Some(durability) = &mut self.durability {
                durability.appended = true;
                durability.logged += self.record.len() as u64;
                // A log that has failed gives no number: the promised one never becomes durable, and the reply that
                // waits for it is answered with the error.
                match durability.wal.append(&self.record) {
                    Ok(given) => assert_eq!(given, lsn, "the log gives the number that was promised"),
                    Err(_) => {
                        reached(Mark::AppendRefused);
                        durability.lost = true;
                    }
                }
            }
            self.record.clear();
            self.record.shrink_to(KEPT_RECORD);
        }
    }

    /// Runs one command's handler between [`Engine::begin`] and [`Engine::end`]. A refusal becomes an error reply.
    pub fn execute<'a>(
        &mut self,
        handler: impl FnOnce(&mut Self, &mut Call<'a>) -> Handled,
        call: &mut Call<'a>,
    ) -> Outcome {
        self.begin();
        let outcome = handler(self, call).unwrap_or_else(|refusal| {
            call.reply.error(refusal.0.as_bytes());
            Outcome::Done
        });
        self.end();
        outcome
    }

    /// The LSN of the record being gathered.
    fn next_lsn(&self) -> Lsn {
        self.durability.as_ref().map_or(Lsn(0), |d| Lsn(d.wal.appended().0 + 1))
    }

    /// Unix milliseconds, the same throughout a command.
    fn now(&self) -> u64 {
        self.now
    }

    fn keyspace(&self) -> &Keyspace<Value> {
        &self.store.keyspace
    }

    fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// The entry of `key`, if it is there and its time has not come; a key whose time has come goes now. The reply
    /// waits for the last record that touched the name, be it there or gone.
    fn read(&mut self, call: &mut Call<'_>, key: &[u8]) -> Option<&Entry<Value>> {
        let name = self.look_at(call, key);
        self.store.keyspace.get_hashed(name, key).filter(|entry| lives(entry, self.now))
    }

    /// What a read of `key` does before it reads; returns the name's hash.
    fn look_at(&mut self, call: &mut Call<'_>, key: &[u8]) -> u64 {
        let name = self.store.keyspace.hash(key);
        if self.store.keyspace.expiring() > 0 {
            self.expire_if_due(key);
        }
        if let Some(durability) = &self.durability {
            let barrier = durability.unsynced.barrier(name);
            if barrier > Lsn(0) {
                reached(Mark::ReadWaits);
            }
            call.observe(barrier);
        }
        name
    }

    /// The string at `key`, none for nothing there, a refusal where it is no string. Counts hits and misses.
    fn read_string(&mut self, call: &mut Call<'_>, key: &[u8]) -> Result<Option<&[u8]>, Refusal> {
        let name = self.look_at(call, key);
        let entry = self.store.keyspace.get_hashed(name, key).filter(|entry| lives(entry, self.now));
        let count = if entry.is_some() { &mut self.stats.hits } else { &mut self.stats.misses };
        *count += 1;
        entry.map(|entry| entry.value.as_string().ok_or(Refusal::WRONG_TYPE)).transpose()
    }

    /// The reply tells of all names: it waits for all that was logged.
    fn observe_everything(&mut self, call: &mut Call<'_>) {
        let Some(durability) = &self.durability else { return };
        if durability.lost {
            reached(Mark::LostSeen);
            call.observe(NEVER);
        } else if durability.wal.durable() < durability.wal.appended() {
            reached(Mark::AllReadWaits);
            call.observe(durability.wal.appended());
        }
    }

    /// Applies one operation and notes it for the log.
    fn mutate(&mut self, call: &mut Call<'_>, op: Op<'_>) -> Result<(), Refusal> {
        self.change(call, op).map(|_| ())
    }

    /// Refuses if operations of so many bytes ([`Op::encoded_len`]) do not fit the record any more: for a command that
    /// makes several and must not stop half way.
    fn check_room(&self, bytes: usize) -> Result<(), Refusal> {
        if self.fits(bytes) {
            return Ok(());
        }
        Err(Refusal::err("the command's changes are longer than a log record may be"))
    }

    /// True while operations of so many bytes fit the record.
    fn fits(&self, bytes: usize) -> bool {
        self.record.len().saturating_add(bytes) <= self.max_record
    }

    /// [`Engine::mutate`] for who needs to know what it did.
    fn change(&mut self, call: &mut Call<'_>, op: Op<'_>) -> Result<Applied, Refusal> {
        if let Some(why) = &self.failed {
            reached(Mark::WriteRefused);
            return Err(Refusal(why.clone().into()));
        }
        self.check_room(op.encoded_len())?;
        let lsn = self.next_lsn();
        let applied = self.store.apply(&op, lsn).map_err(Refusal::err)?;
        self.log(&op, lsn);
        call.observe(lsn);
        Ok(applied)
    }

    /// Notes an operation that has just been applied. Nothing can come between the two: both are memory only, and
    /// replies wait for the log.
    fn log(&mut self, op: &Op<'_>, lsn: Lsn) {
        assert!(self.depth > 0, "changes belong to a command");
        self.stats.dirty += 1;
        self.changes += 1;
        for key in op.keys().into_iter().flatten() {
            let name = self.store.keyspace.hash(key);
            // Whoever watches a set watches what it holds, not by what its searches go.
            if !matches!(op, Op::Quant { .. }) {
                self.watched.touch(name, self.changes);
            }
            if let Some(durability) = &mut self.durability {
                durability.unsynced.note(name, lsn);
            }
        }
        if *op == Op::Clear {
            self.watched.touch_all(self.changes);
            if let Some(durability) = &mut self.durability {
                durability.unsynced.note_everything(lsn);
            }
        }
        if self.durability.is_some() {
            op.encode(&mut self.record);
        }
    }

    /// The error reply for writes while the log takes none: for good once it has failed, for the time being where the disk
    /// is full, or a file is gone. Nothing has been done then. One line. Cheap, as it is asked all the time.
    #[must_use]
    pub fn refuses(&self) -> Option<&str> {
        let meanwhile = || if self.lacks_room() { Some(NO_ROOM) } else { self.lacks_file().then_some(GONE) };
        self.poisoned().or_else(meanwhile)
    }

    /// What a reply becomes whose barrier may never come: for the same reasons. What it tells of may be done or not.
    #[must_use]
    pub fn withholds(&self) -> Option<&str> {
        self.poisoned().or_else(|| self.lacks_room().then_some(WAITS_FOR_ROOM))
    }

    fn lacks_file(&self) -> bool {
        self.durability.as_ref().is_some_and(|d| d.wal.lacks_file())
    }

    fn lacks_room(&self) -> bool {
        self.durability.as_ref().is_some_and(|d| d.wal.lacks_room())
    }

    /// The error reply for writes once the log has failed, until a restart.
    #[must_use]
    pub fn poisoned(&self) -> Option<&str> {
        let durability = self.durability.as_ref()?;
        if !durability.wal.has_failed() {
            return None;
        }
        let text = durability.failure.get_or_init(|| {
            let why = durability.wal.poisoned().map_or_else(String::new, |why| why.to_string());
            format!("MISCONF the log has failed: {why}").replace(['\r', '\n'], " ")
        });
        Some(text)
    }

    /// Replies with barriers up to here may leave.
    #[must_use]
    pub fn durable(&self) -> Lsn {
        self.durability.as_ref().map_or(NEVER, |d| d.wal.durable())
    }

    /// True while so much waits for the log that writing commands should wait too. Where there is no room for it they are
    /// refused instead.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        !self.lacks_room() && self.durability.as_ref().is_some_and(|d| d.wal.backlog() > self.log_backlog)
    }

    /// Bytes of keys, values, rows and graphs, of codes that were begun and given up, and of what
    /// [`Engine::snapshot_memory`] counts.
    #[must_use]
    pub fn used_memory(&self) -> usize {
        self.store.keyspace.bytes() + self.store.given_up() + self.snapshot_memory()
    }

    /// The engine's own work of one turn: forgets what has become durable, takes keys whose time has come, and walks
    /// on for a running snapshot. True while there is more to do at once.
    pub fn tick(&mut self) -> bool {
        if let Some(durability) = &mut self.durability {
            durability.unsynced.advance(durability.wal.durable());
        }
        let busy = self.expire_some();
        self.tick_changes();
        if let Some(durability) = &mut self.durability
            && std::mem::take(&mut durability.appended)
        {
            durability.wal.kick();
        }
        let saving = self.tick_snapshot();
        busy || saving
    }

    /// What has gathered to be dropped by a worker.
    pub fn take_garbage(&mut self) -> Option<Job> {
        let garbage = self.store.take_garbage();
        if garbage.is_empty() { None } else { Some(Job(job::Kind::Drop(garbage))) }
    }

    /// A slice of a sweep that a worker is to do. While one is under way its index is not to be checked; when it is done
    /// there may be another.
    pub fn take_sweep(&mut self) -> Option<Job> {
        let index = self.store.take_sweep()?;
        Some(Job(job::Kind::Sweep { index, budget: self.store.options.sweep_slice }))
    }

    /// Bytes of the free places of the index `key`, which are among [`Engine::used_memory`].
    pub fn free_bytes(&self, key: &[u8]) -> usize {
        self.store.free_bytes(key)
    }

    /// True while inserts into the index `key` should wait for its sweep: more of it is dead than alive, by a bound.
    #[must_use]
    pub fn is_overgrown(&self, key: &[u8]) -> bool {
        self.store.is_overgrown(key)
    }

    /// True while a slice of a sweep is under way.
    #[must_use]
    pub fn is_sweeping(&self) -> bool {
        self.store.is_sweeping()
    }

    /// Checks what holds between turns: the keyspace's tables, every index, and that nothing is left of a command.
    ///
    /// # Errors
    /// What does not hold.
    pub fn validate(&self) -> Result<(), String> {
        if self.depth != 0 || !self.record.is_empty() {
            return Err("a command was begun and not ended".to_owned());
        }
        self.store.validate()
    }
}

/// True unless the entry's time has come.
fn lives(entry: &Entry<Value>, now: u64) -> bool {
    entry.expire_at == 0 || entry.expire_at > now
}
