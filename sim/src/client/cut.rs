//! Requests that break off in the middle: at an exact byte of the command, by a reset or a half-close.
//!
//! What never was a whole command must have no effect, so the oracle does not even hear of it.

use engram::resp::{ParseLimits, Parser, Progress};

use super::{Client, Leaving, State};
use crate::net::LinkId;
use crate::plan::Break;

impl Client {
    /// Puts the part of a request into the output behind which the plan breaks off; false if it does not do so now.
    pub(super) fn begin_cut(&self, state: &mut State) -> bool {
        let Some(next) = state.script.asked_for().map(|number| number + 1) else { return false };
        let cut = |how: &Break| match how {
            Break::CutReset(bytes) => Some((*bytes, true)),
            Break::CutFinish(bytes) => Some((*bytes, false)),
            _ => None,
        };
        let mut breaks = self.inner.plan.breaks.iter().filter(|(number, _)| *number == next);
        let Some((bytes, resets)) = breaks.find_map(|(_, how)| cut(how)) else { return false };
        let Some(op) = state.script.skip() else { return false };
        let mut part = Vec::new();
        op.encode_first(&mut part);
        part.truncate(bytes.clamp(1, part.len() - 1));
        state.leaving = Leaving::Cut { resets, owed: whole_commands(&part) };
        state.out.extend(part);
        true
    }

    /// All of the part has been sent.
    pub(super) fn cut_off(&self, state: &mut State, link: LinkId, resets: bool) {
        if !resets {
            return self.inner.town.wire.finish(link);
        }
        let (this, delay) = (self.clone(), state.rng.below(2 * self.inner.plan.gap));
        self.inner.town.scheduler.later(delay, move || {
            let state = this.inner.state.lock();
            let same = state.link == Some(link) && !state.done;
            drop(state);
            if same {
                this.inner.town.wire.reset(link);
                this.disconnected();
            }
        });
    }
}

/// How many commands are whole in `bytes`.
fn whole_commands(bytes: &[u8]) -> usize {
    let (mut parser, mut at, mut count) = (Parser::default(), 0, 0);
    while let Ok(Progress::Command) = parser.parse(&bytes[at..], &ParseLimits::default()) {
        at += parser.consumed();
        count += 1;
        parser.reset();
    }
    count
}
