//! Keys that have expired, and of which the log has not heard it: a clock that is set back may wake them in the next life.

use super::state::{Entry, State};

/// Each with what it held.
#[derive(Clone, Debug, Default)]
pub(super) struct Unwritten(Vec<(String, Entry)>);

impl Unwritten {
    /// Notes the keys with a deadline that were there `before` and are in none of the states `now`.
    pub(super) fn note(&mut self, before: &[State], now: &[State]) {
        for (key, entry) in before.iter().flat_map(|state| &state.entries) {
            let left = now.iter().all(|state| state.entries.contains_key(key));
            let known = self.0.iter().any(|(other, _)| other == key);
            if entry.deadline.is_some() && !left && !known {
                self.0.push((key.clone(), entry.clone()));
            }
        }
    }

    /// The log has taken a change of these keys.
    pub(super) fn forget(&mut self, keys: &[&str]) {
        self.0.retain(|(key, _)| !keys.contains(&key.as_str()));
    }

    /// Adds what the states are if some of the keys are back.
    pub(super) fn maybe_wake(&self, states: &mut Vec<State>) {
        for (key, entry) in &self.0 {
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
