//! Bytes in, commands, bytes out: a connection's share of a turn.

use std::io::ErrorKind;

use super::connection::Connection;
use super::dispatch::Dispatched;
use super::{Server, dispatch};
use crate::base::mark::{Mark, Told, reached, tell};
use crate::env::{ConnId, Level};
use crate::resp::{ParseLimits, Progress};

/// How serving a connection's input stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// It has no whole command left, or its next one waits for something.
    Rest,
    /// It has had its share of this turn, or must first get rid of replies: there may be more.
    Unserved,
}

impl Server {
    /// Reads what there is, a bounded amount, and nothing while what was read before may still hold commands: a client
    /// that sends faster than it is served waits in its socket. False when the connection is to be dropped.
    pub(super) fn read(&mut self, connection: &mut Connection) -> bool {
        if connection.unserved {
            return true;
        }
        let shares = self.options.shares;
        let mut taken = 0;
        while taken < shares.read_per_turn && connection.wanted_interest(&shares).read {
            match self.net.read(connection.id, &mut self.scratch) {
                Ok(0) => {
                    let due = connection.jobs > 0 || !connection.replies.is_empty();
                    reached(if due { Mark::InputEndedEarly } else { Mark::InputEnded });
                    connection.input_ended = true;
                }
                Ok(n) => {
                    taken += n;
                    self.ledger.bytes_in += n as u64;
                    connection.input.receive(&self.scratch[..n]);
                    if n < self.scratch.len() {
                        break;
                    }
                }
                Err(e) => match e.kind() {
                    ErrorKind::WouldBlock => break,
                    ErrorKind::Interrupted => reached(Mark::InputInterrupted),
                    _ => {
                        reached(Mark::InputFailed);
                        return false;
                    }
                },
            }
        }
        if taken > 0 {
            connection.last_active = self.now;
        }
        true
    }

    /// Sends what may be sent, as far as the client takes it. False when the connection is to be dropped.
    pub(super) fn write(&mut self, connection: &mut Connection) -> bool {
        while !connection.replies.unsent().is_empty() {
            match self.net.write(connection.id, connection.replies.unsent()) {
                Ok(0) => break,
                Ok(n) => {
                    if n < connection.replies.unsent().len() {
                        reached(Mark::OutputInParts);
                    }
                    connection.replies.sent(n);
                    connection.last_active = self.now;
                    self.ledger.bytes_out += n as u64;
                }
                Err(e) => match e.kind() {
                    ErrorKind::WouldBlock => {
                        reached(Mark::OutputWaits);
                        break;
                    }
                    ErrorKind::Interrupted => reached(Mark::OutputInterrupted),
                    _ => {
                        reached(Mark::OutputFailed);
                        return false;
                    }
                },
            }
        }
        true
    }

    /// Gives every listed connection its share, once. Those that have waited for room come before those that might
    /// take it.
    pub(super) fn serve_listed(&mut self) {
        if self.has_room() {
            let parked = std::mem::take(&mut self.parked);
            let (waiting, ready) = parked.into_iter().partition::<Vec<_>, _>(|id| self.waits_on(*id));
            self.parked = waiting;
            for id in ready.into_iter().rev() {
                let Some(connection) = self.connections.get_mut(&id) else { continue };
                connection.waits_for_room = false;
                if !connection.listed {
                    connection.listed = true;
                    self.listed.push_front(id);
                }
            }
        }
        for _ in 0..self.listed.len() {
            let Some(id) = self.listed.pop_front() else { break };
            let Some(mut connection) = self.connections.remove(&id) else { continue };
            connection.listed = false;
            let before = self.ledger.commands;
            connection.unserved = self.execute_some(&mut connection) == Stop::Unserved;
            tell(Told::Served { client: id.0, commands: self.ledger.commands.saturating_sub(before) });
            self.settle(connection);
        }
    }

    /// True while a connection that waits for room has to wait on.
    pub(super) fn waits_on(&self, id: ConnId) -> bool {
        self.connections.get(&id).is_some_and(|connection| dispatch::must_wait_on(self, connection))
    }

    /// True while there is room for more jobs and more log.
    pub(super) fn has_room(&self) -> bool {
        self.pool.in_flight() < self.options.shares.jobs && !self.engine.is_behind()
    }

