//! Accepting, reading, writing, closing.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use super::super::sys::owned;
use super::super::{Sockets, SystemClock};
use super::in_own_process;
use crate::base::time::Mono;
use crate::env::{Clock, ConnId, Event, Interest, Net};

pub(super) const READ: Interest = Interest { read: true, write: false };
pub(super) const BOTH: Interest = Interest { read: true, write: true };

pub(super) fn sockets() -> Sockets {
    Sockets::listen(&["127.0.0.1".to_owned()], 0, 300).unwrap()
}

pub(super) fn dial(net: &Sockets) -> Client {
    let client = Client::connect(net.local()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    client
}

pub(super) fn soon(millis: u64) -> Option<Mono> {
    Some(SystemClock.now().after(Duration::from_millis(millis)))
}

/// The tests' clients are the standard library's.
#[expect(clippy::disallowed_types, reason = "what is tested here is not what it is tested with")]
pub(super) type Client = std::net::TcpStream;

/// Waits, for as long as it takes, until `wanted` is among the events; all of them are returned.
pub(super) fn wait_for(net: &mut Sockets, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
    let end = soon(10_000);
    let mut events = Vec::new();
    while !events.iter().any(&wanted) {
        assert!(SystemClock.now() < end.unwrap(), "it did not come; instead: {events:?}");
        net.wait(end, &mut events).unwrap();
    }
    events
}

pub(super) fn connect(net: &mut Sockets) -> (Client, ConnId) {
    let client = dial(net);
    wait_for(net, |event| *event == Event::Acceptable);
    let accepted = net.accept().unwrap();
    assert_eq!(accepted.peer, client.local_addr().unwrap().to_string());
    (client, accepted.conn)
}

pub(super) fn readable(conn: ConnId) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::Ready { conn: c, readable: true, .. } if *c == conn)
}

