//! What a real directory refuses without looking at its files: names that are none, numbers that are too large; and the
//! errors of one that cannot.

use std::io;

use crate::faults::Call;

/// The file that a real directory keeps for its lock; no data file may have the name.
const LOCK: &str = "LOCK";

/// Bytes of the longest name.
const LONGEST: usize = 255;

/// An error unless `name` is a plain one.
pub(super) fn plain(name: &str) -> io::Result<()> {
    let plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
    if plain && !name.eq_ignore_ascii_case(LOCK) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is no name for a data file")))
}

/// An error unless `name` is short enough.
pub(super) fn short(name: &str) -> io::Result<()> {
    if name.len() > LONGEST { Err(io::ErrorKind::InvalidFilename.into()) } else { Ok(()) }
}

/// An error unless all of `len` bytes from `offset` on have a place.
pub(super) fn range(offset: u64, len: usize) -> io::Result<()> {
    let end = offset.checked_add(len as u64);
    if end.is_some_and(|end| i64::try_from(end).is_ok()) {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidInput.into())
    }
}

/// Whether a call finds the disk full where it is. A new name may want a block of the directory, and where files are copied
/// on writing a cut wants one as well.
pub(super) fn needs_room(call: Call) -> bool {
    matches!(call, Call::WriteAt | Call::Create | Call::Rename | Call::SetLen)
}

/// The medium fails.
pub(super) fn io_error(call: Call) -> io::Error {
    io::Error::other(format!("simulated input/output error on {}", call.name()))
}

/// There is no file of this name.
pub(super) fn not_found(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no file `{name}`"))
}
