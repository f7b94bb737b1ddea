//! The commands that are about the server and the connection, not about keys: a file a family.
//!
//! Guarantees: none of them blocks or walks more than the connections there are; whatever they remember is bounded.

mod client;
mod clients;
mod commandstats;
mod config;
mod handshake;
mod info;
mod latency;
mod ledger;
mod memory;
mod pause;
mod saving;
mod slowlog;
mod sub;
#[cfg(test)]
mod tests;

use super::connection::Connection;
use super::ran::Ran;
use super::{Server, transaction};
use crate::engine::command::{self, ServerCommand};
use crate::engine::{Call, Refusal};
use crate::resp::{Args, Reply};

pub(super) use ledger::{Ledger, run_id, started};
pub(super) use pause::Pause;

/// The version of Redis whose commands and answers are meant, for clients that look at it.
const REDIS_VERSION: &str = "7.4.0";

/// One command on its way.
struct Request<'a> {
    server: &'a mut Server,
    connection: &'a mut Connection,
    args: Args<'a>,
    out: &'a mut Vec<u8>,
}

/// What a command comes to.
type Answer = Result<Ran, Refusal>;

impl Request<'_> {
    /// The reply's writer, in the connection's protocol as it is now.
    fn reply(&mut self) -> Reply<'_> {
        Reply::new(self.out, self.connection.session.protocol)
    }

    fn ok(&mut self) -> Answer {
        self.reply().ok();
        Ok(Ran::DONE)
    }

    fn integer(&mut self, value: i64) -> Answer {
        self.reply().integer(value);
        Ok(Ran::DONE)
    }

    fn bulk(&mut self, bytes: &[u8]) -> Answer {
        self.reply().bulk(bytes);
        Ok(Ran::DONE)
    }

    /// The words' number is not the command's.
    fn wrong_arity(name: &str) -> Refusal {
        Refusal::err(format_args!("wrong number of arguments for '{name}' command"))
    }
}

/// Runs one of the server's own commands; its reply goes to `out`.
pub(super) fn run(
    server: &mut Server,
    connection: &mut Connection,
    which: ServerCommand,
    args: Args<'_>,
    out: &mut Vec<u8>,
) -> Ran {
    let start = out.len();
    let mut request = Request { server, connection, args, out };
    match answer(&mut request, which) {
        Ok(ran) => ran,
        Err(refusal) => {
            request.out.truncate(start);
            request.reply().error(refusal.0.as_bytes());
            Ran::DONE
        }
    }
}

fn answer(r: &mut Request<'_>, which: ServerCommand) -> Answer {
    match which {
        ServerCommand::Ping => handshake::ping(r),
        ServerCommand::Echo => handshake::echo(r),
        ServerCommand::Hello => handshake::hello(r),
        ServerCommand::Auth => handshake::auth(r),
        ServerCommand::Select => handshake::select(r),
        ServerCommand::Quit => handshake::quit(r),
        ServerCommand::Reset => handshake::reset(r),
        ServerCommand::Client => sub::run(r, client::RUNNERS),
        ServerCommand::Config => sub::run(r, config::RUNNERS),
        ServerCommand::Slowlog => sub::run(r, slowlog::RUNNERS),
        ServerCommand::Latency => sub::run(r, latency::RUNNERS),
        ServerCommand::Memory => sub::run(r, memory::RUNNERS),
        ServerCommand::Command => {
            let mut call = Call::new(r.args, r.connection.session.protocol, r.out);
            let outcome = r.server.engine.execute(command::command, &mut call);
            Ok(Ran { outcome, barrier: call.barrier })
        }
        ServerCommand::Info => info::info(r),
        ServerCommand::Role => info::role(r),
        ServerCommand::Time => handshake::time(r),
        ServerCommand::Shutdown => saving::shutdown(r),
        ServerCommand::Save => saving::save(r),
        ServerCommand::Backup => saving::backup(r),
        ServerCommand::Quant => memory::quant(r),
        ServerCommand::Bgsave => saving::save_in_background(r),
        ServerCommand::Lastsave => saving::last_save(r),
        ServerCommand::Wait => saving::wait(r),
        ServerCommand::Multi => Ok(transaction::multi(r.connection, r.out)),
        ServerCommand::Discard => Ok(transaction::discard(r.server, r.connection, r.out)),
        ServerCommand::Watch => Ok(transaction::watch(r.server, r.connection, r.args, r.out)),
        ServerCommand::Unwatch => Ok(transaction::unwatch(r.server, r.connection, r.out)),
        ServerCommand::Exec => unreachable!("dispatch runs EXEC, which queues its own reply"),
    }
}
