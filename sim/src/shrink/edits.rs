//! The ways in which a plan can be made smaller, one element at a time.

use std::sync::Arc;

use crate::disk::Loss;
use crate::plan::{ClientPlan, Ending, Life, Op, Plan, parse};
use crate::scheduler::{Choice, Strategy};

/// One way to make a plan smaller. Numbers are places: of a life, of one of its clients, of something in that; or of a
/// line of the plan's text, and of a setting on it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Edit {
    DropLife(usize),
    DropClient(usize, usize),
    DropOp(usize, usize, usize),
    DropSwitch(usize, usize),
    /// A fault, a break, a visitor, whatever has a line of its own.
    DropLine(usize),
    /// Settings have their usual values: all of a line, or one of them.
    DropSettings(usize),
    DropSetting(usize, usize),
    /// The same schedule, but as a list of its choices.
    List(usize, Arc<[Choice]>),
    /// The operation becomes a smaller one.
    Replace(usize, usize, usize, Op),
    NoTwice(usize),
    End(usize, Ending),
    CalmThreads(usize),
}

/// What a line of a plan's text is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The plan, a life, an ending, an operation: not for edits of lines.
    Structure,
    /// So many words before the first setting.
    Settings(usize),
    /// Something that goes wrong, or somebody who comes.
    Fault,
}

/// What `line` is about.
pub(super) fn line(line: &str) -> Line {
    match line.split_whitespace().next().unwrap_or("#") {
        "server" | "net" | "disk" | "clock" => Line::Settings(1),
        "client" => Line::Settings(2),
        "plan" | "life" | "ending" | "threads" | "#" => Line::Structure,
        word if word.starts_with(|c: char| c.is_ascii_uppercase()) => Line::Structure,
        _ => Line::Fault,
    }
}

/// Every edit that makes `plan` smaller.
pub(super) fn edits(plan: &Plan) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (number, life) in plan.lives.iter().enumerate() {
        of_life(number, life, &mut edits);
    }
    for (number, text) in plan.to_string().lines().enumerate() {
        match line(text) {
            Line::Structure => {}
            Line::Fault => edits.push(Edit::DropLine(number)),
            Line::Settings(head) => {
                let pairs = text.split_whitespace().count().saturating_sub(head) / 2;
                edits.extend((pairs > 0).then_some(Edit::DropSettings(number)));
                edits.extend((0..pairs).filter(|_| pairs > 1).map(|pair| Edit::DropSetting(number, pair)));
            }
        }
    }
    edits
}

fn of_life(number: usize, life: &Life, edits: &mut Vec<Edit>) {
    edits.push(Edit::DropLife(number));
    let plain = life.threads.strategy == Strategy::Calm && life.threads.tick == Life::default().threads.tick;
    edits.extend((!plain).then_some(Edit::CalmThreads(number)));
    edits.extend(life.twice.then_some(Edit::NoTwice(number)));
    edits.extend(simpler(life.ending).into_iter().map(|ending| Edit::End(number, ending)));
    edits.extend((0..life.threads.strategy.switches()).map(|i| Edit::DropSwitch(number, i)));
    for (id, client) in life.clients.iter().enumerate().filter(|(_, client)| !client.is_idle()) {
        edits.push(Edit::DropClient(number, id));
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
    let mut lines: Vec<String> = plan.to_string().lines().map(str::to_owned).collect();
    let mut textual = false;
    let mut changed = plan.clone();
    // From the back, so that places in front stay what they are.
    for edit in edits.iter().rev() {
        textual |= in_text(&mut lines, edit);
        one(&mut changed, edit);
    }
    // Edits of lines and others are never mixed.
    if textual { parse(&lines.join("\n")).0 } else { changed }
}

/// Makes an edit of lines; true if it was one.
fn in_text(lines: &mut Vec<String>, edit: &Edit) -> bool {
    match *edit {
        Edit::DropLine(number) => drop(lines.remove(number)),
        Edit::DropSettings(number) => keep_words(&mut lines[number], |head, at| at < head),
        Edit::DropSetting(number, pair) => {
            keep_words(&mut lines[number], |head, at| at < head || (at - head) / 2 != pair);
        }
        _ => return false,
    }
    true
}

fn keep_words(text: &mut String, keep: impl Fn(usize, usize) -> bool) {
    let head = if let Line::Settings(head) = line(text) { head } else { 0 };
    let words = text.split_whitespace().enumerate().filter(|(at, _)| keep(head, *at));
    *text = words.map(|(_, word)| word).collect::<Vec<_>>().join(" ");
}

fn one(plan: &mut Plan, edit: &Edit) {
    let lives = &mut plan.lives;
    match edit {
        Edit::DropLife(life) => drop(lives.remove(*life)),
        Edit::DropClient(life, id) => lives[*life].clients[*id] = ClientPlan::default(),
        Edit::DropOp(life, id, i) => drop_op(&mut lives[*life].clients[*id], *i),
        Edit::List(life, choices) => lives[*life].threads.strategy = Strategy::Listed(Arc::clone(choices)),
        Edit::DropSwitch(life, i) => lives[*life].threads.strategy.drop_switch(*i),
        Edit::Replace(life, id, i, op) => lives[*life].clients[*id].ops[*i] = op.clone(),
        Edit::NoTwice(life) => lives[*life].twice = false,
        Edit::End(life, ending) => lives[*life].ending = *ending,
        Edit::CalmThreads(life) => {
            lives[*life].threads.strategy = Strategy::Calm;
            lives[*life].threads.tick = Life::default().threads.tick;
        }
        Edit::DropLine(_) | Edit::DropSettings(_) | Edit::DropSetting(..) => {}
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
