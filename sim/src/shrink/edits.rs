//! The ways in which a plan can be made smaller, one element at a time.

use std::sync::Arc;

use crate::disk::{Latency, Loss};
use crate::net;
use crate::plan::{ClientPlan, Ending, Life, Op, Plan, ServerPlan};
use crate::scheduler::{Choice, Strategy};

/// One way to make a plan smaller. Numbers are places: of a life, of one of its clients, of something in that.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Edit {
    DropLife(usize),
    DropClient(usize, usize),
    DropOp(usize, usize, usize),
    DropFault(usize, usize),
    /// Something that happens to the disk between two lives.
    DropRest(usize, usize),
    DropBreak(usize, usize, usize),
    DropVisitor(usize, usize),
    DropDisturbance(usize, usize),
    DropSwitch(usize, usize),
    /// The same schedule, but as a list of its choices.
    List(usize, Arc<[Choice]>),
    /// The operation becomes a smaller one.
    Replace(usize, usize, usize, Op),
    /// The client sends one request at a time, whole.
    PlainClient(usize, usize),
    NoCrash(usize),
    NoTwice(usize),
    End(usize, Ending),
    CalmThreads(usize),
    CalmNet(usize),
    CalmDisk(usize),
    Server(Box<ServerPlan>),
}

impl Edit {
    /// Whether it takes out something that goes wrong.
    pub(super) fn is_of_a_fault(&self) -> bool {
        matches!(
            self,
            Self::DropFault(..) | Self::DropBreak(..) | Self::DropVisitor(..) | Self::DropDisturbance(..)
        )
    }
}

/// Every edit that makes `plan` smaller.
pub(super) fn edits(plan: &Plan) -> Vec<Edit> {
    let mut edits = Vec::new();
    let (server, default) = (&plan.server, ServerPlan::default());
    let simpler = [
        default.clone(),
        ServerPlan { limits: default.limits, ..server.clone() },
        ServerPlan { workers: default.workers, ..server.clone() },
        ServerPlan { exact_below: default.exact_below, ..server.clone() },
        ServerPlan { segment_bytes: default.segment_bytes, ..server.clone() },
        ServerPlan { snapshot_slice: default.snapshot_slice, ..server.clone() },
    ];
    edits.extend(
        simpler.into_iter().filter(|other| other != server).map(|other| Edit::Server(Box::new(other))),
    );
    for (number, life) in plan.lives.iter().enumerate() {
        of_life(number, life, &mut edits);
    }
    edits
}

fn of_life(number: usize, life: &Life, edits: &mut Vec<Edit>) {
    edits.push(Edit::DropLife(number));
    let calm = Life::default();
    edits.extend((life.net != net::Settings::default()).then_some(Edit::CalmNet(number)));
    edits.extend((life.latency != Latency::default()).then_some(Edit::CalmDisk(number)));
    let plain = life.threads.strategy == Strategy::Calm && life.threads.tick == calm.threads.tick;
    edits.extend((!plain).then_some(Edit::CalmThreads(number)));
    edits.extend(life.twice.then_some(Edit::NoTwice(number)));
    edits.extend(life.threads.crash.map(|_| Edit::NoCrash(number)));
    edits.extend(simpler(life.ending).into_iter().map(|ending| Edit::End(number, ending)));
    edits.extend((0..life.threads.strategy.switches()).map(|i| Edit::DropSwitch(number, i)));
    edits.extend((0..life.visitors.len()).map(|i| Edit::DropVisitor(number, i)));
    edits.extend((0..life.threads.disturbances.len()).map(|i| Edit::DropDisturbance(number, i)));
    edits.extend((0..life.faults.len()).map(|i| Edit::DropFault(number, i)));
    edits.extend((0..life.rest.len()).map(|i| Edit::DropRest(number, i)));
    for (id, client) in life.clients.iter().enumerate().filter(|(_, client)| !client.is_idle()) {
        edits.push(Edit::DropClient(number, id));
        let plain =
            ClientPlan { ops: client.ops.clone(), breaks: client.breaks.clone(), ..ClientPlan::default() };
        edits.extend((*client != plain).then_some(Edit::PlainClient(number, id)));
        edits.extend((0..client.breaks.len()).map(|i| Edit::DropBreak(number, id, i)));
        for (i, op) in client.ops.iter().enumerate() {
            edits.push(Edit::DropOp(number, id, i));
            edits.extend(op.smaller().into_iter().map(|op| Edit::Replace(number, id, i, op)));
        }
    }
}

