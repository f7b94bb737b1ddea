//! Looking for an order in which acts can have happened.
//!
//! The search of Wing and Gong, "Testing and verifying concurrent objects", 1993: an act may come next if no other that
//! has to come was answered before this one was asked for. As in Lowe, "Testing for linearizability", 2017, and Horn
//! and Kroening, "Faster linearizability checking via P-compositionality", 2015, a set of acts with the world that they
//! led to is looked at once only. Acts that only read are taken as soon as they fit: nothing is lost by that.

use engram::base::hash::FixedMap;

use super::act::{Act, World};

/// What a search came to.
#[derive(Debug)]
pub(super) enum Found {
    /// An order that explains everything.
    Order,
    /// There is none; the acts that came into the longest order, and why it ends.
    Nothing(String),
    /// It was given up.
    TooLong,
}

/// What has to be explained.
pub(super) struct Question<'a> {
    pub(super) acts: &'a [&'a Act],
    pub(super) start: &'a World,
    /// Whether a world is the one that was found in the end; an error says what differs.
    pub(super) is_end: &'a dyn Fn(&World) -> Result<(), String>,
    /// Whether those that were left out, told by their places, may have been lost together.
    pub(super) may_lose: &'a dyn Fn(&[bool]) -> bool,
}

/// Acts that have happened, and what they led to.
#[derive(Clone)]
struct Node {
    done: Vec<bool>,
    count: usize,
    world: World,
    /// What was found in the end had been reached before: the rest was lost.
    cut: bool,
}

/// Looks for an order, at most `steps` steps. Returns how many it took.
pub(super) fn explore(question: &Question<'_>, steps: u64) -> (Found, u64) {
    let acts = question.acts;
    let first = Node { done: vec![false; acts.len()], count: 0, world: question.start.clone(), cut: false };
    let mut stack = vec![first];
    let mut seen: FixedMap<Vec<bool>, Vec<(World, bool)>> = FixedMap::default();
    let mut taken = 0;
    let (mut farthest, mut why) = (None::<Node>, String::new());
    while let Some(mut node) = stack.pop() {
        taken += 1;
        if taken > steps {
            return (Found::TooLong, taken);
        }
        read_all(question, &mut node);
        let known = seen.entry(node.done.clone()).or_default();
        if known.iter().any(|(world, cut)| *cut == node.cut && *world == node.world) {
            continue;
        }
        known.push((node.world.clone(), node.cut));
        let complete = (0..acts.len()).all(|i| node.done[i] || !acts[i].took_place());
        if node.cut && complete {
            return (Found::Order, taken);
        }
        if farthest.as_ref().is_none_or(|far| node.count > far.count) {
            farthest = Some(node.clone());
            why.clear();
        }
        stack.extend(nexts(question, &node));
        if !node.cut && may_end(question, &node) {
            match (question.is_end)(&node.world) {
                Ok(()) => stack.push(Node { cut: true, ..node }),
                Err(what) if complete => why = what,
                Err(_) => {}
            }
        }
    }
    (Found::Nothing(explain(question, farthest.as_ref(), &why)), taken)
}

/// Takes all acts that only read and fit.
fn read_all(question: &Question<'_>, node: &mut Node) {
    let acts = question.acts;
    loop {
        let (horizon, before) = (horizon(acts, node), node.count);
        for (i, act) in acts.iter().enumerate() {
            let fits = !node.done[i]
                && act.only_reads()
                && may_come(acts, node, i, horizon)
                && !closes(acts, node, i)
                && node.world.allows(act);
            node.done[i] |= fits;
            node.count += usize::from(fits);
        }
        if node.count == before {
            return;
        }
    }
}

/// What is asked for later has to wait: when the first of those that have to come was answered.
fn horizon(acts: &[&Act], node: &Node) -> u64 {
    let open = acts.iter().zip(&node.done).filter(|(act, done)| !**done && act.took_place());
    open.map(|(act, _)| act.answered).min().unwrap_or(u64::MAX)
}

/// Whether an act may come next.
fn may_come(acts: &[&Act], node: &Node, i: usize, horizon: u64) -> bool {
    let act = acts[i];
    let newer = |(j, other): (usize, &&Act)| {
        node.done[j] && other.client == act.client && other.connection > act.connection
    };
    act.asked <= horizon
        && act.after.is_none_or(|j| node.done[j])
        && (act.took_place() || !acts.iter().enumerate().any(newer))
}

/// Whether what the client did on an older connection, if it took place, cannot come behind this act any more.
fn closes(acts: &[&Act], node: &Node, i: usize) -> bool {
    let act = acts[i];
    act.connection > 0
        && acts.iter().zip(&node.done).any(|(other, done)| {
            !done && !other.took_place() && other.client == act.client && other.connection < act.connection
        })
}

/// Whether those that are left may have been lost together.
fn may_end(question: &Question<'_>, node: &Node) -> bool {
    let acts = question.acts;
    let left = |i: usize| !node.done[i] && acts[i].took_place() && !acts[i].losable;
    !(0..acts.len()).any(left) && (question.may_lose)(&node.done)
}

/// What may come next, the likeliest last.
fn nexts(question: &Question<'_>, node: &Node) -> Vec<Node> {
    let acts = question.acts;
    let horizon = horizon(acts, node);
    let mut places: Vec<usize> = (0..acts.len())
        .filter(|&i| !node.done[i] && (!acts[i].only_reads() || closes(acts, node, i)))
        .filter(|&i| may_come(acts, node, i, horizon))
        .collect();
    // What was answered first comes first; what was not answered only when nothing else helps.
    places.sort_by_key(|&i| std::cmp::Reverse((acts[i].answered, acts[i].asked)));
    let mut nexts = Vec::new();
    for i in places {
        for world in node.world.after(acts[i]) {
            let mut done = node.done.clone();
            done[i] = true;
            nexts.push(Node { done, count: node.count + 1, world, cut: node.cut });
        }
    }
    nexts
}

/// Lines shown of what does not fit.
const SHOWN: usize = 24;

fn explain(question: &Question<'_>, farthest: Option<&Node>, why: &str) -> String {
    let Some(node) = farthest else { return "nothing can have happened".to_owned() };
    let acts = question.acts;
    let show = |place: &usize| format!("  {}", acts[*place].show());
    let stuck: Vec<usize> = (0..acts.len()).filter(|&i| !node.done[i]).collect();
    let mut before: Vec<usize> = (0..acts.len()).filter(|&i| node.done[i]).collect();
    before.sort_by_key(|&i| acts[i].answered);
    let before: Vec<String> = before.iter().rev().take(SHOWN).rev().map(show).collect();
    let stuck: Vec<String> = stuck.iter().take(SHOWN).map(show).collect();
    let what = if why.is_empty() { "what does not fit behind it:" } else { why };
    format!("the end of the longest order:\n{}\n{what}\n{}", before.join("\n"), stuck.join("\n"))
}
