//! `engram check`: what is in a directory and what is wrong with it, without changing a byte.
//!
//! It does what a start does, with the same code, on a scratch copy in memory: every checksum is verified, every record
//! is applied, every index validated. Only the repair of a torn tail and the linking of rows are left out.

use super::mutation::Op;
use super::recovery::{load, replay};
use super::store::{IndexOptions, Store};
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
pub fn check(storage: &dyn Storage, options: IndexOptions) -> Check {
    let mut check = Check { lines: Vec::new(), healthy: true };
    let mut store = Store::new(options);
    let after = check.snapshot(storage, &mut store);
    if let Some(after) = after {
        check.log(storage, &mut store, after);
    }
    if check.healthy {
        check.contents(&store);
    }
    check.lines.push(if check.healthy { "healthy".to_owned() } else { "NOT healthy".to_owned() });
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

    fn snapshot(&mut self, storage: &dyn Storage, store: &mut Store) -> Option<Lsn> {
        match snapshot::open_newest(storage) {
            Err(e) => {
                self.fault(format!("snapshot: {e}"));
                None
            }
            Ok(None) => {
                self.say("snapshot: none".to_owned());
                Some(Lsn(0))
            }
            Ok(Some(snapshot)) => {
                let lsn = snapshot.lsn;
                let (name, sections) = (snapshot.file.clone(), snapshot.sections().count());
                match load(&snapshot, store) {
                    Ok(()) => {
                        self.say(format!(
                            "snapshot: {name}: {sections} sections, state at LSN {}, {} keys",
                            lsn.0,
                            store.keyspace.len()
                        ));
                        Some(lsn)
                    }
                    Err(e) => {
                        self.fault(format!("snapshot: {name}: {e}"));
                        None
                    }
                }
            }
        }
    }

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
            Err(e) => return self.fault(format!("log: {e}")),
        };
        for segment in &inspection.segments {
            let fault = segment.fault.as_ref().map_or(String::new(), |f| format!("; {f}"));
            self.say(format!(
                "log: {}: {} bytes, {} records, LSN {}..={}{fault}",
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
