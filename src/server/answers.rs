//! What other threads have done: jobs' answers and snapshots.

use std::time::Duration;

use super::Server;
use super::pool::Ticket;
use crate::base::mark::{Mark, reached};
use crate::engine::{Finished, Saved};
use crate::env::Level;
use crate::resp::{Protocol, Reply};
use crate::wal::Lsn;

/// How long the loop does brief jobs before it looks for new events again.
const HELP: Duration = Duration::from_micros(50);
/// And how many.
const HELPED: usize = 8;

impl Server {
    /// Lays the workers' answers where they belong.
    pub(super) fn take_answers(&mut self) {
        let mut answers = std::mem::take(&mut self.answers);
        self.pool.take(&mut answers);
        for (ticket, finished) in answers.drain(..) {
            self.take_answer(ticket, finished);
        }
        self.answers = answers;
    }

    fn take_answer(&mut self, ticket: Ticket, finished: Finished) {
        let barrier = finished.barrier();
        self.answer(ticket, finished.reply, barrier);
    }

    /// Gives the workers the brief jobs of this turn and does some of them here, for a short while: on the way to a
    /// worker and back a brief job takes longer than it lasts. True when the time was up before the jobs were.
    pub(super) fn help(&mut self) -> bool {
        let until = self.now.after(HELP);
        for _ in 0..HELPED {
            self.pool.share_out(1);
            let Some((ticket, finished)) = self.pool.help() else { return false };
            self.now = self.clock.now();
            self.take_answer(ticket, finished);
            self.serve_listed();
            if self.now >= until {
                break;
            }
        }
        reached(Mark::HelpEnds);
        self.pool.share_out(0);
        true
    }

    /// Completes one part of one reply. The client may have gone.
    fn answer(&mut self, ticket: Ticket, bytes: Vec<u8>, barrier: Lsn) {
        let Some(mut connection) = self.connections.remove(&ticket.conn) else {
            return reached(Mark::AnswerForNobody);
        };
        connection.jobs -= 1;
        connection.last_active = self.now;
        self.note_finished(&connection, ticket.started);
        connection.replies.fill(ticket.place, bytes, barrier);
        self.list(&mut connection);
        self.connections.insert(ticket.conn, connection);
    }

    /// Answers those who waited for a snapshot that is done.
    pub(super) fn take_saved(&mut self) {
        while let Some(saved) = self.engine.take_saved() {
            self.tell_saved(&saved);
            if saved.result.is_ok() && saved.backup.is_none() {
                self.ledger.saved(self.clock.wall());
            }
            let mut bytes = Vec::new();
            let mut reply = Reply::new(&mut bytes, Protocol::Resp2);
            match &saved.result {
                Ok(_) => reply.ok(),
                Err(why) => reply.error(format!("ERR the {} failed: {why}", saved.called())),
            }
            let (done, waiting): (Vec<_>, Vec<_>) =
                self.savers.drain(..).partition(|(number, _)| *number == saved.number);
            self.savers = waiting;
            for (_, ticket) in done {
                let bids_farewell = saved.result.is_ok() && ticket.started.command.name == "shutdown";
                let bytes = if bids_farewell { Vec::new() } else { bytes.clone() };
                self.answer(ticket, bytes, Lsn(0));
            }
            if let Some(at) = self.finish_after.iter().position(|number| *number == saved.number) {
                self.finish_after.swap_remove(at);
                if saved.result.is_ok() {
                    self.begin_finish("SHUTDOWN SAVE");
                }
            }
        }
    }

    /// Answers all who waited for a change of form that has come to its end.
    pub(super) fn take_changed(&mut self) {
        while let Some(changed) = self.engine.take_changed() {
            let mut bytes = Vec::new();
            let mut reply = Reply::new(&mut bytes, Protocol::Resp2);
            let barrier = match &changed.result {
                Ok(lsn) => {
                    reply.ok();
                    *lsn
                }
                Err(why) => {
                    reply.error(why);
                    Lsn(0)
                }
            };
            let (done, waiting): (Vec<_>, Vec<_>) =
                self.changers.drain(..).partition(|(number, _)| *number == changed.number);
            self.changers = waiting;
            assert!(!done.is_empty(), "somebody asked for each change");
            for (_, ticket) in done {
                if let Some(connection) = self.connections.get_mut(&ticket.conn) {
                    connection.changes -= 1;
                }
                self.answer(ticket, bytes.clone(), barrier);
            }
        }
    }

    fn tell_saved(&self, saved: &Saved) {
        match &saved.result {
            Ok(bytes) => {
                self.log(
                    Level::Notice,
                    &format!("{} at LSN {} is durable: {bytes} bytes", saved.called(), saved.lsn.0),
                );
            }
            Err(why) => {
                self.log(Level::Warning, &format!("{} at LSN {} failed: {why}", saved.called(), saved.lsn.0))
            }
        }
    }
}
