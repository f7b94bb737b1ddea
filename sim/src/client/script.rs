//! What a client wants: an inspection first where one is due, then its operations.

use std::fmt;
use std::sync::Arc;

use engram::resp::client::Value;

use super::inspection::{Inspection, Taken};
use crate::oracle::{Oracle, internal, keys_of, shared_keys};
use crate::plan::Op;
use crate::shared::Shared;

/// Which client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The one that looks at everything.
    Inspector,
    /// One that the plan has.
    Client(usize),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inspector => f.write_str("inspector"),
            Self::Client(number) => write!(f, "client {number}"),
        }
    }
}

/// The wishes of one client in one life.
pub(crate) struct Script {
    pub(crate) who: Who,
    oracle: Arc<Shared<Oracle>>,
    inspection: Option<Inspection>,
    ops: Vec<Op>,
    /// How many of `ops` have been asked for.
    next: usize,
    connections: usize,
    /// The server refuses to show what it may lose: nothing can be settled in this life any more.
    refused: bool,
}

impl Script {
    /// A client with these operations; none for the inspector.
    pub(crate) fn new(who: Who, oracle: &Arc<Shared<Oracle>>, ops: Vec<Op>) -> Self {
        let oracle = Arc::clone(oracle);
        Self { who, oracle, inspection: None, ops, next: 0, connections: 0, refused: false }
    }

    /// A connection begins. The inspector looks at everything, and so does every client at its own keys when it comes
    /// back: only the server knows what became of its last requests.
    pub(crate) fn connected(&mut self, now: u64) {
        self.connections += 1;
        let inspection = match self.who {
            Who::Inspector => {
                let clients = self.oracle.lock().clients();
                let mut keys: Vec<String> = (0..clients).flat_map(keys_of).collect();
                keys.extend(shared_keys());
                Some(Inspection::new(&keys, true, now))
            }
            Who::Client(number) if self.connections > 1 => {
                Some(Inspection::new(&keys_of(number), false, now))
            }
            Who::Client(_) => None,
        };
        self.inspection = inspection;
    }

    /// The next request, if there is one now.
    pub(crate) fn next(&mut self, now: u64) -> Option<Op> {
        if self.refused {
            return None;
        }
        if let Some(inspection) = &mut self.inspection {
            return inspection.next();
        }
        let op = self.ops.get(self.next)?.clone();
        self.next += 1;
        if let Who::Client(number) = self.who {
            self.oracle.lock().asked(number, &op, now);
        }
        Some(op)
    }

    /// Passes over the next operation: it will not be asked for.
    pub(crate) fn skip(&mut self) -> Option<Op> {
        let op = self.ops.get(self.next)?.clone();
        self.next += 1;
        Some(op)
    }

    /// The number of the operation that was asked for last, from 1; none during an inspection.
    pub(crate) fn asked_for(&self) -> Option<usize> {
        self.inspection.is_none().then_some(self.next)
    }

    /// True when nothing is left to ask for; what was asked for may still be without an answer.
    pub(crate) fn is_over(&self) -> bool {
        self.refused || (self.inspection.is_none() && (self.next == self.ops.len()))
    }

    /// True when the server would not show what it may lose, or cannot show it right.
    pub(crate) fn was_refused(&self) -> bool {
        self.refused
    }

    /// Whether a snapshot may fail that was asked for at `since`.
    pub(crate) fn may_not_save(&self, since: u64) -> bool {
        self.oracle.lock().may_not_save(since, false)
    }

    /// The server is ordered to finish, and to save before.
    pub(crate) fn orders_save(&self, now: u64) {
        self.oracle.lock().ordered_to_save(now);
    }

    /// Whether the server was asked to finish: answers may say so.
    pub(crate) fn server_finishes(&self, yes: bool) {
        self.oracle.lock().finishes(yes);
    }

    /// A request was answered. An error is a violation.
    pub(crate) fn answered(
        &mut self,
        (op, later): (&Op, &[&Op]),
        replies: &[Value],
        (asked, now): (u64, u64),
    ) -> Result<(), String> {
        let Some(inspection) = &mut self.inspection else {
            let Who::Client(number) = self.who else { return Ok(()) };
            return self.oracle.lock().answered(number, (op, later), replies, (asked, now));
        };
        // What is shown of rotten vectors settles nothing: who comes back then goes again.
        if self.oracle.lock().vectors_rotten() {
            self.refused = true;
            return Ok(());
        }
        let reply = replies.first().ok_or("no reply")?;
        if matches!(reply, Value::Error(text) if text.starts_with(b"MISCONF "))
            && self.oracle.lock().log_failed()
        {
            self.refused = true;
            return Ok(());
        }
        if internal(replies) > 0 && self.oracle.lock().excuses(op, replies) {
            inspection.again(op);
            return Ok(());
        }
        let since = inspection.since;
        let span = self.oracle.lock().span(asked, now);
        let taken = inspection.take(op, reply, span).map_err(|what| format!("{}: {what}", self.who))?;
        if let Taken::Complete(seen) = taken {
            self.inspection = None;
            let mut oracle = self.oracle.lock();
            match self.who {
                Who::Client(number) => oracle.returned(number, &seen, since, now)?,
                Who::Inspector => {
                    (0..oracle.clients())
                        .try_for_each(|number| oracle.inspected(number, &seen, since, now))?;
                    oracle.inspected_shared(&seen, now)?;
                }
            }
        }
        Ok(())
    }

    /// What had been sent on a connection that was lost at `since` may have been executed up to `now`.
    pub(crate) fn let_go(&mut self, since: u64, now: u64) {
        if let Who::Client(number) = self.who {
            self.oracle.lock().let_go(number, since, now);
        }
    }

    /// These requests will get no answer.
    pub(crate) fn unanswered(&mut self, requests: impl Iterator<Item = (Op, u64)>, now: u64) {
        let Who::Client(number) = self.who else { return };
        if self.inspection.is_some() {
            return;
        }
        for (op, at) in requests {
            self.oracle.lock().unanswered(number, &op, at, now);
        }
    }

    /// These requests will get no answer, since the server has passed over them; unless its disk or a job has failed.
    pub(crate) fn unexecuted(&mut self, requests: impl Iterator<Item = (Op, u64)>, now: u64) {
        let Who::Client(number) = self.who else { return };
        let mut oracle = self.oracle.lock();
        if oracle.log_failed() || oracle.job_panicked() {
            drop(oracle);
            return self.unanswered(requests, now);
        }
        if self.inspection.is_none() {
            for (op, at) in requests {
                // One whose replies were switched off is executed without an answer.
                if let Op::Unheard(..) = op {
                    oracle.unanswered(number, &op, at, now);
                } else {
                    oracle.unexecuted(number, &op, at);
                }
            }
        }
    }
}
