//! Scenes: a few requests in the very order in which a promise of the server shows. One life of some seeds plays one,
//! with what belongs to it: a wait that ends late, a second client who reads, a power loss right behind an answer.

mod looks;

use engram::base::rng::Rng;

use super::source::Source;
use super::tiers::writer;
use super::{Break, Ending, Life, Op, Swarm, pick};
use crate::clock::wall_millis;
use crate::disk::Loss;
use crate::net;
use crate::plan::{ClientPlan, Form, Lifetime, Silence, WHOLE};
use crate::scheduler::{Blow, Disturbance};

/// Virtual nanoseconds that a sync takes where a crash has to come before its end.
pub(super) const SYNC: u64 = 20_000_000;
/// A key that all clients name.
const REGISTER: &str = "shared:r0";

/// Plays a scene in one life of the plan, or none.
pub(super) fn stage(rng: &mut Rng, seed: u64, swarm: Swarm, lives: &mut [Life]) {
    if rng.below(3) > 0 {
        return;
    }
    let number = rng.index(lives.len());
    let life = &mut lives[number];
    if rng.below(3) == 0 {
        let who = rng.index(life.clients.len());
        let scene = Scene { source: Source::new((seed, number, who), swarm), life: number, who, made: 0 };
        return scene.aside(rng, life);
    }
    let scene = Scene { source: Source::new((seed, number, 0), swarm), life: number, who: 0, made: 0 };
    match rng.below(12) {
        0..=2 => scene.overdue(rng, life),
        3 => scene.halves(rng, life),
        4 => scene.search_in_exec(rng, life),
        5 => scene.shown_early(rng, life),
        6 => scene.between_batches(rng, life),
        7..=10 => scene.looked_at(rng, life),
        _ => scene.cleared_early(rng, life),
    }
}

/// What one client is about to do.
struct Scene {
    source: Source,
    life: usize,
    who: usize,
    made: usize,
}

impl Scene {
    fn key(&self, name: &str) -> String {
        format!("c{}:{name}", self.who)
    }

    /// A value that no other write of the run has, so much longer than need be.
    fn value(&mut self, longer: usize) -> String {
        self.made += 1;
        format!("scene.{}.{}.{}{}", self.who, self.life, self.made, "x".repeat(longer))
    }

    fn set(&mut self, name: &str, expire: Option<u64>) -> Op {
        Op::Set { key: self.key(name), value: self.value(0), expire }
    }

    /// A few requests before all others of a client; no time matters, nor does anybody else.
    fn aside(mut self, rng: &mut Rng, life: &mut Life) {
        let (n, k, far) = (self.key("n"), self.key("k0"), 1_000_000 + rng.below(1_000_000));
        let ops = match rng.below(4) {
            0 => {
                let counter = Op::Set { key: n.clone(), value: "5".to_owned(), expire: Some(far) };
                let step = pick(rng, &[Op::Incr(n.clone()), Op::DecrBy { key: n.clone(), by: 3 }]);
                vec![counter, step, Op::Pttl(n)]
            }
            1 => {
                let at = wall_millis(0) + 1_000 * far;
                let life = Lifetime::Until(Form::PxAt, at as i64 + 7);
                let value = self.value(0);
                let again = Op::SetWith { key: k.clone(), value, only: None, get: true, life };
                let until = Op::ExpireAt { key: k.clone(), at };
                let told = Op::PexpireTime(k.clone());
                vec![self.set("k0", None), until, told.clone(), Op::Pttl(k), again, told]
            }
            2 => {
                let (first, second) = (self.set("k0", None), self.set("k0", None));
                let given_up = Op::Discarded(vec![self.set("k1", None)]);
                let through = Op::Transaction(vec![self.set("k1", None), Op::Get(k.clone())]);
                vec![first, Op::Watch(vec![k]), given_up, second, through]
            }
            _ => {
                let mut ops = vec![self.source.new_index()];
                ops.extend((0..3).map(|_| self.source.insert(rng, 8)));
                let search = self.source.wide_search(rng);
                let both = Op::Transaction(vec![self.set("k1", None), search.clone()]);
                for op in [search, self.set("k0", None), both, self.source.insert(rng, 8)] {
                    ops.push(Op::Unheard(Silence::Off, Box::new(op)));
                    ops.push(Op::Ping(Some(self.value(0))));
                }
                ops.extend([Op::Get(k), self.source.wide_search(rng)]);
                ops
            }
        };
        life.clients[self.who].ops.splice(0..0, ops);
    }

