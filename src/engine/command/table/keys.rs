//! The rows of the commands that take keys of every kind.

use super::super::{expiry, keys, object, scan};
use super::{Command, EngineHandler, Flags, Group, Handler, Keys, Subcommand, command, sub};

const READ: Flags = Flags::READ_ONLY;
const READ_FAST: Flags = READ.and(Flags::FAST);
const WRITE: Flags = Flags::WRITE;
const WRITE_FAST: Flags = WRITE.and(Flags::FAST);

const fn row(name: &'static str, arity: i32, flags: Flags, keys: Keys, handler: EngineHandler) -> Command {
    command(Group::Generic, name, arity, flags, keys, Handler::Engine(handler))
}

pub(super) static COMMANDS: [Command; 21] = [
    row("copy", -3, WRITE.and(Flags::DENY_OOM), Keys::TWO, keys::copy).docs(
        "6.2.0",
        "source:key destination:key [DB destination-db:integer] [REPLACE]",
        "Copies what a key holds, its expiry included, to another.",
    ),
    row("del", -2, WRITE, Keys::ALL, keys::del).docs("1.0.0", "key...", "Deletes keys."),
    row("exists", -2, READ_FAST, Keys::ALL, keys::exists).docs(
        "1.0.0",
        "key...",
        "Tells how many of the keys are there.",
    ),
    row("expire", -3, WRITE_FAST, Keys::ONE, expiry::expire).docs(
        "1.0.0",
        "key seconds:integer [NX | XX | GT | LT]",
        "Sets a key's time to live in seconds.",
    ),
    row("expireat", -3, WRITE_FAST, Keys::ONE, expiry::expireat).docs(
        "1.2.0",
        "key unix-time-seconds:unix-time [NX | XX | GT | LT]",
        "Sets when a key goes, in Unix seconds.",
    ),
    row("expiretime", 2, READ_FAST, Keys::ONE, expiry::expiretime).docs(
        "7.0.0",
        "key",
        "Tells when a key goes, in Unix seconds.",
    ),
    row("keys", 2, READ.and(Flags::DANGEROUS), Keys::NONE, scan::keys).docs(
        "1.0.0",
        "pattern:pattern",
        "Tells all keys that match a pattern.",
    ),
    row("object", -2, Flags::NONE, Keys::NONE, object::object)
        .docs("2.2.3", "", "Tells how a key's value is kept.")
        .with(&OBJECT),
    row("persist", 2, WRITE_FAST, Keys::ONE, expiry::persist).docs("2.2.0", "key", "Removes a key's expiry."),
    row("pexpire", -3, WRITE_FAST, Keys::ONE, expiry::pexpire).docs(
        "2.6.0",
        "key milliseconds:integer [NX | XX | GT | LT]",
        "Sets a key's time to live in milliseconds.",
    ),
    row("pexpireat", -3, WRITE_FAST, Keys::ONE, expiry::pexpireat).docs(
        "2.6.0",
        "key unix-time-milliseconds:unix-time [NX | XX | GT | LT]",
        "Sets when a key goes, in Unix milliseconds.",
    ),
    row("pexpiretime", 2, READ_FAST, Keys::ONE, expiry::pexpiretime).docs(
        "7.0.0",
        "key",
        "Tells when a key goes, in Unix milliseconds.",
    ),
    row("pttl", 2, READ_FAST, Keys::ONE, expiry::pttl).docs(
        "2.6.0",
        "key",
        "Tells a key's time to live in milliseconds.",
    ),
    row("randomkey", 1, READ, Keys::NONE, keys::randomkey).docs("1.0.0", "", "Tells some key."),
    row("rename", 3, WRITE, Keys::TWO, keys::rename).docs(
        "1.0.0",
        "key newkey:key",
        "Renames a key; what had the new name is gone.",
    ),
    row("renamenx", 3, WRITE_FAST, Keys::TWO, keys::renamenx).docs(
        "1.0.0",
        "key newkey:key",
        "Renames a key if the new name is free.",
    ),
    row("scan", -2, READ, Keys::NONE, scan::scan).docs(
        "2.8.0",
        "cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [TYPE type]",
        "Walks through all keys, a few at a time.",
    ),
    row("touch", -2, READ_FAST, Keys::ALL, keys::exists).docs(
        "3.2.1",
        "key...",
        "Tells how many of the keys are there.",
    ),
    row("ttl", 2, READ_FAST, Keys::ONE, expiry::ttl).docs(
        "1.0.0",
        "key",
        "Tells a key's time to live in seconds.",
    ),
    row("type", 2, READ_FAST, Keys::ONE, keys::type_of).docs(
        "1.0.0",
        "key",
        "Tells what kind of value a key holds.",
    ),
    row("unlink", -2, WRITE_FAST, Keys::ALL, keys::del).docs(
        "4.0.0",
        "key...",
        "Deletes keys and leaves it to a worker to drop what is large, as DEL does too.",
    ),
];

static OBJECT: [Subcommand; 5] = [
    sub("encoding", 3, READ).key().docs("2.2.3", "key", "Tells how the value would be encoded."),
    sub("freq", 3, READ).key().docs("4.0.0", "key", "Tells how often a key is read, where that is counted."),
    sub("help", 2, Flags::LOADING.and(Flags::STALE)).docs("6.2.0", "", "Prints this help."),
    sub("idletime", 3, READ).key().docs("2.2.3", "key", "Tells how long a key was not used; always zero."),
    sub("refcount", 3, READ).key().docs("2.2.3", "key", "Tells how many refer to the value; always one."),
];
