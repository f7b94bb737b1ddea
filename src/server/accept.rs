//! New clients, and clients that go.

use std::io::ErrorKind;
use std::time::Duration;

use super::Server;
use super::connection::Connection;
use crate::base::limits;
use crate::base::mark::{Mark, reached};
use crate::base::time::Mono;
use crate::env::{Accepted, Interest, Level};

/// How long accepting rests when descriptors have run out.
const REST: Duration = Duration::from_millis(100);

impl Server {
    /// Takes clients from the backlog, a bounded number a turn.
    pub(super) fn accept_some(&mut self) {
        if self.finishing.is_some() {
            // The listener could not be switched off when finishing began: it would end every wait at once.
            return self.stop_accepting();
        }
        for _ in 0..limits::ACCEPTS_PER_TURN {
            match self.net.accept() {
                Ok(accepted) => self.admit(accepted),
                Err(e) => match e.kind() {
                    ErrorKind::WouldBlock => return,
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => reached(Mark::AcceptAborted),
                    _ => return self.rest_accepting(&e),
                },
            }
        }
    }

    fn admit(&mut self, accepted: Accepted) {
        let Accepted { conn, peer } = accepted;
        self.ledger.accepted += 1;
        if self.connections.len() >= self.options.maxclients {
            reached(Mark::TooManyClients);
            self.ledger.rejected += 1;
            // Best effort: the client is being closed, and its socket's buffer is empty.
            let told = self.net.write(conn, b"-ERR max number of clients reached\r\n");
            self.ledger.bytes_out += told.map_or(0, |n| n as u64);
            self.net.close(conn);
            return;
        }
        let authenticated = self.options.requirepass.is_empty();
        let mut connection = Connection::new(conn, peer, self.clock.wall(), self.now, authenticated);
        connection.interest = Interest { read: true, write: false };
        if self.net.interest(conn, connection.interest).is_err() {
            self.net.close(conn);
            return;
        }
        self.connection_memory += connection.memory();
        connection.accounted = connection.memory();
        self.connections.insert(conn, Box::new(connection));
    }

    /// Descriptors have run out: clients stay in the backlog for a while, instead of waking the loop for nothing.
    fn rest_accepting(&mut self, error: &std::io::Error) {
        reached(Mark::AcceptRests);
        self.log(Level::Warning, &format!("accepting a client: {error}; trying again soon"));
        if self.net.accepting(false).is_ok() {
            self.accept_again = Some(self.now.after(REST));
        }
    }

    /// Takes no more clients; those who come now stay in the backlog.
    pub(super) fn stop_accepting(&mut self) {
        if let Err(e) = self.net.accepting(false) {
            self.log(Level::Warning, &format!("closing the listener to new clients: {e}"));
        }
    }

    pub(super) fn resume_accepting(&mut self) {
        reached(Mark::AcceptResumes);
        self.accept_again = None;
        if self.finishing.is_none()
            && let Err(e) = self.net.accepting(true)
        {
            self.log(Level::Warning, &format!("listening again: {e}"));
            self.accept_again = Some(self.now.after(REST));
        }
    }

    /// Closes a connection and forgets it; its searches are not begun any more, and answers of other jobs will find nobody.
    pub(super) fn forget(&mut self, mut connection: Box<Connection>) {
        if connection.session.transaction.is_some() {
            reached(Mark::ClosedInMulti);
        }
        self.abandon_transaction(&mut connection);
        if connection.jobs > 0 {
            reached(Mark::ClosedWithJobs);
            self.savers.retain(|(_, ticket)| ticket.conn != connection.id);
            self.pool.forget(connection.id);
        }
        self.net.close(connection.id);
        self.connection_memory -= connection.accounted;
    }

    /// Closes clients that have neither sent nor taken a byte for longer than `timeout` and do not wait for the
    /// server, and takes back memory from idle ones. They are judged by what they had done when this was last called: if the
    /// process stood still since, they could not do it any earlier.
    pub(super) fn close_idle(&mut self, before: Mono) {
        let timeout = Duration::from_secs(self.options.timeout);
        let mut idle: Vec<_> = Vec::new();
        for (id, connection) in &mut self.connections {
            let silent = before.since(connection.last_active);
            if silent > Duration::from_secs(2) && connection.input.slim() {
                reached(Mark::IdleSlimmed);
                let memory = connection.memory();
                self.connection_memory = self.connection_memory + memory - connection.accounted;
                connection.accounted = memory;
            }
            let waits = connection.parked || connection.jobs > 0 || !connection.replies.is_clear();
            if !timeout.is_zero() && silent > timeout && !waits {
                reached(Mark::IdleClosed);
                idle.push(*id);
            }
        }
        idle.sort_unstable();
        for id in idle {
            if let Some(connection) = self.connections.remove(&id) {
                self.forget(connection);
            }
        }
    }
}
