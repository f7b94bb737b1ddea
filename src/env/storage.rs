//! One data directory, locked for one process.

use std::io;
use std::sync::Arc;

/// A directory of files. Names are plain: no separator, no dot-dot.
///
/// After a power loss a name that was created, renamed or removed since the last [`Storage::sync_dir`] may be in
/// either state, and bytes written since a file's last [`File::sync`] may be there in any part.
pub trait Storage: Send + Sync {
    /// Opens an existing file for reading and writing. `NotFound` where there is none.
    fn open(&self, name: &str) -> io::Result<Box<dyn File>>;
    /// Creates a file that must not exist. `AlreadyExists` where it does.
    fn create_new(&self, name: &str) -> io::Result<Box<dyn File>>;
    /// Gives `from` the name `to`, replacing what bore it, at once or not at all.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a name. `NotFound` where there is none.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// The names in the directory, in byte order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes the names as they stand survive a power loss.
    fn sync_dir(&self) -> io::Result<()>;
    /// Maps a whole file read-only. An empty file maps to no bytes.
    fn map(&self, name: &str) -> io::Result<Box<dyn Map>>;
}

/// Where backups go: directories of their own, beside the data or on another disk. Names are plain. May take long.
///
/// After a power loss a name that was renamed or removed since the last [`Backups::sync`] may be in either state.
pub trait Backups: Send + Sync {
    /// Whether anything is called `name`.
    fn exists(&self, name: &str) -> io::Result<bool>;
    /// The directory `name`, locked; made where there is none, and its name durable. A link is no directory.
    fn create(&self, name: &str) -> io::Result<Arc<dyn Storage>>;
    /// Gives a directory another name, which nothing bears but perhaps an empty directory. `NotFound` where there is none.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a directory in which nothing is but its lock, which the caller holds. `DirectoryNotEmpty` otherwise.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes the names as they stand survive a power loss.
    fn sync(&self) -> io::Result<()>;
}

/// An open file. Offsets are bytes from its start; dropping it closes it.
pub trait File: Send + Sync {
    /// Its length in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Whether `name`, in the directory that it was opened in, leads to it. An open file outlives its names, and what
    /// another name leads to no start finds.
    fn has_name(&self, name: &str) -> io::Result<bool>;
    /// Reads at most `buf.len()` bytes at `offset`; may be short; zero at or past the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at most `buf.len()` bytes at `offset`, growing the file where needed; may be short, never zero for a
    /// buffer that is not empty.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize>;
    /// Cuts the file, or extends it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes the file's bytes and length survive a power loss. After an error nothing is known about the bytes
    /// written since the last success, and calling again proves nothing.
    fn sync(&self) -> io::Result<()>;
}

/// A file's bytes in memory.
///
/// # Safety
/// [`Map::bytes`] gives the same address and the same bytes from the first call until the map is dropped. Callers
/// uphold their side by never writing to or truncating a file that has been published under its final name.
pub unsafe trait Map: Send + Sync {
    /// All of the file, aligned to at least 64 bytes.
    fn bytes(&self) -> &[u8];
}
