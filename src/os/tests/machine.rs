//! The whole machine, signals included, each test in a process of its own.

use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::time::Duration;

use tempfile::tempdir;

use super::super::{Directory, Options, machine, process};
use super::{alone, in_own_process};
use crate::base::limits::LAST_LINES;
use crate::env::{Clock, Event, Level, Machine, Storage};

fn options(home: &std::path::Path) -> Options {
    let (dir, logfile) = (Some(home.join("data")), Some(home.join("log")));
    Options { dir, logfile, port: 0, ..Options::default() }
}

fn raise(signal: libc::c_int) {
    // SAFETY: no memory is passed; the machine has installed a handler.
    assert_eq!(unsafe { libc::raise(signal) }, 0);
}

/// Waits at most ten seconds for something.
fn wait(machine: &mut Machine) -> Vec<Event> {
    let end = machine.clock.now().after(Duration::from_secs(10));
    let mut events = Vec::new();
    while events.is_empty() && machine.clock.now() < end {
        machine.net.wait(Some(end), &mut events).unwrap();
    }
    events
}

#[test]
fn every_signal_is_one_shutdown() {
    in_own_process("os::tests::machine::every_signal_is_one_shutdown", || {
        let home = tempdir().unwrap();
        // Under `nohup` it would be ignored, and stay so.
        // SAFETY: no memory is passed; this process is this test's own.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_DFL) };
        let mut machine = machine(&options(home.path())).unwrap();
        raise(libc::SIGPIPE);
        raise(libc::SIGXFSZ);
        raise(libc::SIGTERM);
        assert_eq!(wait(&mut machine), [Event::Woken, Event::Shutdown]);
        raise(libc::SIGINT);
        raise(libc::SIGHUP);
        assert_eq!(wait(&mut machine), [Event::Woken, Event::Shutdown, Event::Shutdown]);
        machine.net.waker().wake();
        assert_eq!(wait(&mut machine), [Event::Woken]);
    });
}

#[test]
fn a_hang_up_that_was_ignored_stays_so() {
    in_own_process("os::tests::machine::a_hang_up_that_was_ignored_stays_so", || {
        let home = tempdir().unwrap();
        // SAFETY: no memory is passed; this process is this test's own.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
        let mut machine = machine(&options(home.path())).unwrap();
        raise(libc::SIGHUP);
        raise(libc::SIGTERM);
        assert_eq!(wait(&mut machine), [Event::Woken, Event::Shutdown]);
    });
}

#[test]
fn a_signal_is_not_lost_in_a_full_pipe() {
    in_own_process("os::tests::machine::a_signal_is_not_lost_in_a_full_pipe", || {
        let home = tempdir().unwrap();
        let mut machine = machine(&options(home.path())).unwrap();
        let waker = machine.net.waker();
        for _ in 0..200_000 {
            waker.wake();
        }
        raise(libc::SIGTERM);
        assert_eq!(wait(&mut machine), [Event::Woken, Event::Shutdown]);
    });
}

#[test]
fn a_signal_to_another_thread_ends_the_wait() {
    in_own_process("os::tests::machine::a_signal_to_another_thread_ends_the_wait", || {
        let home = tempdir().unwrap();
        let mut machine = machine(&options(home.path())).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| raise(libc::SIGTERM));
            assert_eq!(wait(&mut machine), [Event::Woken, Event::Shutdown]);
        });
    });
}

/// Has this process's standard error be a pipe that is full and that nobody reads.
fn fill_stderr() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let of = writer.as_raw_fd();
    // SAFETY: no memory is passed.
    assert_eq!(unsafe { libc::fcntl(of, libc::F_SETFL, libc::O_NONBLOCK) }, 0);
    for size in [4096, 1] {
        while writer.write(&[0; 4096][..size]).is_ok() {}
    }
    // SAFETY: no memory is passed.
    assert_eq!(unsafe { libc::fcntl(of, libc::F_SETFL, 0) }, 0);
    // SAFETY: no memory is passed, and this process is its test's own.
    assert_eq!(unsafe { libc::dup2(of, libc::STDERR_FILENO) }, libc::STDERR_FILENO);
    std::mem::forget(reader);
}

#[test]
fn last_words_that_nobody_reads_keep_nobody() {
    in_own_process("os::tests::machine::last_words_that_nobody_reads_keep_nobody", || {
        fill_stderr();
        let clock = super::super::SystemClock;
        let begun = clock.now();
        super::super::last_words("engram: it has failed");
        let took = clock.now().since(begun);
        assert!((LAST_LINES..LAST_LINES * 5).contains(&took), "{took:?}");
    });
}

