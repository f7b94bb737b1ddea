//! One life: a machine is put together, the server runs on it, clients talk to it, and it ends.

use std::sync::Arc;

use engram::base::rng::Rng;
use engram::env::Machine;

use super::{Rig, cast};
use crate::client::Town;
use crate::clock;
use crate::disk::{Disk, LeftBackup, Listened, SimBackups, SimStorage, Told};
use crate::faults::{Fault, Faults, Planned};
use crate::net::{self, Wire};
use crate::oracle::Oracle;
use crate::plan::{Life, Plan};
use crate::scheduler::{Blow, CrashAt, Disturbance, Ended, Outcome, Scheduler};
use crate::shared::Shared;
use crate::trace::Trace;

/// Virtual nanoseconds without a byte in either direction, while answers are due, that count as silence where the plan makes
/// nothing late: a server that finishes may wait for so long for those who do not read, and everyone else with it.
const PATIENCE: u64 = 6_000_000_000;

/// Scheduling points that the work of all who are ready takes, before a thread of the server has its turn.
const WORK: u64 = 100_000;

/// Calls of the disk and waits, each twice as long as usual at most, that come between a write and its sync.
const CALLS: u64 = 16;

/// Virtual nanoseconds for which threads that are ready may keep another from its turn, at least.
const BUSY: u64 = 100_000_000;

/// Shares of a client between two looks of the loop at its sockets: one, and one behind each search that the loop does itself.
const SHARES: u64 = 9;

/// How a server begins that tells why it does not start.
const REFUSING: &str = "start: ";

/// A life about to be played.
pub(crate) struct Stage<'a> {
    /// Names it in reports and in its random streams.
    pub(crate) name: &'a str,
    pub(crate) life: &'a Life,
    pub(crate) disk: Disk,
    /// Who judges it; without a judge nobody connects.
    pub(crate) oracle: Option<Arc<Shared<Oracle>>>,
    /// The start may be refused whatever has become of the disk.
    pub(crate) refusable: bool,
}

/// A life that was played.
pub(crate) struct Lived {
    pub(crate) ended: Ended,
    pub(crate) disk: Disk,
    /// Backups that were begun.
    pub(crate) backups: Vec<LeftBackup>,
    /// Why the server refused to start, where it may: what had been promised is damaged.
    pub(crate) refused: Option<String>,
    /// A signal came while the server had not begun to serve.
    pub(crate) turned_back: bool,
    /// Whether the life met any fault that was planned.
    pub(crate) faultless: bool,
    /// What the doors of the data directory have told the server.
    pub(crate) told: Told,
    /// How the server has come to its end.
    pub(crate) end: End,
    /// What the plan had in store for it and never came.
    pub(crate) unmet: Vec<String>,
}

