//! COMMAND: what the table tells clients, in the shapes of Redis 7, and HELP of any command with subcommands.
//!
//! Tips and complexities are not told. Key specifications are derived from the key positions, which say all there is
//! to say about engram's commands.

use super::super::{Call, Engine, Handled, Outcome, Refusal};
use super::access;
use super::glob::Glob;
use super::syntax::{self, Arg};
use super::table::{self, Command, Flags, Group, Keys, Subcommand};
use crate::resp::{Args, Reply, eq_ignore_case};

/// `COMMAND [COUNT | DOCS | GETKEYS | GETKEYSANDFLAGS | HELP | INFO | LIST]`
pub fn command(_: &mut Engine, call: &mut Call<'_>) -> Handled {
    let args = call.args;
    if args.len() == 1 {
        return info(call, args.skip(2));
    }
    match table::subcommand(args)?.name {
        "count" => call.integer(table::all().count() as i64),
        "docs" => docs(call, args.skip(2)),
        "getkeys" => keys_of(call, args.skip(2), false),
        "getkeysandflags" => keys_of(call, args.skip(2), true),
        "help" => help(call),
        "info" => info(call, args.skip(2)),
        "list" => list(call, args.skip(2)),
        other => unreachable!("COMMAND {other} is in the table"),
    }
}

/// HELP of the command that `call` names: a line on each subcommand and its words, and one on what it does.
pub fn help(call: &mut Call<'_>) -> Handled {
    let Some(command) = call.args.get(0).and_then(table::lookup) else { return Err(Refusal::SYNTAX) };
    let name = command.name.to_ascii_uppercase();
    let mut lines = vec![format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")];
    let (last, others): (Vec<_>, Vec<_>) = command.subcommands.iter().partition(|sub| sub.name == "help");
    for sub in others.into_iter().chain(last) {
        let words = format!("{} {}", sub.name.to_ascii_uppercase(), syntax::shown(sub.syntax));
        lines.push(words.trim_end().to_owned());
        lines.push(format!("    {}", sub.summary));
    }
    call.reply.array(lines.len());
    lines.iter().for_each(|line| call.reply.simple(line));
    Ok(Outcome::Done)
}

/// A command or a subcommand, as clients see both.
#[derive(Clone, Copy)]
struct Row {
    command: &'static Command,
    sub: Option<&'static Subcommand>,
}

impl Row {
    fn of(command: &'static Command) -> Self {
        Self { command, sub: None }
    }

    /// The row that `name`, as in `get` or `object|encoding`, is the name of.
    fn named(name: &[u8]) -> Option<Self> {
        let mut parts = name.splitn(2, |b| *b == b'|');
        let command = table::lookup(parts.next()?)?;
        match parts.next() {
            None => Some(Self::of(command)),
            Some(sub) => Self::of(command)
                .subs()
                .find(|row| row.sub.is_some_and(|row| eq_ignore_case(row.name.as_bytes(), sub))),
        }
    }

    fn subs(self) -> impl ExactSizeIterator<Item = Self> {
        let command = self.command;
        let subs: &[Subcommand] = if self.sub.is_some() { &[] } else { command.subcommands };
        subs.iter().map(move |sub| Self { command, sub: Some(sub) })
    }

    fn name(self) -> String {
        match self.sub {
            Some(sub) => format!("{}|{}", self.command.name, sub.name),
            None => self.command.name.to_owned(),
        }
    }

    fn arity(self) -> i32 {
        self.sub.map_or(self.command.arity, |sub| sub.arity)
    }

    fn flags(self) -> Flags {
        self.sub.map_or(self.command.flags, |sub| sub.flags)
    }

    fn keys(self) -> Keys {
        self.sub.map_or(self.command.keys, |sub| sub.keys)
    }

    fn docs(self) -> [&'static str; 3] {
        let command = [self.command.summary, self.command.since, self.command.syntax];
        self.sub.map_or(command, |sub| [sub.summary, sub.since, sub.syntax])
    }

    /// The ACL categories it would belong to.
    fn categories(self) -> Vec<&'static str> {
        let flags = self.flags();
        let group = if self.command.subcommands.is_empty() || self.sub.is_some() {
            Some(self.command.group)
        } else {
            None
        };
        let fast = flags.contains(Flags::FAST);
        let table = [
            (flags.contains(Flags::KEYSPACE) || group == Some(Group::Generic), "@keyspace"),
            (flags.contains(Flags::WRITE), "@write"),
            (flags.contains(Flags::READ_ONLY), "@read"),
            (group == Some(Group::String), "@string"),
            (flags.contains(Flags::ADMIN), "@admin"),
            (fast, "@fast"),
            (!fast, "@slow"),
            (flags.contains(Flags::ADMIN) || flags.contains(Flags::DANGEROUS), "@dangerous"),
            (flags.contains(Flags::CONNECTION) || group == Some(Group::Connection), "@connection"),
            (group == Some(Group::Transactions), "@transaction"),
        ];
        table.into_iter().filter(|(belongs, _)| *belongs).map(|(_, name)| name).collect()
    }

    /// What it does with its keys: one specification for all, or one for each of two.
    fn specs(self) -> Vec<(Keys, &'static [&'static str])> {
        let (keys, name) = (self.keys(), self.command.name);
        if keys.first == 0 {
            return Vec::new();
        }
        match access::of_second_key(name) {
            None => vec![(keys, access::of(name, self.flags()))],
            Some(second) => vec![
                (Keys { first: 1, last: 1, step: 1 }, access::of(name, self.flags())),
                (Keys { first: 2, last: 2, step: 1 }, second),
            ],
        }
    }
}

