//! Keys that have expired, of which the log has not heard it, or not so that it lasts: a clock that is set back may wake
//! them in the next life.

use super::promise::Loss;
use super::state::{Entry, State};

/// A key that has expired.
#[derive(Clone, Debug)]
struct Gone {
    key: String,
    /// What it held.
    entry: Entry,
    /// The log has heard it, and an answer told of it that was asked for and came then. None if the log may not have.
    told: Option<(u64, u64)>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Unwritten(Vec<Gone>);

impl Unwritten {
    /// Notes the keys with a deadline that were there `before` and are in none of the states `now`.
    pub(super) fn note(&mut self, before: &[State], now: &[State], told: Option<(u64, u64)>) {
        for (key, entry) in before.iter().flat_map(|state| &state.entries) {
            let left = now.iter().all(|state| state.entries.contains_key(key));
            if entry.deadline.is_none() || left {
                continue;
            }
            // If it was known, it may have come back meanwhile without having been seen.
            match self.0.iter_mut().find(|gone| gone.key == *key && gone.entry == *entry) {
                Some(known) => known.told = known.told.and(told),
                None => self.0.push(Gone { key: key.clone(), entry: entry.clone(), told }),
            }
        }
    }

    /// The log has taken a change of these keys, and nothing takes that back.
    pub(super) fn forget(&mut self, keys: &[&str]) {
        self.0.retain(|gone| !keys.contains(&gone.key.as_str()));
    }

    /// Everything was looked at from `since` on: what the log had heard before has become certain, and what it had not has
    /// shown.
    pub(super) fn settled(&mut self, since: u64) {
        self.0.retain(|gone| gone.told.is_some_and(|(_, answered)| answered >= since));
    }

    /// Everything was looked at, from `asked` to `answered`. A key that was not there may have been back since the life began, where
    /// so much may be `lost`, and have expired once more: then it is this that the log has heard.
    pub(super) fn told_again(&mut self, lost: Option<&Loss>, (asked, answered): (u64, u64)) {
        let Some(lost) = lost else { return };
        for told in self.0.iter_mut().filter_map(|gone| gone.told.as_mut()) {
            if lost.may_wake(told.0, told.1) {
                *told = (asked, answered);
            }
        }
    }

    /// Adds what the states are if some of the keys are back, where so much may be `lost`.
    pub(super) fn maybe_wake(&self, states: &mut Vec<State>, lost: Option<&Loss>) {
        let may_wake = |gone: &&Gone| {
            gone.told.is_none_or(|(asked, answered)| lost.is_some_and(|lost| lost.may_wake(asked, answered)))
        };
        for Gone { key, entry, .. } in self.0.iter().filter(may_wake) {
            let asleep = states.iter().filter(|state| !state.entries.contains_key(key));
            let woken = |state: &State| {
                let mut state = state.clone();
                state.entries.insert(key.clone(), entry.clone());
                state
            };
            let woken: Vec<State> = asleep.map(woken).collect();
            states.extend(woken);
        }
    }
}
