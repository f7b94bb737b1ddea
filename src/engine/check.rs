//! `engram check`: what is in a directory, what is wrong with it and what a start would do, without changing a byte.
//!
//! It does what a start does, with the same code, on a scratch copy in memory: every checksum is verified, every record
//! is applied, every index validated. Only the repair of a torn tail and the linking of rows are left out.

use std::io;

use super::mutation::Op;
use super::names::{Family, family};
use super::recovery::{load, replay};
use super::store::{Store, StoreOptions};
use super::value::Value;
use crate::base::bytes::Reader;
use crate::env::Storage;
use crate::snapshot::{self, SnapshotError};
use crate::wal::{self, Case, Cut, Lsn, Recovered, RecoveryError, SegmentReport};

/// What [`check`] found.
#[derive(Clone, Debug, Default)]
pub struct Check {
    /// The findings, a line each.
    pub lines: Vec<String>,
    /// True if a server would start on this directory and serve all that it promised.
    pub healthy: bool,
    /// A part could not be read.
    unread: bool,
    /// The snapshot that a start would open.
    newest: Option<String>,
    /// The name that a start would give to a copy of the last segment, if it would make one.
    copy: Option<String>,
    /// The log's files, which a start opens for writing, all of them.
    pub opened: Vec<String>,
    /// Files that a start removes or puts others in the place of, and cannot go on without.
    pub replaced: Vec<String>,
}

/// What a start would cut, and what that may mean.
fn described(cut: &Cut, recovered: &Recovered) -> String {
    let Cut { file, offset, bytes, .. } = cut;
    let next = recovered.last.next();
    match recovered.case {
        Case::Room => format!(
            "log: a start would cut {bytes} bytes of zeros off {file}, which the server had written ahead of its records: they \
             are left where it was killed, and nothing is missing"
        ),
        Case::TornSwitch => {
            format!("log: a start would remove {file}: it was created and holds no record yet")
        }
        _ => format!(
            "log: a start would cut {bytes} bytes off {file} at offset {offset}: record {next} is not whole there. A crash \
             in the middle of a write leaves that, and nothing says that the record was acknowledged. A server that ended \
             in order leaves a whole log: behind such an end somebody has cut the file, and records that were \
             acknowledged are missing"
        ),
    }
}

/// Verifies the directory behind `storage`.
pub fn check(storage: &dyn Storage, options: StoreOptions) -> Check {
    let mut check = Check { healthy: true, ..Check::default() };
    let mut store = Store::new(options);
    let after = check.snapshot(storage, &mut store);
    if let Some(after) = after {
        check.log(storage, &mut store, after);
    }
    if check.healthy {
        check.contents(&store);
    }
    check.others(storage);
    let verdict = match (check.healthy, check.unread) {
        (true, _) => "healthy: a start would serve this",
        (false, false) => "NOT healthy: a start would refuse",
        (false, true) => "NOT known to be healthy: who cannot read all of it cannot start on it either",
    };
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

    /// Why a start would not go past a part, or could not be told what it would do, where the part cannot be read: by whom it
    /// runs may decide that.
    fn refused(&mut self, part: &str, file: &str, why: &dyn std::fmt::Display, unread: bool) {
        self.unread |= unread;
        let what = if unread { "cannot be read" } else { "a start would refuse" };
        self.fault(format!("{part}: {what}: {file}{why}"));
    }

    /// Every snapshot, and which a start would open.
    fn snapshot(&mut self, storage: &dyn Storage, store: &mut Store) -> Option<Lsn> {
        let all = match snapshot::inspect(storage) {
            Ok(all) => all,
            Err(e) => {
                self.refused("snapshot", "", &e, true);
                return None;
            }
        };
        let newest = match snapshot::open_newest(storage) {
            Ok(newest) => newest,
            Err(e) => {
                self.refused("snapshot", "", &e, matches!(e, SnapshotError::Io { .. }));
                None
            }
        };
        // The last is what a start opens or refuses, and was told of.
        let published: Vec<_> = all.iter().filter(|report| report.published).collect();
        for report in published.split_last().map_or(&[][..], |(_, older)| older) {
            match &report.sections {
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
        match load(&newest, store, &mut || false) {
            Ok(()) => {
                let (lsn, keys) = (newest.lsn, store.keyspace.len());
                self.say(format!(
                    "snapshot: {name}: {} bytes, {sections} sections, state at LSN {lsn}, {keys} keys; a start would open it",
                    newest.bytes
                ));
                self.newest = Some(newest.file.clone());
                Some(lsn)
            }
            Err(e) => {
                self.refused("snapshot", &format!("{name}: "), &e, false);
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
            Err(e) => return self.refused("log", "", &e, matches!(e, RecoveryError::Io { .. })),
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
            Err(e) => self.refused("log", "", e, matches!(e, RecoveryError::Io { .. })),
            Ok(recovered) => {
                self.say(format!(
                    "log: a start would apply {} records ({operations} operations) and go on after LSN {}",
                    recovered.records, recovered.last.0
                ));
                if let Some(cut) = &recovered.cut {
                    self.say(described(cut, recovered));
                    self.replaced.extend((recovered.case == Case::TornSwitch).then(|| cut.file.clone()));
                }
                // A start makes the name of such a snapshot anew: it gives it another one meanwhile.
                self.replaced.extend(self.newest.clone().filter(|_| recovered.rests_on_snapshot()));
                self.opened.extend(inspection.segments.iter().map(|segment| segment.name.clone()));
                self.copy = recovered.copy();
                let copied = inspection.segments.iter().find(|segment| self.is_copied(&segment.name));
                if let Some(SegmentReport { name, bytes, .. }) = copied {
                    self.say(format!(
                        "log: a start would put a copy in the place of {name}, since nothing in it says that all of it was \
                         synced, as a crash leaves it; where there is no room for {bytes} bytes it goes on without"
                    ));
                    self.replaced.extend(self.copy.clone().into_iter().chain([name.clone()]));
                }
            }
        }
    }

    /// Whether a start would make a copy of this segment.
    fn is_copied(&self, segment: &str) -> bool {
        self.copy.as_ref().and_then(|copy| copy.strip_prefix(segment)).is_some_and(|rest| !rest.is_empty())
    }

    /// Files that are neither.
    fn others(&mut self, storage: &dyn Storage) {
        let names = match storage.list() {
            Ok(names) => names,
            Err(e) => return self.refused("other", "", &e, true),
        };
        for name in names {
            let directory = || storage.open(&name).is_err_and(|e| e.kind() == io::ErrorKind::IsADirectory);
            let what = match family(&name) {
                Family::Unfinished if directory() && self.copy.as_ref() == Some(&name) => {
                    self.fault(format!(
                        "other: {name}: a directory; a start would refuse: it has to make a file there"
                    ));
                    continue;
                }
                Family::Unfinished if directory() => "a directory; a start would leave it and warn of it",
                Family::Unfinished => "left by an unfinished write; a start would remove it",
                Family::Repair => "kept by a repair; nothing reads it",
                Family::Foreign => "not engram's; nothing reads it",
                Family::Data | Family::Copying => continue,
            };
            self.say(format!("other: {name}: {what}"));
        }
    }

    fn contents(&mut self, store: &Store) {
        let (mut strings, mut sets, mut vectors) = (0, 0, 0);
        let mut cursor = 0;
        loop {
            cursor = store.keyspace.scan(cursor, 1024, &mut |entry| match &entry.value {
                Value::String(_) | Value::Shared(_) => strings += 1,
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
