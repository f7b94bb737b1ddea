//! What a backup has to hold: all that was acknowledged before it was asked for, and of what was on its way then, or came
//! later, each client's up to some point, which is one moment for all.
//!
//! That is what a crash at that moment would leave. So a copy of the oracle is kept from the moment when the backup was asked
//! for; it hears of every later request, and never of an answer.

use engram::base::limits::MAX_BACKUPS;

use super::Oracle;
use crate::plan::Op;

/// What is known of one backup.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// The backup's name.
    pub name: String,
    /// Its client has heard that it is done.
    pub answered: bool,
    /// Something has happened of which a copy cannot hear: only that it starts can be told.
    pub spoiled: bool,
    /// What the backup has to hold may yet become more.
    open: bool,
    /// When it was answered; the largest number before that.
    until: u64,
    /// Who judges what it holds.
    pub oracle: Oracle,
}

/// Requests on their way, in the order of each client's, with when they were asked for.
pub(super) type Flight = Vec<Vec<(Op, u64)>>;

impl Oracle {
    /// How often a life began with everything looked at.
    #[must_use]
    pub fn inspections(&self) -> u64 {
        self.inspections
    }

    /// Backups will be asked for.
    pub fn mirror(&mut self) {
        self.flight = Some(vec![Vec::new(); self.clients.len()]);
    }

    /// A request is on its way.
    pub(super) fn mirror_asked(&mut self, client: usize, op: &Op, at: u64) {
        let open = self.mirrors.iter_mut().filter(|mirror| mirror.open);
        open.for_each(|mirror| mirror.oracle.asked(client, op, at));
        let Some(flight) = &mut self.flight else { return };
        flight[client].push((op.clone(), at));
        if let (Op::Backup(name), false) = (op, self.is_copy) {
            let mirrors = std::mem::take(&mut self.mirrors);
            let oracle = Self { is_copy: true, ..self.clone() };
            self.mirrors = mirrors;
            // What was lost with a connection may have taken place or not, each for itself, until its client has looked.
            let unknown = self.clients.iter().any(|client| !client.is_settled());
            let (name, spoiled) = (name.clone(), self.tight || unknown);
            let until = u64::MAX;
            self.mirrors.push(Mirror { name, answered: false, spoiled, open: true, until, oracle });
        }
    }

    /// A request that was asked for at `at` is not on its way any more. A scan may have been overtaken by others.
    pub(super) fn mirror_arrived(&mut self, client: usize, op: &Op, at: u64) {
        let flight = self.flight.iter_mut().flat_map(|flight| flight.get_mut(client));
        for requests in flight {
            let place = requests.iter().position(|(other, asked)| *asked == at && other == op);
            place.into_iter().for_each(|place| drop(requests.remove(place)));
        }
    }

    /// The backup has been answered: it is done, or was refused.
    pub(super) fn mirror_done(&mut self, name: &str, done: bool, now: u64) {
        let place = self.mirrors.iter().position(|mirror| mirror.name == name);
        let Some(mirror) = place.and_then(|place| self.mirrors.get_mut(place)) else { return };
        mirror.answered = done;
        mirror.close(now);
    }

    /// Whether as many backups as may wait could wait while one was asked for that was asked for at `at`.
    pub(super) fn backups_abound(&self, at: u64) -> bool {
        self.mirrors.iter().filter(|mirror| mirror.until >= at).count() >= MAX_BACKUPS
    }

    /// A client's connection is another one now, of which the copies know nothing.
    pub(super) fn mirror_spoil(&mut self) {
        self.mirrors.iter_mut().filter(|mirror| mirror.open).for_each(|mirror| mirror.spoiled = true);
    }

    /// The life is over: what there is to say of its backups.
    pub fn take_mirrors(&mut self, now: u64) -> Vec<Mirror> {
        let spoiled = self.log_failed() || self.panics() > 0 || self.vectors_rotten();
        self.flight.iter_mut().flatten().for_each(Vec::clear);
        let mut mirrors = std::mem::take(&mut self.mirrors);
        for mirror in &mut mirrors {
            mirror.spoiled |= spoiled;
            mirror.close(now);
        }
        mirrors
    }
}

impl Mirror {
    /// What was asked for and not answered when it was begun, and what was asked for until `now`, may be in it.
    fn close(&mut self, now: u64) {
        if !std::mem::replace(&mut self.open, false) {
            return;
        }
        self.until = now;
        let flight = self.oracle.flight.take().unwrap_or_default();
        for (client, requests) in flight.into_iter().enumerate() {
            requests.iter().for_each(|(op, at)| self.oracle.unanswered(client, op, *at, now));
        }
    }
}
