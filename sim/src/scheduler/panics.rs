//! Where a simulated thread panicked, kept for the report instead of being printed.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::panic::{set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Puts a hook before the process's own, once: panics of simulated threads are remembered, others go on to it.
pub(super) fn watch() {
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if QUIET.get() {
                LAST.set(Some(info.to_string()));
            } else {
                before(info);
            }
        }));
    });
}

/// While it lasts, the calling thread of the host runs simulated ones.
pub(super) struct Quiet {
    here: PhantomData<*const ()>,
}

impl Quiet {
    pub(super) fn begin() -> Self {
        QUIET.set(true);
        Self { here: PhantomData }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.set(false);
    }
}

/// The last panic of the calling thread, with its place; what the payload says when there is none.
pub(super) fn last(payload: &(dyn Any + Send)) -> String {
    let said = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let said = said.or_else(|| payload.downcast_ref::<String>().cloned());
    LAST.take().or(said).unwrap_or_else(|| "no message".to_owned())
}
