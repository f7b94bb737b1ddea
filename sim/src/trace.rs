//! What happened, in order, and its hash.
//!
//! Every event goes into a running 64-bit hash; the events themselves are kept only when asked for. Two runs are the
//! same run when their hashes are equal (up to a collision of 64 bits); the first event that differs says where not.

use std::fmt;
use std::sync::Arc;

use engram::base::mark::Mark;
use engram::base::rng::mix64;

use crate::coverage::Coverage;
use crate::phase::Phase;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Virtual nanoseconds since the start of the life.
    pub at: u64,
    /// The thread that held the baton.
    pub thread: Arc<str>,
    /// What kind of thing.
    pub kind: &'static str,
    /// Of what: a file, a client, a thread, a site.
    pub name: String,
    /// Its numbers; what they mean depends on the kind.
    pub numbers: [u64; 3],
    /// What a person would like to read: an operation, an answer, bytes. It is no part of the hash.
    pub detail: String,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.at / 1_000;
        write!(f, "{micros:>10}us {:<12} {:<14} {}", &*self.thread, self.kind, self.name)?;
        let [a, b, c] = self.numbers;
        if self.numbers != [0; 3] {
            write!(f, " {a} {b} {c:x}")?;
        }
        if !self.detail.is_empty() {
            write!(f, " {}", self.detail)?;
        }
        Ok(())
    }
}

/// The hash of a run so far and, if asked for, its events.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    count: u64,
    events: Option<Vec<Event>>,
    /// What the run has covered so far; none for a trace that only stands in for one.
    coverage: Option<Box<Coverage>>,
}

impl Trace {
    /// An empty trace; `keep` says whether events are kept beside the hash.
    #[must_use]
    pub fn new(keep: bool) -> Self {
        Self { hash: 0, count: 0, events: keep.then(Vec::new), coverage: Some(Box::default()) }
    }

    /// Adds an event.
    pub fn add(&mut self, at: u64, thread: &Arc<str>, kind: &'static str, name: &str, numbers: [u64; 3]) {
        self.count += 1;
        self.absorb(at, numbers[0]);
        self.absorb(numbers[1], numbers[2]);
        self.absorb_bytes(kind.as_bytes());
        self.absorb_bytes(name.as_bytes());
        self.absorb_bytes(thread.as_bytes());
        if let Some(coverage) = &mut self.coverage {
            coverage.see(kind, name, numbers);
        }
        if let Some(events) = &mut self.events {
            events.push(Event {
                at,
                thread: Arc::clone(thread),
                kind,
                name: name.to_owned(),
                numbers,
                detail: String::new(),
            });
        }
    }

    /// The engine has come by a mark. Kept events name it; the hash does not know of it.
    pub fn mark(&mut self, at: u64, thread: &Arc<str>, mark: Mark) {
        if let Some(coverage) = &mut self.coverage {
            coverage.mark(mark);
        }
        if let Some(events) = &mut self.events {
            let (thread, name) = (Arc::clone(thread), mark.to_string());
            events.push(Event { at, thread, kind: "mark", name, numbers: [0; 3], detail: String::new() });
        }
    }

    /// What the server is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.coverage.as_deref().map_or(Phase::default(), Coverage::phase)
    }

    /// What the run has covered.
    #[must_use]
    pub fn coverage(&self) -> Option<&Coverage> {
        self.coverage.as_deref()
    }

    /// What the run has covered, for who knows more of it.
    pub fn coverage_mut(&mut self) -> Option<&mut Coverage> {
        self.coverage.as_deref_mut()
    }

    /// Whether events are kept.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.events.is_some()
    }

    /// Adds to the last event what a person would like to read, if events are kept.
    pub fn explain(&mut self, detail: impl FnOnce() -> String) {
        if let Some(event) = self.events.as_mut().and_then(|events| events.last_mut()) {
            event.detail = detail();
        }
    }

    /// The hash of everything so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        mix64(self.hash ^ self.count)
    }

    /// How many events there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The kept events; none when they were not asked for.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        self.events.as_deref().unwrap_or_default()
    }

    /// Two words at once: a product of 128 bits, folded. What came before is kept by the rotation, whatever the words.
    #[inline]
    fn absorb(&mut self, a: u64, b: u64) {
        let product =
            u128::from(a ^ self.hash ^ 0x9e37_79b9_7f4a_7c15) * u128::from(b ^ 0xc2b2_ae3d_27d4_eb4f);
        self.hash = self.hash.rotate_left(23) ^ (product as u64) ^ ((product >> 64) as u64);
    }

    #[inline]
    fn absorb_bytes(&mut self, bytes: &[u8]) {
        let (pairs, rest) = bytes.as_chunks::<16>();
        for pair in pairs {
            self.absorb_pair(*pair);
        }
        let mut last = [0; 16];
        last[..rest.len()].copy_from_slice(rest);
        self.hash ^= bytes.len() as u64;
        self.absorb_pair(last);
    }

    #[inline]
    fn absorb_pair(&mut self, pair: [u8; 16]) {
        let pair = u128::from_le_bytes(pair);
        self.absorb(pair as u64, (pair >> 64) as u64);
    }
}

/// Bytes for a person to read: escaped, and not too many.
#[must_use]
pub fn excerpt(bytes: &[u8]) -> String {
    const MOST: usize = 240;
    let shown = bytes[..bytes.len().min(MOST)].escape_ascii();
    if bytes.len() > MOST { format!("{shown}... {} bytes", bytes.len()) } else { shown.to_string() }
}

/// Describes the first place where two runs part, or nothing when they never do.
#[must_use]
pub fn first_difference(a: &Trace, b: &Trace) -> Option<String> {
    let (left, right) = (a.events(), b.events());
    let at = (0..left.len().max(right.len())).find(|&i| left.get(i) != right.get(i))?;
    let show = |event: Option<&Event>| event.map_or_else(|| "the end".to_owned(), Event::to_string);
    Some(format!("event {at}:\n  first run:  {}\n  second run: {}", show(left.get(at)), show(right.get(at))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_depends_on_every_part_and_the_difference_is_named() {
        let thread: Arc<str> = Arc::from("loop");
        let run = |name: &str, number: u64| {
            let mut trace = Trace::new(true);
            trace.add(1, &thread, "write", "log", [1, 2, 3]);
            trace.add(2, &thread, "sync", name, [number, 0, 0]);
            trace
        };
        assert_eq!(run("log", 4).hash(), run("log", 4).hash());
        assert_ne!(run("log", 4).hash(), run("log", 5).hash());
        assert_ne!(run("log", 4).hash(), run("lob", 4).hash());
        assert_eq!(first_difference(&run("log", 4), &run("log", 4)), None);
        assert!(first_difference(&run("log", 4), &run("log", 5)).unwrap().starts_with("event 1"));
    }
}
