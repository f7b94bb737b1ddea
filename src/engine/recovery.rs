//! From a directory to a running engine: the newest snapshot through its map, then the log's records behind it, then
//! the links that neither carried.

use std::sync::Arc;
use std::time::Duration;

use super::directory::Directory;
use super::lookout::Lookout;
use super::mutation::Op;
use super::saving::{Saving, kind};
use super::snapshots::SnapshotPlan;
use super::store::{Store, StoreOptions};
use super::unsynced::Unsynced;
use super::value::{Value, VectorSet};
use super::watch::Watched;
use super::{Durability, Engine, Stats};
use crate::base::bytes::{DecodeError, Reader};
use crate::base::limits;
use crate::base::mark::{Mark, reached};
use crate::base::rng::Rng;
use crate::base::sync::{self, AtomicU64};
use crate::base::time::Mono;
use crate::env::{Backups, Clock, Console, Level, Storage, Waker};
use crate::index::{self, Index, RowId, Scratch};
use crate::snapshot::{self, Snapshot};
use crate::wal::{self, Lsn, Wal};

/// How an engine is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// When a write is acknowledged.
    pub tier: wal::Tier,
    /// Size at which a log segment is closed, in bytes.
    pub segment_bytes: u64,
    /// Zeros that are written ahead of the log's end, in bytes; see [`wal::Options::room`].
    pub log_room: u64,
    /// Entries that a running snapshot looks at in one turn at most; at least 1.
    pub snapshot_slice: usize,
    /// When snapshots are made unasked, and how they are written.
    pub snapshots: SnapshotPlan,
    /// Bytes waiting for the log thread above which [`Engine::is_behind`].
    pub log_backlog: usize,
    /// See [`wal::Options::spin`].
    pub spin: Duration,
    /// Threads that link rows during recovery.
    pub workers: usize,
    /// How often a start that recovers asks whether to go on.
    pub lookout: Duration,
    /// Keys that one turn removes because their time has come, at most; at least 1.
    pub expiries_per_turn: usize,
    /// How keys are found, and indexes made.
    pub store: StoreOptions,
    /// Decides random choices.
    pub seed: u64,
}

/// What recovery found and how long it took.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The snapshot's log position; none without one.
    pub snapshot: Option<Lsn>,
    /// Log records applied.
    pub records: u64,
    /// Bytes of torn tail that were cut.
    pub cut: u64,
    /// Keys of all kinds.
    pub keys: usize,
    /// Live vectors of all sets.
    pub vectors: usize,
    /// Rows that had to be linked.
    pub linked: usize,
    /// How long it took.
    pub took: Duration,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { records, cut, keys, vectors, linked, .. } = self;
        write!(f, "{keys} keys and {vectors} vectors recovered in {:.3} s", self.took.as_secs_f64())?;
        match self.snapshot {
            Some(lsn) => write!(f, " from the snapshot at LSN {} and {records} log records", lsn.0)?,
            None => write!(f, " from {records} log records")?,
        }
        if *linked > 0 {
            write!(f, ", {linked} vectors linked")?;
        }
        if *cut > 0 {
            write!(f, ", a torn tail of {cut} bytes cut")?;
        }
        Ok(())
    }
}

/// Why a directory was not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// It could not be. The text names the file and what can be done.
    Refused(String),
    /// Whoever was asked wanted it to end. The directory is as a crash would leave it.
    GivenUp,
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(why) => f.write_str(why),
            Self::GivenUp => f.write_str("it was told to finish before it had recovered"),
        }
    }
}

impl std::error::Error for OpenError {}

/// The doors that an engine needs.
pub struct Doors {
    /// The data directory; none for an engine that keeps nothing.
    pub storage: Option<Arc<dyn Storage>>,
    /// Where backups go; none where there are none.
    pub backups: Option<Arc<dyn Backups>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where to tell of progress.
    pub console: Arc<dyn Console>,
    /// Wakes the loop when the log or a snapshot has got somewhere.
    pub waker: Arc<dyn Waker>,
}

