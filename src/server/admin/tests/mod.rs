//! Each family asked as a client asks it.

mod clients;
mod configuration;
mod desk;
mod sessions;
mod watching;

use desk::Desk;

use crate::server::Options;

fn desk() -> (Desk, u64) {
    let mut desk = Desk::new(Options::default());
    let client = desk.connect();
    (desk, client)
}

/// Asks each command and compares each answer.
fn conversation(desk: &mut Desk, client: u64, lines: &[(&str, &str)]) {
    for (line, expected) in lines {
        assert_eq!(desk.ask(client, line), *expected, "{line}");
    }
}

/// The bytes of a bulk string.
fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// What a bulk string holds.
fn unbulk(reply: &str) -> String {
    let (head, body) = reply.split_once("\r\n").unwrap();
    let len: usize = head.strip_prefix('$').unwrap_or_else(|| panic!("{reply:?}")).parse().unwrap();
    assert_eq!(body.len(), len + 2, "{reply:?}");
    body[..len].to_owned()
}
