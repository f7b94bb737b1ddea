//! Limits of the server that a plan makes small.

use std::time::Duration;

use engram::server::{Options, Shares};

use super::ServerPlan;
use super::fields::{Fields, Word};

/// Settings of the server; zero leaves each as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Most clients.
    pub maxclients: usize,
    /// Seconds after which a silent client is dropped.
    pub timeout: u64,
    /// Bytes above which writes are refused.
    pub maxmemory: usize,
    /// Most bytes of an unfinished command.
    pub query_buffer: usize,
    /// Most bytes of replies that a client leaves unread.
    pub output_buffer: usize,
    /// Unfinished jobs of all clients before those who want one wait.
    pub jobs: usize,
    /// Unfinished jobs of one client before it waits.
    pub jobs_per_client: usize,
    /// Bytes of replies held for one client before it waits.
    pub output_pause: usize,
    /// Replies of one client that wait for the log before it waits.
    pub waiting_replies: usize,
    /// Commands of one client in one turn.
    pub commands_per_turn: usize,
    /// Bytes read from one client in one turn.
    pub read_per_turn: usize,
    /// Bytes that wait for the log before those who write wait.
    pub log_backlog: usize,
}

fn put<T: Copy + Default + PartialEq>(to: &mut T, value: T) {
    if value != T::default() {
        *to = value;
    }
}

impl Limits {
    /// Puts the settings among them into `options`.
    pub fn apply(&self, options: &mut Options) {
        put(&mut options.maxclients, self.maxclients);
        put(&mut options.timeout, self.timeout);
        put(&mut options.maxmemory, self.maxmemory);
        put(&mut options.client_query_buffer_limit, self.query_buffer);
        put(&mut options.client_output_buffer_limit, self.output_buffer);
    }
}

impl ServerPlan {
    /// Where the server lets clients wait.
    #[must_use]
    pub fn shares(&self) -> Shares {
        let lookout = Duration::from_nanos(self.lookout);
        let mut shares = Shares { spin: Duration::ZERO, lookout, ..Shares::default() };
        let limits = &self.limits;
        put(&mut shares.jobs, limits.jobs);
        put(&mut shares.jobs_per_client, limits.jobs_per_client);
        put(&mut shares.output_pause, limits.output_pause);
        put(&mut shares.waiting_replies, limits.waiting_replies);
        put(&mut shares.commands_per_turn, limits.commands_per_turn);
        put(&mut shares.read_per_turn, limits.read_per_turn);
        put(&mut shares.log_backlog, limits.log_backlog);
        shares
    }
}

impl Fields for Limits {
    fn fields(&mut self, each: &mut dyn FnMut(&'static str, &mut dyn Word)) {
        each("maxclients", &mut self.maxclients);
        each("timeout", &mut self.timeout);
        each("maxmemory", &mut self.maxmemory);
        each("query-buffer", &mut self.query_buffer);
        each("output-buffer", &mut self.output_buffer);
        each("jobs", &mut self.jobs);
        each("jobs-per-client", &mut self.jobs_per_client);
        each("output-pause", &mut self.output_pause);
        each("waiting-replies", &mut self.waiting_replies);
        each("commands-per-turn", &mut self.commands_per_turn);
        each("read-per-turn", &mut self.read_per_turn);
        each("log-backlog", &mut self.log_backlog);
    }
}
