//! Where a simulated thread panicked, kept for the report instead of being printed.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Puts a hook before the process's own, once: panics of simulated threads are remembered, others go on to it.
pub(super) fn watch() {
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if std::thread::current().name() == Some("simulated") {
                LAST.set(Some(info.to_string()));
            } else {
                before(info);
            }
        }));
    });
}

/// The last panic of the calling thread, with its place; what the payload says when there is none.
pub(super) fn last(payload: &(dyn Any + Send)) -> String {
    let said = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let said = said.or_else(|| payload.downcast_ref::<String>().cloned());
    LAST.take().or(said).unwrap_or_else(|| "no message".to_owned())
}
