//! The jobs that wait for a worker, in lanes.
//!
//! - *silent*: what nobody waits for: slices of sweeps and of changes of form, things to drop. First come, first served.
//! - *links*: rows that are to be linked, in the order in which they were added.
//! - *searches*: a queue a client; the clients are served in turn.
//!
//! Guarantee: the lanes are served in turn as well, so a job waits for one job of each other lane at most for each one before it
//! in its own; a search waits for one search of each other client at most for each one of its own client before it.
//! So neither many jobs of a kind nor many of a client keep the others from being done.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};

use super::pool::Ticket;
use crate::base::mark::{Lane, Told, tell};
use crate::engine::Job;
use crate::env::ConnId;

/// Jobs, and whose turn it is.
#[derive(Debug)]
pub(super) struct Lanes {
    silent: VecDeque<Job>,
    links: VecDeque<(Ticket, Job)>,
    /// None of the queues is empty.
    searches: BTreeMap<ConnId, VecDeque<(Ticket, Job)>>,
    /// The client that was last served.
    served: ConnId,
    /// The lane that was last served.
    lane: usize,
}

impl Default for Lanes {
    fn default() -> Self {
        let (silent, links, searches) = Default::default();
        Self { silent, links, searches, served: ConnId(0), lane: 0 }
    }
}

impl Lanes {
    /// Adds a job that nobody waits for.
    pub(super) fn put_silent(&mut self, job: Job) {
        tell(Told::Waits { lane: Lane::Silent, client: 0 });
        self.silent.push_back(job);
    }

    /// Adds a job whose answer goes to `ticket`.
    pub(super) fn put(&mut self, ticket: Ticket, job: Job) {
        let (search, client) = (job.is_search(), ticket.conn.0);
        tell(Told::Waits { lane: if search { Lane::Searches } else { Lane::Links }, client });
        if search {
            self.searches.entry(ticket.conn).or_default().push_back((ticket, job));
        } else {
            self.links.push_back((ticket, job));
        }
    }

    /// Takes the next job.
    pub(super) fn next(&mut self) -> Option<(Option<Ticket>, Job)> {
        for _ in 0..3 {
            self.lane = (self.lane + 1) % 3;
            let job = match self.lane {
                0 => self.silent.pop_front().map(|job| (None, job)),
                1 => self.links.pop_front().map(|(ticket, job)| (Some(ticket), job)),
                _ => self.next_search(|_| true).map(|(ticket, job)| (Some(ticket), job)),
            };
            if let Some((ticket, job)) = job {
                let lane = [Lane::Silent, Lane::Links, Lane::Searches][self.lane];
                let client = ticket.as_ref().map_or(0, |ticket| ticket.conn.0);
                tell(Told::Taken { lane, client, in_turn: true });
                return Some((ticket, job));
            }
        }
        None
    }

    /// Takes the next search, if it is brief.
    pub(super) fn next_brief(&mut self) -> Option<(Ticket, Job)> {
        let (ticket, job) = self.next_search(Job::is_brief)?;
        tell(Told::Taken { lane: Lane::Searches, client: ticket.conn.0, in_turn: false });
        Some((ticket, job))
    }

    fn next_search(&mut self, wanted: impl FnOnce(&Job) -> bool) -> Option<(Ticket, Job)> {
        let others = (Excluded(self.served), Unbounded);
        let conn = *self.searches.range(others).next().or_else(|| self.searches.first_key_value())?.0;
        let queue = self.searches.get_mut(&conn)?;
        if !wanted(&queue.front()?.1) {
            return None;
        }
        let job = queue.pop_front()?;
        if queue.is_empty() {
            self.searches.remove(&conn);
        }
        self.served = conn;
        Some(job)
    }

    /// Takes out the searches of `conn`.
    pub(super) fn forget(&mut self, conn: ConnId) -> impl Iterator<Item = Job> {
        tell(Told::Forgotten { lane: Lane::Searches, client: conn.0 });
        self.searches.remove(&conn).unwrap_or_default().into_iter().map(|(_, job)| job)
    }

    /// True when there is no job.
    pub(super) fn is_empty(&self) -> bool {
        self.silent.is_empty() && self.links.is_empty() && self.searches.is_empty()
    }
}
