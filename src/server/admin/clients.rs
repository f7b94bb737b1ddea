//! CLIENT LIST, INFO and KILL: connections as lines, and the choice of some of them.

use std::fmt::Write;

use super::{Answer, Ran, Request};
use crate::base::time::{Mono, Wall};
use crate::engine::Refusal;
use crate::env::ConnId;
use crate::resp::{Protocol, eq_ignore_case, parse_i64};
use crate::server::Server;
use crate::server::connection::Connection;

/// Which connections are meant. What is not set lets all through.
#[derive(Debug, Default)]
struct Filter<'a> {
    ids: Vec<ConnId>,
    address: Option<&'a [u8]>,
    local: Option<&'a [u8]>,
    /// False for a kind of client that this server does not have.
    none: bool,
    skip: Option<ConnId>,
    /// Seconds.
    min_age: Option<u64>,
}

impl Filter<'_> {
    fn lets_through(&self, connection: &Connection, local: &str, wall: Wall) -> bool {
        let matches = |wanted: Option<&[u8]>, have: &str| wanted.is_none_or(|w| w == have.as_bytes());
        !self.none
            && (self.ids.is_empty() || self.ids.contains(&connection.id))
            && matches(self.address, &connection.peer)
            && matches(self.local, local)
            && self.skip != Some(connection.id)
            && self.min_age.is_none_or(|seconds| age(connection, wall) >= seconds)
    }

    /// TYPE's word: every client is a normal one.
    fn take_type(&mut self, word: &[u8]) -> Result<(), Refusal> {
        let kinds: [&[u8]; 5] = [b"normal", b"master", b"replica", b"slave", b"pubsub"];
        let Some(kind) = kinds.iter().position(|kind| eq_ignore_case(kind, word)) else {
            let shown = String::from_utf8_lossy(word).into_owned();
            return Err(Refusal::err(format_args!("Unknown client type '{shown}'")));
        };
        self.none |= kind != 0;
        Ok(())
    }

    fn take_id(&mut self, word: &[u8], wrong: &'static str) -> Result<(), Refusal> {
        let id = parse_i64(word).and_then(|id| u64::try_from(id).ok()).filter(|id| *id > 0);
        self.ids.push(ConnId(id.ok_or_else(|| Refusal::err(wrong))?));
        Ok(())
    }
}

/// `CLIENT INFO`
pub(super) fn info(r: &mut Request<'_>) -> Answer {
    let mut text = String::new();
    let (now, wall, local) = (r.server.now, r.server.clock.wall(), r.server.net.local());
    line(r.connection, now, wall, &local, &mut text);
    r.reply().verbatim(text);
    Ok(Ran::DONE)
}

/// `CLIENT LIST [TYPE type] [ID id ...]`
pub(super) fn list(r: &mut Request<'_>) -> Answer {
    let mut filter = Filter::default();
    match (r.args.get(2), r.args.get(3)) {
        (None, _) => {}
        (Some(word), Some(kind)) if eq_ignore_case(word, b"TYPE") && r.args.len() == 4 => {
            filter.take_type(kind)?
        }
        (Some(word), Some(_)) if eq_ignore_case(word, b"ID") => {
            for id in r.args.skip(3).iter() {
                filter.take_id(id, "Invalid client ID")?;
            }
        }
        _ => return Err(Refusal::SYNTAX),
    }
    let (now, wall, local) = (r.server.now, r.server.clock.wall(), r.server.net.local());
    let mut text = String::new();
    for connection in all(r.server, r.connection) {
        if filter.lets_through(connection, &local, wall) {
            line(connection, now, wall, &local, &mut text);
        }
    }
    r.reply().verbatim(text);
    Ok(Ran::DONE)
}

/// Every connection in the order of its coming. The one being served is not among the server's meanwhile.
fn all<'s>(server: &'s Server, own: &'s Connection) -> Vec<&'s Connection> {
    let mut all: Vec<&Connection> = server.connections.values().map(|c| &**c).collect();
    all.push(own);
    all.sort_unstable_by_key(|c| c.id);
    all
}

fn age(connection: &Connection, wall: Wall) -> u64 {
    wall.0.saturating_sub(connection.since.0) / 1_000_000
}