impl Engine {
    /// Recovers what the directory holds and starts the log, unless `asked` says meanwhile that it is to end.
    pub fn open(
        doors: Doors,
        options: &Options,
        asked: &mut dyn FnMut() -> bool,
    ) -> Result<(Self, Report), OpenError> {
        let start = doors.clock.now();
        let mut lookout = Lookout::new(asked, &doors.clock, options.lookout);
        let mut report = Report::default();
        let mut store = Store::new(options.store);
        store.saving = Saving::in_slices(options.snapshot_slice);
        let durability = match doors.storage {
            None => None,
            Some(storage) => Some(recover(
                (storage, doors.backups),
                &mut store,
                &doors.clock,
                doors.waker,
                options,
                (&*doors.console, &mut lookout),
                &mut report,
            )?),
        };
        let now = doors.clock.wall().millis();
        if store.keyspace.next_due().is_some_and(|(at, _)| at <= now) {
            reached(Mark::OverdueFound);
        }
        report.keys = store.keyspace.len();
        report.took = doors.clock.now().since(start);
        let engine = Self {
            store,
            durability,
            now,
            clock: doors.clock,
            rng: Rng::stream(options.seed, "engine"),
            record: Vec::new(),
            max_record: limits::MAX_RECORD,
            depth: 0,
            failed: None,
            log_backlog: options.log_backlog,
            expiries_per_turn: options.expiries_per_turn,
            changes: 0,
            watched: Watched::default(),
            stats: Stats::default(),
            last_change: 0,
            changed: std::collections::VecDeque::new(),
        };
        Ok((engine, report))
    }
}