fn info(call: &mut Call<'_>, names: Args<'_>) -> Handled {
    if names.is_empty() {
        call.reply.array(table::all().count());
        table::all().for_each(|command| write_info(&mut call.reply, Row::of(command)));
        return Ok(Outcome::Done);
    }
    call.reply.array(names.len());
    for name in names.iter() {
        match Row::named(name) {
            Some(row) => write_info(&mut call.reply, row),
            None => call.reply.null(),
        }
    }
    Ok(Outcome::Done)
}

fn write_info(reply: &mut Reply<'_>, row: Row) {
    reply.array(10);
    reply.bulk(row.name());
    reply.integer(row.arity().into());
    write_set(reply, row.flags().names());
    let keys = row.keys();
    [keys.first, keys.last, keys.step].into_iter().for_each(|n| reply.integer(n.into()));
    write_set(reply, row.categories().into_iter());
    reply.set(0);
    let specs = row.specs();
    reply.set(specs.len());
    specs.into_iter().for_each(|(keys, flags)| write_spec(reply, keys, flags));
    let subs = row.subs();
    if subs.len() == 0 {
        return reply.set(0);
    }
    reply.array(subs.len());
    subs.for_each(|sub| write_info(reply, sub));
}

fn write_spec(reply: &mut Reply<'_>, keys: Keys, flags: &'static [&'static str]) {
    reply.map(3);
    reply.bulk("flags");
    write_set(reply, flags.iter().copied());
    reply.bulk("begin_search");
    reply.map(2);
    reply.bulk("type");
    reply.bulk("index");
    reply.bulk("spec");
    reply.map(1);
    reply.bulk("index");
    reply.integer(keys.first.into());
    reply.bulk("find_keys");
    reply.map(2);
    reply.bulk("type");
    reply.bulk("range");
    reply.bulk("spec");
    reply.map(3);
    let last = if keys.last < 0 { keys.last } else { keys.last - keys.first };
    for (name, number) in [("lastkey", last), ("keystep", keys.step), ("limit", 0)] {
        reply.bulk(name);
        reply.integer(number.into());
    }
}

fn write_set(reply: &mut Reply<'_>, words: impl Iterator<Item = &'static str> + Clone) {
    reply.set(words.clone().count());
    words.for_each(|word| reply.simple(word));
}

fn docs(call: &mut Call<'_>, names: Args<'_>) -> Handled {
    let rows: Vec<Row> = if names.is_empty() {
        table::all().map(Row::of).collect()
    } else {
        names.iter().filter_map(Row::named).collect()
    };
    call.reply.map(rows.len());
    rows.into_iter().for_each(|row| write_docs(&mut call.reply, row));
    Ok(Outcome::Done)
}

fn write_docs(reply: &mut Reply<'_>, row: Row) {
    let [summary, since, syntax] = row.docs();
    let (args, subs) = (syntax::parse(syntax), row.subs());
    reply.bulk(row.name());
    reply.map(3 + usize::from(!args.is_empty()) + usize::from(subs.len() > 0));
    for (name, text) in [("summary", summary), ("since", since), ("group", row.command.group.name())] {
        reply.bulk(name);
        reply.bulk(text);
    }
    if !args.is_empty() {
        reply.bulk("arguments");
        write_args(reply, &args, &mut (0..row.specs().len()));
    }
    if subs.len() > 0 {
        reply.bulk("subcommands");
        reply.map(subs.len());
        subs.for_each(|sub| write_docs(reply, sub));
    }
}

/// Writes arguments; the first keys among them get the numbers of their specifications from `specs`.
fn write_args(reply: &mut Reply<'_>, args: &[Arg<'_>], specs: &mut std::ops::Range<usize>) {
    reply.array(args.len());
    for arg in args {
        let spec = if arg.kind == "key" { specs.next() } else { None };
        let flags: Vec<&str> = [(arg.optional, "optional"), (arg.multiple, "multiple")]
            .into_iter()
            .filter_map(|(on, name)| on.then_some(name))
            .collect();
        let fields = [spec.is_some(), arg.token.is_some(), !flags.is_empty(), !arg.parts.is_empty()];
        reply.map(2 + fields.into_iter().filter(|there| *there).count());
        for (name, text) in [("name", arg.name.as_str()), ("type", arg.kind)] {
            reply.bulk(name);
            reply.bulk(text);
        }
        if let Some(spec) = spec {
            reply.bulk("key_spec_index");
            reply.integer(spec as i64);
        }
        if let Some(token) = arg.token {
            reply.bulk("token");
            reply.bulk(token);
        }
        if !flags.is_empty() {
            reply.bulk("flags");
            reply.set(flags.len());
            flags.iter().for_each(|flag| reply.simple(flag));
        }
        if !arg.parts.is_empty() {
            reply.bulk("arguments");
            write_args(reply, &arg.parts, specs);
        }
    }
}

