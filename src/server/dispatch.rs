//! From a command's words to its reply's place in the queue.

use super::Server;
use super::admin;
use super::connection::{Connection, ReplyMode};
use super::pool::Ticket;
use super::replies::{Place, Waiting};
use super::run::{run, start_outcome};
use crate::base::mark::{Mark, reached};
use crate::base::time::Mono;
use crate::engine::Outcome;
use crate::engine::command::{self, Command, Flags, Handler};
use crate::env::Level;
use crate::resp::{Args, OwnedArgs, eq_ignore_case};

/// What has become of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dispatched {
    /// Its reply has its place.
    Done,
    /// There is no room for it yet: it stays where it is.
    Parked,
    /// It waits for the end of CLIENT PAUSE.
    Paused,
}

/// Deals with the command that lies parsed in `connection`.
pub(super) fn dispatch(server: &mut Server, connection: &mut Connection) -> Dispatched {
    // The words borrow the connection's input, and its session and replies change meanwhile: taking the input out for
    // the length of the command keeps the two apart without a copy.
    let input = std::mem::take(&mut connection.input);
    let dispatched = run_words(server, connection, input.args());
    if !connection.closing {
        connection.input = input;
    }
    dispatched
}

fn run_words(server: &mut Server, connection: &mut Connection, args: Args<'_>) -> Dispatched {
    let command = match admit(server, connection, args) {
        Ok(command) => command,
        Err(_) if is_http(&args[0]) => {
            reached(Mark::HttpRefused);
            let text =
                format!("closing {}: it speaks HTTP, perhaps on behalf of a web page", connection.peer);
            server.log(Level::Warning, &text);
            connection.end_input();
            return Dispatched::Done;
        }
        Err(text) => {
            if let Some(transaction) = &mut connection.session.transaction {
                transaction.aborted = true;
            }
            connection.refuse(&text);
            return Dispatched::Done;
        }
    };
    if server.pause.holds(connection, command) {
        return Dispatched::Paused;
    }
    if must_wait(server, connection, command, args) {
        return Dispatched::Parked;
    }
    connection.session.last_command = command.name;
    connection.session.last_subcommand = "";
    server.ledger.commands += 1;
    if connection.session.transaction.is_some() && !command.flags.contains(Flags::UNQUEUED) {
        super::transaction::queue(server, connection, command, args);
        return Dispatched::Done;
    }
    let start = server.ledger.stopwatch(&*server.clock);
    if let Handler::Server(command::ServerCommand::Exec) = command.handler {
        super::exec::exec(server, connection);
        server.note(connection, command, args, start);
    } else {
        run_single(server, connection, command, args, start);
    }
    Dispatched::Done
}

/// Runs one command outside a transaction and queues its reply. Where nothing waits before it and it has nothing to
/// wait for, the reply has been written straight into the output.
fn run_single(
    server: &mut Server,
    connection: &mut Connection,
    command: &'static Command,
    args: Args<'_>,
    began: Mono,
) {
    let mut bytes = std::mem::take(connection.replies.output());
    let start = bytes.len();
    let ran = run(server, connection, command, args, &mut bytes);
    if matches!(ran.outcome, Outcome::Done) {
        server.note(connection, command, args, began);
    }
    let direct = connection.replies.is_clear() && ran.barrier <= server.engine.durable();
    if direct && matches!(ran.outcome, Outcome::Done) && connection.session.reply_mode == ReplyMode::On {
        *connection.replies.output() = bytes;
        return;
    }
    let own = bytes.split_off(start);
    *connection.replies.output() = bytes;
    match ran.outcome {
        Outcome::Done => {
            if !own.is_empty() && connection.wants_reply() {
                connection.replies.push(Waiting::complete(own, ran.barrier));
            }
        }
        outcome => {
            let place = Place { reply: connection.replies.next(), part: 0 };
            let wanted = connection.wants_reply();
            connection.replies.push(Waiting::parts(own, Vec::new(), 1, ran.barrier, wanted));
            let started = admin::started(command, args, began, &server.options);
            start_outcome(server, connection, Ticket { conn: connection.id, place, started }, outcome);
        }
    }
}

