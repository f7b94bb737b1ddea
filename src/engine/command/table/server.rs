//! The rows of the commands about the server and all of its data.

use super::super::keys;
use super::{Command, Flags, Group, Handler, Keys, ServerCommand, Subcommand, command, sub};

const ANYTIME: Flags = Flags::LOADING.and(Flags::STALE);
const OPERATOR: Flags = ANYTIME.and(Flags::ADMIN).and(Flags::NO_SCRIPT);
const ALL_KEYS: Flags = Flags::WRITE.and(Flags::KEYSPACE).and(Flags::DANGEROUS);
const MODE: &str = "[ASYNC | SYNC]";

const fn row(name: &'static str, arity: i32, flags: Flags, which: ServerCommand) -> Command {
    command(Group::Server, name, arity, flags, Keys::NONE, Handler::Server(which))
}

const fn engine(name: &'static str, arity: i32, flags: Flags, handler: super::EngineHandler) -> Command {
    command(Group::Server, name, arity, flags, Keys::NONE, Handler::Engine(handler))
}

pub(super) static COMMANDS: [Command; 15] = [
    row("bgsave", -1, Flags::ADMIN.and(Flags::NO_SCRIPT), ServerCommand::Bgsave).docs(
        "1.0.0",
        "[SCHEDULE]",
        "Begins to write a snapshot.",
    ),
    row("command", -1, ANYTIME.and(Flags::CONNECTION), ServerCommand::Command)
        .docs("2.8.13", "", "Tells about commands.")
        .with(&COMMAND),
    row("config", -2, Flags::NONE, ServerCommand::Config)
        .docs("2.0.0", "", "Tells the configuration and changes it.")
        .with(&CONFIG),
    engine("dbsize", 1, Flags::READ_ONLY.and(Flags::FAST).and(Flags::KEYSPACE), keys::dbsize).docs(
        "1.0.0",
        "",
        "Tells how many keys there are.",
    ),
    engine("flushall", -1, ALL_KEYS, keys::clear).docs("1.0.0", MODE, "Deletes all keys."),
    engine("flushdb", -1, ALL_KEYS, keys::clear).docs("1.0.0", MODE, "Deletes all keys."),
    row("info", -1, ANYTIME.and(Flags::DANGEROUS), ServerCommand::Info).docs(
        "1.0.0",
        "[section...]",
        "Tells about the server, in sections.",
    ),
    row("lastsave", 1, ANYTIME.and(Flags::FAST).and(Flags::DANGEROUS), ServerCommand::Lastsave).docs(
        "1.0.0",
        "",
        "Tells when the last snapshot was written, in Unix seconds.",
    ),
    row("latency", -2, Flags::NONE, ServerCommand::Latency)
        .docs("2.8.13", "", "Tells what took long.")
        .with(&LATENCY),
    row("memory", -2, Flags::NONE, ServerCommand::Memory)
        .docs("4.0.0", "", "Tells where memory goes.")
        .with(&MEMORY),
    row("role", 1, ANYTIME.and(Flags::FAST).and(Flags::NO_SCRIPT).and(Flags::DANGEROUS), ServerCommand::Role)
        .docs("2.8.12", "", "Tells that this is a master without replicas."),
    row("save", 1, Flags::ADMIN.and(Flags::NO_SCRIPT), ServerCommand::Save).docs(
        "1.0.0",
        "",
        "Writes a snapshot and replies when it is durable.",
    ),
    row("shutdown", -1, OPERATOR.and(Flags::NOT_IN_MULTI), ServerCommand::Shutdown).docs(
        "1.0.0",
        "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
        "Finishes what was acknowledged and stops.",
    ),
    row("slowlog", -2, Flags::NONE, ServerCommand::Slowlog)
        .docs("2.2.12", "", "Tells which commands were slow.")
        .with(&SLOWLOG),
    row("time", 1, ANYTIME.and(Flags::FAST), ServerCommand::Time).docs(
        "2.6.0",
        "",
        "Tells the server's time.",
    ),
];

