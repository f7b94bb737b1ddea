//! What the engine tells of what has to be in order ([`Told`]), and whether it is.
//!
//! - Memory that others read without a lock is given back only when everyone has left who was inside when it went out of sight.
//!   Nobody need have been at it: that somebody could have been is enough.
//! - Lanes are served in turn, and so are the clients whose links or searches wait: between two jobs of one that waits, no other has more
//!   than one.
//! - Between two looks at its sockets the loop executes a bounded number of each client's commands.
//!
//! What stands in the engine about this is not used: the rules are written down once more.

use std::collections::BTreeMap;

use engram::base::mark::{Lane, Told};

/// What is known of rooms, lanes and clients.
#[derive(Debug, Default)]
pub(super) struct Order {
    rooms: Rooms,
    lanes: Queue<usize>,
    /// Of each lane. In that of silent jobs there is one client.
    clients: [Queue<u64>; 3],
    /// Commands of each client since the loop looked at its sockets.
    served: BTreeMap<u64, u64>,
    allowed: Option<u64>,
}

impl Order {
    /// Takes note; an error says what is out of order.
    pub(super) fn told(&mut self, told: Told) -> Result<(), String> {
        match told {
            Told::Entered { room, door } => self.rooms.entered((room, door)),
            Told::Left { room, door } => self.rooms.left((room, door)),
            Told::Hidden { room, thing } => self.rooms.hidden(room, thing),
            Told::Freed { thing } => return self.rooms.freed(thing),
            Told::Closed { room } => return self.rooms.closed(room),
            Told::Waits { lane, client } => {
                self.lanes.waits(lane as usize);
                self.clients[lane as usize].waits(client);
            }
            Told::Taken { lane, client, in_turn } => {
                self.lanes.taken(lane as usize, in_turn).map_err(|(kept, twice)| {
                    format!("lane {twice} has been served twice while lane {kept} waits")
                })?;
                self.clients[lane as usize].taken(client, true).map_err(|(kept, twice)| {
                    let jobs = if lane == Lane::Links { "links" } else { "searches" };
                    format!("two {jobs} of connection {twice} have been begun while one of connection {kept} waits")
                })?;
            }
            Told::Forgotten { lane, client } => {
                for _ in 0..self.clients[lane as usize].forgotten(client) {
                    self.lanes.gone(lane as usize);
                }
            }
            Told::Served { client, commands } => {
                let served = self.served.entry(client).or_default();
                *served += commands;
                if self.allowed.is_some_and(|most| *served > most) {
                    return Err(format!(
                        "between two looks at its sockets the loop has executed {served} commands of connection {client}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// So many commands of one client may be executed between two looks.
    pub(super) fn allow(&mut self, commands: u64) {
        self.allowed = Some(commands);
    }

    /// The loop looks at its sockets.
    pub(super) fn looked(&mut self) {
        self.served.clear();
    }
}

/// Who is inside of what. Those who have entered by one door are not told apart.
#[derive(Debug, Default)]
struct Rooms {
    /// Of each room and door how many are inside, and since when there was always somebody.
    inside: BTreeMap<(usize, usize), (u64, u64)>,
    /// Of each thing its room, and when it was hidden.
    hidden: BTreeMap<usize, (usize, u64)>,
    /// How much has been told.
    now: u64,
}

impl Rooms {
    fn entered(&mut self, place: (usize, usize)) {
        self.now += 1;
        let (inside, since) = self.inside.entry(place).or_default();
        if *inside == 0 {
            *since = self.now;
        }
        *inside += 1;
    }

    fn left(&mut self, place: (usize, usize)) {
        if let Some((inside, _)) = self.inside.get_mut(&place) {
            *inside = inside.saturating_sub(1);
        }
    }

    fn hidden(&mut self, room: usize, thing: usize) {
        self.now += 1;
        self.hidden.insert(thing, (room, self.now));
    }

    fn freed(&mut self, thing: usize) -> Result<(), String> {
        let Some((room, when)) = self.hidden.remove(&thing) else { return Ok(()) };
        let doors = self.inside.range((room, 0)..=(room, usize::MAX));
        let early: u64 = doors.map(|(_, (inside, since))| if *since < when { *inside } else { 0 }).sum();
        if early == 0 {
            return Ok(());
        }
        Err(format!("memory of an index is given back while {early} are inside of whom one may read it"))
    }

    fn closed(&mut self, room: usize) -> Result<(), String> {
        let mut left = 0;
        while let Some((&place, &(inside, _))) = self.inside.range((room, 0)..=(room, usize::MAX)).next() {
            left += inside;
            self.inside.remove(&place);
        }
        if left == 0 { Ok(()) } else { Err(format!("an index is given back while {left} are inside")) }
    }
}

/// What waits and is served in turn.
#[derive(Debug)]
struct Queue<T>(BTreeMap<T, Waiting<T>>);

/// Of one of those.
#[derive(Debug)]
struct Waiting<T> {
    jobs: u64,
    /// How often each other was served since this one was, or since it began to wait.
    others: BTreeMap<T, u64>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Copy + Ord> Queue<T> {
    fn waits(&mut self, who: T) {
        self.0.entry(who).or_insert_with(|| Waiting { jobs: 0, others: BTreeMap::new() }).jobs += 1;
    }

    /// A job of one has been taken; an error names who has waited for too long, and who was served twice meanwhile.
    fn taken(&mut self, who: T, in_turn: bool) -> Result<(), (T, T)> {
        self.gone(who);
        if !in_turn {
            return Ok(());
        }
        let mut passed = None;
        for (other, waiting) in &mut self.0 {
            if *other == who {
                waiting.others.clear();
                continue;
            }
            let times = waiting.others.entry(who).or_default();
            *times += 1;
            if *times > 1 {
                passed = passed.or(Some((*other, who)));
            }
        }
        passed.map_or(Ok(()), Err)
    }

    /// One of its jobs waits no more.
    fn gone(&mut self, who: T) {
        if let Some(waiting) = self.0.get_mut(&who) {
            waiting.jobs -= 1;
            if waiting.jobs == 0 {
                self.0.remove(&who);
            }
        }
    }

    /// None of its jobs waits any more; how many did.
    fn forgotten(&mut self, who: T) -> u64 {
        self.0.remove(&who).map_or(0, |waiting| waiting.jobs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = 64;

    fn all(told: &[Told]) -> Result<(), String> {
        let mut order = Order::default();
        told.iter().try_for_each(|told| order.told(*told))
    }

    #[test]
    fn memory_is_given_back_when_those_have_left_who_were_there_when_it_was_hidden() {
        let (room, thing) = (ROOM, 7);
        let entered = |door| Told::Entered { room, door };
        let left = |door| Told::Left { room, door };
        let (hidden, freed) = (Told::Hidden { room, thing }, Told::Freed { thing });
        all(&[hidden, entered(0), freed]).unwrap();
        all(&[entered(0), hidden, entered(1), left(0), freed]).unwrap();
        all(&[entered(0), freed]).unwrap();
        all(&[entered(0), hidden, freed]).unwrap_err();
        // Somebody was always inside on that side: it may be the first.
        all(&[entered(0), hidden, entered(0), left(0), freed]).unwrap_err();
        all(&[entered(1), left(1), Told::Closed { room }]).unwrap();
        all(&[entered(1), Told::Closed { room }]).unwrap_err();
    }

    #[test]
    fn nobody_is_served_twice_while_another_waits() {
        let waits = |client| Told::Waits { lane: Lane::Searches, client };
        let taken = |client| Told::Taken { lane: Lane::Searches, client, in_turn: true };
        let forgotten = |client| Told::Forgotten { lane: Lane::Searches, client };
        all(&[waits(1), waits(1), waits(2), taken(1), taken(2), taken(1)]).unwrap();
        all(&[waits(1), waits(1), waits(1), taken(1), waits(2), taken(1), taken(2), taken(1)]).unwrap();
        all(&[waits(1), waits(1), waits(2), taken(1), taken(1)]).unwrap_err();
        all(&[waits(1), waits(1), waits(2), forgotten(2), taken(1), taken(1)]).unwrap();
        let link = Told::Taken { lane: Lane::Links, client: 9, in_turn: true };
        let links = [Told::Waits { lane: Lane::Links, client: 9 }; 3];
        all(&[&links[..], &[waits(1), link, taken(1), link, link]].concat()).unwrap();
        all(&[&links[..], &[waits(1), link, link]].concat()).unwrap_err();
    }

    #[test]
    fn commands_are_counted_between_two_looks() {
        let served = Told::Served { client: 3, commands: 2 };
        let mut order = Order::default();
        order.allow(3);
        order.told(served).unwrap();
        order.looked();
        order.told(served).unwrap();
        order.told(served).unwrap_err();
    }
}
