//! The engine as the body of a simulated life: started from the plan's settings, run until it ends.

use std::sync::Arc;

use engram::env::Machine;
use engram::server::{Options, Server};

use crate::plan::ServerPlan;
use crate::rig::{Body, Rig};

/// A rig around the engine.
#[must_use]
pub fn rig() -> Rig {
    Rig::new(body())
}

/// Starts a server and serves until it is asked to finish.
#[must_use]
pub fn body() -> Arc<Body> {
    Arc::new(|machine: Machine, plan: &ServerPlan| {
        let mut options = Options::for_cores(plan.workers);
        options.dir = Some("simulated".to_owned());
        options.segment_bytes = plan.segment_bytes;
        options.snapshot_slice = plan.snapshot_slice;
        options.workers = plan.workers;
        options.exact_below = plan.exact_below;
        plan.limits.apply(&mut options);
        options.shares = plan.shares();
        let server = Server::start(machine, options).map_err(|error| format!("start: {error}"))?;
        server.run().map_err(|error| format!("run: {error}"))
    })
}
