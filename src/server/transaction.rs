//! MULTI, EXEC, DISCARD, WATCH.
//!
//! A transaction's commands run one after another in one turn, and all that they change is one log record. A VADD or
//! VSEARCH among them starts in its place; what it walks, it walks afterwards, and EXEC's reply waits for all.

use super::Server;
use super::admin::Started;
use super::connection::{Connection, Transaction};
use super::dispatch::{self, Ran};
use super::pool::Ticket;
use super::replies::{Place, Waiting};
use crate::engine::Outcome;
use crate::engine::command::Command;
use crate::resp::{Args, OwnedArgs, Reply};
use crate::wal::Lsn;

/// `MULTI`
pub(super) fn multi(connection: &mut Connection, out: &mut Vec<u8>) -> Ran {
    let mut reply = Reply::new(out, connection.session.protocol);
    if connection.session.transaction.is_some() {
        reply.error("ERR MULTI calls can not be nested");
    } else {
        connection.session.transaction = Some(Transaction::default());
        reply.ok();
    }
    Ran::DONE
}

/// Keeps a command for EXEC.
pub(super) fn queue(server: &Server, connection: &mut Connection, command: &'static Command, args: Args<'_>) {
    let limit = server.options.client_query_buffer_limit;
    let mut bytes = Vec::new();
    let mut reply = Reply::new(&mut bytes, connection.session.protocol);
    if let Some(transaction) = &mut connection.session.transaction {
        let owned = OwnedArgs::from(args);
        if transaction.bytes + owned.size() > limit {
            transaction.aborted = true;
            reply.error("ERR the transaction passed client-query-buffer-limit");
        } else {
            transaction.bytes += owned.size();
            transaction.commands.push((command, owned));
            reply.simple("QUEUED");
        }
    }
    dispatch::queue_reply(connection, bytes);
}

/// `DISCARD`
pub(super) fn discard(server: &mut Server, connection: &mut Connection, out: &mut Vec<u8>) -> Ran {
    let had = connection.session.transaction.is_some();
    server.abandon_transaction(connection);
    let mut reply = Reply::new(out, connection.session.protocol);
    if had {
        reply.ok();
    } else {
        reply.error("ERR DISCARD without MULTI");
    }
    Ran::DONE
}

/// `WATCH key [key ...]`
pub(super) fn watch(
    server: &mut Server,
    connection: &mut Connection,
    args: Args<'_>,
    out: &mut Vec<u8>,
) -> Ran {
    let mut reply = Reply::new(out, connection.session.protocol);
    if connection.session.transaction.is_some() {
        reply.error("ERR WATCH inside MULTI is not allowed");
        return Ran::DONE;
    }
    for key in args.iter().skip(1) {
        if connection.session.watches.bytes() > server.options.client_query_buffer_limit {
            reply.error("ERR the watched keys passed client-query-buffer-limit");
            return Ran::DONE;
        }
        server.engine.watch(&mut connection.session.watches, key);
    }
    reply.ok();
    Ran::DONE
}

/// `UNWATCH`
pub(super) fn unwatch(server: &mut Server, connection: &mut Connection, out: &mut Vec<u8>) -> Ran {
    server.drop_watches(connection);
    Reply::new(out, connection.session.protocol).ok();
    Ran::DONE
}

/// `EXEC`: queues its own reply, since that may have many parts.
pub(super) fn exec(server: &mut Server, connection: &mut Connection) {
    let Some(transaction) = connection.session.transaction.take() else {
        return refuse(connection, "ERR EXEC without MULTI");
    };
    server.engine.begin();
    let changed = server.engine.has_changed(&connection.session.watches);
    server.drop_watches(connection);
    if transaction.aborted {
        server.engine.end();
        return refuse(connection, "EXECABORT Transaction discarded because of previous errors.");
    }
    if let Some(barrier) = changed {
        server.engine.end();
        let mut bytes = Vec::new();
        Reply::new(&mut bytes, connection.session.protocol).null_array();
        return dispatch::queue_reply_behind(connection, bytes, barrier);
    }
    run_all(server, connection, &transaction);
}

/// Runs the commands and ends the record that they share.
fn run_all(server: &mut Server, connection: &mut Connection, transaction: &Transaction) {
    let mut part = Vec::new();
    Reply::new(&mut part, connection.session.protocol).array(transaction.commands.len());
    let (mut parts, mut unfinished, mut barrier) = (Vec::new(), Vec::new(), Lsn(0));
    connection.session.in_exec = true;
    for (command, args) in &transaction.commands {
        let start = server.ledger.stopwatch(&*server.clock);
        let ran = dispatch::run(server, connection, command, args.args(), &mut part);
        barrier = barrier.max(ran.barrier);
        if matches!(ran.outcome, Outcome::Done) {
            server.note(connection, command, args.args(), start);
        } else {
            let started = Started::new(command, args.args(), start, &server.options);
            parts.push(std::mem::take(&mut part));
            unfinished.push((parts.len(), ran.outcome, started));
            parts.push(Vec::new());
        }
    }
    parts.push(part);
    connection.session.in_exec = false;
    server.engine.end();
    let reply = connection.replies.next();
    let wanted = connection.wants_reply();
    connection.replies.push(Waiting::parts(parts, unfinished.len(), barrier, wanted));
    for (part, outcome, started) in unfinished {
        let ticket = Ticket { conn: connection.id, place: Place { reply, part }, started };
        dispatch::start_outcome(server, connection, ticket, outcome);
    }
}

fn refuse(connection: &mut Connection, text: &str) {
    let mut bytes = Vec::new();
    Reply::new(&mut bytes, connection.session.protocol).error(text);
    dispatch::queue_reply(connection, bytes);
}

impl Server {
    /// Forgets a connection's queued commands and watches.
    pub(super) fn abandon_transaction(&mut self, connection: &mut Connection) {
        connection.session.transaction = None;
        self.drop_watches(connection);
    }

    pub(super) fn drop_watches(&mut self, connection: &mut Connection) {
        self.engine.unwatch(&mut connection.session.watches);
    }
}
