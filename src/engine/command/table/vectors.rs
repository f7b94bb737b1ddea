//! The rows of the vector commands.

use super::super::{vectors, vsearch};
use super::{Command, Flags, Group, Handler, Keys, ServerCommand, command};

const GROW: Flags = Flags::WRITE.and(Flags::DENY_OOM);

const fn row(name: &'static str, arity: i32, flags: Flags, handler: super::EngineHandler) -> Command {
    command(Group::Vector, name, arity, flags, Keys::ONE, Handler::Engine(handler))
}

pub(super) static COMMANDS: [Command; 8] = [
    row("vadd", 4, GROW, vectors::vadd).docs(
        "0.1.0",
        "index:key element:string vector:string",
        "Puts a vector (packed little-endian f32) into an index.",
    ),
    row("vdel", 3, Flags::WRITE, vectors::vdel).docs(
        "0.1.0",
        "index:key element:string",
        "Takes a vector out of an index.",
    ),
    row("vinfo", 2, Flags::READ_ONLY.and(Flags::FAST), vectors::vinfo).docs(
        "0.1.0",
        "index:key",
        "Tells how an index was made and what it holds.",
    ),
    row("vnew", -3, GROW, vectors::vnew).docs(
        "0.1.0",
        "index:key dim:integer [METRIC metric] [M links:integer] [EF_CONSTRUCTION width:integer] [QUANT kind]",
        "Makes an index for vectors of one length under one metric.",
    ),
    command(
        Group::Server,
        "vbackup",
        2,
        Flags::ADMIN.and(Flags::NO_SCRIPT),
        Keys::NONE,
        Handler::Server(ServerCommand::Backup),
    )
    .docs("0.1.0", "name:string", "Writes all data into a directory of its own and replies when that is durable."),
    command(
        Group::Vector,
        "vquant",
        3,
        GROW.and(Flags::NOT_IN_MULTI).and(Flags::NO_SCRIPT),
        Keys::ONE,
        Handler::Server(ServerCommand::Quant),
    )
    .docs(
        "0.1.0",
        "index:key form:string",
        "Changes by what searches of an index find their way, in the background, and replies when that is done and durable.",
    ),
    command(
        Group::Server,
        "vsave",
        1,
        Flags::ADMIN.and(Flags::NO_SCRIPT),
        Keys::NONE,
        Handler::Server(ServerCommand::Save),
    )
    .docs("0.1.0", "", "Writes a snapshot and replies when it is durable."),
    row("vsearch", -4, Flags::READ_ONLY, vsearch::vsearch).docs(
        "0.1.0",
        "index:key query:string k:integer [EF width:integer] [WITHIN distance:double] \
         [PREFIX prefix | MATCH pattern:pattern | KEYS numkeys:integer element...] [WITHVECTORS] [EXACT]",
        "Finds the vectors of an index that are closest to a query: of all keys or some, at any distance or within one.",
    ),
];
