//! The engine as the body of a simulated life: started from the plan's settings, run until it ends.

use std::sync::Arc;

use engram::env::Machine;
use engram::server::{Options, ServeError, Server, Turn};

use crate::plan::{PASSWORD, ServerPlan};
use crate::rig::{Body, Rig};

/// A rig around the engine.
#[must_use]
pub fn rig() -> Rig {
    Rig::new(body("auto")).audited()
}

/// A rig around the engine with the distance kernels called so (see [`engram::kernels::NAMES`]), or `auto`.
#[must_use]
pub fn rig_with(kernels: &'static str) -> Rig {
    Rig::new(body(kernels)).audited()
}

/// Starts a server and serves until it is asked to finish.
#[must_use]
fn body(kernels: &'static str) -> Arc<Body> {
    Arc::new(move |machine: Machine, plan: &ServerPlan| {
        let mut options = Options::for_cores(plan.workers);
        options.dir = Some("simulated".to_owned());
        options.segment_bytes = plan.segment_bytes;
        options.log_room = plan.log_room;
        options.snapshots.log_bytes = plan.snapshot_log_bytes;
        options.snapshots.rate = plan.snapshot_rate;
        if plan.snapshot_memory > 0 {
            options.snapshots.memory = plan.snapshot_memory;
        }
        options.snapshot_slice = plan.snapshot_slice;
        options.sweep_from = plan.sweep_from;
        options.sweep_slice = plan.sweep_slice;
        options.sweep_room = plan.sweep_room;
        options.scan_count = plan.scan_count;
        options.table_bits = plan.table_bits;
        options.expiries_per_turn = plan.expiries_per_turn;
        options.workers = plan.workers;
        options.fsync = plan.fsync.into();
        if plan.password {
            options.requirepass = PASSWORD.as_bytes().to_vec();
        }
        options.kernel = kernels.to_owned();
        options.exact_below = plan.exact_below;
        plan.limits.apply(&mut options);
        options.shares = plan.shares();
        let server = Server::start(machine, options).map_err(|error| format!("start: {error}"))?;
        server.map_or(Ok(()), serve).map_err(|error| format!("run: {error}"))
    })
}

/// Changes after which the next quiet moment is one to look at everything.
const CHANGES: u64 = 24;

/// Serves to the end, and looks at quiet moments whether everything is as it has to be: when recovery is over, now and
/// then, and when all clients have gone.
fn serve(mut server: Server) -> Result<(), ServeError> {
    validate(&server, "recovery");
    let mut seen = server.changes();
    while server.turn()? == Turn::Continue {
        if server.changes() - seen >= CHANGES && server.is_quiet() {
            validate(&server, "commands");
            seen = server.changes();
        }
    }
    if server.is_quiet() {
        validate(&server, "the last client");
    }
    server.close()
}

fn validate(server: &Server, what: &str) {
    if let Err(why) = server.validate() {
        panic!("after {what}, the structure does not hold: {why}");
    }
}
