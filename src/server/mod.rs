//! The server: one loop over readiness, commands, answers and replies.
//!
//! Guarantees: nothing on this thread blocks but [`crate::env::Net::wait`]; replies leave in order and never before
//! their barrier; a client that sends too much, reads too little or asks for what is not there costs bounded memory and
//! delays nobody else. Every change enters through [`Server::turn`], one pass of the loop.

mod accept;
mod admin;
mod answers;
mod connection;
mod dispatch;
mod exec;
mod finish;
mod input;
mod lanes;
mod options;
mod pool;
mod ran;
mod replies;
mod run;
mod serve;
mod transaction;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::base::hash::FixedMap;
use crate::base::mark::{Mark, reached};
use crate::base::time::Mono;
use crate::engine::{self, Engine, Finished, OpenError, Report};
use crate::env::{Clock, ConnId, Console, Event, Host, Level, Machine, Net};
use crate::wal::Lsn;
use admin::{Ledger, Pause, run_id};
use connection::Connection;
use pool::{Pool, Ticket};

pub use options::{OptionError, Options, Parsed, Shares};

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// There will be another.
    Continue,
    /// The server has finished: all that was acknowledged is durable.
    Finished,
}

/// Why a server could not start or go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeError(pub String);

impl std::fmt::Display for ServeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ServeError {}

/// A running server.
pub struct Server {
    net: Box<dyn Net>,
    clock: Arc<dyn Clock>,
    console: Arc<dyn Console>,
    host: Box<dyn Host>,
    options: Options,
    engine: Engine,
    pool: Pool,
    connections: FixedMap<ConnId, Box<Connection>>,
    /// Bytes of memory that the connections occupy.
    connection_memory: usize,
    /// Connections with something to do, each once.
    listed: VecDeque<ConnId>,
    /// Connections whose next command waits for room in the pool, in the log, or in an index.
    parked: Vec<ConnId>,
    /// Connections with replies that wait for the log.
    behind_log: Vec<ConnId>,
    /// Until when the log is about to have written what they wait for.
    spin_until: Mono,
    /// How far the log was, at least, when any of their replies was last looked at.
    released: Lsn,
    /// The operator has been told that the log takes no writes.
    log_refuses: bool,
    /// Who waits for which snapshot.
    savers: Vec<(u64, Ticket)>,
    /// Who waits for which change of form.
    changers: Vec<(u64, Ticket)>,
    events: Vec<Event>,
    answers: Vec<(Ticket, Finished)>,
    scratch: Vec<u8>,
    /// Time of this turn.
    now: Mono,
    last_chores: Mono,
    /// Set while accepting rests because descriptors have run out.
    accept_again: Option<Mono>,
    busy: bool,
    finishing: Option<Mono>,
    /// The snapshots that SHUTDOWN SAVE has asked for: behind the first that succeeds the server finishes, and it does not
    /// end before all are done. One runs, and one waits, at most.
    finish_after: Vec<u64>,
    pause: Pause,
    ledger: Ledger,
}

/// How often chores are done: idle clients, sizes, rates.
const CHORES: Duration = Duration::from_millis(100);

impl Server {
    /// Recovers what the machine's directory holds and begins to listen. None where the operator asks it to finish before
    /// it has recovered: then the directory is as a crash would leave it.
    pub fn start(machine: Machine, options: Options) -> Result<Option<Self>, ServeError> {
        let Machine { storage, backups, mut net, clock, console, host, seed } = machine;
        console.threshold(options.loglevel);
        let directory = storage.is_some();
        let doors = engine::Doors {
            storage,
            backups,
            clock: Arc::clone(&clock),
            console: Arc::clone(&console),
            waker: net.waker(),
        };
        let mut asked = || was_asked_to_finish(&mut *net, &*clock);
        let (engine, report) = match Engine::open(doors, &options.engine(seed)?, &mut asked) {
            Err(OpenError::GivenUp) => {
                console.line(
                    Level::Notice,
                    "finishing after a signal, before all was recovered; nothing is lost",
                );
                return Ok(None);
            }
            opened => opened.map_err(|e| ServeError(e.to_string()))?,
        };
        let (give_way, nice) = (host.give_way(), options.worker_nice);
        let share = options.shares.jobs_per_client;
        let pool = Pool::start(options.workers, share, net.waker(), move || give_way(nice))
            .map_err(|e| ServeError(format!("starting the workers: {e}")))?;
        let now = clock.now();
        let ledger = Ledger::new(now, clock.wall(), run_id(seed));
        let scratch = vec![0; options.shares.read_per_turn.clamp(1, 64 << 10)];
        let mut server = Self {
            net,
            clock,
            console,
            host,
            options,
            engine,
            pool,
            connections: FixedMap::default(),
            connection_memory: 0,
            listed: VecDeque::new(),
            parked: Vec::new(),
            behind_log: Vec::new(),
            spin_until: Mono::default(),
            released: Lsn(0),
            log_refuses: false,
            savers: Vec::new(),
            changers: Vec::new(),
            events: Vec::new(),
            answers: Vec::new(),
            scratch,
            now,
            last_chores: now,
            accept_again: None,
            busy: false,
            finishing: None,
            finish_after: Vec::new(),
            pause: Pause::default(),
            ledger,
        };
        server.net.accepting(true).map_err(|e| ServeError(format!("listening: {e}")))?;
        server.announce(directory, &report);
        reached(Mark::Serving);
        Ok(Some(server))
    }