static COMMAND: [Subcommand; 7] = [
    sub("count", 2, ANYTIME.and(Flags::CONNECTION)).docs("2.8.13", "", "Tells how many commands there are."),
    sub("docs", -2, ANYTIME.and(Flags::CONNECTION)).docs(
        "7.0.0",
        "[command-name...]",
        "Tells what commands do and what words they take.",
    ),
    sub("getkeys", -3, ANYTIME.and(Flags::CONNECTION)).docs(
        "2.8.13",
        "command [arg...]",
        "Tells which words of a command are keys.",
    ),
    sub("getkeysandflags", -3, ANYTIME.and(Flags::CONNECTION)).docs(
        "7.0.0",
        "command [arg...]",
        "Tells which words of a command are keys, and what it does with them.",
    ),
    sub("help", 2, ANYTIME.and(Flags::CONNECTION)).docs("5.0.0", "", "Prints this help."),
    sub("info", -2, ANYTIME.and(Flags::CONNECTION)).docs(
        "2.8.13",
        "[command-name...]",
        "Tells the arity, flags and key positions of commands.",
    ),
    sub("list", -2, ANYTIME.and(Flags::CONNECTION)).docs(
        "7.0.0",
        "[FILTERBY (MODULE module-name | ACLCAT category | PATTERN pattern:pattern)]",
        "Tells the names of commands.",
    ),
];

static CONFIG: [Subcommand; 5] = [
    sub("get", -3, OPERATOR).docs("2.0.0", "parameter...", "Tells the parameters that match the patterns."),
    sub("help", 2, ANYTIME).docs("5.0.0", "", "Prints this help."),
    sub("resetstat", 2, OPERATOR).docs("2.0.0", "", "Sets the statistics of INFO back to zero."),
    sub("rewrite", 2, OPERATOR).docs("2.8.0", "", "Writes the configuration back to its file."),
    sub("set", -4, OPERATOR).docs("2.0.0", "(parameter value)...", "Changes parameters."),
];

static LATENCY: [Subcommand; 6] = [
    sub("doctor", 2, OPERATOR).docs("2.8.13", "", "Tells in words what took long."),
    sub("help", 2, ANYTIME).docs("2.8.13", "", "Prints this help."),
    sub("histogram", -2, OPERATOR).docs("7.0.0", "[command...]", "Tells how long commands took, in buckets."),
    sub("history", 3, OPERATOR).docs("2.8.13", "event", "Tells the latencies of an event over time."),
    sub("latest", 2, OPERATOR).docs("2.8.13", "", "Tells the last latency of every event."),
    sub("reset", -2, OPERATOR).docs("2.8.13", "[event...]", "Forgets the latencies of events."),
];

static MEMORY: [Subcommand; 6] = [
    sub("doctor", 2, Flags::NONE).docs("4.0.0", "", "Tells in words how memory is doing."),
    sub("help", 2, ANYTIME).docs("4.0.0", "", "Prints this help."),
    sub("malloc-stats", 2, Flags::NONE).docs("4.0.0", "", "Tells what the allocator knows."),
    sub("purge", 2, Flags::NONE).docs("4.0.0", "", "Accepted: the allocator gives memory back by itself."),
    sub("stats", 2, Flags::NONE).docs("4.0.0", "", "Tells where memory goes, in numbers."),
    sub("usage", -3, Flags::READ_ONLY).key().docs(
        "4.0.0",
        "key [SAMPLES count:integer]",
        "Tells how many bytes a key and its value take.",
    ),
];

static SLOWLOG: [Subcommand; 4] = [
    sub("get", -2, ANYTIME.and(Flags::ADMIN)).docs(
        "2.2.12",
        "[count:integer]",
        "Tells the last slow commands.",
    ),
    sub("help", 2, ANYTIME).docs("6.2.0", "", "Prints this help."),
    sub("len", 2, ANYTIME.and(Flags::ADMIN)).docs("2.2.12", "", "Tells how many slow commands are kept."),
    sub("reset", 2, ANYTIME.and(Flags::ADMIN)).docs("2.2.12", "", "Forgets the slow commands."),
];
