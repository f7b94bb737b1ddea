//! `engram check`: what is in a directory, what is wrong with it and what a start would do, without changing a byte.
//!
//! It does what a start does, with the same code, on a scratch copy in memory: every checksum is verified, every record
//! is applied, every index validated. Only the repair of a torn tail and the linking of rows are left out.

use super::mutation::Op;
use super::recovery::{load, replay};
use super::store::{Store, StoreOptions};
use super::value::Value;
use crate::base::bytes::Reader;
use crate::env::Storage;
use crate::snapshot;
use crate::wal::{self, Lsn};

/// What [`check`] found.
#[derive(Clone, Debug, Default)]
pub struct Check {
    /// The findings, a line each.
    pub lines: Vec<String>,
    /// True if a server would start on this directory and serve all that it promised.
    pub healthy: bool,
}

/// Verifies the directory behind `storage`.
pub fn check(storage: &dyn Storage, options: StoreOptions) -> Check {
    let mut check = Check { lines: Vec::new(), healthy: true };
    let mut store = Store::new(options);
    let after = check.snapshot(storage, &mut store);
    if let Some(after) = after {
        check.log(storage, &mut store, after);
    }
    if check.healthy {
        check.contents(&store);
    }
    check.others(storage);
    let verdict =
        if check.healthy { "healthy: a start would serve this" } else { "NOT healthy: a start would refuse" };
    check.say(verdict.to_owned());
    check
}

impl Check {
    fn say(&mut self, line: String) {
        self.lines.push(line);
    }

    fn fault(&mut self, line: String) {
        self.healthy = false;
        self.lines.push(line);
    }

    /// Every snapshot, and which a start would open.
    fn snapshot(&mut self, storage: &dyn Storage, store: &mut Store) -> Option<Lsn> {
        let all = match snapshot::inspect(storage) {
            Ok(all) => all,
            Err(e) => {
                self.fault(format!("snapshot: {e}"));
                return None;
            }
        };
        let newest = match snapshot::open_newest(storage) {
            Ok(newest) => newest,
            Err(e) => {
                self.fault(format!("snapshot: a start would refuse: {e}"));
                None
            }
        };
        for report in all.iter().filter(|report| report.published) {
            match &report.sections {
                _ if newest.as_ref().is_some_and(|newest| newest.file == report.file) => {}
                Err(e) => self.say(format!("snapshot: older: {e}")),
                Ok(sections) => {
                    self.say(format!("snapshot: {}: older, sound, {} sections", report.file, sections.len()));
                }
            }
        }
        let Some(newest) = newest else {
            if self.healthy {
                self.say("snapshot: none".to_owned());
            }
            return self.healthy.then_some(Lsn(0));
        };
        let (name, sections) = (&newest.file, newest.sections().count());
        match load(&newest, store) {
            Ok(()) => {
                let (lsn, keys) = (newest.lsn, store.keyspace.len());
                self.say(format!(
                    "snapshot: {name}: {} bytes, {sections} sections, state at LSN {lsn}, {keys} keys; a start would open it",
                    newest.bytes
                ));
                Some(lsn)
            }
            Err(e) => {
                self.fault(format!("snapshot: a start would refuse: {name}: {e}"));
                None
            }
        }
    }

    /// Every segment, and what a start would do with it.
    fn log(&mut self, storage: &dyn Storage, store: &mut Store, after: Lsn) {
        let mut operations = 0_u64;
        let mut see = |lsn, payload: &[u8]| {
            let mut r = Reader::new(payload);
            while !r.is_empty() && Op::decode(&mut r).is_ok() {
                operations += 1;
            }
            replay(store, lsn, payload)
        };
        let inspection = match wal::inspect(storage, after, &mut see) {
            Ok(inspection) => inspection,
            Err(e) => return self.fault(format!("log: a start would refuse: {e}")),
        };
        let behind = inspection.segments.iter().skip(1).map(|next| Some(next.first)).chain([None]);
        for (segment, behind) in inspection.segments.iter().zip(behind) {
            let fault = segment.fault.as_ref().map_or(String::new(), |f| format!("; {f}"));
            let covered = behind.is_some_and(|behind| behind <= after.next());
            let covered = if covered { "; covered by the snapshot, a start does not read it" } else { "" };
            self.say(format!(
                "log: {}: {} bytes, {} records, LSN {}..={}{fault}{covered}",
                segment.name, segment.bytes, segment.records, segment.first.0, segment.last.0
            ));
        }
        match &inspection.verdict {
            Err(e) => self.fault(format!("log: a start would refuse: {e}")),
            Ok(recovered) => {
                self.say(format!(
                    "log: a start would apply {} records ({operations} operations) and go on after LSN {}",
                    recovered.records, recovered.last.0
                ));
                if let Some(cut) = &recovered.cut {
                    self.say(format!(
                        "log: a start would cut {} bytes that were never acknowledged off {} at offset {}",
                        cut.bytes, cut.file, cut.offset
                    ));
                }
            }
        }
    }

    /// Files that are neither.
    fn others(&mut self, storage: &dyn Storage) {
        let names = match storage.list() {
            Ok(names) => names,
            Err(e) => return self.fault(format!("cannot list the directory: {e}")),
        };
        for name in names {
            let engrams = name.starts_with("wal-") || name.starts_with("snapshot-");
            if engrams && name.ends_with(".tmp") {
                self.say(format!("other: {name}: left by an unfinished write; a start would remove it"));
            } else if name.starts_with("repair-") {
                self.say(format!("other: {name}: kept by a repair; nothing reads it"));
            } else if !engrams {
                self.say(format!("other: {name}: not engram's; nothing reads it"));
            }
        }
    }

    fn contents(&mut self, store: &Store) {
        let (mut strings, mut sets, mut vectors) = (0, 0, 0);
        let mut cursor = 0;
        loop {
            cursor = store.keyspace.scan(cursor, 1024, &mut |entry| match &entry.value {
                Value::String(_) => strings += 1,
                Value::Vectors(set) => {
                    sets += 1;
                    vectors += set.writer.len();
                }
            });
            if cursor == 0 {
                break;
            }
        }
        self.say(format!("contents: {strings} strings, {sets} vector sets with {vectors} vectors"));
        if let Err(fault) = store.validate() {
            self.fault(fault);
        }
    }
}
