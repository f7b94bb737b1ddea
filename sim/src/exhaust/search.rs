//! The search of one workload: crash, image, recovery, and crash again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::crashes::{Crash, calls, crashes};
use super::images::choices;
use super::workloads::{Prelude, Workload};
use super::{Case, Row, Scope};
use crate::clock::wall_millis;
use crate::disk::{Choice, Disk, Latency, Loss};
use crate::faults::Call;
use crate::oracle::Oracle;
use crate::plan::{ClientPlan, Ending, Life, Op, Plan};
use crate::rig::{Lived, Rig, Stage};
use crate::scheduler::{Outcome, Strategy};
use crate::shared::Shared;
use crate::trace::Trace;

/// So many violations end a search: what comes behind them is mostly the same again.
const ENOUGH: usize = 5;

/// What a case violated.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which case.
    pub case: Case,
    /// What was violated.
    pub what: String,
    /// The crashes and the images on the way to it, in words.
    pub story: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "case {}: {} ({})", self.case, self.what.replace('\n', " | "), self.story.join("; "))
    }
}

/// A stopped world: the disk, what the oracle knows, and the time.
#[derive(Clone)]
struct Scene {
    disk: Disk,
    oracle: Arc<Oracle>,
    now: u64,
}

/// A life that was lived, and the world behind it.
struct After {
    outcome: Outcome,
    trace: Trace,
    scene: Scene,
}

/// The way to a scene.
#[derive(Clone, Default)]
struct Way {
    case: Case,
    story: Vec<String>,
}

impl Way {
    fn then(&self, (crash, text): (usize, &str), (image, what): (usize, String)) -> Self {
        let mut story = self.story.clone();
        story.push(format!("crash {text}"));
        story.push(what);
        Self { case: self.case.then(crash, image), story }
    }
}

struct Search<'a> {
    rig: &'a Rig,
    workload: &'a Workload,
    scope: &'a Scope,
    plan: Plan,
    /// Images that were judged, with what the oracle knew of the past, and how many crashes were allowed for.
    judged: BTreeMap<(u64, u64, usize, u64), u32>,
    row: Row,
}

/// Searches one part of the workload's crashes.
pub(super) fn search(rig: &Rig, workload: &Workload, scope: &Scope, (part, parts): (usize, usize)) -> Row {
    let plan = Plan { server: workload.server.clone(), ..Plan::default() };
    let row = Row { name: workload.name, ..Row::default() };
    let mut search = Search { rig, workload, scope, plan, judged: BTreeMap::new(), row };
    let mut scene = Scene { disk: Disk::default(), oracle: Arc::new(Oracle::new(1)), now: 0 };
    for prelude in &workload.preludes {
        scene = search.prelude(scene, prelude);
    }
    let whole = search.live("workload", &scene, &search.script(&workload.ops, None), true);
    let moments = crashes(&whole.trace, false);
    if part == 0 {
        search.row.calls = calls(&whole.trace);
        search.row.points = moments.len();
    }
    let range = moments.len() * part / parts..moments.len() * (part + 1) / parts;
    for (number, moment) in moments.iter().enumerate().take(range.end).skip(range.start) {
        if search.is_wanted(number) && search.row.violations.len() < ENOUGH {
            search.crash(&scene, number, moment);
        }
    }
    search.row
}