    /// Keys whose time has come before the loop has looked: its waits end late, and a request comes first.
    fn overdue(mut self, rng: &mut Rng, life: &mut Life) {
        let mut ops = Vec::new();
        for _ in 0..6 + rng.below(10) {
            let (k, expire) = (self.key("k0"), Some(1 + rng.below(12)));
            ops.push(self.set("k0", expire));
            match rng.below(4) {
                0 | 1 => ops.extend([
                    Op::Watch(vec![k]),
                    Op::Transaction(vec![self.set("k1", None)]),
                    Op::Get(self.key("k1")),
                ]),
                2 => ops.extend([Op::Append { key: k.clone(), value: self.value(0) }, Op::Get(k)]),
                _ => ops.push(pick(rng, &[Op::GetDel, Op::StrLen, Op::Persist])(k)),
            }
        }
        alone(life, ClientPlan { gap: 6_000_000, send: WHOLE, ops, ..ClientPlan::default() });
        life.net = net::Settings { latency: 10_000, ..net::Settings::default() };
        life.clock.late = 50_000_000;
        life.latency.sync = 10_000;
    }

    /// Transactions that a power loss may tear.
    fn halves(mut self, rng: &mut Rng, life: &mut Life) {
        let names = ["k0", "k1", "k2", "k3", "k4"];
        let mut ops = Vec::new();
        for _ in 0..3 + rng.below(6) {
            let count = 2 + rng.index(4);
            let longer = 50 + rng.index(500);
            let value = |scene: &mut Self, name: &&str| Op::Set {
                key: scene.key(name),
                value: scene.value(longer),
                expire: None,
            };
            ops.push(Op::Transaction(names[..count].iter().map(|name| value(&mut self, name)).collect()));
        }
        let behind = 1 + rng.index(ops.len());
        let breaks = vec![(behind, Break::Crash(rng.below(2 * SYNC)))];
        alone(life, ClientPlan { depth: 16, ops, breaks, ..ClientPlan::default() });
        ends_at_once(life, Loss::Torn);
    }

    /// A transaction with a search beside its writes, and a power loss right behind its answer.
    fn search_in_exec(mut self, rng: &mut Rng, life: &mut Life) {
        let mut ops = vec![self.source.new_index(), self.source.insert(rng, 4)];
        let before = ops.len();
        for _ in 0..4 {
            let (first, search) = (self.set("k0", None), self.source.wide_search(rng));
            ops.push(Op::Transaction(vec![first, search, self.set("k1", None)]));
        }
        let behind = before + 1 + rng.index(4);
        let breaks = vec![(behind, Break::Crash(100_000 + rng.below(SYNC)))];
        alone(life, ClientPlan { ops, breaks, ..ClientPlan::default() });
        ends_at_once(life, pick(rng, &[Loss::All, Loss::All, Loss::Torn]));
    }

