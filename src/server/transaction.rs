//! MULTI, EXEC, DISCARD, WATCH.
//!
//! A transaction's commands run one after another in one turn, and all that they change is one log record. A VADD or
//! VSEARCH among them starts in its place; what it walks, it walks afterwards, as many at a time as of any client, and EXEC's
//! reply waits for all.

use super::Server;
use super::connection::{Connection, Transaction};
use super::ran::Ran;
use crate::base::mark::{Mark, reached};
use crate::engine::command::Command;
use crate::resp::{Args, OwnedArgs, Reply};

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
            reached(Mark::QueueTooLong);
            transaction.aborted = true;
            reply.error("ERR the transaction passed client-query-buffer-limit");
        } else {
            transaction.bytes += owned.size();
            transaction.commands.push((command, owned));
            reply.simple("QUEUED");
        }
    }
    connection.reply(bytes);
}

/// `DISCARD`
pub(super) fn discard(server: &mut Server, connection: &mut Connection, out: &mut Vec<u8>) -> Ran {
    let had = connection.session.transaction.is_some();
    server.abandon_transaction(connection);
    let mut reply = Reply::new(out, connection.session.protocol);
    if had {
        reached(Mark::Discarded);
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
