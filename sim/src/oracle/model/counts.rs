//! How many keys a client has, and what they weigh at least.

use super::super::index::Index;
use super::super::state::{Held, Span, State};
use super::Model;

impl Model {
    /// How many of its keys the server may count during `span`, which began at `asked`, at least and at most; none where
    /// something may change them. What has changed them from `since` on may have done so before or after.
    pub(in super::super) fn count(&self, since: u64, asked: u64, span: Span) -> Option<(usize, usize)> {
        let touched = self.cleared >= since || self.touched.values().any(|when| *when >= since);
        let due = self.states.iter().any(|state| !state.due.is_empty());
        if touched || due || !self.pending.is_empty() || self.is_clearing(asked) {
            return None;
        }
        let least = self.states.iter().map(|state| state.names(None, span).must.len()).min();
        let most = self.states.iter().map(|state| state.entries.len()).max();
        least.zip(most)
    }

    /// The index at a key, where it is certain which there is.
    pub(in super::super) fn index(&self, key: &str) -> Option<&Index> {
        match self.states.as_slice() {
            [state] if self.pending.is_empty() => state.index(key),
            _ => None,
        }
    }

    /// Bytes of strings and their names that were surely there from `asked` on, during `span`.
    pub(in super::super) fn least_bytes(&self, asked: u64, span: Span) -> usize {
        if self.count(asked, asked, span).is_none() {
            return 0;
        }
        let text = |state: &State, key: &str| match state.entries.get(key).map(|entry| &entry.held) {
            Some(Held::Text(text)) => text.len(),
            _ => 0,
        };
        let weigh = |state: &State| {
            let names = state.names(None, span).must;
            names.iter().map(|key| key.len() + text(state, key)).sum::<usize>()
        };
        self.states.iter().map(weigh).min().unwrap_or(0)
    }
}
