//! How a client ends what it has with the server, and what the plan has happen to the machine behind its requests.

use super::{Break, Client, Leaving, State, write_command};

impl Client {
    /// Does what the plan has the client do to the connection, or to the machine, behind a request.
    pub(super) fn break_off(&self, state: &mut State, how: &Break) {
        match how {
            Break::Finish | Break::Garbage(_) | Break::Order(_) | Break::Quit
                if state.leaving != Leaving::No => {}
            Break::Order(words) => {
                state.out.extend_from_slice(words.as_bytes());
                state.out.extend_from_slice(b"\r\n");
                let now = self.inner.town.scheduler.now();
                let saves = words.ends_with(" SAVE").then_some(now);
                saves.into_iter().for_each(|now| state.script.orders_save(now));
                state.leaving = Leaving::Order { saves };
                self.inner.town.wire.ordered_to_finish(true);
                self.inner.town.scheduler.note("order", words, [0; 3]);
            }
            Break::Finish => state.leaving = Leaving::Finish,
            Break::Quit => {
                write_command(&mut state.out, &["QUIT"]);
                state.leaving = Leaving::Quit(false);
            }
            Break::CutReset(_) | Break::CutFinish(_) => {}
            Break::CutReply(bytes) => {
                let last = state.sent.last_mut();
                last.into_iter().for_each(|sent| sent.cut = Some((*bytes).max(1)));
            }
            Break::Garbage(bytes) => {
                state.out.extend_from_slice(bytes.as_bytes());
                state.leaving = Leaving::Garbage(0);
            }
            Break::Shutdown(after) => {
                let town = self.inner.town.clone();
                self.inner.town.scheduler.later(*after, move || town.shut_down());
            }
            Break::Crash(after) => {
                let scheduler = self.inner.town.scheduler.clone();
                self.inner.town.scheduler.later(*after, move || scheduler.crash());
            }
            Break::Reset(after) => {
                let (this, link) = (self.clone(), state.link);
                self.inner.town.scheduler.later(*after, move || {
                    let state = this.inner.state.lock();
                    let same = state.link == link && !state.done;
                    drop(state);
                    if let Some(link) = link.filter(|_| same) {
                        this.inner.town.wire.reset(link);
                        this.disconnected();
                    }
                });
            }
        }
    }
}
