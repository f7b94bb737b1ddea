//! The network door of a simulated machine.

use std::io;
use std::sync::Arc;

use engram::base::crc32c::crc32c;
use engram::base::time::Mono;
use engram::env::{Accepted, ConnId, Event, Interest, Net, Waker};

use super::link::{End, LinkId};
use super::{Cut, EVENTS, Inner, State};
use crate::faults::{Call, Fault};
use crate::trace::excerpt;

/// The server's end of the network.
pub struct SimNet {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for SimNet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimNet")
    }
}

struct SimWaker {
    inner: Arc<Inner>,
}

/// What accept or interest fails with: `ENOMEM`, `ENFILE`, `EMFILE`, the same numbers wherever engram runs.
fn scarce(fault: Option<Fault>) -> Option<io::Error> {
    let number = match fault? {
        Fault::NoMemory => 12,
        Fault::TableFull => 23,
        Fault::NoDescriptors => 24,
        _ => return None,
    };
    Some(io::Error::from_raw_os_error(number))
}

fn unknown(conn: ConnId) -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, format!("no connection {}", conn.0))
}

impl SimNet {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Every call begins here: a scheduling point, the crash, and faults that mean that nothing has happened.
    fn enter(&self, call: Call) -> io::Result<Option<Fault>> {
        if !self.inner.scheduler.door(call.name()) {
            return Err(io::Error::other("the machine has stopped"));
        }
        let phase = self.inner.scheduler.phase();
        let fault = self.inner.faults.lock().next(call, phase);
        if let Some(fault) = fault {
            self.inner.scheduler.note("fault", &format!("{} {fault}", call.name()), [0; 3]);
        }
        match fault {
            Some(Fault::Slow(nanos)) => self.inner.scheduler.sleep(nanos, call.name()),
            Some(Fault::Crash(nanos)) => self.inner.scheduler.crash_after(nanos, call.name()),
            Some(Fault::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
            Some(Fault::Interrupted) => return Err(io::ErrorKind::Interrupted.into()),
            Some(Fault::Storm(calls)) => self.inner.state.lock().storm = u64::from(calls) + 1,
            _ => {}
        }
        if matches!(call, Call::Read | Call::Write | Call::Accept) {
            let mut state = self.inner.state.lock();
            if state.storm > 0 {
                state.storm -= 1;
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        Ok(fault)
    }

    /// The link behind a name. A server that uses one which it has closed, or never had, has mixed up its clients.
    fn link(&self, state: &State, conn: ConnId, call: Call) -> io::Result<LinkId> {
        let id = state.conns.get(&conn).copied();
        if id.is_none() {
            let what =
                format!("the server calls {} on connection {}, which it does not have", call.name(), conn.0);
            self.inner.scheduler.fail(&what);
        }
        id.ok_or_else(|| unknown(conn))
    }

    /// What every read and write has in common. The link it is about, or the error that it meets.
    fn transfer(&self, call: Call, conn: ConnId) -> io::Result<(LinkId, Option<Fault>)> {
        let fault = self.enter(call)?;
        let mut state = self.inner.state.lock();
        let id = self.link(&state, conn, call)?;
        if fault == Some(Fault::Reset) {
            state.links[id.0].reset();
            drop(state);
            self.inner.tell(id);
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if state.links[id.0].broken() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let link = &mut state.links[id.0];
        let error = if call == Call::Read { link.read_error() } else { link.write_error() };
        if let Some(error) = error {
            return Err(error.into());
        }
        let settings = self.inner.settings(state.waits);
        if state.rng.one_in(settings.would_block_one_in) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok((id, fault))
    }
}

/// How many of `len` bytes, at least one, are moved.
fn moved(state: &mut State, len: usize, cut: Cut, fault: Option<Fault>) -> usize {
    match (fault, cut) {
        (Some(Fault::Short(permille)), _) => (len * usize::from(permille) / 1_000).clamp(1, len),
        (_, Cut::Single) => 1,
        (_, Cut::Some) if state.rng.below(2) == 0 => 1 + state.rng.index(len),
        _ => len,
    }
}

impl Net for SimNet {
    fn accept(&mut self) -> io::Result<Accepted> {
        let fault = self.enter(Call::Accept)?;
        let mut state = self.inner.state.lock();
        let id = *state.backlog.front().ok_or(io::ErrorKind::WouldBlock)?;
        if let Some(error) = scarce(fault) {
            return Err(error);
        }
        state.backlog.pop_front();
        if fault == Some(Fault::Aborted) {
            state.links[id.0].reset();
            drop(state);
            self.inner.tell(id);
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        state.made += 1;
        let conn = ConnId(state.made);
        let others = state.conns.len();
        state.conns.insert(conn, id);
        let link = &mut state.links[id.0];
        link.conn = Some(conn);
        link.others = others;
        link.moved = self.inner.scheduler.now();
        let peer = link.peer.clone();
        drop(state);
        self.inner.scheduler.note("accept", &peer, [conn.0, 0, 0]);
        Ok(Accepted { conn, peer })
    }

    fn accepting(&mut self, on: bool) -> io::Result<()> {
        if let Some(error) = scarce(self.enter(Call::Accepting)?) {
            return Err(error);
        }
        self.inner.state.lock().accepting = on;
        Ok(())
    }

    fn read(&mut self, conn: ConnId, buf: &mut [u8]) -> io::Result<usize> {
        let (id, fault) = self.transfer(Call::Read, conn)?;
        let mut state = self.inner.state.lock();
        let now = self.inner.scheduler.now();
        let link = &mut state.links[id.0];
        if link.inbound.is_empty() {
            let over = link.torn || link.inbound_end == Some(End::Finished);
            return if over { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let available = link.inbound.len().min(buf.len());
        if available == 0 {
            return Ok(0);
        }
        let cut = self.inner.settings(state.waits).reads;
        let len = moved(&mut state, available, cut, fault);
        let link = &mut state.links[id.0];
        for (to, byte) in buf.iter_mut().zip(link.inbound.drain(..len)) {
            *to = byte;
        }
        link.moved = now;
        link.taken += len as u64;
        state.read += len as u64;
        state.misread(&mut buf[..len]);
        drop(state);
        let numbers = [conn.0, len as u64, u64::from(crc32c(&buf[..len]))];
        self.inner.scheduler.tell("read", "", numbers, || excerpt(&buf[..len]));
        Ok(len)
    }

    fn write(&mut self, conn: ConnId, buf: &[u8]) -> io::Result<usize> {
        let (id, fault) = self.transfer(Call::Write, conn)?;
        let mut state = self.inner.state.lock();
        let room = self.inner.settings(state.waits).capacity.saturating_sub(state.links[id.0].outbound.len());
        let possible = room.min(buf.len());
        if possible == 0 {
            return if buf.is_empty() { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let cut = self.inner.settings(state.waits).writes;
        let len = moved(&mut state, possible, cut, fault);
        let now = self.inner.scheduler.now();
        let bytes = state.sabotaged(&buf[..len]);
        let to = if state.misdelivers() { state.someone_else(id) } else { id };
        let receiver = &mut state.links[to.0];
        receiver.outbound.extend(&bytes);
        if receiver.deaf {
            receiver.tear();
        }
        state.links[id.0].moved = now;
        state.written += len as u64;
        let late = state.delays(&bytes);
        drop(state);
        let numbers = [conn.0, len as u64, u64::from(crc32c(&buf[..len]))];
        self.inner.scheduler.tell("write", "", numbers, || excerpt(&buf[..len]));
        self.inner.tell_later(to, late);
        Ok(len)
    }

    fn interest(&mut self, conn: ConnId, interest: Interest) -> io::Result<()> {
        let fault = self.enter(Call::Interest)?;
        let mut state = self.inner.state.lock();
        let id = self.link(&state, conn, Call::Interest)?;
        if let Some(error) = scarce(fault) {
            state.links[id.0].spoilt = true;
            return Err(error);
        }
        state.links[id.0].interest = interest;
        Ok(())
    }

    fn close(&mut self, conn: ConnId) {
        if !self.inner.scheduler.door("close") {
            return;
        }
        let mut state = self.inner.state.lock();
        if let Some(id) = state.conns.remove(&conn) {
            let link = &mut state.links[id.0];
            // With input unread TCP tears the connection down. Here what was sent arrives all the same.
            let unread = !link.inbound.is_empty();
            link.inbound.clear();
            let end = match (link.spoilt, unread) {
                (true, _) => End::Reset,
                (false, true) => End::Unread,
                (false, false) => End::Finished,
            };
            link.outbound_end.get_or_insert(end);
            link.closed = Some(self.inner.scheduler.now());
            drop(state);
            self.inner.scheduler.note("close", "", [conn.0, u64::from(unread), 0]);
            self.inner.tell(id);
        }
    }

    fn wait(&mut self, until: Option<Mono>, events: &mut Vec<Event>) -> io::Result<()> {
        let fault = self.enter(Call::Wait)?;
        self.inner.scheduler.looks();
        let before = events.len();
        self.inner.state.lock().waits += 1;
        // A time that has passed makes it only look; any other may be seen late, and not before the clock shows it.
        let until = until.map(|until| until.0).map(|until| {
            let due = until <= self.inner.scheduler.now();
            if due { until } else { until.saturating_add(self.inner.lateness(until)) }
        });
        if fault == Some(Fault::Spurious) {
            self.inner.state.lock().spurious(events);
        }
        loop {
            let now = self.inner.scheduler.now();
            let mut state = self.inner.state.lock();
            let settings = self.inner.settings(state.waits);
            state.collect(now, settings, events);
            let ghosts = std::mem::take(&mut state.ghosts);
            drop(state);
            if ghosts > 0 {
                self.inner.scheduler.note("self-pipe", "spurious", [ghosts, 0, 0]);
            }
            let left = until.map(|until| until.saturating_sub(now));
            if events.len() > before || left == Some(0) {
                self.inner.scheduler.note("wait", "", [(events.len() - before) as u64, 0, 0]);
                return Ok(());
            }
            self.inner.scheduler.wait(EVENTS, "events", left);
        }
    }

    fn waker(&self) -> Arc<dyn Waker> {
        Arc::new(SimWaker { inner: Arc::clone(&self.inner) })
    }

    fn local(&self) -> String {
        "10.0.0.9:6380".to_owned()
    }
}

impl State {
    /// Appends what a level-triggered poll would report, in an order of the seed's choice and perhaps not all of it.
    fn collect(&mut self, now: u64, settings: &super::Settings, events: &mut Vec<Event>) {
        let mut found = Vec::new();
        if self.woken.is_some_and(|at| at <= now) {
            found.push(Event::Woken);
        }
        if self.shutdown {
            found.push(Event::Shutdown);
        }
        if self.accepting && !self.backlog.is_empty() {
            found.push(Event::Acceptable);
        }
        for (&conn, id) in &self.conns {
            let (readable, writable) = self.links[id.0].readiness(settings.capacity);
            if readable || writable {
                found.push(Event::Ready { conn, readable, writable });
            }
        }
        for i in (1..found.len()).rev() {
            found.swap(i, self.rng.index(i + 1));
        }
        found.truncate(settings.batch.max(1));
        if found.contains(&Event::Woken) {
            self.empty_pipe();
        }
        if found.contains(&Event::Shutdown) {
            self.shutdown = false;
        }
        events.append(&mut found);
        if self.rng.one_in(settings.spurious_one_in) {
            self.spurious(events);
        }
    }

    /// Every byte is taken out: many wake-ups are one event.
    fn empty_pipe(&mut self) {
        self.pipe = 0;
        self.woken = None;
    }

    /// Appends an event that nothing stands behind.
    fn spurious(&mut self, events: &mut Vec<Event>) {
        let conns: Vec<ConnId> = self.conns.keys().copied().collect();
        let event = match self.rng.index(conns.len() + 2) {
            0 => Event::Woken,
            1 => Event::Acceptable,
            i => {
                let bits = 1 + self.rng.below(3);
                Event::Ready { conn: conns[i - 2], readable: bits & 1 != 0, writable: bits & 2 != 0 }
            }
        };
        self.ghosts += u64::from(event == Event::Woken);
        events.push(event);
    }
}

impl Waker for SimWaker {
    fn wake(&self) {
        if !self.inner.scheduler.door("wake") {
            return;
        }
        let now = self.inner.scheduler.now();
        let mut state = self.inner.state.lock();
        if state.pipe >= self.inner.settings.pipe.max(1) {
            if state.sabotage.full_pipe_forgets {
                state.empty_pipe();
            }
            drop(state);
            return self.inner.scheduler.note("self-pipe", "full", [0; 3]);
        }
        let merged = state.pipe > 0;
        if !merged && state.drops_wake() {
            return;
        }
        state.pipe += 1;
        if merged {
            drop(state);
            return self.inner.scheduler.note("self-pipe", "merged", [0; 3]);
        }
        let delay = match self.inner.settings.wake_delay {
            0 => 0,
            longest => state.rng.below(longest),
        };
        state.woken = Some(now + delay);
        drop(state);
        if delay > 0 {
            self.inner.scheduler.note("self-pipe", "late", [delay, 0, 0]);
        }
        self.inner.scheduler.note("wake", "", [delay, 0, 0]);
        let inner = Arc::clone(&self.inner);
        if delay == 0 {
            inner.stir();
        } else {
            self.inner.scheduler.later(delay, move || inner.stir());
        }
    }
}
