//! Snapshots on demand, and the end of the server.

use super::{Answer, Ran, Request};
use crate::engine::{Outcome, Refusal};
use crate::resp::{eq_ignore_case, parse_i64};
use crate::wal::Lsn;

/// `VSAVE`, `SAVE`: answered when the snapshot is durable. Other clients go on meanwhile.
pub(super) fn save(r: &mut Request<'_>) -> Answer {
    let number = request_snapshot(r)?;
    Ok(Ran { outcome: Outcome::Snapshot(number), barrier: Lsn(0) })
}

/// Bytes of the longest name of a backup.
const LONGEST_NAME: usize = 64;

/// `VBACKUP name`: answered when a directory of this name, in the one for backups, holds all that is here, durably. Other
/// clients go on meanwhile.
pub(super) fn backup(r: &mut Request<'_>) -> Answer {
    let word = r.args.get(1).unwrap_or_default();
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
    let name = std::str::from_utf8(word).ok().filter(|_| word.iter().all(plain));
    let name = name.filter(|name| (1..=LONGEST_NAME).contains(&name.len()) && !name.starts_with('.'));
    let name = name.ok_or_else(|| {
        Refusal::err(
            "a backup's name has 1 to 64 letters, digits, dots, dashes and underscores, no dot first",
        )
    })?;
    let number = r.server.engine.request_backup(name).map_err(|why| Refusal(why.into()))?;
    Ok(Ran { outcome: Outcome::Snapshot(number), barrier: Lsn(0) })
}

/// `BGSAVE [SCHEDULE]`: answered at once; INFO and LASTSAVE tell the rest.
pub(super) fn save_in_background(r: &mut Request<'_>) -> Answer {
    match (r.args.len(), r.args.get(1)) {
        (1, _) => {}
        (2, Some(word)) if eq_ignore_case(word, b"SCHEDULE") => {}
        _ => return Err(Refusal::SYNTAX),
    }
    request_snapshot(r)?;
    r.reply().simple("Background saving started");
    Ok(Ran::DONE)
}

fn request_snapshot(r: &mut Request<'_>) -> Result<u64, Refusal> {
    r.server.engine.request_snapshot().map_err(|why| Refusal(why.into()))
}

/// `LASTSAVE`
pub(super) fn last_save(r: &mut Request<'_>) -> Answer {
    let seconds = r.server.ledger.last_save.0 / 1_000_000;
    r.integer(seconds as i64)
}

/// `WAIT replicas milliseconds`: there are no replicas.
pub(super) fn wait(r: &mut Request<'_>) -> Answer {
    let numbers = (r.args.get(1).and_then(parse_i64), r.args.get(2).and_then(parse_i64));
    match numbers {
        (Some(_), Some(millis)) if millis < 0 => Err(Refusal::err("timeout is negative")),
        (Some(_), Some(_)) => r.integer(0),
        (Some(_), None) => Err(Refusal::err("timeout is not an integer or out of range")),
        (None, _) => Err(Refusal::NOT_AN_INTEGER),
    }
}

/// `SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE]`: the connection is closed without an answer. What was acknowledged is
/// durable either way; SAVE takes a snapshot first, and is answered if that fails.
pub(super) fn shutdown(r: &mut Request<'_>) -> Answer {
    let (mut save, mut no_save) = (false, false);
    for word in r.args.skip(1).iter() {
        if eq_ignore_case(word, b"SAVE") {
            save = true;
        } else if eq_ignore_case(word, b"NOSAVE") {
            no_save = true;
        } else if eq_ignore_case(word, b"ABORT") && r.args.len() == 2 {
            return Err(Refusal::err("No shutdown in progress."));
        } else if !eq_ignore_case(word, b"NOW") && !eq_ignore_case(word, b"FORCE") {
            return Err(Refusal::SYNTAX);
        }
    }
    if save && no_save {
        return Err(Refusal::SYNTAX);
    }
    if save {
        let number = request_snapshot(r)?;
        if !r.server.finish_after.contains(&number) {
            r.server.finish_after.push(number);
        }
        return Ok(Ran { outcome: Outcome::Snapshot(number), barrier: Lsn(0) });
    }
    r.connection.end_input();
    r.server.begin_finish("SHUTDOWN");
    Ok(Ran::DONE)
}
