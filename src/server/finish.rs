//! Finishing in order: what was accepted is answered, what was acknowledged is durable, then the threads go.

use std::time::Duration;

use super::{ServeError, Server};
use crate::base::mark::{Mark, reached};
use crate::base::time::Mono;
use crate::env::Level;

/// How long clients have to take the answers to what they had sent.
const GRACE: Duration = Duration::from_secs(5);

impl Server {
    /// True between turns when nobody is at work: no job under way, no command half served.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let slices = self.engine.is_sweeping() || self.engine.is_recoding();
        let at_work = self.pool.in_flight() > 0 || slices;
        !at_work && self.listed.is_empty() && !self.busy
    }

    /// Changes to the data so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.engine.changes()
    }

    /// Checks everything that holds at a quiet moment ([`Server::is_quiet`]); the error says what does not. For
    /// simulations: it takes time for every key and every link.
    ///
    /// # Errors
    /// What does not hold.
    pub fn validate(&self) -> Result<(), String> {
        self.engine.validate()?;
        let unlinked = self.engine.unlinked();
        if unlinked > 0 && self.pool.failed() == 0 {
            return Err(format!("{unlinked} rows are not linked, and nobody is at it"));
        }
        let accounted: usize = self.connections.values().map(|connection| connection.accounted).sum();
        if accounted != self.connection_memory {
            return Err(format!(
                "clients have {accounted} bytes where {} were counted",
                self.connection_memory
            ));
        }
        let watches: usize =
            self.connections.values().map(|connection| connection.session.watches.len()).sum();
        if watches != self.engine.watchers() {
            return Err(format!(
                "clients watch {watches} names where {} were counted",
                self.engine.watchers()
            ));
        }
        Ok(())
    }

    /// Stops accepting and reading. A second call changes nothing.
    pub(super) fn begin_finish(&mut self, why: &str) {
        if self.finishing.is_some() {
            return;
        }
        self.log(Level::Notice, &format!("finishing after {why}"));
        reached(Mark::Finishing);
        self.finishing = Some(self.now.after(GRACE));
        self.stop_accepting();
        self.engine.give_up_changes();
        self.give_up_saving();
        let mut ids: Vec<_> = self.connections.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            if let Some(mut connection) = self.connections.remove(&id) {
                connection.end_input();
                if !connection.replies.is_empty() {
                    reached(Mark::FinishingWithClients);
                }
                self.settle(connection);
            }
        }
    }

    /// Snapshots and backups are given up, except what SHUTDOWN SAVE has asked for.
    fn give_up_saving(&mut self) {
        for what in self.engine.give_up_saving(&self.finish_after) {
            self.log(Level::Notice, &format!("giving up the {what}"));
        }
    }

    /// True once every client has its answers, or the time for that has passed, and what SHUTDOWN SAVE has asked for is done,
    /// however long that takes.
    pub(super) fn has_finished(&self) -> bool {
        let deadline: Option<Mono> = self.finishing;
        let Some(deadline) = deadline else { return false };
        if self.now >= deadline && !self.connections.is_empty() {
            reached(Mark::GraceOver);
        }
        self.finish_after.is_empty() && (self.connections.is_empty() || self.now >= deadline)
    }

    /// Lets the workers go, writes and syncs the log, and says so.
    pub fn close(mut self) -> Result<(), ServeError> {
        let mut ids: Vec<_> = self.connections.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            self.net.close(id);
        }
        self.pool.close();
        let last = self.engine.close().map_err(|why| ServeError(format!("closing the log: {why}")))?;
        self.console.line(Level::Notice, &format!("finished; durable up to LSN {}", last.0));
        Ok(())
    }
}