#[test]
fn a_panic_is_a_line_of_the_log_and_waits_for_nobody() {
    in_own_process("os::tests::machine::a_panic_is_a_line_of_the_log_and_waits_for_nobody", || {
        let home = tempdir().unwrap();
        fill_stderr();
        let machine = machine(&options(home.path())).unwrap();
        super::super::panics_to(&machine.console);
        let panics = std::thread::Builder::new().name("worker 7".to_owned());
        panics.spawn(|| panic!("out of\nluck")).unwrap().join().unwrap_err();
        drop(machine);
        let log = std::fs::read_to_string(home.path().join("log")).unwrap();
        let line = log.lines().find(|line| line.contains("worker 7")).unwrap();
        assert!(line.contains("# thread 'worker 7' panicked at src/os/tests/machine.rs:"), "{line}");
        assert!(line.contains("out of\\nluck"), "{line}");
    });
}

/// Touches the third page of a map whose file has only one left: `place` is `yes`, `no` or `full`, for whether a server does
/// so, in the last case with a standard error that nobody reads, and where.
fn lose_a_page(place: &str) {
    let (serves, home) = place.split_once(' ').unwrap();
    let home = std::path::Path::new(home);
    super::super::brace().unwrap();
    if serves == "full" {
        fill_stderr();
    }
    let served = (serves != "no").then(|| machine(&Options { dir: None, ..options(home) }).unwrap());
    std::fs::write(home.join("data/a"), vec![1; 3 << 14]).unwrap();
    let directory = Directory::open_existing(&home.join("data")).unwrap();
    let map = directory.map("a").unwrap();
    directory.open("a").unwrap().set_len(1 << 14).unwrap();
    assert_eq!(map.bytes()[(2 << 14) + 5], 1, "unreachable");
    drop(served);
}

#[test]
fn a_page_that_is_lost_ends_the_process_in_words() {
    const PLACE: &str = "ENGRAM_TEST_LOST_PAGE";
    if let Some(place) = std::env::var_os(PLACE) {
        return lose_a_page(place.to_str().unwrap());
    }
    let home = tempdir().unwrap();
    std::fs::create_dir(home.path().join("data")).unwrap();
    let ends = "The server ends at once";
    for (serves, words) in [("no", "Nothing was changed"), ("yes", ends), ("full", ends)] {
        let place = (PLACE, format!("{serves} {}", home.path().display()));
        let test = "os::tests::machine::a_page_that_is_lost_ends_the_process_in_words";
        let output = alone(test, &[place], || ()).unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        let path = home.path().join("data/a").display().to_string();
        let said = format!("engram: {path} cannot be read any more (SIGBUS) near offset {}", (2 << 14) + 5);
        assert!(serves == "full" || text.contains(&said) && text.contains(words), "{text}");
        let log = std::fs::read_to_string(home.path().join("log")).unwrap_or_default();
        assert_eq!(log.contains(&said) && log.contains(words), serves != "no", "{log}");
        std::fs::remove_file(home.path().join("log")).ok();
    }
}

#[test]
fn the_machine_stands_whole() {
    in_own_process("os::tests::machine::the_machine_stands_whole", || {
        let home = tempdir().unwrap();
        let options = options(home.path());
        let first = machine(&options).unwrap();
        first.storage.unwrap().create_new("a").map(drop).unwrap();
        first.console.line(Level::Warning, "here");
        drop(first.console);
        assert!(std::fs::read_to_string(home.path().join("log")).unwrap().ends_with(" # here\n"));
        assert!(first.net.local().starts_with("127.0.0.1:"));
        assert_ne!(first.seed, entropy_of_another(&Options { dir: None, ..options }));
    });
}

fn entropy_of_another(options: &Options) -> u64 {
    let machine = machine(options).unwrap();
    assert!(machine.storage.is_none());
    machine.seed
}

#[test]
fn a_machine_that_cannot_be_had_says_why() {
    in_own_process("os::tests::machine::a_machine_that_cannot_be_had_says_why", || {
        let home = tempdir().unwrap();
        let good = options(home.path());
        let first = machine(&good).unwrap();
        let refused = |options: &Options| machine(options).map(drop).unwrap_err();
        let error = refused(&good);
        assert_eq!(error.kind(), ErrorKind::ResourceBusy);
        assert!(error.to_string().contains("data is in use by another engram"), "{error}");
        drop(first);
        let error = refused(&Options { logfile: Some(home.path().join("no/log")), ..good.clone() });
        assert!(error.to_string().contains("no/log"), "{error}");
        let error = refused(&Options { bind: vec!["192.0.2.1".to_owned()], ..good });
        assert!(error.to_string().contains("192.0.2.1"), "{error}");
    });
}

#[test]
fn the_descriptor_limit_is_raised_as_far_as_it_goes() {
    in_own_process("os::tests::machine::the_descriptor_limit_is_raised_as_far_as_it_goes", || {
        let limit = libc::rlimit { rlim_cur: 100, rlim_max: 200 };
        // SAFETY: the limit is readable; this process is this test's own.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
        assert_eq!(process::raise_descriptor_limit(90).unwrap(), 100);
        assert_eq!(process::raise_descriptor_limit(150).unwrap(), 150);
        // Root gets what it asks for, others what the hard limit allows.
        assert!([200, 300].contains(&process::raise_descriptor_limit(300).unwrap()));
    });
}
