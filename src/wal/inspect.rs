//! Looking at a log without touching it: what is in each segment, what is wrong, and what a start would do.

use super::Lsn;
use super::error::RecoveryError;
use super::format::{HeaderFault, SegmentHeader};
use super::recover::{Apply, Recovered, read, segments, survey};
use super::scan::Walk;
use crate::env::Storage;

/// What one segment holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentReport {
    /// The file.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The LSN its name says.
    pub first: Lsn,
    /// The last valid record; one below `first` if there is none.
    pub last: Lsn,
    /// How many valid records it holds.
    pub records: u64,
    /// Where and why its valid bytes end before the file does. A torn tail is one, too: the verdict tells.
    pub fault: Option<String>,
}

/// What a log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Each segment, in order, those included that the snapshot covers.
    pub segments: Vec<SegmentReport>,
    /// What a start would do, or why it would refuse.
    pub verdict: Result<Recovered, RecoveryError>,
}

/// Verifies every segment and gives every record behind `after` to `see`, as a start would; changes nothing. Fails only
/// if the directory or a file cannot be read.
pub fn inspect(storage: &dyn Storage, after: Lsn, see: &mut Apply<'_>) -> Result<Inspection, RecoveryError> {
    let mut bytes = Vec::new();
    let mut reports = Vec::new();
    for (first, name) in segments(storage)? {
        read(storage, &name, &mut bytes)?;
        reports.push(report(name, first, &bytes));
    }
    Ok(Inspection { segments: reports, verdict: survey(storage, after, see) })
}

fn report(name: String, first: Lsn, bytes: &[u8]) -> SegmentReport {
    let mut report = SegmentReport {
        name,
        bytes: bytes.len() as u64,
        first,
        last: Lsn(first.0 - 1),
        records: 0,
        fault: None,
    };
    match SegmentHeader::decode(bytes) {
        Err(HeaderFault::Damaged) => report.fault = Some("offset 0: the header is damaged".to_owned()),
        Err(HeaderFault::Version(v)) => report.fault = Some(format!("offset 8: unknown format version {v}")),
        Ok(header) if header.first != first => {
            report.fault = Some(format!("offset 16: the header says that record {} is first", header.first));
        }
        Ok(header) => {
            let mut walk = Walk::new(bytes, header.seal(), first);
            report.records = walk.by_ref().count() as u64;
            report.last = Lsn(walk.next_lsn().0 - 1);
            let fault = |fault| format!("offset {}, record {}: {fault}", walk.end(), walk.next_lsn());
            report.fault = walk.fault().map(fault);
        }
    }
    report
}
