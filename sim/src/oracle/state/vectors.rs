//! Operations on a vector index.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::expect::Expect;
use super::super::forms::{DEFAULT, Forms};
use super::super::index::Index;
use super::super::names::is_shared;
use super::{ERROR, Entry, Held, State, WRONG_TYPE};
use crate::plan::Op;

impl State {
    /// Operations on a vector index.
    pub(super) fn vectors(&mut self, op: &Op) -> Expect {
        if let Op::NewIndex { key, dim, metric, quant } = op {
            if self.has(key) {
                return ERROR;
            }
            let forms = Forms::of(quant.unwrap_or(DEFAULT));
            let index = Index { dim: *dim, metric, rows: BTreeMap::new(), inserted: 0, forms };
            self.entries.insert(key.clone(), Entry { held: Held::Index(Arc::new(index)), deadline: None });
            return Expect::ok();
        }
        let key = op.keys().first().copied().unwrap_or_default();
        let may_go = !self.due.is_empty() || self.deadline(key).is_some();
        let index = match self.entries.get_mut(key).map(|entry| &mut entry.held) {
            None if matches!(op, Op::Info(_)) => return Expect::Null,
            None => return ERROR,
            Some(Held::Text(_)) => return WRONG_TYPE,
            Some(Held::Index(index)) => index,
        };
        match op {
            Op::Add { element, vector, .. } => {
                if vector.len() != index.dim || !is_fit(vector) {
                    return ERROR;
                }
                let index = Arc::make_mut(index);
                index.inserted = index.inserted.saturating_add(1);
                let old = index.rows.insert(element.clone(), Arc::clone(vector));
                Expect::Integer(i64::from(old.is_none()))
            }
            Op::Remove { element, .. } => {
                let removed =
                    index.rows.contains_key(element) && Arc::make_mut(index).rows.remove(element).is_some();
                Expect::Integer(i64::from(removed))
            }
            Op::Quant { quant, .. } => {
                Arc::make_mut(index).forms.ask(quant);
                Expect::Formed { may_go }
            }
            Op::Search { query, .. } if query.len() != index.dim || !is_fit(query) => ERROR,
            // It looks at rows while others change them: its hits are judged one by one.
            Op::Search { .. } if self.world => Expect::SomeArray,
            Op::Search { .. } => Expect::Hits(Arc::clone(index)),
            _ => Expect::Info(Arc::clone(index)),
        }
    }
}

impl State {
    /// VQUANT was given up by `now`.
    pub(in super::super) fn tried_to_form(&mut self, key: &str, now: u64) {
        if let Some(Held::Index(index)) = self.entries.get_mut(key).map(|entry| &mut entry.held) {
            Arc::make_mut(index).forms.tried(now);
        }
    }

    /// VQUANT was answered between these times, and it is `certain` that what was acknowledged stays.
    pub(in super::super) fn formed(&mut self, op: &Op, ok: bool, times: (u64, u64), certain: bool) {
        let Op::Quant { key, quant } = op else { return };
        if is_shared(key) != self.world {
            return;
        }
        if let Some(Held::Index(index)) = self.entries.get_mut(key).map(|entry| &mut entry.held) {
            Arc::make_mut(index).forms.answered(quant, ok, times, certain);
        }
    }
}

/// True for a vector that an index takes: finite numbers, and short enough that no distance overflows.
fn is_fit(vector: &[f32]) -> bool {
    let squared: f64 = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    squared.is_finite() && squared < f64::from(f32::MAX) / 8.0
}
