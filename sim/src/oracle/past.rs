//! What a client's keys may have been before: a medium that lies or rots may take back what was acknowledged last.

use super::state::State;

/// The states that were possible, each with the virtual time from which on; nothing where nothing can be taken back.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    stages: Option<Vec<(u64, Vec<State>)>>,
}

impl Past {
    /// Keeps what the states are, from now on.
    pub(super) fn remember(&mut self) {
        self.stages.get_or_insert_default();
    }

    /// Whether it keeps anything.
    pub(super) fn is_kept(&self) -> bool {
        self.stages.is_some()
    }

    /// The states have changed, or have become clearer, by `now`; what was noted before came before that.
    pub(super) fn note(&mut self, states: &[State], now: u64) {
        if let Some(stages) = &mut self.stages {
            let now = stages.last().map_or(now, |(last, _)| now.max(*last));
            stages.push((now, states.to_vec()));
        }
    }

    /// What the states may be where all from `since` on may be gone, in order; the last is what they are now.
    pub(super) fn taken_back(&self, since: Option<u64>) -> Vec<Vec<State>> {
        let (Some(since), Some(stages)) = (since, &self.stages) else { return Vec::new() };
        let first = stages.partition_point(|(now, _)| *now < since);
        let before = first.checked_sub(1).map_or_else(|| vec![State::default()], |i| stages[i].1.clone());
        std::iter::once(before).chain(stages[first..].iter().map(|(_, states)| states.clone())).collect()
    }

    /// Something has changed what all of them mean.
    pub(super) fn change(&mut self, change: &mut dyn FnMut(&mut State)) {
        self.stages.iter_mut().flatten().flat_map(|(_, states)| states).for_each(change);
    }

    /// The last `count` stages have been taken back and do not come again.
    pub(super) fn forget(&mut self, count: usize) {
        if let Some(stages) = &mut self.stages {
            stages.truncate(stages.len().saturating_sub(count));
        }
    }
}