impl Stage<'_> {
    pub(crate) fn play(self, plan: &Plan, rig: &Rig, mut trace: Trace, now: u64) -> Lived {
        let Self { name, life, disk, oracle, refusable } = self;
        let stream = |what: &str| Rng::stream(plan.seed, &format!("{what} {name}"));
        let thread: Arc<str> = Arc::from("rig");
        trace.add(now, &thread, "life", name, [0; 3]);
        let scheduler = Scheduler::new(life.threads.clone(), stream("schedule"), trace, now, &rig.pool);
        let faults = Arc::new(Shared::new(Faults::new(&life.faults)));
        let hearing = Arc::clone(&faults);
        scheduler.when_disturbed(move |disturbance| hearing.lock().disturbed(disturbance));
        scheduler.allow(work(plan));
        scheduler.allow_commands(SHARES * plan.server.shares().commands_per_turn as u64);
        let storage = disk.attach(&scheduler, &faults, life.latency, rig.sabotage, stream("disk"));
        faults.lock().blame.refusal |= refusable;
        let backups = plan
            .backs_up()
            .then(|| SimBackups::new(&scheduler, life.latency, rig.sabotage, stream("backups")));
        let (net, wire) = net::network(
            life.net.clone(),
            &scheduler,
            &faults,
            (rig.net_sabotage, &life.clock),
            stream("net"),
        );
        let offset = Arc::new(Shared::new(oracle.as_ref().map_or(0, |oracle| oracle.lock().clock_offset())));
        if let Some(oracle) = &oracle {
            disturb_time(&life.clock, &scheduler, oracle, &offset);
        }
        let machine = Machine {
            storage: Some(Arc::new(Listened::new(&storage, &scheduler, &faults))),
            backups: backups.clone().map(|backups| backups as Arc<dyn engram::env::Backups>),
            net: Box::new(net),
            clock: clock::clock(&scheduler, life.clock.grain, &offset),
            console: clock::console(&scheduler),
            host: Box::new(clock::SimHost),
            seed: stream("machine").next_u64(),
        };
        let cast = match oracle {
            None => None,
            Some(oracle) => {
                oracle.lock().begin(&faults);
                oracle.lock().grant_room(room_again(life));
                let town = Town {
                    audits: rig.audits && !plan.server.password,
                    ..town(plan, life, (&scheduler, &wire), (&storage, &oracle))
                };
                Some(cast::cast(life, &town, (&oracle, &storage), &stream))
            }
        };
        let (inside, outside, excused) = (scheduler.clone(), wire.clone(), Arc::clone(&faults));
        if let Some(at) = life.signal {
            let wire = wire.clone();
            scheduler.later(at, move || wire.shutdown());
        }
        let (body, server) = (Arc::clone(&rig.body), plan.server.clone());
        let inspector = cast.as_ref().map(|(_, inspector)| inspector.clone());
        let end = Arc::new(Shared::new(End::Open));
        let ending = Arc::clone(&end);
        let ended = scheduler.run(move || {
            if let Some(inspector) = &inspector {
                inspector.start();
            }
            let ended = body(machine, &server);
            *ending.lock() = End::of(ended, &inside, &outside, &excused);
        });
        if let Some((cast, inspector)) = cast {
            inspector.abandon(ended.now);
            cast::dismiss(&cast, ended.now);
        }
        wire.clear();
        let orderly = ended.outcome == Outcome::Returned;
        let disk = storage.take(orderly);
        let backups = backups.map(|backups| backups.take(orderly)).unwrap_or_default();
        let end = std::mem::replace(&mut *end.lock(), End::Open);
        let refused = if let End::Refused(why) = &end { Some(why.clone()) } else { None };
        let faults = faults.lock();
        let (faultless, unmet) = (faults.fired().is_empty(), unmet(life, &ended, &faults));
        let told = faults.told.clone();
        let turned_back = life.signal.is_some() && ended.trace.phase().is_start();
        Lived { ended, disk, backups, refused, turned_back, faultless, told, end, unmet }
    }
}

/// How a server has come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It has not, or not as it may.
    Open,
    /// It was asked to finish, and has.
    Finished,
    /// It was asked to, and could not close its log, for an error that its directory has told.
    Failed,
    /// It did not start, for an error that its directory has told.
    Unstarted,
    /// It did not start, since what had been promised is damaged.
    Refused(String),
}

impl End {
    /// Judges it. Whatever fails on the disk, a server that serves goes on until it is told to finish; and whoever gives up has
    /// to say because of what.
    fn of(ended: Result<(), String>, scheduler: &Scheduler, wire: &Wire, faults: &Shared<Faults>) -> Self {
        let Err(what) = ended else {
            if wire.open_connections() > 0 {
                scheduler.fail("the server finished with connections open");
            } else if !wire.is_shut_down() {
                scheduler.fail("the server finished though nobody had asked it to");
            }
            return Self::Finished;
        };
        let starting = what.starts_with(REFUSING);
        let held = faults.lock();
        let (told, refusable) = (held.told.ends(&what, starting), held.blame.refusal);
        drop(held);
        if told && (starting || wire.is_shut_down()) {
            scheduler.note("server", &what, [0; 3]);
            return if starting { Self::Unstarted } else { Self::Failed };
        }
        if starting && refusable {
            scheduler.note("refused", &what, [0; 3]);
            return Self::Refused(what);
        }
        scheduler.fail(&format!("the server gave up, for no error that its directory has told: {what}"));
        Self::Open
    }
}

