//! CLIENT PAUSE: commands that wait until a time, or until CLIENT UNPAUSE.

use crate::base::time::Mono;
use crate::engine::command::{Command, Flags, Handler, ServerCommand};
use crate::env::ConnId;
use crate::server::Server;
use crate::server::connection::Connection;

/// A pause. Who waits for its end is seen from the connections.
#[derive(Debug, Default)]
pub(in crate::server) struct Pause {
    until: Option<Mono>,
    /// All commands wait, not only those that write.
    all: bool,
}

impl Pause {
    /// Pauses until `until` at least. A pause that goes on is made longer and wider, never shorter or narrower.
    pub(super) fn begin(&mut self, until: Mono, all: bool) {
        self.all |= all;
        self.until = self.until.max(Some(until));
    }

    /// When it ends.
    pub(in crate::server) fn until(&self) -> Option<Mono> {
        self.until
    }

    /// True if `command` has to wait.
    pub(in crate::server) fn holds(&self, connection: &Connection, command: &Command) -> bool {
        if self.until.is_none() {
            return false;
        }
        match command.handler {
            Handler::Server(ServerCommand::Client | ServerCommand::Shutdown) => false,
            _ if self.all => true,
            Handler::Server(ServerCommand::Exec) => {
                let queued = connection.session.transaction.iter().flat_map(|t| &t.commands);
                queued.into_iter().any(|(command, _)| command.flags.contains(Flags::WRITE))
            }
            _ => connection.session.transaction.is_none() && command.flags.contains(Flags::WRITE),
        }
    }
}

impl Server {
    /// Ends a pause whose time has come.
    pub(in crate::server) fn end_pause_in_time(&mut self) {
        if self.pause.until.is_some_and(|until| until <= self.now) {
            self.end_pause();
        }
    }

    /// Ends the pause, if there is one: who waited goes on.
    pub(super) fn end_pause(&mut self) {
        self.pause = Pause::default();
        let held = self.connections.values().filter(|connection| connection.parked);
        let mut ids: Vec<ConnId> = held.map(|connection| connection.id).collect();
        ids.sort_unstable();
        for id in ids {
            self.list_by_id(id);
        }
    }
}
