//! Log lines on standard error or in a file.
//!
//! One line is one write, appended, so lines of several threads or processes do not mix. A line that cannot be
//! written is lost, and a standard error whose reader stands still makes its writer wait. The file stays open: a
//! rotation has to copy and truncate it (`copytruncate`), not rename it.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::clock::{SystemClock, stamp};
use super::signals;
use super::sys::{c_string, count, owned, retry, saying};
use crate::base::sync::AtomicU32;
use crate::base::time::Wall;
use crate::env::{Clock, Console, Level};

/// Where this process's log lines go.
#[derive(Debug)]
pub struct Terminal {
    /// None: standard error.
    file: Option<OwnedFd>,
    threshold: AtomicU32,
}

impl Terminal {
    /// Lines go to standard error, notices and warnings to begin with.
    #[must_use]
    pub fn stderr() -> Self {
        Self { file: None, threshold: AtomicU32::new(Level::Notice as u32) }
    }

    /// Lines are appended to the file at `path`, which is created where there is none. So are the last words of a process
    /// that a signal ends.
    ///
    /// # Errors
    /// The kernel's, with the path.
    pub fn open(path: &Path) -> io::Result<Self> {
        let c_path = c_string(path.as_os_str().as_bytes())?;
        let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_CLOEXEC;
        let mode: libc::c_uint = 0o640;
        // SAFETY: the path is a C string that outlives the call.
        let fd = retry(|| owned(unsafe { libc::open(c_path.as_ptr(), flags, mode) }))
            .map_err(saying(format_args!("cannot open the log file {}", path.display())))?;
        signals::tell_also(&fd)?;
        Ok(Self { file: Some(fd), ..Self::stderr() })
    }

    fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        let fd = self.file.as_ref().map_or(libc::STDERR_FILENO, AsRawFd::as_raw_fd);
        while !bytes.is_empty() {
            let (start, len) = (bytes.as_ptr().cast(), bytes.len());
            // SAFETY: `bytes` is readable for its length.
            let written = retry(|| count(unsafe { libc::write(fd, start, len) }))?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }
}

impl Console for Terminal {
    fn line(&self, level: Level, text: &str) {
        if level as u32 >= self.threshold.load() {
            let line = format(SystemClock.wall(), level, text);
            let _ = self.write(line.as_bytes());
        }
    }

    fn threshold(&self, level: Level) {
        self.threshold.store(level as u32);
    }
}

/// One line: time, process, mark, text. What would end the line or move the cursor is escaped, since texts quote what
/// clients sent.
fn format(at: Wall, level: Level, text: &str) -> String {
    let mark = match level {
        Level::Debug => '.',
        Level::Notice => '*',
        Level::Warning => '#',
    };
    let mut line = format!("{} [{}] {mark} ", stamp(at), std::process::id());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_when_who_how_much_and_what() {
        let pid = std::process::id();
        let line = format(Wall(951_827_696_789_000), Level::Warning, "größer\r\nthan \u{1b}[2J");
        assert_eq!(line, format!("2000-02-29 12:34:56.789 [{pid}] # größer\\r\\nthan \\u{{1b}}[2J\n"));
    }

    #[test]
    fn lines_below_the_threshold_are_dropped_and_the_others_appended() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        std::fs::write(&path, "an earlier life\n").unwrap();
        let terminal = Terminal::open(&path).unwrap();
        terminal.line(Level::Debug, "one");
        terminal.line(Level::Notice, "two");
        terminal.threshold(Level::Debug);
        terminal.line(Level::Debug, "three");
        terminal.threshold(Level::Warning);
        terminal.line(Level::Notice, "four");
        terminal.line(Level::Warning, "five");
        let text = std::fs::read_to_string(&path).unwrap();
        let tails: Vec<_> = text.lines().map(|line| line.rsplit(']').next().unwrap()).collect();
        assert_eq!(tails, ["an earlier life", " * two", " . three", " # five"]);
    }

    #[test]
    fn a_log_file_that_cannot_be_opened_is_named() {
        let error = Terminal::open(Path::new("/nowhere/log")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("/nowhere/log"), "{error}");
    }
}