    /// A search that begins late and meets the vector sent right behind it, and a power loss right behind its answer. Or
    /// it misses the one that is removed there.
    fn shown_early(mut self, rng: &mut Rng, life: &mut Life) {
        let (misses, rounds) = (rng.below(3) == 0, 1 + rng.index(4));
        let mut ops = vec![self.source.new_index()];
        ops.extend((0..if misses { rounds } else { 1 }).map(|number| self.source.insert_as(rng, number)));
        ops.push(Op::Ping(None));
        let before = ops.len();
        for round in 0..rounds {
            ops.extend((0..3).map(|_| self.source.search_all(rng, misses)));
            ops.push(if misses { self.source.removal_of(round) } else { self.source.insert(rng, 80) });
            // Nothing else is asked for before that is acknowledged.
            ops.extend((0..3).map(|_| Op::Get(self.key("k0"))));
        }
        let behind = before + 4 + 7 * rng.index(rounds);
        let breaks = vec![(behind, Break::Crash(400_000 + rng.below(SYNC / 2)))];
        alone(life, ClientPlan { depth: 4, send: WHOLE, ops, breaks, ..ClientPlan::default() });
        ends_at_once(life, pick(rng, &[Loss::All, Loss::All, Loss::Torn]));
        for round in 0..rounds as u64 {
            let (thread, site) = ("worker".to_owned(), "job".to_owned());
            let passage = 1 + 3 * round + rng.below(4);
            life.threads.disturbances.push(Disturbance { blow: Blow::Stall(200_000), passage, thread, site });
        }
    }

    /// One client writes a key again and again, another reads it whenever a sync has ended.
    fn between_batches(mut self, rng: &mut Rng, life: &mut Life) {
        let ops = (0..12).map(|_| self.write()).collect();
        let writer = ClientPlan { depth: 64, send: 64, gap: 3_000_000, ops, ..ClientPlan::default() };
        let breaks = vec![(3 + rng.index(6), Break::Crash(200_000 + rng.below(SYNC / 2)))];
        let reader = ClientPlan { breaks, gap: 50_000, ..reader(30) };
        alone(life, writer);
        beside(life, reader);
        ends_at_once(life, pick(rng, &[Loss::All, Loss::All, Loss::Torn]));
    }

    /// One client clears everything, another looks at a key meanwhile.
    fn cleared_early(mut self, rng: &mut Rng, life: &mut Life) {
        let ops = vec![self.write(), pick(rng, &[Op::FlushAll, Op::FlushDb])];
        let breaks = vec![(2, Break::Crash(1_000_000 + rng.below(SYNC / 2)))];
        alone(life, ClientPlan { ops, breaks, ..ClientPlan::default() });
        beside(life, ClientPlan { gap: 500_000, ..reader(80) });
        ends_at_once(life, pick(rng, &[Loss::All, Loss::All, Loss::Torn]));
    }

    fn write(&mut self) -> Op {
        Op::Set { key: REGISTER.to_owned(), value: self.value(0), expire: None }
    }
}

/// Who reads the register so often.
fn reader(times: usize) -> ClientPlan {
    ClientPlan { ops: vec![Op::Get(REGISTER.to_owned()); times], ..ClientPlan::default() }
}

/// Only this client says a word, the first one.
pub(super) fn alone(life: &mut Life, client: ClientPlan) {
    for other in &mut life.clients {
        other.ops.clear();
        other.breaks.clear();
    }
    life.clients[0] = client;
    life.visitors.clear();
}

/// Only one writer is left, who stays for long, and nothing goes wrong by itself.
pub(super) fn one_who_stays(rng: &mut Rng, life: &mut Life) {
    let gap = pick(rng, &[20_000_000, 100_000_000, 200_000_000]);
    let client = writer(rng, life.number, 0, gap);
    alone(life, client);
    life.clients.truncate(1);
    life.faults.clear();
    life.threads.crash = None;
}

/// And this one, the second.
fn beside(life: &mut Life, client: ClientPlan) {
    life.clients.truncate(1);
    life.clients.push(client);
}

/// Nothing comes before the crash that the scene needs: the network is quick, a sync is slow, and the power goes.
pub(super) fn ends_at_once(life: &mut Life, loss: Loss) {
    life.net = net::Settings { latency: 1_000, ..net::Settings::default() };
    life.latency.sync = SYNC;
    life.faults.clear();
    life.threads.crash = None;
    life.threads.disturbances.clear();
    life.ending = Ending::Power(loss);
}
