//! The real machine behind the doors: directory, files and maps, sockets and the self-pipe, signals, clocks, the log.
//!
//! Linux and macOS. Each method of a door is one system call here, give or take EINTR: no buffering, no retries, no
//! policy. All `unsafe` around system calls is in this folder. Only `main`, benches and tests name it.

mod address;
mod backups;
mod clock;
mod directory;
#[cfg(target_os = "linux")]
mod epoll;
mod file;
#[cfg(target_os = "macos")]
mod kqueue;
mod listener;
mod lock;
#[cfg(feature = "lossy")]
pub mod lossy;
mod maps;
pub mod memory;
mod pipe;
mod poller;
pub mod process;
mod rights;
mod signals;
mod sockets;
mod sys;
mod terminal;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::env::{Backups, Console, Level, Machine, Storage};

pub use backups::BackupRoot;
pub use clock::SystemClock;
pub use directory::Directory;
pub use process::{Process, entropy};
pub use signals::brace;
pub use sockets::Sockets;
pub use terminal::{Terminal, last_words, panics_to};

/// What an operator decides about the machine.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory, or none for a server that keeps nothing.
    pub dir: Option<PathBuf>,
    /// The directory in which backups are made, or none.
    pub backup_dir: Option<PathBuf>,
    /// Hosts to listen on: addresses or names; `*` and `::*` for all; a minus in front for one that may be missing.
    pub bind: Vec<String>,
    /// The port; 0 for a free one.
    pub port: u16,
    /// Seconds after which a silent client is probed; 0 for never.
    pub keepalive: u32,
    /// The log file, or none for standard error.
    pub logfile: Option<PathBuf>,
    /// `files`, or a directory that loses power with the process: see [`lossy::Settings`].
    #[cfg(feature = "lossy")]
    pub storage: String,
    /// Empty, or where the process dies: see [`lossy`].
    #[cfg(feature = "lossy")]
    pub kill_at: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dir: None,
            backup_dir: None,
            bind: vec!["127.0.0.1".to_owned()],
            port: 6380,
            keepalive: 300,
            logfile: None,
            #[cfg(feature = "lossy")]
            storage: "files".to_owned(),
            #[cfg(feature = "lossy")]
            kill_at: String::new(),
        }
    }
}

/// Assembles the real machine: opens the log, locks the directory, listens, and catches the signals that ask the
/// process to finish. Clients may connect from here on; they wait until they are accepted.
///
/// # Errors
/// The first that stands in the way, with the path or the address it is about.
pub fn machine(options: &Options) -> io::Result<Machine> {
    process::steady_allocator();
    let console: Arc<dyn Console> = match &options.logfile {
        Some(path) => Arc::new(Terminal::open(path)?),
        None => Arc::new(Terminal::stderr()?),
    };
    let data = options.dir.as_deref().map(Directory::open).transpose()?;
    let backups = options.backup_dir.clone().map(|root| BackupRoot::new(root, data.as_ref())).transpose()?;
    // A server whose disk for backups is not there serves nevertheless.
    match backups.as_ref().map(BackupRoot::sweep) {
        Some(Err(why)) => {
            console.line(Level::Warning, &format!("{why}; there are no backups until it is there"));
        }
        swept => {
            for name in swept.into_iter().flatten().flatten() {
                let text = format!("removed {name}, which a backup has left that had hardly begun");
                console.line(Level::Notice, &text);
            }
        }
    }
    let storage = data.map(|data| Arc::new(data) as Arc<dyn Storage>);
    let backups = backups.map(|root| Arc::new(root) as Arc<dyn Backups>);
    #[cfg(feature = "lossy")]
    let (storage, backups) = {
        let around = lossy::Around::new(&options.storage, &options.kill_at)?;
        let storage = storage.map(|real| around.storage(real, false)).transpose()?;
        (storage, backups.map(|real| around.backups(real)))
    };
    let mut net = Sockets::listen(&options.bind, options.port, options.keepalive)?;
    net.catch_signals()?;
    Ok(Machine {
        storage,
        backups,
        net: Box::new(net),
        clock: Arc::new(SystemClock),
        console,
        host: Box::new(Process),
        seed: entropy()?,
    })
}
