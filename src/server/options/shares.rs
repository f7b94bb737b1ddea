//! What clients may take in a turn, or have unfinished, before they wait.

use std::time::Duration;

use crate::base::limits;

/// Bounds that backpressure begins at. Not settings: a simulation makes them small, so that little work meets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Unfinished jobs of all clients.
    pub jobs: usize,
    /// Unfinished jobs of one client.
    pub jobs_per_client: usize,
    /// Bytes of replies held for one client.
    pub output_pause: usize,
    /// Replies of one client that wait for the log.
    pub waiting_replies: usize,
    /// Commands of one client in one turn.
    pub commands_per_turn: usize,
    /// Bytes read from one client in one turn.
    pub read_per_turn: usize,
    /// Bytes that wait for the log thread.
    pub log_backlog: usize,
    /// How often a start that recovers looks whether it is to finish.
    pub lookout: Duration,
    /// How long the loop and the log thread look for each other's work before they sleep, while no other job is at work.
    pub spin: Duration,
}

impl Default for Shares {
    fn default() -> Self {
        Self {
            jobs: limits::JOBS,
            jobs_per_client: limits::JOBS_PER_CLIENT,
            output_pause: limits::OUTPUT_PAUSE,
            waiting_replies: limits::WAITING_REPLIES,
            commands_per_turn: limits::COMMANDS_PER_TURN,
            read_per_turn: limits::READ_PER_TURN,
            log_backlog: limits::LOG_BACKLOG,
            lookout: limits::LOOKOUT,
            spin: limits::SPIN,
        }
    }
}