/// Whether the command may run at all: it exists, has enough words, and its client may use it.
fn admit(server: &Server, connection: &Connection, args: Args<'_>) -> Result<&'static Command, String> {
    let command = command::lookup(&args[0]).ok_or_else(|| unknown(args))?;
    let words = i32::try_from(args.len()).unwrap_or(i32::MAX);
    if (command.arity >= 0 && words != command.arity) || words < -command.arity {
        reached(Mark::ArityWrong);
        return Err(format!("ERR wrong number of arguments for '{}' command", command.name));
    }
    if args.len() > 1 && !command.subcommands.is_empty() {
        command::subcommand(args).map_err(|refusal| refusal.0.into_owned())?;
    }
    if !connection.session.authenticated && !command.flags.contains(Flags::NO_AUTH) {
        reached(Mark::NotAuthenticated);
        return Err("NOAUTH Authentication required.".to_owned());
    }
    if connection.session.transaction.is_some() && command.flags.contains(Flags::NOT_IN_MULTI) {
        return Err("ERR Command not allowed inside a transaction".to_owned());
    }
    if command.flags.contains(Flags::WRITE) {
        if let Some(why) = server.engine.refuses() {
            return Err(why.to_owned());
        }
        if command.flags.contains(Flags::DENY_OOM) && server.lacks_memory_for(command, args) {
            reached(Mark::OutOfMemory);
            return Err("OOM command not allowed when used memory > 'maxmemory'.".to_owned());
        }
    }
    Ok(command)
}

/// True for the first word of lines that a browser sends: a web page must not be able to smuggle commands in the body of
/// a request.
fn is_http(word: &[u8]) -> bool {
    eq_ignore_case(word, b"post") || eq_ignore_case(word, b"host:")
}

fn unknown(args: Args<'_>) -> String {
    let shown = |word: &[u8], n: usize| String::from_utf8_lossy(&word[..word.len().min(n)]).into_owned();
    reached(Mark::CommandUnknown);
    let mut text = format!("ERR unknown command '{}', with args beginning with: ", shown(&args[0], 128));
    for word in args.iter().skip(1) {
        if text.len() > 256 {
            break;
        }
        text.push_str(&format!("'{}' ", shown(word, 128)));
    }
    text
}

/// True while the command that lies parsed in `connection`, which had to wait, has to wait on.
pub(super) fn must_wait_on(server: &Server, connection: &Connection) -> bool {
    connection.parked && {
        let args = connection.input.args();
        command::lookup(&args[0]).is_some_and(|command| must_wait(server, connection, command, args))
    }
}

/// True if the command, or one that EXEC would run, needs room that is not there. One that is only queued needs none.
fn must_wait(server: &Server, connection: &Connection, command: &Command, args: Args<'_>) -> bool {
    match &connection.session.transaction {
        None => lacks_room(server, command, args),
        Some(transaction) => {
            let lacks = |(command, args): &(&Command, OwnedArgs)| lacks_room(server, command, args.args());
            command.name == "exec" && transaction.commands.iter().any(lacks)
        }
    }
}

/// True if there is no room for it: among the jobs for what walks a graph, in the log for a write, in an index for what adds
/// to it.
fn lacks_room(server: &Server, command: &Command, args: Args<'_>) -> bool {
    let full =
        matches!(command.name, "vadd" | "vsearch") && server.pool.in_flight() >= server.options.shares.jobs;
    if full {
        reached(Mark::JobQueueFull);
    }
    let overgrown = command.name == "vadd" && server.engine.is_overgrown(&args[1]);
    if overgrown {
        reached(Mark::SweepAwaited);
    }
    full || overgrown || (command.flags.contains(Flags::WRITE) && server.engine.is_behind())
}
