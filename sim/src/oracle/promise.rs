//! What a crash may take of what was acknowledged, where the server says yes before it has synced.
//!
//! It is always a suffix: what was acknowledged or shown from some virtual time on. What was there when a life's
//! inspection was over, and what a snapshot covers whose client has been answered, is not part of it, nor is anything
//! before a request that was asked for and answered while the server surely synced first. With [`Tier::Always`]
//! throughout it is nothing.

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

/// What may be gone of what was acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Loss {
    /// What was answered from then on.
    since: u64,
    /// And keys that had expired by themselves when all was looked at: that was answered from then on.
    expired: u64,
    /// But nothing that was asked for and answered within one of these.
    kept: Vec<(u64, u64)>,
}

impl Loss {
    /// All that was answered from `since` on.
    pub(super) fn from(since: u64) -> Self {
        Self { since, expired: since, kept: Vec::new() }
    }

    /// Whether what was asked for and answered then may be gone, as far as that alone tells.
    pub(super) fn may_take(&self, asked: u64, answered: u64) -> bool {
        answered >= self.since && !self.keeps(asked, answered)
    }

    /// Whether a key may be back whose expiry was told of then.
    pub(super) fn may_wake(&self, asked: u64, answered: u64) -> bool {
        answered >= self.expired && !self.keeps(asked, answered)
    }

    fn keeps(&self, asked: u64, answered: u64) -> bool {
        self.kept.iter().any(|(from, to)| *from <= asked && answered <= *to)
    }

    /// Whether it reaches back to `then`.
    pub(super) fn reaches(&self, then: u64) -> bool {
        self.since <= then
    }

    /// Both together.
    fn and(self, other: Option<Self>) -> Self {
        let Some(other) = other else { return self };
        let kept = if self.kept == other.kept { self.kept } else { Vec::new() };
        Self { since: self.since.min(other.since), expired: self.expired.min(other.expired), kept }
    }
}

/// The tier was to be this.
#[derive(Clone, Copy, Debug)]
struct Order {
    tier: Tier,
    asked: u64,
    /// The largest number before that.
    answered: u64,
}

/// The promise, and what it leaves open.
#[derive(Clone, Debug, Default)]
pub(super) struct Promise {
    /// The tier that each life begins with, and whether it is ever another than the strictest.
    tier: Tier,
    weak: bool,
    /// What it was to be in the life at hand.
    orders: Vec<Order>,
    /// Until when everything survives, in the life at hand; none before all was looked at.
    floor: Option<u64>,
    /// What a loss of power may take of what earlier lives have acknowledged, until all is looked at once more.
    exposed: Option<Loss>,
    /// What may be gone already.
    lost: Option<Loss>,
}

impl Promise {
    /// Lives begin with `tier`; `weak` if any of them ever has another than the strictest.
    pub(super) fn new(tier: Tier, weak: bool) -> Self {
        Self { tier, weak, ..Self::default() }
    }

    /// What may be gone; where the medium lies or rots, also what that takes, from `harmed` on.
    pub(super) fn taken_back(&self, harmed: Option<u64>) -> Option<Loss> {
        // What was damaged is known by when it was synced, which came later than the answer.
        let harmed = harmed.map(|since| Loss::from(if self.weak { 0 } else { since }));
        harmed.map_or_else(|| self.lost.clone(), |harmed| Some(harmed.and(self.lost.clone())))
    }

    /// A life begins.
    pub(super) fn begin(&mut self) {
        self.floor = None;
        self.orders = vec![Order { tier: self.tier, asked: 0, answered: 0 }];
    }

    /// All was looked at by `now`: it had been made to survive before the server let anybody look.
    pub(super) fn inspected(&mut self, now: u64) {
        (self.floor, self.exposed, self.lost) = (Some(now + 1), None, None);
    }

    /// A snapshot was asked for at `at`, and is on the disk.
    pub(super) fn saved(&mut self, at: u64) {
        self.floor = self.floor.map(|floor| floor.max(at));
    }

    /// Another tier is asked for.
    pub(super) fn ordered(&mut self, tier: Tier, asked: u64) {
        self.orders.push(Order { tier, asked, answered: u64::MAX });
    }

    /// The server has it.
    pub(super) fn obeyed(&mut self, tier: Tier, asked: u64, now: u64) {
        let open = |order: &&mut Order| (order.tier, order.asked, order.answered) == (tier, asked, u64::MAX);
        self.orders.iter_mut().find(open).into_iter().for_each(|order| order.answered = now);
    }

    /// Whether the server was surely as strict as this from one time to the other.
    fn surely(&self, tier: Tier, from: u64, to: u64) -> bool {
        let over = |order: &Order| {
            self.orders.iter().any(|other| other.asked > order.answered && other.answered <= from)
        };
        !self.orders.iter().any(|order| order.tier > tier && order.asked <= to && !over(order))
    }

    /// When it was surely as strict as can be.
    fn strict(&self) -> Vec<(u64, u64)> {
        let always = self.orders.iter().filter(|order| order.tier == Tier::Always);
        let begins =
            always.map(|order| order.answered).filter(|from| self.surely(Tier::Always, *from, *from));
        let weaker = |from: u64| {
            let asked = self.orders.iter().filter(|order| order.tier > Tier::Always).map(|order| order.asked);
            asked.filter(|asked| *asked > from).min().unwrap_or(u64::MAX)
        };
        begins.map(|from| (from, weaker(from))).collect()
    }

