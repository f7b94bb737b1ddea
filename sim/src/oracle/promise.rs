//! What a crash may take of what was acknowledged, where the server says yes before it has synced.
//!
//! It is always a suffix: what was acknowledged or shown from some virtual time on. What was there when a life's
//! inspection was over, and what a snapshot covers whose client has been answered, is not part of it. With
//! [`Tier::Always`] it is nothing.

use crate::plan::Tier;

/// Virtual nanoseconds for which the server lets written bytes wait for their sync, and for which it lets a batch gather.
const SECOND: u64 = 1_000_000_000;
const LINGER: u64 = 1_000_000;

/// How a life came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The server had finished, and nothing that was planned kept it from doing so in order.
    InOrder,
    /// The process is gone, the machine is not.
    Killed,
    /// The machine is gone.
    PowerLost,
    /// The server's log has failed, and with it what had not been synced.
    LogFailed,
}

/// The promise, and what it leaves open.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Promise {
    tier: Tier,
    /// Until when everything survives, in the life at hand; none before all was looked at.
    floor: Option<u64>,
    /// From when on a loss of power may take what earlier lives have acknowledged, until all is looked at once more.
    exposed: Option<u64>,
    /// From when on what was acknowledged may be gone already.
    lost: Option<u64>,
}

impl Promise {
    pub(super) fn new(tier: Tier) -> Self {
        Self { tier, ..Self::default() }
    }

    /// Whether what was acknowledged survives everything.
    pub(super) fn is_whole(&self) -> bool {
        self.tier == Tier::Always
    }

    /// From when on what was acknowledged may be gone; where the medium lies or rots, that too, from `harmed` on.
    pub(super) fn taken_back(&self, harmed: Option<u64>) -> Option<u64> {
        // What was damaged is known by when it was synced, which came later than the answer.
        let harmed = harmed.map(|since| if self.is_whole() { since } else { 0 });
        [self.lost, harmed].into_iter().flatten().min()
    }

    /// A life begins.
    pub(super) fn begin(&mut self) {
        self.floor = None;
    }

    /// All was looked at by `now`: it had been made to survive before the server let anybody look.
    pub(super) fn inspected(&mut self, now: u64) {
        *self = Self { floor: Some(now + 1), ..Self::new(self.tier) };
    }

    /// A snapshot was asked for at `at`, and is on the disk.
    pub(super) fn saved(&mut self, at: u64) {
        self.floor = self.floor.map(|floor| floor.max(at));
    }

    /// The life ended at `now`. Its threads and its disk may have been late by `slack` virtual nanoseconds in all.
    pub(super) fn ended(&mut self, now: u64, death: Death, slack: u64) {
        if self.is_whole() {
            return;
        }
        if let Some(floor) = self.floor {
            let within = |window: u64| floor.max(now.saturating_sub(window + slack));
            self.exposed = match (self.tier, death) {
                (Tier::EverySecond, Death::Killed | Death::PowerLost) => Some(within(SECOND)),
                (_, Death::InOrder) => None,
                _ => Some(floor),
            };
            self.lost = match death {
                Death::InOrder => None,
                Death::Killed => Some(within(LINGER)),
                Death::PowerLost | Death::LogFailed => self.exposed,
            };
        } else if death != Death::Killed {
            self.lost = [self.lost, self.exposed].into_iter().flatten().min();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: u64 = 10 * SECOND;

    fn lost(tier: Tier, deaths: &[Death]) -> Option<u64> {
        let mut promise = Promise::new(tier);
        promise.begin();
        promise.inspected(5);
        for death in deaths {
            promise.ended(T, *death, 7);
            promise.begin();
        }
        promise.taken_back(None)
    }

    #[test]
    fn a_crash_takes_what_the_tier_leaves_open_and_no_more() {
        let all = [Death::InOrder, Death::Killed, Death::PowerLost, Death::LogFailed];
        assert!(all.iter().all(|death| lost(Tier::Always, &[*death]).is_none()));
        let second = all.map(|death| lost(Tier::EverySecond, &[death]));
        assert_eq!(second, [None, Some(T - LINGER - 7), Some(T - SECOND - 7), Some(6)]);
        let none = all.map(|death| lost(Tier::No, &[death]));
        assert_eq!(none, [None, Some(T - LINGER - 7), Some(6), Some(6)]);
    }

    #[test]
    fn what_a_kill_left_in_the_cache_a_power_loss_before_the_next_inspection_takes() {
        let since = lost(Tier::EverySecond, &[Death::Killed, Death::PowerLost]);
        assert_eq!(since, Some(T - SECOND - 7));
        assert_eq!(lost(Tier::No, &[Death::Killed, Death::Killed]), Some(T - LINGER - 7));
    }

    #[test]
    fn what_was_looked_at_or_saved_survives() {
        let mut promise = Promise::new(Tier::No);
        promise.begin();
        promise.inspected(5);
        promise.saved(90);
        promise.ended(T, Death::PowerLost, 0);
        assert_eq!(promise.taken_back(None), Some(90));
        assert_eq!(promise.taken_back(Some(40)), Some(0), "a medium that lies takes more");
        promise.begin();
        promise.inspected(T + 5);
        assert_eq!(promise.taken_back(None), None);
    }
}
