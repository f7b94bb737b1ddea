//! What becomes of the backups of a life: each is started from, once the life is over and the power has taken of it what it
//! may.

use std::sync::Arc;

use engram::base::rng::Rng;
use engram::wal::HALF_COPIED;

use super::{Run, Stage};
use crate::disk::Disk;
use crate::oracle::Mirror;
use crate::plan::{Ending, Life};
use crate::shared::Shared;

impl Run<'_> {
    /// Judges the backups that were begun in the life `name`; false after a violation.
    pub(super) fn judge_backups(&mut self, name: &str, life: &Life) -> bool {
        let (backups, now) = (std::mem::take(&mut self.backups), self.now);
        let mirrors = self.oracle.lock().take_mirrors(now);
        for (number, (backup, mut disk)) in backups.into_iter().enumerate() {
            if let Ending::Power(loss) = life.ending {
                let mut rng = Rng::stream(self.plan.seed, &format!("backup loss {name} {number}"));
                disk.power_loss(loss, &mut |n| rng.below(n));
            }
            disk.kill();
            let Some(mirror) = mirrors.iter().find(|mirror| mirror.name == backup) else {
                return self.violated(name, &backup, "nobody has asked for it");
            };
            let judged = self.judge_backup(name, mirror, disk);
            self.now = now;
            if !judged {
                return false;
            }
        }
        true
    }

    fn judge_backup(&mut self, name: &str, mirror: &Mirror, disk: Disk) -> bool {
        let files = disk.contents();
        let half = files.contains_key(HALF_COPIED);
        if mirror.answered && (half || files.is_empty()) {
            let what = format!("it was answered, and there is {}", super::sizes(&files));
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
