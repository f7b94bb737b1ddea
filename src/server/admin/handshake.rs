//! What clients send before anything else, and what they say goodbye with.

use super::{Answer, REDIS_VERSION, Ran, Request};
use crate::engine::Refusal;
use crate::resp::{Protocol, eq_ignore_case, parse_i64};
use crate::server::connection::ReplyMode;

const WRONG_PASSWORD: Refusal =
    Refusal(std::borrow::Cow::Borrowed("WRONGPASS invalid username-password pair or user is disabled."));

/// `PING [message]`
pub(super) fn ping(r: &mut Request<'_>) -> Answer {
    match (r.args.len(), r.args.get(1)) {
        (0..=2, Some(message)) => r.bulk(message),
        (0..=2, None) => {
            r.reply().simple("PONG");
            Ok(Ran::DONE)
        }
        _ => Err(Request::wrong_arity("ping")),
    }
}

/// `ECHO message`
pub(super) fn echo(r: &mut Request<'_>) -> Answer {
    let message = r.args.get(1).unwrap_or_default();
    r.bulk(message)
}

/// `TIME`
pub(super) fn time(r: &mut Request<'_>) -> Answer {
    let micros = r.server.clock.wall().0;
    let mut reply = r.reply();
    reply.array(2);
    reply.bulk((micros / 1_000_000).to_string());
    reply.bulk((micros % 1_000_000).to_string());
    Ok(Ran::DONE)
}

/// What HELLO asks for.
#[derive(Default)]
struct Hello<'a> {
    protocol: Option<Protocol>,
    auth: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

/// `HELLO [2|3 [AUTH user password] [SETNAME name]]`
pub(super) fn hello(r: &mut Request<'_>) -> Answer {
    let hello = read_hello(r)?;
    if let Some((user, password)) = hello.auth {
        check_password(r, user, password)?;
    }
    if !r.connection.session.authenticated {
        return Err(Refusal(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
             <user> <pass> option can be used to authenticate the client and select the RESP protocol version at \
             the same time"
                .into(),
        ));
    }
    if let Some(name) = hello.name {
        r.connection.session.name = name.to_vec();
    }
    if let Some(protocol) = hello.protocol {
        r.connection.session.protocol = protocol;
    }
    let id = i64::try_from(r.connection.id.0).unwrap_or(i64::MAX);
    let mut reply = r.reply();
    let number = if reply.protocol() == Protocol::Resp3 { 3 } else { 2 };
    reply.map(7);
    for (field, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        reply.bulk(field);
        reply.bulk(value);
    }
    for (field, value) in [("proto", number), ("id", id)] {
        reply.bulk(field);
        reply.integer(value);
    }
    for (field, value) in [("mode", "standalone"), ("role", "master")] {
        reply.bulk(field);
        reply.bulk(value);
    }
    reply.bulk("modules");
    reply.array(0);
    Ok(Ran::DONE)
}

fn read_hello<'a>(r: &Request<'a>) -> Result<Hello<'a>, Refusal> {
    let mut hello = Hello::default();
    let Some(version) = r.args.get(1) else { return Ok(hello) };
    hello.protocol = match parse_i64(version) {
        Some(2) => Some(Protocol::Resp2),
        Some(3) => Some(Protocol::Resp3),
        Some(_) => return Err(Refusal("NOPROTO unsupported protocol version".into())),
        None => return Err(Refusal::err("Protocol version is not an integer or out of range")),
    };
    let mut at = 2;
    while let Some(option) = r.args.get(at) {
        match (r.args.get(at + 1), r.args.get(at + 2)) {
            (Some(user), Some(password)) if eq_ignore_case(option, b"AUTH") => {
                hello.auth = Some((user, password));
                at += 3;
            }
            (Some(name), _) if eq_ignore_case(option, b"SETNAME") => {
                check_label(name, "Client names")?;
                hello.name = Some(name);
                at += 2;
            }
            _ => {
                let shown = String::from_utf8_lossy(option).into_owned();
                return Err(Refusal::err(format_args!("Syntax error in HELLO option '{shown}'")));
            }
        }
    }
    Ok(hello)
}

/// Labels are shown in lists of words and lines, so they hold none of the bytes that part those.
pub(super) fn check_label(label: &[u8], what: &str) -> Result<(), Refusal> {
    if label.iter().all(u8::is_ascii_graphic) {
        return Ok(());
    }
    Err(Refusal::err(format_args!("{what} cannot contain spaces, newlines or special characters.")))
}

/// `AUTH [user] password`
pub(super) fn auth(r: &mut Request<'_>) -> Answer {
    match (r.args.len(), r.args.get(1), r.args.get(2)) {
        (2, Some(password), _) => {
            if r.server.options.requirepass.is_empty() {
                return Err(Refusal::err(
                    "AUTH <password> called without any password configured for the default user. Are you sure \
                     your configuration is correct?",
                ));
            }
            check_password(r, b"default", password)?;
        }
        (3, Some(user), Some(password)) => check_password(r, user, password)?,
        _ => return Err(Refusal::SYNTAX),
    }
    r.ok()
}

/// There is one user, `default`; without a password set, any is right.
fn check_password(r: &mut Request<'_>, user: &[u8], password: &[u8]) -> Result<(), Refusal> {
    let wanted = &r.server.options.requirepass;
    let is_right = wanted.is_empty() || same(wanted, password);
    if user != b"default" || !is_right {
        return Err(WRONG_PASSWORD);
    }
    r.connection.session.authenticated = true;
    Ok(())
}

/// Equality in a time that tells nothing but the length of `given`.
fn same(secret: &[u8], given: &[u8]) -> bool {
    let differing = given.iter().enumerate().fold(0, |bits, (i, byte)| {
        let other = secret.get(i % secret.len().max(1)).copied().unwrap_or(0);
        bits | (byte ^ other)
    });
    std::hint::black_box(differing) == 0 && secret.len() == given.len()
}

/// `SELECT index`: there is one database.
pub(super) fn select(r: &mut Request<'_>) -> Answer {
    match r.args.get(1).and_then(parse_i64) {
        Some(0) => r.ok(),
        Some(_) => Err(Refusal::err("DB index is out of range")),
        None => Err(Refusal::NOT_AN_INTEGER),
    }
}

/// `QUIT`
pub(super) fn quit(r: &mut Request<'_>) -> Answer {
    r.connection.end_input();
    r.ok()
}

/// `RESET`: the connection is as if it were new, but for its number.
pub(super) fn reset(r: &mut Request<'_>) -> Answer {
    r.server.abandon_transaction(r.connection);
    let session = &mut r.connection.session;
    session.protocol = Protocol::Resp2;
    session.authenticated = r.server.options.requirepass.is_empty();
    session.name.clear();
    session.reply_mode = ReplyMode::On;
    session.no_evict = false;
    session.no_touch = false;
    r.reply().simple("RESET");
    Ok(Ran::DONE)
}
