//! Log lines on standard error or in a file.
//!
//! One line is one write, appended, so lines of several threads or processes do not mix. Nobody who has a line waits for it to
//! be written: a thread does that, and where the disk, or whoever reads standard error, stands still, lines wait up to a
//! bound; those beyond it are lost, and how many they were is a line of its own. So is one that cannot be written. The lines
//! that wait when the value is dropped are written first, unless that takes too long; those of a process that is killed are
//! lost. The file stays open: a rotation has to copy and truncate it (`copytruncate`), not rename it.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use super::clock::{SystemClock, stamp};
use super::signals;
use super::sys::{c_string, count, owned, retry, saying};
use crate::base::limits::{LAST_LINES, WAITING_LINES};
use crate::base::sync::{AtomicU32, Condvar, Mutex, spawn};
use crate::base::time::Wall;
use crate::env::{Clock, Console, Level};

/// Where this process's log lines go.
#[derive(Debug)]
pub struct Terminal {
    queue: Arc<Queue>,
    threshold: AtomicU32,
}

impl Terminal {
    /// Lines go to standard error, notices and warnings to begin with.
    ///
    /// # Errors
    /// If there can be no thread that writes them.
    pub fn stderr() -> io::Result<Self> {
        Self::start(None)
    }

    /// Lines are appended to the file at `path`, which is created where there is none. So are the last words of a process
    /// that a signal ends.
    ///
    /// # Errors
    /// The kernel's, with the path; or if there can be no thread that writes.
    pub fn open(path: &Path) -> io::Result<Self> {
        let c_path = c_string(path.as_os_str().as_bytes())?;
        let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_CLOEXEC;
        let mode: libc::c_uint = 0o640;
        // SAFETY: the path is a C string that outlives the call.
        let fd = retry(|| owned(unsafe { libc::open(c_path.as_ptr(), flags, mode) }))
            .map_err(saying(format_args!("cannot open the log file {}", path.display())))?;
        signals::tell_also(&fd)?;
        Self::start(Some(fd))
    }

    fn start(file: Option<OwnedFd>) -> io::Result<Self> {
        let queue = Arc::new(Queue {
            file,
            state: Mutex::new("lines", State::default()),
            more: Condvar::new("a line"),
            written: Condvar::new("lines written"),
        });
        let theirs = Arc::clone(&queue);
        // Nobody joins it: it may stand in a write for good.
        drop(spawn("lines", move || theirs.write_all())?);
        Ok(Self { queue, threshold: AtomicU32::new(Level::Notice as u32) })
    }
}

/// Says why a process ends, on standard error as it is. Where nobody reads that, it is lost, like the last lines of a server.
pub fn last_words(text: &str) {
    match Terminal::stderr() {
        Ok(terminal) => terminal.queue.push(format!("{text}\n")),
        // No thread can be had, which may be the very thing that is to be said.
        Err(_) => drop(writeln!(io::stderr(), "{text}")),
    }
}

/// Panics are lines of `console` from now on, so that no thread waits for standard error in the middle of one; where it is gone,
/// they are the process's last words.
pub fn panics_to(console: &Arc<dyn Console>) {
    let console = Arc::downgrade(console);
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let trace = Backtrace::capture();
        let mut text = format!("thread '{}' {panic}", thread.name().unwrap_or("?"));
        if trace.status() == BacktraceStatus::Captured {
            text.push_str(&format!("\n{trace}"));
        }
        match console.upgrade() {
            Some(console) => console.line(Level::Warning, &text),
            None => last_words(&text),
        }
    }));
}

impl Console for Terminal {
    fn line(&self, level: Level, text: &str) {
        if level as u32 >= self.threshold.load() {
            self.queue.push(format(SystemClock.wall(), level, text));
        }
    }

    fn threshold(&self, level: Level) {
        self.threshold.store(level as u32);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.queue.end();
    }
}

