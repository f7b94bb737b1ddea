//! What commands do with their keys, in the words of Redis' key specifications: RO, RW, OW (overwritten without being
//! read), RM (removed), and whether data are told (access), changed (update), added (insert) or removed (delete).

use super::table::Flags;

/// What the command does with its first key, and with all others unless [`of_second_key`] says otherwise.
pub(super) fn of(name: &str, flags: Flags) -> &'static [&'static str] {
    match name {
        "exists" | "memory" | "object" | "strlen" | "touch" | "type" | "watch" => &["RO"],
        "append" => &["RW", "insert"],
        "del" | "unlink" => &["RM", "delete"],
        "expire" | "expireat" | "persist" | "pexpire" | "pexpireat" | "setrange" | "vadd" | "vquant" => {
            &["RW", "update"]
        }
        "getdel" | "rename" | "renamenx" => &["RW", "access", "delete"],
        "mset" | "psetex" | "setex" => &["OW", "update"],
        "msetnx" | "setnx" | "vnew" => &["OW", "insert"],
        "copy" => &["RO", "access"],
        "vdel" => &["RW", "delete"],
        _ if flags.contains(Flags::WRITE) => &["RW", "access", "update"],
        _ => &["RO", "access"],
    }
}

/// What a command that treats its second key otherwise than the first does with it.
pub(super) fn of_second_key(name: &str) -> Option<&'static [&'static str]> {
    match name {
        "copy" | "rename" => Some(&["OW", "update"]),
        "renamenx" => Some(&["OW", "insert"]),
        _ => None,
    }
}
