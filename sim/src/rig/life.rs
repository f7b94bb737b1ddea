//! One life: a machine is put together, the server runs on it, clients talk to it, and it ends.

use std::sync::Arc;

use engram::base::rng::Rng;
use engram::env::Machine;

use super::{Rig, cast};
use crate::client::Town;
use crate::clock;
use crate::disk::{Disk, SimStorage};
use crate::faults::Faults;
use crate::net::{self, Wire};
use crate::oracle::Oracle;
use crate::plan::{Life, Plan};
use crate::scheduler::{Ended, Outcome, Scheduler};
use crate::shared::Shared;
use crate::trace::Trace;

/// Virtual nanoseconds without a byte in either direction, while answers are due, that count as silence.
const PATIENCE: u64 = 60_000_000_000;

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
}

/// A life that was played.
<<<<<<< HEAD
pub(super) struct Lived {
    pub(super) ended: Ended,
    pub(super) disk: Disk,
    /// Why the server refused to start, where it may: what had been promised is damaged.
    pub(super) refused: Option<String>,
    /// Whether the life met any fault that was planned.
    pub(super) faultless: bool,
}

/// The clients of a life, and what happens when they are through.
struct Cast {
    scheduler: Scheduler,
    wire: Wire,
    ending: Ending,
    clients: Vec<Client>,
    busy: usize,
=======
pub(crate) struct Lived {
    pub(crate) ended: Ended,
    pub(crate) disk: Disk,
>>>>>>> main
}

impl Stage<'_> {
    pub(crate) fn play(self, plan: &Plan, rig: &Rig, mut trace: Trace, now: u64) -> Lived {
        let Self { name, life, disk, oracle } = self;
        let stream = |what: &str| Rng::stream(plan.seed, &format!("{what} {name}"));
        let thread: Arc<str> = Arc::from("rig");
        trace.add(now, &thread, "life", name, [0; 3]);
        let scheduler = Scheduler::new(life.threads.clone(), stream("schedule"), trace, now, &rig.pool);
        let faults = Arc::new(Shared::new(Faults::new(&life.faults)));
        let hearing = Arc::clone(&faults);
        scheduler.when_disturbed(move |disturbance| hearing.lock().disturbed(disturbance));
        let storage = disk.attach(&scheduler, &faults, life.latency, rig.sabotage, stream("disk"));
        let (net, wire) =
            net::network(life.net.clone(), &scheduler, &faults, rig.net_sabotage, stream("net"));
        let machine = Machine {
            storage: Some(Arc::clone(&storage) as Arc<dyn engram::env::Storage>),
            net: Box::new(net),
            clock: clock::clock(&scheduler),
            console: clock::console(&scheduler),
            host: Box::new(clock::SimHost),
            seed: stream("machine").next_u64(),
        };
        let cast = match oracle {
            None => None,
            Some(oracle) => {
                oracle.lock().begin(&faults);
<<<<<<< HEAD
                Some(cast(life, (&scheduler, &wire), &storage, &oracle, &stream))
=======
                let town = town(plan, life, &scheduler, &wire);
                Some(cast::cast(life, &town, &oracle, &stream))
>>>>>>> main
            }
        };
        let (inside, outside, excused) = (scheduler.clone(), wire.clone(), Arc::clone(&faults));
        let (body, server) = (Arc::clone(&rig.body), plan.server.clone());
        let inspector = cast.as_ref().map(|(_, inspector)| inspector.clone());
        let refused = Arc::new(Shared::new(None));
        let refusal = Arc::clone(&refused);
        let ended = scheduler.run(move || {
            if let Some(inspector) = &inspector {
                inspector.start();
            }
            let failed = || excused.lock().harmed_storage();
            match body(machine, &server) {
                Ok(()) if outside.open_connections() > 0 => {
                    inside.fail("the server finished with connections open")
                }
                Ok(()) if outside.is_shut_down() || failed() => {}
                Ok(()) => inside.fail("the server finished though nobody had asked it to"),
                Err(what) if failed() => inside.note("server", &what, [0; 3]),
                Err(what) if what.starts_with(REFUSING) && excused.lock().blame.refusal => {
                    inside.note("refused", &what, [0; 3]);
                    *refusal.lock() = Some(what);
                }
                Err(what) => inside.fail(&format!("the server gave up: {what}")),
            }
        });
        if let Some((cast, inspector)) = cast {
            inspector.abandon(ended.now);
            cast::dismiss(&cast, ended.now);
        }
        wire.clear();
        let disk = storage.take(ended.outcome == Outcome::Returned);
        let refused = refused.lock().take();
        let faultless = faults.lock().fired().is_empty();
        Lived { ended, disk, refused, faultless }
    }
}

