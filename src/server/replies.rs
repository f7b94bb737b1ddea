//! A connection's replies, in the order of its commands.
//!
//! Guarantees: replies leave in order, one for one, and none before its barrier is durable and its jobs are done. A
//! reply that has nothing to wait for and nobody before it costs no allocation: it is written straight into the output.

use std::collections::VecDeque;

use crate::base::mark::{Mark, reached};
use crate::wal::Lsn;

/// Where a job's answer belongs: the number of the reply among its connection's, and the part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) reply: u64,
    pub(super) part: usize,
}

/// A reply that cannot leave yet.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The first part; most replies have no other.
    head: Vec<u8>,
    rest: Vec<Vec<u8>>,
    missing: usize,
    barrier: Lsn,
    /// False for a client that asked for no reply (CLIENT REPLY): it has its place, and is dropped there.
    wanted: bool,
}

impl Waiting {
    /// A reply that is complete but for its barrier.
    pub(super) fn complete(bytes: Vec<u8>, barrier: Lsn) -> Self {
        Self { head: bytes, rest: Vec::new(), missing: 0, barrier, wanted: true }
    }

    /// A reply in parts, of which `missing` come from elsewhere ([`Replies::fill`]).
    pub(super) fn parts(
        head: Vec<u8>,
        rest: Vec<Vec<u8>>,
        missing: usize,
        barrier: Lsn,
        wanted: bool,
    ) -> Self {
        Self { head, rest, missing, barrier, wanted }
    }

    fn bytes(&self) -> usize {
        self.head.len() + self.rest.iter().map(Vec::len).sum::<usize>()
    }
}

#[derive(Debug, Default)]
pub(super) struct Replies {
    /// Bytes that may leave.
    output: Vec<u8>,
    /// How many of them have left.
    sent: usize,
    queue: VecDeque<Waiting>,
    /// The number of the reply at the front of the queue.
    front: u64,
    /// Bytes in the queue.
    held: usize,
}

/// Output kept allocated once all has been sent.
const KEPT_OUTPUT: usize = 16 << 10;

impl Replies {
    /// Where a reply can be written directly; only while nothing waits ([`Replies::is_clear`]).
    pub(super) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// True when the next reply has none before it that waits.
    pub(super) fn is_clear(&self) -> bool {
        self.queue.is_empty()
    }

    /// True when the first reply that waits misses nothing but its barrier.
    pub(super) fn wait_for_log(&self) -> bool {
        self.queue.front().is_some_and(|front| front.missing == 0)
    }

    /// The number that the next waiting reply will have.
    pub(super) fn next(&self) -> u64 {
        self.front + self.queue.len() as u64
    }

    /// Adds a reply behind all others.
    pub(super) fn push(&mut self, reply: Waiting) {
        self.held += reply.bytes();
        self.queue.push_back(reply);
    }

    /// A job's answer has come.
    pub(super) fn fill(&mut self, place: Place, bytes: Vec<u8>, barrier: Lsn) {
        let at = place.reply.checked_sub(self.front).map(|i| i as usize);
        let reply = at.and_then(|i| self.queue.get_mut(i));
        let Some(reply) = reply else { panic!("an answer for reply {} which is not there", place.reply) };
        assert!(reply.missing > 0, "an answer for a reply that misses none");
        self.held += bytes.len();
        let part = place.part.checked_sub(1).map_or(&mut reply.head, |i| &mut reply.rest[i]);
        *part = bytes;
        reply.missing -= 1;
        reply.barrier = reply.barrier.max(barrier);
    }

