//! Running a plan: life after life of a server on one disk, each judged, each ended as the plan has it.
//!
//! Every life begins with an inspection: a client that reads every key and every vector, and an oracle that knows
//! what must, may and must not be there. Only then the plan's clients go on. After the plan's lives comes a calm one
//! that is inspected and finishes in order.

mod backups;
mod cast;
mod leaks;
mod life;
mod operator;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use engram::base::rng::Rng;
use engram::env::Machine;

pub(crate) use self::life::{End, Lived, Stage};
use crate::disk::{Disk, Latency, LeftBackup, Loss, Sabotage};
use crate::net;
use crate::oracle::{Death, Effort, Oracle};
use crate::plan::{Ending, Life, Plan, ServerPlan, Tier};
use crate::scheduler::{Carry, Choice, Outcome, Pool, Strategy};
use crate::shared::{Binding, Shared};
use crate::trace::Trace;

/// What runs on the simulated machine: a server from its start to its end. An error says why it could not start or
/// go on.
pub type Body = dyn Fn(Machine, &ServerPlan) -> Result<(), String> + Send + Sync;

/// Everything that runs of many plans have in common.
pub struct Rig {
    pool: Pool,
    body: Arc<Body>,
    sabotage: Sabotage,
    net_sabotage: net::Sabotage,
    /// Whether an auditor asks for the server's accounts when all are through.
    audits: bool,
}

impl std::fmt::Debug for Rig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rig")
    }
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Report {
    /// The violation, if there was one.
    pub failure: Option<String>,
    /// What happened.
    pub trace: Trace,
    /// Lives of the server, those that only compare two recoveries included.
    pub lives: u64,
    /// Scheduling points.
    pub steps: u64,
    /// Calls at the doors.
    pub calls: u64,
    /// Answers that the oracle judged.
    pub judged: u64,
    /// How the oracle has looked for orders.
    pub orders: Effort,
    /// Virtual nanoseconds.
    pub nanos: u64,
    /// How each life was scheduled, in order; a campaign keeps them only of a run with a violation.
    pub schedules: Vec<Schedule>,
}

impl Report {
    /// The same plan with every choice of this run written into it, instead of being drawn.
    #[must_use]
    pub fn listed(&self, plan: &Plan) -> Plan {
        let mut plan = plan.clone();
        for life in &mut plan.lives {
            let name = life.number.to_string();
            let schedule = self.schedules.iter().find(|schedule| schedule.life == name);
            let choices = schedule.map(|schedule| schedule.choices.as_slice()).unwrap_or_default();
            life.threads.strategy = Strategy::Listed(choices.into());
        }
        plan
    }
}

/// How one life was scheduled.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The life's name: its number in the plan, or `last`, or `N recovered once` and `N recovered twice`.
    pub life: String,
    /// Its choices: as [`crate::scheduler::Strategy::Listed`] they give the same life again.
    pub choices: Vec<Choice>,
    /// What could have been chosen instead, if the plan's settings want that listed.
    pub others: Vec<Choice>,
    /// Choices of a listed schedule that could not be made, and disturbances that never came.
    pub unmatched: u64,
    /// What the plan had for this life and never came, each as a line of the plan: faults, disturbances, a crash.
    pub unmet: Vec<String>,
}

impl Report {
    /// Of a run that nothing is known of but that it must not have ended so.
    #[must_use]
    pub fn failed(what: String) -> Self {
        Self { failure: Some(what), ..Self::default() }
    }
}

impl Rig {
    /// A rig for `body`.
    #[must_use]
    pub fn new(body: Arc<Body>) -> Self {
        Self {
            pool: Pool::default(),
            body,
            sabotage: Sabotage::default(),
            net_sabotage: net::Sabotage::default(),
            audits: false,
        }
    }

    /// The same rig on a disk that lies.
    #[must_use]
    pub fn sabotaged(self, sabotage: Sabotage) -> Self {
        Self { sabotage, ..self }
    }

    /// The same rig with its simulated threads on something else than usual.
    #[must_use]
    pub fn carried(self, carry: Carry) -> Self {
        Self { pool: Pool::new(carry), ..self }
    }

    /// The same rig with an auditor, for a server that answers INFO and CONFIG.
    #[must_use]
    pub fn audited(self) -> Self {
        Self { audits: true, ..self }
    }