<<<<<<< HEAD
type Ensemble = (Arc<Shared<Cast>>, Client);

/// The inspector, which starts everyone else when it has seen all, and the plan's clients.
fn cast(
    life: &Life,
    ties: (&Scheduler, &Wire),
    storage: &Arc<SimStorage>,
    oracle: &Arc<Shared<Oracle>>,
    stream: &dyn Fn(&str) -> Rng,
) -> Ensemble {
    let (scheduler, wire) = ties;
    let cast = Arc::new(Shared::new(Cast {
        scheduler: scheduler.clone(),
        wire: wire.clone(),
        ending: life.ending,
        clients: Vec::new(),
        busy: 0,
    }));
    for (number, client) in life.clients.iter().enumerate() {
        let script = Script::new(Who::Client(number), oracle, client.ops.clone());
        let theirs = Arc::clone(&cast);
        let done = move |_| one_less(&theirs);
        let rng = stream(&format!("client {number}"));
        let client = Client::new(ties, client.clone(), script, rng, done);
        cast.lock().clients.push(client);
    }
    let theirs = Arc::clone(&cast);
    // What nobody could look at, nobody can judge: then the life ends here.
    let storage = Arc::clone(storage);
    let inspected = move |satisfied| {
        if satisfied {
            storage.settle();
            begin(&theirs);
        } else {
            end(&theirs);
        }
    };
    let script = Script::new(Who::Inspector, oracle, Vec::new());
    let calm = ClientPlan {
        depth: 16,
        gap: 1_000,
        send: 4_096,
        receive: 1 << 20,
        ops: Vec::new(),
        breaks: Vec::new(),
    };
    let inspector = Client::new(ties, calm, script, stream("inspector"), inspected);
    (cast, inspector)
}

/// The inspection is over: the plan's clients begin.
fn begin(cast: &Arc<Shared<Cast>>) {
    let mut held = cast.lock();
    held.busy = held.clients.len();
    let clients = held.clients.clone();
    drop(held);
    clients.iter().for_each(Client::start);
    if clients.is_empty() {
        end(cast);
    }
}

fn one_less(cast: &Arc<Shared<Cast>>) {
    let mut held = cast.lock();
    held.busy -= 1;
    let last = held.busy == 0;
    drop(held);
    if last {
        end(cast);
    }
}

/// Everyone is through: the life ends as the plan has it.
fn end(cast: &Arc<Shared<Cast>>) {
    let held = cast.lock();
    let (scheduler, wire, ending) = (held.scheduler.clone(), held.wire.clone(), held.ending);
    drop(held);
    if ending == Ending::Shutdown {
        wire.shutdown();
        let watching = scheduler.clone();
        scheduler.later(FINISHING, move || {
            let report = watching.report();
            watching.fail(&format!("the server does not finish\n{report}"));
        });
    } else {
        scheduler.crash();
=======
/// What everyone who talks to the server has to know.
fn town(plan: &Plan, life: &Life, scheduler: &Scheduler, wire: &Wire) -> Town {
    Town {
        scheduler: scheduler.clone(),
        wire: wire.clone(),
        server: plan.server.clone(),
        capacity: life.net.capacity,
        latency: life.net.latency,
        patience: PATIENCE,
>>>>>>> main
    }
}
