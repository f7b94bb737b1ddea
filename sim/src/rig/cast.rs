//! Who talks to the server in one life, and what happens when they are through.

use std::sync::Arc;

use engram::base::rng::Rng;

use crate::client::{Auditor, Client, Guest, Script, Town, Who, guests};
use crate::disk::SimStorage;
use crate::oracle::Oracle;
use crate::plan::{ClientPlan, Ending, Life};
use crate::shared::Shared;

/// The clients and visitors of a life.
pub(super) struct Cast {
    town: Town,
    ending: Ending,
    clients: Vec<Client>,
    /// With the time when each comes.
    guests: Vec<(u64, Guest)>,
    /// Those who stay until all others are through.
    staying: Vec<Guest>,
    busy: usize,
}

type Ensemble = (Arc<Shared<Cast>>, Client);

/// The inspector, which starts everyone else when it has seen all, and the plan's clients.
pub(super) fn cast(
    life: &Life,
    town: &Town,
    (oracle, storage): (&Arc<Shared<Oracle>>, &Arc<SimStorage>),
    stream: &dyn Fn(&str) -> Rng,
) -> Ensemble {
    let cast = Arc::new(Shared::new(Cast {
        town: town.clone(),
        ending: life.ending,
        clients: Vec::new(),
        guests: Vec::new(),
        staying: Vec::new(),
        busy: 0,
    }));
    for (number, client) in life.clients.iter().enumerate().filter(|(_, client)| !client.is_idle()) {
        let script = Script::new(Who::Client(number), oracle, client.ops.clone());
        let theirs = Arc::clone(&cast);
        let done = move |_| one_less(&theirs);
        let rng = stream(&format!("client {number}"));
        let client = Client::new(town, client.clone(), script, rng, done);
        cast.lock().clients.push(client);
    }
    for (number, (at, errand)) in life.visitors.iter().flat_map(guests).enumerate() {
        let name = format!("{number} ({})", errand.to_string().chars().take(40).collect::<String>());
        let rng = stream(&format!("visitor {number}"));
        let mut held = cast.lock();
        if errand.ends() {
            let theirs = Arc::clone(&cast);
            let guest = Guest::new(town, name, errand, rng, move || one_less(&theirs));
            held.guests.push((at, guest));
            held.busy += 1;
        } else {
            let guest = Guest::new(town, name, errand, rng, || {});
            held.staying.push(guest.clone());
            held.guests.push((at, guest));
        }
    }
    let theirs = Arc::clone(&cast);
    // What nobody could look at, nobody can judge: then the life ends here.
    let (storage, scheduler) = (Arc::clone(storage), town.scheduler.clone());
    let inspected = move |satisfied| {
        if let Some(name) = storage.leftover() {
            scheduler.fail(&format!(
                "the server serves, and {name} is left of what an earlier life has not finished"
            ));
        }
        if satisfied {
            storage.settle();
            begin(&theirs);
        } else {
            end(&theirs);
        }
    };
    let script = Script::new(Who::Inspector, oracle, Vec::new());
    let calm = ClientPlan { depth: 16, receive: 1 << 20, ..ClientPlan::default() };
    let inspector = Client::new(town, calm, script, stream("inspector"), inspected);
    (cast, inspector)
}

/// The machine is gone: what was on its way stays without an answer.
pub(super) fn dismiss(cast: &Arc<Shared<Cast>>, now: u64) {
    let mut held = cast.lock();
    let clients = std::mem::take(&mut held.clients);
    let guests = (std::mem::take(&mut held.guests), std::mem::take(&mut held.staying));
    drop(held);
    drop(guests);
    clients.iter().for_each(|client| client.abandon(now));
}

/// The inspection is over: the plan's clients begin, and visitors come.
fn begin(cast: &Arc<Shared<Cast>>) {
    let mut held = cast.lock();
    held.busy += held.clients.len();
    let (clients, guests, busy) = (held.clients.clone(), held.guests.clone(), held.busy);
    drop(held);
    clients.iter().for_each(Client::start);
    guests.iter().for_each(|(at, guest)| guest.come(*at));
    if busy == 0 {
        end(cast);
    }
}

fn one_less(cast: &Arc<Shared<Cast>>) {
    let mut held = cast.lock();
    held.busy -= 1;
    let last = held.busy == 0;
    drop(held);
    if last {
        end(cast);
    }
}

/// Everyone is through: the life ends as the plan has it.
fn end(cast: &Arc<Shared<Cast>>) {
    let held = cast.lock();
    let (town, ending, staying) = (held.town.clone(), held.ending, held.staying.clone());
    drop(held);
    staying.iter().for_each(Guest::leave);
    if ending != Ending::Shutdown {
        town.scheduler.crash();
    } else if town.audits && town.capacity >= 256 && !town.wire.is_shut_down() {
        let ending = town.clone();
        Auditor::new(&town, move || ending.shut_down()).ask();
    } else {
        // Byte by byte the accounts would take too long to read. Who has been ordered to finish, though the order may
        // have been lost, gives none.
        town.shut_down();
    }
}
