//! Reading a file of the log, over short and interrupted reads, with errors that name it.

use std::io;

use super::error::{RecoveryError, io_error};
use crate::base::mark::{Mark, reached};
use crate::env::{File, Storage};

/// Opens a file that is there.
pub(super) fn open(storage: &dyn Storage, name: &str) -> Result<Box<dyn File>, RecoveryError> {
    storage.open(name).map_err(|e| io_error(name, "open", &e))
}

/// Reads a whole file into `bytes`, over short and interrupted reads.
pub(super) fn read(storage: &dyn Storage, name: &str, bytes: &mut Vec<u8>) -> Result<(), RecoveryError> {
    let file = open(storage, name)?;
    let size = file.size().map_err(|e| io_error(name, "measure", &e))?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    bytes.clear();
    bytes
        .try_reserve(size)
        .map_err(|_| io_error(name, "find memory for", &io::ErrorKind::OutOfMemory.into()))?;
    bytes.resize(size, 0);
    fill(&*file, name, bytes)
}

/// Reads the beginning of a file, as much as `bytes` holds.
pub(super) fn fill(file: &dyn File, name: &str, bytes: &mut [u8]) -> Result<(), RecoveryError> {
    let mut at = 0;
    while let Some(rest) = bytes.get_mut(at..).filter(|rest| !rest.is_empty()) {
        let wanted = rest.len();
        match file.read_at(rest, at as u64) {
            Ok(0) => return Err(io_error(name, "read", &io::ErrorKind::UnexpectedEof.into())),
            Ok(n) => {
                if n < wanted {
                    reached(Mark::ReadInParts);
                }
                at += n;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => reached(Mark::ReadInterrupted),
            Err(e) => {
                reached(Mark::FileUnreadable);
                return Err(io_error(name, "read", &e));
            }
        }
    }
    Ok(())
}