/// Appends one connection's line.
pub(super) fn line(c: &Connection, now: Mono, wall: Wall, local: &str, text: &mut String) {
    let session = &c.session;
    let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut flags = String::new();
    let marks = [
        (session.transaction.is_some(), 'x'),
        (c.closing, 'c'),
        (session.no_evict, 'e'),
        (session.no_touch, 'T'),
    ];
    flags.extend(marks.iter().filter(|(set, _)| *set).map(|(_, mark)| *mark));
    if flags.is_empty() {
        flags.push('N');
    }
    let queued = session.transaction.as_ref();
    let (multi, multi_bytes) = queued.map_or((-1, 0), |t| (t.commands.len() as i64, t.bytes));
    let events = match (c.interest.read, c.interest.write) {
        (true, true) => "rw",
        (true, false) => "r",
        (false, true) => "w",
        (false, false) => "",
    };
    let protocol = if session.protocol == Protocol::Resp3 { 3 } else { 2 };
    let wrote = writeln!(
        text,
        "id={} addr={} laddr={local} name={} age={} idle={} flags={flags} db=0 sub=0 psub=0 ssub=0 multi={multi} \
         watch={} qbuf={} multi-mem={multi_bytes} obl={} oll={} omem={} jobs={} tot-mem={} events={events} cmd={} \
         user=default redir=-1 resp={protocol} lib-name={} lib-ver={}",
        c.id.0,
        c.peer,
        name(&session.name),
        age(c, wall),
        now.since(c.last_active).as_secs(),
        session.watches.len(),
        c.input.backlog(),
        c.replies.unsent().len(),
        c.replies.waiting(),
        c.replies.memory(),
        c.jobs,
        c.memory(),
        last_command(c),
        name(&session.lib_name),
        name(&session.lib_version),
    );
    assert!(wrote.is_ok(), "writing to a string");
}

/// The last command's name: `get`, `client|list`.
fn last_command(c: &Connection) -> String {
    match (c.session.last_command, c.session.last_subcommand) {
        (command, "") => command.to_owned(),
        (command, sub) => format!("{command}|{sub}"),
    }
}

/// `CLIENT KILL addr:port` or `CLIENT KILL filter value ...`
pub(super) fn kill(r: &mut Request<'_>) -> Answer {
    let is_old_form = r.args.len() == 3;
    let filter =
        if is_old_form { Filter { address: r.args.get(2), ..Filter::default() } } else { read_kill(r)? };
    let (wall, local) = (r.server.clock.wall(), r.server.net.local());
    let mut chosen = all(r.server, r.connection);
    chosen.retain(|c| filter.lets_through(c, &local, wall));
    let ids: Vec<ConnId> = chosen.iter().map(|c| c.id).collect();
    for id in &ids {
        if *id == r.connection.id {
            r.connection.end_input();
        } else if let Some(connection) = r.server.connections.remove(id) {
            r.server.forget(connection);
        }
    }
    match (is_old_form, ids.len()) {
        (true, 0) => Err(Refusal::err("No such client")),
        (true, _) => r.ok(),
        (false, killed) => r.integer(killed as i64),
    }
}

fn read_kill<'a>(r: &Request<'a>) -> Result<Filter<'a>, Refusal> {
    let mut filter = Filter { skip: Some(r.connection.id), ..Filter::default() };
    let mut at = 2;
    while let Some(option) = r.args.get(at) {
        let Some(value) = r.args.get(at + 1) else { return Err(Refusal::SYNTAX) };
        let is = |word: &[u8]| eq_ignore_case(option, word);
        if is(b"ID") {
            filter.take_id(value, "client-id should be greater than 0")?;
        } else if is(b"ADDR") {
            filter.address = Some(value);
        } else if is(b"LADDR") {
            filter.local = Some(value);
        } else if is(b"TYPE") {
            filter.take_type(value)?;
        } else if is(b"USER") {
            if value != b"default" {
                let shown = String::from_utf8_lossy(value).into_owned();
                return Err(Refusal::err(format_args!("No such user '{shown}'")));
            }
        } else if is(b"SKIPME") && eq_ignore_case(value, b"YES") {
            filter.skip = Some(r.connection.id);
        } else if is(b"SKIPME") && eq_ignore_case(value, b"NO") {
            filter.skip = None;
        } else if is(b"MAXAGE") {
            let seconds = parse_i64(value).and_then(|n| u64::try_from(n).ok());
            filter.min_age =
                Some(seconds.ok_or_else(|| Refusal::err("maxage is not an integer or out of range"))?);
        } else {
            return Err(Refusal::SYNTAX);
        }
        at += 2;
    }
    Ok(filter)
}
