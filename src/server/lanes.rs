//! The jobs that wait for a worker, in lanes.
//!
//! - *silent*: what nobody waits for: slices of sweeps and of changes of form, things to drop. First come, first served.
//! - *links*: rows that are to be linked. A queue a client; the clients are served in turn.
//! - *searches*: likewise.
//!
//! Guarantee: the lanes are served in turn as well, so a job waits for one job of each other lane at most for each one before it
//! in its own; a link or a search waits for one of each other client at most for each one of its own client before it.
//! So neither many jobs of a kind nor many of a client keep the others from being done.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};

use super::pool::Ticket;
use crate::base::mark::{Lane, Told, tell};
use crate::engine::Job;
use crate::env::ConnId;

/// Jobs, and whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    silent: VecDeque<Job>,
    links: Clients,
    searches: Clients,
    /// The lane that was last served.
    lane: usize,
}

impl Lanes {
    /// Adds a job that nobody waits for.
    pub(super) fn put_silent(&mut self, job: Job) {
        tell(Told::Waits { lane: Lane::Silent, client: 0 });
        self.silent.push_back(job);
    }

    /// Adds a job whose answer goes to `ticket`.
    pub(super) fn put(&mut self, ticket: Ticket, job: Job) {
        let (lane, clients) = if job.is_search() {
            (Lane::Searches, &mut self.searches)
        } else {
            (Lane::Links, &mut self.links)
        };
        tell(Told::Waits { lane, client: ticket.conn.0 });
        clients.put(ticket, job);
    }

    /// Takes the next job.
    pub(super) fn next(&mut self) -> Option<(Option<Ticket>, Job)> {
        for _ in 0..3 {
            self.lane = (self.lane + 1) % 3;
            let job = match self.lane {
                0 => self.silent.pop_front().map(|job| (None, job)),
                1 => self.links.next(|_| true).map(|(ticket, job)| (Some(ticket), job)),
                _ => self.searches.next(|_| true).map(|(ticket, job)| (Some(ticket), job)),
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
        let (ticket, job) = self.searches.next(Job::is_brief)?;
        tell(Told::Taken { lane: Lane::Searches, client: ticket.conn.0, in_turn: false });
        Some((ticket, job))
    }

    /// Takes out the searches of `conn`.
    pub(super) fn forget(&mut self, conn: ConnId) -> impl Iterator<Item = Job> {
        tell(Told::Forgotten { lane: Lane::Searches, client: conn.0 });
        self.searches.waiting.remove(&conn).unwrap_or_default().into_iter().map(|(_, job)| job)
    }

    /// True when there is no job.
    pub(super) fn is_empty(&self) -> bool {
        self.silent.is_empty() && self.links.waiting.is_empty() && self.searches.waiting.is_empty()
    }
}

/// A lane in which each client has a queue.
#[derive(Debug)]
struct Clients {
    /// None of the queues is empty.
    waiting: BTreeMap<ConnId, VecDeque<(Ticket, Job)>>,
    /// The client that was last served.
    served: ConnId,
}

impl Default for Clients {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), served: ConnId(0) }
    }
}

impl Clients {
    fn put(&mut self, ticket: Ticket, job: Job) {
        self.waiting.entry(ticket.conn).or_default().push_back((ticket, job));
    }

    /// Takes the first job of the client whose turn it is, if it is `wanted`.
    fn next(&mut self, wanted: impl FnOnce(&Job) -> bool) -> Option<(Ticket, Job)> {
        let others = (Excluded(self.served), Unbounded);
        let conn = *self.waiting.range(others).next().or_else(|| self.waiting.first_key_value())?.0;
        let queue = self.waiting.get_mut(&conn)?;
        if !wanted(&queue.front()?.1) {
            return None;
        }
        let job = queue.pop_front()?;
        if queue.is_empty() {
            self.waiting.remove(&conn);
        }
        self.served = conn;
        Some(job)
    }
}