    /// The same rig on a network that lies.
    #[must_use]
    pub fn net_sabotaged(self, net_sabotage: net::Sabotage) -> Self {
        Self { net_sabotage, ..self }
    }

    /// Runs a plan; `keep` says whether the trace keeps its events beside its hash.
    #[must_use]
    pub fn run(&self, plan: &Plan, keep: bool) -> Report {
        let _bound = Binding::begin(self.pool.stays());
        let clients = plan.lives.iter().map(Life::speakers).max().unwrap_or(0);
        let mut run = Run {
            rig: self,
            plan,
            disk: Disk::default(),
            oracle: Arc::new(Shared::new(Oracle::new(clients))),
            now: 0,
            report: Report { trace: Trace::new(keep), ..Report::default() },
            refused: false,
            gave_up: false,
            turned_back: false,
            backups: Vec::new(),
        };
        if plan.server.limits.maxmemory > 0 {
            run.oracle.lock().tighten();
        }
        run.oracle.lock().promise(plan.server.fsync, plan.weakest());
        if plan.backs_up() {
            run.oracle.lock().mirror();
        }
        if plan.harms_medium() {
            run.disk.watch(plan.weakest() > Tier::Always);
            run.oracle.lock().remember();
        }
        run.all();
        run.report.judged = run.oracle.lock().judged;
        run.report.orders = run.oracle.lock().effort();
        run.report.nanos = run.now;
        run.report
    }
}

/// More errors than a disk can owe to one start after another.
const OWED: usize = 8;

/// A run in progress.
struct Run<'a> {
    rig: &'a Rig,
    plan: &'a Plan,
    disk: Disk,
    oracle: Arc<Shared<Oracle>>,
    now: u64,
    report: Report,
    /// The last life ended before it began, since what was promised is damaged.
    refused: bool,
    /// The last life's server came to its end by itself, or by an error that is not its own.
    gave_up: bool,
    /// It had not begun to serve when a signal told it to finish.
    turned_back: bool,
    /// The backups that were begun in the last life.
    backups: Vec<LeftBackup>,
}

