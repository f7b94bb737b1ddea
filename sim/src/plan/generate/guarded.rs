//! Servers that want a password, in one seed of twelve. Their clients try other things first on each new connection; and
//! some who never say it send more than a stranger may.

use engram::base::rng::Rng;

use super::{Life, ServerPlan, pick};
use crate::plan::entrance::{Entrance, LETTERS};
use crate::plan::{Errand, Visitor};

/// What a parser takes of whom the server knows, and of nobody else.
const TOO_MUCH: [&str; 4] = [
    "*11\r\n$4\r\nMGET\r\n",
    "*2\r\n$4\r\nPING\r\n$16385\r\n",
    "*1048576\r\n",
    "*3\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$20000\r\n",
];

/// Sets a password, in a few seeds.
pub(super) fn guard(rng: &mut Rng, server: &mut ServerPlan, lives: &mut [Life]) {
    if rng.below(12) > 0 {
        return;
    }
    server.password = true;
    for life in lives {
        // What the others expect they would not hear.
        life.visitors.retain(|visitor| matches!(visitor.errand, Errand::Garbage(_)));
        for client in life.clients.iter_mut().filter(|client| !client.is_idle()) {
            let letters: Vec<char> = LETTERS.chars().collect();
            let count = rng.index(4);
            client.entrance = Entrance((0..count).map(|_| pick(rng, &letters)).collect());
        }
        if rng.below(4) == 0 {
            let errand = Errand::Garbage(pick(rng, &TOO_MUCH).as_bytes().to_vec());
            life.visitors.push(Visitor { at: rng.below(1_000_000), errand });
        }
    }
}
