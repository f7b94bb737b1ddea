//! Which events of a run get a row, in which lane, and what they say.

use std::collections::{BTreeMap, VecDeque};

use crate::faults::CALLS;
use crate::trace::Event;

/// How an event looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// A line across all lanes: a life begins.
    Life,
    /// Across all lanes: the machine stops, or a life ends.
    Crash,
    /// Across all lanes.
    Violation,
    Ask,
    Reply,
    Pending,
    Safe,
    Fault,
    Plain,
}

/// One row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) at: u64,
    /// The lane it is drawn in.
    pub(super) lane: usize,
    /// The lane of the thread that held the baton.
    pub(super) baton: usize,
    pub(super) look: Look,
    pub(super) text: String,
    /// For the pointer that rests on it.
    pub(super) hover: String,
    /// The row of the question that this one answers.
    pub(super) answers: Option<usize>,
}

/// The lanes, from left to right, by name: clients, then threads, then the disk.
pub(super) type Lanes = Vec<String>;

const DISK: &str = "disk";

/// The rows of a run, and its lanes.
pub(super) fn rows(events: &[Event]) -> (Vec<Row>, Lanes) {
    let lanes = lanes(events);
    let mut maker =
        Maker { lanes: &lanes, rows: Vec::new(), asked: BTreeMap::new(), files: BTreeMap::new(), folded: 0 };
    for (place, event) in events.iter().enumerate() {
        maker.add(event, events.get(place + 1));
    }
    (maker.rows, lanes)
}

fn lanes(events: &[Event]) -> Lanes {
    let mut clients: Vec<String> =
        events.iter().filter(|event| event.kind == "ask").map(|event| event.name.clone()).collect();
    clients.sort();
    clients.dedup();
    let mut threads: Vec<String> = Vec::new();
    for event in events.iter().filter(|event| &*event.thread != "rig") {
        if !threads.iter().any(|known| **known == *event.thread) {
            threads.push(event.thread.to_string());
        }
    }
    // The loop first, whatever ran before it.
    threads.sort_by_key(|name| (name != "main", name.clone()));
    clients.into_iter().chain(threads).chain([DISK.to_owned()]).collect()
}

struct Maker<'a> {
    lanes: &'a Lanes,
    rows: Vec<Row>,
    /// Rows of questions without an answer, by client, with the replies that each still wants.
    asked: BTreeMap<String, VecDeque<(usize, u64)>>,
    /// Bytes that are safe, and bytes that the process sees, by file.
    files: BTreeMap<String, (u64, u64)>,
    /// Questions and answers of the inspector since the last row.
    folded: usize,
}

impl Maker<'_> {
    fn lane(&self, name: &str) -> usize {
        self.lanes.iter().position(|lane| lane == name).unwrap_or(0)
    }

    fn add(&mut self, event: &Event, next: Option<&Event>) {
        let [a, b, _] = event.numbers;
        let name = &event.name;
        let inspector = matches!(event.kind, "ask" | "reply") && name == "inspector";
        if inspector && next.is_none_or(|next| next.kind != "violation") {
            self.folded += 1;
            return;
        }
        let thread = self.lane(&event.thread);
        let (lane, look, text) = match event.kind {
            "switch" | "wait" => return,
            "life" => {
                self.asked.clear();
                (0, Look::Life, format!("life {name}"))
            }
            "ending" => (0, Look::Crash, format!("end: {name}; {}", event.detail)),
            "crash" => (0, Look::Crash, format!("the machine stops ({name})")),
            "violation" => {
                (0, Look::Violation, format!("VIOLATION: {}", name.lines().next().unwrap_or_default()))
            }
            "ask" => (self.lane(name), Look::Ask, event.detail.clone()),
            "reply" => (self.lane(name), Look::Reply, event.detail.clone()),
            "disconnected" => (self.lane(name), Look::Crash, "disconnected".to_owned()),
            "fault" => (thread, Look::Fault, format!("fault: {name}")),
            "durable" if name == "names" => (self.lane(DISK), Look::Safe, "names are safe".to_owned()),
            "durable" => {
                self.files.entry(name.clone()).or_default().0 = a;
                (self.lane(DISK), Look::Safe, self.file(name))
            }
            "write_at" => {
                let seen = &mut self.files.entry(name.clone()).or_default().1;
                *seen = (*seen).max(a + b);
                (self.lane(DISK), Look::Pending, self.file(name))
            }
            "rename" | "remove" | "create_new" | "set_len" => {
                (self.lane(DISK), Look::Pending, format!("{} {name}", event.kind))
            }
            "read" | "write" => (thread, Look::Plain, format!("{} {b} bytes, connection {a}", event.kind)),
            "log" => (thread, Look::Plain, name.clone()),
            kind => (thread, Look::Plain, format!("{kind} {name}")),
        };
        self.unfold(event.at, thread);
        let answers = match event.kind {
            "ask" => {
                self.asked.entry(name.clone()).or_default().push_back((self.rows.len(), a));
                None
            }
            "reply" => self.answered(name),
            _ => None,
        };
        let hover = if CALLS.iter().any(|call| call.name() == event.kind) || !event.detail.is_empty() {
            format!("{event}")
        } else {
            format!("{event}").chars().take(400).collect()
        };
        let text = short_names(&text);
        self.rows.push(Row { at: event.at, lane, baton: thread, look, text, hover, answers });
    }

    /// The row of the question to which this is the last reply.
    fn answered(&mut self, name: &str) -> Option<usize> {
        let waiting = self.asked.get_mut(name)?;
        let (row, wanted) = waiting.front_mut()?;
        *wanted = wanted.saturating_sub(1);
        let (row, done) = (*row, *wanted == 0);
        if done {
            waiting.pop_front();
        }
        done.then_some(row)
    }

    fn file(&self, name: &str) -> String {
        let (safe, seen) = self.files.get(name).copied().unwrap_or_default();
        format!("{name}: {safe} of {} bytes safe", seen.max(safe))
    }

    fn unfold(&mut self, at: u64, baton: usize) {
        let folded = std::mem::take(&mut self.folded);
        if folded > 0 {
            let (lane, text) = (self.lane("inspector"), format!("{folded} questions and answers"));
            let hover = "the inspector looks at every key".to_owned();
            self.rows.push(Row { at, lane, baton, look: Look::Plain, text, hover, answers: None });
        }
    }
}

/// A text with the zeros left out that files are numbered with.
fn short_names(text: &str) -> String {
    let mut out = text.to_owned();
    while let Some(at) = out.find("-000") {
        let zeros = out[at + 1..].len() - out[at + 1..].trim_start_matches('0').len();
        // A number keeps one digit.
        let digit = out[at + 1 + zeros..].starts_with(|c: char| c.is_ascii_digit());
        out.replace_range(at + 1..at + 1 + zeros - usize::from(!digit), "");
        if !digit {
            break;
        }
    }
    out
}
