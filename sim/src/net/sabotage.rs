//! Lies that a network may tell, to see whether the rig notices.

use engram::resp::client::parse_reply;

use super::State;
use super::link::LinkId;

/// Which lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sabotage {
    /// Of a write that carries several replies, the first two change places.
    pub swap_replies: bool,
    /// Now and then what is written to one client goes to another.
    pub misdeliver: bool,
    /// Now and then a use of the waker is forgotten.
    pub drop_wakes: bool,
    /// A use of the waker that finds the self-pipe full takes with it what is in there.
    pub full_pipe_forgets: bool,
}

/// One in so many is lied about.
const ONE_IN: u64 = 10;

impl State {
    /// What arrives of a write.
    pub(super) fn sabotaged(&self, bytes: &[u8]) -> Vec<u8> {
        let length = |bytes: &[u8]| parse_reply(bytes).ok().flatten().map(|(_, len)| len);
        let lengths = length(bytes).and_then(|first| Some((first, length(&bytes[first..])?)));
        match lengths.filter(|_| self.sabotage.swap_replies) {
            None => bytes.to_vec(),
            Some((first, second)) => {
                let (one, rest) = bytes.split_at(first);
                let (two, rest) = rest.split_at(second);
                [two, one, rest].concat()
            }
        }
    }

    /// Whether this write goes astray.
    pub(super) fn misdelivers(&mut self) -> bool {
        self.sabotage.misdeliver && self.is_next()
    }

    /// Whether this use of the waker is forgotten.
    pub(super) fn drops_wake(&mut self) -> bool {
        self.sabotage.drop_wakes && self.is_next()
    }

    /// Another connection that the server has, if it has one.
    pub(super) fn someone_else(&self, id: LinkId) -> LinkId {
        self.conns.values().copied().find(|other| *other != id).unwrap_or(id)
    }

    fn is_next(&mut self) -> bool {
        self.deeds += 1;
        self.deeds.is_multiple_of(ONE_IN)
    }
}
