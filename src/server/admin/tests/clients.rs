//! CLIENT.

use std::collections::BTreeMap;

use super::{Desk, conversation, desk, unbulk};

fn fields(line: &str) -> BTreeMap<String, String> {
    let pairs = line.split(' ').map(|field| field.split_once('=').unwrap_or_else(|| panic!("{line:?}")));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn list(desk: &mut Desk, client: u64, words: &str) -> Vec<BTreeMap<String, String>> {
    let text = unbulk(&desk.ask(client, &format!("CLIENT LIST {words}")));
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(fields).collect()
}

#[test]
fn a_line_is_words_of_name_and_value() {
    let (mut desk, client) = desk();
    conversation(
        &mut desk,
        client,
        &[
            ("CLIENT SETNAME worker-1", "+OK\r\n"),
            ("CLIENT SETINFO LIB-NAME redis-py(x)", "+OK\r\n"),
            ("CLIENT SETINFO lib-ver 8.1", "+OK\r\n"),
            (
                "CLIENT SETINFO LIB-NAME \"a b\"",
                "-ERR lib-name cannot contain spaces, newlines or special characters.\r\n",
            ),
            ("CLIENT SETINFO COLOUR red", "-ERR Unrecognized option 'COLOUR'\r\n"),
            (
                "CLIENT SETNAME \"a\\nb\"",
                "-ERR Client names cannot contain spaces, newlines or special characters.\r\n",
            ),
            ("CLIENT NO-EVICT on", "+OK\r\n"),
        ],
    );
    desk.pass(3_000_000_000);
    let lines = list(&mut desk, client, "");
    let [line] = &lines[..] else { panic!("{lines:?}") };
    let expected = [
        ("id", "1"),
        ("addr", "127.0.0.1:5001"),
        ("laddr", "127.0.0.1:6380"),
        ("name", "worker-1"),
        ("age", "3"),
        ("idle", "0"),
        ("flags", "e"),
        ("db", "0"),
        ("multi", "-1"),
        ("cmd", "client|list"),
        ("resp", "2"),
        ("lib-name", "redis-py(x)"),
        ("lib-ver", "8.1"),
        ("user", "default"),
    ];
    for (name, value) in expected {
        assert_eq!(line.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(fields(unbulk(&desk.ask(client, "CLIENT INFO")).trim_end())["cmd"], "client|info");
}

#[test]
fn lists_are_in_order_and_can_be_narrowed() {
    let (mut desk, first) = desk();
    let (second, third) = (desk.connect(), desk.connect());
    desk.ask(third, "PING");
    let ids = |desk: &mut Desk, words: &str| -> Vec<String> {
        list(desk, second, words).into_iter().map(|mut line| line.remove("id").unwrap()).collect()
    };
    assert_eq!(ids(&mut desk, ""), ["1", "2", "3"]);
    assert_eq!(ids(&mut desk, "ID 3 1 99"), ["1", "3"]);
    assert_eq!(ids(&mut desk, "TYPE normal"), ["1", "2", "3"]);
    assert_eq!(ids(&mut desk, "TYPE pubsub"), [""; 0]);
    conversation(
        &mut desk,
        first,
        &[
            ("CLIENT LIST TYPE x", "-ERR Unknown client type 'x'\r\n"),
            ("CLIENT LIST ID x", "-ERR Invalid client ID\r\n"),
            ("CLIENT LIST ME", "-ERR syntax error\r\n"),
            ("CLIENT NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.\r\n"),
            ("CLIENT SETNAME", "-ERR wrong number of arguments for 'client|setname' command\r\n"),
            ("CLIENT ID", ":1\r\n"),
            ("CLIENT UNBLOCK 2", ":0\r\n"),
            ("CLIENT GETREDIR", ":-1\r\n"),
            ("CLIENT TRACKING off", "+OK\r\n"),
            ("CLIENT TRACKING on", "-ERR client-side caching is not supported\r\n"),
        ],
    );
    assert!(desk.ask(first, "CLIENT HELP").starts_with('*'));
}

#[test]
fn clients_are_closed_by_address_number_and_age() {
    let (mut desk, client) = desk();
    let others: Vec<u64> = (0..4).map(|_| desk.connect()).collect();
    conversation(
        &mut desk,
        client,
        &[
            ("CLIENT KILL 127.0.0.1:1", "-ERR No such client\r\n"),
            ("CLIENT KILL 127.0.0.1:5002", "+OK\r\n"),
            ("CLIENT KILL ID 3 SKIPME no", ":1\r\n"),
            ("CLIENT KILL ID 0", "-ERR client-id should be greater than 0\r\n"),
            ("CLIENT KILL USER eve", "-ERR No such user 'eve'\r\n"),
            ("CLIENT KILL TYPE replica", ":0\r\n"),
            ("CLIENT KILL MAXAGE 60", ":0\r\n"),
            ("CLIENT KILL SKIPME maybe", "-ERR syntax error\r\n"),
            ("CLIENT KILL ID", "-ERR No such client\r\n"),
            ("CLIENT KILL ID 1 ADDR", "-ERR syntax error\r\n"),
            ("CLIENT KILL TYPE normal USER default LADDR 127.0.0.1:6380", ":2\r\n"),
        ],
    );
    assert!(others.iter().all(|other| desk.is_closed(*other)));
    assert!(!desk.is_closed(client));
    assert_eq!(desk.ask(client, "CLIENT KILL SKIPME no"), ":1\r\n");
    assert!(desk.is_closed(client));
}

#[test]
fn a_pause_holds_commands_back_until_its_time_and_in_order() {
    let (mut desk, client) = desk();
    let other = desk.connect();
    assert_eq!(desk.ask(client, "CLIENT PAUSE 50 WRITE"), "+OK\r\n");
    assert_eq!(desk.ask(other, "PING"), "+PONG\r\n");
    assert_eq!(desk.ask(other, "SET k 1\r\nGET k"), "");
    assert_eq!(desk.ask(client, "MULTI\r\nSET a 1"), "+OK\r\n+QUEUED\r\n");
    assert_eq!(desk.ask(client, "EXEC"), "");
    desk.pass(50_000_000);
    desk.turn();
    assert_eq!(
        (desk.read(other), desk.read(client)),
        ("+OK\r\n$1\r\n1\r\n".to_owned(), "*1\r\n+OK\r\n".to_owned())
    );
}

#[test]
fn an_unpause_ends_a_pause_and_odd_pauses_are_refused() {
    let (mut desk, client) = desk();
    let other = desk.connect();
    conversation(
        &mut desk,
        client,
        &[
            ("CLIENT PAUSE x", "-ERR timeout is not an integer or out of range\r\n"),
            ("CLIENT PAUSE -1", "-ERR timeout is negative\r\n"),
            ("CLIENT PAUSE 1 NONE", "-ERR CLIENT PAUSE mode must be WRITE or ALL\r\n"),
            ("CLIENT PAUSE 1000000", "+OK\r\n"),
        ],
    );
    assert_eq!(desk.ask(other, "PING"), "");
    assert_eq!(desk.ask(client, "CLIENT UNPAUSE"), "+OK\r\n");
    assert_eq!(desk.read(other), "+PONG\r\n");
}
