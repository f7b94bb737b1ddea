//! What becomes of the backups of a life: each is started from, once the life is over and the power has taken of it what it
//! may. What bears a backup's own name is whole; what has come to nothing bears another one, and is empty or no server
//! starts on it.

use std::sync::Arc;

use engram::base::rng::Rng;
use engram::wal::HALF_COPIED;

use super::{Run, Stage};
use crate::disk::{Disk, LeftBackup};
use crate::oracle::Mirror;
use crate::plan::{Ending, Life};
use crate::shared::Shared;

/// How what is not finished differs in its name from what it is to become.
const UNFINISHED: &str = ".tmp";

impl Run<'_> {
    /// Judges the backups that were begun in the life `name`; false after a violation.
    pub(super) fn judge_backups(&mut self, name: &str, life: &Life) -> bool {
        let (backups, now) = (std::mem::take(&mut self.backups), self.now);
        let mirrors = self.oracle.lock().take_mirrors(now);
        let mut finished = Vec::new();
        for (number, LeftBackup { names, mut disk }) in backups.into_iter().enumerate() {
            let mut left = names.len() - 1;
            if let Ending::Power(loss) = life.ending {
                let mut rng = Rng::stream(self.plan.seed, &format!("backup loss {name} {number}"));
                disk.power_loss(loss, &mut |n| rng.below(n));
                left = rng.index(names.len());
            }
            disk.kill();
            let Some(called) = names.into_iter().nth(left).flatten() else { continue };
            let whole = !called.ends_with(UNFINISHED);
            let backup = called.trim_end_matches(UNFINISHED);
            let Some(mirror) = mirrors.iter().find(|mirror| mirror.name == backup) else {
                return self.violated(name, &called, "nobody has asked for it");
            };
            let judged = self.judge_backup(name, mirror, disk, whole);
            self.now = now;
            if !judged {
                return false;
            }
            finished.extend(whole.then_some(called));
        }
        let lost = mirrors.iter().find(|mirror| mirror.answered && !finished.contains(&mirror.name));
        lost.is_none_or(|mirror| self.violated(name, &mirror.name, "it was answered, and there is none"))
    }

    fn judge_backup(&mut self, name: &str, mirror: &Mirror, disk: Disk, whole: bool) -> bool {
        let files = disk.contents();
        let half = files.contains_key(HALF_COPIED);
        if whole && (half || files.len() != 1) {
            let what = format!("it bears its name, and there is {}", super::sizes(&files));
            return self.violated(name, &mirror.name, &what);
        }
        if files.is_empty() {
            return true;
        }
        let stage = format!("{name} backed up as {}", mirror.name);
        let mut alone = Life { ending: Ending::Kill, ..Life::default() };
        alone.threads.stop_when_idle = true;
        let judge = (!half && !mirror.spoiled).then(|| Arc::new(Shared::new(mirror.oracle.clone())));
        let calm = Life::default();
        let life = if judge.is_some() { &calm } else { &alone };
        let lives = self.enact(Stage { name: &stage, life, disk, oracle: judge, refusable: half }).is_some();
        if lives && half && !self.refused {
            return self.violated(name, &mirror.name, "a server starts on it, though it has not ended");
        }
        lives
    }

    fn violated(&mut self, name: &str, backup: &str, what: &str) -> bool {
        self.report.failure = Some(format!("life {name}: backup {backup}: {what}"));
        false
    }
}