    /// Moves to the output what may leave now that the log is durable up to `durable`. Where the log has failed,
    /// replies behind a barrier that never comes are `error` instead.
    pub(super) fn release(&mut self, durable: Lsn, error: Option<&str>) {
        while let Some(front) = self.queue.front() {
            let lost = front.barrier > durable;
            if front.missing > 0 || (lost && error.is_none()) {
                break;
            }
            let Some(reply) = self.queue.pop_front() else { break };
            self.front += 1;
            self.held -= reply.bytes();
            match error {
                _ if !reply.wanted => {}
                Some(text) if lost => {
                    reached(Mark::ReplyBecomesError);
                    self.output.extend_from_slice(format!("-{text}\r\n").as_bytes());
                }
                _ => {
                    self.output.extend_from_slice(&reply.head);
                    reply.rest.iter().for_each(|part| self.output.extend_from_slice(part));
                }
            }
        }
    }

    /// What may be sent and has not been. Nothing while the output is lent to a command that writes its reply there: that
    /// command may ask.
    pub(super) fn unsent(&self) -> &[u8] {
        self.output.get(self.sent..).unwrap_or_default()
    }

    /// `n` more bytes have been sent.
    pub(super) fn sent(&mut self, n: usize) {
        self.sent += n;
        assert!(self.sent <= self.output.len(), "more was sent than there was");
        if self.sent == self.output.len() {
            self.sent = 0;
            self.output.clear();
            self.output.shrink_to(KEPT_OUTPUT);
        } else if self.sent > self.output.len() / 2 {
            self.output.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Replies that wait.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// True when there is nothing to send and nothing to wait for.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.unsent().is_empty()
    }

    /// Bytes held for this client.
    pub(super) fn bytes(&self) -> usize {
        self.unsent().len() + self.held
    }

    /// Bytes of memory that the replies occupy.
    pub(super) fn memory(&self) -> usize {
        self.output.capacity() + self.held + self.queue.capacity() * size_of::<Waiting>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_waits_for_those_before_it() {
        let mut replies = Replies::default();
        let place = Place { reply: replies.next(), part: 0 };
        replies.push(Waiting::parts(Vec::new(), Vec::new(), 1, Lsn(0), true));
        replies.push(Waiting::complete(b"+second".to_vec(), Lsn(0)));
        replies.release(Lsn(9), None);
        assert!(replies.unsent().is_empty());
        replies.fill(place, b"+first".to_vec(), Lsn(0));
        replies.release(Lsn(9), None);
        assert_eq!(replies.unsent(), b"+first+second");
        assert_eq!((replies.waiting(), replies.bytes()), (0, 13));
    }

    #[test]
    fn nothing_leaves_before_its_barrier() {
        let mut replies = Replies::default();
        replies.push(Waiting::complete(b"+OK".to_vec(), Lsn(5)));
        replies.release(Lsn(4), None);
        assert!(replies.unsent().is_empty());
        replies.release(Lsn(5), None);
        assert_eq!(replies.unsent(), b"+OK");
    }

    #[test]
    fn a_failed_log_turns_what_waits_for_it_into_errors_and_lets_the_rest_pass() {
        let mut replies = Replies::default();
        replies.push(Waiting::complete(b"+read".to_vec(), Lsn(4)));
        replies.push(Waiting::complete(b"+lost".to_vec(), Lsn(6)));
        replies.push(Waiting::complete(b"+later".to_vec(), Lsn(0)));
        replies.release(Lsn(5), Some("MISCONF no log"));
        assert_eq!(replies.unsent(), b"+read-MISCONF no log\r\n+later");
    }

    #[test]
    fn what_was_sent_is_forgotten_and_what_was_not_is_kept() {
        let mut replies = Replies::default();
        replies.output().extend_from_slice(b"0123456789");
        replies.sent(6);
        assert_eq!((replies.unsent(), replies.bytes()), (&b"6789"[..], 4));
        replies.sent(4);
        assert!(replies.is_empty());
    }

    #[test]
    fn output_that_is_lent_has_nothing_unsent() {
        let mut replies = Replies::default();
        replies.output().extend_from_slice(b"0123456789");
        replies.sent(3);
        let lent = std::mem::take(replies.output());
        assert_eq!((replies.unsent(), replies.bytes()), (&b""[..], 0));
        *replies.output() = lent;
        assert_eq!(replies.unsent(), b"3456789");
    }
}
