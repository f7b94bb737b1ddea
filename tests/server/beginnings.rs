//! A start that takes long, and is told to finish.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use engram::resp::client::Value;
use engram::server::{Options, Server};

use super::common::{machine, ok, options, start};
use super::faulty::Dial;

#[test]
fn a_signal_ends_a_start_that_recovers_and_nothing_is_lost() {
    const KEYS: usize = 100;
    let dir = tempfile::tempdir().unwrap();
    let small = || Options { segment_bytes: 4 << 10, ..options() };
    let server = start(Some(dir.path()), small());
    let mut client = server.connect();
    for n in 0..KEYS {
        assert_eq!(client.ask(&[b"SET", format!("k{n}").as_bytes(), &[b'x'; 5_000]]), ok());
    }
    assert_eq!(server.finish(), Ok(()));
    let names = || {
        let mut names: Vec<_> =
            std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    assert!(before.len() > KEYS / 2, "{before:?}");

    let dial = Dial::new();
    dial.slow_down(Duration::from_millis(100));
    let (machine, stop) = machine(Some(dir.path()), &small(), |storage| dial.wrap(storage));
    let signal = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        stop.store(true, Ordering::SeqCst);
    });
    let begun = Instant::now();
    assert!(Server::start(machine, small()).unwrap().is_none(), "it does not come to serving");
    let took = begun.elapsed();
    signal.join().unwrap();
    assert!(took >= Duration::from_millis(300), "{took:?}");
    assert!(took < Duration::from_millis(100) * KEYS as u32 / 3, "{took:?}: it would have taken ten seconds");
    assert_eq!(names(), before);

    let server = start(Some(dir.path()), small());
    assert_eq!(server.connect().say("DBSIZE"), Value::Integer(KEYS as i64));
    assert_eq!(server.finish(), Ok(()));
}
