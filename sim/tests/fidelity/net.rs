//! The network: the same script with simulated clients on the simulated net, and with real ones over loopback.
//!
//! Loopback is quick but not at once, so on the real machine a call is repeated for a while if it has less to show than
//! it had in simulation: bytes still to come, an event, an end. What it must not do is show more, or something else.
//! Only names that the server has are used: a mixed-up name is an error on a real machine and a violation in simulation.

use std::collections::BTreeSet;
use std::time::Duration;

use engram::base::crc32c::crc32c;
use engram::base::time::Mono;
use engram::env::{ConnId, Event, Interest, Net};
use engram::os::Sockets;

use super::clients::{Clients, Real, Simulated};
use super::net_script::{CLIENTS, Call, script};
use super::{Step, compare, difference, simulated};

/// Looks at a real call before it counts as different, and the time between two of them.
const PATIENCE: u32 = 2_000;
const PAUSE: Duration = Duration::from_micros(200);

/// A script at work on one of the two machines.
struct Player<'a> {
    net: &'a mut dyn Net,
    clients: &'a mut dyn Clients,
    /// What came of it in simulation; none while that is found out.
    expected: Option<&'a [Step]>,
    /// Clients that may still act, by number.
    there: BTreeSet<usize>,
    dialled: usize,
    /// Connections that the server has.
    open: BTreeSet<u64>,
    steps: Vec<Step>,
}

impl<'a> Player<'a> {
    fn new(net: &'a mut dyn Net, clients: &'a mut dyn Clients, expected: Option<&'a [Step]>) -> Self {
        let (there, open) = (BTreeSet::new(), BTreeSet::new());
        Self { net, clients, expected, there, dialled: 0, open, steps: Vec::new() }
    }

    fn play(mut self, script: &[Call]) -> Vec<Step> {
        script.iter().for_each(|call| self.call(*call));
        self.steps
    }

    /// Makes a step of what `attempt` shows, as soon as that is what is expected or patience is at its end.
    fn step(&mut self, call: Call, mut attempt: impl FnMut(&mut Self) -> String) {
        let expected =
            self.expected.map(|steps| steps.get(self.steps.len()).map(|step| step.result.as_str()));
        let mut result = attempt(self);
        for _ in 0..PATIENCE {
            let last =
                result == "the end" || (result.starts_with("the error") && !result.ends_with("WouldBlock"));
            if last || expected.is_none_or(|expected| expected == Some(&result)) {
                break;
            }
            pause();
            result = attempt(self);
        }
        self.steps.push(Step { call: format!("{call:?}"), result });
    }

    fn call(&mut self, call: Call) {
        match call {
            Call::Dial if self.dialled < CLIENTS => {
                self.clients.dial();
                self.there.insert(self.dialled);
                self.dialled += 1;
            }
            Call::Send { client, len, fill } if self.there.contains(&client) => {
                self.clients.send(client, &pattern(len, fill));
            }
            Call::Finish(client) if self.there.contains(&client) => self.clients.finish(client),
            Call::Reset(client) if self.there.remove(&client) => self.clients.reset(client),
            Call::HangUp(client) if self.there.remove(&client) => self.clients.hang_up(client),
            Call::Receive(client) if self.there.contains(&client) => {
                let mut all = Vec::new();
                self.step(call, |this| {
                    let end = this.clients.receive(client, &mut all);
                    format!("{}, then {end}", shown(&all))
                });
            }
            Call::Accept => self.accept(call),
            Call::Accepting(on) => {
                let result = self.net.accepting(on);
                self.step(call, |_| format!("{result:?}"));
            }
            Call::Wait => {
                let mut woken = false;
                self.step(call, |this| this.wait(&mut woken));
            }
            Call::Wake(times) => {
                let waker = self.net.waker();
                (0..times).for_each(|_| waker.wake());
            }
            Call::Read { conn, .. } | Call::Write { conn, .. } | Call::Interest { conn, .. }
                if self.open.contains(&conn) =>
            {
                self.connection(call);
            }
            Call::Close(conn) => {
                self.open.remove(&conn);
                self.net.close(ConnId(conn));
            }
            _ => {}
        }
    }

    fn accept(&mut self, call: Call) {
        self.step(call, |this| match this.net.accept() {
            Ok(accepted) => {
                this.open.insert(accepted.conn.0);
                let client = this.clients.number(&accepted.peer);
                format!("connection {} of client {client:?}", accepted.conn.0)
            }
            Err(error) => format!("the error {:?}", error.kind()),
        });
    }