/// What of the plan for a life never came, each as a line of the plan.
fn unmet(life: &Life, ended: &Ended, faults: &Faults) -> Vec<String> {
    let mut unmet = faults.unmet(&life.threads.disturbances);
    let disturbances = unmet.iter().filter(|line| line.starts_with("disturb ")).count() as u64;
    let choices = ended.unmatched.saturating_sub(disturbances);
    unmet.extend((choices > 0).then(|| format!("{choices} choices of its schedule")));
    let late = life.threads.crash.filter(|crash| match *crash {
        CrashAt::Step(step) => step > ended.steps,
        CrashAt::Call(call) => call > ended.calls,
    });
    unmet.extend(late.map(|crash| format!("crash {crash}")));
    unmet
}

/// How much the loop may do between two looks at its sockets, in the order of [`engram::base::mark::Work`].
fn work(plan: &Plan) -> [usize; 3] {
    /// Rows of the largest index that is dropped at once.
    const DROPPED: usize = 64;
    // A cursor looks at whole buckets. So many entries share one where there are few, and where there are more than keys.
    let sharing = if plan.server.table_bits < 9 { 16 } else { 6 };
    [plan.server.expiries_per_turn, sharing + plan.server.snapshot_slice, DROPPED]
}

/// Puts what happens to the time on the agenda.
fn disturb_time(
    settings: &clock::Settings,
    scheduler: &Scheduler,
    oracle: &Arc<Shared<Oracle>>,
    offset: &Arc<Shared<i64>>,
) {
    for &(at, micros) in &settings.jumps {
        let (setting, oracle, offset) = (scheduler.clone(), Arc::clone(oracle), Arc::clone(offset));
        scheduler.later(at, move || {
            let ahead = oracle.lock().clock_set(setting.now(), micros);
            *offset.lock() = ahead;
            setting.note("clock set", &micros.to_string(), [0; 3]);
        });
    }
    for &(at, nanos) in &settings.pauses {
        let pausing = scheduler.clone();
        scheduler.later(at, move || pausing.pause(nanos));
    }
}

/// Virtual nanoseconds that the plan lets the machine, or a thread, stand still.
fn lapses(life: &Life) -> u64 {
    let stall = |disturbance: &Disturbance| match disturbance.blow {
        Blow::Stall(nanos) => nanos,
        Blow::Panic => 0,
    };
    let stalls: u64 = life.threads.disturbances.iter().map(stall).sum();
    let pauses: u64 = life.clock.pauses.iter().map(|(_, nanos)| nanos).sum();
    stalls + pauses + life.clock.grain
}

/// Virtual nanoseconds by which what the server does by time may be late in all.
pub(super) fn slack(life: &Life) -> u64 {
    let slow = |planned: &Planned| if let Fault::Slow(nanos) = planned.fault { nanos } else { 0 };
    let slow: u64 = life.faults.iter().map(slow).sum();
    lapses(life)
        + slow
        + CALLS * (life.latency.sync + life.latency.transfer + life.clock.late)
        + BUSY.max(WORK * life.threads.tick)
}

/// Virtual nanoseconds without a byte in either direction, while answers are due, that count as silence. What is late may make
/// late what waits behind it: a batch behind another's sync, a client that comes back behind its old connection.
fn patience(life: &Life) -> u64 {
    let gap = life.clients.iter().map(|client| client.gap).max().unwrap_or(0);
    let way = life.net.latency + life.net.wake_delay;
    PATIENCE + 2 * slack(life) + 4 * gap + CALLS * way + WORK * life.threads.tick
}

/// Virtual nanoseconds within which the server has to find out that a full disk has room again: twice the time between two
/// attempts, and what makes those late.
fn room_again(life: &Life) -> u64 {
    const ATTEMPTS: u64 = 100_000_000;
    2 * (ATTEMPTS + slack(life)) + WORK * life.threads.tick
}

/// What everyone who talks to the server has to know.
fn town(
    plan: &Plan,
    life: &Life,
    (scheduler, wire): (&Scheduler, &Wire),
    (storage, oracle): (&Arc<SimStorage>, &Arc<Shared<Oracle>>),
) -> Town {
    Town {
        scheduler: scheduler.clone(),
        wire: wire.clone(),
        storage: Arc::clone(storage),
        oracle: Arc::clone(oracle),
        sound: !plan.harms_medium(),
        server: plan.server.clone(),
        weakest: plan.weakest(),
        capacity: life.net.capacity,
        room: life.net.capacity.max(net::Settings::default().capacity),
        latency: life.net.latency,
        audits: false,
        lapses: lapses(life),
        slack: slack(life),
        patience: patience(life),
    }
}
