//! The rows of the commands about connections and transactions.

use super::{Command, Flags, Group, Handler, Keys, ServerCommand, Subcommand, command, sub};

/// What works in any state of the server.
const ANYTIME: Flags = Flags::LOADING.and(Flags::STALE);
const SESSION: Flags = Flags::NO_SCRIPT.and(ANYTIME);
const FAST: Flags = Flags::FAST;
const GREETING: Flags = SESSION.and(FAST).and(Flags::NO_AUTH);
const OPERATOR: Flags = SESSION.and(Flags::ADMIN).and(Flags::CONNECTION);
const AT_ONCE: Flags = SESSION.and(Flags::UNQUEUED);

const fn row(group: Group, name: &'static str, arity: i32, flags: Flags, which: ServerCommand) -> Command {
    let keys = if matches!(which, ServerCommand::Watch) { Keys::ALL } else { Keys::NONE };
    command(group, name, arity, flags, keys, Handler::Server(which))
}

pub(super) static COMMANDS: [Command; 14] = [
    row(Group::Connection, "auth", -2, GREETING, ServerCommand::Auth).docs(
        "1.0.0",
        "[username] password",
        "Shows the server the password.",
    ),
    row(Group::Connection, "client", -2, Flags::NONE, ServerCommand::Client)
        .docs("2.4.0", "", "Tells of connections and changes them.")
        .with(&CLIENT),
    row(Group::Connection, "echo", 2, ANYTIME.and(FAST), ServerCommand::Echo).docs(
        "1.0.0",
        "message",
        "Replies with the message.",
    ),
    row(Group::Connection, "hello", -1, GREETING, ServerCommand::Hello).docs(
        "6.0.0",
        "[protover:integer [AUTH username password] [SETNAME clientname]]",
        "Chooses the protocol version and tells about the server.",
    ),
    row(Group::Connection, "ping", -1, FAST, ServerCommand::Ping).docs(
        "1.0.0",
        "[message]",
        "Replies that the server is there.",
    ),
    row(Group::Connection, "quit", -1, GREETING.and(Flags::UNQUEUED), ServerCommand::Quit).docs(
        "1.0.0",
        "",
        "Closes the connection once all replies are sent.",
    ),
    row(Group::Connection, "reset", 1, GREETING.and(Flags::UNQUEUED), ServerCommand::Reset).docs(
        "6.2.0",
        "",
        "Brings the connection back to how it began.",
    ),
    row(Group::Connection, "select", 2, ANYTIME.and(FAST), ServerCommand::Select).docs(
        "1.0.0",
        "index:integer",
        "Chooses the database; there is only 0.",
    ),
    row(Group::Connection, "wait", 3, Flags::NO_SCRIPT, ServerCommand::Wait).docs(
        "3.0.0",
        "numreplicas:integer timeout:integer",
        "Tells how many replicas have the writes so far; there are none.",
    ),
    row(Group::Transactions, "discard", 1, AT_ONCE.and(FAST), ServerCommand::Discard).docs(
        "2.0.0",
        "",
        "Gives up a transaction.",
    ),
    row(Group::Transactions, "exec", 1, AT_ONCE, ServerCommand::Exec).docs(
        "1.2.0",
        "",
        "Runs a transaction: all of its commands, with nothing in between.",
    ),
    row(Group::Transactions, "multi", 1, AT_ONCE.and(FAST), ServerCommand::Multi).docs(
        "1.2.0",
        "",
        "Begins a transaction: what follows is queued until EXEC.",
    ),
    row(Group::Transactions, "unwatch", 1, SESSION.and(FAST), ServerCommand::Unwatch).docs(
        "2.2.0",
        "",
        "Forgets the keys that were watched.",
    ),
    row(Group::Transactions, "watch", -2, AT_ONCE.and(FAST), ServerCommand::Watch).docs(
        "2.2.0",
        "key...",
        "Makes the next transaction fail if one of the keys changes before.",
    ),
];

static CLIENT: [Subcommand; 18] = [
    sub("caching", 3, SESSION.and(Flags::CONNECTION)).docs(
        "6.0.0",
        "mode",
        "Refused: there is no client-side caching.",
    ),
    sub("getname", 2, SESSION.and(Flags::CONNECTION)).docs("2.6.9", "", "Tells the connection's name."),
    sub("getredir", 2, SESSION.and(Flags::CONNECTION)).docs(
        "6.0.0",
        "",
        "Tells where invalidations go: nowhere.",
    ),
    sub("help", 2, ANYTIME.and(Flags::CONNECTION)).docs("5.0.0", "", "Prints this help."),
    sub("id", 2, SESSION.and(Flags::CONNECTION)).docs("5.0.0", "", "Tells the connection's number."),
    sub("info", 2, SESSION.and(Flags::CONNECTION)).docs("6.2.0", "", "Tells about this connection."),
    sub("kill", -3, OPERATOR).docs(
        "2.4.0",
        "[old-format] [ID client-id:integer] [TYPE type] [ADDR address] [LADDR address] [USER username] \
         [SKIPME yes/no]",
        "Closes connections.",
    ),
    sub("list", -2, OPERATOR).docs(
        "2.4.0",
        "[TYPE type] [ID client-id:integer...]",
        "Tells about all connections.",
    ),
    sub("no-evict", 3, OPERATOR).docs("7.0.0", "[ON | OFF]", "Accepted: connections are never evicted."),
    sub("no-touch", 3, SESSION.and(Flags::CONNECTION)).docs(
        "7.2.0",
        "[ON | OFF]",
        "Accepted: reads leave no trace.",
    ),
    sub("pause", -3, OPERATOR).docs(
        "3.0.0",
        "timeout:integer [WRITE | ALL]",
        "Lets commands wait; CLIENT and SHUTDOWN do not.",
    ),
    sub("reply", 3, SESSION.and(Flags::CONNECTION)).docs(
        "3.2.0",
        "[ON | OFF | SKIP]",
        "Turns replies on or off.",
    ),
    sub("setinfo", 4, SESSION.and(Flags::CONNECTION)).docs(
        "7.2.0",
        "[LIB-NAME libname | LIB-VER libver]",
        "Tells the server which library speaks.",
    ),
    sub("setname", 3, SESSION.and(Flags::CONNECTION)).docs(
        "2.6.9",
        "connection-name",
        "Names the connection.",
    ),
    sub("tracking", -3, SESSION.and(Flags::CONNECTION)).docs(
        "6.0.0",
        "status",
        "OFF only: there is no tracking.",
    ),
    sub("trackinginfo", 2, SESSION.and(Flags::CONNECTION)).docs(
        "6.2.0",
        "",
        "Tells that nothing is tracked.",
    ),
    sub("unblock", -3, OPERATOR).docs("5.0.0", "client-id:integer", "Tells that no connection was blocked."),
    sub("unpause", 2, OPERATOR).docs("6.2.0", "", "Ends CLIENT PAUSE."),
];
