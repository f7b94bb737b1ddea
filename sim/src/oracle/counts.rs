//! How many keys there are, and what they weigh at least.

use super::{Oracle, keys_of, shared_keys};

impl Oracle {
    /// How many keys there are, at least and at most, for one who asked at `at` and has the answer at `now`: a client, or
    /// somebody who changes nothing.
    pub(super) fn count(&self, asker: Option<usize>, at: u64, now: u64) -> (usize, usize) {
        let span = self.span(at, now);
        let flies = |other: usize| asker != Some(other) && self.flying[other] > 0;
        let others_fly = (0..self.flying.len()).any(flies);
        let mut known = vec![if others_fly { None } else { self.shared.count() }];
        for other in 0..self.clients.len() {
            let since = if asker == Some(other) { u64::MAX } else { at };
            known.push(if flies(other) { None } else { self.clients[other].count(since, at, span) });
        }
        let most = |number: usize| if number == 0 { shared_keys().len() } else { keys_of(number - 1).len() };
        let least: usize = known.iter().map(|known| known.map_or(0, |(least, _)| least)).sum();
        let most: usize =
            known.iter().enumerate().map(|(i, known)| known.map_or_else(|| most(i), |(_, most)| most)).sum();
        (least, most)
    }

    /// The same for somebody who is no client; none where the log has failed, so that what has expired stays.
    #[must_use]
    pub fn keys_at(&self, at: u64, now: u64) -> Option<(usize, usize)> {
        (!self.log_failed()).then(|| self.count(None, at, now))
    }

    /// Bytes that the strings take at least which are surely there, with their names.
    #[must_use]
    pub fn least_bytes(&self, at: u64, now: u64) -> u64 {
        let span = self.span(at, now);
        let known = (0..self.clients.len()).filter(|client| self.flying[*client] == 0);
        known.map(|client| self.clients[client].least_bytes(at, span) as u64).sum()
    }

    /// Whether nothing has happened in this life that makes snapshots fail.
    #[must_use]
    pub fn snapshots_succeed(&self) -> bool {
        !self.may_not_save(0, false) && !self.log_failed() && self.panics() == 0
    }
}
