//! An engine without a machine, for tests of what needs no disk.

mod backups;
mod expiry;
mod forms;
mod pace;
mod recovery;
mod searches;
mod snapshots;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

use super::command::lookup;
use super::mutation::{Op, SetConfig};
use super::store::Store;
use super::{Call, Doors, Engine, OpenError, Options, SnapshotPlan, StoreOptions};
use crate::base::hash::HashKey;
use crate::base::rng::Rng;
use crate::base::sync::AtomicU64;
use crate::base::time::{Mono, Wall};
use crate::env::{Clock, Console, Level, Storage, Waker};
use crate::kernels::Kernels;
use crate::resp::{OwnedArgs, Protocol};
use crate::wal::tests::disk::{MemDisk, Mishap};
use crate::wal::{Lsn, Tier};

/// A clock that a test sets, in Unix milliseconds.
pub(super) struct SetClock(pub(super) AtomicU64);

struct Silent;

impl Clock for SetClock {
    fn now(&self) -> Mono {
        Mono(self.0.load() * 1_000_000)
    }

    fn wall(&self) -> Wall {
        Wall(self.0.load() * 1_000)
    }
}

impl Console for Silent {
    fn line(&self, _: Level, _: &str) {}
    fn threshold(&self, _: Level) {}
}

impl Waker for Silent {
    fn wake(&self) {}
}

impl Engine {
    /// An engine that keeps nothing, at an arbitrary time.
    pub(super) fn in_memory() -> Self {
        Self::at(Arc::new(SetClock(AtomicU64::new(1_700_000_000_000))))
    }

    /// An engine that keeps nothing and goes by `clock`.
    pub(super) fn at(clock: Arc<SetClock>) -> Self {
        Self::on(None, clock)
    }

    /// An engine that keeps its data on this disk, if there is one.
    fn on(storage: Option<Arc<dyn Storage>>, clock: Arc<SetClock>) -> Self {
        match Self::try_on(storage, clock, (1 << 20, 0)) {
            Ok(engine) => engine,
            Err(e) => panic!("it does not open: {e}"),
        }
    }

    /// The same with segments of another size, and with room ahead of the log's end, if it opens.
    fn try_on(
        storage: Option<Arc<dyn Storage>>,
        clock: Arc<SetClock>,
        (segment_bytes, log_room): (u64, u64),
    ) -> Result<Self, OpenError> {
        let doors =
            Doors { storage, backups: None, clock, console: Arc::new(Silent), waker: Arc::new(Silent) };
        Self::open(doors, &options_for((segment_bytes, log_room)), &mut || false).map(|(engine, _)| engine)
    }
}

/// The settings of an engine with segments of a size, and room ahead of the log's end.
fn options_for((segment_bytes, log_room): (u64, u64)) -> Options {
    Options {
        tier: Tier::Always,
        segment_bytes,
        log_room,
        spin: Duration::ZERO,
        snapshots: SnapshotPlan::default(),
        log_backlog: crate::base::limits::LOG_BACKLOG,
        snapshot_slice: 256,
        workers: 1,
        lookout: Duration::ZERO,
        expiries_per_turn: 64,
        store: options(),
        seed: 1,
    }
}

/// The LSN that the reply of a command waits for.
fn barrier(engine: &mut Engine, command: &str) -> Lsn {
    let words = OwnedArgs::from_words(command.split(' ').map(str::as_bytes));
    let Some(super::command::Handler::Engine(handler)) = lookup(&words.args()[0]).map(|c| c.handler) else {
        panic!("{command} is the engine's");
    };
    let mut out = Vec::new();
    let mut call = Call::new(words.args(), Protocol::Resp2, &mut out);
    engine.execute(handler, &mut call);
    call.barrier
}

#[test]
fn no_list_tells_what_a_failed_log_has_refused() {
    let (disk, clock) = (MemDisk::default(), Arc::new(SetClock(AtomicU64::new(1_700_000_000_000))));
    let mut engine = Engine::on(Some(disk.arc()), Arc::clone(&clock));
    let first = barrier(&mut engine, "SET a 1");
    await_durable(&mut engine, first);
    assert_eq!(barrier(&mut engine, "DBSIZE"), Lsn(0), "all that was logged is durable");
    // The log fails, with nothing left to write but its own mark, while a command is under way.
    (disk.calls()..disk.calls() + 20).for_each(|call| disk.mishap(call, Mishap::Fail));
    engine.begin();
    clock.0.store(1_700_000_009_000);
    while engine.poisoned().is_none() {
        crate::base::sync::spawn("yield", || ()).unwrap().join().unwrap();
    }
    let refused = barrier(&mut engine, "SET b 2");
    engine.end();
    assert!(refused > first);
    for command in ["DBSIZE", "SCAN 0", "KEYS *", "RANDOMKEY", "GET b"] {
        assert!(barrier(&mut engine, command) > engine.durable(), "{command}");
    }
    assert!(barrier(&mut engine, "GET a") <= engine.durable(), "reads go on");
}

