//! The rows of the string commands.

use super::super::{strings, strings_number, strings_set};
use super::{Command, EngineHandler, Flags, Group, Handler, Keys, command};

const READ: Flags = Flags::READ_ONLY;
const READ_FAST: Flags = READ.and(Flags::FAST);
const WRITE_FAST: Flags = Flags::WRITE.and(Flags::FAST);
const GROW: Flags = Flags::WRITE.and(Flags::DENY_OOM);
const GROW_FAST: Flags = GROW.and(Flags::FAST);

const fn row(name: &'static str, arity: i32, flags: Flags, keys: Keys, handler: EngineHandler) -> Command {
    command(Group::String, name, arity, flags, keys, Handler::Engine(handler))
}

pub(super) static COMMANDS: [Command; 21] = [
    row("append", 3, GROW_FAST, Keys::ONE, strings::append).docs(
        "2.0.0",
        "key value",
        "Puts bytes behind a string, which is empty if there is none.",
    ),
    row("decr", 2, GROW_FAST, Keys::ONE, strings_number::decr).docs(
        "1.0.0",
        "key",
        "Takes one from a number, which is zero if there is none.",
    ),
    row("decrby", 3, GROW_FAST, Keys::ONE, strings_number::decrby).docs(
        "1.0.0",
        "key decrement:integer",
        "Takes an amount from a number, which is zero if there is none.",
    ),
    row("get", 2, READ_FAST, Keys::ONE, strings::get).docs("1.0.0", "key", "Tells the string of a key."),
    row("getdel", 2, WRITE_FAST, Keys::ONE, strings::getdel).docs(
        "6.2.0",
        "key",
        "Tells the string of a key and deletes the key.",
    ),
    row("getex", -2, WRITE_FAST, Keys::ONE, strings_set::getex).docs(
        "6.2.0",
        "key [EX seconds:integer | PX milliseconds:integer | EXAT unix-time-seconds:unix-time | \
         PXAT unix-time-milliseconds:unix-time | PERSIST]",
        "Tells the string of a key and sets or removes its expiry.",
    ),
    row("getrange", 4, READ, Keys::ONE, strings::getrange).docs(
        "2.4.0",
        "key start:integer end:integer",
        "Tells part of a string.",
    ),
    row("getset", 3, GROW_FAST, Keys::ONE, strings_set::getset).docs(
        "1.0.0",
        "key value",
        "Sets the string of a key and tells the one before.",
    ),
    row("incr", 2, GROW_FAST, Keys::ONE, strings_number::incr).docs(
        "1.0.0",
        "key",
        "Adds one to a number, which is zero if there is none.",
    ),
    row("incrby", 3, GROW_FAST, Keys::ONE, strings_number::incrby).docs(
        "1.0.0",
        "key increment:integer",
        "Adds an amount to a number, which is zero if there is none.",
    ),
    row("incrbyfloat", 3, GROW_FAST, Keys::ONE, strings_number::incrbyfloat).docs(
        "2.6.0",
        "key increment:double",
        "Adds an amount with decimals to a number, which is zero if there is none.",
    ),
    row("mget", -2, READ_FAST, Keys::ALL, strings::mget).docs(
        "1.0.0",
        "key...",
        "Tells the strings of several keys.",
    ),
    row("mset", -3, GROW, Keys::PAIRS, strings_set::mset).docs(
        "1.0.1",
        "(key value)...",
        "Sets the strings of several keys.",
    ),
    row("msetnx", -3, GROW, Keys::PAIRS, strings_set::msetnx).docs(
        "1.0.1",
        "(key value)...",
        "Sets the strings of several keys if none of them is there.",
    ),
    row("psetex", 4, GROW, Keys::ONE, strings_set::psetex).docs(
        "2.6.0",
        "key milliseconds:integer value",
        "Sets the string of a key and its time to live in milliseconds.",
    ),
    row("set", -3, GROW, Keys::ONE, strings_set::set).docs(
        "1.0.0",
        "key value [NX | XX] [GET] [EX seconds:integer | PX milliseconds:integer | \
         EXAT unix-time-seconds:unix-time | PXAT unix-time-milliseconds:unix-time | KEEPTTL]",
        "Sets the string of a key, whatever the key held.",
    ),
    row("setex", 4, GROW, Keys::ONE, strings_set::setex).docs(
        "2.0.0",
        "key seconds:integer value",
        "Sets the string of a key and its time to live in seconds.",
    ),
    row("setnx", 3, GROW_FAST, Keys::ONE, strings_set::setnx).docs(
        "1.0.0",
        "key value",
        "Sets the string of a key that is not there.",
    ),
    row("setrange", 4, GROW, Keys::ONE, strings::setrange).docs(
        "2.2.0",
        "key offset:integer value",
        "Overwrites part of a string, after zero bytes where it was shorter.",
    ),
    row("strlen", 2, READ_FAST, Keys::ONE, strings::strlen).docs(
        "2.2.0",
        "key",
        "Tells how long a string is.",
    ),
    row("substr", 4, READ, Keys::ONE, strings::getrange).docs(
        "1.0.0",
        "key start:integer end:integer",
        "Tells part of a string; the old name of GETRANGE.",
    ),
];
