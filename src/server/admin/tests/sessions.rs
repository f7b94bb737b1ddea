//! Greeting, passwords, transactions' edges, farewell.

use super::{Desk, bulk, conversation, desk};
use crate::server::{Options, Turn};

#[test]
fn greetings_are_answered_in_redis_words() {
    let (mut desk, client) = desk();
    conversation(
        &mut desk,
        client,
        &[
            ("PING", "+PONG\r\n"),
            ("PING hi", "$2\r\nhi\r\n"),
            ("PING a b", "-ERR wrong number of arguments for 'ping' command\r\n"),
            ("ECHO \"a\\x00b\"", "$3\r\na\0b\r\n"),
            ("SELECT 0", "+OK\r\n"),
            ("SELECT 1", "-ERR DB index is out of range\r\n"),
            ("SELECT x", "-ERR value is not an integer or out of range\r\n"),
            ("HELLO 4", "-NOPROTO unsupported protocol version\r\n"),
            ("HELLO x", "-ERR Protocol version is not an integer or out of range\r\n"),
            ("HELLO 3 NOW", "-ERR Syntax error in HELLO option 'NOW'\r\n"),
            ("WAIT 1 100", ":0\r\n"),
            ("LASTSAVE", ":1700000000\r\n"),
            ("ROLE", "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"),
            ("NOSUCH a b", "-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' \r\n"),
        ],
    );
    assert!(desk.ask(client, "TIME").starts_with("*2\r\n$10\r\n1700000000\r\n"));
}

#[test]
fn hello_switches_the_protocol_and_names_the_connection() {
    let (mut desk, client) = desk();
    let two = desk.ask(client, "HELLO");
    assert!(two.starts_with("*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n"), "{two:?}");
    assert!(two.contains("$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:1\r\n"), "{two:?}");
    let three = desk.ask(client, "HELLO 3 SETNAME me");
    assert!(three.starts_with("%7\r\n") && three.contains("$5\r\nproto\r\n:3\r\n"), "{three:?}");
    assert!(three.ends_with("$7\r\nmodules\r\n*0\r\n"), "{three:?}");
    conversation(
        &mut desk,
        client,
        &[
            ("CLIENT GETNAME", "$2\r\nme\r\n"),
            ("RESET", "+RESET\r\n"),
            ("CLIENT GETNAME", "$-1\r\n"),
            (
                "HELLO 3 SETNAME \"a b\"",
                "-ERR Client names cannot contain spaces, newlines or special characters.\r\n",
            ),
        ],
    );
}

#[test]
fn what_may_not_be_queued_is_refused_at_once_and_discards_the_transaction() {
    let aborted = "-EXECABORT Transaction discarded because of previous errors.\r\n";
    for (line, refusal) in [
        ("SHUTDOWN NOSAVE", "-ERR Command not allowed inside a transaction\r\n"),
        ("CLIENT NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.\r\n"),
        ("OBJECT ENCODING", "-ERR wrong number of arguments for 'object|encoding' command\r\n"),
        ("CONFIG SET maxmemory", "-ERR wrong number of arguments for 'config|set' command\r\n"),
    ] {
        let (mut desk, client) = desk();
        conversation(
            &mut desk,
            client,
            &[
                ("MULTI", "+OK\r\n"),
                ("SET k v", "+QUEUED\r\n"),
                (line, refusal),
                ("EXEC", aborted),
                ("EXISTS k", ":0\r\n"),
            ],
        );
    }
}

#[test]
fn nothing_but_a_password_opens_a_locked_server() {
    let mut desk = Desk::new(Options { requirepass: b"secret".to_vec(), ..Options::default() });
    let client = desk.connect();
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    conversation(
        &mut desk,
        client,
        &[
            ("PING", "-NOAUTH Authentication required.\r\n"),
            ("AUTH secre", wrong),
            ("AUTH secrets", wrong),
            ("AUTH \"\"", wrong),
            ("AUTH secretsecret", wrong),
            ("AUTH other secret", wrong),
            ("AUTH default wrong", wrong),
            ("AUTH a b c", "-ERR syntax error\r\n"),
            ("HELLO 3 AUTH default wrong", wrong),
            ("PING", "-NOAUTH Authentication required.\r\n"),
        ],
    );
    assert!(desk.ask(client, "HELLO 3").starts_with("-NOAUTH HELLO must be called"));
    assert!(desk.ask(client, "HELLO 2 AUTH default secret").starts_with("*14\r\n"));
    assert_eq!(desk.ask(client, "PING"), "+PONG\r\n");
    assert_eq!(desk.ask(client, "RESET\r\nPING"), "+RESET\r\n-NOAUTH Authentication required.\r\n");
    assert_eq!(desk.ask(client, "AUTH secret\r\nPING"), "+OK\r\n+PONG\r\n");
}

#[test]
fn a_password_nobody_asked_for_is_told_so() {
    let (mut desk, client) = desk();
    assert!(
        desk.ask(client, "AUTH x").starts_with("-ERR AUTH <password> called without any password configured")
    );
    assert_eq!(desk.ask(client, "AUTH default x"), "+OK\r\n");
}

#[test]
fn quit_answers_and_closes() {
    let (mut desk, client) = desk();
    assert_eq!(desk.ask(client, "QUIT\r\nPING"), "+OK\r\n");
    assert!(desk.is_closed(client));
}

#[test]
fn shutdown_answers_nothing_and_ends_the_loop() {
    let (mut desk, client) = desk();
    conversation(
        &mut desk,
        client,
        &[
            ("SHUTDOWN LATER", "-ERR syntax error\r\n"),
            ("SHUTDOWN SAVE NOSAVE", "-ERR syntax error\r\n"),
            ("SHUTDOWN ABORT", "-ERR No shutdown in progress.\r\n"),
        ],
    );
    assert!(desk.ask(client, "SHUTDOWN SAVE").contains("without --dir"));
    let other = desk.connect();
    assert_eq!(desk.ask(client, "SHUTDOWN NOSAVE"), "");
    assert!(desk.is_closed(client) && desk.is_closed(other));
    assert_eq!(desk.turn(), Turn::Finished);
}

#[test]
fn saving_without_a_directory_is_refused() {
    let (mut desk, client) = desk();
    for line in ["SAVE", "VSAVE", "BGSAVE", "BGSAVE SCHEDULE"] {
        assert!(desk.ask(client, line).starts_with("-ERR there is nowhere to save to"), "{line}");
    }
    assert_eq!(desk.ask(client, "BGSAVE NOW"), "-ERR syntax error\r\n");
}

#[test]
fn replies_can_be_switched_off_and_skipped() {
    let (mut desk, client) = desk();
    conversation(
        &mut desk,
        client,
        &[
            ("CLIENT REPLY OFF\r\nPING\r\nPING", ""),
            ("CLIENT REPLY SKIP\r\nPING", ""),
            ("CLIENT REPLY ON", "+OK\r\n"),
            ("CLIENT REPLY SKIP\r\nPING a\r\nPING b", "$1\r\nb\r\n"),
            ("CLIENT REPLY MAYBE", "-ERR syntax error\r\n"),
        ],
    );
    let reply = desk.ask(client, "MULTI\r\nCLIENT REPLY OFF\r\nPING\r\nEXEC");
    assert!(reply.starts_with("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n-ERR CLIENT REPLY inside"), "{reply:?}");
    assert!(reply.ends_with("\r\n+PONG\r\n"), "{reply:?}");
    assert_eq!(desk.ask(client, "ECHO x"), bulk("x"));
}