impl Run<'_> {
    fn all(&mut self) {
        for life in &self.plan.lives {
            if !self.live(&life.number.to_string(), life) || (life.twice && !self.recover_twice(life.number))
            {
                return;
            }
        }
        if self.live("last", &Life::default())
            && let Err(what) = self.oracle.lock().recalled()
        {
            self.report.failure = Some(what);
        }
    }

    /// One life and its end; false after a violation.
    fn live(&mut self, name: &str, life: &Life) -> bool {
        let disk = std::mem::take(&mut self.disk);
        let stage = Stage { name, life, disk, oracle: Some(Arc::clone(&self.oracle)), refusable: false };
        let Some(mut disk) = self.enact(stage) else { return false };
        let pending = disk.pending() as u64;
        let ending = life.ending.to_string();
        self.report.trace.add(self.now, &Arc::from("rig"), "ending", &ending, [pending, 0, 0]);
        let before = self.report.trace.keeps().then(|| lengths(&disk));
        let death = match life.ending {
            // One that was told to finish before it had recovered has made nothing safe.
            _ if self.gave_up && !self.turned_back => Death::InOrder,
            Ending::Kill => Death::Killed,
            Ending::Shutdown | Ending::Power(_) => Death::PowerLost,
        };
        self.oracle.lock().ended(self.now, death, life::slack(life));
        match life.ending {
            Ending::Kill => disk.kill(),
            Ending::Shutdown => disk.power_loss(Loss::All, &mut |_| 0),
            Ending::Power(loss) => {
                let mut rng = Rng::stream(self.plan.seed, &format!("loss {name}"));
                disk.power_loss(loss, &mut |n| rng.below(n));
            }
        }
        if let Some(before) = before {
            self.report.trace.explain(|| format!("before: {before}; after: {}", lengths(&disk)));
        }
        for decay in &life.rest {
            let hit = disk.decay(*decay);
            self.report.trace.add(
                self.now,
                &Arc::from("rig"),
                "decay",
                &decay.to_string(),
                [hit.into(), 0, 0],
            );
        }
        self.disk = disk;
        !self.plan.backs_up() || self.judge_backups(name, life)
    }

    /// Recovers the image that is there, twice, and compares the two results byte by byte; false after a violation.
    fn recover_twice(&mut self, number: usize) -> bool {
        let mut disk = self.disk.clone();
        let mut before = None;
        // Damage that is not needed may be met by one start and not by the next, in segments that a snapshot covers.
        let sound = disk.is_as_promised();
        // Time stands still: nothing expires, and the machine stops when the server waits for clients.
        let mut life = Life { ending: Ending::Kill, ..Life::default() };
        life.threads.tick = 0;
        life.threads.stop_when_idle = true;
        life.latency = Latency::default();
        for attempt in ["once", "twice"] {
            let name = format!("{number} recovered {attempt}");
            // A start that gave up for an error of an earlier sync, which is reported once, has recovered nothing.
            for _ in 0..OWED {
                let Some(left) =
                    self.enact(Stage { name: &name, life: &life, disk, oracle: None, refusable: false })
                else {
                    return false;
                };
                if self.refused {
                    return true;
                }
                disk = left;
                disk.kill();
                if !self.gave_up {
                    break;
                }
            }
            let contents = disk.contents();
            if let Some(before) = before.replace(contents.clone())
                && sound
                && before != contents
            {
                let what = format!("recovering twice changes [{}] to [{}]", sizes(&before), sizes(&contents));
                self.report.failure = Some(format!("life {number}: {what}"));
                return false;
            }
        }
        true
    }

    /// Plays one life and counts it; the disk as it was at its end, or none after a violation.
    fn enact(&mut self, stage: Stage<'_>) -> Option<Disk> {
        let name = stage.name.to_owned();
        let trace = std::mem::take(&mut self.report.trace);
        let recovering = stage.oracle.is_none();
        // Only of the plan's own lives: a copy's start is the operator's own, or compared with another.
        let own = stage.oracle.as_ref().is_some_and(|oracle| Arc::ptr_eq(oracle, &self.oracle));
        let found = if own { self.look(&stage.disk) } else { None };
        let before = self.plan.harms_medium().then(|| stage.disk.contents());
        let Lived { ended, mut disk, backups, refused, turned_back, faultless, told, end, unmet } =
            stage.play(self.plan, self.rig, trace, self.now);
        let report = &mut self.report;
        report.trace = ended.trace;
        report.lives += 1;
        report.steps += ended.steps;
        report.calls += ended.calls;
        let (choices, others, unmatched) = (ended.choices, ended.others, ended.unmatched);
        report.schedules.push(Schedule { life: name.clone(), choices, others, unmatched, unmet });
        if !recovering {
            self.now = ended.now;
        }
        self.backups = backups;
        self.gave_up = ended.outcome == Outcome::Returned;
        self.turned_back = turned_back;
        if let Outcome::Failed(what) = ended.outcome {
            report.failure = Some(format!("life {name}: {what}"));
            return None;
        }
        self.refused = refused.is_some();
        if let Some(found) = found.filter(|_| faultless)
            && !self.compare(&name, &found, refused.as_deref())
        {
            return None;
        }
        if own && !turned_back && !self.judge_files(&name, &disk, &told, &end) {
            return None;
        }
        let operated = own && self.plan.server.operator && faultless;
        if let Some(why) = refused.as_ref().filter(|_| operated)
            && !self.repair(&name, &disk, why)
        {
            return None;
        }
        let report = &mut self.report;
        if let (Some(why), Some(before)) = (refused, before)
            && let Err(what) = refusal(&why, &before, &mut disk, faultless)
        {
            report.failure = Some(format!("life {name}: {what}"));
            return None;
        }
        Some(disk)
    }
}

/// The files that a process sees, with their lengths.
fn lengths(disk: &Disk) -> String {
    sizes(&disk.contents())
}

/// A start was refused for a reason that counts: it has to name a file to look at, and to leave everything as it was.
/// Then the operator puts the files right from a backup.
fn refusal(
    why: &str,
    before: &BTreeMap<String, Vec<u8>>,
    disk: &mut Disk,
    faultless: bool,
) -> Result<(), String> {
    // One that decay has doubled was not there before.
    let now = disk.contents();
    if !before.keys().chain(now.keys()).any(|name| why.contains(name)) {
        return Err(format!("the start was refused, and no file is named: {why}"));
    }
    if faultless && now != *before {
        return Err(format!("the start was refused, and files were changed all the same: {why}"));
    }
    disk.restore();
    Ok(())
}

fn sizes(contents: &BTreeMap<String, Vec<u8>>) -> String {
    contents.iter().map(|(name, bytes)| format!("{name} {}", bytes.len())).collect::<Vec<_>>().join(", ")
}
