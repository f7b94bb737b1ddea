//! MEMORY: where the bytes are.

use super::sub::Runners;
use super::{Answer, Ran, Request};
use crate::engine::{Call, command};

/// What runs its subcommands.
pub(super) static RUNNERS: &Runners = &[
    ("doctor", doctor),
    ("malloc-stats", malloc_stats),
    ("purge", purge),
    ("stats", stats),
    ("usage", usage),
];

/// `VQUANT index form`: the engine's own but for the memory that it may take.
pub(super) fn quant(r: &mut Request<'_>) -> Answer {
    let most = r.server.options.maxmemory;
    let room = (most > 0).then(|| most.saturating_sub(r.server.used_memory()));
    let mut call = Call::new(r.args, r.connection.session.protocol, r.out);
    let outcome = r.server.engine.execute(|engine, call| engine.change_quant(call, room), &mut call);
    Ok(Ran { outcome, barrier: call.barrier })
}

fn usage(r: &mut Request<'_>) -> Answer {
    let mut call = Call::new(r.args, r.connection.session.protocol, r.out);
    let outcome = r.server.engine.execute(command::memory_usage, &mut call);
    Ok(Ran { outcome, barrier: call.barrier })
}

fn stats(r: &mut Request<'_>) -> Answer {
    let server = &*r.server;
    let (used, snapshot, keys) =
        (server.used_memory(), server.engine.snapshot_memory(), server.engine.keys());
    let dataset = server.engine.used_memory() - snapshot;
    let resident = server.host.facts().resident;
    let numbers = [
        ("peak.allocated", server.ledger.peak.max(used) as u64),
        ("total.allocated", used as u64),
        ("clients.normal", server.connection_memory as u64),
        ("dataset.bytes", dataset as u64),
        ("snapshot.bytes", snapshot as u64),
        ("keys.count", keys as u64),
        ("keys.bytes-per-key", (dataset / keys.max(1)) as u64),
        ("process.resident", resident),
    ];
    let fraction = resident as f64 / (used as f64).max(1.0);
    let mut reply = r.reply();
    reply.map(numbers.len() + 1);
    for (name, bytes) in numbers {
        reply.bulk(name);
        reply.integer(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
    reply.bulk("fragmentation");
    reply.double(fraction);
    Ok(Ran::DONE)
}

fn doctor(r: &mut Request<'_>) -> Answer {
    let server = &*r.server;
    let (used, most) = (server.used_memory(), server.options.maxmemory);
    let mut text = String::new();
    if server.is_out_of_memory() {
        text.push_str(&format!("{used} bytes are in use and maxmemory is {most}: writes are refused.\n"));
    }
    if server.connection_memory > used / 2 && server.connection_memory > 64 << 20 {
        text.push_str(
            "More than half of the memory is clients' unread input and replies: see CLIENT LIST.\n",
        );
    }
    let facts = server.host.facts();
    if facts.memory > 0 && facts.resident > facts.memory / 10 * 9 {
        text.push_str("The process takes more than nine tenths of the machine's memory.\n");
    }
    if text.is_empty() {
        text.push_str("Nothing stands out.\n");
    }
    r.reply().verbatim(text);
    Ok(Ran::DONE)
}

fn malloc_stats(r: &mut Request<'_>) -> Answer {
    r.bulk(b"The system's allocator keeps no statistics.")
}

fn purge(r: &mut Request<'_>) -> Answer {
    r.ok()
}