    fn announce(&self, directory: bool, report: &Report) {
        let dir =
            if directory { self.options.dir_shown() } else { "no directory (nothing is kept)".to_owned() };
        self.log(Level::Notice, &format!("ready on {} with {dir}: {report}", self.net.local()));
    }

    fn log(&self, level: Level, text: &str) {
        self.console.line(level, text);
    }

    /// Serves until the operator asks it to finish.
    pub fn run(mut self) -> Result<(), ServeError> {
        while self.turn()? == Turn::Continue {}
        self.close()
    }

    /// One pass: waits for something to happen, deals with it, and sends what may be sent.
    pub fn turn(&mut self) -> Result<Turn, ServeError> {
        let until = self.deadline();
        self.events.clear();
        self.net
            .wait(until, &mut self.events)
            .map_err(|e| ServeError(format!("waiting for clients: {e}")))?;
        self.now = self.clock.now();
        self.take_events();
        self.take_answers();
        self.end_pause_in_time();
        self.serve_listed();
        let helping = self.help();
        self.busy = self.engine.tick() || helping;
        self.take_saved();
        self.take_changed();
        self.release_logged();
        if let Some(job) = self.engine.take_garbage() {
            reached(Mark::GarbageSent);
            self.pool.put_silent(job);
        }
        while self.finishing.is_none()
            && let Some(job) = self.engine.take_sweep().or_else(|| self.engine.take_recoding())
        {
            self.pool.put_silent(job);
        }
        if self.now >= self.last_chores.after(CHORES) {
            self.do_chores();
        }
        Ok(if self.has_finished() { Turn::Finished } else { Turn::Continue })
    }

    /// When the next turn has to begin whatever happens; the present when there is more to do.
    fn deadline(&self) -> Option<Mono> {
        let ready = || self.has_room() && self.parked.iter().any(|id| !self.waits_on(*id));
        if self.busy || !self.listed.is_empty() || ready() {
            return Some(self.now);
        }
        if !self.behind_log.is_empty() && self.now < self.spin_until && self.pool.in_flight() == 0 {
            return Some(self.now);
        }
        let mut until = self.finishing.filter(|at| *at > self.now).or(self.accept_again);
        if !self.connections.is_empty() && self.options.timeout > 0 {
            until = earlier(until, self.last_chores.after(CHORES));
        }
        if let Some(end) = self.pause.until() {
            until = earlier(until, end);
        }
        if let Some(millis) = self.engine.next_expiry() {
            until = earlier(until, self.now.after(Duration::from_millis(millis.clamp(1, 1_000))));
        }
        until
    }

    fn take_events(&mut self) {
        let events = std::mem::take(&mut self.events);
        for event in &events {
            match *event {
                Event::Acceptable => self.accept_some(),
                Event::Ready { conn, readable, writable } => self.take_ready(conn, readable, writable),
                Event::Woken => {}
                Event::Shutdown => self.begin_finish("a signal"),
            }
        }
        self.events = events;
        if self.accept_again.is_some_and(|at| at <= self.now) {
            self.resume_accepting();
        }
    }

    fn take_ready(&mut self, id: ConnId, readable: bool, writable: bool) {
        let Some(mut connection) = self.connections.remove(&id) else { return reached(Mark::EventForNobody) };
        let alive = (!readable || self.read(&mut connection)) && (!writable || self.write(&mut connection));
        if alive {
            self.list(&mut connection);
            self.connections.insert(id, connection);
        } else {
            self.forget(connection);
        }
    }

    /// Puts a connection on the list of those that [`Server::serve_listed`] looks at.
    fn list(&mut self, connection: &mut Connection) {
        if !connection.listed {
            connection.listed = true;
            self.listed.push_back(connection.id);
        }
    }

    fn list_by_id(&mut self, id: ConnId) {
        if let Some(connection) = self.connections.get_mut(&id)
            && !connection.listed
        {
            connection.listed = true;
            self.listed.push_back(id);
        }
    }

    fn do_chores(&mut self) {
        let before = std::mem::replace(&mut self.last_chores, self.now);
        self.close_idle(before);
        self.ledger.sample(self.now, self.used_memory());
    }
}

/// Looks whether a signal has come while there is no loop yet. Whatever else has happened is told again, and so is an error.
fn was_asked_to_finish(net: &mut dyn Net, clock: &dyn Clock) -> bool {
    let mut events = Vec::new();
    drop(net.wait(Some(clock.now()), &mut events));
    events.contains(&Event::Shutdown)
}

fn earlier(a: Option<Mono>, b: Mono) -> Option<Mono> {
    Some(a.map_or(b, |a| a.min(b)))
}
