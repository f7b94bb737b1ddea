//! EXEC: a transaction's commands one after another in one turn, and all that they change in one log record.

use super::connection::{Connection, Transaction};
use super::pool::Ticket;
use super::replies::{Place, Waiting};
use super::run::{run, start_outcome};
use super::{Server, admin};
use crate::base::mark::{Mark, reached};
use crate::engine::Outcome;
use crate::engine::command::{Command, Flags};
use crate::resp::{OwnedArgs, Reply};
use crate::wal::Lsn;

/// `EXEC`: queues its own reply, since that may have many parts.
pub(super) fn exec(server: &mut Server, connection: &mut Connection) {
    let Some(transaction) = connection.session.transaction.take() else {
        return connection.refuse("ERR EXEC without MULTI");
    };
    server.engine.begin();
    let changed = server.engine.has_changed(&connection.session.watches);
    server.drop_watches(connection);
    if transaction.aborted {
        reached(Mark::ExecAborted);
        server.engine.end();
        return connection.refuse("EXECABORT Transaction discarded because of previous errors.");
    }
    let lacks_memory = |(command, args): &(&Command, OwnedArgs)| {
        command.flags.contains(Flags::DENY_OOM) && server.lacks_memory_for(command, args.args())
    };
    if transaction.commands.iter().any(lacks_memory) {
        reached(Mark::ExecOutOfMemory);
        server.engine.end();
        return connection.refuse("OOM command not allowed when used memory > 'maxmemory'.");
    }
    if let Some(barrier) = changed {
        reached(Mark::ExecWatched);
        server.engine.end();
        let mut bytes = Vec::new();
        Reply::new(&mut bytes, connection.session.protocol).null_array();
        return connection.reply_behind(bytes, barrier);
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
        let ran = run(server, connection, command, args.args(), &mut part);
        barrier = barrier.max(ran.barrier);
        if matches!(ran.outcome, Outcome::Done) {
            server.note(connection, command, args.args(), start);
        } else {
            let started = admin::started(command, args.args(), start, &server.options);
            reached(Mark::ExecWithJobs);
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
    let head = parts.remove(0);
    connection.replies.push(Waiting::parts(head, parts, unfinished.len(), barrier, wanted));
    for (part, outcome, started) in unfinished {
        let ticket = Ticket { conn: connection.id, place: Place { reply, part }, started };
        start_outcome(server, connection, ticket, outcome);
    }
}
