//! What a client's keys may have been before: a medium that lies or rots, and a crash where the server answers before it
//! has synced, may take back what was acknowledged last.

use super::linear::Cut;
use super::promise::Loss;
use super::state::State;

/// States that were possible for a while.
#[derive(Clone, Debug)]
struct Stage {
    /// When the operation was asked for that led to them; none if it was another client's, or is not known.
    asked: Option<u64>,
    /// From which virtual time on.
    answered: u64,
    states: Vec<State>,
}

/// The states that were possible, in order; nothing where nothing can be taken back.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    stages: Option<Vec<Stage>>,
}

/// Between when the last thing that has survived was asked for and when the first that has not was answered: somewhere in
/// there the log was cut off.
pub(super) type Window = (u64, u64);

/// Where a client's requests may have been cut off by what has ended a life.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    /// For each number of unanswered ones that explains what is there, the last that took place and the first that did
    /// not; nothing where that cannot be told.
    pub(super) cuts: Vec<Cut>,
    /// Where something may be gone that was acknowledged: when the log was cut off.
    pub(super) windows: Vec<Window>,
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

    /// The states have changed, or have become clearer, by `answered`; what was noted before came before that.
    pub(super) fn note(&mut self, states: &[State], asked: Option<u64>, answered: u64) {
        if let Some(stages) = &mut self.stages {
            let answered = stages.last().map_or(answered, |last| answered.max(last.answered));
            stages.push(Stage { asked, answered, states: states.to_vec() });
        }
    }

    /// What the states may be where so much may be gone, in order, and where the log was cut off if they are; the last is
    /// what they are now.
    pub(super) fn taken_back(&self, loss: Option<&Loss>) -> Vec<(Vec<State>, Window)> {
        let (Some(loss), Some(stages)) = (loss, &self.stages) else { return Vec::new() };
        let kept = |stage: &Stage| !loss.may_take(stage.asked.unwrap_or(0), stage.answered);
        let first = stages.iter().rposition(kept).map_or(0, |last| last + 1);
        let before =
            first.checked_sub(1).map_or_else(|| vec![State::default()], |i| stages[i].states.clone());
        let rest = stages[first..].iter().map(|stage| stage.states.clone());
        let window = |end: usize| {
            let survived = stages[..end].iter().filter_map(|stage| stage.asked).max();
            let lost = stages[end..].iter().find(|stage| stage.asked.is_some());
            (survived.unwrap_or(0), lost.map_or(u64::MAX, |stage| stage.answered))
        };
        std::iter::once(before).chain(rest).zip((first..).map(window)).collect()
    }

    /// Something has changed what all of them mean.
    pub(super) fn change(&mut self, change: &mut dyn FnMut(&mut State)) {
        self.stages.iter_mut().flatten().flat_map(|stage| &mut stage.states).for_each(change);
    }

    /// The last `count` stages have been taken back and do not come again.
    pub(super) fn forget(&mut self, count: usize) {
        if let Some(stages) = &mut self.stages {
            stages.truncate(stages.len().saturating_sub(count));
        }
    }
}

/// Whether the log may have been cut off at one moment for all: one window of each has it.
pub(super) fn at_one_moment<'a>(windows: impl Iterator<Item = &'a [Window]> + Clone) -> bool {
    let mut begins = windows.clone().flatten().map(|(from, _)| *from);
    let fits = |moment: u64| {
        let has =
            |own: &[Window]| own.is_empty() || own.iter().any(|(from, to)| (*from..=*to).contains(&moment));
        windows.clone().all(has)
    };
    fits(0) || begins.any(fits)
}