/// Lines on their way, and where they go.
#[derive(Debug)]
struct Queue {
    /// None: standard error.
    file: Option<OwnedFd>,
    state: Mutex<State>,
    /// There is a line, or there will be none any more.
    more: Condvar,
    /// All that had waited are written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<String>,
    /// Of those that wait.
    bytes: usize,
    /// Lines that there was no place for, all of them behind those that wait; and those that could not be written.
    lost: u64,
    /// The thread has taken lines and is not done with them.
    writing: bool,
    ending: bool,
}

impl Queue {
    fn push(&self, line: String) {
        let mut state = self.state.lock();
        // One finds place however long it is.
        if state.lost > 0 && !state.waiting.is_empty()
            || state.bytes > 0 && state.bytes + line.len() > WAITING_LINES
        {
            state.lost += 1;
            return;
        }
        state.bytes += line.len();
        state.waiting.push_back(line);
        drop(state);
        self.more.notify_one();
    }

    /// What the thread does, until there will be no more lines.
    fn write_all(&self) {
        let mut state = self.state.lock();
        loop {
            while state.waiting.is_empty() {
                if state.ending {
                    return;
                }
                state = self.more.wait(state, None);
            }
            let lines = std::mem::take(&mut state.waiting);
            let lost = std::mem::take(&mut state.lost);
            (state.bytes, state.writing) = (0, true);
            drop(state);
            let mut failed: u64 =
                lines.iter().map(|line| u64::from(self.write(line.as_bytes()).is_err())).sum();
            if lost > 0 {
                let text = format!("{lost} lines are lost here: they could not be written");
                let told = self.write(format(SystemClock.wall(), Level::Warning, &text).as_bytes());
                failed += told.map_or(lost, |()| 0);
            }
            state = self.state.lock();
            (state.lost, state.writing) = (state.lost + failed, false);
            self.written.notify_all();
        }
    }

    /// There are no more lines: waits until those that there are have been written, but not for ever.
    fn end(&self) {
        let mut state = self.state.lock();
        state.ending = true;
        self.more.notify_one();
        let deadline = SystemClock.now().after(LAST_LINES);
        while state.writing || !state.waiting.is_empty() {
            let left = deadline.since(SystemClock.now());
            if left.is_zero() {
                return;
            }
            state = self.written.wait(state, Some(left));
        }
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
    use std::io::Read;

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
        drop(terminal);
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

    #[test]
    fn a_reader_that_stands_still_keeps_nobody_waiting_and_the_lost_lines_are_counted() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let terminal = Terminal::start(Some(writer.into())).unwrap();
        let (all, text) = (30_000_u64, "x".repeat(100));
        for _ in 0..all {
            terminal.line(Level::Notice, &text);
        }
        let mut said = String::new();
        std::thread::scope(|scope| {
            let reading = scope.spawn(|| reader.read_to_string(&mut said));
            drop(terminal);
            // The thread ends with the last line, and with it the pipe.
            reading.join().unwrap().unwrap();
        });
        let lost = said
            .lines()
            .filter_map(|line| line.strip_suffix(" lines are lost here: they could not be written"));
        let lost: u64 = lost.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum();
        let kept = said.lines().filter(|line| line.ends_with(&text)).count() as u64;
        assert!(lost > 0 && kept * 140 > WAITING_LINES as u64, "{kept} kept, {lost} lost");
        assert_eq!(kept + lost, all);
    }

    #[test]
    fn an_end_does_not_wait_for_ever_for_the_last_lines() {
        let (reader, writer) = std::io::pipe().unwrap();
        let terminal = Terminal::start(Some(writer.into())).unwrap();
        terminal.line(Level::Notice, &"x".repeat(1 << 20));
        let begun = SystemClock.now();
        drop(terminal);
        let took = SystemClock.now().since(begun);
        assert!((LAST_LINES..LAST_LINES * 5).contains(&took), "{took:?}");
        drop(reader);
    }
}