/// Endings that say less than `ending`, the simplest first.
fn simpler(ending: Ending) -> Vec<Ending> {
    let all = [
        Ending::Shutdown,
        Ending::Kill,
        Ending::Power(Loss::None),
        Ending::Power(Loss::All),
        Ending::Power(Loss::Names),
        Ending::Power(Loss::Subset),
        Ending::Power(Loss::Torn),
        Ending::Power(Loss::Garbage),
    ];
    let place = all.iter().position(|&known| known == ending).unwrap_or(all.len());
    all[..place].to_vec()
}

/// The plan after all `edits`, which name places in `plan` as it is.
pub(super) fn apply(plan: &Plan, edits: &[Edit]) -> Plan {
    let mut plan = plan.clone();
    // From the back, so that places in front stay what they are.
    for edit in edits.iter().rev() {
        one(&mut plan, edit);
    }
    plan
}

fn one(plan: &mut Plan, edit: &Edit) {
    let lives = &mut plan.lives;
    match edit {
        Edit::DropLife(life) => drop(lives.remove(*life)),
        Edit::DropClient(life, id) => lives[*life].clients[*id] = ClientPlan::default(),
        Edit::DropOp(life, id, i) => drop_op(&mut lives[*life].clients[*id], *i),
        Edit::DropFault(life, i) => drop(lives[*life].faults.remove(*i)),
        Edit::DropRest(life, i) => drop(lives[*life].rest.remove(*i)),
        Edit::DropDisturbance(life, i) => drop(lives[*life].threads.disturbances.remove(*i)),
        Edit::DropBreak(life, id, i) => drop(lives[*life].clients[*id].breaks.remove(*i)),
        Edit::DropVisitor(life, i) => drop(lives[*life].visitors.remove(*i)),
        Edit::List(life, choices) => lives[*life].threads.strategy = Strategy::Listed(Arc::clone(choices)),
        Edit::DropSwitch(life, i) => lives[*life].threads.strategy.drop_switch(*i),
        Edit::Replace(life, id, i, op) => lives[*life].clients[*id].ops[*i] = op.clone(),
        Edit::PlainClient(life, id) => {
            let client = &mut lives[*life].clients[*id];
            let (ops, breaks) = (std::mem::take(&mut client.ops), std::mem::take(&mut client.breaks));
            *client = ClientPlan { ops, breaks, ..ClientPlan::default() };
        }
        Edit::NoCrash(life) => lives[*life].threads.crash = None,
        Edit::NoTwice(life) => lives[*life].twice = false,
        Edit::End(life, ending) => lives[*life].ending = *ending,
        Edit::CalmThreads(life) => {
            lives[*life].threads.strategy = Strategy::Calm;
            lives[*life].threads.tick = Life::default().threads.tick;
        }
        Edit::CalmNet(life) => lives[*life].net = net::Settings::default(),
        Edit::CalmDisk(life) => lives[*life].latency = Latency::default(),
        Edit::Server(server) => plan.server = (**server).clone(),
    }
}

/// Takes an operation out; a break behind it moves behind the one before.
fn drop_op(client: &mut ClientPlan, at: usize) {
    client.ops.remove(at);
    for (behind, _) in client.breaks.iter_mut().filter(|(behind, _)| *behind > at) {
        *behind = (*behind - 1).max(1);
    }
    if client.ops.is_empty() {
        client.breaks.clear();
    }
}