#[test]
fn no_weaker_tier_shows_what_a_failed_log_has_refused() {
    let (disk, clock) = (MemDisk::default(), Arc::new(SetClock(AtomicU64::new(1_700_000_000_000))));
    let mut engine = Engine::on(Some(disk.arc()), clock);
    let first = barrier(&mut engine, "SET a 1");
    await_durable(&mut engine, first);
    (disk.calls()..disk.calls() + 20).for_each(|call| disk.mishap(call, Mishap::Fail));
    let refused = barrier(&mut engine, "SET a 2");
    engine.tick();
    while engine.poisoned().is_none() {
        crate::base::sync::spawn("yield", || ()).unwrap().join().unwrap();
    }
    for tier in [Tier::Always, Tier::EverySecond, Tier::No] {
        engine.set_tier(tier);
        assert!(refused > engine.durable(), "{tier:?}");
        assert!(barrier(&mut engine, "GET a") > engine.durable(), "{tier:?}: the reply waits for ever");
    }
}

/// Waits until the log has made `lsn` durable.
fn await_durable(engine: &mut Engine, lsn: Lsn) {
    engine.tick();
    while engine.durable() < lsn {
        crate::base::sync::spawn("yield", || ()).unwrap().join().unwrap();
    }
}

#[test]
fn a_log_begins_behind_a_snapshot_only_when_its_name_is_durable_whatever_failed_before() {
    let clock = Arc::new(SetClock(AtomicU64::new(1_700_000_000_000)));
    let first = MemDisk::default();
    let mut engine = Engine::on(Some(first.arc()), Arc::clone(&clock));
    let lsn = barrier(&mut engine, "SET a 1");
    await_durable(&mut engine, lsn);
    engine.request_snapshot().unwrap();
    while engine.take_saved().is_none() {
        engine.tick();
    }
    engine.close().unwrap();
    let (name, bytes) = first.image().into_iter().find(|(name, _)| name.ends_with(".snap")).unwrap();

    // The same snapshot where the sync that should have kept its name failed, and the log never came to be.
    let failed = MemDisk::default();
    let file = failed.create_new("temporary").unwrap();
    file.write_at(&bytes, 0).unwrap();
    file.sync().unwrap();
    failed.rename("temporary", &name).unwrap();
    failed.mishap(failed.calls(), Mishap::Forget);
    failed.sync_dir().unwrap_err();

    let killed = failed.after_kill();
    let mut engine = Engine::on(Some(killed.arc()), Arc::clone(&clock));
    let lsn = barrier(&mut engine, "SET b 2");
    await_durable(&mut engine, lsn);
    let lost = killed.after_power_loss(&mut Rng::new(1));
    engine.close().unwrap();
    let engine = Engine::on(Some(lost.arc()), clock);
    assert_eq!(engine.store.keyspace.len(), 2, "what was shown and what was acknowledged");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test is about time")]
fn replaying_vectors_costs_the_same_for_each_however_many_wait_to_be_linked() {
    let index = options();
    let mut store = Store::new(index);
    let config = SetConfig { dim: 1, metric: 1, quant: 0, m: 4, ef_construction: 10, seed: 1 };
    store.apply(&Op::NewSet { key: b"i", config }, Lsn(1)).unwrap();
    let start = std::time::Instant::now();
    for n in 0..50_000_u32 {
        let vector = (n as f32).to_le_bytes();
        store
            .apply(&Op::PutVector { key: b"i", element: &n.to_le_bytes(), vector: &vector }, Lsn(2))
            .unwrap();
    }
    assert!(start.elapsed().as_secs() < 3, "it took {:?}", start.elapsed());
}

#[test]
fn a_record_with_an_impossible_index_is_refused_and_changes_nothing() {
    let index = options();
    let mut store = Store::new(index);
    let good = SetConfig { dim: 1, metric: 1, quant: 0, m: 4, ef_construction: 10, seed: 1 };
    let bad = [
        SetConfig { dim: 0, ..good },
        SetConfig { metric: 0, ..good },
        SetConfig { m: u32::MAX, ..good },
        SetConfig { ef_construction: 0, ..good },
    ];
    for config in bad {
        assert!(store.apply(&Op::NewSet { key: b"i", config }, Lsn(1)).is_err(), "{config:?}");
    }
    assert_eq!(store.keyspace.len(), 0);
}

fn options() -> StoreOptions {
    let (kernels, hash) = (Kernels::best(), HashKey::from_seed(1));
    StoreOptions {
        kernels,
        exact_below: 0,
        hash,
        table_bits: 1,
        sweep_from: 1,
        sweep_slice: 100,
        sweep_room: 100,
        scan_count: 1_000,
    }
}
