//! The simulated network: one listener, its clients, readiness, and the self-pipe.
//!
//! Bytes keep their order and are never invented; where they are cut, how late they come and how often a socket says
//! that it would block is up to the seed. The server reaches it through [`SimNet`], clients through [`Wire`].
//! Not modelled: bytes of one direction lost while later ones arrive (TCP does not do that to its users).

mod doors;
mod link;
mod sabotage;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use engram::base::rng::Rng;
use engram::env::ConnId;

use self::link::Link;
use crate::clock;
use crate::faults::Faults;
use crate::scheduler::Scheduler;
use crate::shared::Shared;

pub use doors::SimNet;
pub use link::{End, LinkId, Received};
pub use sabotage::Sabotage;
pub use wire::{Look, Totals, Wire};

/// How the bytes of one call are cut, beside planned faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    /// As many as there are.
    #[default]
    Whole,
    /// Now and then fewer.
    Some,
    /// One at a time.
    Single,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "whole",
            Self::Some => "some",
            Self::Single => "single",
        })
    }
}

impl FromStr for Cut {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [Self::Whole, Self::Some, Self::Single];
        all.into_iter().find(|cut| cut.to_string() == name).ok_or_else(|| format!("no cut `{name}`"))
    }
}

/// How the network of one life behaves. Times are virtual nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Mean time from a write to its arrival.
    pub latency: u64,
    /// How reads are cut.
    pub reads: Cut,
    /// How writes are cut.
    pub writes: Cut,
    /// Bytes in flight to a client before writes would block.
    pub capacity: usize,
    /// Once in so many calls a socket would block although it is ready; zero for never.
    pub would_block_one_in: u64,
    /// Once in so many waits something is reported that is not so; zero for never.
    pub spurious_one_in: u64,
    /// Longest time from a use of the waker to its event.
    pub wake_delay: u64,
    /// Bytes that the self-pipe holds; at least 1. A use of the waker that finds it full adds none.
    pub pipe: usize,
    /// Bytes in it when the life begins: wake-ups for nothing.
    pub stuffed: usize,
    /// Most events that one wait reports; at least 1.
    pub batch: usize,
    /// Most clients that wait to be accepted; who comes then is turned away.
    pub backlog: usize,
    /// After so many waits it cuts nothing any more, has room, reports all that there is and nothing else. A life that
    /// goes on byte by byte for long costs as much as ten others, and shows little that they do not.
    pub rough: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            latency: 50_000,
            reads: Cut::Whole,
            writes: Cut::Whole,
            capacity: 64 << 10,
            would_block_one_in: 0,
            spurious_one_in: 0,
            wake_delay: 0,
            pipe: 64 << 10,
            stuffed: 0,
            batch: 64,
            backlog: 511,
            rough: u64::MAX,
        }
    }
}

/// The network of one life: the server's end of it and the clients'.
#[must_use]
pub fn network(
    settings: Settings,
    scheduler: &Scheduler,
    faults: &Arc<Shared<Faults>>,
    (sabotage, clock): (Sabotage, &clock::Settings),
    rng: Rng,
) -> (SimNet, Wire) {
    let state = State {
        links: Vec::new(),
        conns: BTreeMap::new(),
        backlog: VecDeque::new(),
        accepting: true,
        made: 0,
        read: 0,
        written: 0,
        pipe: settings.stuffed.min(settings.pipe.max(1)),
        woken: (settings.stuffed > 0).then_some(0),
        ghosts: 0,
        shutdown: false,
        shut_down: None,
        signalled: false,
        storm: 0,
        waits: 0,
        sabotage,
        deeds: 0,
        rng,
    };
    let Settings { latency, wake_delay, pipe, backlog, rough, .. } = settings;
    let smooth = Settings { latency, wake_delay, pipe, backlog, rough, ..Settings::default() };
    let inner = Arc::new(Inner {
        settings,
        smooth,
        grain: clock.grain.max(1),
        late: clock.late,
        scheduler: scheduler.clone(),
        faults: Arc::clone(faults),
        state: Shared::new(state),
    });
    (SimNet::new(Arc::clone(&inner)), Wire::new(inner))
}

struct Inner {
    settings: Settings,
    /// What becomes of them after a while.
    smooth: Settings,
    /// Virtual nanoseconds in which the clock shows no progress.
    grain: u64,
    /// Most by which a wait ends too late.
    late: u64,
    scheduler: Scheduler,
    faults: Arc<Shared<Faults>>,
    state: Shared<State>,
}

struct State {
    /// Every connection there ever was, by its [`LinkId`].
    links: Vec<Link>,
    /// Those that the server has accepted and not closed.
    conns: BTreeMap<ConnId, LinkId>,
    backlog: VecDeque<LinkId>,
    accepting: bool,
    made: u64,
    /// Bytes that the server has read and written.
    read: u64,
    written: u64,
    /// Bytes in the self-pipe, and when the first of them will be seen.
    pipe: usize,
    woken: Option<u64>,
    /// Wake-ups reported that nobody had asked for, and that no trace tells of yet.
    ghosts: u64,
    /// A shutdown that the server has not been told of.
    shutdown: bool,
    /// When the server was asked to finish, by a signal or by a client.
    shut_down: Option<u64>,
    signalled: bool,
    /// So many calls to come find nothing to be had.
    storm: u64,
    /// Waits of the server so far.
    waits: u64,
    sabotage: Sabotage,
    /// Calls that the sabotage has counted.
    deeds: u64,
    rng: Rng,
}

/// What a waiting loop blocks on. No address and no thread has this number.
const EVENTS: usize = usize::MAX;

impl Inner {
    /// The settings after so many waits of the server.
    fn settings(&self, waits: u64) -> &Settings {
        if waits > self.settings.rough { &self.smooth } else { &self.settings }
    }

    /// Something that [`engram::env::Net::wait`] may report has changed.
    fn stir(&self) {
        self.scheduler.wake_all(EVENTS);
    }

    /// How late a wait until `until` ends: at least when the clock shows that time.
    fn lateness(&self, until: u64) -> u64 {
        let grain = (self.grain - until % self.grain) % self.grain;
        let late = if self.late > 0 { self.state.lock().rng.below(self.late) } else { 0 };
        grain + late
    }

    /// Tells a link's client, after a while, that there is something to receive.
    fn tell(self: &Arc<Self>, id: LinkId) {
        self.tell_later(id, 0);
    }

    /// The same, so much later.
    fn tell_later(self: &Arc<Self>, id: LinkId, late: u64) {
        let mut state = self.state.lock();
        let delay = late + 1 + state.rng.below(2 * self.settings.latency);
        let link = &mut state.links[id.0];
        if link.told {
            return;
        }
        link.told = true;
        drop(state);
        let this = Arc::clone(self);
        self.scheduler.later(delay, move || {
            let mut state = this.state.lock();
            let link = &mut state.links[id.0];
            link.told = false;
            let notify = link.notify.clone();
            drop(state);
            if let Some(notify) = notify {
                notify(id);
            }
        });
    }
}
