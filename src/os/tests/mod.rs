//! The doors against the real machine: real files in temporary directories, real sockets on the loopback.

mod backups;
mod disk;
mod lock;
mod machine;
mod net;
mod readiness;

use std::process::{Command, Output};

/// Runs `body` in a process of its own, for what concerns the whole process: limits, signals. `test` is the path of
/// the calling test, which runs again in the child and finds itself there.
fn in_own_process(test: &str, body: fn()) {
    let Some(output) = alone(test, &[], body) else { return };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("test result: ok. 1 passed"), "the child ran something else: {text}");
}

/// The same for a process that has these `variables`, and may end in any way: how it did. None in that process, behind `body`.
fn alone(test: &str, variables: &[(&str, String)], body: fn()) -> Option<Output> {
    const MARK: &str = "ENGRAM_TEST_IN_OWN_PROCESS";
    if std::env::var_os(MARK).is_some_and(|name| name == test) {
        body();
        return None;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(MARK, test);
    child.envs(variables.iter().map(|(name, value)| (name, value)));
    Some(child.output().unwrap())
}