    /// The life ended at `now`. Its threads and its disk may have been late by `slack` virtual nanoseconds in all.
    pub(super) fn ended(&mut self, now: u64, death: Death, slack: u64) {
        if !self.weak {
            return;
        }
        let Some(floor) = self.floor else {
            // What an earlier life has left has not been looked at, and perhaps not been made to survive.
            if death != Death::Killed
                && let Some(exposed) = self.exposed.clone()
            {
                self.lost = Some(exposed.and(self.lost.take()));
            }
            return;
        };
        let within = |window: u64| now.saturating_sub(window + slack);
        let synced = match death {
            Death::LogFailed => 0,
            _ if self.surely(Tier::Always, within(0), now) => within(0),
            _ if self.surely(Tier::EverySecond, within(SECOND), now) => within(SECOND),
            _ => 0,
        };
        let loss = |since: u64| Some(Loss { since: since.max(floor), expired: since, kept: self.strict() });
        (self.exposed, self.lost) = match death {
            Death::InOrder => (None, None),
            Death::Killed => (loss(synced), loss(within(LINGER))),
            Death::PowerLost | Death::LogFailed => (loss(synced), loss(synced)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: u64 = 10 * SECOND;

    fn begun(tier: Tier) -> Promise {
        let mut promise = Promise::new(tier, true);
        promise.begin();
        promise.inspected(5);
        promise
    }

    fn lost(tier: Tier, deaths: &[Death]) -> Option<u64> {
        let mut promise = begun(tier);
        for death in deaths {
            promise.ended(T, *death, 7);
            promise.begin();
        }
        promise.taken_back(None).map(|loss| loss.since)
    }

    #[test]
    fn a_crash_takes_what_the_tier_leaves_open_and_no_more() {
        let all = [Death::InOrder, Death::Killed, Death::PowerLost, Death::LogFailed];
        let second = all.map(|death| lost(Tier::EverySecond, &[death]));
        assert_eq!(second, [None, Some(T - LINGER - 7), Some(T - SECOND - 7), Some(6)]);
        let none = all.map(|death| lost(Tier::No, &[death]));
        assert_eq!(none, [None, Some(T - LINGER - 7), Some(6), Some(6)]);
        for death in all {
            let mut strict = begun(Tier::Always);
            strict.ended(T, death, 7);
            let loss = strict.taken_back(None);
            assert!(loss.is_none_or(|loss| !loss.may_take(T - 5, T - 1)), "{death:?}");
        }
    }

    #[test]
    fn what_a_kill_left_in_the_cache_a_power_loss_before_the_next_inspection_takes() {
        let since = lost(Tier::EverySecond, &[Death::Killed, Death::PowerLost]);
        assert_eq!(since, Some(T - SECOND - 7));
        assert_eq!(lost(Tier::No, &[Death::Killed, Death::Killed]), Some(T - LINGER - 7));
    }

    #[test]
    fn what_was_looked_at_or_saved_survives() {
        let mut promise = begun(Tier::No);
        promise.saved(90);
        promise.ended(T, Death::PowerLost, 0);
        let loss = promise.taken_back(None).unwrap();
        assert_eq!((loss.since, loss.may_wake(1, 2)), (90, true), "what expired was noted by itself");
        assert_eq!(promise.taken_back(Some(40)), Some(Loss::from(0)), "a medium that lies takes more");
        promise.begin();
        promise.inspected(T + 5);
        assert_eq!(promise.taken_back(None), None);
    }

    #[test]
    fn what_was_acknowledged_while_the_server_surely_synced_first_survives() {
        let mut promise = begun(Tier::No);
        promise.ordered(Tier::Always, 100);
        promise.obeyed(Tier::Always, 100, 120);
        promise.ordered(Tier::EverySecond, 200);
        let mut later = promise.clone();
        later.ended(T, Death::PowerLost, 0);
        let since = later.taken_back(None).map(|loss| loss.since);
        assert_eq!(since, Some(T - SECOND), "nothing weaker than everysec for long");
        promise.ended(300, Death::PowerLost, 0);
        let loss = promise.taken_back(None).unwrap();
        let taken = [(50, 60), (110, 130), (120, 130), (150, 200), (190, 210)]
            .map(|(asked, answered)| loss.may_take(asked, answered));
        assert_eq!(taken, [true, true, false, false, true]);
    }

    #[test]
    fn who_is_told_two_tiers_at_once_may_have_either() {
        let mut promise = begun(Tier::Always);
        promise.ordered(Tier::No, 100);
        promise.ordered(Tier::Always, 110);
        promise.obeyed(Tier::Always, 110, 120);
        promise.obeyed(Tier::No, 100, 130);
        promise.ended(200, Death::PowerLost, 0);
        let loss = promise.taken_back(None).unwrap();
        assert_eq!((loss.may_take(140, 150), loss.may_take(90, 95)), (true, false));
    }
}
