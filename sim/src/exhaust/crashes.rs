//! Where a life can be stopped: its storage calls, as the trace of a run that nothing disturbs has them.

use std::collections::BTreeMap;

use crate::faults::{CALLS, Call, Fault, Planned};
use crate::trace::Trace;

/// One moment to stop at.
#[derive(Clone, Debug)]
pub(super) struct Crash {
    /// The fault that stops the machine; none for the end of the life.
    pub(super) fault: Option<Planned>,
    /// It in words.
    pub(super) text: String,
}

/// Thousandths of a write that have been done when the machine stops in the middle of it; 0 is one byte.
const MIDDLES: [u16; 3] = [0, 500, 999];

/// How many storage calls were made.
pub(super) fn calls(trace: &Trace) -> usize {
    trace.events().iter().filter(|event| storage_call(event.kind).is_some()).count()
}

/// Every crash of that life: before each call, in the middle of each write, and behind the last call. If `changing`,
/// only at calls that change the disk: the image before one that reads is the image before the next that changes.
pub(super) fn crashes(trace: &Trace, changing: bool) -> Vec<Crash> {
    let mut made: BTreeMap<Call, u64> = BTreeMap::new();
    let mut found = Vec::new();
    for event in trace.events() {
        let Some(call) = storage_call(event.kind) else { continue };
        let index = made.entry(call).or_default();
        *index += 1;
        if changing && !changes(call) {
            continue;
        }
        let mut add = |how: &str, fault| {
            let text = format!("{how} {} {index} {}", call.name(), event.name);
            found.push(Crash { fault: Some(Planned::new(call, *index, fault)), text });
        };
        add("before", Fault::Crash(0));
        let [_, bytes, _] = event.numbers;
        if call == Call::WriteAt && bytes > 1 {
            MIDDLES.iter().for_each(|&permille| {
                add(&format!("{permille}/1000 into"), Fault::CrashShort(permille));
            });
        }
    }
    found.push(Crash { fault: None, text: "at the end".to_owned() });
    found
}

/// The storage call that events of this kind stand for.
fn storage_call(kind: &str) -> Option<Call> {
    CALLS
        .into_iter()
        .find(|call| call.name() == kind)
        .filter(|call| !matches!(call, Call::Accept | Call::Read | Call::Write | Call::Wait))
}

fn changes(call: Call) -> bool {
    matches!(
        call,
        Call::Create
            | Call::Rename
            | Call::Remove
            | Call::SyncDir
            | Call::WriteAt
            | Call::SetLen
            | Call::Sync
    )
}
