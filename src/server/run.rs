//! Running one command, of a transaction or not, and starting what it leaves to others.

use super::Server;
use super::connection::Connection;
use super::pool::Ticket;
use super::ran::Ran;
use crate::engine::command::{Command, Handler};
use crate::engine::{Call, Outcome};
use crate::resp::Args;

/// Gives an unfinished command to whoever finishes it.
pub(super) fn start_outcome(
    server: &mut Server,
    connection: &mut Connection,
    ticket: Ticket,
    outcome: Outcome,
) {
    connection.jobs += 1;
    match outcome {
        Outcome::Done => unreachable!("a finished command has nothing to start"),
        Outcome::Job(job) => server.pool.put(ticket, job),
        Outcome::Snapshot(number) => server.savers.push((number, ticket)),
        Outcome::Change(number) => {
            connection.changes += 1;
            server.changers.push((number, ticket));
        }
    }
}

/// Runs one command, of a transaction or not; its reply goes to `out`.
pub(super) fn run(
    server: &mut Server,
    connection: &mut Connection,
    command: &'static Command,
    args: Args<'_>,
    out: &mut Vec<u8>,
) -> Ran {
    match command.handler {
        Handler::Engine(handler) => {
            let mut call = Call::new(args, connection.session.protocol, out);
            let outcome = server.engine.execute(handler, &mut call);
            Ran { outcome, barrier: call.barrier }
        }
        Handler::Server(which) => super::admin::run(server, connection, which, args, out),
    }
}