impl Search<'_> {
    /// Whether the only case, if there is one, begins with this crash.
    fn is_wanted(&self, crash: usize) -> bool {
        self.scope.only.as_ref().is_none_or(|only| only.steps.first().is_some_and(|step| step.0 == crash))
    }

    fn leads_on(&self, case: &Case) -> bool {
        self.scope.only.as_ref().is_none_or(|only| case.leads_to(only))
    }

    /// Runs a life that prepares the workload's disk.
    fn prelude(&mut self, scene: Scene, prelude: &Prelude) -> Scene {
        let script = self.script(&prelude.ops, None);
        let whole = self.live("prelude", &scene, &script, true);
        let mut after = if prelude.torn {
            let torn = |crash: &&Crash| crash.fault.is_some_and(|planned| planned.call == Call::WriteAt);
            let moments = crashes(&whole.trace, true);
            let Some(last) = moments.iter().rev().find(torn) else { return whole.scene };
            self.live("prelude", &scene, &self.script(&prelude.ops, Some(last)), true).scene
        } else {
            whole.scene
        };
        after.disk.power_loss(Loss::None, &mut |_| 0);
        after
    }

    /// Stops the workload at `moment`, and judges every image that is possible then.
    fn crash(&mut self, scene: &Scene, number: usize, moment: &Crash) {
        let life = self.script(&self.workload.ops, Some(moment));
        let After { outcome, trace, scene } = self.live("workload", scene, &life, self.scope.only.is_some());
        let expected = if moment.fault.is_some() { Outcome::Crashed } else { Outcome::Returned };
        if outcome != expected {
            let way = Way::default().then((number, &moment.text), (0, "before it".to_owned()));
            self.violated(&way, outcome, &trace);
            return;
        }
        self.leave(&scene, &Way::default(), (number, &moment.text), self.scope.depth);
    }

    /// Counts an image. Says whether it is to be judged, and whether crashes of its recovery are to be tried: not if
    /// that has been done with an oracle that knew as much, and `depth` crashes or more.
    fn meet(&mut self, scene: &Scene, depth: u32) -> (bool, bool) {
        self.row.tried += 1;
        let image = scene.disk.fingerprint();
        self.row.images.insert(image);
        let (answers, unknown) = scene.oracle.progress();
        let millis = if self.workload.expires { wall_millis(scene.now) } else { 0 };
        let before = self.judged.entry((image, answers, unknown, millis)).or_default();
        let (unknown, deeper) = (*before == 0, *before < depth && depth > 1);
        *before = depth.max(*before);
        (unknown, deeper)
    }

    /// Recovers an image under the eyes of the oracle, and then twice without; false after a violation.
    fn judge(&mut self, scene: &Scene, way: &Way) -> bool {
        let verified = self.live("verified", scene, &self.script(&[], None), self.scope.only.is_some());
        if self.scope.only.as_ref() == Some(&way.case) {
            self.row.trace = verified.trace.events().iter().map(ToString::to_string).collect();
        }
        if matches!(verified.outcome, Outcome::Failed(_)) {
            return self.violated(way, verified.outcome, &verified.trace);
        }
        let once = self.recover(scene, None, false);
        let twice = self.recover(&once.scene, None, false);
        for after in [&once, &twice] {
            if matches!(after.outcome, Outcome::Failed(_)) {
                return self.violated(way, after.outcome.clone(), &after.trace);
            }
        }
        if once.scene.disk.contents() != twice.scene.disk.contents() {
            let what =
                format!("recovering twice changes {}", difference(&once.scene.disk, &twice.scene.disk));
            return self.violated(way, Outcome::Failed(what), &twice.trace);
        }
        true
    }

    /// Stops the recovery of `scene` wherever it changes something, and judges every image that is possible then.
    fn crash_recovery(&mut self, scene: &Scene, way: &Way, depth: u32) {
        let whole = self.recover(scene, None, true);
        for (number, moment) in crashes(&whole.trace, true).iter().enumerate() {
            let text = format!("of recovery {}", moment.text);
            if moment.fault.is_none() {
                self.leave(&whole.scene, way, (number, &text), depth);
                continue;
            }
            let stopped = self.recover(scene, Some(moment), false);
            if stopped.outcome == Outcome::Crashed {
                self.leave(&stopped.scene, way, (number, &text), depth);
            } else {
                let way = way.then((number, &text), (0, "before it".to_owned()));
                self.violated(&way, stopped.outcome, &stopped.trace);
            }
        }
    }

    /// Judges all that may be left of a scene behind crash `number`, and only then, if `depth` allows for more, what
    /// may be left of that by a crash of its recovery.
    fn leave(&mut self, scene: &Scene, way: &Way, (number, text): (usize, &str), depth: u32) {
        let (choices, bounded) = choices(&scene.disk, self.scope.bound);
        self.row.bounded += usize::from(bounded);
        let mut deeper = Vec::new();
        for (image, choice) in std::iter::once(None).chain(choices.iter().map(Some)).enumerate() {
            if !self.leads_on(&way.case.then(number, image)) || self.row.violations.len() >= ENOUGH {
                continue;
            }
            let mut left = scene.clone();
            match choice {
                None => left.disk.kill(),
                Some(choice) => left.disk = scene.disk.survivor(choice),
            }
            let (unknown, goes_on) = self.meet(&left, depth);
            if unknown || goes_on {
                let what = choice.map_or_else(|| "it is killed".to_owned(), |it| in_words(&scene.disk, it));
                let way = way.then((number, text), (image, what));
                if (!unknown || self.judge(&left, &way)) && goes_on {
                    deeper.push((left, way));
                }
            }
        }
        for (left, way) in deeper {
            if self.row.violations.len() < ENOUGH {
                self.crash_recovery(&left, &way, depth - 1);
            }
        }
    }

    /// Always false.
    fn violated(&mut self, way: &Way, outcome: Outcome, trace: &Trace) -> bool {
        let what = match outcome {
            Outcome::Failed(what) => what,
            other => format!("the life came to another end: {other:?}"),
        };
        if self.scope.only.as_ref() == Some(&way.case) {
            self.row.trace = trace.events().iter().map(ToString::to_string).collect();
        }
        self.row.violations.push(Violation { case: way.case.clone(), what, story: way.story.clone() });
        false
    }

    /// A life of the workload's client, stopped at `crash` or finished in order; without operations, of the inspector.
    fn script(&self, ops: &[Op], crash: Option<&Crash>) -> Life {
        let ending = if ops.is_empty() { Ending::Kill } else { Ending::Shutdown };
        let mut life = Life { ending, ..Life::default() };
        life.threads.strategy = Strategy::Calm;
        life.faults = crash.and_then(|crash| crash.fault).into_iter().collect();
        if !ops.is_empty() {
            life.clients = vec![ClientPlan {
                depth: self.workload.depth,
                gap: self.workload.gap,
                send: 1 << 20,
                receive: 1 << 20,
                ops: ops.to_vec(),
                ..ClientPlan::default()
            }];
        }
        life
    }

    /// Lives `life` on a copy of the scene, under the eyes of the oracle; `keep` says whether its events are kept.
    fn live(&mut self, name: &str, scene: &Scene, life: &Life, keep: bool) -> After {
        self.row.recoveries += u64::from(life.clients.is_empty());
        let oracle = Arc::new(Shared::new(Oracle::clone(&scene.oracle)));
        let stage = Stage {
            name,
            life,
            disk: scene.disk.clone(),
            oracle: Some(Arc::clone(&oracle)),
            refusable: false,
        };
        let Lived { ended, disk, .. } = stage.play(&self.plan, self.rig, Trace::new(keep), scene.now);
        let oracle = Arc::new(std::mem::take(&mut *oracle.lock()));
        let scene = Scene { disk, oracle, now: ended.now };
        After { outcome: ended.outcome, trace: ended.trace, scene }
    }

    /// Recovers a copy of the scene, up to `crash` if there is one, without a client. Time stands still: nothing
    /// expires, and the machine stops when the server waits.
    fn recover(&mut self, scene: &Scene, crash: Option<&Crash>, keep: bool) -> After {
        self.row.recoveries += 1;
        let mut life = Life { ending: Ending::Kill, latency: Latency::default(), ..Life::default() };
        life.threads.strategy = Strategy::Calm;
        life.threads.tick = 0;
        life.threads.stop_when_idle = true;
        life.faults = crash.and_then(|crash| crash.fault).into_iter().collect();
        let stage = Stage {
            name: "recovered",
            life: &life,
            disk: scene.disk.clone(),
            oracle: None,
            refusable: false,
        };
        let Lived { ended, disk, .. } = stage.play(&self.plan, self.rig, Trace::new(keep), scene.now);
        let scene = Scene { disk, oracle: Arc::clone(&scene.oracle), now: scene.now };
        After { outcome: ended.outcome, trace: ended.trace, scene }
    }
}

/// What the power loss leaves.
fn in_words(disk: &Disk, choice: &Choice) -> String {
    let (names, changes) = (disk.pending_names(), disk.pending_changes());
    let mut kept: Vec<String> = choice.names.iter().map(|&number| names[number].clone()).collect();
    kept.extend(choice.changes.iter().map(|(number, fate)| format!("{} ({fate:?})", changes[*number].text)));
    let of = names.len() + changes.len();
    format!("the power goes and leaves {} of {of} pending: {}", kept.len(), kept.join(", "))
}

/// The files that differ, with their sizes.
fn difference(a: &Disk, b: &Disk) -> String {
    let (a, b) = (a.contents(), b.contents());
    let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let size = |of: Option<&Vec<u8>>| of.map_or_else(|| "none".to_owned(), |bytes| bytes.len().to_string());
    let differ = names.into_iter().filter(|name| a.get(*name) != b.get(*name));
    let show = |name: &String| format!("{name} ({} bytes, then {})", size(a.get(name)), size(b.get(name)));
    differ.map(show).collect::<Vec<_>>().join(", ")
}
