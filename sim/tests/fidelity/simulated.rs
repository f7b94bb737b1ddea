//! A simulated machine on which nothing goes wrong, for one script.

use std::sync::Arc;

use engram::base::rng::Rng;
use engram_sim::clock;
use engram_sim::disk::{Disk, Latency, Sabotage};
use engram_sim::faults::Faults;
use engram_sim::net::{self, SimNet, Wire};
use engram_sim::scheduler::{Outcome, Pool, Scheduler, Settings, Strategy};
use engram_sim::shared::Shared;
use engram_sim::trace::Trace;

/// A scheduler without preemption.
pub(crate) fn scheduler() -> Scheduler {
    let settings = Settings { strategy: Strategy::Calm, ..Settings::default() };
    Scheduler::new(settings, Rng::new(1), Trace::new(false), 0, &Arc::new(Pool::default()))
}

/// No faults.
pub(crate) fn faultless() -> Arc<Shared<Faults>> {
    Arc::new(Shared::new(Faults::default()))
}

/// Runs `body` as the only thread of a life and gives back what it returns.
pub(crate) fn within<T: Send + 'static>(
    scheduler: &Scheduler,
    body: impl FnOnce() -> T + Send + 'static,
) -> T {
    let slot = Arc::new(Shared::new(None));
    let theirs = Arc::clone(&slot);
    let ended = scheduler.run(move || *theirs.lock() = Some(body()));
    assert_eq!(ended.outcome, Outcome::Returned);
    let result = slot.lock().take();
    result.expect("the body returned")
}

/// Runs `body` on an empty simulated directory.
pub(crate) fn on_disk<T: Send + 'static>(
    body: impl FnOnce(&dyn engram::env::Storage) -> T + Send + 'static,
) -> T {
    let scheduler = scheduler();
    let storage = Disk::default().attach(
        &scheduler,
        &faultless(),
        Latency::default(),
        Sabotage::default(),
        Rng::new(2),
    );
    within(&scheduler, move || body(&*storage))
}

/// A network that does nothing of its own accord.
pub(crate) fn network(scheduler: &Scheduler) -> (SimNet, Wire) {
    let (honest, even) = (net::Sabotage::default(), clock::Settings::default());
    net::network(net::Settings::default(), scheduler, &faultless(), (honest, &even), Rng::new(3))
}