#[test]
fn bytes_go_both_ways() {
    let mut net = sockets();
    let (mut client, conn) = connect(&mut net);
    net.interest(conn, READ).unwrap();
    let mut buf = [0; 16];
    assert_eq!(net.read(conn, &mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    client.write_all(b"ping").unwrap();
    wait_for(&mut net, readable(conn));
    assert_eq!(net.read(conn, &mut buf[..3]).unwrap(), 3);
    // Level-triggered: the rest is said again.
    wait_for(&mut net, readable(conn));
    assert_eq!(net.read(conn, &mut buf[3..]).unwrap(), 1);
    assert_eq!(&buf[..4], b"ping");
    assert_eq!(net.write(conn, b"pong").unwrap(), 4);
    client.read_exact(&mut buf[..4]).unwrap();
    assert_eq!(&buf[..4], b"pong");
}

#[test]
fn accept_says_would_block_when_nobody_waits() {
    let mut net = sockets();
    assert_eq!(net.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    let (_one, first) = connect(&mut net);
    let (_two, second) = connect(&mut net);
    assert_eq!((first, second), (ConnId(1), ConnId(2)));
    assert_eq!(net.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn clients_queue_in_silence_while_accepting_is_off() {
    let mut net = sockets();
    net.accepting(false).unwrap();
    net.accepting(false).unwrap();
    let _client = dial(&net);
    let mut events = Vec::new();
    net.wait(soon(30), &mut events).unwrap();
    assert_eq!(events, []);
    net.accepting(true).unwrap();
    wait_for(&mut net, |event| *event == Event::Acceptable);
    net.accept().unwrap();
}

#[test]
fn a_peer_that_does_not_read_makes_writes_short_and_then_block() {
    let mut net = sockets();
    let (mut client, conn) = connect(&mut net);
    let block = vec![7; 8 << 20];
    let mut written = net.write(conn, &block).unwrap();
    assert!(written < block.len(), "the loopback took {written} bytes at once");
    let error = loop {
        match net.write(conn, &block) {
            Ok(more) => written += more,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    net.interest(conn, Interest { read: false, write: true }).unwrap();
    let mut events = Vec::new();
    net.wait(soon(30), &mut events).unwrap();
    assert_eq!(events, [], "there is no room to write");
    let mut taken = vec![0; written];
    client.read_exact(&mut taken).unwrap();
    assert!(taken.iter().all(|byte| *byte == 7));
    wait_for(&mut net, |event| *event == Event::Ready { conn, readable: false, writable: true });
    assert!(net.write(conn, &block).unwrap() > 0);
}

#[test]
fn a_half_closed_peer_still_gets_its_answer() {
    let mut net = sockets();
    let (mut client, conn) = connect(&mut net);
    net.interest(conn, READ).unwrap();
    client.write_all(b"last words").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut buf = [0; 64];
    wait_for(&mut net, readable(conn));
    assert_eq!(net.read(conn, &mut buf).unwrap(), 10);
    wait_for(&mut net, readable(conn));
    assert_eq!(net.read(conn, &mut buf).unwrap(), 0);
    assert_eq!(net.write(conn, b"heard").unwrap(), 5);
    net.close(conn);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "heard");
}

#[test]
fn writing_to_a_peer_that_is_gone_is_an_error_and_no_signal() {
    let mut net = sockets();
    let (client, conn) = connect(&mut net);
    drop(client);
    let error = loop {
        if let Err(error) = net.write(conn, b"anyone?") {
            break error;
        }
    };
    assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
}

#[test]
fn a_closed_name_means_nothing_any_more() {
    let mut net = sockets();
    let (mut client, conn) = connect(&mut net);
    net.interest(conn, BOTH).unwrap();
    net.close(conn);
    net.close(conn);
    net.close(ConnId(77));
    assert_eq!(client.read(&mut [0; 8]).unwrap(), 0, "the client sees the end");
    assert_eq!(net.read(conn, &mut [0]).unwrap_err().kind(), ErrorKind::NotConnected);
    assert_eq!(net.write(conn, &[0]).unwrap_err().kind(), ErrorKind::NotConnected);
    assert_eq!(net.interest(conn, READ).unwrap_err().kind(), ErrorKind::NotConnected);
}

/// The loopback of macOS has one address only.
#[cfg(target_os = "linux")]
#[test]
fn several_addresses_share_one_port_and_take_turns() {
    let hosts = ["127.0.0.1", "-192.0.2.1", "127.0.0.2"].map(str::to_owned);
    let mut net = Sockets::listen(&hosts, 0, 0).unwrap();
    let (one, two) = (dial(&net), dial(&net));
    let other = Client::connect(("127.0.0.2", one.peer_addr().unwrap().port())).unwrap();
    let peers = [(); 3].map(|()| {
        wait_for(&mut net, |event| *event == Event::Acceptable);
        net.accept().unwrap().peer
    });
    let wanted = [one, other, two].map(|client| client.local_addr().unwrap().to_string());
    assert_eq!(peers, wanted, "the first listener's second client waits for the second's first");
}

#[test]
fn both_families_listen_side_by_side() {
    let hosts = ["0.0.0.0", "-::"].map(str::to_owned);
    let mut net = Sockets::listen(&hosts, 0, 0).unwrap();
    assert!(net.local().starts_with("0.0.0.0:"));
    let _client = dial(&net);
    wait_for(&mut net, |event| *event == Event::Acceptable);
    net.accept().unwrap();
}

#[test]
fn an_address_that_cannot_be_had_is_named() {
    let net = sockets();
    let port = net.local().rsplit(':').next().unwrap().parse().unwrap();
    let error = Sockets::listen(&["127.0.0.1".to_owned()], port, 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().starts_with(&format!("cannot listen on 127.0.0.1 port {port}: ")), "{error}");
    let error = Sockets::listen(&["192.0.2.1".to_owned()], 0, 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    for missing in [&[][..], &["-192.0.2.1".to_owned()]] {
        let error = Sockets::listen(missing, 0, 0).unwrap_err();
        assert_eq!(error.to_string(), "there is no address to listen on");
    }
}

#[test]
fn a_client_waits_in_the_queue_while_descriptors_are_out() {
    in_own_process("os::tests::net::a_client_waits_in_the_queue_while_descriptors_are_out", || {
        let mut net = sockets();
        let _client = dial(&net);
        wait_for(&mut net, |event| *event == Event::Acceptable);
        let limit = libc::rlimit { rlim_cur: 64, rlim_max: 64 };
        // SAFETY: the limit is readable; this process is this test's own.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
        // SAFETY: no memory is passed.
        let copy = || owned(unsafe { libc::dup(libc::STDIN_FILENO) });
        let mut hoard: Vec<_> = std::iter::from_fn(|| copy().ok()).collect();
        assert_eq!(net.accept().unwrap_err().raw_os_error(), Some(libc::EMFILE));
        wait_for(&mut net, |event| *event == Event::Acceptable);
        hoard.pop();
        net.accept().unwrap();
    });
}
