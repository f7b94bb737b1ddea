//! Files that somebody takes away from under a running server: what they held is in memory, and a snapshot makes up for them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use engram::resp::client::Value;
use engram::server::Options;

use super::common::{Client, is_error, ok, options, start};

fn files(dir: &Path, suffix: &str) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = paths.filter(|path| path.to_str().unwrap().ends_with(suffix)).collect();
    found.sort();
    found
}

/// Writes keys, and counts those that were acknowledged.
fn write(client: &mut Client, acknowledged: &mut u64) -> bool {
    let reply = client.ask(&[b"SET", format!("k{acknowledged}").as_bytes(), &[b'x'; 1_000]]);
    let done = reply == ok();
    assert!(done || is_error(&reply, "MISCONF a file that a start needs is gone"), "{reply:?}");
    *acknowledged += u64::from(done);
    done
}

#[test]
fn a_closed_segment_or_a_snapshot_that_is_gone_is_made_up_for_at_once() {
    for suffix in [".log", ".snap"] {
        let dir = tempfile::tempdir().unwrap();
        let settings = || Options { segment_bytes: 4 << 10, ..options() };
        let server = start(Some(dir.path()), settings());
        let (mut client, mut acknowledged) = (server.connect(), 0);
        while files(dir.path(), ".log").len() < 5 {
            assert!(write(&mut client, &mut acknowledged));
        }
        if suffix == ".snap" {
            assert_eq!(client.say("VSAVE"), ok());
            while files(dir.path(), ".log").len() < 5 {
                assert!(write(&mut client, &mut acknowledged));
            }
        }
        let victim = files(dir.path(), suffix).swap_remove(usize::from(suffix == ".log"));
        std::fs::remove_file(&victim).unwrap();
        let begun = Instant::now();
        while files(dir.path(), ".snap").is_empty() {
            write(&mut client, &mut acknowledged);
            std::thread::sleep(Duration::from_millis(10));
            assert!(begun.elapsed() < Duration::from_secs(60), "nothing makes up for {}", victim.display());
        }
        while !write(&mut client, &mut acknowledged) {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(server.finish(), Ok(()));
        let server = start(Some(dir.path()), settings());
        assert_eq!(server.connect().say("DBSIZE"), Value::Integer(acknowledged as i64), "{suffix}");
        assert_eq!(server.finish(), Ok(()));
    }
}
