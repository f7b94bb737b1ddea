//! LATENCY: when the loop was kept for long, a line a second and event.
//!
//! Bounded: there are two events, and each keeps its last [`HISTORY`] seconds with something to tell.

use std::collections::VecDeque;
use std::time::Duration;

use super::sub::Runners;
use super::{Answer, Ran, Request};
use crate::base::time::Wall;
use crate::resp::{Reply, eq_ignore_case};

/// Seconds remembered for each event.
const HISTORY: usize = 160;

/// What happened in one second: the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spike {
    second: u64,
    millis: u64,
}

/// One kind of event.
#[derive(Debug)]
struct Event {
    name: &'static str,
    spikes: VecDeque<Spike>,
    /// The longest ever, in milliseconds.
    max: u64,
}

/// The events that have happened.
#[derive(Debug, Default)]
pub(super) struct Latency {
    events: Vec<Event>,
}

impl Latency {
    /// `name` took this long.
    pub(super) fn note(&mut self, name: &'static str, at: Wall, took: Duration) {
        let spike =
            Spike { second: at.0 / 1_000_000, millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX) };
        let found = self.events.iter().position(|event| event.name == name);
        let number = found.unwrap_or_else(|| {
            self.events.push(Event { name, spikes: VecDeque::new(), max: 0 });
            self.events.len() - 1
        });
        let Some(event) = self.events.get_mut(number) else { return };
        event.max = event.max.max(spike.millis);
        match event.spikes.back_mut() {
            Some(last) if last.second == spike.second => last.millis = last.millis.max(spike.millis),
            _ => event.spikes.push_back(spike),
        }
        if event.spikes.len() > HISTORY {
            event.spikes.pop_front();
        }
    }
}

/// What runs its subcommands.
pub(super) static RUNNERS: &Runners = &[
    ("doctor", doctor),
    ("histogram", histogram),
    ("history", history),
    ("latest", latest),
    ("reset", reset),
];

fn latest(r: &mut Request<'_>) -> Answer {
    let events = &r.server.ledger.latency.events;
    let mut reply = Reply::new(r.out, r.connection.session.protocol);
    reply.array(events.len());
    for event in events {
        let last = event.spikes.back().copied().unwrap_or(Spike { second: 0, millis: 0 });
        reply.array(4);
        reply.bulk(event.name);
        [last.second, last.millis, event.max].iter().for_each(|n| reply.integer(*n as i64));
    }
    Ok(Ran::DONE)
}

fn history(r: &mut Request<'_>) -> Answer {
    let name = r.args.get(2).unwrap_or_default();
    let found = r.server.ledger.latency.events.iter().find(|event| event.name.as_bytes() == name);
    let mut reply = Reply::new(r.out, r.connection.session.protocol);
    reply.array(found.map_or(0, |event| event.spikes.len()));
    for spike in found.iter().flat_map(|event| &event.spikes) {
        reply.array(2);
        reply.integer(spike.second as i64);
        reply.integer(spike.millis as i64);
    }
    Ok(Ran::DONE)
}

/// How long commands took: for each, its calls and a map from bounds in microseconds to calls up to them.
fn histogram(r: &mut Request<'_>) -> Answer {
    let named = r.args.skip(2);
    let wanted = |name: &str| named.is_empty() || named.iter().any(|n| eq_ignore_case(n, name.as_bytes()));
    let ran: Vec<_> = r.server.ledger.by_command.ran().filter(|(command, _)| wanted(command.name)).collect();
    let mut reply = Reply::new(r.out, r.connection.session.protocol);
    reply.map(ran.len());
    for (command, calls) in ran {
        reply.bulk(command.name);
        reply.map(2);
        reply.bulk("calls");
        reply.integer(calls.calls as i64);
        reply.bulk("histogram_usec");
        let buckets = calls.micros.cumulative();
        reply.map(buckets.len());
        buckets.iter().for_each(|(bound, count)| {
            reply.integer(*bound as i64);
            reply.integer(*count as i64);
        });
    }
    Ok(Ran::DONE)
}

fn reset(r: &mut Request<'_>) -> Answer {
    let named = r.args.skip(2);
    let events = &mut r.server.ledger.latency.events;
    let before = events.len();
    events.retain(|event| !named.is_empty() && !named.iter().any(|name| name == event.name.as_bytes()));
    let gone = before - events.len();
    r.integer(gone as i64)
}

fn doctor(r: &mut Request<'_>) -> Answer {
    let threshold = r.server.options.latency_monitor_threshold;
    let mut text = String::new();
    if threshold == 0 {
        text.push_str(
            "Nothing is watched: set latency-monitor-threshold to a number of milliseconds first.\n",
        );
    } else if r.server.ledger.latency.events.is_empty() {
        text.push_str(&format!("Nothing has taken {threshold} ms or longer.\n"));
    }
    for event in &r.server.ledger.latency.events {
        let sum: u64 = event.spikes.iter().map(|spike| spike.millis).sum();
        let (seconds, max) = (event.spikes.len(), event.max);
        let mean = sum / (seconds as u64).max(1);
        text.push_str(&format!(
            "{}: slow in {seconds} seconds, {mean} ms on average, {max} ms at worst. SLOWLOG GET names commands.\n",
            event.name
        ));
    }
    r.reply().verbatim(text);
    Ok(Ran::DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_keeps_its_longest_and_an_event_its_last_seconds() {
        let mut latency = Latency::default();
        let second = |n: u64| Wall(n * 1_000_000);
        latency.note("command", second(0), Duration::from_millis(7));
        latency.note("command", second(0), Duration::from_millis(3));
        assert_eq!(latency.events[0].spikes, [Spike { second: 0, millis: 7 }]);
        for n in 1..=1_000 {
            latency.note("command", second(n), Duration::from_millis(n % 5));
            latency.note("fast-command", second(n), Duration::from_millis(1));
        }
        assert_eq!(latency.events.len(), 2);
        let command = &latency.events[0];
        assert_eq!((command.spikes.len(), command.max), (HISTORY, 7));
        assert_eq!(command.spikes.back(), Some(&Spike { second: 1_000, millis: 0 }));
    }
}
