//! A server behind a net of two queues, for asking it one thing after another.

use std::io;
use std::sync::Arc;

use crate::base::sync::{AtomicU64, Mutex};
use crate::base::time::{Mono, Wall};
use crate::env::{
    Accepted, Clock, ConnId, Console, Event, Facts, Host, Interest, Level, Machine, Net, Waker,
};
use crate::server::{Options, Server, Turn};

/// A server and its clients, who write and read whole replies.
pub(super) struct Desk {
    pub(super) server: Server,
    wires: Arc<Mutex<Wires>>,
    time: Arc<Time>,
}

#[derive(Default)]
struct Wires {
    waiting: Vec<ConnId>,
    wires: Vec<Wire>,
}

#[derive(Default)]
struct Wire {
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    closed: bool,
    /// How many more reads succeed; none where all do.
    reads: Option<u64>,
    /// Bytes that the server has read, and written.
    moved: (usize, usize),
}

impl Desk {
    pub(super) fn new(options: Options) -> Self {
        let wires = Arc::new(Mutex::new("wires", Wires::default()));
        let time = Arc::new(Time(AtomicU64::new(1_000_000)));
        let machine = Machine {
            storage: None,
            backups: None,
            net: Box::new(Fake(Arc::clone(&wires))),
            clock: Arc::clone(&time) as Arc<dyn Clock>,
            console: Arc::new(Silence),
            host: Box::new(Nobody),
            seed: 7,
        };
        let server = Server::start(machine, options).unwrap().unwrap();
        Self { server, wires, time }
    }

    /// A new client; its number.
    pub(super) fn connect(&mut self) -> u64 {
        let id = {
            let mut wires = self.wires.lock();
            wires.wires.push(Wire::default());
            let id = wires.wires.len() as u64;
            wires.waiting.push(ConnId(id));
            id
        };
        self.turn();
        id
    }

    /// Sends inline commands and returns all that comes back.
    pub(super) fn ask(&mut self, client: u64, lines: &str) -> String {
        self.with(client, |wire| wire.to_server.extend_from_slice(format!("{lines}\r\n").as_bytes()));
        for _ in 0..4 {
            self.turn();
        }
        self.read(client)
    }

    /// [`Desk::ask`] for what a worker has a part in: waits until the reply ends so.
    pub(super) fn ask_until(&mut self, client: u64, lines: &str, ending: &str) -> String {
        let mut reply = self.ask(client, lines);
        for _ in 0..100_000_000 {
            if reply.ends_with(ending) {
                return reply;
            }
            self.turn();
            reply += &self.read(client);
        }
        panic!("{lines}: {reply:?} and no more");
    }

    /// What has come back since.
    pub(super) fn read(&mut self, client: u64) -> String {
        self.with(client, |wire| String::from_utf8(std::mem::take(&mut wire.to_client)).unwrap())
    }

    /// Only so many more reads of a client succeed.
    pub(super) fn fail_after(&self, client: u64, reads: u64) {
        self.with(client, |wire| wire.reads = Some(reads));
    }

    /// Bytes that the server has read from all clients, and written to them.
    pub(super) fn moved(&self) -> (usize, usize) {
        let wires = self.wires.lock();
        let sum = |all: (usize, usize), wire: &Wire| (all.0 + wire.moved.0, all.1 + wire.moved.1);
        wires.wires.iter().fold((0, 0), sum)
    }

    pub(super) fn is_closed(&self, client: u64) -> bool {
        self.with(client, |wire| wire.closed)
    }

    pub(super) fn pass(&self, nanos: u64) {
        self.time.0.fetch_add(nanos);
    }

    pub(super) fn turn(&mut self) -> Turn {
        self.server.turn().unwrap()
    }

    fn with<T>(&self, client: u64, act: impl FnOnce(&mut Wire) -> T) -> T {
        act(&mut self.wires.lock().wires[client as usize - 1])
    }
}

struct Fake(Arc<Mutex<Wires>>);

impl Fake {
    fn wire<T>(&self, conn: ConnId, act: impl FnOnce(&mut Wire) -> T) -> T {
        act(&mut self.0.lock().wires[conn.0 as usize - 1])
    }
}

impl Net for Fake {
    fn accept(&mut self) -> io::Result<Accepted> {
        let conn = self.0.lock().waiting.pop().ok_or(io::ErrorKind::WouldBlock)?;
        Ok(Accepted { conn, peer: format!("127.0.0.1:{}", 5000 + conn.0) })
    }

    fn accepting(&mut self, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn read(&mut self, conn: ConnId, buf: &mut [u8]) -> io::Result<usize> {
        self.wire(conn, |wire| {
            let n = wire.to_server.len().min(buf.len());
            if wire
                .reads
                .as_mut()
                .is_some_and(|reads| reads.checked_sub(1).map(|left| *reads = left).is_none())
            {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            if n == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            buf[..n].copy_from_slice(&wire.to_server[..n]);
            wire.to_server.drain(..n);
            wire.moved.0 += n;
            Ok(n)
        })
    }

    fn write(&mut self, conn: ConnId, buf: &[u8]) -> io::Result<usize> {
        self.wire(conn, |wire| {
            wire.to_client.extend_from_slice(buf);
            wire.moved.1 += buf.len();
        });
        Ok(buf.len())
    }

    fn interest(&mut self, _: ConnId, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn close(&mut self, conn: ConnId) {
        self.wire(conn, |wire| wire.closed = true);
    }

    fn wait(&mut self, _: Option<Mono>, events: &mut Vec<Event>) -> io::Result<()> {
        let wires = self.0.lock();
        if !wires.waiting.is_empty() {
            events.push(Event::Acceptable);
        }
        for (number, wire) in (1..).zip(&wires.wires) {
            if !wire.to_server.is_empty() && !wire.closed {
                events.push(Event::Ready { conn: ConnId(number), readable: true, writable: false });
            }
        }
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Waker> {
        Arc::new(Silence)
    }

    fn local(&self) -> String {
        "127.0.0.1:6380".to_owned()
    }
}

/// Nanoseconds that pass when the test says so.
struct Time(AtomicU64);

impl Clock for Time {
    fn now(&self) -> Mono {
        Mono(self.0.load())
    }

    fn wall(&self) -> Wall {
        Wall(1_700_000_000_000_000 + self.0.load() / 1_000)
    }
}

struct Silence;

impl Waker for Silence {
    fn wake(&self) {}
}

impl Console for Silence {
    fn line(&self, _: Level, _: &str) {}
    fn threshold(&self, _: Level) {}
}

struct Nobody;

impl Host for Nobody {
    fn facts(&self) -> Facts {
        Facts::default()
    }

    fn give_way(&self) -> fn(u8) {
        |_| ()
    }
}
