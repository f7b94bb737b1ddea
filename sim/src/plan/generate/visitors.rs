//! Who else comes, and which limits of the server are small.

use engram::base::rng::Rng;

use super::scenes::{alone, ends_at_once};
use super::tiers::writer;
use super::{pick, spread};
use crate::disk::Loss;
use crate::net::{self, Cut};
use crate::plan::{Errand, Life, Limits, ServerPlan, Visitor};

/// Most visitors of a life that stay until all others are through.
const STAYING: usize = 3;

/// Visitors of one life of a seed that has some; `net` says what a byte costs.
pub(super) fn visitors(rng: &mut Rng, net: &net::Settings) -> Vec<Visitor> {
    let count = if rng.below(2) == 0 { 1 + rng.below(4) } else { 0 };
    // Where bytes come and go one by one, a visitor has fewer of them.
    let single = net.reads == Cut::Single || net.writes == Cut::Single || net.capacity < 64;
    let scale = if single { 16 } else { 1 };
    let mut visitors: Vec<Visitor> =
        (0..count).map(|_| Visitor { at: spread(rng, 20_000_000), errand: errand(rng, scale) }).collect();
    let mut staying = 0;
    visitors.retain(|visitor| {
        staying += usize::from(!visitor.errand.ends());
        visitor.errand.ends() || staying <= STAYING
    });
    visitors
}

fn errand(rng: &mut Rng, scale: u64) -> Errand {
    let size = |rng: &mut Rng, most: u64| 1 + spread(rng, most / scale) as u32;
    match rng.below(13) {
        0 => Errand::Flood(size(rng, 1_000)),
        1 => Errand::Wrong(size(rng, 200)),
        2 => Errand::Deaf(size(rng, 4_000)),
        3 => Errand::Unfinished(size(rng, 100_000)),
        4 => Errand::Silent,
        5 | 6 => {
            let come = size(rng, 32);
            Errand::Crowd { come, leave: rng.below(u64::from(come) + 1) as u32 }
        }
        7 | 8 => Errand::Garbage(garbage(rng)),
        9 => Errand::Line(size(rng, 100_000)),
        _ => Errand::Probe(1_000 << rng.below(10)),
    }
}

/// Bytes that no parser may take for a command, nor choke on.
fn garbage(rng: &mut Rng) -> Vec<u8> {
    const LENGTHS: [&str; 8] = [
        "*9223372036854775807\r\n",
        "*-9223372036854775808\r\n",
        "*18446744073709551616\r\n",
        "*1\r\n$9223372036854775807\r\n",
        "*1\r\n$-1\r\n",
        "*1\r\n$+1\r\n",
        "*3\r\n$0\r\n\r\n$1\r\nab\r\n",
        "*1048577\r\n",
    ];
    match rng.below(5) {
        // A number without an end.
        4 => [pick(rng, &["*", "*1\r\n$"]).as_bytes(), &vec![b'1'; 70_000]].concat(),
        0 => pick(rng, &LENGTHS).as_bytes().to_vec(),
        1 => {
            let mut bytes = b"*2\r\n$536870913\r\n".to_vec();
            bytes.extend((0..rng.below(300)).map(|_| rng.below(256) as u8));
            bytes
        }
        2 => [b"POST / HTTP/1.1\r\nHost: x\r\n\r\n".as_slice(), &vec![b'x'; rng.index(300)]].concat(),
        _ => {
            // An inline command of bytes that are not letters is unknown at best.
            let mut bytes: Vec<u8> = (0..1 + rng.below(400)).map(|_| 128 + rng.below(128) as u8).collect();
            for _ in 0..rng.below(6) {
                let at = rng.index(bytes.len());
                bytes[at] = pick(rng, &[0, b'"', b'\'', b' ', b'\r', b'\n', b'$', b'*', b'\\']);
            }
            bytes
        }
    }
}

/// In a few seeds one visitor of one life does its best to pass a limit.
pub(super) fn strain(rng: &mut Rng, server: &mut ServerPlan, lives: &mut [Life]) {
    if rng.below(32) > 0 {
        return;
    }
    let number = rng.index(lives.len());
    let life = &mut lives[number];
    (server.limits.timeout, server.limits.read_per_turn) = (0, 4_096);
    let errand = match rng.below(4) {
        3 => {
            server.limits.query_buffer = 16 << 10;
            Errand::Queue(8 + rng.below(16) as u32)
        }
        0 => {
            server.limits.query_buffer = 16 << 10;
            Errand::Unfinished(40_000 + rng.below(60_000) as u32)
        }
        1 => {
            (server.limits.output_pause, server.limits.output_buffer) = (0, 128 << 10);
            Errand::Deaf(1_500 + rng.below(2_500) as u32)
        }
        _ => {
            (server.limits.output_pause, server.limits.output_buffer) = (4_096, 0);
            Errand::Deaf(1_500 + rng.below(2_500) as u32)
        }
    };
    life.net = net::Settings { latency: 1_000 << rng.below(4), ..net::Settings::default() };
    life.visitors = vec![Visitor { at: rng.below(10_000), errand }];
}

/// In a few seeds a steward looks after one life.
pub(super) fn look_after(rng: &mut Rng, server: &ServerPlan, lives: &mut [Life]) {
    if rng.below(8) > 0 || server.password {
        return;
    }
    let number = rng.index(lives.len());
    let errand = Errand::Steward(1 + spread(rng, 100) as u32);
    lives[number].visitors.push(Visitor { at: spread(rng, 20_000_000), errand });
}

/// In a few seeds somebody is silent for much longer than the server waits for that, while another client takes its time.
pub(super) fn doze(rng: &mut Rng, server: &mut ServerPlan, lives: &mut [Life]) {
    /// Who takes longer may be let go of before a first word.
    const SLOWEST: u64 = 200_000_000;
    let slow = lives.iter().flat_map(|life| &life.clients).any(|client| client.gap > SLOWEST);
    if rng.below(24) > 0 || server.limits.maxmemory > 0 || slow {
        return;
    }
    let number = rng.index(lives.len());
    let life = &mut lives[number];
    server.limits.timeout = 1;
    let client = writer(rng, number, 0, SLOWEST);
    alone(life, client);
    ends_at_once(life, Loss::Torn);
    let silent = |at| Visitor { at, errand: Errand::Silent };
    life.visitors = (0..1 + rng.below(2)).map(|_| silent(rng.below(1_000_000))).collect();
}

/// Limits of the server; the usual ones in half of the plans.
pub(super) fn limits(rng: &mut Rng, clients: usize) -> Limits {
    let mut limits = Limits::default();
    if rng.below(2) == 0 {
        return limits;
    }
    // Room for everyone who stays, and for the rig's own.
    let room = clients + 2 + STAYING + rng.index(4);
    limits.maxclients = pick(rng, &[0, room]);
    limits.timeout = pick(rng, &[0, 0, 1, 5]);
    limits.query_buffer = pick(rng, &[0, 16 << 10, 1 << 20]);
    limits.output_buffer = pick(rng, &[0, 256 << 10, 4 << 20]);
    limits.jobs = pick(rng, &[0, 1, 2, 4]);
    limits.jobs_per_client = pick(rng, &[0, 1, 3]);
    limits.output_pause = pick(rng, &[0, 100, 4_096]);
    limits.waiting_replies = pick(rng, &[0, 1, 5]);
    limits.commands_per_turn = pick(rng, &[0, 1, 7]);
    limits.read_per_turn = pick(rng, &[0, 64, 4_096]);
    limits.log_backlog = pick(rng, &[0, 1, 300]);
    limits
}
