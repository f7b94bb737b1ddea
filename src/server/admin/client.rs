//! CLIENT: what a connection says about itself, and what it may know of and do to the others (see [`super::clients`]).

use std::time::Duration;

use super::handshake::check_label;
use super::sub::Runners;
use super::{Answer, Ran, Request, clients};
use crate::engine::Refusal;
use crate::resp::{eq_ignore_case, parse_i64};
use crate::server::connection::ReplyMode;

/// What runs its subcommands.
pub(super) static RUNNERS: &Runners = &[
    ("caching", caching),
    ("getname", get_name),
    ("getredir", get_redir),
    ("id", id),
    ("info", clients::info),
    ("kill", clients::kill),
    ("list", clients::list),
    ("no-evict", no_evict),
    ("no-touch", no_touch),
    ("pause", pause),
    ("reply", reply),
    ("setinfo", set_info),
    ("setname", set_name),
    ("tracking", tracking),
    ("trackinginfo", tracking_info),
    ("unblock", unblock),
    ("unpause", unpause),
];

const NO_TRACKING: &str = "client-side caching is not supported";

fn caching(_: &mut Request<'_>) -> Answer {
    Err(Refusal::err(NO_TRACKING))
}

fn get_name(r: &mut Request<'_>) -> Answer {
    let name = std::mem::take(&mut r.connection.session.name);
    r.reply().bulk_or_null(Some(&name).filter(|name| !name.is_empty()));
    r.connection.session.name = name;
    Ok(Ran::DONE)
}

fn get_redir(r: &mut Request<'_>) -> Answer {
    r.integer(-1)
}

fn id(r: &mut Request<'_>) -> Answer {
    let id = i64::try_from(r.connection.id.0).unwrap_or(i64::MAX);
    r.integer(id)
}

fn no_evict(r: &mut Request<'_>) -> Answer {
    r.connection.session.no_evict = read_switch(r)?;
    r.ok()
}

fn no_touch(r: &mut Request<'_>) -> Answer {
    r.connection.session.no_touch = read_switch(r)?;
    r.ok()
}

/// The third word: ON or OFF.
fn read_switch(r: &Request<'_>) -> Result<bool, Refusal> {
    match r.args.get(2) {
        Some(word) if eq_ignore_case(word, b"ON") => Ok(true),
        Some(word) if eq_ignore_case(word, b"OFF") => Ok(false),
        _ => Err(Refusal::SYNTAX),
    }
}

fn reply(r: &mut Request<'_>) -> Answer {
    if r.connection.session.in_exec {
        return Err(Refusal::err("CLIENT REPLY inside a transaction would leave holes in EXEC's reply"));
    }
    let word = r.args.get(2).unwrap_or_default();
    let mode = &mut r.connection.session.reply_mode;
    if eq_ignore_case(word, b"ON") {
        *mode = ReplyMode::On;
        return r.ok();
    }
    if eq_ignore_case(word, b"OFF") {
        *mode = ReplyMode::Off;
    } else if !eq_ignore_case(word, b"SKIP") {
        return Err(Refusal::SYNTAX);
    } else if *mode == ReplyMode::On {
        *mode = ReplyMode::SkipNext;
    }
    Ok(Ran::DONE)
}

fn set_info(r: &mut Request<'_>) -> Answer {
    let (Some(attribute), Some(text)) = (r.args.get(2), r.args.get(3)) else { return Err(Refusal::SYNTAX) };
    let session = &mut r.connection.session;
    if eq_ignore_case(attribute, b"LIB-NAME") {
        check_label(text, "lib-name")?;
        session.lib_name = text.to_vec();
    } else if eq_ignore_case(attribute, b"LIB-VER") {
        check_label(text, "lib-ver")?;
        session.lib_version = text.to_vec();
    } else {
        let shown = String::from_utf8_lossy(attribute).into_owned();
        return Err(Refusal::err(format_args!("Unrecognized option '{shown}'")));
    }
    r.ok()
}

fn set_name(r: &mut Request<'_>) -> Answer {
    let name = r.args.get(2).unwrap_or_default();
    check_label(name, "Client names")?;
    r.connection.session.name = name.to_vec();
    r.ok()
}

fn tracking(r: &mut Request<'_>) -> Answer {
    if read_switch(r)? { Err(Refusal::err(NO_TRACKING)) } else { r.ok() }
}

fn tracking_info(r: &mut Request<'_>) -> Answer {
    let mut reply = r.reply();
    reply.map(3);
    reply.bulk("flags");
    reply.set(1);
    reply.bulk("off");
    reply.bulk("redirect");
    reply.integer(-1);
    reply.bulk("prefixes");
    reply.array(0);
    Ok(Ran::DONE)
}

fn unblock(r: &mut Request<'_>) -> Answer {
    if r.args.get(2).and_then(parse_i64).is_none() {
        return Err(Refusal::NOT_AN_INTEGER);
    }
    let reason = r.args.get(3);
    if reason.is_some_and(|word| !eq_ignore_case(word, b"TIMEOUT") && !eq_ignore_case(word, b"ERROR")) {
        return Err(Refusal::err("CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
    }
    r.integer(0)
}

fn pause(r: &mut Request<'_>) -> Answer {
    let millis = match r.args.get(2).and_then(parse_i64) {
        None => return Err(Refusal::err("timeout is not an integer or out of range")),
        Some(millis) => u64::try_from(millis).map_err(|_| Refusal::err("timeout is negative"))?,
    };
    let all = match (r.args.len(), r.args.get(3)) {
        (3, _) => true,
        (4, Some(word)) if eq_ignore_case(word, b"ALL") => true,
        (4, Some(word)) if eq_ignore_case(word, b"WRITE") => false,
        _ => return Err(Refusal::err("CLIENT PAUSE mode must be WRITE or ALL")),
    };
    r.server.pause.begin(r.server.now.after(Duration::from_millis(millis)), all);
    r.ok()
}

fn unpause(r: &mut Request<'_>) -> Answer {
    r.server.end_pause();
    r.ok()
}