fn list(call: &mut Call<'_>, words: Args<'_>) -> Handled {
    let filter = match (words.len(), words.get(0), words.get(1), words.get(2)) {
        (0, ..) => None,
        (3, Some(by), Some(kind), Some(value)) if eq_ignore_case(by, b"FILTERBY") => Some((kind, value)),
        _ => return Err(Refusal::SYNTAX),
    };
    let kind = |name: &[u8]| filter.is_some_and(|(kind, _)| eq_ignore_case(kind, name));
    let (by_module, by_category, by_pattern) = (kind(b"MODULE"), kind(b"ACLCAT"), kind(b"PATTERN"));
    if filter.is_some() && !(by_module || by_category || by_pattern) {
        return Err(Refusal::SYNTAX);
    }
    let value = filter.map_or(&b""[..], |(_, value)| value);
    let glob =
        by_pattern.then(|| Glob::new(&value.to_ascii_lowercase())).transpose().map_err(Refusal::err)?;
    let wanted = |row: &Row| {
        !by_module
            && (!by_category || row.categories().iter().any(|c| eq_ignore_case(&c.as_bytes()[1..], value)))
            && glob.as_ref().is_none_or(|glob| glob.matches(row.name().as_bytes()))
    };
    let rows = table::all().map(Row::of).flat_map(|row| std::iter::once(row).chain(row.subs()));
    let names: Vec<String> = rows.filter(wanted).map(Row::name).collect();
    call.reply.array(names.len());
    names.iter().for_each(|name| call.reply.bulk(name));
    Ok(Outcome::Done)
}

/// Tells the keys of the command that `words` make, and what it does with them.
fn keys_of(call: &mut Call<'_>, words: Args<'_>, with_flags: bool) -> Handled {
    let command = words.get(0).and_then(table::lookup);
    let mut row = Row::of(command.ok_or_else(|| Refusal::err("Invalid command specified"))?);
    if let Some(word) = words.get(1)
        && let Some(sub) =
            row.subs().find(|row| row.sub.is_some_and(|s| eq_ignore_case(s.name.as_bytes(), word)))
    {
        row = sub;
    }
    if row.keys().first == 0 {
        return Err(Refusal::err("The command has no key arguments"));
    }
    if !table::fits(row.arity(), words.len()) {
        return Err(Refusal::err("Invalid number of arguments specified for command"));
    }
    let found: Vec<(&[u8], &'static [&'static str])> = row
        .specs()
        .into_iter()
        .flat_map(|(keys, flags)| keys.of(words).map(move |key| (key, flags)))
        .collect();
    call.reply.array(found.len());
    for (key, flags) in found {
        if with_flags {
            call.reply.array(2);
        }
        call.reply.bulk(key);
        if with_flags {
            write_set(&mut call.reply, flags.iter().copied());
        }
    }
    Ok(Outcome::Done)
}
