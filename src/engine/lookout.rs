//! Whether a start that recovers for long is to give up: looked at now and then.

use std::sync::Arc;
use std::time::Duration;

use super::OpenError;
use crate::base::mark::{Mark, reached};
use crate::base::time::Mono;
use crate::env::Clock;

/// Asks now and then whether to go on. Once the answer was no, it stays so, and whatever ends for it counts as given up.
pub(super) struct Lookout<'a> {
    asked: &'a mut dyn FnMut() -> bool,
    clock: Arc<dyn Clock>,
    every: Duration,
    next: Mono,
    heard: bool,
}

impl<'a> Lookout<'a> {
    /// Where `asked` says that somebody wants it to end. It is asked every so often, and may take a system call.
    pub(super) fn new(asked: &'a mut dyn FnMut() -> bool, clock: &Arc<dyn Clock>, every: Duration) -> Self {
        Self { asked, clock: Arc::clone(clock), every, next: clock.now().after(every), heard: false }
    }

    /// Whether to give up. Cheap, to be asked often.
    pub(super) fn is_over(&mut self) -> bool {
        if self.heard {
            return true;
        }
        let now = self.clock.now();
        if now >= self.next {
            self.next = now.after(self.every);
            self.heard = (self.asked)();
            if self.heard {
                reached(Mark::RecoveryGivenUp);
            }
        }
        self.heard
    }

    /// Whether the answer was to give up.
    pub(super) fn has_heard(&self) -> bool {
        self.heard
    }

    /// Why there is no engine, given that this has ended it.
    pub(super) fn refuse(&self, why: &dyn std::fmt::Display) -> OpenError {
        if self.heard { OpenError::GivenUp } else { OpenError::Refused(why.to_string()) }
    }
}