    /// Parses and executes commands of one connection.
    fn execute_some(&mut self, connection: &mut Connection) -> Stop {
        let limits = ParseLimits {
            max_bulk: self.options.proto_max_bulk_len,
            authenticated: connection.session.authenticated,
        };
        self.ledger.begin_share();
        for _ in 0..self.options.shares.commands_per_turn {
            if connection.closing || self.finishing.is_some() {
                return Stop::Rest;
            }
            if connection.is_full(&self.options.shares) {
                reached(Mark::PipelinePaused);
                return Stop::Unserved;
            }
            if !connection.parked {
                let limits = ParseLimits { authenticated: connection.session.authenticated, ..limits };
                match connection.input.parse(&limits) {
                    Ok(Progress::NeedMore) => return self.want_more(connection),
                    Ok(Progress::Skip) => {
                        connection.input.consume();
                        continue;
                    }
                    Ok(Progress::Command) => {}
                    Err(e) => {
                        reached(e.mark());
                        self.refuse_protocol(connection, &e.to_string());
                        return Stop::Rest;
                    }
                }
            }
            if std::mem::take(&mut connection.parked) {
                // It was the server that it waited for: being idle begins now.
                connection.last_active = self.now;
            }
            match dispatch::dispatch(self, connection) {
                Dispatched::Done => {}
                Dispatched::Parked => {
                    reached(Mark::CommandParked);
                    connection.parked = true;
                    if !connection.waits_for_room {
                        connection.waits_for_room = true;
                        self.parked.push(connection.id);
                    }
                    return Stop::Rest;
                }
                Dispatched::Paused => {
                    connection.parked = true;
                    return Stop::Rest;
                }
            }
            connection.input.consume();
        }
        reached(Mark::ShareUsedUp);
        Stop::Unserved
    }

    /// The rest of a command has not come yet: fine, within the query buffer's limit.
    fn want_more(&mut self, connection: &mut Connection) -> Stop {
        if connection.input.backlog() > self.options.client_query_buffer_limit {
            reached(Mark::QueryTooLong);
            let text = format!(
                "closing {}: its unfinished command passed client-query-buffer-limit",
                connection.peer
            );
            self.log(Level::Warning, &text);
            connection.end_input();
        }
        Stop::Rest
    }

    fn refuse_protocol(&mut self, connection: &mut Connection, text: &str) {
        self.log(Level::Debug, &format!("closing {}: {text}", connection.peer));
        connection.refuse(&format!("ERR {text}"));
        connection.end_input();
    }

    /// Ends a connection's share: releases and sends replies, tells the net what it waits for, and puts it back where
    /// it belongs, be it the list for its next share or nowhere.
    pub(super) fn settle(&mut self, mut connection: Box<Connection>) {
        if self.finishing.is_some() && !connection.closing {
            connection.end_input();
        }
        // The error first: whatever became durable before the log failed is counted then.
        let error = self.engine.withholds();
        let durable = self.engine.durable();
        connection.replies.release(durable, error);
        if !self.write(&mut connection) || connection.is_finished() {
            return self.forget(connection);
        }
        if connection.replies.bytes() > self.options.client_output_buffer_limit {
            reached(Mark::OutputTooLong);
            let text =
                format!("closing {}: its unread replies passed client-output-buffer-limit", connection.peer);
            self.log(Level::Warning, &text);
            return self.forget(connection);
        }
        let wanted = connection.wanted_interest(&self.options.shares);
        if wanted != connection.interest {
            connection.interest = wanted;
            if self.net.interest(connection.id, wanted).is_err() {
                return self.forget(connection);
            }
        }
        if connection.replies.wait_for_log() {
            self.released = self.released.min(durable);
            if !connection.waits_for_log {
                connection.waits_for_log = true;
                self.behind_log.push(connection.id);
                self.spin_until = self.now.after(self.options.shares.spin);
            }
        }
        if connection.unserved && !connection.is_full(&self.options.shares) {
            self.list(&mut connection);
        }
        let memory = connection.memory();
        self.connection_memory = self.connection_memory + memory - connection.accounted;
        connection.accounted = memory;
        self.connections.insert(connection.id, connection);
    }

    /// Tells the operator when the log takes no more writes, and when it takes them again.
    fn watch_log(&mut self) {
        let refuses = self.engine.refuses().map(|why| why.trim_start_matches("MISCONF ").to_owned());
        if refuses.is_some() != self.log_refuses {
            self.log_refuses = refuses.is_some();
            let gone = self.engine.missing_file().map(|file| format!("{file} is gone: "));
            let text = refuses.unwrap_or_else(|| "the log takes writes again".to_owned());
            self.log(Level::Warning, &(gone.unwrap_or_default() + &text));
        }
    }

    /// The log has come further (or has failed): looks at every connection whose replies wait for it.
    pub(super) fn release_logged(&mut self) {
        self.watch_log();
        let durable = self.engine.durable();
        if self.behind_log.is_empty() || (durable <= self.released && self.engine.refuses().is_none()) {
            return;
        }
        reached(Mark::LogReleases);
        self.released = durable;
        for id in std::mem::take(&mut self.behind_log) {
            if let Some(mut connection) = self.connections.remove(&id) {
                connection.waits_for_log = false;
                // It was the server that it waited for: being idle begins now.
                connection.last_active = self.now;
                self.settle(connection);
            }
        }
    }
}
