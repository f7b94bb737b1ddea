//! What a wait says, and what it must not say.

use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::super::{Sockets, SystemClock};
use super::in_own_process;
use super::net::{BOTH, Client, READ, connect, dial, readable, sockets, soon, wait_for};
use crate::base::time::Mono;
use crate::env::{Clock, Event, Interest, Net};

/// Waits until the time has come, however often it is woken; how often, and what was said.
fn sit_out(net: &mut Sockets, millis: u64) -> (usize, Vec<Event>) {
    let (end, mut rounds, mut events) = (soon(millis), 0, Vec::new());
    while SystemClock.now() < end.unwrap() {
        net.wait(end, &mut events).unwrap();
        rounds += 1;
    }
    (rounds, events)
}

#[test]
fn a_wait_ends_at_its_time_and_not_before() {
    let mut net = sockets();
    let mut events = Vec::new();
    for millis in [0, 1, 7, 40] {
        let start = SystemClock.now();
        net.wait(Some(start.after(Duration::from_millis(millis))), &mut events).unwrap();
        assert!(SystemClock.now().since(start) >= Duration::from_millis(millis));
    }
    net.wait(Some(Mono(0)), &mut events).unwrap();
    assert_eq!(events, []);
    let (rounds, _) = sit_out(&mut net, 20);
    assert!(rounds <= 2, "{rounds} rounds: the rest of a millisecond was spun away");
}

#[test]
fn readiness_follows_interest() {
    let mut net = sockets();
    let (mut client, conn) = connect(&mut net);
    client.write_all(b"x").unwrap();
    let mut events = Vec::new();
    net.wait(soon(20), &mut events).unwrap();
    assert_eq!(events, [], "a new connection starts with no interest");
    net.interest(conn, READ).unwrap();
    net.interest(conn, READ).unwrap();
    wait_for(&mut net, |event| *event == Event::Ready { conn, readable: true, writable: false });
    net.interest(conn, Interest { read: false, write: true }).unwrap();
    wait_for(&mut net, |event| *event == Event::Ready { conn, readable: false, writable: true });
    net.interest(conn, BOTH).unwrap();
    let writable = |event: &Event| matches!(event, Event::Ready { writable: true, .. });
    let events = wait_for(&mut net, readable(conn));
    assert!(events.iter().any(writable));
    net.interest(conn, Interest::default()).unwrap();
    assert_eq!(sit_out(&mut net, 20).1, []);
}

#[test]
fn a_hang_up_is_said_to_who_shows_interest_and_to_nobody_else() {
    for reset in [false, true] {
        let mut net = sockets();
        let (client, conn) = connect(&mut net);
        net.interest(conn, READ).unwrap();
        net.interest(conn, Interest::default()).unwrap();
        if reset {
            reset_on_close(&client);
        } else {
            // Both directions closed is the state that epoll reports whatever is asked.
            net.write(conn, b"unread").unwrap();
        }
        drop(client);
        let (rounds, events) = sit_out(&mut net, 50);
        assert_eq!(events, []);
        assert!(rounds <= 2, "{rounds} rounds over a silent connection");
        net.interest(conn, Interest { read: false, write: true }).unwrap();
        let both = Event::Ready { conn, readable: true, writable: true };
        wait_for(&mut net, |event| *event == both);
        let end = net.read(conn, &mut [0; 8]);
        assert!(end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    }
}

fn reset_on_close(client: &Client) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let (start, len) = ((&raw const linger).cast(), size_of_val(&linger) as libc::socklen_t);
    // SAFETY: the option is readable for its length.
    let ret = unsafe { libc::setsockopt(client.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, start, len) };
    assert_eq!(ret, 0);
}

#[test]
fn a_new_client_on_an_old_descriptor_has_a_new_name() {
    // Elsewhere another test could take the number in between.
    in_own_process("os::tests::readiness::a_new_client_on_an_old_descriptor_has_a_new_name", || {
        let mut net = sockets();
        let (mut old_client, old) = connect(&mut net);
        net.interest(old, BOTH).unwrap();
        old_client.write_all(b"old").unwrap();
        wait_for(&mut net, readable(old));
        let mut client = dial(&net);
        let number = net.descriptor(old);
        net.close(old);
        wait_for(&mut net, |event| *event == Event::Acceptable);
        let conn = net.accept().unwrap().conn;
        assert_eq!(net.descriptor(conn), number);
        assert_ne!(conn, old);
        net.interest(conn, READ).unwrap();
        old_client.write_all(b"old again").unwrap_or_default();
        client.write_all(b"new").unwrap();
        let events = wait_for(&mut net, readable(conn));
        assert!(!events.iter().any(readable(old)), "{events:?}");
        let mut buf = [0; 8];
        assert_eq!(net.read(conn, &mut buf).unwrap(), 3);
        assert_eq!(&buf[..3], b"new");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn an_event_of_a_closed_connection_whose_descriptor_was_copied_is_dropped() {
    let mut net = sockets();
    let (mut client, conn) = connect(&mut net);
    net.interest(conn, READ).unwrap();
    // As a child between fork and exec has it: epoll goes on reporting.
    // SAFETY: no memory is passed.
    let copy = super::super::sys::owned(unsafe { libc::dup(net.descriptor(conn).unwrap()) });
    net.close(conn);
    client.write_all(b"late").unwrap();
    let (start, mut events) = (SystemClock.now(), Vec::new());
    net.wait(soon(10_000), &mut events).unwrap();
    assert!(SystemClock.now().since(start) < Duration::from_secs(10), "the kernel did not report it at all");
    assert_eq!(events, []);
    drop(copy);
}

#[test]
fn a_wake_up_from_another_thread_ends_the_wait() {
    let mut net = sockets();
    let waker = net.waker();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            #[expect(clippy::disallowed_methods, reason = "so that the wait is likely to have begun")]
            std::thread::sleep(Duration::from_millis(20));
            waker.wake();
        });
        let mut events = Vec::new();
        while events.is_empty() {
            net.wait(None, &mut events).unwrap();
        }
        assert_eq!(events, [Event::Woken]);
    });
    assert_eq!(sit_out(&mut net, 20).1, [], "one wake-up, one event");
}

#[test]
fn a_wake_up_before_the_wait_is_not_lost() {
    let mut net = sockets();
    net.waker().wake();
    net.waker().wake();
    let mut events = Vec::new();
    net.wait(None, &mut events).unwrap();
    assert_eq!(events, [Event::Woken], "many uses give one event");
}

#[test]
fn a_full_pipe_neither_blocks_nor_loses_the_wake_up() {
    let mut net = sockets();
    let waker = net.waker();
    for _ in 0..200_000 {
        waker.wake();
    }
    let mut events = Vec::new();
    net.wait(None, &mut events).unwrap();
    assert_eq!(events, [Event::Woken]);
    assert_eq!(sit_out(&mut net, 20).1, [], "the pipe was emptied");
    waker.wake();
    net.wait(None, &mut events).unwrap();
    assert_eq!(events, [Event::Woken; 2]);
}

#[test]
fn a_waker_outlives_its_sockets() {
    let waker = sockets().waker();
    waker.wake();
}

#[test]
fn no_wake_up_is_lost_in_a_race() {
    let mut net = sockets();
    let waker = net.waker();
    let count = AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..20_000 {
                count.fetch_add(1, Ordering::SeqCst);
                waker.wake();
            }
        });
        // Waiting for ever: a lost wake-up would hang here.
        let mut events = Vec::new();
        while count.load(Ordering::SeqCst) < 20_000 {
            net.wait(None, &mut events).unwrap();
            events.clear();
        }
    });
}
