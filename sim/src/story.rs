//! A run in words: what clients asked and heard, what went wrong around them, and what must not have happened.
//!
//! It is told from the kept events of a trace and leaves out what the inspector asks, bytes, and switches of threads.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use crate::faults::CALLS;
use crate::trace::Event;

/// Most lines of a story; a longer one is cut in its middle.
const MOST: usize = 80;

/// The run whose events these are, a line for each thing that happened, ending with `violation`.
#[must_use]
pub fn story(events: &[Event], violation: Option<&str>) -> Vec<String> {
    let mut teller = Teller::default();
    events.iter().for_each(|event| teller.hear(event));
    teller.unanswered();
    if let Some(what) = violation {
        teller.lines.push(format!("VIOLATION: {what}"));
    }
    shorten(teller.lines)
}

fn shorten(lines: Vec<String>) -> Vec<String> {
    let Some(over) = lines.len().checked_sub(MOST).filter(|&over| over > 0) else { return lines };
    let cut = MOST / 4;
    let mut kept = lines[..cut].to_vec();
    kept.push(format!("  ... {over} lines more ..."));
    kept.extend_from_slice(&lines[cut + over..]);
    kept
}

/// A question that has not heard all of its replies.
struct Open {
    at: u64,
    op: String,
    wanted: u64,
    replies: Vec<String>,
}

#[derive(Default)]
struct Teller {
    lines: Vec<String>,
    open: BTreeMap<String, VecDeque<Open>>,
    /// The last call at a door, for the fault that meets it.
    call: String,
}

impl Teller {
    fn hear(&mut self, event: &Event) {
        let (at, name) = (millis(event.at), &event.name);
        match event.kind {
            "life" => {
                self.unanswered();
                let how = if name.contains("recovered") { "nobody connects" } else { "clients connect" };
                self.lines.push(format!("life {name}: the server starts at {at}; {how}"));
            }
            "ask" if name != "inspector" => {
                let open = Open {
                    at: event.at,
                    op: event.detail.clone(),
                    wanted: event.numbers[0],
                    replies: Vec::new(),
                };
                self.open.entry(name.clone()).or_default().push_back(open);
            }
            "reply" if name != "inspector" => self.reply(event),
            // The network's faults name their call themselves.
            "fault" if CALLS.iter().any(|call| name.starts_with(&format!("{} ", call.name()))) => {
                self.lines.push(format!("  {at} fault: {name}"));
            }
            "fault" => self.lines.push(format!("  {at} fault: {name} (at {})", self.call)),
            "crash" => self.lines.push(format!("  {at} the machine stops: {name}")),
            "shutdown" => self.lines.push(format!("  {at} the server is asked to finish")),
            "disconnected" => self.lines.push(format!("  {at} {name} is disconnected")),
            "ending" => {
                self.unanswered();
                self.lines.push(format!("  end of the life: {name}; files {}", event.detail));
            }
            "log" => self.lines.push(format!("  {at} the server says: {name}")),
            "server" => self.lines.push(format!("  {at} the server gives up: {name}")),
            _ => {}
        }
        if CALLS.iter().any(|call| call.name() == event.kind) {
            self.call = format!("{} {name}", event.kind).trim_end().to_owned();
        }
    }

    fn reply(&mut self, event: &Event) {
        let Some(waiting) = self.open.get_mut(&event.name) else { return };
        let Some(first) = waiting.front_mut() else { return };
        first.replies.push(event.detail.clone());
        if (first.replies.len() as u64) < first.wanted {
            return;
        }
        let Some(done) = waiting.pop_front() else { return };
        let (asked, heard) = (millis(done.at), millis(event.at));
        let reply = done.replies.last().map_or("", String::as_str);
        self.lines.push(format!("  {asked} {}: {} -> {reply} at {heard}", event.name, short(&done.op)));
    }

    /// What was asked and will hear no answer any more.
    fn unanswered(&mut self) {
        for (who, waiting) in std::mem::take(&mut self.open) {
            for open in waiting {
                self.lines.push(format!("  {} {who}: {} -> no answer", millis(open.at), short(&open.op)));
            }
        }
    }
}

/// Virtual time for a person.
#[must_use]
pub fn millis(nanos: u64) -> String {
    format!("{}.{:03} ms", nanos / 1_000_000, nanos / 1_000 % 1_000)
}

fn short(op: &str) -> String {
    const MOST: usize = 160;
    match op.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &op[..end]),
        None => op.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::trace::Trace;

    #[test]
    fn it_says_what_was_asked_what_failed_and_what_was_violated() {
        let thread: Arc<str> = Arc::from("main");
        let mut trace = Trace::new(true);
        let mut add = |at: u64, kind, name: &str, detail: &str| {
            trace.add(at, &thread, kind, name, [1, 0, 0]);
            trace.explain(|| detail.to_owned());
        };
        add(0, "life", "0", "");
        add(1_000_000, "ask", "client 0", "SET a b");
        add(1_500_000, "ask", "client 0", "INCR n");
        add(1_600_000, "ask", "inspector", "KEYS *");
        add(1_700_000, "sync", "log", "");
        add(1_700_000, "fault", "io", "");
        add(2_000_000, "reply", "client 0", "+OK");
        add(2_100_000, "crash", "asked for", "");
        let told = story(trace.events(), Some("a key is lost")).join("\n");
        let wanted = [
            "life 0: the server starts at 0.000 ms; clients connect",
            "  1.700 ms fault: io (at sync log)",
            "  1.000 ms client 0: SET a b -> +OK at 2.000 ms",
            "  2.100 ms the machine stops: asked for",
            "  1.500 ms client 0: INCR n -> no answer",
            "VIOLATION: a key is lost",
        ];
        assert_eq!(told, wanted.join("\n"));
    }

    #[test]
    fn a_long_story_keeps_its_end() {
        let lines: Vec<String> = (0..500).map(|i| i.to_string()).collect();
        let short = shorten(lines);
        assert_eq!(short.len(), MOST + 1);
        assert_eq!(short.last().map(String::as_str), Some("499"));
    }
}