fn recover(
    (storage, backups): (Arc<dyn Storage>, Option<Arc<dyn Backups>>),
    store: &mut Store,
    clock: &Arc<dyn Clock>,
    waker: Arc<dyn Waker>,
    options: &Options,
    (console, lookout): (&dyn Console, &mut Lookout<'_>),
    report: &mut Report,
) -> Result<Durability, OpenError> {
    let storage: Arc<dyn Storage> = Arc::new(Directory::new(storage));
    let (snapshot, recovered) = read(&storage, store, lookout, report)?;
    let saved_bytes = snapshot.as_ref().map_or(0, |snapshot| snapshot.bytes);
    // What is left takes not long, but for the linking.
    let refuse = |e: &dyn std::fmt::Display| OpenError::Refused(e.to_string());
    // Where the log leads up to what the snapshot holds, the snapshot may be lost: what it covers stays (see below).
    if let Some(snapshot) = snapshot.filter(|_| recovered.rests_on_snapshot()) {
        reached(Mark::SnapshotNamedAnew);
        let named = snapshot.name_anew(&*storage);
        named.map_err(|e| refuse(&format!("making the name of {} durable: {e}", snapshot.file)))?;
    }
    let mut stays = wal::repair(&*storage, &recovered).map_err(|e| refuse(&e))?;
    report.records = recovered.records;
    let torn = recovered.cut.as_ref().filter(|_| recovered.case != wal::Case::Room);
    report.cut = torn.map_or(0, |cut| cut.bytes);
    link_all(store, options.workers, (console, lookout), report)?;
    // What the snapshot covers stays until this life has written one of its own: an earlier life's may owe its name to a
    // sync of the directory that failed, after which syncing again proves nothing.
    let swept = snapshot::remove_stale(&*storage, Lsn(0));
    stays.extend(swept.map_err(|e| refuse(&format!("removing what earlier snapshots left: {e}")))?);
    for why in stays {
        console.line(Level::Warning, &format!("{why}; an unfinished write left it, and it only takes space"));
    }
    let Options { tier, segment_bytes, log_room: room, log_backlog: backlog, spin, seed, .. } = *options;
    let covers = snapshot::newest_among;
    let kept = wal::Options { tier, segment_bytes, room, backlog, spin, covers, seed };
    let wal = Wal::start(Arc::clone(&storage), &recovered, kept, Arc::clone(clock), Arc::clone(&waker));
    let wal = wal.map_err(|e| refuse(&format!("starting the log: {e}")))?;
    Ok(Durability {
        storage,
        wal,
        waker,
        unsynced: Unsynced::default(),
        backups,
        wanted: std::collections::VecDeque::new(),
        logged: recovered.bytes,
        before: super::snapshots::Before::default(),
        retry: super::snapshots::Retry::default(),
        saved_bytes,
        plan: options.snapshots,
        weighed: Mono::default(),
        snapshots: 0,
        last_saved: None,
        finished: std::collections::VecDeque::new(),
        appended: false,
        lost: false,
        finishing: false,
        failure: std::sync::OnceLock::new(),
    })
}

/// Fills `store` with what the directory holds. Changes nothing there.
fn read(
    storage: &Arc<dyn Storage>,
    store: &mut Store,
    lookout: &mut Lookout<'_>,
    report: &mut Report,
) -> Result<(Option<Snapshot>, wal::Recovered), OpenError> {
    let opened = snapshot::open_newest_unless(&**storage, &mut || lookout.is_over());
    let snapshot = opened.map_err(|e| lookout.refuse(&e))?;
    if let Some(snapshot) = &snapshot {
        let loaded = load(snapshot, store, &mut || lookout.is_over());
        loaded.map_err(|e| lookout.refuse(&format!("{}: {e}", snapshot.file)))?;
        reached(Mark::SnapshotLoaded);
        report.snapshot = Some(snapshot.lsn);
    }
    let after = report.snapshot.unwrap_or_default();
    let mut apply = |lsn, payload: &[u8]| {
        if lookout.is_over() { Err(TOLD.to_owned()) } else { replay(store, lsn, payload) }
    };
    let recovered = wal::survey(&**storage, after, &mut apply);
    let recovered = recovered.map_err(|e| lookout.refuse(&e))?;
    Ok((snapshot, recovered))
}

/// Why a part of a recovery did not come to its end; nobody reads it.
const TOLD: &str = "it was told to stop";

/// Applies one record: all of its operations, or an error that says which one did not fit.
pub(super) fn replay(store: &mut Store, lsn: Lsn, payload: &[u8]) -> Result<(), String> {
    let mut r = Reader::new(payload);
    let mut number = 0;
    // Nobody reads or links until the log has come to its end.
    store.alone = true;
    let mut done = Ok(());
    while !r.is_empty() && done.is_ok() {
        number += 1;
        let op = Op::decode(&mut r).map_err(|e| e.to_string());
        done = op.and_then(|op| store.apply(&op, lsn).map(drop));
    }
    store.alone = false;
    done.map_err(|e| {
        reached(Mark::RecordRefused);
        format!("operation {number}: {e}")
    })?;
    if number > 1 {
        reached(Mark::WideRecordReplayed);
    }
    drop(store.take_garbage());
    Ok(())
}

/// Fills `store` from a snapshot. Ends early, with an error, where `stop` says so between two of its parts.
pub(super) fn load(
    snapshot: &Snapshot,
    store: &mut Store,
    stop: &mut dyn FnMut() -> bool,
) -> Result<(), String> {
    let mut sections = snapshot.sections().peekable();
    let (mut entries, mut sets) = (0, 0);
    while let Some(section) = sections.next() {
        if stop() {
            return Err(TOLD.to_owned());
        }
        match section.kind {
            kind::STRINGS => entries += load_strings(&section.bytes, store).map_err(|e| e.to_string())?,
            kind::SET => {
                let mut parts = Vec::new();
                while let Some(part) = sections.next_if(|s| kind::of_index(s.kind).is_some()) {
                    parts.extend(kind::of_index(part.kind).map(|kind| index::Section {
                        kind,
                        meta: part.meta.to_vec(),
                        payload: part.bytes.clone(),
                    }));
                }
                load_set(&section.meta, &parts, store)?;
                sets += 1;
            }
            kind::END => {
                let mut r = Reader::new(&section.meta);
                let whole = r.u64() == Ok(entries) && r.u64() == Ok(sets);
                return if whole { Ok(()) } else { Err("its counts do not agree with its end".to_owned()) };
            }
            other => return Err(format!("unknown section kind {other}")),
        }
    }
    Err("it has no end section".to_owned())
}

fn load_strings(payload: &[u8], store: &mut Store) -> Result<u64, DecodeError> {
    let mut r = Reader::new(payload);
    let mut entries = 0;
    while !r.is_empty() {
        let expire_at = r.u64()?;
        let (key, value) = (r.string()?, r.string()?);
        store.keyspace.insert(key, Value::String(value.to_vec()), expire_at, 0);
        entries += 1;
    }
    Ok(entries)
}

fn load_set(meta: &[u8], parts: &[index::Section], store: &mut Store) -> Result<(), String> {
    let mut r = Reader::new(meta);
    let mut head = || Ok::<_, DecodeError>((r.u64()?, r.string()?));
    let (expire_at, key) = head().map_err(|e| e.to_string())?;
    let opened = index::Writer::open(parts, store.options.kernels).map_err(|e| e.to_string())?;
    store.sweep_later(Arc::clone(opened.writer.index()));
    let set = VectorSet { writer: opened.writer, last: Arc::default() };
    store.keyspace.insert(key, Value::Vectors(Box::new(set)), expire_at, 0);
    Ok(())
}

/// Links every row that is not in its graph yet, on `workers` threads.
fn link_all(
    store: &Store,
    workers: usize,
    (console, lookout): (&dyn Console, &mut Lookout<'_>),
    report: &mut Report,
) -> Result<(), OpenError> {
    let mut rows: Vec<(Arc<Index>, RowId)> = Vec::new();
    let mut cursor = 0;
    loop {
        cursor = store.keyspace.scan(cursor, 1024, &mut |entry| {
            if let Value::Vectors(set) = &entry.value {
                report.vectors += set.writer.len();
                let index = set.writer.index();
                let unlinked = (0..index.rows() as u32).map(RowId).filter(|row| !index.is_linked(*row));
                rows.extend(unlinked.map(|row| (Arc::clone(index), row)));
            }
        });
        if cursor == 0 {
            break;
        }
    }
    report.linked = rows.len();
    if !rows.is_empty() {
        reached(Mark::RowsLinked);
    }
    if rows.len() > 10_000 {
        console.line(Level::Notice, &format!("linking {} vectors that no snapshot carries", rows.len()));
    }
    let failed = |e: &dyn std::fmt::Display| OpenError::Refused(format!("linking recovered vectors: {e}"));
    let (rows, next) = (Arc::new(rows), Arc::new(AtomicU64::new(0)));
    let mut threads = Vec::new();
    for number in 1..workers.min(rows.len()) {
        let (rows, next) = (Arc::clone(&rows), Arc::clone(&next));
        reached(Mark::RowsLinkedTogether);
        let thread = sync::spawn(&format!("linker {number}"), move || link_some(&rows, &next, &mut || false));
        threads.push(thread.map_err(|e| failed(&e))?);
    }
    link_some(&rows, &next, &mut || lookout.is_over());
    // Whatever the others have begun they end.
    threads.into_iter().try_for_each(|thread| thread.join()).map_err(|e| failed(&e))?;
    if lookout.has_heard() { Err(lookout.refuse(&TOLD)) } else { Ok(()) }
}

/// Links rows until there are no more, or `stop` says so: then nobody begins another.
fn link_some(rows: &[(Arc<Index>, RowId)], next: &AtomicU64, stop: &mut dyn FnMut() -> bool) {
    let mut scratch = Scratch::default();
    while let Some((index, row)) = rows.get(next.fetch_add(1) as usize) {
        if stop() {
            next.store(rows.len() as u64);
            return;
        }
        index.link(*row, &mut scratch);
    }
}
