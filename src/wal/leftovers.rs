//! What an unfinished write has left: only space. Where the system does not let it be removed a start goes on.
//!
//! Guaranteed: a disk that fails is an error as anywhere; and what stays is told. Not guaranteed: that the name is free
//! afterwards. Who needs it finds out by creating a file that must not exist.

use std::io;

use crate::env::Storage;

/// Removes the leftover `name`. Where that is not permitted, or a directory bears the name, it stays, and why is added to
/// `stays`.
pub(crate) fn remove_leftover(storage: &dyn Storage, name: &str, stays: &mut Vec<String>) -> io::Result<()> {
    match storage.remove(name) {
        Err(e) if matches!(e.kind(), io::ErrorKind::IsADirectory | io::ErrorKind::PermissionDenied) => {
            stays.push(e.to_string());
            Ok(())
        }
        removed => removed,
    }
}
