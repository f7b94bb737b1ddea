//! Finishing in order: what was accepted is answered, what was acknowledged is durable, then the threads go.

use std::time::Duration;

use super::{ServeError, Server};
use crate::base::mark::{Mark, reached};
use crate::base::time::Mono;
use crate::env::Level;

/// How long clients have to take the answers to what they had sent.
const GRACE: Duration = Duration::from_secs(5);

impl Server {
    /// Stops accepting and reading. A second call changes nothing.
    pub(super) fn begin_finish(&mut self, why: &str) {
        if self.finishing.is_some() {
            return;
        }
        self.log(Level::Notice, &format!("finishing after {why}"));
        reached(Mark::Finishing);
        self.finishing = Some(self.now.after(GRACE));
        if let Err(e) = self.net.accepting(false) {
            self.log(Level::Warning, &format!("closing the listener to new clients: {e}"));
        }
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

    /// True once every client has its answers, or the time for that has passed.
    pub(super) fn has_finished(&self) -> bool {
        let deadline: Option<Mono> = self.finishing;
        let Some(deadline) = deadline else { return false };
        if self.now >= deadline && !self.connections.is_empty() {
            reached(Mark::GraceOver);
        }
        self.connections.is_empty() || self.now >= deadline
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