    fn connection(&mut self, call: Call) {
        match call {
            Call::Read { conn, len } => {
                let mut all = Vec::new();
                self.step(call, |this| {
                    let mut buf = vec![0; len - all.len()];
                    match this.net.read(ConnId(conn), &mut buf) {
                        Ok(0) if all.is_empty() => "the end".to_owned(),
                        Err(error) if all.is_empty() => format!("the error {:?}", error.kind()),
                        read => {
                            all.extend_from_slice(&buf[..read.unwrap_or(0)]);
                            shown(&all)
                        }
                    }
                });
            }
            Call::Write { conn, len, fill } => {
                let result = self.net.write(ConnId(conn), &pattern(len, fill)).map_err(|error| error.kind());
                self.step(call, |_| format!("{result:?}"));
            }
            Call::Interest { conn, read, write } => {
                let result = self.net.interest(ConnId(conn), Interest { read, write });
                self.step(call, |_| format!("{result:?}"));
            }
            _ => {}
        }
    }

    /// What a wait that only looks says, in no particular order. That it has been woken it says once.
    fn wait(&mut self, woken: &mut bool) -> String {
        let mut events = Vec::new();
        if let Err(error) = self.net.wait(Some(Mono(0)), &mut events) {
            return format!("the error {:?}", error.kind());
        }
        *woken |= events.contains(&Event::Woken);
        events.retain(|event| *event != Event::Woken);
        events.extend(woken.then_some(Event::Woken));
        let mut shown: Vec<String> = events.iter().map(|event| format!("{event:?}")).collect();
        shown.sort_unstable();
        shown.join(", ")
    }
}

#[expect(clippy::disallowed_methods, reason = "the real machine takes real time")]
fn pause() {
    std::thread::sleep(PAUSE);
}

fn pattern(len: usize, fill: u8) -> Vec<u8> {
    (0..len).map(|i| fill.wrapping_add(i as u8)).collect()
}

fn shown(bytes: &[u8]) -> String {
    format!("{} bytes, checksum {:08x}", bytes.len(), crc32c(bytes))
}

fn in_simulation(script: &[Call]) -> Vec<Step> {
    let scheduler = simulated::scheduler();
    let (mut net, wire) = simulated::network(&scheduler);
    let theirs = script.to_vec();
    simulated::within(&scheduler, move || {
        let mut clients = Simulated::new(wire);
        Player::new(&mut net, &mut clients, None).play(&theirs)
    })
}

fn both(script: &[Call]) -> (Vec<Step>, Vec<Step>) {
    let simulated = in_simulation(script);
    let mut net = Sockets::listen(&["127.0.0.1".to_owned()], 0, 0).expect("a listener");
    let mut clients = Real::new(net.local());
    let real = Player::new(&mut net, &mut clients, Some(&simulated)).play(script);
    (simulated, real)
}

fn same(script: &[Call]) {
    let (simulated, real) = both(script);
    assert_eq!(difference(&simulated, &real), None);
}

#[test]
fn network_scripts_end_alike_on_both_machines() {
    compare("network", 4_000, &script(40), |script| both(script));
}

/// A client that is accepted, sends, is perhaps done, tears the connection down, and what the server meets then.
fn torn(finished: bool, then: &[Call]) {
    let mut script = vec![Call::Dial, Call::Accept, Call::Send { client: 0, len: 9, fill: 1 }];
    script.extend(finished.then_some(Call::Finish(0)));
    script.extend([Call::Reset(0), Call::Interest { conn: 1, read: true, write: false }, Call::Wait]);
    script.extend(then);
    same(&script);
}

const READ: Call = Call::Read { conn: 1, len: 5 };
const WRITE: Call = Call::Write { conn: 1, len: 5, fill: 2 };

#[test]
fn what_had_arrived_before_a_reset_can_still_be_read_and_the_error_is_told_once() {
    torn(false, &[READ, Call::Wait, READ, READ, READ, WRITE, Call::Wait]);
}

#[test]
fn a_write_after_a_reset_takes_the_error_from_the_read() {
    torn(false, &[WRITE, WRITE, READ, READ, READ]);
}

#[test]
fn a_reset_behind_a_half_close_is_an_end_to_readers_and_a_broken_pipe_to_writers() {
    torn(true, &[READ, READ, READ, WRITE, WRITE, READ]);
}

#[test]
fn a_reset_in_the_backlog_is_accepted_all_the_same() {
    same(&[Call::Dial, Call::Dial, Call::Reset(0), Call::Wait, Call::Accept, READ, READ, Call::Accept]);
}

#[test]
fn who_hung_up_has_said_the_end_and_tears_down_at_the_first_write() {
    let watch = Call::Interest { conn: 1, read: true, write: true };
    let quiet = [Call::Dial, Call::Accept, watch, Call::HangUp(0), Call::Wait, READ];
    same(&[&quiet[..], &[WRITE, Call::Wait, WRITE, READ]].concat());
    let unread = [Call::Dial, Call::Accept, watch, WRITE, Call::HangUp(0), Call::Wait];
    same(&[&unread[..], &[READ, READ, WRITE]].concat());
}

#[test]
fn a_close_with_input_unread_is_a_reset_to_the_client_behind_what_was_sent() {
    let script = [Call::Dial, Call::Accept, WRITE, Call::Send { client: 0, len: 9, fill: 1 }, Call::Close(1)];
    same(&[&script[..], &[Call::Receive(0), Call::Receive(0)]].concat());
}
