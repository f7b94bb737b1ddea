//! What an answer is judged by, beside the model's state.

use crate::plan::Op;

/// What else decides whether an answer is right.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The operation that is answered.
    pub op: &'a Op,
    /// Operations of the same client that were sent before the answer came: a search may have seen what they did.
    pub later: &'a [&'a Op],
    /// When it was asked for and when it was answered, in virtual nanoseconds.
    pub times: (u64, u64),
    /// Its number among all requests.
    pub number: u64,
    /// The client that asked.
    pub client: usize,
    /// The plan let something fail because of which a snapshot may have failed since it was asked for.
    pub may_not_save: bool,
    /// The server was asked to finish: it gives up what it has not saved or changed yet.
    pub finishing: bool,
    /// As many backups may have waited as may.
    pub backups_abound: bool,
    /// The medium has changed vectors under the server: distances may be wrong, and nothing else.
    pub vectors_rotten: bool,
    /// What was acknowledged may be gone after this life.
    pub may_lose: bool,
    /// Something has happened in it that makes a log fail.
    pub log_failed: bool,
}

impl Context<'_> {
    /// What the names of the client's own keys begin with.
    pub(super) fn own(&self) -> String {
        format!("c{}:", self.client)
    }
}
