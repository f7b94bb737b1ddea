//! CONFIG: the table of settings at run time.

use super::sub::Runners;
use super::{Answer, Ran, Request};
use crate::base::mark::{Mark, reached};
use crate::engine::Refusal;
use crate::engine::command::glob::Glob;
use crate::server::Server;
use crate::server::options::{Changes, Options, SETTINGS, named};

/// What runs its subcommands.
pub(super) static RUNNERS: &Runners =
    &[("get", get), ("resetstat", reset_stats), ("rewrite", rewrite), ("set", set)];

/// A name and what its value follows from.
type Fixed = (&'static str, fn(&Options) -> &'static str);

/// Names of Redis that clients ask for, whose values follow from what this server is.
const FIXED: [Fixed; 5] = [
    ("save", |_| ""),
    ("appendonly", |o| if o.dir.is_some() { "yes" } else { "no" }),
    ("databases", |_| "1"),
    ("maxmemory-policy", |_| "noeviction"),
    ("cluster-enabled", |_| "no"),
];

fn get(r: &mut Request<'_>) -> Answer {
    let globs = r.args.skip(2).iter().map(|pattern| Glob::new(&pattern.to_ascii_lowercase()));
    let globs = globs.collect::<Result<Vec<_>, _>>().map_err(Refusal::err)?;
    let wanted = |name: &str| globs.iter().any(|glob| glob.matches(name.as_bytes()));
    let options = &r.server.options;
    let mut found: Vec<(&str, String)> = Vec::new();
    for setting in SETTINGS {
        let names = [Some(setting.name), setting.alias].into_iter().flatten();
        found.extend(names.filter(|name| wanted(name)).map(|name| (name, (setting.show)(options))));
    }
    let fixed = FIXED.iter().filter(|(name, _)| wanted(name));
    found.extend(fixed.map(|(name, show)| (*name, show(options).to_owned())));
    let mut reply = r.reply();
    reply.map(found.len());
    for (name, value) in found {
        reply.bulk(name);
        reply.bulk(value);
    }
    Ok(Ran::DONE)
}

fn set(r: &mut Request<'_>) -> Answer {
    let words = r.args.skip(2);
    if !words.len().is_multiple_of(2) {
        return Err(Refusal::SYNTAX);
    }
    let mut options = r.server.options.clone();
    let mut seen: Vec<&str> = Vec::new();
    let pairs = words.iter().step_by(2).zip(words.iter().skip(1).step_by(2));
    for (name, value) in pairs {
        seen.push(change(&mut options, &seen, name, value)?);
    }
    if options.fsync != r.server.options.fsync
        && let Some(why) = r.server.engine.poisoned()
    {
        reached(Mark::TierRefused);
        return Err(Refusal(why.to_owned().into()));
    }
    r.server.reconfigure(options);
    r.ok()
}

/// Takes one setting. Returns its name.
fn change(options: &mut Options, seen: &[&str], name: &[u8], value: &[u8]) -> Result<&'static str, Refusal> {
    let shown = String::from_utf8_lossy(name).into_owned();
    let failed = |why: &str| {
        Refusal::err(format_args!("CONFIG SET failed (possibly related to argument '{shown}') - {why}"))
    };
    let Some(setting) = named(&shown) else {
        if FIXED.iter().any(|(known, _)| known.eq_ignore_ascii_case(&shown)) {
            return Err(failed("can't set immutable config"));
        }
        return Err(Refusal::err(format_args!(
            "Unknown option or number of arguments for CONFIG SET - '{shown}'"
        )));
    };
    if setting.changes == Changes::AtStart {
        return Err(failed("can't set immutable config"));
    }
    if seen.contains(&setting.name) {
        return Err(failed("duplicate parameter"));
    }
    let value = std::str::from_utf8(value).map_err(|_| failed("argument must be UTF-8 text"))?;
    (setting.set)(options, value).map_err(|why| failed(&why))?;
    Ok(setting.name)
}

impl Server {
    /// Takes new settings, of which only those differ that may change at run time.
    fn reconfigure(&mut self, options: Options) {
        if options.fsync != self.options.fsync {
            self.engine.set_tier(options.fsync);
        }
        self.engine.plan_snapshots(options.snapshots);
        self.console.threshold(options.loglevel);
        self.ledger.slowlog.keep(options.slowlog_max_len);
        self.options = options;
    }
}

fn reset_stats(r: &mut Request<'_>) -> Answer {
    r.server.ledger.reset();
    r.server.engine.reset_stats();
    r.ok()
}

fn rewrite(_: &mut Request<'_>) -> Answer {
    Err(Refusal::err("this server does not rewrite its config file: change the file itself"))
}
