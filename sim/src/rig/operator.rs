//! An operator between lives: `engram check` says before each start what it would do; where a start is refused and its error
//! names a repair, that repair is made on a copy of the directory, and a server has to start there and serve a state that once
//! was.

use std::sync::Arc;

use engram::engine::{Check, check, repair};
use engram::server::Options;
use engram::wal::Lsn;

use super::{Run, Stage};
use crate::disk::{Disk, Still};
use crate::plan::Life;
use crate::shared::Shared;

/// What comes before the number in an error that names a repair.
const NAMED: &str = "--truncate-after ";

impl Run<'_> {
    /// What the operator finds before a life, where the plan has one.
    pub(super) fn look(&self, disk: &Disk) -> Option<Found> {
        let wanted = self.plan.server.operator;
        let shown =
            || if self.rig.sabotage.hidden_file { Still::of(disk).without_last() } else { Still::of(disk) };
        wanted.then(|| Found { check: checked(&shown()), served: self.oracle.lock().inspections() })
    }

    /// Compares what was found with what became of the life: `refused` for this reason, or not. Only of one that met no fault.
    pub(super) fn compare(&mut self, name: &str, found: &Found, refused: Option<&str>) -> bool {
        let healthy = found.check.healthy;
        let served = self.oracle.lock().inspections() > found.served;
        let lines = || found.check.lines.join("; ");
        let what = match refused {
            Some(why) if healthy => {
                format!("the start was refused, {why}, where check had found: {}", lines())
            }
            Some(why) if !found.tells(why) => {
                format!("the start was refused, {why}; check had foreseen another reason: {}", lines())
            }
            None if served && !healthy => format!("it serves, where check had found: {}", lines()),
            _ => return true,
        };
        self.report.failure = Some(format!("life {name}: {what}"));
        false
    }

    /// Makes the repair that `why` names on `disk`, whose start was refused, and starts there; false after a violation.
    pub(super) fn repair(&mut self, name: &str, disk: &Disk, why: &str) -> bool {
        let Some(mut after) = named(why) else { return true };
        let still = Still::of(disk).idle(self.rig.sabotage.idle_repair);
        if let Err(refusal) = repair(&still, after) {
            // What the log has lost a snapshot may hold: then the refusal names the least that can be kept.
            let refusal = refusal.to_string();
            let Some(least) = named(&refusal).filter(|least| *least > after) else {
                return self.wrong(name, after, &format!("is refused: {refusal}"));
            };
            after = least;
            if let Err(refusal) = repair(&still, after) {
                return self.wrong(name, after, &format!("is refused, though a refusal named it: {refusal}"));
            }
        }
        let found = checked(&still);
        let lines = found.lines.join("; ");
        let goes_on = format!("go on after LSN {after}");
        if !found.healthy || !found.lines.iter().any(|line| line.ends_with(&goes_on)) {
            return self.wrong(name, after, &format!("leaves a directory of which check says: {lines}"));
        }
        let (now, refused, gave_up) = (self.now, self.refused, self.gave_up);
        let judge = Arc::new(Shared::new(self.oracle.lock().clone()));
        let (stage, life, disk) = (format!("{name} repaired"), Life::default(), still.given_up());
        let stage = Stage { name: &stage, life: &life, disk, oracle: Some(judge), refusable: false };
        let lives = self.enact(stage).is_some();
        (self.now, self.refused, self.gave_up) = (now, refused, gave_up);
        lives
    }

    fn wrong(&mut self, name: &str, after: Lsn, what: &str) -> bool {
        self.report.failure = Some(format!("life {name}: the repair {NAMED}{after} {what}"));
        false
    }
}

/// The record behind which the last repair cuts that a text names.
fn named(text: &str) -> Option<Lsn> {
    let (_, rest) = text.rsplit_once(NAMED)?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok().map(Lsn)
}

/// What was found before a life.
pub(super) struct Found {
    check: Check,
    /// How often everything had been looked at before.
    served: u64,
}

impl Found {
    /// Whether it was foreseen that a start would be refused for this reason.
    fn tells(&self, why: &str) -> bool {
        let reasons = self.check.lines.iter().filter_map(|line| line.split_once("a start would refuse: "));
        reasons.into_iter().any(|(_, reason)| why.contains(reason))
    }
}

/// `engram check`.
fn checked(still: &Still) -> Check {
    match Options::default().engine(0) {
        Ok(options) => check(still, options.store),
        Err(error) => panic!("the usual settings are no settings: {error}"),
    }
}
